"""What the rows of a file say: codes, names, units, attributes. Pure; every fault at once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spatial.errors import Fault
from spatial.grids.schemes import codes_outside
from spatial.imports.cells import CONTROL_IN_PROSE, LONGEST_TEXT, FaultyCell, text_within, translated
from spatial.imports.grids.model import GRID_KINDS, Columns, Entry
from spatial.imports.read import SourceTable
from spatial.tables import LONGEST_CODE


def missing_columns(table: SourceTable, columns: Columns) -> list[Fault]:
    """Return a fault for each column asked for that the file does not have."""
    known = ", ".join(table.columns)
    asked = [*columns.named.items(), *(("keep", column) for column in columns.keep)]
    return [
        Fault(option, "column-missing", {"column": column, "known": known})
        for option, column in asked
        if column not in table.columns
    ]


def unused_columns(table: SourceTable, columns: Columns) -> tuple[str, ...]:
    """Return the columns that are left out."""
    return tuple(name for name in table.columns if name not in columns.read)


def entries(table: SourceTable, columns: Columns, code_scheme: str) -> tuple[list[Entry], list[Fault]]:
    """Return one entry for each code, in order of code, and every fault of the rows.

    Rows of one code must agree in all columns that are taken: then they are parts of one grid.
    """
    constants, faults = _constants(columns)
    told: list[tuple[int, dict[str, Any]]] = []
    for row in range(len(table)):
        said = dict(constants)
        for name, column, value in _cells(table, columns, row):
            try:
                said[name] = _read(name, value)
            except FaultyCell as fault:
                faults.append(Fault(f"row {table.numbers[row]}, column {column}", fault.text, fault.values))
        if "code" in said:
            told.append((row, said))
    outside = codes_outside(code_scheme, [said["code"] for _, said in told])
    by_code: dict[str, list[Entry]] = defaultdict(list)
    for row, said in told:
        number, code = table.numbers[row], said["code"]
        if code in outside:
            differs = {"code": code, "scheme": code_scheme}
            faults.append(Fault(columns.place(number, "code"), "code-scheme-differs", differs))
        else:
            by_code[code].append(_entry(number, row, said, columns))
    merged = []
    for code in sorted(by_code):
        rows = by_code[code]
        differing = _differing(rows, columns)
        if differing:
            where = "rows " + ", ".join(str(one.rows[0]) for one in rows)
            faults.append(Fault(where, "code-differs", {"code": code, "columns": ", ".join(differing)}))
        numbers = tuple(one.rows[0] for one in rows)
        indexes = tuple(one.indexes[0] for one in rows)
        merged.append(replace(rows[0], rows=numbers, indexes=indexes))
    return merged, faults


def _constants(columns: Columns) -> tuple[dict[str, Any], list[Fault]]:
    """Return what is said of all rows, and what is wrong with it."""
    found, faults = {}, []
    for name, value in columns.constants.items():
        try:
            found[name] = _read(name, value)
        except FaultyCell as fault:
            faults.append(Fault(name, fault.text, fault.values))
    return found, faults


def _cells(table: SourceTable, columns: Columns, row: int) -> Iterator[tuple[str, str, Any]]:
    """Yield what a row says: the field, its column, and the cell or what a mapping has in its place."""
    for name, column in columns.named.items():
        if column in table.columns:
            yield name, column, translated(table.columns[column][row], columns.values.get(name, {}))
    for column in columns.keep:
        if column in table.columns:
            yield f"keep {column}", column, table.columns[column][row]


def _read(what: str, value: Any) -> Any:
    """Return a cell as what it means, or raise `FaultyCell`."""
    if what.startswith("keep "):
        return _attribute(value)
    text = _text(value)
    if what == "code":
        return _code(text)
    if what == "grid_kind" and text is not None and text not in GRID_KINDS:
        raise FaultyCell("grid-kind-unknown", value=text, known=", ".join(GRID_KINDS))
    return text


def _text(value: Any) -> str | None:
    """Return a cell as text, None where it is empty."""
    text = value.strip() if isinstance(value, str) else value
    return None if text in (None, "") else text_within(text, LONGEST_TEXT)


def _code(text: str | None) -> str:
    if text is None:
        raise FaultyCell("code-empty")
    if len(text) > LONGEST_CODE:
        raise FaultyCell("text-too-long", limit=LONGEST_CODE)
    return text


def _attribute(value: Any) -> Any:
    """Return a cell that is kept as it is, unless a text in it, however deep, has control characters."""
    if isinstance(value, str) and CONTROL_IN_PROSE.search(value):
        raise FaultyCell("text-has-control-characters")
    if isinstance(value, dict):
        return {_attribute(key): _attribute(part) for key, part in value.items()}
    return [_attribute(part) for part in value] if isinstance(value, list) else value


def _entry(number: int, index: int, said: Mapping[str, Any], columns: Columns) -> Entry:
    kept = {column: said.get(f"keep {column}") for column in columns.keep}
    return Entry(
        rows=(number,),
        indexes=(index,),
        code=said["code"],
        name=said.get("name"),
        unit=said.get("unit"),
        unit_name=said.get("unit_name"),
        kind=said.get("grid_kind"),
        attributes=kept,
    )


def _differing(rows: Sequence[Entry], columns: Columns) -> list[str]:
    """Return the columns in which rows of one code disagree."""
    said = {"name": "name", "unit": "unit", "unit_name": "unit_name", "grid_kind": "kind"}
    differing = [
        columns.named[what]
        for what, field in said.items()
        if what in columns.named and len({getattr(row, field) for row in rows}) > 1
    ]
    return differing + [
        column for column in columns.keep if any(row.attributes[column] != rows[0].attributes[column] for row in rows)
    ]
