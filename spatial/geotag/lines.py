"""Lines of JSON: objects, to whose end members are added, or features, to whose properties."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from spatial.errors import Fault, invalid
from spatial.geotag.model import Asked, Column, Places
from spatial.geotag.naming import place_columns, require_new
from spatial.geotag.opened import Stream, opened
from spatial.geotag.times import micros_of
from spatial.lookup.bulk import Bools

BLOCK_BYTES = 1 << 22  # a line is never longer
POINT = "Point"


@dataclass(frozen=True)
class Block:
    """Some whole lines, what they hold, and their places."""

    lines: list[bytes]
    objects: list[dict[str, Any] | None]  # none: a blank line, or no object
    read: int
    places: Places
    is_row: Bools

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.lines)


@dataclass
class Lines:
    """A file of lines of JSON."""

    path: Path
    asked: Asked
    added_names: Sequence[str]
    crs: str | None = None

    def __post_init__(self) -> None:
        with opened(self.path) as stream:
            first = next((one for one in stream.read(BLOCK_BYTES).splitlines() if one.strip()), None)
        if first is None:
            raise invalid("file", "file-empty", file=self.path.name)
        said = _object(first.removeprefix(b"\xef\xbb\xbf"))
        if said is None:
            raise invalid("row 1", "not-json")
        members = _members(said)
        self._of_features = _is_feature(said) and not (self.asked.x or self.asked.y)
        self._columns = ("geometry", "geometry") if self._of_features else place_columns(list(members), self.asked)
        require_new(self.added_names, members)

    def start(self, _file: BinaryIO) -> int:
        """Write nothing: there is no header."""
        return 0

    def blocks(self, start: int, first: int) -> Iterator[tuple[Block, float]]:
        """Yield all lines from a byte on, whose number is `first`; and how much of the file has been read."""
        with opened(self.path, start) as stream:
            yield from self._blocks(stream, start, first)

    def write(self, file: BinaryIO, block: Block, columns: Sequence[Column], kept: Bools) -> None:
        """Write lines with members added."""
        rows = [(column.name, column.values, column.index.tolist()) for column in columns]
        for row in range(block.count):
            line, said = block.lines[row], block.objects[row]
            if said is None and (kept[row] or not block.is_row[row]):
                file.write(line)
            elif said is not None and kept[row]:
                more = {name: values[index[row]] if index[row] >= 0 else None for name, values, index in rows}
                file.write(_with(line, said, more))

    def _blocks(self, stream: Stream, start: int, first: int) -> Iterator[tuple[Block, float]]:
        rest, is_last = b"", False
        while not is_last:
            more = stream.read(BLOCK_BYTES)
            is_last = len(more) < BLOCK_BYTES
            text = rest + more
            end = len(text) if is_last else text.rfind(b"\n") + 1
            if len(text) - end >= BLOCK_BYTES:
                raise invalid(f"row {first}", "row-too-long", limit_kb=BLOCK_BYTES // 1024)
            start, rest = start + end, text[end:]
            if end:
                block = self._block(text[:end].splitlines(keepends=True), start, first)
                yield block, stream.share()
                first += block.count

    def _block(self, lines: list[bytes], read: int, first: int) -> Block:
        wrong: dict[int, Fault] = {}
        is_row = np.array([not one.isspace() for one in lines], bool)
        objects = [_object(line.removeprefix(b"\xef\xbb\xbf")) if is_row[n] else None for n, line in enumerate(lines)]
        x, y = np.full(len(lines), np.nan), np.full(len(lines), np.nan)
        for row, said in enumerate(objects):
            if said is None:
                if is_row[row]:
                    wrong[row] = Fault("", "not-json")
                continue
            place = _point(said) if self._of_features else [_members(said).get(one) for one in self._columns]
            for value, column, target in zip(place, self._columns, (x, y), strict=True):
                number = _number(value)
                if isinstance(number, float):
                    target[row] = number
                else:
                    wrong.setdefault(row, Fault(column, number, {"value": str(value)[:60]}))
        return Block(lines, objects, read, Places(first, x, y, self._times(objects, is_row, wrong), wrong), is_row)

    def _times(self, objects: list[dict[str, Any] | None], is_row: Bools, wrong: dict[int, Fault]) -> Any:
        column = self.asked.at_column
        if column is None:
            return None
        cells = [str(_members(said).get(column) or "") if said is not None else "" for said in objects]
        return micros_of(cells, column, wrong, is_row)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def _is_feature(said: dict[str, Any]) -> bool:
    return said.get("type") == "Feature" and "geometry" in said


def _members(said: dict[str, Any]) -> dict[str, Any]:
    """Return what a line says of its thing: the properties of a feature, else the members."""
    properties = said.get("properties") if _is_feature(said) else said
    return properties if isinstance(properties, dict) else {}


def _point(said: dict[str, Any]) -> Sequence[Any]:
    match said.get("geometry"):
        case {"type": str(kind), "coordinates": [x, y, *_]} if kind == POINT:
            return x, y
    return None, None


def _number(value: Any) -> float | str:
    """Return a number, or the name of what is wrong."""
    if value is None or value == "":
        return "cell-empty"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "cell-not-a-number"
    try:
        number = float(value.replace("_", "x") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return "cell-not-a-number"
    return number if np.isfinite(number) else "not-finite"


def _with(line: bytes, said: dict[str, Any], more: dict[str, Any]) -> bytes:
    """Return a line with members added: to a feature's properties, else at its end, where the rest stays as it is."""
    bare = line.rstrip()
    if _is_feature(said):
        said["properties"] = _members(said) | more
        return orjson.dumps(said) + line[len(bare) :]
    members = orjson.dumps(more)[1:-1]
    return bare[:-1] + (b"," if said and more else b"") + members + b"}" + line[len(bare) :]
