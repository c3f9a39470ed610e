"""What each layer says of very many places: as `ask` says it of one, as far as somebody sees."""

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Floats, Geometries, Plane
from spatial.history import Reading
from spatial.lookup.ask import chosen, places
from spatial.lookup.bulk import Bools, BulkIndex, instant, micros
from spatial.lookup.bulk_kernel import NOBODY, Ints, Longs
from spatial.lookup.memory import MemoryFacts, View
from spatial.lookup.model import Candidate, GridRef, OverrideRef, Question
from spatial.lookup.placed import EDGE_TOLERANCE_M
from spatial.lookup.rules import METRES_PER_DEGREE, reaches_m
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Areas, Duty, Snapshot
from spatial.lookup.source import FaultRow, LayerRow, OverrideRow

STATUSES = ("owned", "overlap", "gap", "outside", "empty", "hidden")
OWNED, OVERLAP, GAP, OUTSIDE, EMPTY, HIDDEN = range(len(STATUSES))
ABOUT = 2e-3  # by which metres in the plane differ from geodesic ones at most, where a layer may lie
ABOUT_M = 0.01
MEASURED_AT_ONCE = 20_000
LOWEST_PRIORITY = 1 << 31
BESIDE = np.array([[-1e-9], [-1e-9], [1e-9], [1e-9]])  # degrees


@dataclass(frozen=True)
class BulkAnswer:
    """What one layer says of some places; see `LayerAnswer`.

    `status`: positions in `STATUSES`; `owner`: positions in `grids`, −1 for none. `edge_m` is NaN where there is no
    grid, and none where it was not asked for.
    """

    layer: LayerRow
    grids: Sequence[Candidate | None]
    status: NDArray[np.uint8]
    owner: Ints
    on_boundary: Bools
    edge_m: Floats | None


@dataclass
class Indexes:
    """The indexes of all layers, each made when it is first asked for, and redrawn from the one before."""

    _made: dict[int, tuple[Sequence[Candidate], BulkIndex]] = field(default_factory=dict)
    _decided: dict[int, tuple[Sequence[OverrideRow], BulkIndex]] = field(default_factory=dict)
    _faults: dict[int, tuple[Sequence[FaultRow], BulkIndex]] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def of(self, areas: Areas, layer_id: int) -> BulkIndex:
        """Return the index of a layer."""
        grids = areas.grids[layer_id].grids if layer_id in areas.grids else ()
        with self._turn:
            known = self._made.get(layer_id)
            if known is None or known[0] is not grids:
                known = grids, known[1].redrawn(grids) if known else BulkIndex.of(grids)
                self._made[layer_id] = known
            return known[1]

    def overrides_of(self, areas: Areas, layer_id: int) -> BulkIndex:
        """Return the index of a layer's overrides, of which the first decides; ids are positions in `Areas`."""
        with self._turn:
            known = self._decided.get(layer_id)
            if known is None or known[0] is not areas.overrides:
                rows = ((n, row) for n, row in enumerate(areas.overrides) if row.layer_id == layer_id)
                known = areas.overrides, BulkIndex.of(_as_grid(n, row.shape, areas.plane, row.ref) for n, row in rows)
                self._decided[layer_id] = known
            return known[1]

    def faults_of(self, areas: Areas, layer_id: int) -> BulkIndex:
        """Return the index of the boxes about the recorded gaps and overlaps of a layer."""
        with self._turn:
            known = self._faults.get(layer_id)
            if known is None or known[0] is not areas.faults:
                of_layer = [n for n, row in enumerate(areas.faults) if row.layer_id == layer_id]
                boxes = shapely.box(*(shapely.bounds(areas.fault_tree.geometries[of_layer]).T + BESIDE))
                known = areas.faults, BulkIndex.of(_as_grid(n, box, areas.plane) for n, box in enumerate(boxes))
                self._faults[layer_id] = known
            return known[1]


