"""Shapes as they are drawn: every border once, simplified for the scale of a map. Never used for look-up.

Two networks laid over each other are no coverage, so `shapely.coverage_simplify` would simplify each on its own, and
the borders that they share would part. Here all networks are one graph of arcs: where borders run together, whichever
networks they are of, there is one arc, and it is simplified once. No arc comes to cross or touch another, so that no
hole opens, no shape vanishes and neighbours stay neighbours.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Floats, Geometries

Integers = NDArray[np.int64]

UNITS_PER_DEGREE = 1_000_000  # 0.1 m: of the picture, never of an answer
FULL_CIRCLE = 360 * UNITS_PER_DEGREE
FINEST_PART = 20_000  # of the extent: what is smaller is not seen before one has come a dozen times closer


@dataclass(frozen=True)
class Drawing:
    """Shapes over one set of arcs: a border that several shapes share is one arc.

    `arcs`: longitude and latitude in whole units, (n, 2) each. `rings`: by shape, by ring, the arcs in order, twice
    the number of the arc, plus one where it is gone along backwards. Holes are rings like others: even–odd fills.
    """

    arcs: Sequence[Integers]
    rings: Sequence[Sequence[Sequence[int]]]


@dataclass(frozen=True)
class _Outlines:
    """The closed rings of shapes as numbers of vertices: ring after ring, each without its closing vertex."""

    shape_of: Integers  # by ring
    length: Integers  # by ring
    vertices: Integers
    places: Integers  # by vertex: x, y in units, in the order of x, then y


@dataclass(frozen=True)
class _Uses:
    """How rings go along arcs: in the order of the rings, each starting at a node."""

    ring: Integers
    arc: Integers
    backwards: NDArray[np.bool_]
    arcs: Sequence[Integers]  # numbers of vertices


def drawing(shapes: Sequence[BaseGeometry], tolerance_deg: float | None = None) -> Drawing:
    """Return shapes in degrees as they are drawn; without a tolerance, one that suits the extent of all.

    The tolerance is in degrees of latitude. Parts smaller than a unit disappear.
    """
    outlines = _outlines(shapes)
    if tolerance_deg is None:
        tolerance_deg = _suitable_tolerance(outlines.places)
    uses = _safe_uses(outlines)
    simple = _simplified([outlines.places[arc] for arc in uses.arcs], tolerance_deg * UNITS_PER_DEGREE)
    return Drawing(simple, _rings(len(shapes), outlines, uses))


def _outlines(shapes: Sequence[BaseGeometry]) -> _Outlines:
    parts, shape_of_part = shapely.get_parts(np.asarray(shapes, dtype=object), return_index=True)
    is_area = shapely.get_dimensions(parts) == 2
    rings, part_of_ring = shapely.get_rings(parts[is_area], return_index=True)
    lonlat, ring_of = shapely.get_coordinates(rings, return_index=True)
    xy = np.rint(lonlat * UNITS_PER_DEGREE).astype(np.int64)
    # a vertex equal to the next of its ring goes, and so does the closing one, which equals the first
    goes_on = np.r_[ring_of[1:] == ring_of[:-1], [False]][: len(xy)]
    differs = np.r_[(xy[1:] != xy[:-1]).any(axis=1), [False]][: len(xy)]
    kept = goes_on & differs
    length = np.bincount(ring_of[kept], minlength=len(rings)).astype(np.int64)
    kept &= (length > 2)[ring_of]
    key, vertices = np.unique(xy[kept, 0] * FULL_CIRCLE + xy[kept, 1], return_inverse=True)
    y = (key + FULL_CIRCLE // 2) % FULL_CIRCLE - FULL_CIRCLE // 2
    left = length > 2
    places = np.column_stack([(key - y) // FULL_CIRCLE, y])
    return _Outlines(shape_of_part[is_area][part_of_ring][left], length[left], vertices, places)


def _suitable_tolerance(places: Integers) -> float:
    """Return a tolerance in degrees of latitude: a part of the extent that is below what is seen of the whole."""
    if not len(places):
        return 0.0
    width, height = np.ptp(places, axis=0) / UNITS_PER_DEGREE
    return float(max(width * _east_of(places), height)) / FINEST_PART


def _east_of(places: Integers) -> float:
    """Return the length of a degree of longitude in degrees of latitude, in the middle of some places."""
    middle = (places[:, 1].min() + places[:, 1].max()) / 2
    return float(np.cos(np.radians(middle / UNITS_PER_DEGREE)))


def _safe_uses(outlines: _Outlines) -> _Uses:
    """Cut rings into arcs, none closed and no two with the same ends, which simplifying could lay upon each other."""
    is_node = _nodes(outlines)
    while True:
        uses = _uses(outlines, is_node)
        needed = _needed_nodes(uses.arcs, outlines.places)
        if not needed:
            return uses
        is_node[needed] = True


def _nodes(outlines: _Outlines) -> NDArray[np.bool_]:
    """Return which vertices are ends of arcs: where not just two borders meet, and two of each ring without any."""
    here = outlines.vertices
    after = _next_in_ring(outlines)
    there, count = here[after], len(outlines.places)
    edges = np.sort(np.minimum(here, there) * count + np.maximum(here, there))
    edges = edges[np.diff(edges, prepend=-1) > 0]
    is_node: NDArray[np.bool_] = np.bincount(np.r_[edges // count, edges % count], minlength=count) != 2
    if len(here):
        start = np.r_[0, np.cumsum(outlines.length)[:-1]]
        alone = ~np.logical_or.reduceat(is_node[here], start)
        is_node[np.minimum.reduceat(here, start)[alone]] = True
        is_node[np.maximum.reduceat(here, start)[alone]] = True
    return is_node


def _next_in_ring(outlines: _Outlines) -> Integers:
    """Return, for every vertex of the rings, the position of the one after it."""
    after = np.arange(1, len(outlines.vertices) + 1)
    end = np.cumsum(outlines.length)
    after[end - 1] = end - outlines.length
    return after


def _uses(outlines: _Outlines, is_node: NDArray[np.bool_]) -> _Uses:
    """Cut rings at nodes; an arc is known by the first of its edges, seen from the smaller end."""
    vertices, ring = _rotated(outlines, is_node)
    nodes = np.flatnonzero(is_node[vertices])
    within = ring[nodes[1:]] == ring[nodes[:-1]]
    first, last = nodes[:-1][within], nodes[1:][within]
    base = len(outlines.places)
    ahead = vertices[first] * base + vertices[first + 1]
    back = vertices[last] * base + vertices[last - 1]
    _, sample, arc = np.unique(np.minimum(ahead, back), return_index=True, return_inverse=True)
    backwards = back < ahead
    arcs = [
        vertices[start : end + 1][::-1] if turned else vertices[start : end + 1]
        for start, end, turned in zip(
            first[sample].tolist(), last[sample].tolist(), backwards[sample].tolist(), strict=True
        )
    ]
    return _Uses(ring[first], arc, backwards, arcs)


def _rotated(outlines: _Outlines, is_node: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return the vertices of all rings, each from its first node around to that node again, and their rings."""
    start = np.cumsum(outlines.length) - outlines.length
    positions = np.flatnonzero(is_node[outlines.vertices])
    offset = positions[np.searchsorted(positions, start)] - start
    ring = np.repeat(np.arange(len(start)), outlines.length + 1)
    step = np.arange(len(ring)) - np.repeat(start + np.arange(len(start)), outlines.length + 1)
    return outlines.vertices[start[ring] + (offset[ring] + step) % outlines.length[ring]], ring


