"""Who owns a place: the boundary rule, and how far the border is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Plane, distance_m
from spatial.lookup.model import Beyond, Candidate


@dataclass(frozen=True)
class Owner:
    """The grid that owns a place, and the other grids that hold it too (inside an overlap, or on the border)."""

    candidate: Candidate
    others: tuple[Candidate, ...]
    on_boundary: bool
    in_overlap: bool
    edge_m: float


def owner(lon: float, lat: float, touching: Sequence[Candidate], plane: Plane) -> Owner | None:
    """Return the owner among the grids of one layer that contain or touch a place.

    On exact contact with several grids the smallest code owns it; inside a faulty overlap too, and that is said.
    Contact is decided on the stored degrees; `edge_m` is the geodesic distance to the owner's nearest border.
    """
    if not touching:
        return None
    first, *others = sorted(touching, key=lambda one: one.grid.code)
    point = Point(lon, lat)
    inside = [shapely.contains_properly(one.shape, point) for one in (first, *others)]
    on_boundary = not inside[0]
    edge_m = 0.0 if on_boundary else reach_m(lon, lat, first.shape.boundary, plane)
    return Owner(first, tuple(others), on_boundary, len(inside) > 1 and any(inside), edge_m)


def beyond(lon: float, lat: float, near: Sequence[Candidate], within_m: float, plane: Plane) -> tuple[Beyond, ...]:
    """Return the grids within some metres of a place, nearest first, then by code."""
    point = Point(lon, lat)
    measured = [
        Beyond(one.grid, reach_m(lon, lat, one.shape, plane), bool(shapely.contains_properly(one.shape, point)))
        for one in near
    ]
    within = [one for one in measured if one.distance_m <= within_m]
    return tuple(sorted(within, key=lambda one: (one.distance_m, one.grid.code)))


def reach_m(lon: float, lat: float, shape: BaseGeometry, plane: Plane) -> float:
    """Return the geodesic distance in metres to the point of a shape that is nearest in the plane; 0 within it."""
    here = plane.to_metres(Point(lon, lat))
    line = shapely.shortest_line(here, plane.to_metres(shape))
    if line.length == 0:
        return 0.0
    (there,) = plane.degrees(shapely.get_coordinates(line)[1:])
    return distance_m(lon, lat, float(there[0]), float(there[1]))
