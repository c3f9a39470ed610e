"""Excel workbooks (.xlsx), read in a stream; rows are counted as Excel shows them.

Numbers, dates and flags are as typed, formulas as Excel last computed them. Cells merged downwards mean their value in
every row, which is told; merged across columns they mean nothing certain, which is a fault. Rows of one cell above the
header are titles.
"""

import re
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.utils import get_column_letter, range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from spatial.errors import Fault, invalid
from spatial.imports.read.archive import BROKEN as BROKEN_ARCHIVE
from spatial.imports.read.archive import members_of, opened_archive, require_small
from spatial.imports.read.gdal import chosen
from spatial.imports.read.merged import Marks, marks_of
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.rows import Faults, chunks_of, require_columns

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ZIP = b"PK\x03\x04"
WORKBOOK = "xl/workbook.xml"
SHARED = "xl/sharedStrings.xml"
XML = (".xml", ".rels")
DOCTYPE = b"<!DOCTYPE"
HEAD_BYTES = 4096
ROWS_AT_ONCE = 10_000
MOST_SHARED_BYTES = 400_000_000  # of texts that are kept in memory
MOST_TITLE_ROWS = 20
MOST_COLUMNS = 1000
LAST_ROW = 1_048_576
MOST_NOTES = 20
LARGEST_EXACT = 10**15
LEADING_ZEROS = re.compile(r"0{2,}")
CLOCK = re.compile(r"[hs]", re.IGNORECASE)
QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
BROKEN = (*BROKEN_ARCHIVE, InvalidFileException, TypeError, AttributeError, SyntaxError)  # of openpyxl, on odd files
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Sheet:
    """A sheet: where its header is, the columns that it names, and what its XML marks."""

    name: str
    header: int
    names: tuple[str, ...]
    marks: Marks
    titles: int


@dataclass(frozen=True)
class Merge:
    """A merged range: first column, first row, last column, last row, all counted from 1."""

    cells: str
    left: int
    top: int
    right: int
    bottom: int


def open_excel(path: Path, file: str, source_layer: str | None) -> Source:
    """Return the rows of a sheet; of several that are not empty, one must be named."""
    _require_workbook(path, file)
    try:
        sheet = _sheet(path, file, source_layer)
    except BROKEN as error:
        raise invalid("file", "file-unreadable", file=file, reason=type(error).__name__) from None
    merges = [Merge(cells, *_bounds(cells)) for cells in sheet.marks.merged]
    across, down = _sorted_out(merges, sheet)
    faults: list[Fault] = []
    notes: list[Fault] = []
    if sheet.titles:
        notes.append(Fault("file", "title-rows-skipped", {"count": sheet.titles}))
    standing = len(notes)

    def chunks() -> Iterator[Chunk]:
        told = Faults(faults)
        for merge in across:
            told.add(Fault(f"row {merge.top}", "cells-merged-across", {"cells": merge.cells}))
        for cell in sheet.marks.not_computed:
            told.add(Fault(f"cell {cell}", "cell-not-computed"))
        fills = _Fills(down)
        try:
            yield from _rows(path, file, sheet, fills, told)
        except BROKEN as error:
            raise invalid("file", "file-unreadable", file=file, reason=type(error).__name__) from None
        del notes[standing:]
        notes.extend(fills.notes())
        told.close()

    return Source(file, "excel", sheet.names, has_shapes=False, chunks=chunks, faults=faults, notes=notes)


def _require_workbook(path: Path, file: str) -> None:
    """Raise an `InputError` with the reason where a file is no workbook that can be read, or a harmful one."""
    with path.open("rb") as opened:
        head = opened.read(1 << 20)
    if head.startswith(OLE):
        with path.open("rb") as opened:
            locked = ENCRYPTED in head or ENCRYPTED in opened.read(1 << 25)
        raise invalid("file", "file-is-locked" if locked else "file-is-old-excel", file=file)
    if not head.startswith(ZIP):
        raise invalid("file", "file-content-differs", file=file, suffix=path.suffix)
    try:
        with opened_archive(path) as packed:
            members = members_of(packed, file)
            names = {member.filename for member in members}
            require_small(members, file)
            require_small([one for one in members if one.filename == SHARED], file, MOST_SHARED_BYTES)
            defines = any(DOCTYPE in packed.open(name).read(HEAD_BYTES) for name in names if name.endswith(XML))
    except BROKEN_ARCHIVE as error:
        raise invalid("file", "file-unreadable", file=file, reason=str(error)[:200]) from None
    if "content.xml" in names:
        raise invalid("file", "file-is-opendocument", file=file)
    if WORKBOOK not in names or defines:  # no program writes XML with entities of its own
        raise invalid("file", "file-content-differs", file=file, suffix=path.suffix)


def _opened(path: Path) -> Workbook:
    with warnings.catch_warnings(action="ignore"):  # of formats that do not matter to values
        return load_workbook(path, read_only=True, data_only=True, keep_links=False)


