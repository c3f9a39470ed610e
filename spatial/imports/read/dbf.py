"""dBase tables, alone or beside a Shapefile: read as bytes first, because what says how text is encoded lies around.

Field types and language bytes: dBase III to 7 and Visual FoxPro, as ESRI and GDAL write them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.encodings import canonical, decodes, told_encoding, with_samples
from spatial.imports.read.model import Chunk, Encoding, Source
from spatial.imports.read.rows import Faults, chunks_of, require_columns

VERSIONS = frozenset({0x02, 0x03, 0x04, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B, 0x8C, 0xCB, 0xF5, 0xFB})
LANGUAGES = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x08: "cp865", 0x13: "cp932", 0x1F: "cp852", 0x26: "cp866",
    0x4D: "gb18030", 0x4E: "cp949", 0x4F: "cp950", 0x50: "cp874", 0x58: "cp1252", 0x59: "cp1252", 0x64: "cp852",
    0x65: "cp866", 0x66: "cp865", 0x6A: "cp737", 0x6B: "cp857", 0x78: "cp950", 0x79: "cp949", 0x7A: "gb18030",
    0x7B: "cp932", 0x7C: "cp874", 0x86: "cp737", 0x87: "cp852", 0x88: "cp857", 0xC8: "cp1250", 0xC9: "cp1251",
    0xCA: "cp1254", 0xCB: "cp1253", 0xCC: "cp1257",
}  # fmt: skip  # 0x57, "ANSI", is whatever the machine had: it declares nothing
CODE_PAGE = re.compile(r"(?:ansi|cp|windows|oem)?[ _-]*(\d{3,5})")
PAGES = {"936": "gb18030", "65001": "utf-8"}
OTHER_NAMES = {"koi8r": "koi8-r", "koi8u": "koi8-u"}
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]*(?:[eE][+-]?[0-9]+)?")
FLAGS = {b"T": True, b"Y": True, b"F": False, b"N": False}
TYPES = "CNFDL"
ROWS_AT_ONCE = 50_000
HEADER_BYTES = 32
FIELD_BYTES = 32
END_OF_FIELDS = 0x0D
DELETED = ord("*")
RECORD_MARKS = b" *"


@dataclass(frozen=True)
class Field:
    """A column: its name as bytes, its type, and where it lies in a record."""

    name: bytes
    kind: str
    start: int
    width: int
    decimals: int


@dataclass(frozen=True)
class Table:
    """The layout of a file of fixed-width records."""

    path: Path
    language: int
    rows: int
    first: int
    width: int
    fields: tuple[Field, ...]
    unreadable: tuple[Field, ...] = ()  # columns of a type that nothing can be made of: memos, objects

    def records(self) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Yield the records as bytes, with the index of the first."""
        with self.path.open("rb") as file:
            file.seek(self.first)
            for start in range(0, self.rows, ROWS_AT_ONCE):
                rows = min(ROWS_AT_ONCE, self.rows - start)
                body = file.read(rows * self.width)
                yield start, np.frombuffer(body, dtype=np.uint8).reshape(rows, self.width)

    def text_blocks(self) -> Iterator[bytes]:
        """Yield all text, and the names of the columns, each cell ended by a line break."""
        yield b"\n".join(field.name for field in self.fields) + b"\n"
        for _, records in self.records():
            for field in self.fields:
                if field.kind == "C":
                    yield b"\n".join(_cells(records, field)) + b"\n"


def open_dbf(path: Path, file: str, encoding: str | None) -> Source:
    """Return the rows of a table that stands alone."""
    table = table_of(path, file)
    told = encoding_of(table, encoding)
    names = names_of(table, told)
    require_decodable(table, told)
    faults: list[Fault] = []

    def chunks() -> Iterator[Chunk]:
        told_faults = Faults(faults)
        for start, columns, kept in rows_of(table, names, told, told_faults):
            yield from chunks_of(np.arange(start + 1, start + 1 + len(kept)), columns, None, kept)
        told_faults.close()

    told = sampled(told, chunks, faults)
    notes = notes_of(table, told)
    return Source(
        file, "dbf", names, has_shapes=False, chunks=chunks, encoding=told, count=table.rows, faults=faults, notes=notes
    )


def sampled(told: Encoding, chunks: Callable[[], Iterator[Chunk]], faults: list[Fault]) -> Encoding:
    """Return a guessed encoding with samples of what it gives."""
    if told.is_declared:
        return told
    told = with_samples(told, chunks())
    faults.clear()
    return told


