"""What a user would pick for bulk look-ups instead, in a process of its own: only the work is timed, not its start."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from spatial.geometry import Floats
from spatial.settings import ROOT

PYTHON = ROOT / ".venv" / "peers" / "bin" / "python"
PROGRAM = Path(__file__).parent / "theirs" / "bulk.py"
Codes = Sequence[NDArray[np.object_]]


class Peers:
    """GeoPandas and DuckDB with the same grids and places."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def say(self, verb: str, **given: Any) -> None:
        """Let it do something, and wait until it is done."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(orjson.dumps({"verb": verb, **given}) + b"\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != b"done\n":
            raise RuntimeError(f"the peer could not {verb}")

    def hold(self, layers: Sequence[tuple[Sequence[str], Sequence[bytes]]], lon: Floats, lat: Floats) -> None:
        """Give it grids, by layer as codes and WKB, and places."""
        for number, (codes, wkb) in enumerate(layers):
            (self._folder / f"layer{number}.json").write_bytes(orjson.dumps([list(codes), [one.hex() for one in wkb]]))
        np.savez(self._folder / "places.npz", lon=lon, lat=lat)
        self.say("hold", layers=len(layers))

    def codes(self) -> list[NDArray[np.object_]]:
        """Return what it found last."""
        said = orjson.loads((self._folder / "codes.json").read_bytes())
        return [np.array(of_layer, object) for of_layer in said]


@contextmanager
def peers(folder: Path) -> Iterator[Peers]:
    """Start it, and stop it at the end."""
    command = [str(PYTHON), "-u", str(PROGRAM), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Peers(process, folder)
        process.stdin.close()  # type: ignore[union-attr]  # it is a pipe


def same_codes(ours: Codes, theirs: Codes) -> bool:
    """Whether the same grids own the same places, nobody as none."""
    return all(bool((one == other).all()) for one, other in zip(ours, theirs, strict=True))
