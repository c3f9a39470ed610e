"""Files of places come back as they were, with whose each place is: as one look-up says it."""

import csv
import gzip
import io
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from geopandas import GeoDataFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial import crs as systems
from spatial.access import Actor
from spatial.access.rules import Grant
from spatial.access.scopes import reach_of
from spatial.db import Database
from spatial.errors import InputError, NotFound
from spatial.geotag import service
from spatial.geotag.delimited_kernel import SLOW, numbers_of
from spatial.geotag.model import COLUMNS, Asked, Outcome
from spatial.geotag.service import geotag
from spatial.lookup import stored
from spatial.lookup.model import Answer, LayerAnswer, Question
from spatial.time import now
from tests.access_world import Precinct
from tests.build import middle
from tests.service import TWINGRID

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
WEST, SOUTH, EAST, NORTH = 120.255, 30.285, 120.285, 30.315  # about the town
Rows = list[dict[str, str]]


def tag(database: Database, source: Path, target: Path, **asked: Any) -> Outcome:
    """Tag a file as of a day of the town."""
    return geotag(database, None, source, target, Asked(**({"at": AT} | asked)), now=now())


def tagged(database: Database, source: Path, **asked: Any) -> Rows:
    """Return the rows of a CSV, tagged."""
    target = source.with_name(f"tagged-{source.name}")
    tag(database, source, target, **asked)
    return rows_of(target.read_text(encoding="utf-8"))


