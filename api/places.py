"""Reading a place from a request."""

from spatial import crs as systems
from spatial.errors import Fault, InputError


def read_place(lon: float, lat: float, crs: str = systems.STORED) -> tuple[float, float]:
    """Return stored degrees of a place in any CRS; one that cannot be on Earth, or is swapped, is an `InputError`."""
    if systems.is_shifted(crs) or systems.parse(crs).is_geographic:
        faults = []
        if not -180 <= lon <= 180:
            faults.append(Fault("lon", "longitude-out-of-range", {"value": lon}))
        if not -90 <= lat <= 90:
            swapped = abs(lon) <= 90 and abs(lat) <= 180
            faults.append(Fault("lat", "latitude-swapped" if swapped else "latitude-out-of-range", {"value": lat}))
        if faults:
            raise InputError(faults)
    return systems.to_stored_point(lon, lat, crs)
