"""What passes from which grid to which: area, addresses, incidents; and whose heir a grid is. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from spatial.geometry import Floats, area_m2
from spatial.overlaps.model import Counted, Longs
from spatial.redraw.model import Change, DraftGrid, Place, shapes_of

LEAST_M2 = 1.0  # what is smaller is what rounding leaves along a border

Kind = str  # reshape, split, merge, renumber, create, dissolve


@dataclass(frozen=True)
class Points:
    """Places with what each weighs: addresses with their dwellings, incidents with the minutes they usually take."""

    lonlat: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.weight)


NOWHERE = Points(np.empty((0, 2)), np.empty(0))


@dataclass(frozen=True)
class Owners:
    """Whose places are before and after changes: positions in `grids`, whose number is nobody's."""

    grids: Sequence[Place]
    before: Longs
    after: Longs

    @property
    def pairs(self) -> list[tuple[Place | None, Place | None]]:
        """Whose each place is, before and after; none: nobody's."""
        named: list[Place | None] = [*self.grids, None]
        return [(named[n], named[m]) for n, m in zip(self.before.tolist(), self.after.tolist(), strict=True)]


def owners(changes: Sequence[Change], around: Iterable[DraftGrid], lonlat: Floats) -> Owners:
    """Return whose places are before and after changes of a layer; `around`: the grids there that do not change.

    A place on a border is the grid's with the bytewise smallest code.
    """
    states = [(grid, True, True) for grid in around]
    states += [(one.was, True, False) for one in changes if one.was is not None]
    states += [(one.becomes, False, True) for one in changes if one.becomes is not None]
    states.sort(key=lambda state: state[0].code)
    grids = list(dict.fromkeys(grid.place for grid, _, _ in states))
    number = {place: n for n, place in enumerate(grids)}
    of_state = np.array([*(number[grid.place] for grid, _, _ in states), len(grids)], np.int64)
    point, state = np.empty((2, 0), np.int64)
    if states and len(lonlat):
        tree = shapely.STRtree(shapes_of(grid for grid, _, _ in states))
        point, state = tree.query(shapely.points(lonlat), predicate="intersects")
    sides = []
    for stands in np.array([state[1:] for state in states], bool).reshape(-1, 2).T:
        first = np.full(len(lonlat), len(states), np.int64)
        here = stands[state]
        np.minimum.at(first, point[here], state[here])
        sides.append(of_state[first])
    return Owners(grids, *sides)


@dataclass(frozen=True)
class Passing:
    """What one grid had and another one gets, or keeps, where both are the same; none: nobody had or gets it."""

    pred: Place | None
    succ: Place | None
    area_m2: float
    counted: Counted

    @property
    def moves(self) -> bool:
        """Whether it changes hands."""
        return self.pred != self.succ


@dataclass(frozen=True)
class Line:
    """One line of lineage: which share of a grid is in which one now."""

    pred: Place
    succ: Place
    kind: Kind
    area_share: float
    address_share: float | None
    workload_share: float | None


def passings(
    changes: Sequence[Change], around: Sequence[DraftGrid], addresses: Points, incidents: Points
) -> list[Passing]:
    """Return what passes from grid to grid of a layer; `around`: the grids there that do not change."""
    areas = _areas([one.was for one in changes if one.was], [one.becomes for one in changes if one.becomes])
    counted: dict[tuple[Place | None, Place | None], Counted] = defaultdict(Counted)
    for pair, n, weight in _summed(owners(changes, around, addresses.lonlat), addresses.weight):
        counted[pair] += Counted(addresses=n, dwellings=round(weight))
    for pair, n, weight in _summed(owners(changes, around, incidents.lonlat), incidents.weight):
        counted[pair] += Counted(incidents=n, handling_minutes=weight)
    ours = {one.place for one in changes}
    pairs = [pair for pair in {**areas, **counted} if not ours.isdisjoint(pair)]
    found = [Passing(*pair, areas.get(pair, 0.0), counted[pair]) for pair in pairs]
    return sorted(found, key=lambda one: (str(one.pred), str(one.succ)))


