"""Who owns each of very many places in a layer: arrays in, arrays out, exact, by the boundary rule of one look-up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree

from spatial.geometry import Floats, Geometries
from spatial.lookup.bulk_kernel import ASK, NOBODY, SEVERAL, Crossed, Ints, Longs, build, find
from spatial.lookup.model import Candidate

CELLS_PER_EDGE = 3.0  # of the raster, for each edge that two grids share
LEAST_CELLS, MOST_CELLS = 64, 2_000_000_000
RIM = 2  # cells about the outermost grids
MOST_STALE = 2  # times as many edges as when all of a raster was new: then it is made anew
LARGEST_PATCH = 0.5  # of a raster
ASKED_AT_ONCE = 200_000
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
EVER = int(np.iinfo(np.int64).max)

Bools = NDArray[np.bool_]
Window = tuple[int, int, int, int]  # columns and rows: first of both, one after the last of both


@dataclass(frozen=True)
class Found:
    """Who owns each of some places.

    `owner`: the position of the grid in `BulkIndex.grids`, −1 where nobody; `on_boundary`: on the border of the owner;
    `in_overlap`: inside several grids, or inside one and on the border of another.
    """

    owner: Ints
    on_boundary: Bools
    in_overlap: Bools


@dataclass(frozen=True)
class Raster:
    """A raster over degrees, with what the machine code knows of its cells."""

    west: float
    south: float
    per_degree: tuple[float, float]  # cells, east and north
    columns: int
    rows: int
    cells: Ints
    crossed: Crossed
    fresh: int  # edges there were when all of it was made

    @property
    def frame(self) -> tuple[float, float, float, float, int, int]:
        """The raster's place and size."""
        return self.west, self.south, *self.per_degree, self.columns, self.rows

    def window(self, bounds: Floats) -> Window | None:
        """Return the cells that come into some bounds in degrees; None where these go beyond the raster."""
        corners = (bounds.reshape(2, 2) - (self.west, self.south)) * self.per_degree
        (left, low), (right, high) = np.floor(corners).astype(int).tolist()
        window = left - 1, low - 1, right + 2, high + 2
        is_within = min(window) >= 0 and window[2] <= self.columns and window[3] <= self.rows
        return window if is_within else None


