"""What grids of a draft hold, and how evenly the work of a unit is shared among them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from sqlalchemy.orm import Session

from spatial.geometry import Floats, Geometries, Plane, area_m2
from spatial.history import Moment
from spatial.overlaps import queries as counted
from spatial.overlaps.model import Counted, Longs, Period
from spatial.redraw import queries
from spatial.redraw.draft import Draft
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Held, Place, bounds_of, shapes_of
from spatial.redraw.passing import owners_of
from spatial.tables import Plan


@dataclass(frozen=True)
class Measure:
    """What a grid is and holds; `deviation`: its work by officer against its unit's, less one; none: no work at all.

    `compactness` is Polsby and Popper's (1991): 4π area / perimeter², 1 for a circle.
    """

    area_m2: float
    compactness: float
    parts: int
    held: Held
    deviation: float | None


@dataclass(frozen=True)
class Measured:
    """A grid that an operation touched, before and after; none where there is no such grid then."""

    place: Place
    code: str
    unit_id: int | None
    before: Measure | None
    after: Measure | None


@dataclass(frozen=True)
class Balance:
    """How evenly the work of a unit is shared in a layer: over the grids' work by officer."""

    grids: int
    worst_deviation: float
    variation: float  # coefficient of variation
    gini: float


@dataclass(frozen=True)
class Balanced:
    """The balance of a unit's grids in a layer, before and after."""

    layer_id: int
    unit_id: int | None
    before: Balance | None
    after: Balance | None


@dataclass(frozen=True)
class Measures:
    """What an operation does to the grids it touches, and to the balance of their units."""

    grids: tuple[Measured, ...]
    units: tuple[Balanced, ...]

    def within(self, units: Collection[int] | None) -> "Measures":
        """Return what concerns the grids of some units; none: all."""
        if units is None:
            return self
        grids = tuple(one for one in self.grids if one.unit_id in units)
        return Measures(grids, tuple(one for one in self.units if one.unit_id in units))


Team = tuple[int, int | None]  # a layer and a unit
Holdings = Mapping[Place, tuple[int | None, Held]]  # with the unit of each


def measured(plane: Plane, changes: Sequence[Change], before: Holdings, after: Holdings) -> Measures:
    """Return what changes do, from what the grids of the units concerned hold before and after. Pure."""
    teams = {
        (change.place.layer_id, state.unit_id)
        for change in changes
        for state in (change.was, change.becomes)
        if state is not None
    }
    shares = [_targets(state) for state in (before, after)]
    grids = []
    for change in changes:
        state = change.becomes or change.was
        told = [
            None if one is None else _measure(plane, one, holdings, share)
            for one, holdings, share in zip((change.was, change.becomes), (before, after), shares, strict=True)
        ]
        grids.append(Measured(change.place, state.code if state else "", state.unit_id if state else None, *told))
    units = [
        Balanced(*team, *(_balance(team, holdings) for holdings in (before, after)))
        for team in sorted(teams, key=_order)
    ]
    return Measures(tuple(grids), tuple(units))


def _measure(plane: Plane, grid: DraftGrid, holdings: Holdings, shares: Mapping[Place, float]) -> Measure:
    area_m = plane.to_metres(grid.shape)
    held = holdings[grid.place][1] if grid.place in holdings else Held()
    share = shares.get(grid.place)
    return Measure(
        area_m2=float(area_m2(shapes_of([grid]))[0]),
        compactness=float(4 * np.pi * area_m.area / area_m.length**2),
        parts=int(shapely.get_num_geometries(grid.shape)),
        held=held,
        deviation=None if share is None else share - 1,
    )


def _order(team: Team) -> tuple[int, int]:
    return team[0], team[1] or 0


def _targets(holdings: Holdings) -> dict[Place, float]:
    """Return the work of each grid as a multiple of its share: what its unit's is, by its part of the officers.

    A grid that nobody is responsible for counts as one officer's.
    """
    work: dict[Team, float] = defaultdict(float)
    staff: dict[Team, int] = defaultdict(int)
    for place, (unit_id, held) in holdings.items():
        work[place.layer_id, unit_id] += held.counted.handling_minutes
        staff[place.layer_id, unit_id] += held.staff
    return {
        place: held.counted.handling_minutes * staff[team] / (work[team] * held.staff)
        for place, (unit_id, held) in holdings.items()
        if work[team := (place.layer_id, unit_id)]
    }