def heirs(changes: Sequence[Change], found: Iterable[Passing]) -> dict[Place, Place]:
    """Return for each grid that ends the one that gets most of it."""
    most: dict[Place, Passing] = {}
    ended = {change.place for change in changes if change.becomes is None}
    for one in found:
        if one.pred in ended and one.succ is not None and one.area_m2 > LEAST_M2:
            best = most.get(one.pred)
            if best is None or one.area_m2 > best.area_m2:
                most[one.pred] = one
    return {pred: one.succ for pred, one in most.items() if one.succ is not None}


def lineage(changes: Sequence[Change], found: Sequence[Passing]) -> list[Line]:
    """Return where the grids that change come from, with the shares of area, addresses and work that come along."""
    states = {change.place: change for change in changes}
    whole: dict[Place, Passing] = {}
    for one in found:
        if one.pred is not None:
            so_far = whole.get(one.pred)
            area, counted = (so_far.area_m2, so_far.counted) if so_far else (0.0, Counted())
            whole[one.pred] = Passing(one.pred, None, area + one.area_m2, counted + one.counted)
    lines = []
    for one in found:
        if one.pred is None or one.succ is None or one.area_m2 <= LEAST_M2 or one.pred not in states:
            continue
        kind = _kind(states[one.pred], states.get(one.succ), one, found)
        total = whole[one.pred]
        if kind is not None:
            shares = [
                _share(one.counted.addresses, total.counted.addresses),
                _share(one.counted.handling_minutes, total.counted.handling_minutes),
            ]
            lines.append(Line(one.pred, one.succ, kind, min(one.area_m2 / total.area_m2, 1.0), *shares))
    return lines


def _kind(pred: Change, succ: Change | None, one: Passing, found: Sequence[Passing]) -> Kind | None:
    """Return what happened between two grids; None where nothing of a grid's area or code changed."""
    if pred.was is None or succ is None:
        return None
    if not one.moves:
        is_drawn_alike = pred.becomes is not None and pred.was.is_drawn_as(pred.becomes)
        is_named_alike = pred.becomes is not None and pred.was.code == pred.becomes.code
        if is_drawn_alike or not any(
            other.moves and one.pred in (other.pred, other.succ) and other.area_m2 > LEAST_M2 for other in found
        ):
            return None if is_named_alike else "renumber"
        return "reshape"
    if succ.was is None:
        sources = [other for other in found if other.succ == one.succ and other.area_m2 > LEAST_M2]
        return "split" if len(sources) == 1 else "create"
    if pred.becomes is None:
        takers = [other for other in found if other.pred == one.pred and other.area_m2 > LEAST_M2]
        return "merge" if len(takers) == 1 else "dissolve"
    return "reshape"


def _share(part: float, whole: float) -> float | None:
    return min(part / whole, 1.0) if whole else None


def _areas(before: Sequence[DraftGrid], after: Sequence[DraftGrid]) -> dict[tuple[Place | None, Place | None], float]:
    """Return the area that each grid before shares with each grid after, and what is in none on the other side."""
    olds, news = shapes_of(before), shapes_of(after)
    made: dict[tuple[Place | None, Place | None], float] = {}
    if len(olds) and len(news):
        from spatial.overlaps.pieces import pieces  # machine code, which takes a while to load

        shared = pieces(olds, news)
        for left, right, size in zip(shared.left.tolist(), shared.right.tolist(), shared.area_m2.tolist(), strict=True):
            made[before[left].place, after[right].place] = size
    for grids, side in ((before, 0), (after, 1)):
        for grid, size in zip(grids, area_m2(shapes_of(grids)).tolist() if grids else [], strict=True):
            rest = size - sum(part for pair, part in made.items() if pair[side] == grid.place)
            if rest > LEAST_M2:
                made[(grid.place, None) if side == 0 else (None, grid.place)] = rest
    return made


def _summed(whose: Owners, weights: Floats) -> Iterable[tuple[tuple[Place | None, Place | None], int, float]]:
    times: dict[tuple[Place | None, Place | None], int] = defaultdict(int)
    sums: dict[tuple[Place | None, Place | None], float] = defaultdict(float)
    for pair, weight in zip(whose.pairs, weights.tolist(), strict=True):
        times[pair] += 1
        sums[pair] += weight
    return [(pair, n, sums[pair]) for pair, n in times.items()]
