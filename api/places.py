"""Reading a place from a request."""

import math

from spatial import crs as systems
from spatial.errors import Fault, InputError


def read_place(lon: float, lat: float, crs: str = systems.STORED) -> tuple[float, float]:
    """Return stored degrees of a place in any CRS; one that cannot be on Earth, or is swapped, is an `InputError`."""
    if crs == systems.STORED:
        if faults := systems.degree_faults(lon, lat):
            raise InputError(faults)
        return lon, lat
    if systems.is_in_degrees(crs) and (faults := systems.degree_faults(lon, lat)):
        raise InputError(faults)
    return systems.to_stored_point(lon, lat, crs)


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
