"""The rows that a roster is made of, and where they are read from."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from spatial.grids.units import Units
from spatial.roster.model import Step


class OfficerRow(NamedTuple):
    """An officer over a time."""

    id: int
    number: str
    name: str
    kind: str
    unit_id: int
    duty_phone: str | None
    since: datetime | None
    until: datetime | None


class TeamRow(NamedTuple):
    """A team over a time."""

    id: int
    code: str
    name: str
    kind: str
    call_sign: str
    radio_group: str | None
    vehicle: str | None
    unit_id: int
    since: datetime | None
    until: datetime | None


class MemberRow(NamedTuple):
    """An officer's membership of a team."""

    team_id: int
    officer_id: int
    since: datetime | None
    until: datetime | None


class AwayRow(NamedTuple):
    """A leave of an officer."""

    officer_id: int
    kind: str
    since: datetime | None
    until: datetime | None


class AbsenceRow(NamedTuple):
    """A time of a shift at which whoever is on it is not there, or committed elsewhere; the shift is one of a unit."""

    shift_id: int
    of_unit_id: int
    since: datetime | None
    until: datetime | None


class AssignmentRow(NamedTuple):
    """An officer's responsibility for a grid."""

    grid_id: int
    role: str
    officer_id: int
    since: datetime | None
    until: datetime | None


class CoverRow(NamedTuple):
    """A grid or a unit that a unit's shift covers, over what cover and shift, as it was done, share of time."""

    shift_id: int
    of_unit_id: int
    kind: str
    parent: int | None
    officer_id: int | None
    team_id: int | None
    shift_until: datetime | None
    grid_id: int | None
    unit_id: int | None
    cover_until: datetime | None
    since: datetime | None
    until: datetime | None


class FirstCover(NamedTuple):
    """When a grid or a unit is first covered by shifts of a unit, after some instant."""

    grid_id: int | None
    unit_id: int | None
    of_unit_id: int
    start: datetime


class StepRow(NamedTuple):
    """A step of a layer's chain over a time."""

    step: Step
    since: datetime | None
    until: datetime | None


class SufficeRow(NamedTuple):
    """A staffing rule by which auxiliaries alone are cover of a grid, a unit or a layer, at some hours of the week."""

    kind: str  # grid, unit, layer
    subject_id: int
    weekdays: int
    minute_from: int
    minute_to: int
    since: datetime | None
    until: datetime | None


class Roster(Units, Protocol):
    """Where the roster is read from, as the system knows it: rows that are in force now or later."""

    def officers(self, ids: Collection[int]) -> Iterable[OfficerRow]:
        """Return some officers."""

    def teams(self, ids: Collection[int]) -> Iterable[TeamRow]:
        """Return some teams."""

    def members(self, team_ids: Collection[int]) -> Iterable[MemberRow]:
        """Return who is in some teams."""

    def leaves(self, officer_ids: Collection[int]) -> Iterable[AwayRow]:
        """Return the leaves of some officers."""

    def absences(self, shift_ids: Collection[int]) -> Iterable[AbsenceRow]:
        """Return the absences from some shifts."""

    def assignments(self, grid_ids: Collection[int]) -> Iterable[AssignmentRow]:
        """Return who is responsible for some grids."""

    def covers(self, grid_ids: Collection[int], unit_ids: Collection[int], until: datetime) -> Iterable[CoverRow]:
        """Return what covers some grids or units and begins by an instant, by shift."""

    def first_cover(self, grid_ids: Collection[int], unit_ids: Collection[int], after: datetime) -> datetime | None:
        """Return when the first cover of some grids or units begins that begins after an instant."""

    def steps(self, layer_ids: Collection[int]) -> Iterable[StepRow]:
        """Return the chains of response of some layers, step by step."""

    def suffices(self) -> Iterable[SufficeRow]:
        """Return the rules by which auxiliaries suffice."""
