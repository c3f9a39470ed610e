"""Reading a place from a request."""

import math

import shapely
from shapely.geometry.base import BaseGeometry

from spatial import crs as systems
from spatial.errors import Fault, InputError, invalid
from spatial.geometry import round_degrees
from spatial.lookup.area import require_fit


def read_place(lon: float, lat: float, crs: str = systems.STORED) -> tuple[float, float]:
    """Return stored degrees of a place in any CRS; one that cannot be on Earth, or is swapped, is an `InputError`."""
    if systems.is_in_degrees(crs) and (faults := systems.degree_faults(lon, lat)):
        raise InputError(faults)
    return systems.to_stored_point(lon, lat, crs)


def read_area(geojson: str, crs: str = systems.STORED) -> BaseGeometry:
    """Return stored degrees of a GeoJSON area in any CRS; one that is none, or more than one place, is refused."""
    try:
        area = shapely.force_2d(shapely.from_geojson(geojson))
    except shapely.GEOSException:
        raise invalid("coordinates", "not-an-area") from None
    if systems.is_in_degrees(crs) and not area.is_empty:
        west, south, east, north = area.bounds
        if faults := (*systems.degree_faults(west, south), *systems.degree_faults(east, north)):
            raise InputError(faults[:1])
    stored = round_degrees(shapely.transform(area, lambda points: systems.to_stored(points, crs)))
    require_fit(stored, "coordinates")
    return stored


def read_numbers(lon: str, lat: str) -> tuple[float, float]:
    """Read two numbers that may be negative and must be finite; the faults of both at once."""
    found, faults = {}, []
    for where, text in (("lon", lon), ("lat", lat)):
        try:
            found[where] = float(text)
        except ValueError:
            faults.append(Fault(where, "not-a-number"))
        else:
            if not math.isfinite(found[where]):
                faults.append(Fault(where, "not-finite"))
    if faults:
        raise InputError(faults)
    return found["lon"], found["lat"]
