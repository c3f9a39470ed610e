"""Files as cities have them: the right text or a clear message, never a traceback, never half a load."""

import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from spatial.db import Database
from spatial.errors import InputError
from spatial.imports.read import Chunk, open_source, read_file, require_confirmed
from spatial.imports.write import FORMATS, Table, write_rows
from tests.importing import FOUR, everything, take, told

GUESSED = "encoding-unconfirmed"

# of every file: what is said without naming its encoding (nothing: it is read), the encoding to name, the first values
DBF: dict[str, tuple[str | None, str | None, list[Any]]] = {
    "POLYGON.dbf": (None, None, ["Fairfax City", "Manassas"]),
    "big5.dbf": (GUESSED, "big5", ["繁體國語"]),
    "comma_separated.dbf": (None, None, [68.5, 66.3]),
    "cpg/big5.dbf": (None, None, ["國語"]),
    "cpg/big5.shp": (None, None, ["國語"]),
    "cpg/euckr.dbf": (None, None, ["한국말"]),
    "cpg/koi8r.dbf": (None, None, ["русский"]),
    "cpg/latin2.dbf": (None, None, ["čeština"]),
    "cpg/shiftjis.dbf": (None, None, ["カタカナひらがな"]),
    "cpg/utf16.dbf": ("column-name-empty", None, []),
    "cpg/win1251.dbf": (None, None, ["РУССКИЙ"]),
    "cpg/win874.dbf": (None, None, ["ภาษาไทย"]),
    "duplicate_fields.dbf": ("column-name-repeated", None, []),
    "eucjp.dbf": (GUESSED, "euc_jp", ["ひたちなか市", "西蒲原郡弥彦村"]),
    "gb2312.dbf": (GUESSED, "gb2312", ["简体国语"]),
    "gbk.dbf": (GUESSED, "gbk", ["简体国语"]),
    "latin1.dbf": (GUESSED, "latin-1", ["Peçeña México"]),
    "ldid/chinese.dbf": (None, None, ["简体"]),
    "ldid/chinese.shp": (None, None, ["简体"]),
    "periphereies.dbf": (
        "encoding-unknown",
        "cp1253",
        ["Π. ΑΝΑΤΟΛΙΚΗΣ ΜΑΚΕΔΟΝΙΑΣ - ΘΡΑΚΗΣ", "Π. ΚΕΝΤΡΙΚΗΣ ΜΑΚΕΔΟΝΙΑΣ"],
    ),
    "shiftjis.dbf": (GUESSED, "shift_jis", ["ひたちなか市", "西蒲原郡弥彦村"]),
    "utf8.dbf": (GUESSED, "utf-8", ["国语國語"]),
}
# of every broken Shapefile: how many rows are read, else what is said; and what an import of grids says of it
BROKEN: dict[str, tuple[int | str, str]] = {
    "193/gauss_kruger.shp": ("shape-index-missing", "shape-index-missing"),
    "193/three_points.dbf": (3, "no-geometry-column"),
    "193/three_points.shp": (3, "geometry-not-an-area"),
    "518_519_shp_reading/data_corruption_error.dbf": (8, "no-geometry-column"),
    "518_519_shp_reading/data_corruption_error.shp": (8, "geometry-not-an-area"),
    "518_519_shp_reading/max_callstack_error.dbf": (138, "no-geometry-column"),
    "518_519_shp_reading/max_callstack_error.shp": (138, "geometry-not-an-area"),
    "invalid_coords/invalid_coordinates.dbf": (1, "no-geometry-column"),
    "invalid_coords/invalid_coordinates.json": (1, "geometry-not-an-area"),
    "invalid_coords/invalid_coordinates.shp": (1, "geometry-not-an-area"),
}


def first_column(path: Path, encoding: str | None = None) -> list[Any]:
    """Return the first two values of the first column, once the encoding is confirmed."""
    source = open_source(path, encoding=encoding)
    require_confirmed(source.encoding)
    chunks = list(source.chunks())
    assert source.faults == []
    return chunks[0].columns[source.columns[0]][:2]


