"""Which units the rows of a file name: those in force, those to make, those on record at another time. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from spatial.errors import Fault
from spatial.grids.queries import UnitRecord
from spatial.imports.grids.model import Columns, Entry, PlannedUnit
from spatial.time import since


def units_at(records: Sequence[UnitRecord], at: datetime) -> dict[str, int]:
    """Return the units in force at an instant, by code."""
    return {record.code: record.unit_id for record in records if at in record.valid}


def unknown_units(found: Sequence[Entry], known: Mapping[str, int], columns: Columns) -> list[Fault]:
    """Return a fault for each entry whose unit is not known; one where all have the same, which no column says."""
    unknown = [entry for entry in found if entry.unit is not None and entry.unit not in known]
    told = unknown if "unit" in columns.named else unknown[:1]
    return [Fault(columns.place(entry.rows[0], "unit"), "unit-unknown", {"unit": entry.unit}) for entry in told]


def planned_units(
    found: Sequence[Entry], records: Sequence[UnitRecord], at: datetime, columns: Columns
) -> tuple[list[PlannedUnit], list[Fault]]:
    """Return the units that are named but not in force at an instant, as they will be, and what forbids it.

    A unit that begins later is extended back to the instant, one that has ended is in force again; a code that its unit
    has given up for another cannot be.
    """
    of_code: dict[str, list[UnitRecord]] = defaultdict(list)
    code_now: dict[int, str] = {}
    for record in records:
        of_code[record.code].append(record)
        if at in record.valid:
            code_now[record.unit_id] = record.code
    in_force = units_at(records, at)
    planned: dict[str, PlannedUnit] = {}
    faults = []
    for entry in found:
        code = entry.unit
        if code is None or code in in_force or code in planned:
            continue
        like = _nearest(of_code[code], at)
        if like is None:
            planned[code] = PlannedUnit(code, entry.unit_name or code, since(at))
        elif like.unit_id in code_now:
            where = columns.place(entry.rows[0], "unit")
            faults.append(Fault(where, "unit-has-another-code", {"unit": code, "now": code_now[like.unit_id]}))
        else:
            rivals = [one for one in records if one.unit_id == like.unit_id or one.code == code]
            later = [one.valid.lower for one in rivals if one.valid.lower is not None and one.valid.lower > at]
            planned[code] = PlannedUnit(code, like.name, since(at, min(later, default=None)), like)
    return list(planned.values()), faults


def _nearest(records: Sequence[UnitRecord], at: datetime) -> UnitRecord | None:
    """Return the first version after an instant, else the last before it."""
    later = [record for record in records if record.valid.lower is not None and record.valid.lower > at]
    return later[0] if later else records[-1] if records else None
