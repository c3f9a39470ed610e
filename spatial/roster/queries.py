"""The SQL of the roster."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from spatial.grids.units import units
from spatial.history import Moment, in_force, known
from spatial.roster.model import Assigned, OfficerRef, OnShift, Step, TeamRef
from spatial.tables import (
    Assignment,
    Cover,
    DutyEvent,
    Leave,
    OfficerVersion,
    ResponseStep,
    Shift,
    Span,
    StaffingRule,
    TeamMember,
    TeamVersion,
)
from spatial.tables.duty import Officer, Team

ABSENT = ("no_show", "committed", "unreachable")


@dataclass(frozen=True)
class Subjects:
    """Whose roster is asked for: grids and units, by id."""

    grids: Collection[int]
    units: Collection[int]


@dataclass(frozen=True)
class Away:
    """A leave: its kind and span."""

    kind: str
    span: Span


def steps(session: Session, moment: Moment) -> dict[int, tuple[Step, ...]]:
    """Return every layer's chain of response, by layer id."""
    chains: dict[int, list[Step]] = defaultdict(list)
    wanted = select(ResponseStep).where(in_force(ResponseStep, moment.at, moment.known_at))
    for row in session.scalars(wanted.order_by(ResponseStep.layer_id, ResponseStep.position)):
        chains[row.layer_id].append(
            Step(
                layer_id=row.layer_id,
                position=row.position,
                key=row.key,
                title=row.title,
                source=row.source,
                unit_path=tuple(row.unit_path),
                shift_kinds=frozenset(row.shift_kinds),
                roles=frozenset(row.roles),
                officer_kinds=frozenset(row.officer_kinds),
                teams_only=row.teams_only,
                is_cover=row.is_cover,
            )
        )
    return {layer_id: tuple(chain) for layer_id, chain in chains.items()}


def assigned(session: Session, grid_ids: Collection[int], moment: Moment) -> dict[int, list[Assigned]]:
    """Return who is responsible for some grids: lead, then deputies, then assistants, by number."""
    rows = session.execute(
        select(
            Assignment.grid_id,
            Assignment.role,
            Assignment.officer_id,
            func.lower(Assignment.valid).label("since"),
            func.upper(Assignment.valid).label("until"),
        ).where(Assignment.grid_id.in_(grid_ids), in_force(Assignment, moment.at, moment.known_at))
    ).all()
    people = officers(session, {row.officer_id for row in rows}, moment)
    away = leaves(session, people, moment)
    found: dict[int, list[Assigned]] = defaultdict(list)
    for row in rows:
        if officer := people.get(row.officer_id):
            kind = next((leave.kind for leave in away[officer.id] if moment.at in leave.span), None)
            held = Assigned(row.grid_id, row.role, officer, kind, row.since, row.until)
            found[row.grid_id].append(held)
    order = {"lead": 0, "deputy": 1, "assist": 2}
    for held_by in found.values():
        held_by.sort(key=lambda one: (order[one.role], one.officer.number))
    return found


def officers(session: Session, ids: Collection[int], moment: Moment) -> dict[int, OfficerRef]:
    """Return officers by id."""
    if not ids:
        return {}
    version = OfficerVersion
    rows = session.execute(
        select(Officer.id, Officer.number, version.name, version.kind, version.unit_id, version.duty_phone)
        .join(version, version.officer_id == Officer.id)
        .where(Officer.id.in_(ids), in_force(version, moment.at, moment.known_at))
    ).all()
    of_units = units(session, {row.unit_id for row in rows}, moment.at, moment.known_at)
    return {
        row.id: OfficerRef(row.id, row.number, row.name, row.kind, of_units.get(row.unit_id), row.duty_phone)
        for row in rows
    }


def leaves(session: Session, officer_ids: Iterable[int], moment: Moment) -> dict[int, list[Away]]:
    """Return the leaves of some officers that end after the moment, by officer, soonest first."""
    found: dict[int, list[Away]] = defaultdict(list)
    wanted = list(officer_ids)
    if not wanted:
        return found
    rows = session.execute(
        select(Leave.officer_id, Leave.kind, Leave.valid)
        .where(
            Leave.officer_id.in_(wanted),
            known(Leave, moment.known_at),
            func.coalesce(func.upper(Leave.valid) > moment.at, True),
        )
        .order_by(Leave.valid)
    )
    for row in rows:
        found[row.officer_id].append(Away(row.kind, row.valid))
    return found


def on_shift(session: Session, subjects: Subjects, moment: Moment) -> list[OnShift]:
    """Return everyone on duty at the moment for some grids or units: present, not on leave, not committed elsewhere.

    A team is on duty while at least one member is; who is absent from a shift is absent from its parts. `until` is the
    first of: end of shift, next absence, next leave (of a team: when its last member leaves).
    """
    rows = session.execute(_shifts_covering(subjects, moment)).all()
    if not rows:
        return []
    teams = _teams(session, {row.team_id for row in rows if row.team_id}, moment)
    people = officers(session, {row.officer_id for row in rows if row.officer_id}, moment)
    away = leaves(session, [*people, *(member.id for team in teams.values() for member in team.members)], moment)
    events = _absences(session, {whole for row in rows for whole in (row.id, row.parent_shift) if whole}, moment)
    found = []
    for row in rows:
        who = people.get(row.officer_id) if row.officer_id else teams.get(row.team_id)
        spans = events[row.id] + events[row.parent_shift]
        if who is None or any(moment.at in span for span in spans) or not _present(who, away, moment):
            continue
        ends = [row.shift_end, _leaving(who, away), *(span.lower for span in spans)]
        until = min((end for end in ends if end is not None), default=None)
        covers = list(zip(row.grids, row.units, row.ends, strict=True))
        grids = {grid: end for grid, _, end in covers if grid is not None}
        units_covered = {unit: end for _, unit, end in covers if unit is not None}
        found.append(OnShift(row.id, row.kind, who, until, grids, units_covered))
    return found