def tables_in(folder: Path) -> set[str]:
    """Return the files of a folder, however deep, that hold rows."""
    files = (path for path in folder.rglob("*") if path.suffix in {".dbf", ".shp", ".json"})
    return {str(path.relative_to(folder)) for path in files}


def test_every_messy_file_is_expected(realdata: Path) -> None:
    """The tables below name every file there is."""
    assert tables_in(realdata / "messy-boundaries" / "dbf_encodings") == set(DBF)
    assert tables_in(realdata / "messy-boundaries" / "broken_shapefiles") == set(BROKEN)


@pytest.mark.parametrize("name", DBF)
def test_text_of_every_encoding(realdata: Path, name: str) -> None:
    """Declared text is right at once; any other is shown and, once its encoding is named, right too."""
    path = realdata / "messy-boundaries" / "dbf_encodings" / name
    refused, encoding, values = DBF[name]
    if refused:
        assert told(lambda: first_column(path))[0][1] == refused
    if values:
        assert first_column(path, encoding) == values


@pytest.mark.parametrize("name", BROKEN)
def test_broken_shapefiles(realdata: Path, empty_database: Database, name: str) -> None:
    """What can be read is read whole; as grids every one of them is refused, and nothing is written."""
    path = realdata / "messy-boundaries" / "broken_shapefiles" / name
    rows, refused = BROKEN[name]
    if isinstance(rows, str):
        assert told(lambda: open_source(path)) == [("file", rows)]
        code = "code"
    else:
        source = open_source(path, encoding="utf-8")
        assert sum(len(chunk) for chunk in source.chunks()) == rows
        code = source.columns[0]
    before = everything(empty_database)
    assert refused in {text for _, text in told(lambda: take(empty_database, path, code=code))}
    assert everything(empty_database) == before


def test_a_declaration_that_utf_8_contradicts(tmp_path: Path, realdata: Path) -> None:
    """UTF-8 that is declared as GBK would give other characters that look right: it is a guess to confirm."""
    table = tmp_path / "x.dbf"
    shutil.copyfile(realdata / "messy-boundaries" / "dbf_encodings" / "utf8.dbf", table)
    table.with_suffix(".cpg").write_text("GBK", encoding="ascii")
    encoding = open_source(table).encoding
    assert encoding is not None
    assert (encoding.name, encoding.is_declared, encoding.samples) == ("utf-8", False, (("NAME", "国语國語"),))
    shutil.copyfile(realdata / "messy-boundaries" / "dbf_encodings" / "gbk.dbf", table)
    table.with_suffix(".cpg").write_text("UTF-8", encoding="ascii")
    assert told(lambda: open_source(table)) == [("row 1", "row-undecodable")]
    assert told(lambda: open_source(table, encoding="klingon")) == [("encoding", "encoding-name-unknown")]


# Cut short ------------------------------------------------------------------------------------------------------------

ROWS = 400


def many(folder: Path, fmt: str) -> Path:
    """Write some hundred rows of a format."""
    columns: dict[str, list[Any]] = {
        "code": [f"G{number:05}" for number in range(ROWS)],
        "name": [f"第{number}网格" for number in range(ROWS)],
        "beds": list(range(ROWS)),
    }
    shapes = FOUR[[number % 4 for number in range(ROWS)]]
    has_shapes = fmt not in {"csv", "xlsx"}
    chunk = Chunk(range(1, ROWS + 1), columns, shapes if has_shapes else None)
    kinds: Any = {"code": "text", "name": "text", "beds": "integer"}
    path = folder / f"whole{FORMATS[fmt][0]}"
    with write_rows(path, Table("rows", kinds, [chunk], "MultiPolygon" if has_shapes else None), fmt):
        pass
    return path


