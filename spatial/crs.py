"""In and out of other coordinate systems, by name.

Stored degrees are CGCS2000 (EPSG:4490), with which WGS 84 counts as identical: they differ by centimetres to
decimetres. CGCS2000 codes convert to 4490. Every other system converts to EPSG:4326 and is then relabelled, because
PROJ has no datum shift to 4490 and its "ballpark" would silently move Beijing 54 or the British grid by 60–100 m.
Axes are always x, y: longitude, latitude; easting, northing.

`gcj02` and `bd09` are the shifted systems of Chinese map services; a city's own grid is named in the file that the
setting TWINGRID_LOCAL_GRIDS points to.
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from pyproj.network import set_network_enabled  # type: ignore[attr-defined]  # public, but not re-exported
from pyproj.transformer import TransformerGroup
from shapely.geometry.base import BaseGeometry

from spatial.errors import Fault, invalid
from spatial.local_grids import LocalGrid, local_grid
from spatial.shifted import from_bd09, from_gcj02, mainland, shifted_name, to_bd09, to_gcj02

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]
Located = TypeVar("Located", bound=Floats | Geometries | BaseGeometry)
Conversion = Callable[[Floats], Floats]
Bounds = tuple[float, float, float, float]  # west, south, east, north

STORED = "EPSG:4490"
WORLD: Bounds = (-180.0, -90.0, 180.0, 90.0)
LONGEST_NAME = 10_000  # a WKT may be long, but not endless
FAR = 15.0  # degrees
LARGEST = 1e8  # metres or feet; projections wrap around at absurd values
CONTROL_M = 0.5  # by which a local grid may miss a point that is known in both systems
DEGREE_M = 111_320.0

set_network_enabled(active=False)  # grids are never fetched


def to_stored(points: Located, source_crs: str) -> Located:
    """Return an (n, 2) array of coordinates, or shapes, of a named system in stored degrees, not rounded.

    An unknown system, one without a known way to WGS 84, or a position outside of it, is an `InputError` at `crs`.
    """
    return _applied(points, inbound(source_crs), source_crs)


def to_stored_point(x: float, y: float, source_crs: str) -> tuple[float, float]:
    """Return the stored longitude and latitude of one position of a named system, not rounded; errors: `to_stored`."""
    ((lon, lat),) = to_stored(np.array([[x, y]]), source_crs)
    return float(lon), float(lat)


def from_stored(points: Located, target_crs: str, *, allow_shifted: bool = False) -> Located:
    """Return stored degrees in a named system; `gcj02` and `bd09` only where `allow_shifted`.

    Errors: as `to_stored`, and `crs-output-not-allowed`.
    """
    if is_shifted(target_crs) and not allow_shifted:
        raise invalid("crs", "crs-output-not-allowed", crs=target_crs)
    return _applied(points, outbound(target_crs), target_crs)


def axes_swapped(points: Floats, crs: str, extent: Bounds | None = None) -> bool:
    """Return whether coordinates make sense only with their axes swapped, as in latitude, longitude.

    They do when all of them lie in `extent` (default: where the system is used) if swapped, and none as they are.
    """
    bounds, convert = extent or area_of_use(crs), inbound(crs)
    return not _inside(convert(points), bounds).any() and bool(_inside(convert(points[:, ::-1]), bounds).all())


def area_of_use(crs: str) -> Bounds:
    """Return the bounds, in degrees, where a named system is used; the whole world where none are known."""
    if is_shifted(crs):
        west, south, east, north = mainland().bounds
        return west, south, east, north
    grid = local_grid(crs)
    area = parse(grid.crs if grid else crs).area_of_use
    return area.bounds if area else WORLD


def degree_faults(lon: float, lat: float) -> list[Fault]:
    """Return why two numbers cannot be a longitude and a latitude."""
    faults = []
    if not -180 <= lon <= 180:
        faults.append(Fault("lon", "longitude-out-of-range", {"value": lon}))
    if not -90 <= lat <= 90:
        swapped = abs(lon) <= 90 and abs(lat) <= 180
        faults.append(Fault("lat", "latitude-swapped" if swapped else "latitude-out-of-range", {"value": lat}))
    return faults


def is_in_degrees(crs: str) -> bool:
    """Return whether the coordinates of a named system are longitude and latitude."""
    grid = local_grid(crs)
    return is_shifted(crs) or parse(grid.crs if grid else crs).is_geographic


def is_shifted(crs: str) -> bool:
    """Return whether a name is that of a shifted system."""
    return shifted_name(crs) is not None


def inbound(crs: str) -> Conversion:
    """Return the conversion of (n, 2) coordinates to stored degrees; what it cannot convert becomes infinite."""
    if name := shifted_name(crs):
        return from_gcj02 if name == "gcj02" else from_bd09
    grid = local_grid(crs)
    return _local(grid)[0] if grid else _projected(crs, forward=True)


def outbound(crs: str) -> Conversion:
    """Return the conversion of stored degrees to (n, 2) coordinates; what it cannot convert becomes infinite."""
    if name := shifted_name(crs):
        return to_gcj02 if name == "gcj02" else to_bd09
    grid = local_grid(crs)
    return _local(grid)[1] if grid else _projected(crs, forward=False)


def described(crs: str) -> CRS | None:
    """Return a system as files can describe it; None where none can: shifted ones, turned local grids."""
    if is_shifted(crs):
        return None
    grid = local_grid(crs)
    if grid is None:
        return parse(crs)
    return parse(grid.crs) if grid.is_plain else None


@lru_cache(maxsize=16)
def _local(grid: LocalGrid) -> tuple[Conversion, Conversion]:
    """Return the conversions of a local grid, in and out; an `InputError` where it misses its control points."""
    there, back = _projected(grid.crs, forward=True), _projected(grid.crs, forward=False)
    if grid.control:
        known = np.array(grid.control)
        missed = (there(grid.to_system(known[:, :2])) - known[:, 2:]) * DEGREE_M
        missed[:, 0] *= np.cos(np.radians(known[:, 3]))
        worst = float(np.hypot(*missed.T).max())
        if not worst <= CONTROL_M:
            raise invalid("crs", "local-grid-misses", crs=grid.name, metres=round(worst, 2), limit=CONTROL_M)
    return lambda xy: there(grid.to_system(xy)), lambda xy: grid.from_system(back(xy))


def _applied(points: Located, convert: Conversion, crs: str) -> Located:
    def checked(xy: Floats) -> Floats:
        converted = convert(xy)
        if bad := int((~np.isfinite(converted)).any(axis=1).sum()):
            raise invalid("crs", "outside-crs", crs=crs[:80], count=bad)
        return converted

    if isinstance(points, np.ndarray) and points.dtype != object:
        return cast("Located", checked(cast("Floats", points)))
    return cast("Located", shapely.transform(cast("Geometries", points), checked))


def _inside(lonlat: Floats, bounds: Bounds) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((lonlat >= bounds[:2]) & (lonlat <= bounds[2:]), axis=1)
    return inside


# Systems that PROJ knows ---------------------------------------------------------------------------------------------


def parse(crs: str) -> CRS:
    """Return the horizontal part of a system given as an EPSG code, WKT or PROJ string; else an `InputError`."""
    text = crs.strip()
    try:
        if not text or len(text) > LONGEST_NAME:
            raise CRSError(text[:80])
        found = CRS.from_user_input(f"EPSG:{text}" if text.isdecimal() else text)
        if found.is_compound:
            found = found.sub_crs_list[0]
        if not (found.is_geographic or found.is_projected):
            raise CRSError(found.name)
        return found.to_2d()
    except CRSError:
        raise invalid("crs", "unknown-crs", crs=crs[:80]) from None


@lru_cache(maxsize=64)
def _projected(name: str, *, forward: bool) -> Conversion:
    crs = parse(name)
    geodetic = crs.geodetic_crs
    hub = CRS(STORED if geodetic is not None and _is_cgcs2000(geodetic) else "EPSG:4326")
    if crs.equals(hub, ignore_axis_order=True):
        return np.copy
    ends = (crs, hub) if forward else (hub, crs)
    try:
        transformer = Transformer.from_crs(*ends, always_xy=True, allow_ballpark=False)
    except ProjError:
        if grids := _missing_grids(*ends):
            raise invalid("crs", "crs-grid-missing", crs=name[:80], grids=", ".join(grids)) from None
        raise invalid("crs", "crs-without-way", crs=name[:80]) from None

    def convert(xy: Floats) -> Floats:
        there: Floats = np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
        there[~_is_plausible(there if forward else xy, crs) | (np.abs(xy) > LARGEST).any(axis=1)] = np.inf
        return there

    return convert


def _missing_grids(source: CRS, target: CRS) -> list[str]:
    """Return the names of the grid files without which there is no way between two systems."""
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of what is then reported
            operations = TransformerGroup(source, target, always_xy=True, allow_ballpark=False).unavailable_operations
    except IndexError:  # what pyproj raises where there is no operation of any kind
        return []
    return sorted({grid.short_name for operation in operations for grid in operation.grids if not grid.available})


def _is_plausible(lonlat: Floats, crs: CRS) -> NDArray[np.bool_]:
    """Return which positions are not absurdly far from where a system is used: its datum means nothing there.

    Projections wrap or run wild there as well.
    """
    area = crs.area_of_use
    if area is None:
        return np.ones(len(lonlat), bool)
    west, south, east, north = area.bounds
    return _inside(lonlat, (west - FAR, south - FAR, east + FAR, north + FAR))


def _is_cgcs2000(geodetic: CRS) -> bool:
    """Return whether a geodetic system is CGCS2000, also where an ESRI or GDAL WKT names it without its code."""
    datum = geodetic.datum.name if geodetic.datum is not None else ""
    names = {text.lower().replace("_", " ").removeprefix("d ") for text in (geodetic.name, datum)}
    known = {"china 2000", "cgcs2000", "cgcs 2000", "china geodetic coordinate system 2000"}
    return not names.isdisjoint(known | {f"gcs {name}" for name in known})
