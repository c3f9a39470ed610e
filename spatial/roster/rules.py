"""Who responds for a grid: the chain of response, read from data. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

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

    @cached_property
    def on_grid(self) -> Mapping[int, Sequence[int]]:
        """The shifts that cover each grid, as places in `on_shift`."""
        return _places((place, grid) for place, one in enumerate(self.on_shift) for grid in one.grids)

    @cached_property
    def on_unit(self) -> Mapping[int, Sequence[int]]:
        """The shifts that cover each unit, as places in `on_shift`."""
        return _places((place, unit) for place, one in enumerate(self.on_shift) for unit in one.units)

    def working(self, subject: "Subject") -> Mapping[int, OnShift]:
        """Return the shift of each officer who is on duty in a grid, for a unit above it or one serving these."""
        above = self.tree.chain(subject.unit_id)
        places = {*self.on_grid.get(subject.grid_id, ())}
        places.update(*(self.on_unit.get(unit.id, ()) for unit in (*above, *self.tree.serving(above))))
        there = (self.on_shift[place] for place in sorted(places))
        return {one.who.id: one for one in there if isinstance(one.who, OfficerRef)}


@dataclass(frozen=True)
class Subject:
    """The grid asked about and its unit, and the grids that touch it, each with its unit."""

    grid_id: int
    layer_id: int
    unit_id: int | None
    neighbours: Mapping[int, int | None]


def _places(found: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return places by what is covered there."""
    by_subject: dict[int, list[int]] = defaultdict(list)
    for place, subject in found:
        by_subject[subject].append(place)
    return by_subject


def respond(chain: Iterable[Step], subject: Subject, facts: Facts) -> Response:
    """Return the outcome of every step of a layer's chain for one grid.

    A shift covers the grids that it names, and all grids of a unit that it names, unless the chain asks for such shifts
    at the unit: a patrol of the station is out in each of its grids, while its duty crew waits at the station.
    """
    steps = tuple(chain)
    at_units = [step for step in steps if step.source == "unit_shift"]
    return Response(tuple(_outcome(step, subject, facts, at_units) for step in steps))


def _outcome(step: Step, subject: Subject, facts: Facts, at_units: Sequence[Step]) -> StepOutcome:
    unit = facts.tree.follow(subject.unit_id, step.unit_path)
    if step.source == "assignment":
        return _assignment(step, subject, facts)
    if step.source == "unit_desk":
        return _desk(step, unit)
    if step.source == "unit_shift" and unit is None:
        return StepOutcome(step, None, (), "no-unit")
    ends = _covering(step, subject, unit, facts, at_units)
    present = {place: facts.on_shift[place] for place in sorted(ends) if _counts(facts.on_shift[place], step)}
    fitting = {place: one for place, one in present.items() if _fits(one, step, subject, facts)}
    responders = tuple(
        Responder(one.who, one.kind, _until(one, ends[place]), on_duty=True) for place, one in _once_each(fitting)
    )
    if responders:
        return StepOutcome(step, unit, responders, "on-duty")
    only_auxiliaries = step.is_cover and any(AUXILIARY in _kinds(one) for one in present.values())
    return StepOutcome(step, unit, (), "auxiliaries-alone" if only_auxiliaries else "nobody-on-shift")


def _until(one: OnShift, ends: Sequence[datetime | None]) -> datetime | None:
    """Return the end of a shift, or of what it covers here if that is sooner; an end of None is open."""
    latest = None if None in ends else max((end for end in ends if end is not None), default=None)
    return min((end for end in (one.until, latest) if end is not None), default=None)


def _covering(
    step: Step, subject: Subject, unit: UnitRef | None, facts: Facts, at_units: Sequence[Step]
) -> Mapping[int, Sequence[datetime | None]]:
    """Return the shifts that cover what a step looks at, as places in `on_shift`, with the ends of their cover.

    A step looks at the grid, at the grids beside it (then those who cover it themselves are left out), or at a unit.
    """
    own = {subject.grid_id: subject.unit_id}
    match step.source:
        case "grid_shift":
            return _covering_grids(own, facts, at_units)
        case "neighbour_shift":
            beside = _covering_grids(subject.neighbours, facts, at_units)
            return {place: beside[place] for place in beside.keys() - _covering_grids(own, facts, at_units).keys()}
        case _:
            places = facts.on_unit.get(unit.id, ()) if unit else ()
            return {place: [facts.on_shift[place].units[unit.id]] for place in places if unit}


def _covering_grids(
    grids: Mapping[int, int | None], facts: Facts, at_units: Sequence[Step]
) -> Mapping[int, Sequence[datetime | None]]:
    """Return the shifts that cover any of some grids, each given with its unit, and the ends of their cover."""
    ends: dict[int, list[datetime | None]] = defaultdict(list)
    for grid_id, unit_id in grids.items():
        for place in facts.on_grid.get(grid_id, ()):
            ends[place].append(facts.on_shift[place].grids[grid_id])
        if unit_id is None:
            continue
        for place in facts.on_unit.get(unit_id, ()):
            one = facts.on_shift[place]
            if not any(_counts(one, step) for step in at_units):
                ends[place].append(one.units[unit_id])
    return ends


def _counts(one: OnShift, step: Step) -> bool:
    """Whether a shift is of a step's kinds, and is a team where the step wants one."""
    if step.shift_kinds and one.kind not in step.shift_kinds:
        return False
    return not step.teams_only or isinstance(one.who, TeamRef)


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


def _once_each(present: Mapping[int, OnShift]) -> list[tuple[int, OnShift]]:
    """Return each officer or team once, in the order of number or code; a part of a shift repeats its whole."""
    first: dict[tuple[str, str], tuple[int, OnShift]] = {}
    for place, one in present.items():
        name = one.who.number if isinstance(one.who, OfficerRef) else one.who.code
        first.setdefault((type(one.who).__name__, name), (place, one))
    return [first[key] for key in sorted(first)]


def _assignment(step: Step, subject: Subject, facts: Facts) -> StepOutcome:
    """Who holds one of the step's roles and is not on leave: to be called, on shift or not."""
    roles = [one for one in facts.assigned.get(subject.grid_id, ()) if not step.roles or one.role in step.roles]
    working, responders = facts.working(subject) if roles else {}, []
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
