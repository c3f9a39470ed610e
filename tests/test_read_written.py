"""What is written to a file of any format is read back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial.errors import InputError
from spatial.imports.read import Chunk, Source, open_source
from spatial.imports.write import FORMATS, Kind, Table, write_rows
from tests.importing import FOUR

KINDS: dict[str, Kind] = {
    "text": "text",
    "integer": "integer",
    "number": "number",
    "bool": "bool",
    "day": "date",
    "instant": "instant",
}
ODD = ["=1+1", "+86", "-5", "@x", "'=1", "''+1", "'x", "007", "a,b;c\td", 'say "so"', "two\nlines", "泉山区", "#N/A",
       "NULL", "nan", "true", "_x0041_", "a b"]  # fmt: skip
LETTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp", "Co"))  # what every format can hold
TEXTS = st.text(LETTERS, max_size=40) | st.sampled_from(ODD)
MULTI = [shapely.MultiPolygon([shape]) for shape in FOUR]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS.map(lambda text: text or None),
    "integer": st.integers(-(10**17), 10**17),
    "number": st.integers(-(10**12), 10**12).map(lambda number: number / 1000),
    "bool": st.booleans(),
    "day": st.dates(date(1900, 3, 1)),
    "instant": st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # hypothesis adds the zone
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    ),
}
ROWS = st.lists(st.tuples(*(st.none() | VALUES[name] for name in KINDS)), min_size=1, max_size=12)


def table_of(rows: list[tuple[Any, ...]], *, has_shapes: bool) -> Table:
    """Return drawn rows, in two chunks, each with one shape of four."""
    half = (len(rows) + 1) // 2
    chunks = []
    for start, part in ((0, rows[:half]), (half, rows[half:])):
        columns = dict(zip(KINDS, map(list, zip(*part, strict=True)), strict=True)) if part else {}
        shapes = np.array([MULTI[(start + index) % 4] for index in range(len(part))], dtype=object)
        if part:
            chunks.append(Chunk(range(start + 1, start + 1 + len(part)), columns, shapes if has_shapes else None))
    return Table("rows", KINDS, chunks, "MultiPolygon" if has_shapes else None)


def expected(fmt: str, name: str, value: Any) -> Any:
    """Return how a format says a value that it has no type for: as text, and a Shapefile's flag as a number."""
    if value is None:
        return None
    if fmt == "csv" and name in {"integer", "number"}:
        return repr(value)
    if name == "bool" and fmt in {"csv", "shp"}:
        return "true" if value else "false"
    if name == "day" and fmt in {"csv", "geojson", "fgb"}:
        return value.isoformat()
    if name == "instant" and fmt != "parquet":
        return value.isoformat()
    if name == "integer" and fmt == "xlsx" and abs(value) >= 10**15:
        return str(value)
    return value


def parts_of(shape: Any) -> list[bytes]:
    """Return the parts of a shape: a Shapefile does not tell one polygon from a collection of one."""
    return [shapely.to_wkb(part) for part in shapely.get_parts(shapely.normalize(shape))]


def rows_of(source: Source) -> list[tuple[Any, ...]]:
    """Return all rows of a source, with their shapes if it has any."""
    found = []
    for chunk in source.chunks():
        columns = list(chunk.columns.values())
        if chunk.shapes is not None:
            columns.append([parts_of(shape) for shape in chunk.shapes])
        found += list(zip(*columns, strict=True))
    assert source.faults == []
    return found


@contextmanager
def written(table: Table, fmt: str) -> Iterator[Path]:
    """Yield a file that holds a table."""
    with TemporaryDirectory(prefix="twingrid-test-") as folder:
        path = Path(folder, f"rows{FORMATS[fmt][0]}")
        with write_rows(path, table, fmt):
            assert not path.exists()
        yield path


@pytest.mark.parametrize("fmt", FORMATS)
@given(rows=ROWS)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_reading_what_was_written(fmt: str, rows: list[tuple[Any, ...]]) -> None:
    """Texts, numbers, flags, days, instants and shapes come back, in their order, whatever the format."""
    has_shapes = fmt not in {"csv", "xlsx"}
    shapes = [parts_of(MULTI[index % 4]) for index in range(len(rows))]
    wanted = [tuple(expected(fmt, name, value) for name, value in zip(KINDS, row, strict=True)) for row in rows]
    if has_shapes:
        wanted = [(*row, shape) for row, shape in zip(wanted, shapes, strict=True)]
    else:
        wanted = [row for row in wanted if any(value is not None for value in row)]  # sheets have no empty rows
    with written(table_of(rows, has_shapes=has_shapes), fmt) as path:
        found = rows_of(open_source(path))
    assert found == wanted


