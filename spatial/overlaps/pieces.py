"""What the areas of two layers share: arrays of shapes in, one row for each pair that shares anything out. Pure."""

import numpy as np
import shapely

from spatial.geometry import Geometries
from spatial.overlaps.model import Longs, Pieces
from spatial.overlaps.pieces_kernel import (
    AREA,
    DRAWN_AREA,
    EDGE,
    LEFT_INSIDE,
    PART,
    RIGHT_INSIDE,
    TOGETHER,
    UNIT,
    Drawn,
    measure,
    prepare,
)


def pieces(left: Geometries, right: Geometries, pairs: tuple[Longs, Longs] | None = None) -> Pieces:
    """Return what valid areas in stored degrees share; `pairs`: of these alone, else of all that come near each other.

    Whether borders cross, touch or run together is decided exactly. Time grows with the edges where pairs meet.
    """
    one, other = near_pairs(left, right) if pairs is None else pairs
    if len(one) == 0:
        return Pieces(one, other, *np.empty((4, 0)))
    lefts, one_of = np.unique(one, return_inverse=True)
    rights, other_of = np.unique(other, return_inverse=True)
    found = measure(_drawn(left[lefts]), _drawn(right[rights]), one_of, other_of)
    shared = found[:, AREA] > 0
    what = (AREA, LEFT_INSIDE, RIGHT_INSIDE, TOGETHER)
    return Pieces(one[shared], other[shared], *(found[shared, which] for which in what))


def near_pairs(left: Geometries, right: Geometries) -> tuple[Longs, Longs]:
    """Return the pairs of areas whose bounds meet, in ascending order."""
    one, other = shapely.STRtree(right).query(left)
    order = np.lexsort((other, one))
    return one[order], other[order]


def _drawn(shapes: Geometries) -> Drawn:
    parts, shape = shapely.get_parts(shapely.orient_polygons(shapes), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    lonlat, ring = shapely.get_coordinates(rings, return_index=True)
    xy = np.rint(lonlat / UNIT).astype(np.int64)
    begins = np.flatnonzero((ring[:-1] == ring[1:]) & (xy[:-1] != xy[1:]).any(axis=1))
    edges = np.zeros(len(begins), EDGE)
    edges["ax"], edges["ay"] = xy[begins].T
    edges["bx"], edges["by"] = xy[begins + 1].T
    edges["goes_on"][1:] = begins[1:] == begins[:-1] + 1
    of_part = part[ring[begins]]
    drawn_parts = np.zeros(len(parts), PART)
    drawn_parts["first"], drawn_parts["end"] = _ranges(of_part, len(parts))
    areas = np.zeros(len(shapes), DRAWN_AREA)
    areas["first"], areas["end"] = _ranges(shape[of_part], len(shapes))
    areas["part"], areas["parts_end"] = _ranges(shape, len(shapes))
    bounds = np.rint(shapely.bounds(shapes) / UNIT).astype(np.int64)
    for name, of_all in zip(("west", "south", "east", "north"), bounds.T, strict=True):
        areas[name] = of_all
    return Drawn(areas, drawn_parts, edges, *prepare(areas, drawn_parts, edges))


def _ranges(owner: Longs, owners: int) -> tuple[Longs, Longs]:
    """Return where what belongs to each owner, in ascending order, begins and ends."""
    bounds = np.searchsorted(owner, np.arange(owners + 1))
    return bounds[:-1], bounds[1:]
