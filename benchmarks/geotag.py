"""A large CSV with the codes of both layers added, end to end, against DuckDB spatial."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.bulk import AT, LAYERS, City, as_wkb, city_of
from benchmarks.case import Case
from benchmarks.peers import peers
from spatial.geotag.model import Asked
from spatial.geotag.service import geotag
from spatial.local_postgis import LocalPostgis
from spatial.time import now

ROWS = 10_000_000
AT_ONCE = 100_000
ROUNDS = 3
COMPARED = "77"  # how the numbers of rows end that are compared


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case."""
    city = city_of(postgis)
    with tempfile.TemporaryDirectory() as name, peers(Path(name)) as others:
        folder = Path(name)
        source, ours_to, theirs_to = (folder / f"{one}.csv" for one in ("source", "ours", "theirs"))
        write_rows(source, city, ROWS)
        others.hold([as_wkb(grids) for _, grids in city.layers], city.lon[:1], city.lat[:1])
        asked = Asked(layers=LAYERS, columns=("grid",), at=AT)

        def ours() -> Path:
            geotag(city.database, None, source, ours_to, asked, now=now(), overwrite=True)
            return ours_to

        def theirs() -> Path:
            others.say("geotag", source=str(source), target=str(theirs_to))
            return theirs_to

        yield Case(
            f"geotag of a CSV with {ROWS:,} rows, from file to file", ours, theirs,
            "DuckDB spatial, two threads", 5.0, ROWS, "rows", same=_same_rows, rounds=ROUNDS,
        )  # fmt: skip


def write_rows(path: Path, city: City, rows: int) -> None:
    """Write a CSV of events."""
    rng = np.random.default_rng(2)
    bounds = [(one.min(), one.max()) for one in (city.lon, city.lat)]
    with path.open("w", encoding="utf-8") as file:
        file.write("id,reported,category,lon,lat,note\n")
        for start in range(0, rows, AT_ONCE):
            lon, lat = (rng.uniform(*bound, AT_ONCE).round(7).tolist() for bound in bounds)
            file.writelines(
                f'{start + n:08},2025-03-0{n % 9 + 1}T08:30:00+08:00,{n % 37},{x},{y},"note {n % 97}, of no one"\n'
                for n, (x, y) in enumerate(zip(lon, lat, strict=True))
            )


def _same_rows(ours: Path, theirs: Path) -> bool:
    """Whether both have the same rows; theirs in any order, and more than one where grids overlap."""
    found: list[dict[str, list[str]]] = []
    for path in (ours, theirs):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(line for line in file if line[:8].endswith(COMPARED))
            found.append({row[0]: row for row in sorted(rows, reverse=True)})
    return found[0] == found[1]
