"""What became of a file, beside it: all of its faults as a table, and a copy with two columns more."""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import shapely
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import PatternFill

from spatial import crs as systems
from spatial.geometry import DEGREE_DECIMALS, Geometries
from spatial.imports.model import Change, RowChange, RowFault
from spatial.imports.read import Chunk, Source
from spatial.imports.write import Table, format_of, write_rows
from spatial.imports.write.model import as_text
from spatial.imports.write.plain import harmless

GEOMETRY = "geometry"  # how faults name the shape of a row
SHEETS = ("csv", "xlsx")  # which keep shapes as the texts that they came as, if any
COLOURS: dict[Change | None, str] = {"new": "C6EFCE", "changed": "FFEB9C", "faulty": "FFC7CE"}


@dataclass(frozen=True)
class Tell:
    """How faults, changes and the heads of columns are said in the reader's language."""

    fault: Callable[[RowFault], str]
    change: Callable[[str], str]
    head: Callable[[str], str]


def write_faults(path: Path, faults: Iterable[RowFault], tell: Tell) -> None:
    """Write all faults as CSV: row, column, what is wrong."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([tell.head(name) for name in ("column.row", "column.column", "column.fault")])
        for one in faults:
            writer.writerow([one.row, harmless(one.column), harmless(tell.fault(one))])


@dataclass(frozen=True)
class Row:
    """What became of one row."""

    change: Change | None
    faults: tuple[RowFault, ...]


class Told(Protocol):
    """An import of any kind, as a copy of its file tells it."""

    @property
    def columns_read(self) -> Collection[str]:
        """The columns that were taken; all others are left out of the copy too."""

    @property
    def crs(self) -> str | None:
        """The system of the file's shapes; None where it is not known."""

    @property
    def tells_of_people(self) -> bool:
        """Whether something was refused because it tells of single people."""

    def faults(self) -> Iterator[RowFault]:
        """Yield what is wrong, in the order of the rows."""

    def changes(self, *, but_same: bool = True) -> Iterator[RowChange]:
        """Yield what becomes of the rows, in their order."""


def write_annotated(path: Path, one: Told, source: Source, tell: Tell) -> None:
    """Write a copy of the columns that were read, that says of each row what becomes of it and what is wrong with it.

    In Excel, cells with faults are coloured and say why in a comment. Shapes are written in stored degrees; in a sheet,
    as the texts that they came as. Of a file that tells of single people there is no copy.
    """
    if one.tells_of_people:
        return
    fmt, shape_column = format_of(path, None), None
    if source.of_texts and fmt in SHEETS:
        source, shape_column = source.of_texts
    kept = tuple(name for name in source.columns if name in one.columns_read or name == shape_column)
    source = replace(source, columns=kept)
    heads = (tell.head("annotation.change"), tell.head("annotation.faults"))
    rows = _Rows(one, shape_column)
    if fmt == "xlsx":
        _write_excel(path, source, rows, heads, tell)
        return
    crs = one.crs
    shape = "Unknown" if source.has_shapes and crs and fmt not in (*SHEETS, "parquet") else None
    names = dict.fromkeys([*source.columns, *heads], "text")
    chunks = (
        replace(
            chunk,
            columns=_told(source.columns, chunk, rows, heads, tell),
            shapes=_stored(chunk.shapes, crs) if shape else None,
        )
        for chunk in source.chunks()
    )
    with write_rows(path, Table("annotated", names, chunks, shape), fmt):  # type: ignore[arg-type]  # all are texts
        pass


class _Rows:
    """What became of rows, asked for in their order; a row that was left out has nothing to say.

    What is wrong with a shape is told of the column that says it, where there is one.
    """

    def __init__(self, one: Told, shape_column: str | None) -> None:
        def placed(fault: RowFault) -> RowFault:
            return replace(fault, column=shape_column) if shape_column and fault.column == GEOMETRY else fault

        faults = groupby(one.faults(), lambda fault: fault.row)
        self.faults = _InOrder((row, tuple(map(placed, found))) for row, found in faults if row is not None)
        changes = one.changes(but_same=False)
        self.changes = _InOrder((change.row, change.change) for change in changes if change.row is not None)

    def of(self, chunk: Chunk) -> list[Row]:
        """Return what became of the rows of a chunk."""
        return [self._row(number) for number in chunk.numbers]

    def _row(self, number: int) -> Row:
        faults = self.faults.at(number) or ()
        return Row(self.changes.at(number) or ("faulty" if faults else None), faults)


Kept = TypeVar("Kept")


class _InOrder(Generic[Kept]):
    """What there is of some rows, asked for in their order."""

    def __init__(self, rest: Iterator[tuple[int, Kept]]) -> None:
        self.rest = rest
        self.next = next(rest, None)

    def at(self, row: int) -> Kept | None:
        """Return what there is of a row."""
        while self.next is not None and self.next[0] < row:
            self.next = next(self.rest, None)
        return self.next[1] if self.next is not None and self.next[0] == row else None


def _told(
    names: Iterable[str], chunk: Chunk, rows: _Rows, heads: tuple[str, str], tell: Tell
) -> Mapping[str, list[Any]]:
    found = rows.of(chunk)
    faults = ["; ".join(_said(fault, tell) for fault in row.faults) or None for row in found]
    kept = {name: chunk.columns[name] for name in names}
    return {**kept, heads[0]: [row.change and tell.change(row.change) for row in found], heads[1]: faults}


def _said(fault: RowFault, tell: Tell) -> str:
    return f"{fault.column}: {tell.fault(fault)}" if fault.column else tell.fault(fault)


def _stored(shapes: Geometries | None, crs: str | None) -> Geometries | None:
    if shapes is None or crs is None:
        return None

    def placed(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        lonlat = np.round(systems.inbound(crs)(xy), DEGREE_DECIMALS)
        return np.where(np.isfinite(lonlat), lonlat, 0.0)

    made: Geometries = shapely.transform(shapes, placed)
    return made


def _write_excel(path: Path, source: Source, rows: _Rows, heads: tuple[str, str], tell: Tell) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("1")
    sheet.freeze_panes = "A2"
    sheet.append([_cell(sheet, name) for name in (*source.columns, *heads)])
    fills = {change: PatternFill("solid", fgColor=colour) for change, colour in COLOURS.items()}
    for chunk in source.chunks():
        values = zip(*(chunk.columns[name] for name in source.columns), strict=True)
        for row, cells in zip(rows.of(chunk), values, strict=True):
            wrong = {fault.column: tell.fault(fault) for fault in row.faults}
            made = []
            for name, value in zip(source.columns, cells, strict=True):
                cell = _cell(sheet, value)
                if name in wrong:
                    cell.fill, cell.comment = fills["faulty"], Comment(wrong[name], "Twingrid")
                made.append(cell)
            said = _cell(sheet, row.change and tell.change(row.change))
            if row.change in fills:
                said.fill = fills[row.change]
            sheet.append([*made, said, "; ".join(_said(fault, tell) for fault in row.faults) or None])
    book.save(path)


def _cell(sheet: Any, value: Any) -> Any:
    """Return a cell that shows a value as text or number, and is never computed."""
    plain = value if isinstance(value, int | float) else as_text(value)
    cell = WriteOnlyCell(
        sheet, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", plain) if isinstance(plain, str) else plain
    )
    if isinstance(plain, str):
        cell.data_type = "s"
    return cell
