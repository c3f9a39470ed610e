"""CSV and its like are read as they are: text as text, rows counted as a spreadsheet shows them, bad ones all told."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial.errors import Fault
from spatial.imports.read import Source, open_source, require_confirmed
from tests.importing import faults, told


def source_of(folder: Path, body: bytes | str, name: str = "rows.csv", **how: Any) -> Source:
    """Write a file and open it."""
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return open_source(path, **how)


def read(source: Source) -> tuple[dict[int, tuple[Any, ...]], list[tuple[str, str]]]:
    """Return all rows by number, and place and kind of every fault."""
    rows: dict[int, tuple[Any, ...]] = {}
    for chunk in source.chunks():
        rows |= dict(zip(chunk.numbers, zip(*chunk.columns.values(), strict=True), strict=True))
    return rows, [(fault.where, fault.text) for fault in source.faults]


def test_text_stays_text(tmp_path: Path) -> None:
    """Leading zeros, large numbers, dates and flags are what is written; empty cells are nothing."""
    source = source_of(tmp_path, "code,n,day,is,empty\n007,1e3,2025/3/1,TRUE,\n")
    assert (source.columns, source.notes) == (("code", "n", "day", "is", "empty"), [])
    assert read(source) == ({2: ("007", "1e3", "2025/3/1", "TRUE", None)}, [])


@pytest.mark.parametrize(("delimiter", "named"), [(",", None), (";", ";"), ("\t", "tab"), ("|", "|")])
def test_delimiters_are_told(tmp_path: Path, delimiter: str, named: str | None) -> None:
    """The delimiter is the one that the header has most outside of quotes; any but the comma is told."""
    source = source_of(tmp_path, f'"a,;|x"{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n')
    assert source.columns == ("a,;|x", "b", "c")
    assert [note.values["delimiter"] for note in source.notes] == ([named] if named else [])


def test_rows_are_counted_as_sheets_do(tmp_path: Path) -> None:
    """A quoted line break stays in its row, an empty line is a row, and every ragged row is told by its number."""
    body = 'a,b\n1,"two\nlines"\n\n3,4,5\n"x"\n6,7\r\n,\n8,9'
    rows, bad = read(source_of(tmp_path, body))
    assert rows == {2: ("1", "two\nlines"), 6: ("6", "7"), 8: ("8", "9")}
    assert bad == [("row 4", "row-ragged"), ("row 5", "row-ragged")]


def test_a_last_row_cut_short(tmp_path: Path) -> None:
    """A last row that lacks columns is a fault; one that only lacks its line break is a note."""
    source = source_of(tmp_path, "a,b\n1,2\n3")
    assert read(source) == ({2: ("1", "2")}, [("row 3", "row-ragged")])
    assert [note.text for note in source.notes] == ["last-row-not-ended"]
    assert read(source_of(tmp_path, 'a,b\n1,2\n3,"never closed\n4,5\n'))[1] == [("row 3", "quote-not-closed")]
    assert read(source_of(tmp_path, 'a,b\n1,5" pipe\n')) == ({2: ("1", '5" pipe')}, [])


def test_files_without_rows(tmp_path: Path) -> None:
    """An empty file is refused; a header alone has no rows, with a line break or without."""
    assert told(lambda: source_of(tmp_path, "")) == [("file", "file-empty")]
    for body in ("a,b\n", "a,b"):
        source = source_of(tmp_path, body)
        assert (source.columns, read(source)) == (("a", "b"), ({}, []))


def test_headers_that_name_nothing(tmp_path: Path) -> None:
    """Columns without a name, or with the same, are told by their place, all at once."""
    assert faults(lambda: source_of(tmp_path, "a,,b,a, \n1,2,3,4,5\n")) == [
        Fault("column 2", "column-name-empty"),
        Fault("column 4", "column-name-repeated", {"column": "a"}),
        Fault("column 5", "column-name-empty"),
    ]


def test_nul_bytes(tmp_path: Path) -> None:
    """A row with a NUL in it is told, by column, and left out."""
    rows, bad = read(source_of(tmp_path, b"a,b\n1,2\n3,\x004\n5,6\n"))
    assert (rows, bad) == ({2: ("1", "2"), 4: ("5", "6")}, [("row 3, column b", "text-has-control-characters")])


@pytest.mark.parametrize(("bom", "encoding"), [("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16")])
def test_byte_order_marks(tmp_path: Path, bom: str, encoding: str) -> None:
    """UTF-8 and UTF-16 with a mark are declared; UTF-16 without one must be named."""
    source = source_of(tmp_path, "编码,名称\n1,泉山区\n2,\n".encode(bom))
    require_confirmed(source.encoding)
    assert source.encoding is not None
    assert (source.encoding.name, source.columns) == (encoding, ("编码", "名称"))
    assert read(source) == ({2: ("1", "泉山区"), 3: ("2", None)}, [])
    bare = "编码,名称\n1,abcdefghijkl\n".encode("utf-16-le")
    assert told(lambda: source_of(tmp_path, bare)) == [("encoding", "encoding-unknown")]
    assert read(source_of(tmp_path, bare, encoding="utf-16-le"))[0] == {2: ("1", "abcdefghijkl")}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_guesses_are_shown(tmp_path: Path, encoding: str) -> None:
    """Text without a mark is guessed, with the first values that show it; it must be confirmed to be taken."""
    body = "编码,名称,手机\n1,plain,x\n2,泉山区,王\n3,云龙区,李\n".encode(encoding)
    source = source_of(tmp_path, body)
    assert source.encoding is not None
    assert (source.encoding.name, source.encoding.is_declared) == (encoding, False)
    assert ("名称", "泉山区") in source.encoding.samples
    assert not any(column == "手机" for column, _ in source.encoding.samples)
    (fault,) = faults(lambda: require_confirmed(source.encoding))
    assert (fault.text, fault.values["encoding"]) == ("encoding-unconfirmed", encoding)
    require_confirmed(source_of(tmp_path, body, encoding=encoding).encoding)
    require_confirmed(source_of(tmp_path, "code\n1\n").encoding)  # in ASCII there is nothing to confirm


def test_an_encoding_that_does_not_fit(tmp_path: Path) -> None:
    """Rows that are not in the encoding named are all told by number."""
    body = b"a,b\n" + "1,徐州\n".encode("gb18030") + b"2,x\n" + '3,"云\n龙"\n'.encode("gb18030")
    assert told(lambda: source_of(tmp_path, body, encoding="utf-8")) == [
        ("row 2", "row-undecodable"),
        ("row 4", "row-undecodable"),
    ]
    assert read(source_of(tmp_path, body, encoding="gbk"))[0][4] == ("3", "云\n龙")


def test_shapes_in_a_column(tmp_path: Path) -> None:
    """A column of WKT, or of WKB in hexadecimal digits, is read as shapes; what is none is told by row."""
    source = source_of(tmp_path, "a,wkt\n1,POINT (1 2)\n2,\n3,POINT (\n", geometry="wkt")
    (chunk,) = source.chunks()
    assert chunk.shapes is not None
    assert [None if shape is None else shape.wkt for shape in chunk.shapes] == ["POINT (1 2)", None]
    assert [(fault.where, fault.text) for fault in source.faults] == [("row 4, geometry", "geometry-unreadable")]
    point = "0101000000000000000000F03F0000000000000040"
    (chunk,) = source_of(tmp_path, f"a,geom\n1,{point}\n", geometry="geom").chunks()
    assert chunk.shapes is not None
    assert chunk.shapes[0].wkt == "POINT (1 2)"
    assert told(lambda: source_of(tmp_path, "a\n1\n", geometry="wkt", drop=("b",))) == [
        ("drop", "column-missing"),
        ("geometry", "column-missing"),
    ]


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=8)
QUOTED = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=30)


@given(QUOTED, st.sampled_from(["utf-8-sig", "gb18030", "utf-16"]))
@settings(deadline=None, max_examples=60)
def test_any_text_in_quotes(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], name: str) -> None:
    """Whatever text is quoted comes back as it was, in its row, in every encoding."""
    lines = ['"a","b","c"', *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)]
    body = ("\n".join(lines) + "\n").encode(name)
    source = source_of(tmp_path_factory.mktemp("csv"), body, encoding=None if name != "gb18030" else name)
    expected = {number: tuple(unmarked(cell) or None for cell in row) for number, row in enumerate(rows, 2) if any(row)}
    assert read(source) == (expected, [])


def unmarked(cell: str) -> str:
    """Return a text without the apostrophe that keeps a sheet from computing it."""
    bare = cell.lstrip("'")
    return cell[1:] if cell.startswith("'") and bare.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
