"""Handing on what hangs on grids that end: who is responsible, who covers, rules and overrides get the heir."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from spatial.grids.units import among
from spatial.history import close, cut, known
from spatial.tables import Assignment, Cover, Override, Span, StaffingRule
from spatial.tables.base import Recorded, Versioned
from spatial.time import since

Row = dict[str, Any]
Heirs = Mapping[int, int]  # by the id of a grid that ends


@dataclass(frozen=True)
class Handed:
    """How many rows of each kind got an heir."""

    assignments: int = 0
    covers: int = 0
    rules: int = 0
    overrides: int = 0


@dataclass(frozen=True)
class Stamps:
    """When a publication wrote areas and, where it handed on people or cover, duty."""

    areas: datetime
    duty: datetime | None


def orphans(session: Session, ended: Collection[int], start: datetime) -> dict[int, Handed]:
    """Return what hangs on grids from an instant on, by the id of each; of those on which nothing does, nothing."""
    kinds: dict[str, tuple[type[Recorded], str]] = {
        "assignments": (Assignment, "valid"),
        "covers": (Cover, "span"),
        "rules": (StaffingRule, "valid"),
        "overrides": (Override, "valid"),
    }
    found: dict[int, dict[str, int]] = {}
    for name, (table, span) in kinds.items():
        for row in _from(session, table, span, ended, start):
            counts = found.setdefault(row["grid_id"], dict.fromkeys(kinds, 0))
            counts[name] += 1
    return {grid_id: Handed(**counts) for grid_id, counts in found.items()}


def hand_on(
    session: Session, heirs: Heirs, start: datetime, *, areas: datetime, duty: Callable[[], datetime]
) -> Handed:
    """Give what hangs on grids that end at an instant to their heirs; `areas`, `duty`: stamps of the domains.

    Who leads a grid that ends leads its heir, where nobody else does, and assists there otherwise.
    """
    assignments = _cut_off(session, Assignment, heirs, start, duty)
    if assignments:
        _reassign(session, assignments, heirs, duty())
    covers = _hand_covers(session, heirs, start, duty)
    rules = _cut_off(session, StaffingRule, heirs, start, duty)
    _again(session, StaffingRule, rules, heirs, duty)
    overrides = _cut_off(session, Override, heirs, start, lambda: areas)
    _again(session, Override, overrides, heirs, lambda: areas)
    return Handed(len(assignments), covers, len(rules), len(overrides))


def hand_back(
    session: Session,
    heirs: Heirs,
    start: datetime,
    *,
    handed: Stamps,
    areas: datetime,
    duty: Callable[[], datetime],
) -> Handed:
    """Give grids that come back what was handed on to their heirs when they ended; `handed`: the stamps of then."""
    assignments = _take_back(session, Assignment, heirs, start, handed.duty, duty, "officer_id")
    covers = _take_back(session, Cover, heirs, start, handed.duty, duty, "shift_id")
    rules = _take_back(session, StaffingRule, heirs, start, handed.duty, duty, "code")
    overrides = _take_back(session, Override, heirs, start, handed.areas, lambda: areas, "code")
    return Handed(assignments, covers, rules, overrides)


def _take_back(
    session: Session,
    table: type[Recorded],
    heirs: Heirs,
    start: datetime,
    handed: datetime | None,
    stamp: Callable[[], datetime],
    whose: str,
) -> int:
    """Write again from an instant on what a grid had, and end what its heir got of it."""
    if handed is None:
        return 0
    columns: Any = table
    span = "span" if table is Cover else "valid"
    closed = select(columns.__table__).where(
        among(columns.grid_id, heirs.keys()),
        func.upper(columns.recorded) == handed,
        getattr(columns, span).op("&&")(func.tstzrange(start, None)),
    )
    rows = [dict(row) for row in session.execute(closed).mappings()]
    if not rows:
        return 0
    theirs = {(heirs[row["grid_id"]], row[whose]) for row in rows}
    given = [
        row
        for row in _from(session, table, span, set(heirs.values()), start)
        if row["recorded"].lower == handed and (row["grid_id"], row[whose]) in theirs
    ]
    _end(session, table, given, span, start, stamp())
    session.execute(insert(table), [_renewed(table, row, stamp(), **{span: _rest(row[span], start)}) for row in rows])
    return len(rows)


def _end(session: Session, table: type[Recorded], rows: list[Row], span: str, start: datetime, at: datetime) -> None:
    """End rows at an instant; what each was before stays."""
    if rows:
        close(session, table, [row["id"] for row in rows], at)
        before = [row for row in rows if row[span].lower is None or row[span].lower < start]
        made = [_renewed(table, row, at, **{span: Range(row[span].lower, start)}) for row in before]
        if made:
            session.execute(insert(table), made)


def _from(session: Session, table: type[Recorded], span: str, grids: Collection[int], start: datetime) -> list[Row]:
    """Return the current rows of grids whose span goes on after an instant."""
    columns: Any = table
    wanted = select(columns.__table__).where(
        among(columns.grid_id, grids),
        known(table, None),
        getattr(columns, span).op("&&")(func.tstzrange(start, None)),
    )
    return [dict(row) for row in session.execute(wanted).mappings()]


def _cut_off(
    session: Session, table: type[Versioned], heirs: Heirs, start: datetime, stamp: Callable[[], datetime]
) -> list[Row]:
    """End rows of grids at an instant, and return what each was from then on."""
    rows = _from(session, table, "valid", heirs.keys(), start)
    if rows:
        cut(session, table, [row["id"] for row in rows], since(start), stamp())
    return [{**row, "valid": _rest(row["valid"], start)} for row in rows]


def _again(
    session: Session, table: type[Recorded], rows: list[Row], heirs: Heirs, stamp: Callable[[], datetime]
) -> None:
    """Write rows anew for the heirs of their grids."""
    made = [_renewed(table, row, stamp(), grid_id=heirs[row["grid_id"]]) for row in rows]
    if made:
        session.execute(insert(table), made)


def _reassign(session: Session, rows: list[Row], heirs: Heirs, stamp: datetime) -> None:
    """Make officers responsible for the heirs of their grids, unless they are already."""
    order = {"lead": 0, "deputy": 1, "assist": 2}
    held = _from(session, Assignment, "valid", set(heirs.values()), min(row["valid"].lower for row in rows))
    for row in sorted(rows, key=lambda one: (order[one["role"]], one["id"])):
        heir = heirs[row["grid_id"]]
        there = [one for one in held if one["grid_id"] == heir and one["valid"].overlaps(row["valid"])]
        if any(one["officer_id"] == row["officer_id"] for one in there):
            continue
        is_led = row["role"] == "lead" and any(one["role"] == "lead" for one in there)
        new = _renewed(Assignment, row, stamp, grid_id=heir, role="assist" if is_led else row["role"])
        session.execute(insert(Assignment).values(**new))
        held.append(new)


def _hand_covers(session: Session, heirs: Heirs, start: datetime, stamp: Callable[[], datetime]) -> int:
    """Split cover that goes on after an instant there, and give the rest to the heirs."""
    rows = _from(session, Cover, "span", heirs.keys(), start)
    if not rows:
        return 0
    at = stamp()
    close(session, Cover, [row["id"] for row in rows], at)
    made = []
    for row in rows:
        span: Span = row["span"]
        if span.lower is None or span.lower < start:
            made.append(_renewed(Cover, row, at, span=Range(span.lower, start)))
        made.append(_renewed(Cover, row, at, span=_rest(span, start), grid_id=heirs[row["grid_id"]]))
    session.execute(insert(Cover), made)
    return len(rows)


def _renewed(table: type[Recorded], row: Row, stamp: datetime, **new: Any) -> Row:
    columns: Any = table
    kept = {column.name: row[column.name] for column in columns.__table__.columns if column.name != "id"}
    return {**kept, **new, "recorded": since(stamp)}


def _rest(span: Span, start: datetime) -> Span:
    """Return what of a span is at or after an instant."""
    return since(start if span.lower is None else max(span.lower, start), span.upper)