class BulkFacts:
    """Areas as somebody sees them, asked of very many places.

    `indexes` may be shared by all who ask of the same deployment, of one state of it after the other.
    """

    def __init__(self, areas: Areas, indexes: Indexes, sight: Sight, now: datetime) -> None:
        self.areas = areas
        self._indexes = indexes
        self._sight = sight
        self._now = now
        nobody = Duty({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, ())
        self._view = View(Snapshot(areas, nobody, {}, now, now), sight)

    def facts(self, at: datetime) -> MemoryFacts:
        """Return the same facts as they are asked of one place."""
        return MemoryFacts(self._view, at, self._now)

    def layers(self, codes: Collection[str] | None = None) -> list[LayerRow]:
        """Return the layers of some codes, or all, in their order; an unknown one is `NotFound`."""
        return chosen(self.facts(self._now), codes)

    def answer(
        self, layer: LayerRow, lon: Floats, lat: Floats, at: datetime | Longs, *, edges: bool = False
    ) -> BulkAnswer:
        """Return what a layer says of places in stored degrees, at one instant or each at its own (`micros`).

        `edges`: and how far the border is, which takes much longer.
        """
        make = self._indexes
        of = self.areas, layer.id
        indexes = make.of(*of), make.overrides_of(*of), make.faults_of(*of)
        return _Asked(self, layer, *indexes, lon, lat, at).answer(edges=edges)

    @property
    def sees_all(self) -> bool:
        """Whether grids of all units are seen."""
        return self._sight.units is None

    def shown(self, grids: Sequence[Candidate | None]) -> Bools:
        """Return which grids are there and seen."""
        if self._sight.units is None:
            return np.array([one is not None for one in grids], bool)
        facts = self.facts(self._now)
        return np.array([one is not None and facts.shows(one) for one in grids], bool)


@dataclass(frozen=True)
class _Asked:
    """Places in one layer."""

    facts: BulkFacts
    layer: LayerRow
    index: BulkIndex
    overrides: BulkIndex
    faults: BulkIndex
    lon: Floats
    lat: Floats
    at: datetime | Longs

    def answer(self, *, edges: bool) -> BulkAnswer:
        """Return what the layer says of them."""
        found = self.index.find(self.lon, self.lat, self.at)
        owner, on_boundary = found.owner, found.on_boundary
        nobodys = np.flatnonzero((owner == NOBODY) & np.isfinite(self.lon) & np.isfinite(self.lat))
        status = np.where(owner == NOBODY, OUTSIDE, OWNED).astype(np.uint8)
        if self.layer.kind == "tiling":
            status[found.in_overlap] = OVERLAP
        shown = self.facts.shown(self.index.grids)
        hidden = self._hidden(owner, on_boundary | found.in_overlap, shown)
        status[hidden], owner[hidden], on_boundary[hidden] = HIDDEN, NOBODY, False
        edge_m = np.where(on_boundary, 0.0, np.nan) if edges else None
        made = BulkAnswer(self.layer, self.index.grids, status, owner, on_boundary, edge_m)
        if edge_m is not None:
            for some in _parts(np.flatnonzero((owner != NOBODY) & ~on_boundary)):
                edge_m[some] = self._reaches_m(some, self.index.borders[owner[some]])
        self._of_nobody(made, nobodys, np.flatnonzero(shown))
        if len(self.overrides.grids):
            self._override(made)
        return made

    def _override(self, made: BulkAnswer) -> None:
        """Let overrides decide: well inside of one at once, elsewhere about them as of one place alone."""
        found = self.overrides.find(self.lon, self.lat, self.at)
        about = found.owner != NOBODY
        if made.edge_m is not None:
            about |= self._near_overrides(made.edge_m)
        plain = about & ~found.on_boundary & ~found.in_overlap & self.facts.sees_all & (made.edge_m is None)
        for one in np.unique(found.owner[plain]).tolist():
            those = np.flatnonzero(plain & (found.owner == one))
            row = self.facts.areas.overrides[self.overrides.grids[one].grid.id]
            owner = self._version_of(row.grid_id, those)
            plain[those[owner == NOBODY]] = False
            those, owner = those[owner != NOBODY], owner[owner != NOBODY]
            made.status[those], made.owner[those], made.on_boundary[those] = OWNED, owner, False
        for place in np.flatnonzero(about & ~plain).tolist():
            self._as_one(made, place)

    def _near_overrides(self, edge_m: Floats) -> Bools:
        """Return which places are as near to an override as to a border."""
        measured = np.flatnonzero(np.isfinite(edge_m))
        lat = self.lat[measured]
        dy = (edge_m[measured] + EDGE_TOLERANCE_M) / METRES_PER_DEGREE
        dx = dy / np.maximum(np.cos(np.radians(np.minimum(np.abs(lat) + dy, 89.0))), 0.01)
        lon = self.lon[measured]
        boxes = shapely.box(lon - dx, lat - dy, lon + dx, lat + dy)
        near: Bools = np.zeros(len(edge_m), bool)
        near[measured[self.overrides.tree.query(boxes, predicate="intersects")[0]]] = True
        return near

    def _version_of(self, grid_id: int, those: Longs) -> Ints:
        """Return the position of a grid as it is at each of some places' instants."""
        owner = np.full(len(those), NOBODY, np.int32)
        times = self._times(those)
        for position in self.index.positions_of(grid_id):
            holds = self.index.holds(np.full(len(those), position), times)
            owner[holds] = position
        return owner

    def _hidden(self, owner: Ints, has_others: Bools, shown: Bools) -> Bools:
        """Return which places lie in a grid that is not seen, or on the border of one."""
        hidden: Bools = np.zeros(len(owner), bool)
        if not shown[owner[owner != NOBODY]].all() or has_others.any():
            hidden = (owner != NOBODY) & ~np.r_[shown, False][owner]
            several = np.flatnonzero(has_others)
            place, grid = self.index.holders(self.lon[several], self.lat[several], self._at(several))
            hidden[several[place[~shown[grid]]]] = True
        return hidden

    def _of_nobody(self, made: BulkAnswer, nobodys: Longs, seen: Longs) -> None:
        """Say of places without an owner whether they are in a gap, and how far the nearest grid is that is seen."""
        is_near = self.faults.find(self.lon[nobodys], self.lat[nobodys]).owner != NOBODY
        near = nobodys[is_near]
        points = shapely.points(self.lon[near], self.lat[near])
        at_fault = np.zeros(len(near), bool)
        at_fault[self.facts.areas.fault_tree.query(points, predicate="intersects")[0]] = True
        for place in near[at_fault].tolist():
            self._as_one(made, place)
        others = np.concatenate([nobodys[~is_near], near[~at_fault]])
        if made.edge_m is not None:
            is_far = ~np.isfinite(shapely.get_x(self._points_m(others)))  # not in the plane
            for place in others[is_far].tolist():
                self._as_one(made, place)
            others = others[~is_far]
        bounds = np.unique(np.concatenate([self.index.since[seen], self.index.until[seen]]))
        times = np.broadcast_to(self._times(others), len(others))
        state = np.searchsorted(bounds, times, side="right")  # in each of which the same grids are in force
        for one in np.unique(state).tolist():
            those = others[state == one]
            in_force = seen[self.index.holds(seen, times[state == one][:1])]
            if len(in_force) == 0:
                made.status[those] = EMPTY
            elif made.edge_m is not None:
                shapes = self.index.metres[in_force]
                tree = shapely.STRtree(shapes)
                for some in _parts(those):
                    made.edge_m[some] = self._nearest_m(some, shapes, tree)

    def _nearest_m(self, some: Longs, shapes_m: Geometries, tree: shapely.STRtree) -> Floats:
        """Return the distance of places to the nearest shape; the nearest in the plane is so but for a hair."""
        points = self._points_m(some)
        (place, _), away_m = tree.query_nearest(points, all_matches=False, return_distance=True)
        reach_m = np.zeros(len(some))
        reach_m[place] = away_m * (1 + ABOUT) + ABOUT_M
        place, near = tree.query(points, "dwithin", reach_m)
        nearest_m = np.full(len(some), np.inf)
        np.minimum.at(nearest_m, place, self._reaches_m(some[place], shapes_m[near]))
        return np.where(np.isfinite(nearest_m), nearest_m, np.nan)

    def _as_one(self, made: BulkAnswer, place: int) -> None:
        """Say of a place what is said of it alone."""
        at = self.at if isinstance(self.at, datetime) else instant(int(self.at[place]))
        question = Question(float(self.lon[place]), float(self.lat[place]), at, layers=(self.layer.code,))
        (said,) = places(self.facts.facts(at), question, Reading(at))
        made.status[place], made.on_boundary[place] = STATUSES.index(said.status), said.on_boundary
        made.owner[place] = NOBODY if said.candidate is None else self.index.position(said.candidate)
        if made.edge_m is not None:
            made.edge_m[place] = np.nan if said.edge_m is None else said.edge_m

    def _at(self, some: Longs) -> datetime | Longs:
        return self.at if isinstance(self.at, datetime) else self.at[some]

    def _times(self, some: Longs) -> Longs:
        return np.array([micros(self.at)]) if isinstance(self.at, datetime) else self.at[some]

    def _reaches_m(self, some: Longs, shapes_m: Geometries) -> Floats:
        return reaches_m(self.facts.areas.plane, self._lonlat(some), self._points_m(some), shapes_m)

    def _points_m(self, some: Longs) -> Geometries:
        return np.asarray(shapely.points(self.facts.areas.plane.metres(self._lonlat(some))))

    def _lonlat(self, some: Longs) -> Floats:
        return np.column_stack([self.lon[some], self.lat[some]])


def _as_grid(position: int, shape: BaseGeometry, plane: Plane, override: OverrideRef | None = None) -> Candidate:
    """Return what an index can hold, overrides in the order in which they decide, and over their time."""
    rank = f"{override.priority + LOWEST_PRIORITY:012}{override.code}" if override else ""
    span = (override.since, override.until) if override else (None, None)
    return Candidate(GridRef(position, rank, "", "", *span), 0, None, shape, plane)


def _parts(places_of: Longs) -> Iterator[Longs]:
    """Yield places in parts that are small enough to be measured at once."""
    for start in range(0, len(places_of), MEASURED_AT_ONCE):
        yield places_of[start : start + MEASURED_AT_ONCE]