@pytest.mark.parametrize("fmt", ["csv", "xlsx"])
def test_names_of_columns_that_a_sheet_would_compute(fmt: str) -> None:
    """A column named like a formula keeps its name, and no sheet computes it."""
    names = ("=cmd|' /C calc'!A0", "+1", "-x", "@sum", "'=", "name")
    chunk = Chunk(range(1, 2), {name: ["x"] for name in names}, None)
    with written(Table("rows", dict.fromkeys(names, "text"), [chunk]), fmt) as path:
        assert open_source(path).columns == names
        if fmt == "csv":
            assert path.read_text("utf-8-sig").splitlines()[0] == "'=cmd|' /C calc'!A0,'+1,'-x,'@sum,''=,name"


@pytest.mark.parametrize("fmt", ["csv", "xlsx", "gpkg", "parquet"])
def test_rows_without_shapes(fmt: str) -> None:
    """Tables of people and hours need no shapes, where the format does not."""
    rows = [("甲", 1, 0.5, True, date(2025, 3, 1), datetime(2025, 3, 1, tzinfo=UTC))] * 3
    with written(table_of(rows, has_shapes=False), fmt) as path:
        source = open_source(path)
        assert (source.has_shapes, len(rows_of(source))) == (False, 3)


@pytest.mark.parametrize("fmt", ["csv", "xlsx"])
def test_shapes_in_sheets(fmt: str) -> None:
    """Sheets hold shapes as WKT in a column of that name, and points as two columns of degrees."""
    rows = [("甲", 1, 0.5, True, None, None)] * 4
    with written(table_of(rows, has_shapes=True), fmt) as path:
        (chunk,) = open_source(path, geometry="geometry").chunks()
        assert chunk.shapes is not None
        assert shapely.to_wkb(chunk.shapes).tolist() == shapely.to_wkb(MULTI).tolist()
    place = Chunk(range(1, 2), {"code": ["a"]}, np.array([shapely.Point(117.28413, 34.20577)]))
    points = Table("places", {"code": "text"}, [place], "Point")
    with written(points, fmt) as path:
        source = open_source(path)
        assert source.columns == ("code", "lon", "lat")
        (chunk,) = source.chunks()
        assert [float(chunk.columns[name][0]) for name in ("lon", "lat")] == [117.28413, 34.20577]


def test_nothing_is_half_written(tmp_path: Path) -> None:
    """A text too long for a format is told with its row, and there is no file."""
    rows = [("长" * 100, None, None, None, None, None), ("短", None, None, None, None, None)]
    with pytest.raises(InputError) as caught, write_rows(tmp_path / "x.zip", table_of(rows, has_shapes=True), "shp"):
        pass
    assert [(fault.where, fault.text) for fault in caught.value.faults] == [
        ("row 1, column text", "text-too-long-for-shapefile")
    ]
    long = [("长" * 40_000, None, None, None, None, None)]
    with pytest.raises(InputError) as caught, write_rows(tmp_path / "x.xlsx", table_of(long, has_shapes=False), "xlsx"):
        pass
    assert [fault.text for fault in caught.value.faults] == ["text-too-long-for-excel"]
    assert list(tmp_path.iterdir()) == []


def test_no_sheet_computes_what_was_exported(tmp_path: Path) -> None:
    """A name that begins like a formula is text in CSV and in Excel."""
    named = Table("rows", {"name": "text"}, [Chunk(range(1, 3), {"name": ["=cmd|' /C calc'!A0", "@SUM(1)"]}, None)])
    with write_rows(tmp_path / "x.csv", named, "csv"):
        pass
    body = (tmp_path / "x.csv").read_text("utf-8-sig").splitlines()[1:]
    assert all(line.lstrip('"').startswith("'") for line in body)
    with write_rows(tmp_path / "x.xlsx", named, "xlsx"):
        pass
    import openpyxl

    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    assert sheet is not None
    assert [sheet.cell(row, 1).data_type for row in (2, 3)] == ["s", "s"]
