"""Who responds for a grid: the chain of response, read from data. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from spatial.grids.units import UnitRef, UnitTree
from spatial.roster.model import Assigned, OfficerRef, OnShift, Responder, Response, Step, StepOutcome, TeamRef

AUXILIARY = "auxiliary"


@dataclass(frozen=True)
class Facts:
    """All that is known of the roster at an instant, about the grids and units of a question."""

    tree: UnitTree
    assigned: Mapping[int, Sequence[Assigned]]  # by grid
    on_shift: Sequence[OnShift]
    auxiliaries_suffice: frozenset[tuple[str, int]]  # ("grid" | "unit" | "layer", id)


@dataclass(frozen=True)
class Subject:
    """The grid asked about, its unit, and the grids that touch it."""

    grid_id: int
    layer_id: int
    unit_id: int | None
    neighbours: frozenset[int]


def respond(chain: Iterable[Step], subject: Subject, facts: Facts) -> Response:
    """Return the outcome of every step of a layer's chain for one grid."""
    return Response(tuple(_outcome(step, subject, facts) for step in chain))


def _outcome(step: Step, subject: Subject, facts: Facts) -> StepOutcome:
    unit = facts.tree.follow(subject.unit_id, step.unit_path)
    if step.source == "assignment":
        return _assignment(step, subject, facts)
    if step.source == "unit_desk":
        return _desk(step, unit)
    if step.source == "unit_shift" and unit is None:
        return StepOutcome(step, None, (), "no-unit")
    present = [one for one in facts.on_shift if _covers(one, step, subject, unit)]
    fitting = [one for one in present if _fits(one, step, subject, facts)]
    responders = tuple(
        Responder(one.who, one.kind, _until(one, step, subject, unit), on_duty=True) for one in _once_each(fitting)
    )
    if responders:
        return StepOutcome(step, unit, responders, "on-duty")
    only_auxiliaries = step.is_cover and any(AUXILIARY in _kinds(one) for one in present)
    return StepOutcome(step, unit, (), "auxiliaries-alone" if only_auxiliaries else "nobody-on-shift")


def _until(one: OnShift, step: Step, subject: Subject, unit: UnitRef | None) -> datetime | None:
    """Return the end of a shift, or of what it covers here if that is sooner."""
    match step.source:
        case "grid_shift":
            covered = [one.grids[subject.grid_id]]
        case "neighbour_shift":
            covered = [end for grid, end in one.grids.items() if grid in subject.neighbours]
        case _:
            covered = [one.units[unit.id]] if unit else []
    latest = None if None in covered else max((end for end in covered if end is not None), default=None)
    return min((end for end in (one.until, latest) if end is not None), default=None)


def _covers(one: OnShift, step: Step, subject: Subject, unit: UnitRef | None) -> bool:
    """Whether a shift covers what a step looks at, is of its kind, and is a team where the step wants one."""
    if step.shift_kinds and one.kind not in step.shift_kinds:
        return False
    if step.teams_only and not isinstance(one.who, TeamRef):
        return False
    match step.source:
        case "grid_shift":
            return subject.grid_id in one.grids
        case "neighbour_shift":
            return subject.grid_id not in one.grids and not subject.neighbours.isdisjoint(one.grids.keys())
        case _:
            return unit is not None and unit.id in one.units


def _fits(one: OnShift, step: Step, subject: Subject, facts: Facts) -> bool:
    """Whether the people of a shift count at a step.

    Auxiliaries alone are no cover, unless a staffing rule or the step itself says that they suffice.
    """
    kinds = _kinds(one)
    subjects = {("grid", subject.grid_id), ("layer", subject.layer_id), ("unit", subject.unit_id or 0)}
    if AUXILIARY in kinds and not facts.auxiliaries_suffice.isdisjoint(subjects):
        return True
    if step.is_cover and kinds == {AUXILIARY} and AUXILIARY not in step.officer_kinds:
        return False
    return not step.officer_kinds or not step.officer_kinds.isdisjoint(kinds)


def _kinds(one: OnShift) -> set[str]:
    return {member.kind for member in one.who.members} if isinstance(one.who, TeamRef) else {one.who.kind}


def _once_each(present: Iterable[OnShift]) -> list[OnShift]:
    """Return each officer or team once, in the order of number or code; a part of a shift repeats its whole."""
    first: dict[tuple[str, str], OnShift] = {}
    for one in present:
        name = one.who.number if isinstance(one.who, OfficerRef) else one.who.code
        first.setdefault((type(one.who).__name__, name), one)
    return [first[key] for key in sorted(first)]


def _assignment(step: Step, subject: Subject, facts: Facts) -> StepOutcome:
    """Who holds one of the step's roles and is not on leave: to be called, on shift or not."""
    roles = [one for one in facts.assigned.get(subject.grid_id, ()) if not step.roles or one.role in step.roles]
    working = {one.who.id: one for one in facts.on_shift if isinstance(one.who, OfficerRef)}
    responders = []
    for held in roles:
        if held.away is None:
            shift = working.get(held.officer.id)
            kind, until = (shift.kind, shift.until) if shift else (None, held.until)
            responders.append(Responder(held.officer, kind, until, on_duty=shift is not None))
    if responders:
        return StepOutcome(step, None, tuple(responders), "on-duty" if responders[0].on_duty else "contact")
    return StepOutcome(step, None, (), "on-leave" if roles else "nobody-assigned")


def _desk(step: Step, unit: UnitRef | None) -> StepOutcome:
    if unit is None:
        return StepOutcome(step, None, (), "no-unit")
    if not unit.contacts:
        return StepOutcome(step, unit, (), "no-desk")
    return StepOutcome(step, unit, (Responder(unit, None, None, on_duty=False),), "desk")
