"""Who owns a place: the boundary rule, and how far the border is. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry

from spatial.geometry import GRS80, Floats, Geometries, Plane
from spatial.lookup.model import Beyond, Candidate

METRES_PER_DEGREE = 110_500.0  # a little less than anywhere, so that boxes are a little too large


@dataclass(frozen=True)
class Spot:
    """A place: longitude and latitude in degrees, and the plane in which metres about it are found."""

    lon: float
    lat: float
    plane: Plane

    @cached_property
    def point(self) -> Point:
        """The place in degrees."""
        return Point(self.lon, self.lat)

    def box(self, radius_m: float) -> BaseGeometry:
        """Return a box in degrees that holds a circle about the place, and a little more."""
        dy = radius_m / METRES_PER_DEGREE
        dx = dy / max(math.cos(math.radians(min(abs(self.lat) + dy, 89.0))), 0.01)
        return shapely.box(self.lon - dx, self.lat - dy, self.lon + dx, self.lat + dy)

    @cached_property
    def metres(self) -> Point:
        """The place in the plane, in metres; infinite where it is too far away to be in it."""
        return Point(*self.plane.metres_of(self.lon, self.lat))


def away_m(plane: Plane, lon: float, lat: float, x: float, y: float) -> float:
    """Return the geodesic distance in metres from a place in degrees to one in the plane."""
    return float(GRS80.inv(lon, lat, *plane.degrees_of(x, y))[2])


@dataclass(frozen=True)
class Owner:
    """The grid that owns a place, and the other grids that hold it too (inside an overlap, or on the border)."""

    candidate: Candidate
    others: tuple[Candidate, ...]
    on_boundary: bool
    in_overlap: bool
    edge_m: float


def owner(spot: Spot, touching: Sequence[Candidate]) -> Owner | None:
    """Return the owner among the grids of one layer that contain or touch a place.

    On exact contact with several grids the smallest code owns it; inside a faulty overlap too, and that is said.
    Contact is decided on the stored degrees; `edge_m` is the geodesic distance to the owner's nearest border.
    """
    if not touching:
        return None
    first, *others = sorted(touching, key=lambda one: one.grid.code)
    inside = [shapely.contains_properly(one.shape, spot.point) for one in (first, *others)]
    on_boundary, edge_m = border(spot, first)
    return Owner(first, tuple(others), on_boundary, len(inside) > 1 and any(inside), edge_m)


def border(spot: Spot, area: Candidate) -> tuple[bool, float]:
    """Return whether a place is on the border of an area that holds it, and the metres to the nearest border."""
    on_boundary = not shapely.contains_properly(area.shape, spot.point)
    return on_boundary, 0.0 if on_boundary else float(reach_m(spot, [area.border])[0])


def beyond(spot: Spot, near: Sequence[Candidate], within_m: float) -> dict[Beyond, Candidate]:
    """Return the grids within some metres of a place, nearest first, then by code; of a grid in pieces the nearest."""
    reaches_m = reach_m(spot, [one.metres for one in near])
    within = [
        (Beyond(one.grid, float(away_m), bool(shapely.contains_properly(one.shape, spot.point))), one)
        for one, away_m in zip(near, reaches_m, strict=True)
        if away_m <= within_m
    ]
    found: dict[int, tuple[Beyond, Candidate]] = {}
    for one in sorted(within, key=lambda one: (one[0].distance_m, one[0].grid.code)):
        found.setdefault(one[0].grid.id, one)
    return dict(found.values())


def pieces(grids: Iterable[Candidate], overrides: Iterable[Candidate]) -> list[Candidate]:
    """Return what is whose where areas of overrides lie on grids: of several the first decides; in degrees."""
    taken: BaseGeometry = shapely.Polygon()
    found = []
    for one in overrides:
        found.append(replace(one, shape=one.shape.difference(taken)))
        taken = taken.union(one.shape)
    found += [replace(one, shape=one.shape.difference(taken)) for one in grids]
    return [one for one in found if not one.shape.is_empty]


def united(grid: Candidate, pieces: Iterable[Candidate]) -> Candidate:
    """Return a grid with all pieces that are its own."""
    return replace(grid, shape=shapely.union_all([one.shape for one in pieces if one.grid.id == grid.grid.id]))


def reach_m(spot: Spot, shapes: Sequence[BaseGeometry]) -> Floats:
    """Return the geodesic distances in metres to the points of shapes in the plane that are nearest there; 0 within.

    To a place so far away that it is not in the plane, the nearest vertex is near enough.
    """
    if not shapes:
        return np.zeros(0)
    if not math.isfinite(spot.metres.x):
        return np.array([_far_m(spot.plane, spot.lon, spot.lat, shape) for shape in shapes])
    ends = shapely.get_coordinates(shapely.shortest_line(spot.metres, np.array(shapes))).tolist()
    lines = zip(ends[::2], ends[1::2], strict=True)
    return np.array([away_m(spot.plane, spot.lon, spot.lat, *there) if here != there else 0.0 for here, there in lines])


def reaches_m(plane: Plane, lonlat: Floats, points_m: Geometries, shapes_m: Geometries) -> Floats:
    """Return the geodesic distance in metres of each place to its own shape, as `reach_m` does.

    `lonlat`: (n, 2) degrees; `points_m`, `shapes_m`: the same places, and the shapes, in the plane.
    """
    found = np.zeros(len(lonlat))
    near = np.isfinite(shapely.get_x(points_m))
    lines = shapely.shortest_line(points_m[near], shapes_m[near])
    there = plane.degrees(shapely.get_coordinates(lines)[1::2])
    lon, lat = lonlat[near].T
    found[near] = np.where(shapely.length(lines) > 0, GRS80.inv(lon, lat, *there.T)[2], 0.0)
    for place in np.flatnonzero(~near).tolist():
        found[place] = _far_m(plane, float(lonlat[place, 0]), float(lonlat[place, 1]), shapes_m[place])
    return found


def _far_m(plane: Plane, lon: float, lat: float, shape_m: BaseGeometry) -> float:
    """Return the geodesic distance in metres to the nearest vertex of a shape."""
    vertices = plane.degrees(shapely.get_coordinates(shape_m))
    _, _, away = GRS80.inv(np.full(len(vertices), lon), np.full(len(vertices), lat), *vertices.T)
    return float(np.min(away))