@pytest.mark.parametrize("fmt", FORMATS)
def test_truncated_uploads(tmp_path: Path, fmt: str) -> None:
    """A file cut anywhere is refused with a message; it never passes for a shorter one."""
    path = many(tmp_path, fmt)
    body = path.read_bytes()
    half = tmp_path / f"half{path.suffix}"
    for share in (0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999):
        cut = int(len(body) * share)
        if fmt == "csv":  # within a row: between two nobody can tell
            cut = max(body.rfind(b",", 0, cut), 0)
        half.write_bytes(body[:cut])
        with suppress(InputError):
            source = open_source(half, encoding="utf-8" if fmt == "csv" else None)
            found = sum(len(chunk) for chunk in source.chunks())
            assert source.faults or source.notes or found == ROWS, f"{share} of a file: {found} rows, not a word"


@pytest.mark.parametrize("fmt", FORMATS)
def test_damaged_uploads(tmp_path: Path, fmt: str) -> None:
    """A file with bytes changed anywhere is read, or refused with a message; nothing else ever happens."""
    whole = many(tmp_path, fmt)
    body = whole.read_bytes()
    rng = random.Random(fmt)
    damaged = tmp_path / f"damaged{whole.suffix}"
    for _ in range(60):
        changed = bytearray(body)
        for _ in range(rng.choice((1, 3, 30, 300))):
            edge = int(rng.expovariate(1 / 200)) % len(body)  # formats keep what is delicate at their ends
            changed[rng.choice((edge, -1 - edge, rng.randrange(len(body))))] = rng.randrange(256)
        damaged.write_bytes(changed)
        with suppress(InputError):
            source = open_source(damaged, encoding=rng.choice((None, "utf-8", "gb18030")))
            assert sum(len(chunk) for chunk in source.chunks()) >= 0


@pytest.mark.parametrize("part", [".shp", ".shx", ".dbf"])
def test_a_part_of_a_shapefile_cut_short(tmp_path: Path, part: str) -> None:
    """So is a Shapefile of which one part is shorter than it says, or is of another one."""
    with zipfile.ZipFile(many(tmp_path, "shp")) as packed:
        packed.extractall(tmp_path)
    path = tmp_path / f"rows{part}"
    body = path.read_bytes()
    for share in (0.5, 0.99):
        path.write_bytes(body[: int(len(body) * share)])
        assert {text for _, text in told(lambda: read_file(tmp_path / "rows.shp"))} == {"file-truncated"}
    path.write_bytes(b"")
    assert told(lambda: read_file(tmp_path / "rows.shp"))


# Too large ------------------------------------------------------------------------------------------------------------


def peak_mb(statement: str, *arguments: Path) -> int:
    """Return the memory that a process of its own needs at most for a statement."""
    code = (
        "import resource, sys; from pathlib import Path; from spatial.imports.read import open_source\n"
        "from spatial.errors import InputError\n"
        f"try:\n    {statement}\nexcept InputError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout.splitlines()[-1])


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
    ):
        with sqlite3.connect(tmp_path / name) as database:
            for statement in statements:
                database.execute(statement)
        assert told(lambda name=name: open_source(tmp_path / name)) == [("file", expected)]  # type: ignore[misc]


VIRTUAL = "CREATE VIRTUAL TABLE y USING fts5(a)"


def book_of(folder: Path, fill: Callable[[Any], None]) -> Path:
    """Write a workbook of one sheet."""
    book = openpyxl.Workbook()
    fill(book.active)
    book.save(folder / "book.xlsx")
    return folder / "book.xlsx"


def test_a_workbook_with_entities_of_its_own(tmp_path: Path) -> None:
    """XML that defines entities is not read."""
    path = book_of(tmp_path, lambda sheet: sheet.append(["a", "b"]))
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    part = "xl/worksheets/sheet1.xml"
    members[part] = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + members[part]
    with zipfile.ZipFile(path, "w") as packed:
        for name, body in members.items():
            packed.writestr(name, body)
    assert told(lambda: open_source(path)) == [("file", "file-content-differs")]