def _sheet(path: Path, file: str, source_layer: str | None) -> Sheet:
    """Return the sheet that is wanted, or the only one with anything in it."""
    book = _opened(path)
    try:
        tops = {}
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # some programs write wrong ones
            rows = islice(sheet.iter_rows(), MOST_TITLE_ROWS)
            top = [_trimmed(tuple(cell.value for cell in row)) for row in rows]
            if sheet.title == source_layer or any(value is not None for row in top for value in row):
                tops[sheet.title] = top
        if not tops:
            raise invalid("file", "file-empty", file=file)
        if source_layer not in tops and len(tops) > 1:
            raise invalid("source-layer", "choose-sheet", file=file, known=", ".join(tops))
        name = chosen(list(tops), source_layer, file)
        part = book[name]._worksheet_path  # nothing public tells it
        with zipfile.ZipFile(path) as packed, packed.open(part) as xml:
            marks = marks_of(xml)
    finally:
        book.close()
    header, titles = _header(tops[name])
    if header is None:
        raise invalid("row 1", "header-missing")
    named = tops[name][header]
    if len(named) > MOST_COLUMNS:
        raise invalid(f"row {header + 1}", "too-many-columns", limit=MOST_COLUMNS)
    names = require_columns([None if value is None else str(value).strip() for value in named])
    return Sheet(name, header + 1, names, marks, titles)


def _header(top: list[Row]) -> tuple[int | None, int]:
    """Return the index of the header, and how many titles are above it: rows of one cell above one of several."""
    filled = [sum(value is not None for value in row) for row in top]
    first = next((index for index, count in enumerate(filled) if count > 1), None)
    if first is None:
        return next((index for index, count in enumerate(filled) if count), None), 0
    return first, sum(count > 0 for count in filled[:first])


def _trimmed(row: Row) -> Row:
    """Return a row without the empty cells at its end."""
    last = max((index for index, value in enumerate(row) if value is not None), default=-1)
    return row[: last + 1]


def _sorted_out(merges: list[Merge], sheet: Sheet) -> tuple[list[Merge], list[Merge]]:
    """Return the merges that mean nothing certain, and those within one column of the data."""
    width, header = len(sheet.names), sheet.header
    bearing = [merge for merge in merges if merge.bottom >= header and merge.left <= width]
    down = [merge for merge in bearing if merge.left == merge.right and merge.top > header]
    return [merge for merge in bearing if merge not in down], down


def _rows(path: Path, file: str, sheet: Sheet, fills: "_Fills", told: Faults) -> Iterator[Chunk]:
    width = len(sheet.names)
    book = _opened(path)
    try:
        opened = book[sheet.name]
        opened.reset_dimensions()
        rows = opened.iter_rows(min_row=sheet.header + 1)
        first = sheet.header + 1
        while True:
            kept: list[bool] = []
            values: list[Row] = []
            block = islice(rows, ROWS_AT_ONCE)  # one by one: each may be as wide as a sheet can be
            with warnings.catch_warnings(action="ignore"):
                for number, row in enumerate(block, first):
                    cells, is_kept = _cells(row, number, width, told)
                    fills.fill(number, cells)
                    kept.append(is_kept and any(value is not None for value in cells))
                    values.append(tuple(cells))
            if not values:
                return
            if first > LAST_ROW:
                raise invalid("file", "file-unreadable", file=file, reason=f"row {first}")
            numbers = np.arange(first, first + len(values))
            first += len(values)
            columns = dict(zip(sheet.names, map(list, zip(*values, strict=True)), strict=True))
            yield from chunks_of(numbers, columns, None, np.array(kept, bool))
    finally:
        book.close()


def _cells(row: Row, number: int, width: int, told: Faults) -> tuple[list[Any], bool]:
    """Return the values of a row, and whether none lies beyond the columns."""
    beyond = next((cell.column for cell in reversed(row[width:]) if cell.value is not None), None)
    if beyond is not None:
        told.add(Fault(f"row {number}", "row-ragged", {"found": beyond, "expected": width}))
    cells = [_value(cell, number, told) for cell in row[:width]]
    return cells + [None] * (width - len(cells)), beyond is None


def _value(cell: Any, number: int, told: Faults) -> Any:
    """Return what a cell says: a number shown with leading zeros as that text, a midnight shown as a day as a date."""
    value = cell.value
    if isinstance(value, str):
        if value in ERROR_CODES and cell.data_type == "e":
            where = f"row {number}, column {get_column_letter(cell.column)}"
            told.add(Fault(where, "cell-error", {"value": value}))
            return None
        return value or None
    if isinstance(value, datetime):
        is_day = value.time() == time() and not CLOCK.search(QUOTED.sub("", cell.number_format))
        return value.date() if is_day else value
    if type(value) is int and abs(value) >= LARGEST_EXACT:
        return float(value)  # as Excel keeps it: of its digits only the first are certain
    if type(value) is int and LEADING_ZEROS.fullmatch(cell.number_format):
        return str(value).zfill(len(cell.number_format))
    return value


class _Fills:
    """Cells merged downwards, filled with their value row by row."""

    def __init__(self, merges: list[Merge]) -> None:
        self.starting: dict[int, list[Merge]] = defaultdict(list)
        for merge in merges:
            self.starting[merge.top].append(merge)
        self.active: dict[Merge, Any] = {}
        self.filled: list[str] = []

    def fill(self, number: int, cells: list[Any]) -> None:
        """Fill the cells of a row that are merged with one above."""
        for merge in self.starting.get(number, ()):
            self.active[merge] = cells[merge.left - 1]
            self.filled.append(merge.cells)
        for merge, value in list(self.active.items()):
            cells[merge.left - 1] = value
            if merge.bottom <= number:
                del self.active[merge]

    def notes(self) -> list[Fault]:
        """Return a note for each range that was filled, of many one that counts them."""
        if len(self.filled) > MOST_NOTES:
            return [Fault("file", "cells-merged-filled-many", {"count": len(self.filled), "cells": self.filled[0]})]
        return [Fault("file", "cells-merged-filled", {"cells": cells}) for cells in self.filled]


def _bounds(cells: str) -> tuple[int, int, int, int]:
    left, top, right, bottom = range_boundaries(cells)
    return int(left), int(top), int(right), int(bottom)
