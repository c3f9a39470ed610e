"""Workbooks are read as people mean them: what is typed, what is merged, what is computed, and what is not."""

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from spatial.imports.cells import FaultyCell, text_of
from spatial.imports.grids.model import Columns
from spatial.imports.grids.rows import entries
from spatial.imports.read import Source, open_source, read_file
from tests.importing import faults, told

SQUARE = "POLYGON ((117 34, 117.1 34, 117.1 34.1, 117 34.1, 117 34))"


def book(folder: Path, fill: Callable[[Any], None], *others: str) -> Path:
    """Write a workbook of one sheet, and of others that are empty or have one cell."""
    made = openpyxl.Workbook()
    made.active.title = "人员"  # type: ignore[union-attr]  # a new workbook has a sheet
    fill(made.active)
    for other in others:
        made.create_sheet(other.removesuffix("!")).append(["x"] if other.endswith("!") else [])
    path = folder / "book.xlsx"
    made.save(path)
    return path


def rows_of(source: Source) -> dict[int, tuple[Any, ...]]:
    """Return all rows by number."""
    found: dict[int, tuple[Any, ...]] = {}
    for chunk in source.chunks():
        found |= dict(zip(chunk.numbers, zip(*chunk.columns.values(), strict=True), strict=True))
    return found


def faults_of(source: Source) -> list[tuple[str, str]]:
    """Return place and kind of every fault of a source that was read."""
    list(source.chunks())
    return [(fault.where, fault.text) for fault in source.faults]


def appending(*rows: list[Any]) -> Callable[[Any], None]:
    """Return what appends rows to a sheet."""

    def fill(sheet: Any) -> None:
        for row in rows:
            sheet.append(row)

    return fill


def test_values_as_typed(tmp_path: Path) -> None:
    """Numbers, flags, days and instants are what they are; empty rows are left out, but counted."""
    typed = [1, 2.5, True, date(2025, 3, 1), datetime.fromisoformat("2025-03-01T08:00"), time(8, 30), "007"]
    source = open_source(book(tmp_path, appending(list("abcdefg"), typed, [None] * 7, typed)))
    assert rows_of(source) == {2: tuple(typed), 4: tuple(typed)}
    assert (source.kind, source.faults, source.notes) == ("excel", [], [])


def test_leading_zeros_that_only_the_format_shows(tmp_path: Path) -> None:
    """A code typed as a number and shown with leading zeros is what is shown."""

    def fill(sheet: Any) -> None:
        appending(["code", "n"], [42, 42])(sheet)
        sheet["A2"].number_format = "000000"

    assert rows_of(open_source(book(tmp_path, fill))) == {2: ("000042", 42)}


def test_a_clock_that_the_format_does_not_show(tmp_path: Path) -> None:
    """An instant shown as its day is still that instant; midnight shown as a day is the day."""
    typed = [datetime.fromisoformat("2025-03-01T08:30"), datetime.fromisoformat("2025-03-02T00:00")]

    def fill(sheet: Any) -> None:
        appending(["start", "day"], typed)(sheet)
        for cell in sheet[2]:
            cell.number_format = "yyyy/m/d"

    assert rows_of(open_source(book(tmp_path, fill))) == {2: (typed[0], date(2025, 3, 2))}


@pytest.mark.parametrize("code", [320303001001001017, 3.20303001001001e17, 1_000_000_000_000_000])
def test_codes_whose_last_digits_are_lost(tmp_path: Path, code: float) -> None:
    """A code of more digits than Excel keeps is a fault, whether it is to be a text of a row or the code of a grid."""
    path = book(tmp_path, appending(["code", "geometry"], [code, SQUARE], [101.0, SQUARE]))
    said = rows_of(open_source(path, geometry="geometry"))
    assert text_of(said[3][0]) == "101"
    with pytest.raises(FaultyCell, match="digits-lost"):
        text_of(said[2][0])
    found, wrong = entries(read_file(path, geometry="geometry"), Columns({"code": "code"}), "free")
    assert [one.code for one in found] == ["101"]
    assert [(fault.where, fault.text) for fault in wrong] == [("row 2, column code", "digits-lost")]


