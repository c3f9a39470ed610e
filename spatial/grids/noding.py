"""Noding in metres: borders that grids share get the same vertices, bit for bit.

Vertices end on a grid of 1 cm. Iterated snap rounding (Halperin & Packer 2002) keeps every vertex at least half a
centimetre from every edge that it does not end, so that shapes keep their topology when they are stored in degrees,
and noding what is already noded changes nothing. Edges are split at 200 m: a longer one, straight in metres, bows away
from the line that is straight in degrees (1.3 cm at 1 km).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from spatial.errors import Fault, GeometryFault
from spatial.geometry import SNAP_M, Floats, Geometries

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LONGEST_EDGE_M = 200.0
PIECE_M = 199.9  # so that a piece whose ends were rounded is not split again
SOURCE_EDGE_M = 201.0  # so that an edge of 200 m, read back from degrees, is not split again
# In units of the 1 cm grid. A vertex nearer than half a unit to an edge becomes part of it. Coordinates as they come
# get a little less, and are welded only below the grid's own spacing: noded shapes read back are left alone.
ON_EDGE = 0.5
ON_RAW_EDGE = 0.45
WELD = 0.75
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Rings:
    """Rings of polygons, one after the other, without the closing vertex.

    `vertex` numbers rows of `xy`, which are distinct and in lexicographic order. Ring r is
    `vertex[start[r]:start[r + 1]]`, of the part `part[r]`, whose shell comes first; part p is of the shape `shape[p]`.
    `is_fresh[k]` says that the edge from vertex k is not yet known to be free of contacts.
    """

    xy: Floats
    vertex: Ints
    start: Ints
    is_fresh: Flags
    part: Ints
    shape: Ints
    shapes: int

    @classmethod
    def of(cls, shapes: Geometries, scale: float = 1.0) -> "Rings":
        """Take polygons and multipolygons apart, dividing coordinates by `scale`."""
        parts, shape = shapely.get_parts(shapes, return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        xy = shapely.get_coordinates(rings) / scale
        size = np.asarray(shapely.get_num_coordinates(rings), dtype=np.int64)
        closing = np.cumsum(size) - 1
        start = np.concatenate([[0], np.cumsum(size - 1)])
        rest = np.delete(xy, closing, axis=0)
        return cls._numbered(rest, start, np.ones(len(rest), bool), part, shape, len(shapes))

    @classmethod
    def _numbered(cls, xy: Floats, start: Ints, fresh: Flags, part: Ints, shape: Ints, shapes: int) -> "Rings":
        """Give numbers to the vertices, and drop each that the next one of its ring repeats."""
        keys, vertex = np.unique(xy[:, 0] + 1j * xy[:, 1], return_inverse=True)
        kept = vertex != vertex[_following(start)]
        before = np.concatenate([[0], np.cumsum(kept)])
        distinct = np.column_stack([keys.real, keys.imag])
        return cls(distinct, vertex[kept], before[start], fresh[kept], part, shape, shapes)

    def moved(self, xy: Floats) -> "Rings":
        """Return the rings with their vertices moved; those that come to lie on each other become one."""
        fresh = np.ones(len(self.vertex), bool)
        return self._numbered(xy[self.vertex], self.start, fresh, self.part, self.shape, self.shapes)

    def edges(self) -> "Edges":
        """Return the distinct undirected edges, each from its smaller end."""
        ends = np.column_stack([self.vertex, self.vertex[_following(self.start)]])
        low, high = ends.min(axis=1), ends.max(axis=1)
        keys, number = np.unique(low * len(self.xy) + high, return_inverse=True)
        low, high = np.divmod(keys, max(len(self.xy), 1))
        fresh = np.bincount(number, self.is_fresh, minlength=len(keys)) > 0
        return Edges(low, high, self.xy[low], self.xy[high], fresh, number, ends[:, 0] < ends[:, 1])

    def with_points(self, edges: "Edges", points: "Points") -> "Rings":
        """Return the rings with points inserted into edges, on both sides of each edge alike."""
        order = np.lexsort((points.along, points.edge))
        count = np.bincount(points.edge, minlength=len(edges.low))
        first = np.cumsum(count) - count
        added = count[edges.number]
        begin = np.cumsum(1 + added) - (1 + added)
        which = np.repeat(np.arange(len(added)), added)
        nth = np.arange(len(which)) - (np.cumsum(added) - added)[which]
        nth_on_edge = np.where(edges.forward[which], nth, added[which] - 1 - nth)
        xy = np.empty((len(added) + len(which), 2))
        fresh = np.ones(len(xy), bool)
        xy[begin] = self.xy[self.vertex]
        fresh[begin] = added > 0
        xy[begin[which] + 1 + nth] = points.xy[order][first[edges.number[which]] + nth_on_edge]
        start = np.concatenate([begin, [len(xy)]])[self.start]
        return self._numbered(xy, start, fresh, self.part, self.shape, self.shapes)

    def polygons(self, scale: float = 1.0) -> Geometries:
        """Put multipolygons together again; rings of fewer than three vertices are gone, and parts with their shell."""
        size = np.diff(self.start)
        is_shell = np.concatenate([[True], self.part[1:] != self.part[:-1]])[: len(size)]
        sound = size >= 3
        has_shell = np.zeros(len(self.shape), bool)
        has_shell[self.part[is_shell & sound]] = True
        kept = sound & has_shell[self.part]
        vertex, size = self.vertex[np.repeat(kept, size)], size[kept]
        closed = np.insert(vertex, np.cumsum(size), vertex[np.cumsum(size) - size])
        ring_ends = _offsets(size + 1)
        part_ends = _offsets(np.bincount(self.part[kept], minlength=len(self.shape))[has_shell])
        shape_ends = _offsets(np.bincount(self.shape[has_shell], minlength=self.shapes))
        return shapely.from_ragged_array(
            shapely.GeometryType.MULTIPOLYGON, self.xy[closed] * scale, (ring_ends, part_ends, shape_ends)
        )


class Edges(NamedTuple):
    """Distinct undirected edges: numbers and positions of both ends; and for each vertex of a ring its edge onwards."""

    low: Ints
    high: Ints
    a: Floats
    b: Floats
    is_fresh: Flags
    number: Ints
    forward: Flags


class Points(NamedTuple):
    """Points to insert into edges, `along` (0–1) from the smaller end."""

    edge: Ints
    along: Floats
    xy: Floats


def node(shapes_m: Geometries) -> Geometries:
    """Return multipolygons in metres, noded together, on the 1 cm grid, with no edge above 200 m.

    What overlaps still overlaps. A shape that is thinner than the grid comes back empty. Shapes that do not come to
    rest are a `GeometryFault`.
    """
    rings = _welded(Rings.of(shapes_m, SNAP_M))
    edges = rings.edges()
    rings = rings.with_points(edges, _contacts(rings.xy, edges, ON_RAW_EDGE))
    noded = _settled(rings.moved(np.round(rings.xy)))
    for _ in range(MOST_ROUNDS):
        broken = ~shapely.is_valid(noded)
        if not broken.any():
            return noded
        # folded or pinched by rounding: put together anew from the same edges, then whatever vertex that lost
        noded[broken] = only_areas(shapely.make_valid(noded[broken], method="structure", keep_collapsed=False))
        rings = Rings.of(noded, SNAP_M)
        noded = _settled(rings.moved(np.round(rings.xy)))
    raise _restless()


def densified(shapes: Geometries, metres: Callable[[Floats], Floats]) -> Geometries:
    """Return multipolygons with vertices added on edges above 200 m, straight in the shapes' own system.

    A border that is straight in the source stays where the source has it, whatever projection follows.
    """
    rings = Rings.of(shapes)
    edges = rings.edges()
    xy = metres(rings.xy)
    length_m = np.hypot(*(xy[edges.high] - xy[edges.low]).T)
    return rings.with_points(edges, _split(edges, length_m, SOURCE_EDGE_M)).polygons()


def only_areas(shapes: Geometries) -> Geometries:
    """Return the polygons of each shape as one multipolygon, without its points and lines."""
    parts, shape = shapely.get_parts(shapes, return_index=True)
    if (shapely.get_type_id(parts) == shapely.GeometryType.MULTIPOLYGON).any():  # inside a collection
        deeper, part = shapely.get_parts(parts, return_index=True)
        parts, shape = deeper, shape[part]
    areas = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    made = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    shapely.multipolygons(parts[areas], indices=shape[areas], out=made)
    return made


def _settled(rings: Rings) -> Geometries:
    """Insert contacts and split long edges until there are none left."""
    for _ in range(MOST_ROUNDS):
        edges = rings.edges()
        points = _contacts(rings.xy, edges, ON_EDGE)
        if len(points.edge) == 0:
            length_m = np.hypot(*(edges.b - edges.a).T) * SNAP_M
            points = _split(edges, length_m, LONGEST_EDGE_M)
        if len(points.edge) == 0:
            return rings.polygons(SNAP_M)
        rings = rings.with_points(edges, points._replace(xy=np.round(points.xy)))
    raise _restless()


def _restless() -> GeometryFault:
    return GeometryFault([Fault("geometry", "noding-unsettled", {"rounds": MOST_ROUNDS})])


def _welded(rings: Rings) -> Rings:
    """Join vertices that are nearer to each other than the grid is wide; the smaller one stays."""
    into = np.arange(len(rings.xy))
    for one, other in sorted(cKDTree(rings.xy).query_pairs(WELD)):
        if into[one] == one and into[other] == other:
            into[other] = one
    return rings.moved(rings.xy[into])


def _contacts(xy: Floats, edges: Edges, tolerance: float) -> Points:
    """Return where fresh edges meet others: vertices on edges, else crossings."""
    one, other = _close_pairs(edges, tolerance)
    touched = np.zeros(len(one), bool)
    found: list[tuple[Ints, Ints]] = []
    for edge, end in (
        (one, edges.low[other]),
        (one, edges.high[other]),
        (other, edges.low[one]),
        (other, edges.high[one]),
    ):
        near = _is_near(xy[end], edges.a[edge], edges.b[edge], tolerance)
        near &= (end != edges.low[edge]) & (end != edges.high[edge])
        touched |= near
        found.append((edge[near], end[near]))
    edge, end = np.unique(np.concatenate(found, axis=1), axis=1)
    on_edge = Points(edge, _along(xy[end], edges.a[edge], edges.b[edge]), xy[end])
    crossing = _crossings(edges, one[~touched], other[~touched])
    return Points(*(np.concatenate(pair) for pair in zip(on_edge, crossing, strict=True)))


def _close_pairs(edges: Edges, tolerance: float) -> tuple[Ints, Ints]:
    """Return, once each, the pairs of edges of which one is fresh and whose boxes come near each other."""
    low, high = np.minimum(edges.a, edges.b) - tolerance, np.maximum(edges.a, edges.b) + tolerance
    boxes = np.asarray(shapely.box(*low.T, *high.T), dtype=object)
    fresh = np.flatnonzero(edges.is_fresh)
    one, other = shapely.STRtree(boxes).query(boxes[fresh])
    one = fresh[one]
    once = (one < other) | (~edges.is_fresh[other] & (one != other))
    return one[once], other[once]


def _along(point: Floats, a: Floats, b: Floats) -> Floats:
    """Return how far along a → b the foot of each point lies: 0 at a, 1 at b."""
    along: Floats = ((point - a) * (b - a)).sum(axis=1) / ((b - a) ** 2).sum(axis=1)
    return along


def _is_near(point: Floats, a: Floats, b: Floats, tolerance: float) -> Flags:
    along = _along(point, a, b)
    off = np.abs(_cross(b - a, point - a)) / np.hypot(*(b - a).T)
    near: Flags = (along > 0) & (along < 1) & (off < tolerance)
    return near


def _crossings(edges: Edges, one: Ints, other: Ints) -> Points:
    """Return the points where pairs of edges cross inside, once for each edge."""
    a, u = edges.a[one], edges.b[one] - edges.a[one]
    b, v = edges.a[other], edges.b[other] - edges.a[other]
    slope = _cross(u, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        on_one, on_other = _cross(b - a, v) / slope, _cross(b - a, u) / slope
    crosses = (on_one > 0) & (on_one < 1) & (on_other > 0) & (on_other < 1)
    one, other, on_one, on_other = one[crosses], other[crosses], on_one[crosses], on_other[crosses]
    xy = edges.a[one] + u[crosses] * on_one[:, np.newaxis]
    return Points(np.concatenate([one, other]), np.concatenate([on_one, on_other]), np.concatenate([xy, xy]))


def _split(edges: Edges, length_m: Floats, longest_m: float) -> Points:
    """Return points that split edges above a length into equal pieces, counted from the smaller end."""
    pieces = np.where(length_m > longest_m, np.ceil(length_m / PIECE_M), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(pieces)), pieces - 1)
    nth = np.arange(len(edge)) - (np.cumsum(pieces - 1) - (pieces - 1))[edge] + 1
    along = nth / pieces[edge]
    return Points(edge, along, edges.a[edge] + (edges.b - edges.a)[edge] * along[:, np.newaxis])


def _cross(u: Floats, v: Floats) -> Floats:
    crossed: Floats = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return crossed


def _following(start: Ints) -> Ints:
    """Return, for each vertex of rings that start at `start`, the number of the next one around its ring."""
    following = np.arange(1, start[-1] + 1)
    filled = np.diff(start) > 0
    following[start[1:][filled] - 1] = start[:-1][filled]
    return following


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)])
