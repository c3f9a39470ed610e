"""Excel workbooks, written row by row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES, ILLEGAL_CHARACTERS_RE
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from spatial.errors import Fault, InputError, invalid
from spatial.imports.write.model import FAULTS_TOLD, Table, as_text
from spatial.imports.write.plain import shape_columns, shape_values

MOST_ROWS = 1_048_575
LONGEST_TEXT = 32_767
LONGEST_TITLE = 31
LARGEST_EXACT = 10**15  # Excel keeps fifteen digits
NOT_IN_TITLES = str.maketrans(dict.fromkeys(r"\/*?:[]", "_"))


def write_excel(path: Path, table: Table, _crs: str) -> None:
    """Write rows: numbers, flags and days as such, times and all else as text that no sheet computes."""
    write_sheets(path, [table])


def write_sheets(path: Path, tables: Sequence[Table]) -> None:
    """Write several tables, each to a sheet of its own."""
    book = Workbook(write_only=True)
    for table in tables:
        sheet = book.create_sheet(table.name.translate(NOT_IN_TITLES)[:LONGEST_TITLE] or "1")
        sheet.freeze_panes = "A2"
        try:
            _fill(sheet, table)
        finally:
            sheet.close()
    book.save(path)


def _fill(sheet: WriteOnlyWorksheet, table: Table) -> None:
    names = [*table.kinds, *shape_columns(table)]
    sheet.append([_cell(sheet, name) for name in names])
    faults: list[Fault] = []
    for chunk in table.chunks:
        if chunk.numbers.stop - 1 > MOST_ROWS:
            raise invalid("format", "too-many-rows-for-excel", limit=MOST_ROWS)
        columns = [chunk.columns[name] for name in table.kinds] + shape_values(table, chunk.shapes)
        for number, row in zip(chunk.numbers, zip(*columns, strict=True), strict=True):
            faults += _faults(number, names, row)
            if not faults:
                sheet.append([_cell(sheet, value) for value in row])
        if len(faults) > FAULTS_TOLD:
            break
    if faults:
        raise InputError(faults[:FAULTS_TOLD])


def _cell(sheet: WriteOnlyWorksheet, value: Any) -> Any:
    """Return a cell as it is to be shown, never a formula."""
    if isinstance(value, int) and abs(value) >= LARGEST_EXACT:
        value = str(value)
    if hasattr(value, "hour") or isinstance(value, dict | list):
        value = as_text(value)
    if isinstance(value, str) and (value.startswith("=") or value in ERROR_CODES):
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"
        return cell
    return value


def _faults(number: int, names: list[str], row: tuple[Any, ...]) -> list[Fault]:
    faults = []
    for name, value in zip(names, row, strict=True):
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                where = f"row {number}, column {name}"
                faults.append(Fault(where, "text-too-long-for-excel", {"limit": LONGEST_TEXT}))
            elif ILLEGAL_CHARACTERS_RE.search(value):
                faults.append(Fault(f"row {number}, column {name}", "text-has-control-characters"))
    return faults
