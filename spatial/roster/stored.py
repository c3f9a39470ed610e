"""The roster as PostGIS holds it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from spatial.grids.units import Ids, StoredUnits, among
from spatial.history import ends, known, lasting
from spatial.roster.model import Step
from spatial.roster.source import (
    AbsenceRow,
    AssignmentRow,
    AwayRow,
    CoverRow,
    FirstCover,
    MemberRow,
    OfficerRow,
    StepRow,
    SufficeRow,
    TeamRow,
)
from spatial.tables import (
    Assignment,
    Cover,
    DutyEvent,
    Leave,
    OfficerVersion,
    ResponseStep,
    Shift,
    StaffingRule,
    TeamMember,
    TeamVersion,
)
from spatial.tables.duty import Officer, Team

ABSENT = ("break", "no_show", "committed", "unreachable")
DONE: Any = func.coalesce(Shift.actual, Shift.planned)
COVERED: Any = Cover.span.op("*")(DONE)


class StoredRoster(StoredUnits):
    """Units and roster as PostGIS holds them."""

    def officers(self, ids: Ids) -> list[OfficerRow]:
        """Return some officers."""
        version = OfficerVersion
        columns = (version.name, version.kind, version.unit_id, version.duty_phone, *ends(version.valid))
        wanted = select(Officer.id, Officer.number, *columns).join(version, version.officer_id == Officer.id)
        return self._of(OfficerRow, wanted, version, Officer.id, ids)

    def teams(self, ids: Ids) -> list[TeamRow]:
        """Return some teams."""
        version = TeamVersion
        wanted = select(
            Team.id, Team.code, version.name, version.kind, version.call_sign, version.radio_group, version.vehicle,
            version.unit_id, *ends(version.valid),
        ).join(version, version.team_id == Team.id)  # fmt: skip
        return self._of(TeamRow, wanted, version, Team.id, ids)

    def members(self, team_ids: Ids) -> list[MemberRow]:
        """Return who is in some teams."""
        wanted = select(TeamMember.team_id, TeamMember.officer_id, *ends(TeamMember.valid))
        return self._of(MemberRow, wanted, TeamMember, TeamMember.team_id, team_ids)

    def leaves(self, officer_ids: Ids) -> list[AwayRow]:
        """Return the leaves of some officers."""
        wanted = select(Leave.officer_id, Leave.kind, *ends(Leave.valid))
        return self._of(AwayRow, wanted, Leave, Leave.officer_id, officer_ids)

    def absences(self, shift_ids: Ids) -> list[AbsenceRow]:
        """Return the absences from some shifts."""
        wanted = select(DutyEvent.shift_id, Shift.unit_id, *ends(DutyEvent.span)).join(
            Shift, Shift.id == DutyEvent.shift_id
        )
        absent = DutyEvent.kind.in_(ABSENT)
        return self._of(AbsenceRow, wanted.where(absent), DutyEvent, DutyEvent.shift_id, shift_ids, span="span")

    def assignments(self, grid_ids: Ids) -> list[AssignmentRow]:
        """Return who is responsible for some grids."""
        wanted = select(Assignment.grid_id, Assignment.role, Assignment.officer_id, *ends(Assignment.valid))
        return self._of(AssignmentRow, wanted, Assignment, Assignment.grid_id, grid_ids)

    def covers(self, grid_ids: Ids, unit_ids: Ids, until: datetime) -> list[CoverRow]:
        """Return what covers some grids or units and begins by an instant, by shift."""
        wanted = (
            select(
                Shift.id, Shift.unit_id, Shift.kind, Shift.parent_shift, Shift.officer_id, Shift.team_id,
                func.upper(DONE), Cover.grid_id, Cover.unit_id, func.upper(Cover.span), *ends(COVERED),
            )
            .join(Shift, Shift.id == Cover.shift_id)
            .where(
                self._covers(grid_ids, unit_ids),
                Cover.span.op("&&")(func.tstzrange(self.moment.at, until, "[]")),
            )
            .order_by(Shift.id)
        )  # fmt: skip
        return self._rows(CoverRow, wanted)

    def first_cover(self, grid_ids: Ids, unit_ids: Ids, after: datetime) -> datetime | None:
        """Return when the first cover of some grids or units begins that begins after an instant."""
        return min((row.start for row in self.first_covers(grid_ids, unit_ids, after)), default=None)

    def first_covers(self, grid_ids: Ids, unit_ids: Ids, after: datetime) -> list[FirstCover]:
        """Return when each of some grids or units is first covered by shifts of a unit that begin after an instant."""
        start: Any = func.lower(COVERED)
        whose = (Cover.grid_id, Cover.unit_id, Shift.unit_id)
        wanted = select(*whose, func.min(start)).join(Shift, Shift.id == Cover.shift_id).group_by(*whose)
        later = (start > after, Cover.span.op("&&")(func.tstzrange(after, None)))
        return self._rows(FirstCover, wanted.where(self._covers(grid_ids, unit_ids), *later))

    def steps(self, layer_ids: Ids) -> list[StepRow]:
        """Return the chains of response of some layers, step by step."""
        wanted = select(ResponseStep, *ends(ResponseStep.valid))
        return self._of(_step_row, wanted, ResponseStep, ResponseStep.layer_id, layer_ids)

    def suffices(self) -> list[SufficeRow]:
        """Return the rules by which auxiliaries suffice."""
        rule = StaffingRule
        kind = case((rule.grid_id.is_not(None), "grid"), (rule.unit_id.is_not(None), "unit"), else_="layer")
        subject = func.coalesce(rule.grid_id, rule.unit_id, rule.layer_id)
        wanted = select(kind, subject, rule.weekdays, rule.minute_from, rule.minute_to, *ends(rule.valid)).where(
            rule.auxiliaries_suffice, rule.place_id.is_(None), lasting(rule, "valid", self.moment)
        )
        return self._rows(SufficeRow, wanted)

    def _covers(self, grid_ids: Ids, unit_ids: Ids) -> ColumnElement[bool]:
        told = (known(table, self.moment.known_of(table)) for table in (Shift, Cover))
        subjects = [
            column.is_not(None) if ids is None else among(column, ids)
            for column, ids in ((Cover.grid_id, grid_ids), (Cover.unit_id, unit_ids))
        ]
        return and_(or_(*subjects), Shift.state != "cancelled", DONE.op("&&")(Cover.span), *told)


def _step_row(row: ResponseStep, since: datetime | None, until: datetime | None) -> StepRow:
    step = Step(
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
    return StepRow(step, since, until)
