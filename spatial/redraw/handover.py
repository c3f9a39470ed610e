"""Handing on what hangs on grids that end: who is responsible, who covers, rules and overrides get the heir."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
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
from spatial.time import EARLIEST, LATEST, since

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


def role_beside(role: str, others: Iterable[str]) -> str:
    """Return as what somebody comes to a grid that others hold: one alone leads it."""
    return "assist" if role == "lead" and "lead" in others else role


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
    heirs_now = _from(session, table, span, set(heirs.values()), start)
    held = {(row["grid_id"], row[whose]): row for row in heirs_now}
    # what the heir does not hold any more was decided on since, and stays as it is
    back = [row for row in rows if (heirs[row["grid_id"]], row[whose]) in held]
    theirs = {(heirs[row["grid_id"]], row[whose]) for row in back}
    given = [row for row in heirs_now if row["recorded"].lower == handed and (row["grid_id"], row[whose]) in theirs]
    _end(session, table, given, span, start, stamp())
    if back:
        made = [_renewed(table, row, stamp(), **{span: _rest(row[span], start)}) for row in back]
        session.execute(insert(table), made)
    return len(back)


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
        role = role_beside(row["role"], (one["role"] for one in there))
        new = _renewed(Assignment, row, stamp, grid_id=heir, role=role)
        session.execute(insert(Assignment).values(**new))
        held.append(new)


def _hand_covers(session: Session, heirs: Heirs, start: datetime, stamp: Callable[[], datetime]) -> int:
    """Split cover that goes on after an instant there, and give the rest to the heirs."""
    rows = _from(session, Cover, "span", heirs.keys(), start)
    if not rows:
        return 0
    at = stamp()
    covered: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for row in _from(session, Cover, "span", set(heirs.values()), start):
        covered[row["shift_id"], row["grid_id"]].append(row["span"])
    close(session, Cover, [row["id"] for row in rows], at)
    made = []
    for row in rows:
        span, heir = row["span"], heirs[row["grid_id"]]
        if span.lower is None or span.lower < start:
            made.append(_renewed(Cover, row, at, span=Range(span.lower, start)))
        rest = _without(_rest(span, start), covered[row["shift_id"], heir])
        covered[row["shift_id"], heir] += rest
        made += [_renewed(Cover, row, at, span=part, grid_id=heir) for part in rest]
    session.execute(insert(Cover), made)
    return len(rows)


def _renewed(table: type[Recorded], row: Row, stamp: datetime, **new: Any) -> Row:
    columns: Any = table
    kept = {column.name: row[column.name] for column in columns.__table__.columns if column.name != "id"}
    return {**kept, **new, "recorded": since(stamp)}


def _without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """Return what of a span no other one has; spans of shifts are bounded."""
    parts = [span]
    for one in taken:
        split = [half for part in parts for half in _beside(part, one)]
        parts = [half for half in split if _start_of(half) < _end_of(half)]
    return parts


def _beside(part: Span, one: Span) -> tuple[Span, Span]:
    """Return what of a span is before another one, and what is after it; either may be none."""
    before = Range(part.lower, min(_end_of(part), _start_of(one)))
    return before, Range(max(_start_of(part), _end_of(one)), part.upper)


def _start_of(span: Span) -> datetime:
    return span.lower or EARLIEST


def _end_of(span: Span) -> datetime:
    return span.upper or LATEST


def _rest(span: Span, start: datetime) -> Span:
    """Return what of a span is at or after an instant."""
    return since(start if span.lower is None else max(span.lower, start), span.upper)
