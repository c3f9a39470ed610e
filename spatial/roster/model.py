"""The words of the roster as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spatial.grids.units import UnitRef

Texts = Mapping[str, str]  # {"zh-CN": …, "en": …}


@dataclass(frozen=True)
class OfficerRef:
    """An officer as of an instant."""

    id: int
    number: str
    name: str
    kind: str
    unit: UnitRef | None  # none: the unit is not in force then
    duty_phone: str | None


@dataclass(frozen=True)
class TeamRef:
    """A team as of an instant, with the kinds of its members who are not away."""

    id: int
    code: str
    name: str
    kind: str
    call_sign: str
    radio_group: str | None
    vehicle: str | None
    unit: UnitRef | None
    members: tuple[OfficerRef, ...]


@dataclass(frozen=True)
class Assigned:
    """An officer responsible for a grid, and whether on leave then."""

    grid_id: int
    role: str  # lead, deputy, assist
    officer: OfficerRef
    away: str | None  # the kind of leave
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class OnShift:
    """An officer or a team on duty at an instant, until when, and what they cover, each until when."""

    shift_id: int
    kind: str  # grid, duty, standby, leader, patrol, desk
    who: OfficerRef | TeamRef
    until: datetime | None  # end of the shift, or of presence
    grids: Mapping[int, datetime | None]
    units: Mapping[int, datetime | None]


@dataclass(frozen=True)
class Step:
    """One step of a layer's chain of response; see the table `response_step`."""

    layer_id: int
    position: int
    key: str
    title: Texts
    source: str
    unit_path: tuple[str, ...]
    shift_kinds: frozenset[str]
    roles: frozenset[str]
    officer_kinds: frozenset[str]
    teams_only: bool
    is_cover: bool


@dataclass(frozen=True)
class Responder:
    """Who answers at a step: a team, an officer on shift, an assigned officer to call, or a unit's desk."""

    who: OfficerRef | TeamRef | UnitRef
    shift_kind: str | None
    until: datetime | None
    on_duty: bool


@dataclass(frozen=True)
class StepOutcome:
    """What a step of the chain yields: who, and why nobody (`reason` is a key of a text)."""

    step: Step
    unit: UnitRef | None  # the unit that the step's path leads to
    responders: tuple[Responder, ...]
    reason: str  # on-duty contact desk nobody-on-shift auxiliaries-alone on-leave nobody-assigned no-unit no-desk


@dataclass(frozen=True)
class Response:
    """The whole chain for a grid: the first step that covers it answers; the others are who comes next."""

    steps: tuple[StepOutcome, ...]

    @property
    def covering(self) -> StepOutcome | None:
        """The first step by which the grid is covered; None when nobody covers it."""
        return next((one for one in self.steps if one.step.is_cover and one.responders), None)

    @property
    def first(self) -> StepOutcome | None:
        """The step to call first: the covering one, else the first that yields anybody."""
        return self.covering or next((one for one in self.steps if one.responders), None)