def _balance(team: Team, holdings: Holdings) -> Balance | None:
    held = [held for place, (unit_id, held) in holdings.items() if (place.layer_id, unit_id) == team]
    load = np.sort(np.array([one.counted.handling_minutes / one.staff for one in held]))
    work, staff = sum(one.counted.handling_minutes for one in held), sum(one.staff for one in held)
    if not held or work == 0:
        return None
    mean = work / staff
    rank = np.arange(1, len(load) + 1)
    gini = float((2 * rank - len(load) - 1) @ load / (len(load) * load.sum()))
    return Balance(len(held), float(np.abs(load / mean - 1).max()), float(load.std() / load.mean()), gini)


def held_after(
    session: Session, plan: Plan, draft: Draft, changes: Sequence[Change], before: Mapping[Place, Held]
) -> dict[Place, Held]:
    """Return what the grids hold that changes leave: counted anew about them alone.

    `draft` is without the changes. Officers of a grid that ends are its successor's.
    """
    officers: dict[Place, set[str]] = defaultdict(set)
    for change in changes:
        successor = change.place if change.becomes else successor_of(change, changes)
        if successor is not None and change.was is not None:
            officers[successor].update(before[change.place].officers if change.place in before else ())
    found: dict[Place, Held] = {}
    for layer_id in {change.place.layer_id for change in changes}:
        after = {change.place: change.becomes for change in changes if change.place.layer_id == layer_id}
        shapes = [grid.shape for grid in after.values() if grid is not None]
        if not shapes:
            continue
        bounds = bounds_of(change for change in changes if change.place.layer_id == layer_id)
        near = [grid for grid in draft.within([layer_id], bounds) if grid.place not in after]
        grids = [*near, *(grid for grid in after.values() if grid is not None)]
        totals = counted_in(session, plan, grids, bounds)
        for place, grid in after.items():
            if grid is not None:
                found[place] = Held(totals[place], tuple(sorted(officers[place])))
    return found


def successor_of(ended: Change, changes: Iterable[Change]) -> Place | None:
    """Return the grid that gets most of the area of one that ends; none: nobody does."""
    if ended.was is None:
        return None
    gains = [
        (change.becomes.shape.intersection(ended.was.shape).area, change.place)
        for change in changes
        if change.becomes is not None and change.place.layer_id == ended.place.layer_id
    ]
    most = max(gains, default=(0.0, None), key=lambda one: one[0])
    return most[1] if most[0] > 0 else None


def count_base(session: Session, plan: Plan, layers: Collection[DraftLayer]) -> None:
    """Put on record what lies in each grid of a plan's layers, and who is responsible for it, before the plan."""
    base = queries.base_of(session, plan)
    officers = queries.officers_of(session, base, [layer.id for layer in layers])
    for layer in layers:
        grids = Draft(session, plan.id, base, []).of_layer(layer.id)
        totals = counted_in(session, plan, grids, None)
        held = {grid.place: Held(totals[grid.place], officers.get(grid.place.key, ())) for grid in grids}
        queries.add_measures(session, plan, [(grid.unit_id, grid.place, held[grid.place]) for grid in grids])


def counted_in(
    session: Session, plan: Plan, grids: Sequence[DraftGrid], within: tuple[float, float, float, float] | None
) -> dict[Place, Counted]:
    """Return what lies in grids, by borders alone: a place on one is the grid's with the bytewise smallest code."""
    moment = Moment(plan.base_at, plan.created_at)
    start, end = plan.counted.lower, plan.counted.upper
    assert start is not None and end is not None  # noqa: PT018, S101  # as `create` wrote it
    addresses, dwellings = counted.addresses(session, within)
    incidents, minutes = counted.incidents(session, moment, Period(start, end), within)
    ordered = sorted(grids, key=lambda grid: grid.code)
    shapes = shapes_of(ordered)
    houses, at_home = _summed(shapes, addresses, dwellings)
    events, work = _summed(shapes, incidents, minutes)
    return {
        grid.place: Counted(int(houses[n]), round(at_home[n]), int(events[n]), float(work[n]))
        for n, grid in enumerate(ordered)
    }


def _summed(shapes: Geometries, points: Floats, weights: Floats) -> tuple[Longs, Floats]:
    """Return how many points each shape has, and the sum of their weights; of several shapes the first has a point."""
    owner = owners_of(shapes, points)
    times = np.bincount(owner, minlength=len(shapes) + 1)[:-1]
    sums = np.bincount(owner, weights, minlength=len(shapes) + 1)[:-1]
    return times.astype(np.int64), sums.astype(np.float64)