def test_cells_merged_downwards(tmp_path: Path) -> None:
    """A station written once for the officers below it is meant for each of them, and that is told."""

    def fill(sheet: Any) -> None:
        appending(["station", "officer"], ["S1", 1], [None, 2], [None, 3], ["S2", 4])(sheet)
        sheet.merge_cells("A2:A4")

    source = open_source(book(tmp_path, fill))
    assert rows_of(source) == {2: ("S1", 1), 3: ("S1", 2), 4: ("S1", 3), 5: ("S2", 4)}
    assert [(note.text, note.values) for note in source.notes] == [("cells-merged-filled", {"cells": "A2:A4"})]
    assert rows_of(source)[4] == ("S1", 3)  # again from the start, and told once
    assert len(source.notes) == 1


def test_many_merged_cells_are_counted(tmp_path: Path) -> None:
    """More than a few merges are told in one line."""

    def fill(sheet: Any) -> None:
        appending(["a", "b"], *([number, number] for number in range(100)))(sheet)
        for row in range(2, 100, 2):
            sheet.merge_cells(f"A{row}:A{row + 1}")

    source = open_source(book(tmp_path, fill))
    assert [row[0] for row in rows_of(source).values()][:4] == [0, 0, 2, 2]
    assert [(note.text, note.values["count"]) for note in source.notes] == [("cells-merged-filled-many", 49)]


@pytest.mark.parametrize(("cells", "row"), [("A3:B3", 3), ("A2:B3", 2), ("A1:A2", 1), ("B1:C1", 1)])
def test_cells_merged_across(tmp_path: Path, cells: str, row: int) -> None:
    """Cells merged over several columns, or with the header, have no certain meaning: a fault with their range."""

    def fill(sheet: Any) -> None:
        appending(["a", "b", "c"], [1, 2, 3], [4, 5, 6])(sheet)
        sheet.merge_cells(cells)

    source = open_source(book(tmp_path, fill))
    assert faults_of(source)[0] == (f"row {row}", "cells-merged-across")
    assert source.faults[0].values == {"cells": cells}


def test_titles_above_the_header(tmp_path: Path) -> None:
    """A title over the table, merged over its columns, is passed over, and that is told."""

    def fill(sheet: Any) -> None:
        appending(["2025年3月排班表"], [], ["a", "b"], [1, 2])(sheet)
        sheet.merge_cells("A1:B1")

    source = open_source(book(tmp_path, fill))
    assert (source.columns, rows_of(source)) == (("a", "b"), {4: (1, 2)})
    assert [(note.text, note.values["count"]) for note in source.notes] == [("title-rows-skipped", 1)]


def test_errors_and_formulas(tmp_path: Path) -> None:
    """Error values are faults by cell, and so are formulas that were never computed; computed ones are their value."""

    def fill(sheet: Any) -> None:
        appending(["a", "b"], ["#N/A", 1], ["=1+1", 2], ["=#REF!", 3])(sheet)
        sheet["A2"].data_type = "e"

    assert sorted(faults_of(open_source(book(tmp_path, fill)))) == [
        ("cell A3", "cell-not-computed"),
        ("cell A4", "cell-not-computed"),
        ("row 2, column A", "cell-error"),
    ]


def test_cells_beyond_the_header(tmp_path: Path) -> None:
    """What stands beside the table, without a name above it, is a fault of its row."""
    source = open_source(book(tmp_path, appending(["a", "b"], [1, 2], [3, 4, None, "note"], [5, 6])))
    assert (list(rows_of(source)), faults_of(source)) == ([2, 4], [("row 3", "row-ragged")])


def test_several_sheets(tmp_path: Path) -> None:
    """Empty sheets do not count; of several others one must be named."""
    fill = appending(["a", "b"], [1, 2])
    assert rows_of(open_source(book(tmp_path, fill, "Sheet2", "Sheet3"))) == {2: (1, 2)}
    path = book(tmp_path, fill, "说明!")
    (fault,) = faults(lambda: open_source(path))
    assert (fault.where, fault.text, fault.values["known"]) == ("source-layer", "choose-sheet", "人员, 说明")
    assert rows_of(open_source(path, source_layer="人员")) == {2: (1, 2)}
    assert told(lambda: open_source(path, source_layer="车辆")) == [("source-layer", "choose-sheet")]


def test_sheets_without_a_table(tmp_path: Path) -> None:
    """A workbook with nothing in it, and columns without names, are told."""
    assert told(lambda: open_source(book(tmp_path, appending()))) == [("file", "file-empty")]
    assert told(lambda: open_source(book(tmp_path, appending(["a", None, "a"])))) == [
        ("column 2", "column-name-empty"),
        ("column 3", "column-name-repeated"),
    ]