def _needed_nodes(arcs: Sequence[Integers], places: Integers) -> list[int]:
    """Return the vertices at which arcs must be cut: the farthest of each that is closed or has the ends of another."""
    ends = [tuple(sorted((arc[0], arc[-1]))) for arc in arcs]
    count = Counter(ends)
    doubtful = (arc for arc, (one, other) in zip(arcs, ends, strict=True) if one == other or count[one, other] > 1)
    return [int(arc[_farthest(places[arc].astype(np.float64))]) for arc in doubtful if len(arc) > 2]


def _farthest(xy: Floats) -> int:
    """Return the inner point of a line that is farthest from the straight line between its ends, or from its end."""
    along, away = xy[-1] - xy[0], xy[1:-1] - xy[0]
    far = np.abs(away[:, 0] * along[1] - away[:, 1] * along[0]) if along.any() else np.hypot(away[:, 0], away[:, 1])
    return 1 + int(far.argmax())


def _simplified(arcs: Sequence[Integers], tolerance: float) -> list[Integers]:
    """Simplify arcs in a plane in which east is as long as north; ends stay, and none comes to cross or touch another.

    Each arc is simplified by itself (Douglas and Peucker 1973); whichever then meet others elsewhere than at their ends
    are taken back, until none are left but those that met before.
    """
    if not arcs:
        return []
    xy = np.concatenate(arcs)
    plane = np.array([_east_of(xy), 1.0])
    line_of = np.repeat(np.arange(len(arcs)), [len(arc) for arc in arcs])
    lines = shapely.simplify(shapely.linestrings(xy * plane, indices=line_of), tolerance, preserve_topology=False)
    left, line_of = shapely.get_coordinates(lines, return_index=True)
    simple = np.split(np.rint(left / plane).astype(np.int64), np.flatnonzero(np.diff(line_of)) + 1)
    is_simpler = np.array([len(after) < len(before) for after, before in zip(simple, arcs, strict=True)])
    while (meeting := _meeting(simple) & is_simpler).any():
        for number in np.flatnonzero(meeting).tolist():
            simple[number] = arcs[number]
        is_simpler &= ~meeting
    return simple


