"""The rim of a tiling: edges that one grid alone has, and the vertices that an edit adds to them. Pure."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Floats, Geometries
from spatial.grids.noding import Rings
from spatial.grids.tiling import canonical
from spatial.redraw.model import array_of

Vertex = tuple[float, float]
Edge = tuple[Vertex, Vertex]  # from its smaller end
ROUNDED_DEGREES = 1.5e-7  # a vertex on an edge lies on the grid of 1 cm, and so up to this far, roughly, from the edge


def rim(shapes: Geometries) -> set[Edge]:
    """Return the edges that only one of some shapes has."""
    if len(shapes) == 0:
        return set()
    edges = Rings.of(shapes).edges()
    once = np.bincount(edges.number, minlength=len(edges.low)) == 1
    return {((a, b), (c, d)) for a, b, c, d in np.column_stack([edges.a, edges.b])[once].tolist()}


def new_on_rim(before: Geometries, after: Geometries) -> dict[Edge, list[Vertex]]:
    """Return the edges of the rim that are split, and at which vertices, from the smaller end of each."""
    was, now = rim(before), rim(after)
    gone, made = sorted(was - now), now - was
    if not gone:
        return {}
    onward: dict[Vertex, set[Vertex]] = {}
    for one, other in made:
        onward.setdefault(one, set()).add(other)
        onward.setdefault(other, set()).add(one)
    return {edge: path for edge in gone if (path := _path(edge, onward))}


def split_at(before: Geometries, after: Geometries) -> dict[Edge, list[Vertex]]:
    """Return the edges of the rim that are split where they are, and at which vertices; none of those that move."""
    found = new_on_rim(before, after)
    return {edge: path for edge, path in found.items() if max(_off(one, edge) for one in path) < ROUNDED_DEGREES}


def is_split(before: BaseGeometry, after: BaseGeometry) -> bool:
    """Whether a shape is another one with more vertices on its edges, or the same."""
    given = array_of([before]), array_of([after])
    kept = carried_on(before, split_at(*given)) or before
    return bool(shapely.to_wkb(canonical(array_of([kept]))[0]) == shapely.to_wkb(canonical(given[1])[0]))


def _path(edge: Edge, onward: Mapping[Vertex, set[Vertex]]) -> list[Vertex]:
    """Return the vertices between the ends of an edge, along new edges that come nearer to its end; none: no way."""
    at, end = edge
    before, path = None, []
    while at != end:
        ways = [one for one in onward.get(at, ()) if one != before]
        if not ways:
            return []
        before, at = at, min(ways, key=lambda one: _off(one, edge))
        path.append(at)
        if len(path) > len(onward):
            return []
    return path[:-1]


def _off(vertex: Vertex, edge: Edge) -> float:
    return shapely.Point(vertex).distance(shapely.LineString(edge))


def carried_on(shape: BaseGeometry, added: Mapping[Edge, list[Vertex]]) -> BaseGeometry | None:
    """Return a shape with vertices added to those of its edges that have any; None where it has none of these."""
    is_changed = False

    def ring(xy: Floats) -> list[Vertex]:
        nonlocal is_changed
        path: list[Vertex] = []
        vertices = [(x, y) for x, y in xy.tolist()]
        for at, to in pairwise(vertices):
            between = added.get((min(at, to), max(at, to)), [])
            is_changed = is_changed or bool(between)
            path += [at, *(between if at < to else reversed(between))]
        return [*path, vertices[-1]]

    parts = []
    for part in shapely.get_parts(shape):
        shell, *holes = (ring(shapely.get_coordinates(one)) for one in shapely.get_rings(part))
        parts.append(shapely.Polygon(shell, holes))
    return shapely.MultiPolygon(parts) if is_changed else None
