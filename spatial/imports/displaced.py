"""Whether shapes lie where a shifted system, read as if it were not, would put them. Pure.

Reading GCJ-02 as WGS 84 moves everything by 300 to 900 m, which no check of validity shows. Where the same things, or
the outline of the whole, are known already, undoing the shift brings them together, and nothing else does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import GRS80, Floats, Geometries
from spatial.shifted import from_bd09, from_gcj02, to_gcj02

LEAST_M, MOST_M = 250.0, 1500.0  # of such displacements; what differs by less is another survey
CLOSER = 0.6  # of the distance at most, once the shift is undone
FEWEST_PAIRS = 3
OUTLINE_POINTS = 1000
Cause = Literal["gcj02", "bd09", "not-gcj02"]
UNDONE: dict[Cause, Callable[[Floats], Floats]] = {"gcj02": from_gcj02, "bd09": from_bd09, "not-gcj02": to_gcj02}


@dataclass(frozen=True)
class Displaced:
    """What shapes look like: GCJ-02 or BD-09 read as WGS 84, or converted from GCJ-02 that they were not in.

    The medians of their distances from the reference, as they are and with that undone, over how many places.
    """

    looks_like: Cause
    metres: float
    metres_undone: float
    places: int


def displaced_pairs(shapes: Geometries, references: Geometries) -> Displaced | None:
    """Return how shapes are displaced against the same things as they are known, by their centroids; None if not."""
    if len(shapes) < FEWEST_PAIRS:
        return None
    known = _centroids(references)
    return _judged(_centroids(shapes), lambda places: _metres(places, known))


def displaced_outline(shapes: Geometries, references: Geometries) -> Displaced | None:
    """Return how tilings are displaced against one another, by the outlines of the whole; None if they are not."""
    if len(shapes) == 0 or len(references) == 0:
        return None
    outline = shapely.boundary(_whole(references))
    shapely.prepare(outline)
    share = np.linspace(0, 1, OUTLINE_POINTS)
    border: Any = shapely.boundary(_whole(shapes))
    points = shapely.line_interpolate_point(border, share, normalized=True)

    def distances(places: Floats) -> Floats:
        nearest = shapely.get_coordinates(shapely.shortest_line(shapely.points(places), outline)).reshape(-1, 2, 2)
        return _metres(nearest[:, 0], nearest[:, 1])

    return _judged(shapely.get_coordinates(points), distances)


def _judged(places: Floats, distances: Callable[[Floats], Floats]) -> Displaced | None:
    metres = float(np.median(distances(places)))
    undone = {cause: float(np.median(distances(undo(places)))) for cause, undo in UNDONE.items()}
    best = min(undone, key=lambda cause: undone[cause])
    if LEAST_M <= metres <= MOST_M and undone[best] <= CLOSER * metres:
        return Displaced(best, round(metres, 1), round(undone[best], 1), len(places))
    return None


def _whole(shapes: Geometries) -> BaseGeometry:
    """Return the area of all shapes; quickly where they are a tiling without faults."""
    try:
        return shapely.coverage_union_all(shapes)
    except shapely.GEOSException:
        return shapely.union_all(shapes)


def _centroids(shapes: Geometries) -> Floats:
    return shapely.get_coordinates(shapely.centroid(shapes))


def _metres(these: Floats, those: Floats) -> Floats:
    return np.asarray(GRS80.inv(these[:, 0], these[:, 1], those[:, 0], those[:, 1])[2])
