"""Files too large to hold, and files made to harm: refused with the reason, or read in little memory."""

import os
import sqlite3
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest

from spatial.imports.read import open_source
from tests.importing import told

# Too large ------------------------------------------------------------------------------------------------------------


def peak_mb(statement: str, *arguments: Path) -> int:
    """Return the memory that a process of its own needs at most for a statement."""
    code = (
        "import sys; from pathlib import Path; from spatial.imports.read import open_source\n"
        "from spatial.errors import InputError\n"
        f"try:\n    {statement}\nexcept InputError as error:\n    print(error)\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"  # of this process alone
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout.splitlines()[-1]) // 1024


@pytest.mark.parametrize("suffix", [".csv", ".geojson", ".gpkg", ".shp", ".dbf", ".fgb", ".xlsx", ".parquet", ".zip"])
def test_a_gigabyte_of_nothing(tmp_path: Path, suffix: str) -> None:
    """A file of 1 GB that holds nothing is refused without being loaded."""
    path = tmp_path / f"huge{suffix}"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1_000_000_000)
    assert told(lambda: open_source(path))
    assert peak_mb("open_source(Path(sys.argv[1]))", path) < 400


def test_a_large_table_in_little_memory(tmp_path: Path) -> None:
    """A CSV of 200 MB, three of whose million rows are bad, is read in a stream: every bad row is told."""
    path = tmp_path / "large.csv"
    line = "泉山区," + ",".join(f"value {number}" for number in range(19)) + "\n"
    bad = {123_456: "too,few\n", 600_000: line.replace("\n", ",too many\n"), 999_999: '"never closed\n'}
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(f"c{number}" for number in range(20)) + "\n")
        for number in range(2, 1_000_000):
            file.write(bad.get(number, line))
    assert path.stat().st_size > 150_000_000
    statement = (
        "source = open_source(Path(sys.argv[1]), encoding='utf-8');"
        "assert sum(len(chunk) for chunk in source.chunks()) == 999_995, 'rows';"
        "assert [fault.where for fault in source.faults] == ['row 123456', 'row 600000', 'row 999999'], source.faults"
    )
    assert peak_mb(statement, path) < 700


# Harmful --------------------------------------------------------------------------------------------------------------


def test_zip_bombs(tmp_path: Path) -> None:
    """An archive that grows beyond measure is not unpacked, nor a workbook; nor one in another."""
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("x.csv", "w") as member:
        for _ in range(300):
            member.write(b"0" * 1_000_000)
    assert told(lambda: open_source(bomb)) == [("file", "file-inflates")]
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as packed:
        packed.write(bomb)
    assert told(lambda: open_source(tmp_path / "nested.zip")) == [("file", "no-source-layer")]
    book = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", "<workbook/>")
        with packed.open("xl/worksheets/sheet1.xml", "w") as member:
            for _ in range(300):
                member.write(b" " * 1_000_000)
    assert told(lambda: open_source(book)) == [("file", "file-inflates")]
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as packed:
        for number in range(10_001):
            packed.writestr(f"{number}.csv", "")
    assert told(lambda: open_source(tmp_path / "many.zip")) == [("file", "too-many-members")]


@pytest.mark.parametrize("suffix", [".zip", ".xlsx"])
def test_a_directory_of_very_many_members(tmp_path: Path, suffix: str) -> None:
    """An archive whose list of members alone would fill the memory is refused before it is read."""
    member = b"PK\x01\x02" + struct.pack("<4B4HL2L5H2L", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = member * 1_000_000
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(directory), 4, 0)
    path = tmp_path / f"many{suffix}"
    path.write_bytes(b"PK\x03\x04" + directory + end)
    assert peak_mb("open_source(Path(sys.argv[1]))", path) < 300
    assert told(lambda: open_source(path)) == [("file", "too-many-members")]


def test_sheets_of_wide_and_late_rows(tmp_path: Path) -> None:
    """A cell in the last column of every row takes no memory; far too many columns or rows are refused."""
    rows = "".join(
        f'<row r="{row}"><c r="A{row}"><v>1</v></c><c r="XFD{row}"><v>1</v></c></row>' for row in range(2, 4002)
    )
    for name, header, body in (
        ("wide", '<c r="A1"><v>1</v></c><c r="B1"><v>2</v></c>', rows),
        ("header", '<c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c>', ""),
        (
            "late",
            '<c r="A1"><v>1</v></c><c r="B1"><v>2</v></c>',
            '<row r="900000000"><c r="A900000000"><v>1</v></c></row>',
        ),
    ):
        sheet_of(tmp_path / f"{name}.xlsx", f'<row r="1">{header}</row>{body}')
    wide = "source = open_source(Path(sys.argv[1])); list(source.chunks()); assert len(source.faults) == 4000, 'faults'"
    assert peak_mb(wide, tmp_path / "wide.xlsx") < 250
    assert told(lambda: open_source(tmp_path / "header.xlsx")) == [("row 1", "too-many-columns")]
    late = open_source(tmp_path / "late.xlsx")
    assert told(lambda: list(late.chunks())) == [("file", "file-unreadable")]