def rows_of(text: str) -> Rows:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def csv_of(tmp_path: Path, text: str | bytes, name: str = "places.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def places(count: int, seed: int = 1) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return list(zip(rng.uniform(WEST, EAST, count).tolist(), rng.uniform(SOUTH, NORTH, count).tolist(), strict=True))


def faults(error: pytest.ExceptionInfo[InputError]) -> list[tuple[str, str]]:
    return [(one.where, one.text) for one in error.value.faults]


# As one look-up -----------------------------------------------------------------------------------------------------


def expected(answer: Answer, accuracy_m: float) -> dict[str, str]:
    """Return what the columns of a row should say."""
    found: dict[str, str] = {}
    for one in answer.layers:
        grid, name = one.layer, one.grid
        found |= {
            f"{grid}_grid": name.code if name else "",
            f"{grid}_name": name.name if name else "",
            f"{grid}_status": one.status,
            f"{grid}_unit": one.units[0].code if one.units else "",
            f"{grid}_unit_name": one.units[0].name if one.units else "",
            f"{grid}_chain": " > ".join(unit.code for unit in one.units),
            f"{grid}_on_boundary": str(one.on_boundary).lower() if name else "",
            f"{grid}_near_border": _near(one, accuracy_m),
            f"{grid}_edge_m": "" if one.edge_m is None else f"{one.edge_m:.3f}",
        }
    codes = [one.grid.code for one in answer.layers if one.grid]
    return found | {"piece": " | ".join(codes) if len(codes) == len(answer.layers) else ""}


def _near(one: LayerAnswer, accuracy_m: float) -> str:
    return "" if one.edge_m is None else str(one.edge_m <= accuracy_m).lower()


def same(row: dict[str, str], wanted: dict[str, str]) -> bool:
    """Whether a row says the same; metres to the millimetre."""
    metres = {name for name in wanted if name.endswith("edge_m") and wanted[name] and row[name]}
    rest = wanted.keys() - metres
    near = all(abs(float(row[name]) - float(wanted[name])) < 0.0011 for name in metres)
    return near and {name: row[name] for name in rest} == {name: wanted[name] for name in rest}


def test_each_row_says_what_one_look_up_says_at_its_own_instant(town: Database, tmp_path: Path) -> None:
    """Every column, all over the town and at its corners, over years in which grids and units changed."""
    with town.read() as session:
        wkb = session.execute(service.text("SELECT ST_AsBinary(geom) FROM grid_version")).scalars().all()
    corners = shapely.get_coordinates(shapely.from_wkb([bytes(one) for one in wkb]))
    rng = np.random.default_rng(3)
    beyond = [(x + 0.04, y) for x, y in places(20)]
    spots = [*places(60), *beyond, *map(tuple, rng.choice(corners, 40).tolist())]
    times = [AT + timedelta(days=int(day)) for day in rng.integers(-900, 30, len(spots))]
    lines = [f"{x!r},{y!r},{at.isoformat()}" for (x, y), at in zip(spots, times, strict=True)]
    source = csv_of(tmp_path, "\n".join(["lon,lat,when", *lines]))
    rows = tagged(town, source, at=None, at_column="when", columns=COLUMNS, accuracy_m=15.0)
    assert len(rows) == len(spots)
    statuses = set()
    for row, (lon, lat), at in zip(rows, spots, times, strict=True):
        with town.read() as session:
            wanted = expected(stored.answer(session, Question(lon, lat, at, accuracy_m=15.0)), 15.0)
        assert same(row, wanted), (row, wanted)
        statuses.add(row["governance_status"])
    assert statuses == {"owned", "outside", "empty"}


def test_who_sees_a_part_is_told_of_that_part(shared_precinct: Precinct, tmp_path: Path) -> None:
    """Beyond their grids and the rim a place is hidden, as in a look-up; of all of a layer they see, all is told."""
    database = shared_precinct.database
    lines = [",".join(map(str, middle(column, 0))) for column in (0, 2, 3, 9, 20)]
    source = csv_of(tmp_path, "\n".join(["x,y", *lines]))
    with database.read() as session:
        reach = reach_of(session, Actor("one", {}, (Grant("viewer", shared_precinct.ids["S1"]),)), "look-up")
    target = tmp_path / "out.csv"
    geotag(database, reach, source, target, Asked(layers=("police",)), now=now())
    rows = rows_of(target.read_text())
    assert [(row["police_grid"], row["police_status"]) for row in rows] == [
        ("A", "owned"), ("C", "owned"), ("", "hidden"), ("", "hidden"), ("", "outside"),
    ]  # fmt: skip


@pytest.mark.parametrize("crs", ["gcj02", "EPSG:4547", "EPSG:3857"])
def test_any_system_of_coordinates_is_converted(town: Database, tmp_path: Path, crs: str) -> None:
    """The same places in another system are in the same grids."""
    spots = np.array(places(50))
    xy = systems.from_stored(spots, crs, allow_shifted=True)
    both = [
        tagged(town, csv_of(tmp_path, "\n".join(["x,y", *(f"{x!r},{y!r}" for x, y in of.tolist())]), name), crs=given)
        for of, given, name in ((spots, None, "degrees.csv"), (xy, crs, "other.csv"))
    ]
    grids = [[row["police_grid"] for row in rows] for rows in both]
    assert grids[0] == grids[1]
    assert any(grids[0])


# Bytes --------------------------------------------------------------------------------------------------------------


def cell(text: str, *, quoted: bool) -> str:
    """Return a cell in quotation marks, where it must be or all are."""
    return '"' + text.replace('"', '""') + '"' if quoted or set(text) & set(',;"\n\r\t|') else text


CELLS = st.text(st.sampled_from('ab,;"\n\r\t |网é=0'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoted=st.booleans(),
    delimiter=st.sampled_from(",;\t|"),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    is_ended=st.booleans(),
)
def test_what_was_there_stays_byte_by_byte(
    town: Database,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    ending: str,
    quoted: bool,
    delimiter: str,
    mark: bytes,
    is_ended: bool,
) -> None:
    """Quotation marks, line breaks in cells, blank lines, any delimiter: rows begin as they were, and go on."""
    folder = tmp_path_factory.mktemp("bytes")
    table = [("first", "lon", "lat", "last"), *((one, "120.27", "30.3", other) for one, other in rows)]
    lines = [(delimiter.join(cell(one, quoted=quoted) for one in cells) + ending).encode() for cells in table]
    whole = mark + b"".join(lines) if is_ended else mark + b"".join(lines).removesuffix(ending.encode())
    source = csv_of(folder, whole)
    outcome = tag(town, source, folder / "out.csv", layers=("police",), columns=("grid",))
    said = (folder / "out.csv").read_bytes().removeprefix(mark)
    assert outcome.rows == len(rows)
    for number, line in enumerate(lines):
        row = line.removesuffix(ending.encode())
        assert said.startswith(row + delimiter.encode())
        said = said[len(row) + 1 :]
        more = said[: said.index(ending.encode())] if ending.encode() in said else said
        assert more.decode().startswith("police_grid" if number == 0 else "SW-JG")
        said = said[len(more) + (len(ending) if number < len(rows) or is_ended else 0) :]
    assert said == b""


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.decimals(-1000, 1000, places=17).map(str),
    st.from_regex(r"[+-]?[0-9]{0,22}\.?[0-9]{0,22}(e[+-]?[0-9]{1,3})?", fullmatch=True),
    st.text(max_size=5),
)


@settings(max_examples=500, deadline=None)
@given(texts=st.lists(NUMBERS, min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(texts: list[str]) -> None:
    """What is read by machine code is what Python reads; the rest is left to Python."""
    cells = [one.encode() for one in texts]
    ends = np.cumsum([0, *(len(one) for one in cells)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1).ravel().astype(np.int64)
    found, known = numbers_of(np.frombuffer(b"".join(cells) + b" ", np.uint8), spans, len(cells))
    for text, number, state in zip(texts, found, known, strict=True):
        if state == 0:
            assert number == float(text.strip(' \t"'))
            assert np.signbit(number) == np.signbit(float(text.strip(' \t"')))


def test_usual_numbers_need_no_python() -> None:
    """Coordinates as programs write them are read by machine code: nine decimals, and all seventeen digits."""
    rng = np.random.default_rng(1)
    texts = [repr(one).encode() for one in rng.uniform(-180, 180, 20_000).tolist()]
    ends = np.cumsum([0, *(len(one) for one in texts)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1).ravel().astype(np.int64)
    known = numbers_of(np.frombuffer(b"".join(texts), np.uint8), spans, len(texts))[1]
    assert np.mean(known == SLOW) < 0.001


# What is wrong ------------------------------------------------------------------------------------------------------

BAD = "id,lon,lat\n1,120.27,30.3\n2,,30.3\n3,abc,30.3\n\n4,30.3,120.27\n5,120.27\n6,nan,30.3\n7,120.27,30.3\n8,1_2,30\n"


def test_all_that_is_wrong_is_told_by_row_and_column(town: Database, tmp_path: Path) -> None:
    """Nothing is written, and every fault is told with its place."""
    with pytest.raises(InputError) as error:
        tag(town, csv_of(tmp_path, BAD), tmp_path / "out.csv")
    assert faults(error) == [
        ("row 3, column lon", "cell-empty"),
        ("row 4, column lon", "cell-not-a-number"),
        ("row 6, column lat", "latitude-swapped"),
        ("row 7", "row-ragged"),
        ("row 8, column lon", "not-finite"),
        ("row 10, column lon", "cell-not-a-number"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["places.csv"]


def test_rows_that_are_wrong_are_left_out_or_flagged(town: Database, tmp_path: Path) -> None:
    """`skip` leaves them out; `flag` keeps each in its place, says why, and fills what is missing of it."""
    source = csv_of(tmp_path, BAD)
    assert [row["id"] for row in tagged(town, source, on_invalid="skip")] == ["1", "7"]
    (tmp_path / "tagged-places.csv").unlink()
    rows = tagged(town, source, on_invalid="flag", layers=("police",))
    assert [(row["id"], row["police_status"], row["invalid"]) for row in rows] == [
        ("1", "owned", ""),
        ("2", "invalid", "cell-empty"),
        ("3", "invalid", "cell-not-a-number"),
        ("4", "invalid", "latitude-swapped"),
        ("5", "invalid", "row-ragged"),
        ("6", "invalid", "not-finite"),
        ("7", "owned", ""),
        ("8", "invalid", "cell-not-a-number"),
    ]
    assert all(row["police_grid"] == "" for row in rows if row["invalid"])


def test_one_bad_row_among_very_many_is_found(town: Database, tmp_path: Path) -> None:
    """One row of a million has no place: it is named, and nothing is written."""
    lines = ["lon,lat", *["120.27,30.30"] * 1_000_000]
    lines[765_432] = "120.27,"
    with pytest.raises(InputError) as error:
        tag(town, csv_of(tmp_path, "\n".join(lines)), tmp_path / "out.csv")
    assert faults(error) == [("row 765433, column lat", "cell-empty")]
    assert not list(tmp_path.glob("out*"))


def test_very_many_short_lines_are_taken_in_parts(
    town: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows a block of the file has, so many at once are looked at that memory stays bounded."""
    monkeypatch.setattr("spatial.geotag.delimited.ROWS_AT_ONCE", 3)
    for rows in range(8):
        body = "lon,lat\n" + "120.27,30.3\n\n" * rows
        source = csv_of(tmp_path, body, f"{rows}.csv")
        assert tag(town, source, tmp_path / f"out-{rows}.csv", layers=("police",), columns=("grid",)).rows == rows
        said = (tmp_path / f"out-{rows}.csv").read_text()
        assert said == body.replace("lat\n", "lat,police_grid\n").replace("30.3\n", "30.3,SW-JG-09\n")


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        ("", {}, [("file", "file-empty")]),
        ("a,b\n1,2\n", {}, [("x", "geotag-place-unnamed"), ("y", "geotag-place-unnamed")]),
        ("lon,lat\n1,2\n", {"x": "east"}, [("x", "column-missing")]),
        ("lon,lat,police_grid\n1,2,3\n", {}, [("column", "geotag-column-there")]),
        ("lon,lat\n1,2\n", {"columns": ("officer",)}, [("column", "geotag-column-unknown")]),
        ("lon,lat\n1,2\n", {"crs": "EPSG:0"}, [("crs", "unknown-crs")]),
        ("lon,lat\n1,2\n", {"at_column": "when"}, [("at_column", "column-missing")]),
        ("lon,lat\n1,2\n".encode("utf-16"), {}, [("encoding", "geotag-encoding")]),
        ("lon,lat,名\n1,2,字\n".encode("gb18030"), {}, [("encoding", "encoding-unconfirmed")]),
        ('lon,lat\n1,"' + "x" * 9_000_000, {}, [("row 2", "row-too-long")]),
        ('lon,lat,n\n1,2,a\n1,2,"b\n1,2,c\n', {}, [("row 3", "quote-not-closed")]),
        ("lon,lat,t\n120,30,2025-03-03T00:00:00\n", {"at_column": "t"}, [("row 2, column t", "time-without-offset")]),
    ],
)
def test_what_cannot_be_done_is_said_beforehand(
    town: Database, tmp_path: Path, text: Any, asked: Any, told: list[tuple[str, str]]
) -> None:
    """Files without places, columns that are there, questions that make no sense: a fault, and no output."""
    with pytest.raises(InputError) as error:
        tag(town, csv_of(tmp_path, text), tmp_path / "out.csv", **asked)
    assert faults(error) == told
    assert not list(tmp_path.glob("out*"))


def test_text_in_gb18030_passes_as_it_is(town: Database, tmp_path: Path) -> None:
    """Named, the encoding holds for what is added, too."""
    source = csv_of(tmp_path, "经度,纬度,名\n120.27,30.30,网格\n".encode("gb18030"))
    tag(town, source, tmp_path / "out.csv", encoding="gbk", columns=("name",), layers=("police",))
    (row,) = rows_of((tmp_path / "out.csv").read_bytes().decode("gb18030"))
    assert row["名"] == "网格"
    assert not row["police_name"].isascii()


def test_an_unknown_layer_and_an_empty_deployment_are_told(
    town: Database, empty_database: Database, tmp_path: Path
) -> None:
    """Neither leaves anything behind."""
    source = csv_of(tmp_path, "lon,lat\n120.27,30.30\n")
    with pytest.raises(NotFound, match="no-such-layer"):
        tag(town, source, tmp_path / "out.csv", layers=("polise",))
    with pytest.raises(InputError, match="geotag-without-layers"):
        tag(empty_database, source, tmp_path / "out.csv")
    assert not list(tmp_path.glob("out*"))


# Files ---------------------------------------------------------------------------------------------------------------


def test_no_file_is_replaced_unasked(town: Database, tmp_path: Path) -> None:
    """What is there stays, and so does the input itself; with `overwrite` it is replaced."""
    source = csv_of(tmp_path, "lon,lat\n120.27,30.30\n")
    target = csv_of(tmp_path, "precious", "out.csv")
    for path, told in ((target, "output-exists"), (source, "geotag-onto-itself"), (tmp_path / "a.gpkg", "differs")):
        with pytest.raises(InputError, match=told):
            tag(town, source, path)
    assert target.read_text() == "precious"
    geotag(town, None, source, target, Asked(at=AT), now=now(), overwrite=True)
    assert target.read_text().startswith("lon,lat,police_grid")


def test_compressed_files_are_unpacked_as_they_come(town: Database, tmp_path: Path) -> None:
    """Files in gzip and Zstandard give the same as unpacked; one that is cut short is a fault."""
    text = "\n".join(["lon,lat", *(f"{x!r},{y!r}" for x, y in places(1000))]).encode()
    expected_rows = tagged(town, csv_of(tmp_path, text))
    packed = {".gz": gzip.compress(text), ".zst": pa.compress(text, "zstd", asbytes=True)}
    for suffix, body in packed.items():
        tag(town, csv_of(tmp_path, body, f"in.csv{suffix}"), tmp_path / f"out{suffix}.csv")
        assert rows_of((tmp_path / f"out{suffix}.csv").read_text()) == expected_rows
    with pytest.raises(InputError):
        tag(town, csv_of(tmp_path, packed[".gz"][:-100], "cut.csv.gz"), tmp_path / "cut.csv")
    assert not list(tmp_path.glob("cut.csv.partial*"))


def test_a_gzip_bomb_is_refused(town: Database, tmp_path: Path) -> None:
    """A file that grows two hundredfold is given up before it fills the disk."""
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"lon,lat\n")
        for _ in range(80):
            file.write(b"120.27,30.30\n" * 80_000)
    with pytest.raises(InputError, match="file-inflates"):
        tag(town, path, tmp_path / "out.csv")
    assert not list(tmp_path.glob("out*"))


class _Killed(BaseException):
    """What ends a run without any goodbye."""


def test_a_run_that_was_cut_off_is_gone_on_with(
    town: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after any block, the next run goes on, as of the same instant; the file is as if nothing had happened."""
    monkeypatch.setattr(service, "NOTED_EVERY_BYTES", 1)
    monkeypatch.setattr("spatial.geotag.delimited.BLOCK_BYTES", 1 << 12)
    source = csv_of(tmp_path, "\n".join(["lon,lat", *(f"{x!r},{y!r}" for x, y in places(2000))]))
    whole = tmp_path / "whole.csv"
    began = now()
    geotag(town, None, source, whole, Asked(), now=began)
    resumed = []
    for cut in range(1, 18, 3):
        target, seen = tmp_path / f"{cut}.csv", iter(range(100))

        def die(_share: float, cut: int = cut, seen: Iterator[int] = seen) -> None:
            if next(seen) == cut:
                raise _Killed

        with pytest.raises(_Killed):
            geotag(town, None, source, target, Asked(), now=began, progress=die)
        assert not target.exists()
        with target.with_name(f"{cut}.csv.partial").open("ab") as file:
            file.write(b"half a row")
        resumed.append(geotag(town, None, source, target, Asked(), now=now()).resumed)
        assert target.read_bytes() == whole.read_bytes()
    assert resumed == sorted(resumed)
    assert resumed[0] > 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"}


def test_another_question_begins_anew(town: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun with other columns, or of another input, is not gone on with."""
    monkeypatch.setattr(service, "NOTED_EVERY_BYTES", 1)
    monkeypatch.setattr("spatial.geotag.delimited.BLOCK_BYTES", 1 << 12)
    source, target = csv_of(tmp_path, "lon,lat\n" + "120.27,30.30\n" * 2000), tmp_path / "out.csv"
    seen = iter(range(100))

    def die(_share: float) -> None:
        if next(seen) == 2:
            raise _Killed

    with pytest.raises(_Killed):
        geotag(town, None, source, target, Asked(at=AT), now=now(), progress=die)
    assert tag(town, source, target, columns=("name",)).resumed == 0
    assert len(rows_of(target.read_text())) == 2000


def test_a_killed_command_leaves_no_output_and_is_gone_on_with(town: Database, tmp_path: Path) -> None:
    """After kill −9 there is no file of that name; the same command again finishes it."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("lon,lat,note\n" + "120.2712345,30.3012345,something to say\n" * 4_000_000)
    url = town.engine.url.render_as_string(hide_password=False)
    env = os.environ | {"TWINGRID_DATABASE_URL": url, "TWINGRID_LANGUAGE": "en"}
    command = [TWINGRID, "geotag", source, target, "--at", AT.isoformat(), "--json"]
    journal = target.with_name("out.csv.partial.json")
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while run.poll() is None and not journal.exists():
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert not target.exists()
    done = orjson.loads(subprocess.check_output(command, env=env))
    assert done["rows"] == 4_000_000
    assert 0 < done["resumed"] < 4_000_000
    with target.open() as file:
        assert sum(1 for _ in file) == 4_000_001


# Other formats -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spots() -> list[tuple[float, float]]:
    """Return places all over the town."""
    return places(300, seed=9)


@pytest.fixture
def grids(town: Database, tmp_path: Path, spots: list[tuple[float, float]]) -> list[tuple[str, str]]:
    """Return the grid and status of each, as a CSV has them."""
    source = csv_of(tmp_path, "\n".join(["lon,lat", *(f"{x!r},{y!r}" for x, y in spots)]), "spots.csv")
    rows = tagged(town, source, layers=("governance",))
    return [(row["governance_grid"], row["governance_status"]) for row in rows]


def test_lines_of_json_get_members(
    town: Database, tmp_path: Path, spots: list[tuple[float, float]], grids: list[tuple[str, str]]
) -> None:
    """Objects keep every byte and get members at their end; features get properties; blank lines stay."""
    objects = [f'{{"lng": {x!r}, "lat":{y!r} , "n":1e3, "n":[1.50]}}' for x, y in spots]
    source = csv_of(tmp_path, "\n".join([*objects[:5], "", *objects[5:]]), "in.ndjson")
    tag(town, source, tmp_path / "out.ndjson", layers=("governance",))
    lines = (tmp_path / "out.ndjson").read_text().split("\n")
    assert lines.pop(5) == ""
    for line, was, (grid, status) in zip(lines, objects, grids, strict=True):
        assert line.startswith(was[:-1] + ",")
        said = orjson.loads(line)
        assert (said["governance_grid"] or "", said["governance_status"]) == (grid, status)
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": {"a": 1}}
        for x, y in spots
    ]
    source = csv_of(tmp_path, b"\n".join(orjson.dumps(one) for one in features), "in.geojsonl")
    tag(town, source, tmp_path / "out.geojsonl", layers=("governance",))
    said = [orjson.loads(line)["properties"] for line in (tmp_path / "out.geojsonl").read_bytes().splitlines()]
    assert [(one["governance_grid"] or "", one["governance_status"], one["a"]) for one in said] == [
        (*one, 1) for one in grids
    ]


def test_lines_that_are_no_json_are_told(town: Database, tmp_path: Path) -> None:
    """By their number; flagged they stay as they are."""
    source = csv_of(tmp_path, '{"lon":120.27,"lat":30.3}\nnonsense\n{"lon":"x","lat":null}\n', "in.ndjson")
    with pytest.raises(InputError) as error:
        tag(town, source, tmp_path / "out.ndjson")
    assert faults(error) == [("row 2", "not-json"), ("row 3, column lon", "cell-not-a-number")]
    assert tag(town, source, tmp_path / "out.ndjson", on_invalid="flag").invalid == 2
    assert (tmp_path / "out.ndjson").read_text().splitlines()[1] == "nonsense"


def test_parquet_and_geopackage_keep_their_columns_and_shapes(
    town: Database, tmp_path: Path, spots: list[tuple[float, float]], grids: list[tuple[str, str]]
) -> None:
    """Tables with columns of coordinates, or with shapes in a system of their own, in their order."""
    xy = np.array(spots)
    numbers = pa.table({"x": xy[:, 0], "y": xy[:, 1], "deep": pa.array([{"a": [n]} for n in range(len(xy))])})
    pq.write_table(numbers, tmp_path / "numbers.parquet")
    frame = GeoDataFrame({"n": range(len(xy))}, geometry=shapely.points(xy), crs=4326).to_crs(3857)
    frame.to_parquet(tmp_path / "shapes.parquet")
    frame.to_file(tmp_path / "shapes.gpkg", layer="places")
    for name in ("numbers.parquet", "shapes.parquet", "shapes.gpkg"):
        outcome = tag(
            town,
            tmp_path / name,
            tmp_path / f"out-{name}",
            layers=("governance",),
            columns=("grid", "status", "edge_m"),
        )
        assert (outcome.rows, outcome.invalid) == (len(xy), 0)
        found = pq.read_table(tmp_path / f"out-{name}") if name.endswith("parquet") else None
        if found is None:
            _, found = pyogrio.raw.read_arrow(tmp_path / f"out-{name}")
        said = zip(found["governance_grid"].to_pylist(), found["governance_status"].to_pylist(), strict=True)
        assert [(grid or "", status) for grid, status in said] == grids
        if name.startswith("numbers"):
            assert found.select(["x", "y", "deep"]) == numbers
        else:
            assert found["n"].to_pylist() == list(range(len(xy)))
    assert pq.read_schema(tmp_path / "out-shapes.parquet").metadata[b"geo"]
    assert pyogrio.read_info(tmp_path / "out-shapes.gpkg")["crs"] == "EPSG:3857"
    assert sorted(path.name for path in tmp_path.glob("*partial*")) == []


def test_rows_of_tables_that_are_wrong_are_told(town: Database, tmp_path: Path) -> None:
    """Missing coordinates and shapes that are no points, in Parquet and GeoPackage; nothing is left behind."""
    pq.write_table(pa.table({"lon": [120.27, None], "lat": ["30.3", "north"]}), tmp_path / "a.parquet")
    shapes = [shapely.Point(120.27, 30.3), shapely.LineString([(0, 0), (1, 1)]), None]
    GeoDataFrame({"n": range(3)}, geometry=shapes, crs=4326).to_file(tmp_path / "b.gpkg")
    for name, told in (
        ("a.parquet", [("row 2, column lon", "cell-empty")]),
        ("b.gpkg", [("row 2, column geometry", "shape-of-another-kind"), ("row 3, column geometry", "shape-missing")]),
    ):
        with pytest.raises(InputError) as error:
            tag(town, tmp_path / name, tmp_path / f"out-{name}")
        assert faults(error) == told
        tag(town, tmp_path / name, tmp_path / f"out-{name}", on_invalid="skip")
    assert pq.read_metadata(tmp_path / "out-a.parquet").num_rows == 1
    assert pyogrio.read_info(tmp_path / "out-b.gpkg")["features"] == 1
    assert not list(tmp_path.glob("*partial*"))