def _meeting(arcs: Sequence[Integers]) -> NDArray[np.bool_]:
    """Return which arcs meet others, or themselves, elsewhere than at ends of edges, or run along each other."""
    xy = np.concatenate(arcs)
    arc_of = np.repeat(np.arange(len(arcs)), [len(arc) for arc in arcs])
    within = np.flatnonzero(arc_of[1:] == arc_of[:-1])
    ends = np.stack([xy[within], xy[within + 1]], axis=1)
    edges: Geometries = np.asarray(shapely.linestrings(ends))
    one, other = shapely.STRtree(edges).query(edges, predicate="intersects")
    ahead = one < other
    one, other = one[ahead], other[ahead]
    bad = np.ones(len(one), dtype=bool)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):  # that they share an end is right, unless they go the same way
        a, b = ends[one, 1 - i] - ends[one, i], ends[other, 1 - j] - ends[other, j]
        straight = a[:, 0] * b[:, 1] == a[:, 1] * b[:, 0]
        same_way = straight & ((a * b).sum(axis=1) > 0)
        bad &= ~((ends[one, i] == ends[other, j]).all(axis=1) & ~same_way)
    found = np.zeros(len(arcs), dtype=bool)
    found[arc_of[within[one[bad]]]] = found[arc_of[within[other[bad]]]] = True
    return found


def _rings(count: int, outlines: _Outlines, uses: _Uses) -> list[list[list[int]]]:
    """Return, by shape, its rings as numbers of arcs with their direction in the last bit."""
    found: list[list[list[int]]] = [[] for _ in range(count)]
    steps = (2 * uses.arc + uses.backwards).tolist()
    begins = np.searchsorted(uses.ring, np.arange(len(outlines.length) + 1)).tolist()
    for number, shape in enumerate(outlines.shape_of.tolist()):
        found[shape].append(steps[begins[number] : begins[number + 1]])
    return found