def sheet_of(path: Path, rows: str) -> None:
    """Write a workbook whose only sheet has rows of XML."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a"])
    book.save(path)
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    whole = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
    members["xl/worksheets/sheet1.xml"] = whole.format(rows).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in members.items():
            packed.writestr(name, body)


def test_names_in_archives_lead_nowhere(tmp_path: Path) -> None:
    """A member named as if it were outside is unpacked inside, under a name of ours; names in GBK are told as such."""
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "x.zip", "w") as packed:
        packed.writestr("../../outside.csv", "code,name\n1,a\n")
    before = set(tmp_path.rglob("*"))
    (chunk,) = open_source(tmp_path / "in" / "x.zip").chunks()
    assert chunk.columns == {"code": ["1"], "name": ["a"]}
    assert set(tmp_path.rglob("*")) == before
    body = b""
    with zipfile.ZipFile(tmp_path / "gbk.zip", "w") as packed:
        packed.writestr("AAAA.csv", "a,b\n1,2\n")
        packed.writestr("BBBB.csv", "a,b\n3,4\n")
    body = (tmp_path / "gbk.zip").read_bytes()
    for old, new in ((b"AAAA", "警格"), (b"BBBB", "网格")):
        body = body.replace(old, new.encode("gb18030"))
    (tmp_path / "gbk.zip").write_bytes(body)
    (chunk,) = open_source(tmp_path / "gbk.zip", source_layer="网格.csv").chunks()
    assert chunk.columns["a"] == ["3"]


def test_locked_and_old_files(tmp_path: Path) -> None:
    """A password, an old Excel and an OpenDocument sheet are told as such."""
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000
    for name, body, expected in (
        ("locked.xlsx", ole + "EncryptedPackage".encode("utf-16-le"), "file-is-locked"),
        ("old.xls", ole + "Workbook".encode("utf-16-le"), "file-is-old-excel"),
        ("text.xlsx", b"code,name\n", "file-content-differs"),
    ):
        (tmp_path / name).write_bytes(body)
        assert told(lambda name=name: open_source(tmp_path / name)) == [("file", expected)]  # type: ignore[misc]
    with zipfile.ZipFile(tmp_path / "x.ods", "w") as packed:
        packed.writestr("content.xml", "<office/>")
    assert told(lambda: open_source(tmp_path / "x.ods")) == [("file", "file-is-opendocument")]
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as packed:
        packed.writestr("x.csv", "a\n1\n")
    body = bytearray((tmp_path / "locked.zip").read_bytes())
    at = body.index(b"PK\x01\x02") + 8
    body[at : at + 2] = struct.pack("<H", 1)
    (tmp_path / "locked.zip").write_bytes(body)
    assert told(lambda: open_source(tmp_path / "locked.zip")) == [("file", "file-is-locked")]


def test_what_is_no_file(tmp_path: Path) -> None:
    """Folders, pipes, devices and links to nowhere are told; a link to a file is that file."""
    (tmp_path / "folder.csv").mkdir()
    assert told(lambda: open_source(tmp_path / "folder.csv")) == [("file", "file-is-a-folder")]
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("nowhere.csv", "pipe.csv", "zero.csv"):
        assert told(lambda name=name: open_source(tmp_path / name)) == [("file", "file-missing")]  # type: ignore[misc]
    (tmp_path / "real.csv").write_text("a\n1\n", encoding="ascii")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert [chunk.columns for chunk in open_source(tmp_path / "link.csv").chunks()] == [{"a": ["1"]}]


def test_databases_that_reach_out(tmp_path: Path) -> None:
    """An SQLite database with a virtual table, or that is no GeoPackage, is not shown to GDAL."""
    for name, statements, expected in (
        ("plain.gpkg", ("CREATE TABLE x (a)",), "file-not-a-geopackage"),
        ("virtual.gpkg", ("CREATE TABLE gpkg_contents (a)", VIRTUAL), "file-has-virtual-tables"),
        ("named.gpkg", ("CREATE TABLE gpkg_contents (a)", VIRTUAL.replace("y", "rtree_y")), "file-has-virtual-tables"),
        ("said.gpkg", ("CREATE TABLE gpkg_contents (a)", SAID), "file-has-virtual-tables"),
    ):
        with sqlite3.connect(tmp_path / name) as database:
            for statement in statements:
                database.execute(statement)
        assert told(lambda name=name: open_source(tmp_path / name)) == [("file", expected)]  # type: ignore[misc]


VIRTUAL = "CREATE VIRTUAL TABLE y USING fts5(a)"
SAID = 'CREATE VIRTUAL TABLE "y using rtree(" USING fts5(a, "using rtree(")'


def test_a_workbook_with_entities_of_its_own(tmp_path: Path) -> None:
    """XML that defines entities is not read."""
    path = tmp_path / "book.xlsx"
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a", "b"])
    book.save(path)
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    part = "xl/worksheets/sheet1.xml"
    members[part] = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + members[part]
    with zipfile.ZipFile(path, "w") as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    assert told(lambda: open_source(path)) == [("file", "file-content-differs")]
