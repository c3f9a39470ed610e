"""The place that a look-up asks about: two numbers in some system of coordinates, or a text."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy.orm import Session

from api.deps import AskedInstants
from api.places import read_place
from api.telling import TheTeller
from spatial import places
from spatial.crs import STORED
from spatial.errors import Fault, InputError, NotFound
from spatial.history import Moment
from spatial.places import Told

EXACTLY_M = 1.0  # how well a place is known of which nothing else is said
CANDIDATES = 5

_lon = Query(allow_inf_nan=False, description="longitude, or x in `crs`", examples=[120.27])
_lat = Query(allow_inf_nan=False, description="latitude, or y in `crs`", examples=[30.3])
Lon = Annotated[float, _lon]
Lat = Annotated[float, _lat]
Crs = Annotated[str, Query(max_length=4000, description="EPSG code, WKT, PROJ string, gcj02 or bd09")]
Layers = Annotated[list[str] | None, Query(description="codes of layers; default all")]
Category = Annotated[str | None, Query(max_length=100, description="code of the matter: who answers for it")]
Words = Annotated[
    str | None,
    Query(
        max_length=places.LONGEST,
        description="instead of `lon` and `lat`: address, crossing, stake, pole, name, map link, BeiDou code",
        examples=["人民路12号"],
    ),
]
Accuracy = Annotated[
    float | None,
    Query(ge=0, le=10_000, allow_inf_nan=False, description="how well it is known; default 1, or as the text tells"),
]


@dataclass(frozen=True)
class AskedPlace:
    """A place in stored degrees, how well it is known, and what its text was read as."""

    lon: float
    lat: float
    accuracy_m: float
    told: Told | None = None

    @property
    def called(self) -> str | None:
        """What the place is called, where its text was a name or an address."""
        return self.told.found[0].text if self.told and not self.told.written else None


def place_told(session: Session, text: str, moment: Moment, accuracy_m: float | None) -> AskedPlace:
    """Return the place that a text means, the surest of several; `NotFound` where it means none."""
    told = places.told(session, text, CANDIDATES, at=moment.at)
    found = told.written or next(iter(told.found), None)
    if found is None:
        raise NotFound("no-such-place", words=text)
    return AskedPlace(found.lon, found.lat, found.accuracy_m if accuracy_m is None else accuracy_m, told)


async def get_place(
    teller: TheTeller,
    moment: AskedInstants,
    lon: Annotated[float | None, _lon] = None,
    lat: Annotated[float | None, _lat] = None,
    crs: Crs = STORED,
    text: Words = None,
    accuracy_m: Accuracy = None,
) -> AskedPlace:
    """Return the place that is asked about."""
    if text is not None:
        beside = [name for name, value in (("lon", lon), ("lat", lat)) if value is not None]
        if beside:
            raise InputError([Fault(name, "place-told-twice") for name in beside])
        return await teller.stored(Moment(moment.at), lambda session: place_told(session, text, moment, accuracy_m))
    missing = [Fault(name, "missing") for name, value in (("lon", lon), ("lat", lat)) if value is None]
    if lon is None or lat is None:
        raise InputError(missing)
    place = read_place(lon, lat) if crs == STORED else await teller.apart.run(partial(read_place, lon, lat, crs))
    return AskedPlace(*place, EXACTLY_M if accuracy_m is None else accuracy_m)


ThePlace = Annotated[AskedPlace, Depends(get_place)]
