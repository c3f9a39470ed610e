"""GCJ-02 and BD-09, the shifted degrees of Chinese map services.

The shift acts inside mainland China only, not in Hong Kong, Macau or Taiwan, and not in neighbouring countries.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]
SHIFTED = ("gcj02", "bd09")
INVERSE_TOLERANCE = 1e-11  # degrees


def shifted_name(crs: str) -> str | None:
    """Return the usual name of a shifted system, None for every other."""
    name = crs.strip().lower().replace("-", "").replace("_", "")
    return name if name in SHIFTED else None


_A = 6378245.0  # the published formula's ellipsoid: Krassovsky 1940
_EE = 0.00669342162296594323
_BD_TURN = np.pi * 3000 / 180


def to_gcj02(lonlat: Floats) -> Floats:
    """Return degrees shifted to GCJ-02 inside mainland China."""
    return np.where(_in_mainland(lonlat), _gcj02(lonlat), lonlat)


def to_bd09(lonlat: Floats) -> Floats:
    """Return degrees shifted to BD-09 inside mainland China."""
    return np.where(_in_mainland(lonlat), _bd09(lonlat), lonlat)


def from_gcj02(shifted: Floats) -> Floats:
    """Return the degrees whose GCJ-02 is `shifted`, to better than 1e-9°."""
    return _unshifted(shifted, _gcj02)


def from_bd09(shifted: Floats) -> Floats:
    """Return the degrees whose BD-09 is `shifted`, to better than 1e-9°."""
    return _unshifted(shifted, _bd09)


def _unshifted(shifted: Floats, shift: Callable[[Floats], Floats]) -> Floats:
    """Invert by fixed-point iteration: the shift changes slowly, so each step gains three digits or more."""
    guess = shifted
    for _ in range(20):
        miss = shifted - shift(guess)
        guess = guess + miss
        if not (np.abs(miss) > INVERSE_TOLERANCE).any():
            break
    return np.where(_in_mainland(guess), guess, shifted)


def _gcj02(lonlat: Floats) -> Floats:
    """Apply the usual published formula, which official positions follow to about 0.7 m."""
    x, y = lonlat[:, 0] - 105, lonlat[:, 1] - 35
    shared = 20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)
    north = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north += (shared + 20 * np.sin(np.pi * y) + 40 * np.sin(np.pi * y / 3)) * 2 / 3
    north += (160 * np.sin(np.pi * y / 12) + 320 * np.sin(np.pi * y / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east += (shared + 20 * np.sin(np.pi * x) + 40 * np.sin(np.pi * x / 3)) * 2 / 3
    east += (150 * np.sin(np.pi * x / 12) + 300 * np.sin(np.pi * x / 30)) * 2 / 3
    lat = np.radians(lonlat[:, 1])
    curve = 1 - _EE * np.sin(lat) ** 2
    d_lon = np.degrees(east / (_A / np.sqrt(curve) * np.cos(lat)))
    d_lat = np.degrees(north / (_A * (1 - _EE) / (curve * np.sqrt(curve))))
    shift: Floats = np.column_stack([d_lon, d_lat])
    return lonlat + shift


def _bd09(lonlat: Floats) -> Floats:
    lon, lat = _gcj02(lonlat).T
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_TURN)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_TURN)
    return np.column_stack([radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006])


def _in_mainland(lonlat: Floats) -> NDArray[np.bool_]:
    """Return, as a column, which positions lie where the shift is in use."""
    inside = shapely.contains_xy(mainland(), lonlat[:, 0], lonlat[:, 1])
    return np.asarray(inside, dtype=np.bool_)[:, np.newaxis]


@lru_cache(maxsize=1)
def mainland() -> BaseGeometry:
    """Return where the shift is in use: generous by some 20 km at sea and at land borders, exact at Hong Kong."""
    numbers = [[float(number) for number in ring.split()] for ring in (_LAND, _XISHA, _HONG_KONG, _MACAU, _KINMEN)]
    land, xisha, *without = [shapely.Polygon(zip(ring[::2], ring[1::2], strict=True)) for ring in numbers]
    area = shapely.difference(shapely.union(land, xisha), shapely.union_all(without))
    shapely.prepare(area)
    return area


_LAND = """
73.33 39.27 73.76 40.14 74.69 40.69 75.59 40.88 76.35 40.62 76.82 41.24 77.62 41.23 79.95 42.26 80.51 43.46 79.76
45.09 82.1 45.47 82.99 47.43 85.4 47.28 85.4 48.3 86.44 48.72 86.85 49.35 87.88 49.38 88.84 48.35 90.52 47.81 91.29
46.62 91.02 45.43 93.6 45.16 95.57 44.45 96.57 42.96 100.9 42.89 105 41.85 107.4 42.67 110.28 42.95 111.63 43.82 111.2
44.42 111.92 45.3 113.59 44.98 114.48 45.6 115.61 45.67 116.47 46.48 117.37 46.8 119.64 46.84 118.46 47.77 117.9 47.8
117.4 47.42 116.8 47.68 115.98 47.47 115.31 48.13 116.55 50 117.74 49.77 119 50.21 118.92 50.48 119.85 51.72 120.48
52.11 120.41 52.4 119.86 52.49 119.93 52.97 120.89 53.51 123.53 53.78 125.73 53.26 126.74 52.24 127.87 49.83 129.56
49.64 130.8 49.05 131.15 47.93 132.44 47.97 134.48 48.64 135.31 48.43 134.87 48.08 134.96 47.61 134.44 47.22 133.28
44.97 131.92 45.06 131.33 44.71 131.52 43.35 130.76 42.24 130 42.72 129.84 42.25 128.42 41.79 128.24 41.18 126.87
41.51 126.15 40.73 124.18 39.53 123.29 39.48 123.32 38.87 122.23 38.97 121.09 38.52 120.95 38.03 121.32 37.81 122.77
37.62 122.75 36.91 121.17 36.43 119.81 35.4 120.13 35.08 119.7 34.77 120.39 34.48 121.18 32.75 122.05 32.02 122.17
30.83 122.75 30.75 122.85 30.1 122.27 29.22 122.43 28.74 119.9 26.12 120.02 25.32 118.34 24.31 116.57 22.73 114.4
22.27 114.47 21.9 113.99 21.63 113.51 21.82 112.84 21.36 112.19 21.51 110.86 21.17 110.72 20.35 111.25 19.63 110.58
18.52 109.64 17.96 108.59 18.31 108.41 18.81 108.51 19.51 109.7 20.22 109.49 21.24 109.04 20.82 108.83 21.41 107.28
21.39 106.54 21.81 106.4 22.64 105.31 23.09 104.02 22.29 103.02 22.23 102.57 22.5 101.82 22.18 102.05 21.23 101.77
20.93 101.17 20.99 100.93 21.41 100.05 21.3 99.73 21.83 99.02 21.99 99.16 22.88 98.74 23.02 98.46 23.9 97.73 23.64
97.33 23.84 97.35 24.82 98.39 26 98.55 26.63 98.49 27.33 98.12 27.43 97.81 28.11 97.08 27.52 95.76 28.05 93.93 26.84
92.13 26.64 91.34 27.79 89.83 27.98 89 26.99 88.59 27.36 88.64 27.86 87.72 27.59 85.89 27.72 81.88 30.14 81.1 29.8
79.65 30.72 78.98 30.81 78.21 32.21 78.3 32.75 78.77 32.92 78.99 32.63 79.05 32.68 78.46 33.66 78.6 34.3 78.1 34.49
77.79 35.25 76.03 35.64 75.72 36.5 74.36 36.9 74.32 37.35 74.73 37.5 74.57 38.37 73.68 38.42
"""
_XISHA = """
111 15.6 113 15.6 113 17.3 111 17.3
"""
_HONG_KONG = """
114.056 22.504 114.064 22.517 114.078 22.516 114.083 22.52 114.084 22.525 114.08 22.532 114.09 22.538 114.109 22.536
114.113 22.531 114.125 22.541 114.143 22.543 114.162 22.563 114.183 22.556 114.216 22.556 114.228 22.546 114.266
22.574 114.275 22.565 114.297 22.572 114.301 22.591 114.318 22.6 114.426 22.6 114.44 22.571 114.458 22.569 114.468
22.549 114.485 22.537 114.477 22.51 114.485 22.491 114.482 22.47 114.515 22.451 114.528 22.472 114.544 22.484 114.559
22.477 114.6 22.495 114.6 22.13 113.83 22.13 113.83 22.4 113.87 22.43 113.93 22.455 113.97 22.485 114.01 22.505 114.03
22.506
"""

_MACAU = """
113.549 22.141 113.53 22.165 113.53 22.214 113.62 22.216 113.62 22.09 113.543 22.09
"""

_KINMEN = "118.205 24.36 118.52 24.36 118.52 24.53 118.205 24.53"
