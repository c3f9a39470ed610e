"""Files as cities have them: the right text or a clear message, never a traceback, never half a load."""

import random
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

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
    table.with_suffix(".cpg").write_text("1252", encoding="ascii")  # as programs write that were never asked
    assert told(lambda: first_column(table)) == [("encoding", GUESSED)]
    shutil.copyfile(realdata / "messy-boundaries" / "dbf_encodings" / "latin1.dbf", table)
    assert first_column(table) == ["Peçeña México"]
    for name in ("klingon", "idna", "punycode", "utf-7", "unicode_escape", "rot13"):
        assert told(lambda name=name: open_source(table, encoding=name)) == [("encoding", "encoding-name-unknown")]


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


@pytest.mark.parametrize("rows", [0, 1, ROWS - 1])
def test_files_cut_between_two_rows(tmp_path: Path, rows: int) -> None:
    """A dBase table or a FlatGeobuf that ends with a whole row is short all the same, for its head counts the rows."""
    with zipfile.ZipFile(many(tmp_path, "shp")) as packed:
        packed.extractall(tmp_path)
    table = tmp_path / "rows.dbf"
    body = table.read_bytes()
    head, width = (int.from_bytes(body[at : at + 2], "little") for at in (8, 10))
    table.write_bytes(body[: head + rows * width])
    assert told(lambda: open_source(table)) == [("file", "file-truncated")]
    table.write_bytes(body[:4] + (ROWS - 1).to_bytes(4, "little") + body[8:])
    assert told(lambda: open_source(table)) == [("file", "file-beyond-count")]
    grids = many(tmp_path, "fgb")
    body = grids.read_bytes()
    starts = [12 + int.from_bytes(body[8:12], "little")]  # we write it without an index
    while starts[-1] < len(body):
        starts.append(starts[-1] + 4 + int.from_bytes(body[starts[-1] : starts[-1] + 4], "little"))
    assert len(starts) == ROWS + 1
    grids.write_bytes(body[: starts[rows]])
    source = open_source(grids)
    assert sum(len(chunk) for chunk in source.chunks()) == rows
    assert [fault.text for fault in source.faults] == ["file-truncated"]
