"""What grids of a draft hold, and how evenly the work of a unit is shared among them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from sqlalchemy.orm import Session

from spatial.geometry import Plane, area_m2
from spatial.overlaps.model import Counted, Longs
from spatial.redraw import queries
from spatial.redraw.draft import Draft
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Held, Place, clusters, shapes_of
from spatial.redraw.passing import NOWHERE, Points, heirs, owners, passings
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


@dataclass(frozen=True)
class Count:
    """What lies in grids after changes: in those that change, and how much more in neighbours at whose borders it is.

    Whose a place on a border is may be another grid's by a new code.
    """

    ours: Mapping[Place, Counted]
    beside: Sequence[tuple[DraftGrid, Counted]]


def counted_after(session: Session, plan: Plan, draft: Draft, changes: Sequence[Change]) -> Count:
    """Return what lies in grids after changes, counted anew about them alone; `draft` is without the changes."""
    ours: dict[Place, Counted] = {}
    beside: list[tuple[DraftGrid, Counted]] = []
    for layer_id in sorted({change.place.layer_id for change in changes}):
        for bounds, its in clusters(change for change in changes if change.place.layer_id == layer_id):
            left = {change.place for change in its if change.becomes is not None}
            places = {change.place for change in its}
            near = {grid.place: grid for grid in draft.within([layer_id], bounds) if grid.place not in places}
            before, after = _counts(its, near.values(), *queries.points(session, plan, bounds))
            ours |= {place: after.get(place, Counted()) for place in left}
            more = {place: after.get(place, Counted()) - before.get(place, Counted()) for place in near}
            beside += [(near[place], one) for place, one in more.items() if one != Counted()]
    return Count(ours, beside)


def held_after(changes: Sequence[Change], before: Mapping[Place, Held], count: Count) -> dict[Place, Held]:
    """Return what grids hold after changes, with neighbours where that is more or less. Pure.

    Officers of a grid that ends are those of the one that gets most of it.
    """
    heir_of: dict[Place, Place] = {}
    if any(change.becomes is None for change in changes):
        for layer_id in {change.place.layer_id for change in changes}:
            its = [change for change in changes if change.place.layer_id == layer_id]
            heir_of |= heirs(its, passings(its, (), NOWHERE, NOWHERE))
    officers: dict[Place, set[str]] = defaultdict(set)
    for change in changes:
        successor = change.place if change.becomes else heir_of.get(change.place)
        if successor is not None and change.place in before:
            officers[successor].update(before[change.place].officers)
    found = {place: Held(lying, tuple(sorted(officers[place]))) for place, lying in count.ours.items()}
    for grid, more in count.beside:
        was = before.get(grid.place, Held())
        found[grid.place] = replace(was, counted=was.counted + more)
    return found


def count_base(session: Session, plan: Plan, layers: Collection[DraftLayer]) -> None:
    """Put on record what lies in each grid of a plan's layers, and who is responsible for it, before the plan."""
    base = queries.base_of(session, plan)
    officers = queries.officers_of(session, base, [layer.id for layer in layers])
    lying = queries.points(session, plan, None)
    for layer in layers:
        grids = Draft(session, plan.id, base, []).of_layer(layer.id)
        totals = counted_in(grids, *lying)
        held = {grid.place: Held(totals[grid.place], officers.get(grid.place.key, ())) for grid in grids}
        queries.add_measures(session, plan, [(grid.unit_id, grid.place, held[grid.place]) for grid in grids])


def counted_in(grids: Sequence[DraftGrid], addresses: Points, incidents: Points) -> dict[Place, Counted]:
    """Return what lies in grids, by borders alone: a place on one is the grid's with the bytewise smallest code."""
    found, _after = _counts((), grids, addresses, incidents)
    return {grid.place: found.get(grid.place, Counted()) for grid in grids}


def _counts(
    changes: Sequence[Change], around: Iterable[DraftGrid], addresses: Points, incidents: Points
) -> tuple[dict[Place, Counted], dict[Place, Counted]]:
    """Return what lies in grids of a layer before and after changes."""
    grids = list(around)
    homes, events = (owners(changes, grids, points.lonlat) for points in (addresses, incidents))
    sides = []
    for houses, calls in ((homes.before, events.before), (homes.after, events.after)):
        counts = [_summed(houses, addresses, homes.grids), _summed(calls, incidents, events.grids)]
        told = zip(homes.grids, *(column for each in counts for column in each), strict=True)
        sides.append({place: Counted(n, round(at_home), m, work) for place, n, at_home, m, work in told})
    return sides[0], sides[1]


def _summed(owner: Longs, points: Points, grids: Sequence[Place]) -> tuple[list[int], list[float]]:
    """Return how many points each grid has, and the sum of their weights."""
    times = np.bincount(owner, minlength=len(grids) + 1)[:-1]
    sums = np.bincount(owner, points.weight, minlength=len(grids) + 1)[:-1]
    return times.tolist(), sums.tolist()