class BulkIndex:
    """The grids of one layer, at any times, ready for very many places; immutable.

    A grid keeps its position in an index that is `redrawn`; the positions of grids that are there no more stay empty.
    """

    def __init__(self, grids: Sequence[Candidate | None], shapes: Geometries, raster: Raster | None) -> None:
        self.grids = grids
        self.shapes = shapes  # in degrees
        self.since = np.array([bound_micros(one.since, -EVER) if one else EVER for one in grids], np.int64)
        self.until = np.array([bound_micros(one.until, EVER) if one else -EVER for one in grids], np.int64)
        self._raster = raster
        is_there = self.since != EVER
        self._is_lasting = bool((self.since[is_there] == -EVER).all() and (self.until[is_there] == EVER).all())

    @classmethod
    def of(cls, grids: Iterable[Candidate]) -> Self:
        """Return an index of grids; time and memory grow with their edges."""
        given = list(grids)
        ordered = [given[place] for place in _order(given)]
        shapes = np.array([one.shape for one in ordered], dtype=object)
        return cls(ordered, shapes, _raster(shapes) if len(shapes) else None)

    def redrawn(self, grids: Iterable[Candidate]) -> Self:
        """Return an index of other grids: only what lies about those that differ is worked out again."""
        before = self._positions
        kept: list[Candidate | None] = [None] * len(self.grids)
        new: list[Candidate | None] = []
        for one in grids:
            place = before.get(_key(one))
            if place is not None and shapely.equals_identical(one.shape, self.shapes[place]):
                kept[place] = one
            else:
                new.append(one)
        gone = [place for place, one in enumerate(kept) if one is None and self.grids[place]]
        if not (gone or new):
            return type(self)(kept, self.shapes, self._raster)
        now = [*kept, *new]
        shapes = np.array([one.shape if one else None for one in now], dtype=object)
        changed = np.concatenate([self.shapes[gone], shapes[len(kept) :]])
        raster = _patched(self._raster, shapes, _ranks(now), changed) if self._raster else None
        return type(self)(now, shapes, raster) if raster else self.of(one for one in now if one)

    def find(self, lon: Floats, lat: Floats, at: datetime | Longs | None = None) -> Found:
        """Return who owns each place.

        `lon`, `lat`: stored degrees; what is no number is nowhere. `at`: the instant, or one for each place as
        `micros`; none: all grids hold. On exact contact with several grids the bytewise smallest code owns a place,
        and inside of several, too.
        """
        lon, lat = (np.ascontiguousarray(one, dtype=np.float64) for one in (lon, lat))
        owner, known = np.full(len(lon), NOBODY, np.int32), np.zeros(len(lon), np.uint8)
        found = Found(owner, np.zeros(len(lon), bool), np.zeros(len(lon), bool))
        raster = self._raster
        if raster is None:
            return found
        times = self._times(at)
        find(lon, lat, raster.frame, raster.cells, raster.crossed, times, self.since, self.until, owner, known)
        found.in_overlap[known == SEVERAL] = True
        unknown = np.flatnonzero(known == ASK)
        for start in range(0, len(unknown), ASKED_AT_ONCE):
            self._ask(lon, lat, times, unknown[start : start + ASKED_AT_ONCE], found)
        return found

    def holders(self, lon: Floats, lat: Floats, at: datetime | Longs | None = None) -> tuple[Longs, Longs]:
        """Return pairs of place and grid that contain or touch each other, as GEOS says, by place and code."""
        times = self._times(at)
        place, grid = self.tree.query(shapely.points(lon, lat), predicate="intersects")
        holds = self.holds(grid, times if len(times) < 2 else times[place])
        place, grid = place[holds], grid[holds]
        order = np.lexsort((self._rank[grid], place))
        return place[order], grid[order]

    def holds(self, grid: Longs | Ints, times: Longs) -> Bools:
        """Return which grids are in force: at one instant, each at its own, or (none) at any."""
        if len(times) == 0:
            return np.ones(len(grid), bool)
        holds: Bools = (self.since[grid] <= times) & (times < self.until[grid])
        return holds

    def position(self, grid: Candidate) -> int:
        """Return the position of a grid that is here."""
        return self._positions[_key(grid)]

    def positions_of(self, grid_id: int) -> list[int]:
        """Return the positions of a grid's versions."""
        return self._versions.get(grid_id, [])

    @cached_property
    def _versions(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for place, one in enumerate(self.grids):
            if one:
                found.setdefault(one.grid.id, []).append(place)
        return found

    @cached_property
    def _positions(self) -> dict[tuple[int, str, datetime | None], int]:
        return {_key(one): place for place, one in enumerate(self.grids) if one}

    @cached_property
    def tree(self) -> STRtree:
        """The shapes as GEOS finds them."""
        return STRtree(self.shapes)

    @cached_property
    def metres(self) -> Geometries:
        """The shapes in the deployment's plane, in metres."""
        planes = {one.plane for one in self.grids if one}
        return planes.pop().to_metres(self.shapes) if planes else self.shapes

    @cached_property
    def borders(self) -> Geometries:
        """Their borders in the plane, in metres."""
        made: Geometries = shapely.boundary(self.metres)
        return made

    def _ask(self, lon: Floats, lat: Floats, times: Longs, places: Longs, found: Found) -> None:
        """Let GEOS say who owns some places, which are on a border or very near one."""
        at = times if len(times) < 2 else times[places]
        place, grid = self.holders(lon[places], lat[places], at if len(at) else None)
        found.owner[places] = NOBODY
        if len(place) == 0:
            return
        points = np.asarray(shapely.points(lon[places], lat[places]))
        inside = shapely.contains_properly(self.shapes[grid], points[place])
        first = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        several = np.diff(np.r_[first, len(place)]) > 1
        owned = places[place[first]]
        found.owner[owned] = grid[first]
        found.on_boundary[owned] = ~inside[first]
        found.in_overlap[owned] = several & np.logical_or.reduceat(inside, first)

    def _times(self, at: datetime | Longs | None) -> Longs:
        if at is None or self._is_lasting:
            return np.empty(0, np.int64)
        return np.array([micros(at)], np.int64) if isinstance(at, datetime) else at

    @cached_property
    def _rank(self) -> Longs:
        return _ranks(self.grids)


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def instant(micros_: int) -> datetime:
    """Return the instant of as many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros_)


@lru_cache(maxsize=4096)  # many grids begin together
def bound_micros(at: datetime | None, unbounded: int) -> int:
    """Return where a span begins or ends, as `micros`; `unbounded` where it does not."""
    return unbounded if at is None else micros(at)


def _key(one: Candidate) -> tuple[int, str, datetime | None]:
    return one.grid.id, one.grid.code, one.since


def _order(grids: Sequence[Candidate]) -> list[int]:
    """Return the positions of grids in the order of their codes, bytewise, and of their time."""
    codes = [one.grid.code.encode() for one in grids]
    by_time: list[int] = np.argsort([bound_micros(one.since, -EVER) for one in grids], kind="stable").tolist()
    return sorted(by_time, key=codes.__getitem__)


def _ranks(grids: Sequence[Candidate | None]) -> Longs:
    """Return the place of each grid in the order of codes."""
    there = np.array([place for place, one in enumerate(grids) if one], np.int64)
    there = there[_order([one for one in grids if one])]
    ranks = np.full(len(grids), len(grids), np.int64)
    ranks[there] = np.arange(len(there))
    return ranks


def _raster(shapes: Geometries) -> Raster:
    """Return a raster over shapes in the order of their codes, with cells in proportion to their edges."""
    vertices = int(shapely.get_num_coordinates(shapes).sum())
    west, south, east, north = shapely.total_bounds(shapes).tolist()
    wanted = min(max(CELLS_PER_EDGE * vertices / 2, LEAST_CELLS), MOST_CELLS)
    width, height = max(east - west, 1e-9), max(north - south, 1e-9)
    squeeze = float(np.cos(np.radians((south + north) / 2)))
    side = np.sqrt(width * squeeze * height / wanted)  # in degrees of latitude
    columns, rows = (max(int(np.ceil(one)), 1) for one in (width * squeeze / side, height / side))
    per_degree = columns / width, rows / height
    corner = west - RIM / per_degree[0], south - RIM / per_degree[1]
    size = columns + 2 * RIM, rows + 2 * RIM
    cells, crossed = _built(shapes, corner, per_degree, size)
    return Raster(*corner, per_degree, *size, cells, crossed, len(crossed.edges))


def _patched(raster: Raster, shapes: Geometries, ranks: Longs, changed: Geometries) -> Raster | None:
    """Return a raster made anew about what changed; None where all of it should be."""
    window = raster.window(shapely.total_bounds(changed))
    if window is None:
        return None
    left, low, right, high = window
    if (right - left) * (high - low) > LARGEST_PATCH * raster.columns * raster.rows:
        return None
    corner = raster.west + left / raster.per_degree[0], raster.south + low / raster.per_degree[1]
    far = raster.west + right / raster.per_degree[0], raster.south + high / raster.per_degree[1]
    bounds = shapely.bounds(shapes)
    about = np.flatnonzero(((bounds[:, :2] <= far) & (bounds[:, 2:] >= corner)).all(axis=1))
    about = about[np.argsort(ranks[about])]
    cells, crossed = _built(
        shapes[about], (raster.west, raster.south), raster.per_degree, (right - left, high - low), (left, low)
    )
    if len(raster.crossed.edges) + len(crossed.edges) > MOST_STALE * raster.fresh:
        return None
    positions = about.astype(np.int32)
    before = raster.crossed
    made = np.where(cells < NOBODY, cells - np.int32(len(before.cells)), cells)
    made[cells > NOBODY] = positions[cells[cells > NOBODY]]
    all_cells = raster.cells.copy()
    all_cells.reshape(raster.rows, raster.columns)[low:high, left:right] = made.reshape(high - low, right - left)
    crossed.cells["first"] += np.uint32(len(before.edges))
    crossed.cells["candidates"] += np.uint32(len(before.candidates))
    for name in "abc":
        crossed.cells[name] = positions[crossed.cells[name]]
    crossed = crossed._replace(candidates=positions[crossed.candidates])
    joined = Crossed(*(np.concatenate(both) for both in zip(before, crossed, strict=True)))
    return Raster(
        raster.west, raster.south, raster.per_degree, raster.columns, raster.rows, all_cells, joined, raster.fresh
    )


def _built(
    shapes: Geometries,
    corner: tuple[float, float],
    per_degree: tuple[float, float],
    size: tuple[int, int],
    first: tuple[int, int] = (0, 0),
) -> tuple[Ints, Crossed]:
    """Return cells over shapes in the order of their codes: of a raster at a corner, those from the `first` on."""
    parts, of_shape = shapely.get_parts(shapes, return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    xy -= corner
    xy *= per_degree
    xy -= first
    grid = of_shape[of_part].astype(np.int32)[ring]
    return build(xy, ring, grid, len(shapes), *size)
