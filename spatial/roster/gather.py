"""Who is responsible and who is on duty at an instant, put together from the rows of a roster. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from spatial.grids.units import units
from spatial.history import Reading, begun
from spatial.roster.hours import applies, next_edge
from spatial.roster.model import Assigned, OfficerRef, OnShift, Step, TeamRef
from spatial.roster.source import AwayRow, CoverRow, Roster

RANK = {"lead": 0, "deputy": 1, "assist": 2}


@dataclass(frozen=True)
class Subjects:
    """Whose roster is asked for: grids and units, by id."""

    grids: Collection[int]
    units: Collection[int]


def chains(roster: Roster, reading: Reading, layer_ids: Collection[int]) -> dict[int, tuple[Step, ...]]:
    """Return the chains of response of some layers, by layer id."""
    found: dict[int, list[Step]] = defaultdict(list)
    for row in reading.current(roster.steps(layer_ids)):
        found[row.step.layer_id].append(row.step)
    return {layer_id: tuple(sorted(steps, key=lambda step: step.position)) for layer_id, steps in found.items()}


def suffice(
    roster: Roster, reading: Reading, subjects: Collection[tuple[str, int | None]], zone: ZoneInfo
) -> frozenset[tuple[str, int]]:
    """Return the subjects, each a ("grid" | "unit" | "layer", id), for which auxiliaries alone are cover this hour."""
    found = set()
    for rule in reading.current(row for row in roster.suffices() if (row.kind, row.subject_id) in subjects):
        reading.note(next_edge(rule, reading.at, zone))
        if applies(rule, reading.at, zone):
            found.add((rule.kind, rule.subject_id))
    return frozenset(found)


def assigned(roster: Roster, reading: Reading, grid_ids: Collection[int]) -> dict[int, list[Assigned]]:
    """Return who is responsible for some grids: lead, then deputies, then assistants, by number."""
    rows = reading.current(roster.assignments(grid_ids))
    people = _officers(roster, reading, {row.officer_id for row in rows})
    leaves = _leaves(roster, reading, people)
    found: dict[int, list[Assigned]] = defaultdict(list)
    for row in rows:
        if officer := people.get(row.officer_id):
            kind = next((leave.kind for leave in leaves[officer.id] if begun(leave, reading.at)), None)
            found[row.grid_id].append(Assigned(row.grid_id, row.role, officer, kind, row.since, row.until))
    for held_by in found.values():
        held_by.sort(key=lambda one: (RANK[one.role], one.officer.number))
    return found


def on_shift(roster: Roster, reading: Reading, subjects: Subjects, until: datetime) -> list[OnShift]:
    """Return everyone on duty for some grids or units: present, not on leave, not committed elsewhere.

    A team is on duty while at least one member is; who is absent from a shift is absent from its parts. `until` of each
    is the first of: end of shift, next absence, next leave (of a team: when its last member leaves). Shifts that begin
    by `until` are looked at, to know when anything changes.
    """
    covers = reading.current(roster.covers(subjects.grids, subjects.units, until))
    if not covers:
        return []
    covers.sort(key=attrgetter("shift_id"))
    shifts = [list(of_shift) for _, of_shift in groupby(covers, key=attrgetter("shift_id"))]
    people, teams, leaves = _staff(roster, reading, [one for one, *_ in shifts])
    wholes = {whole for one, *_ in shifts for whole in (one.shift_id, one.parent) if whole}
    absences = defaultdict(list)
    for row in reading.lasting(roster.absences(wholes)):
        absences[row.shift_id].append(row)
    found = []
    for of_shift in shifts:
        one = of_shift[0]
        who = people.get(one.officer_id) if one.officer_id else teams.get(one.team_id or 0)
        absent = [*absences[one.shift_id], *(absences[one.parent] if one.parent else ())]
        if who is None or any(begun(row, reading.at) for row in absent):
            continue
        if not (who.members if isinstance(who, TeamRef) else _here(who, leaves, reading.at)):
            continue
        starts = (row.since for row in absent)
        found.append(_on_shift(of_shift, who, [one.shift_until, _leaving(who, leaves), *starts]))
    return found


def _staff(
    roster: Roster, reading: Reading, shifts: Sequence[CoverRow]
) -> tuple[dict[int, OfficerRef], dict[int, TeamRef], Mapping[int, Sequence[AwayRow]]]:
    """Return the people and the teams of some shifts, and the leaves of all of them."""
    alone = {one.officer_id for one in shifts if one.officer_id}
    team_ids = {one.team_id for one in shifts if one.team_id}
    members = reading.current(roster.members(team_ids))
    people = _officers(roster, reading, alone | {row.officer_id for row in members})
    leaves = _leaves(roster, reading, people)
    crews: dict[int, list[OfficerRef]] = defaultdict(list)
    for row in members:
        officer = people.get(row.officer_id)
        if officer and _here(officer, leaves, reading.at):
            crews[row.team_id].append(officer)
    return people, _teams(roster, reading, team_ids, crews), leaves


def _on_shift(covers: Sequence[CoverRow], who: OfficerRef | TeamRef, ends: Iterable[datetime | None]) -> OnShift:
    until = min((end for end in ends if end is not None), default=None)
    grids = {row.grid_id: row.cover_until for row in covers if row.grid_id is not None}
    covered = {row.unit_id: row.cover_until for row in covers if row.unit_id is not None}
    return OnShift(covers[0].shift_id, covers[0].kind, who, until, grids, covered)


def _officers(roster: Roster, reading: Reading, ids: Collection[int]) -> dict[int, OfficerRef]:
    rows = reading.current(roster.officers(ids))
    of_units = units(roster, reading, {row.unit_id for row in rows})
    return {
        row.id: OfficerRef(row.id, row.number, row.name, row.kind, of_units.get(row.unit_id), row.duty_phone)
        for row in rows
    }


def _teams(
    roster: Roster, reading: Reading, ids: Collection[int], crews: Mapping[int, Sequence[OfficerRef]]
) -> dict[int, TeamRef]:
    """Return teams with those of their members who are not on leave."""
    rows = reading.current(roster.teams(ids))
    of_units = units(roster, reading, {row.unit_id for row in rows})
    return {
        row.id: TeamRef(
            id=row.id,
            code=row.code,
            name=row.name,
            kind=row.kind,
            call_sign=row.call_sign,
            radio_group=row.radio_group,
            vehicle=row.vehicle,
            unit=of_units.get(row.unit_id),
            members=tuple(sorted(crews.get(row.id, ()), key=attrgetter("number"))),
        )
        for row in rows
    }


def _leaves(roster: Roster, reading: Reading, officer_ids: Collection[int]) -> Mapping[int, Sequence[AwayRow]]:
    """Return the leaves of some officers that are not over, soonest first."""
    found: dict[int, list[AwayRow]] = defaultdict(list)
    for row in reading.lasting(roster.leaves(officer_ids)):
        found[row.officer_id].append(row)
    for of_officer in found.values():
        of_officer.sort(key=lambda row: (row.since is not None, row.since))
    return found


def _here(officer: OfficerRef, leaves: Mapping[int, Sequence[AwayRow]], at: datetime) -> bool:
    return not any(begun(leave, at) for leave in leaves[officer.id])


def _leaving(who: OfficerRef | TeamRef, leaves: Mapping[int, Sequence[AwayRow]]) -> datetime | None:
    """Return when the next leave takes an officer off duty, or the last of a team's members; None: none is planned."""
    people = who.members if isinstance(who, TeamRef) else (who,)
    firsts = [next((leave.since for leave in leaves[one.id]), None) for one in people]
    return None if None in firsts else max(first for first in firsts if first is not None)