def _present(who: OfficerRef | TeamRef, away: Mapping[int, Sequence[Away]], moment: Moment) -> bool:
    """Whether an officer is not on leave; of a team those who are have been left out before."""
    if isinstance(who, TeamRef):
        return bool(who.members)
    return not any(moment.at in leave.span for leave in away[who.id])


def _leaving(who: OfficerRef | TeamRef, away: Mapping[int, Sequence[Away]]) -> datetime | None:
    """Return when the next leave takes an officer off duty, or the last of a team's members; None: none is planned."""
    people = who.members if isinstance(who, TeamRef) else (who,)
    firsts = [next((leave.span.lower for leave in away[one.id]), None) for one in people]
    return None if None in firsts else max(first for first in firsts if first is not None)


def suffice_rules(session: Session, moment: Moment) -> list[StaffingRule]:
    """Return the staffing rules in force by which auxiliaries alone are cover, at some hours."""
    wanted = (StaffingRule.auxiliaries_suffice, in_force(StaffingRule, moment.at, moment.known_at))
    return list(session.scalars(select(StaffingRule).where(*wanted)))


def _shifts_covering(subjects: Subjects, moment: Moment) -> Select[*tuple[Any, ...]]:
    span = func.coalesce(Shift.actual, Shift.planned)
    grid_ids = any_(literal(list(subjects.grids), ARRAY(BigInteger)))
    unit_ids = any_(literal(list(subjects.units), ARRAY(BigInteger)))
    return (
        select(
            Shift.id,
            Shift.kind,
            Shift.parent_shift,
            Shift.officer_id,
            Shift.team_id,
            func.upper(span).label("shift_end"),
            func.array_agg(Cover.grid_id).label("grids"),
            func.array_agg(Cover.unit_id).label("units"),
            func.array_agg(func.upper(Cover.span)).label("ends"),
        )
        .join(Cover, Cover.shift_id == Shift.id)
        .where(
            Cover.span.op("@>")(moment.at),
            span.op("@>")(moment.at),
            Shift.state != "cancelled",
            known(Shift, moment.known_at),
            known(Cover, moment.known_at),
            or_(Cover.grid_id == grid_ids, Cover.unit_id == unit_ids),
        )
        .group_by(Shift.id)
        .order_by(Shift.id)
    )


def _teams(session: Session, ids: Collection[int], moment: Moment) -> dict[int, TeamRef]:
    if not ids:
        return {}
    rows = session.execute(
        select(Team.id, Team.code, TeamVersion)
        .join(TeamVersion, TeamVersion.team_id == Team.id)
        .where(Team.id.in_(ids), in_force(TeamVersion, moment.at, moment.known_at))
    ).all()
    members = _members(session, ids, moment)
    of_units = units(session, {row.TeamVersion.unit_id for row in rows}, moment.at, moment.known_at)
    return {
        row.id: TeamRef(
            id=row.id,
            code=row.code,
            name=row.TeamVersion.name,
            kind=row.TeamVersion.kind,
            call_sign=row.TeamVersion.call_sign,
            radio_group=row.TeamVersion.radio_group,
            vehicle=row.TeamVersion.vehicle,
            unit=of_units.get(row.TeamVersion.unit_id),
            members=tuple(members.get(row.id, ())),
        )
        for row in rows
    }


def _members(session: Session, team_ids: Collection[int], moment: Moment) -> Mapping[int, list[OfficerRef]]:
    rows = session.execute(
        select(TeamMember.team_id, TeamMember.officer_id).where(
            TeamMember.team_id.in_(team_ids), in_force(TeamMember, moment.at, moment.known_at)
        )
    ).all()
    people = officers(session, {row.officer_id for row in rows}, moment)
    away = leaves(session, people, moment)
    found: dict[int, list[OfficerRef]] = defaultdict(list)
    for row in rows:
        officer = people.get(row.officer_id)
        if officer and not any(moment.at in leave.span for leave in away[officer.id]):
            found[row.team_id].append(officer)
    for crew in found.values():
        crew.sort(key=lambda one: one.number)
    return found


def _absences(session: Session, shift_ids: Collection[int], moment: Moment) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = defaultdict(list)
    rows = session.execute(
        select(DutyEvent.shift_id, DutyEvent.span).where(
            DutyEvent.shift_id.in_(shift_ids),
            DutyEvent.kind.in_(ABSENT),
            known(DutyEvent, moment.known_at),
            func.coalesce(func.upper(DutyEvent.span) > moment.at, True),
        )
    )
    for row in rows:
        found[row.shift_id].append(row.span)
    return found
