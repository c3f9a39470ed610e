"""All SQL of coverage: posts, what takes people off them, grids and what their layers' chains lead to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Integer, Text, cast, extract, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from spatial.duty.model import EVENTS, NOBODY, SHIFT_KINDS, Grids, Off, Posts, Redrawn
from spatial.duty.posting import Covers, People, Shifts, posts_of
from spatial.duty.spans import Spans
from spatial.history import known
from spatial.tables import (
    Cover,
    DutyEvent,
    GridVersion,
    Leave,
    Lineage,
    OfficerVersion,
    ResponseStep,
    Shift,
    TeamMember,
    TeamVersion,
    UnitLink,
)
from spatial.tables.duty import OFFICER_KINDS
from spatial.time import Period


def posts(session: Session, period: Period, known_at: datetime | None) -> Posts:
    """Return who is on which shift for what within a period."""
    return posts_of(
        _shifts(session, period, known_at), _covers(session, period, known_at), _people(session, period, known_at)
    )


def _shifts(session: Session, period: Period, known_at: datetime | None) -> Shifts:
    within = func.tstzrange(*period)
    done = (func.coalesce(one, 0) for one in _ends(Shift.actual.op("*")(within)))  # it may be open
    who = (func.coalesce(one, NOBODY) for one in (Shift.parent_shift, Shift.team_id, Shift.officer_id))
    wanted = select(
        Shift.id,
        _place(Shift.kind, SHIFT_KINDS),
        *who,
        cast(Shift.actual.is_not(None), Integer),
        *_ends(Shift.planned),
        *done,
    ).where(
        known(Shift, known_at),
        Shift.state != "cancelled",
        or_(Shift.planned.op("&&")(within), Shift.actual.op("&&")(within)),
    )
    of = _numbers(session.execute(wanted), 10).T
    number = np.arange(of.shape[1])
    return Shifts(of[0], of[2], of[1], of[3], of[4], Spans(number, *of[6:8]), of[5] != 0, Spans(number, *of[8:]))


def _covers(session: Session, period: Period, known_at: datetime | None) -> Covers:
    within = func.tstzrange(*period)
    what = (func.coalesce(one, NOBODY) for one in (Cover.grid_id, Cover.unit_id))
    wanted = select(Cover.shift_id, *_ends(Cover.span.op("*")(within)), *what).where(
        known(Cover, known_at), Cover.place_id.is_(None), Cover.span.op("&&")(within)
    )
    of = _numbers(session.execute(wanted), 5).T
    return Covers(Spans(*of[:3]), of[3], of[4])


def _people(session: Session, period: Period, known_at: datetime | None) -> People:
    within = func.tstzrange(*period)
    kind = _place(OfficerVersion.kind, OFFICER_KINDS)
    officers = select(OfficerVersion.officer_id, *_ends(OfficerVersion.valid.op("*")(within)), kind).where(
        known(OfficerVersion, known_at), OfficerVersion.valid.op("&&")(within)
    )
    both = TeamMember.valid.op("*")(TeamVersion.valid)
    members = (
        select(TeamMember.team_id, *_ends(both.op("*")(within)), TeamMember.officer_id)
        .join(TeamVersion, TeamVersion.team_id == TeamMember.team_id)
        .where(known(TeamMember, known_at), known(TeamVersion, known_at), both.op("&&")(within))
    )
    of, serving = (_numbers(session.execute(wanted), 4).T for wanted in (officers, members))
    return People(Spans(*of[:3]), of[3], Spans(*serving[:3]), serving[3])


def off(session: Session, period: Period, known_at: datetime | None) -> Off:
    """Return what takes people off their posts within a period."""
    within = func.tstzrange(*period)
    left = Leave.valid.op("*")(within)
    leaves = select(Leave.officer_id, *_ends(left)).where(known(Leave, known_at), Leave.valid.op("&&")(within))
    wanted = select(DutyEvent.shift_id, *_ends(DutyEvent.span.op("*")(within)), _place(DutyEvent.kind, EVENTS)).where(
        DutyEvent.kind.in_(EVENTS), known(DutyEvent, known_at), DutyEvent.span.op("&&")(within)
    )
    happened = _numbers(session.execute(wanted), 4)
    events = {cause: Spans(*happened[happened[:, 3] == n, :3].T) for n, cause in enumerate(EVENTS)}
    return Off(Spans(*_numbers(session.execute(leaves), 3).T), events)


def grids(session: Session, layer_id: int, period: Period, known_at: datetime | None) -> Grids:
    """Return the grids of a layer that are in force within a period, with the unit of each."""
    version, within = GridVersion, func.tstzrange(*period)
    wanted = (
        select(version.grid_id, *_ends(version.valid.op("*")(within)), func.coalesce(version.unit_id, NOBODY))
        .where(version.layer_id == layer_id, known(version, known_at), version.valid.op("&&")(within))
        .order_by(version.grid_id, version.valid)
    )
    rows = _numbers(session.execute(wanted), 4)
    return Grids(Spans(*rows[:, :3].T), rows[:, 3])


def codes(session: Session, layer_id: int, period: Period, known_at: datetime | None) -> dict[int, str]:
    """Return the codes of the grids of a layer that are in force within a period, by id: of several the last."""
    version, within = GridVersion, func.tstzrange(*period)
    wanted = (
        select(version.grid_id, version.code)
        .where(version.layer_id == layer_id, known(version, known_at), version.valid.op("&&")(within))
        .order_by(version.valid)
    )
    return {row[0]: row[1] for row in session.execute(wanted)}


def turns(session: Session, layer_id: int, period: Period, known_at: datetime | None) -> list[datetime]:
    """Return when, within a period, the chain of a layer or the links of units change."""
    found: set[datetime] = set()
    for table, more in ((ResponseStep, ResponseStep.layer_id == layer_id), (UnitLink, UnitLink.kind.is_not(None))):
        wanted = select(func.lower(table.valid), func.upper(table.valid)).where(more, known(table, known_at))
        found |= {at for row in session.execute(wanted) for at in row if at is not None}
    return sorted(at for at in found if period.start < at < period.end)


def redrawn(session: Session, period: Period) -> Redrawn:
    """Return which grids got ground of which others within a period, and when."""
    wanted = select(Lineage.pred_id, Lineage.succ_id, _micros(Lineage.at)).where(
        Lineage.succ_id != Lineage.pred_id, Lineage.at > period.start, Lineage.at < period.end
    )
    return Redrawn(*_numbers(session.execute(wanted), 3).T)


def _ends(span: Any) -> tuple[Any, Any]:
    """Return where a bounded span begins and ends, in microseconds since 1970."""
    return _micros(func.lower(span)), _micros(func.upper(span))


def _micros(at: Any) -> Any:
    return cast(extract("epoch", at) * 1_000_000, BigInteger)


def _place(column: Any, words: Sequence[str]) -> Any:
    """Return the place of a word among some."""
    found: Any = func.array_position(literal(list(words), ARRAY(Text)), column)
    return found - 1


def _numbers(rows: Iterable[Sequence[Any]], columns: int) -> NDArray[np.int64]:
    return np.array([tuple(row) for row in rows], np.int64).reshape(-1, columns)
