"""Reading a place from a request."""

from spatial import crs as systems
from spatial.errors import InputError


def read_place(lon: float, lat: float, crs: str = systems.STORED) -> tuple[float, float]:
    """Return stored degrees of a place in any CRS; one that cannot be on Earth, or is swapped, is an `InputError`."""
    if systems.is_in_degrees(crs) and (faults := systems.degree_faults(lon, lat)):
        raise InputError(faults)
    return systems.to_stored_point(lon, lat, crs)