def table_of(path: Path, file: str) -> Table:
    """Return the layout of a table; an `InputError` where it is none, or not as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        head = opened.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or head[0] not in VERSIONS:
            raise invalid("file", "file-content-differs", file=file, suffix=".dbf")
        rows, first, width = (int.from_bytes(head[at:end], "little") for at, end in ((4, 8), (8, 10), (10, 12)))
        described = opened.read(max(first - HEADER_BYTES, 0))
        opened.seek(first + rows * width)
        beyond = opened.read(width)
    fields = tuple(_fields(described))
    if not fields or width < 1 + sum(field.width for field in fields):
        raise invalid("file", "file-content-differs", file=file, suffix=".dbf")
    if first + rows * width > size:
        found = max(size - first, 0) // width
        raise invalid("file", "file-truncated", file=file, expected=rows, found=found)
    if len(beyond) == width and beyond.strip(b" \0") and beyond[0] in RECORD_MARKS:
        raise invalid("file", "file-beyond-count", file=file, expected=rows)
    known = tuple(field for field in fields if field.kind in TYPES)
    return Table(path, head[29], rows, first, width, known, tuple(field for field in fields if field not in known))


def encoding_of(table: Table, asked: str | None) -> Encoding:
    """Return how the text of a table is encoded: as asked for, as a .cpg or the language byte says, or as it can be."""
    declared = _code_page(table.path) or LANGUAGES.get(table.language)
    return told_encoding(table.text_blocks, asked, declared)


def names_of(table: Table, told: Encoding) -> tuple[str, ...]:
    """Return the names of the columns; a character cut at the end of one is left out."""
    try:
        return require_columns([field.name.decode(told.name, "ignore").strip() for field in table.fields])
    except LookupError:
        raise invalid("encoding", "encoding-name-unknown", encoding=told.name) from None


def notes_of(table: Table, told: Encoding) -> list[Fault]:
    """Return a note for each column that is left out for its type."""
    return [
        Fault("file", "column-unreadable", {"column": field.name.decode(told.name, "ignore"), "kind": field.kind})
        for field in table.unreadable
    ]


def require_decodable(table: Table, told: Encoding) -> None:
    """Raise an `InputError` that tells every row whose text is not in the encoding."""
    if decodes(table.text_blocks(), told.name) or all(
        decodes([b"\n".join(_cells(records, field))], told.name)
        for _, records in table.records()
        for field in table.fields
        if field.kind == "C"
    ):
        return
    faults = Faults([])
    for start, records in table.records():
        for field in table.fields:
            if field.kind == "C":
                for index, cell in enumerate(_cells(records, field)):
                    if not decodes([cell], told.name):
                        faults.add(Fault(f"row {start + index + 1}", "row-undecodable", {"encoding": told.name}))
    faults.close()
    raise InputError(faults.kept)


def rows_of(
    table: Table, names: tuple[str, ...], told: Encoding, faults: Faults
) -> Iterator[tuple[int, dict[str, list[Any]], np.ndarray[Any, Any]]]:
    """Yield blocks of rows: the index of the first, the columns, and which rows are not deleted."""
    for start, records in table.records():
        columns = {}
        for name, field in zip(names, table.fields, strict=True):
            values = _values(_cells(records, field), field, told.name)
            for index, value in enumerate(values):
                if isinstance(value, _Unreadable):
                    values[index] = None
                    where = f"row {start + index + 1}, column {name}"
                    faults.add(Fault(where, "value-unreadable", {"value": value.text}))
            columns[name] = values
        yield start, columns, (records[:, :1] != DELETED).all(axis=1)


@dataclass(frozen=True)
class _Unreadable:
    text: str


def _fields(described: bytes) -> Iterator[Field]:
    start = 1
    for at in range(0, len(described) - FIELD_BYTES + 1, FIELD_BYTES):
        one = described[at : at + FIELD_BYTES]
        if one[0] == END_OF_FIELDS:
            return
        kind = chr(one[11])
        width = one[16] + (one[17] << 8 if kind == "C" else 0)
        yield Field(one[:11].partition(b"\0")[0], kind, start, width, 0 if kind == "C" else one[17])
        start += width


def _code_page(path: Path) -> str | None:
    """Return what a .cpg beside a table says; None where there is none, or where it names nothing known."""
    beside = next((path.with_suffix(suffix) for suffix in (".cpg", ".CPG") if path.with_suffix(suffix).is_file()), None)
    if beside is None:
        return None
    with beside.open("rb") as file:
        said = file.read(64).decode("ascii", "ignore").strip().lower()
    if page := CODE_PAGE.fullmatch(said):
        said = PAGES.get(page[1], f"iso8859-{page[1][4:]}" if page[1].startswith("8859") else f"cp{page[1]}")
    for name in (OTHER_NAMES.get(said, said), said.replace("-", "")):
        try:
            return canonical(name)
        except InputError:
            continue
    return None


def _cells(records: np.ndarray[Any, Any], field: Field) -> list[bytes]:
    """Return a column as bytes, without what pads it."""
    raw = np.ascontiguousarray(records[:, field.start : field.start + field.width])
    if field.width == 0:
        return [b""] * len(records)
    return [cell.rstrip(b" \0\x1a") for cell in raw.view(f"S{field.width}")[:, 0].tolist()]


def _values(cells: list[bytes], field: Field, encoding: str) -> list[Any]:
    match field.kind:
        case "N" | "F":
            return [_number(cell.decode("latin-1").strip("\0 ")) for cell in cells]
        case "D":
            return [_date(cell.decode("latin-1").strip("\0 ")) for cell in cells]
        case "L":
            return [FLAGS.get(cell.strip().upper()) for cell in cells]
    return [cell.decode(encoding) or None for cell in cells]


def _number(text: str) -> Any:
    """Return a number; asterisks are how most programs write that there is none."""
    if not text.strip("*"):
        return None
    if WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text) and any(character.isdigit() for character in text):
        return float(text.replace(",", "."))
    return _Unreadable(text[:40])


def _date(text: str) -> Any:
    if not text.strip("0*"):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return _Unreadable(text[:40])
