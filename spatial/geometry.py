"""The plane for metres, the ellipsoid for areas and distances, and rounding.

Degrees are CGCS2000 longitude/latitude (EPSG:4490), x first. Metres are never stored: they are transformed, rounded
to 1 cm, used, and forgotten.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from pyproj.enums import TransformDirection
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]
Shape = TypeVar("Shape", BaseGeometry, Geometries)

GRS80 = Geod(ellps="GRS80")
DEGREE_DECIMALS = 9  # 0.1 mm
SNAP_M = 0.01

_E2 = GRS80.es
# q(φ) = Σ cₖ sin²ᵏ⁺¹ φ: the authalic function (Snyder 1987, eq. 3-12) as a series; what is left out is below 1e-18
AUTHALIC = (1 - _E2) * np.array([(2 * k + 2) / (2 * k + 1) * _E2**k for k in range(9)])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)  # of Gauss and Legendre, to integrate along an edge


@dataclass(frozen=True)
class Plane:
    """The deployment's one planar projection: transverse Mercator on GRS80 about the meridian `lon_0`, in metres."""

    lon_0: float

    @classmethod
    def around(cls, lon: float) -> "Plane":
        """Return the plane about the multiple of 3° nearest to a longitude."""
        return cls(float(3 * round(lon / 3)))

    @cached_property
    def _projection(self) -> Transformer:
        return Transformer.from_crs(
            "+proj=longlat +ellps=GRS80 +type=crs",
            f"+proj=tmerc +lon_0={self.lon_0:g} +ellps=GRS80 +type=crs",
            always_xy=True,
        )

    def metres(self, lonlat: Floats) -> Floats:
        """Return x, y in metres of an (n, 2) array of degrees, not rounded."""
        return np.column_stack(self._projection.transform(lonlat[:, 0], lonlat[:, 1]))

    def degrees(self, xy: Floats) -> Floats:
        """Return degrees of an (n, 2) array of metres, rounded to what is stored."""
        back = self._projection.transform(xy[:, 0], xy[:, 1], direction="INVERSE")
        return np.round(np.column_stack(back), DEGREE_DECIMALS)

    def metres_of(self, lon: float, lat: float) -> tuple[float, float]:
        """Return x, y in metres of one place, not rounded: ten times as fast as an array of one."""
        x, y = self._projection.transform(lon, lat)
        return x, y

    def degrees_of(self, x: float, y: float) -> tuple[float, float]:
        """Return longitude and latitude of one place in metres, rounded to what is stored."""
        lon, lat = self._projection.transform(x, y, direction=TransformDirection.INVERSE)
        return round(lon, DEGREE_DECIMALS), round(lat, DEGREE_DECIMALS)

    def to_metres(self, shape: Shape) -> Shape:
        """Return shapes in metres, not rounded."""
        return shapely.transform(shape, self.metres)

    def to_degrees(self, shape: Shape) -> Shape:
        """Return shapes in degrees, rounded to what is stored."""
        return shapely.transform(shape, self.degrees)


def round_degrees(shape: Shape) -> Shape:
    """Return shapes with every coordinate rounded to the 9 decimals that are stored."""
    return shapely.transform(shape, lambda lonlat: np.round(lonlat, DEGREE_DECIMALS))


def distance_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Return the geodesic distance on GRS80, in metres."""
    return float(GRS80.inv(lon, lat, other_lon, other_lat)[2])


def point_inside(shape: BaseGeometry) -> tuple[float, float]:
    """Return longitude and latitude of a place inside of an area, to 1 cm."""
    inside = shapely.point_on_surface(shape)
    return round(inside.x, 7), round(inside.y, 7)


def area_m2(shapes: Geometries) -> Floats:
    """Return the authalic GRS80 area of polygons in degrees, m², with edges straight in longitude and latitude.

    Such areas are additive: pieces sum to their whole, which geodesic areas do not. They differ from geodesic ones by
    less than 1.5e-5. Each edge contributes ∫ q(φ) dλ, q being the authalic function, by Gauss–Legendre.
    """
    shapes = np.atleast_1d(np.asarray(shapes, dtype=object))
    parts, part_owner = shapely.get_parts(shapes, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    if len(rings) == 0:
        return np.zeros(len(shapes))
    lonlat, ring_of = shapely.get_coordinates(rings, return_index=True)
    start, end = lonlat[:-1], lonlat[1:]
    within = ring_of[:-1] == ring_of[1:]
    # relative to the ring's first latitude, so that the sum does not lose digits to the polar cap
    first = np.searchsorted(ring_of, np.arange(len(rings)))
    q_0 = _authalic_q(lonlat[first, 1])[ring_of[:-1]]
    width = np.radians(end[:, 0] - start[:, 0])
    half = (end[:, 1] - start[:, 1]) / 2
    middle = (end[:, 1] + start[:, 1]) / 2
    q = sum(weight / 2 * (_authalic_q(middle + node * half) - q_0) for node, weight in zip(NODES, WEIGHTS, strict=True))
    swept = np.bincount(ring_of[:-1], np.where(within, width * q, 0.0), minlength=len(rings))
    is_hole = np.r_[False, ring_part[1:] == ring_part[:-1]]
    ring_area = np.abs(swept) * GRS80.a**2 / 2 * np.where(is_hole, -1.0, 1.0)
    return np.bincount(part_owner[ring_part], ring_area, minlength=len(shapes)).astype(np.float64)


def _authalic_q(lat: Floats) -> Floats:
    sin = np.sin(np.radians(lat))
    q: Floats = sin * np.polynomial.polynomial.polyval(sin * sin, AUTHALIC)
    return q
