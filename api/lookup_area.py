"""`/lookup/area`: a circle or an outline in; the grids that it may be in out, the likeliest first."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.asked_place import Crs, Lat, Layers, Lon
from api.deps import AskedInstants, needs
from api.errors import problem_responses
from api.lookup_out import GridOut, PeopleOut, grid_out, people_out
from api.places import read_place
from api.telling import TOLD, Teller, TheTeller
from spatial.crs import STORED
from spatial.history import Moment
from spatial.lookup import stored
from spatial.lookup.area import (
    LONGEST_RADIUS_M,
    SHORTEST_RADIUS_M,
    AreaAnswer,
    AreaLayer,
    AreaQuestion,
    Share,
    circle,
    read_area,
)
from spatial.time import now

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])
Most = Annotated[int, Query(ge=1, le=100, description="candidates of each layer that are told, with who answers")]
Radius = Annotated[
    float, Query(ge=SHORTEST_RADIUS_M, le=LONGEST_RADIUS_M, allow_inf_nan=False, description="geodesic, in metres")
]
OUTLINE: dict[str, JsonValue] = {
    "type": "Polygon",
    "coordinates": [[[120.27, 30.3], [120.28, 30.3], [120.28, 30.31], [120.27, 30.3]]],
}


class AreaIn(BaseModel):
    """A GeoJSON geometry: a Polygon or a MultiPolygon."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": OUTLINE})

    type: Annotated[str, Field(pattern="^(Polygon|MultiPolygon)$")]
    coordinates: list[JsonValue]


@dataclass(slots=True, kw_only=True)
class ShareOut(PeopleOut):
    """A grid's part of the area, whose it is and who answers there."""

    grid: GridOut
    area_m2: float
    share: float


@dataclass(slots=True, kw_only=True)
class AreaLayerOut:
    """What one layer says of the area."""

    layer: str
    title: str
    candidates: Annotated[list[ShareOut], Field(description="the likeliest first")]
    others: Annotated[int, Field(description="candidates beyond `most`")]
    others_share: float
    free_share: Annotated[float, Field(description="what is in no grid that whoever asks sees")]


@dataclass(slots=True, kw_only=True)
class AreaOut:
    """What all layers say of the area."""

    area_m2: float
    at: datetime
    known_at: datetime | None
    next_change_at: Annotated[datetime | None, Field(description="first instant at which any of this may change")]
    versions: Annotated[dict[str, int], Field(description="newest version of each domain the answer stands on")]
    layers: list[AreaLayerOut]


@router.get(
    "/lookup/area",
    summary="Whose may a place be that is known by a circle alone",
    response_model=AreaOut,
    responses={200: {"headers": TOLD}, **problem_responses(404)},
)
async def lookup_circle(
    teller: TheTeller,
    moment: AskedInstants,
    lon: Lon,
    lat: Lat,
    radius_m: Radius,
    crs: Crs = STORED,
    layer: Layers = None,
    most: Most = 20,
) -> Response:
    """Return the grids that a circle comes into, with their shares of its area and who answers there."""
    place = await teller.apart.run(partial(read_place, lon, lat, crs))
    layers = tuple(layer) if layer else None
    return await _answer(teller, AreaQuestion(circle(*place, radius_m), moment.at, moment.known_at, layers, most))


@router.post(
    "/lookup/area",
    summary="Whose may a place be that is known by an outline alone",
    response_model=AreaOut,
    responses={200: {"headers": TOLD}, **problem_responses(404, 413)},
)
async def lookup_outline(
    teller: TheTeller,
    moment: AskedInstants,
    outline: AreaIn,
    crs: Crs = STORED,
    layer: Layers = None,
    most: Most = 20,
) -> Response:
    """Return the grids that an outline comes into, with their shares of its area and who answers there."""
    written = json.dumps(outline.model_dump())  # numbers of any length: they are the faults of the next line
    area = await teller.apart.run(partial(read_area, written, crs))
    layers = tuple(layer) if layer else None
    return await _answer(teller, AreaQuestion(area, moment.at, moment.known_at, layers, most))


async def _answer(teller: Teller, question: AreaQuestion) -> Response:
    moment = Moment(question.at, question.known_at)
    view = teller.view(moment.at) if moment.known_at is None else None
    if view is None:
        found = await teller.stored(moment, lambda session: stored.area_shares(session, question))
    else:
        found = await teller.apart.run(partial(view.area_shares, question, now()))
    lon, lat = question.centre
    shown = await teller.may_show(f"lookup/area/{lon:.6f},{lat:.6f}")
    return teller.reply(area_out(found, teller.lang, phones=shown), is_memory=view is not None)


def area_out(answer: AreaAnswer, lang: str, *, phones: bool) -> AreaOut:
    """Return an answer as it is sent; duty phones only where `phones`."""
    return AreaOut(
        area_m2=round(answer.area_m2, 2),
        at=answer.question.at,
        known_at=answer.question.known_at,
        next_change_at=answer.next_change_at,
        versions=dict(answer.receipt.versions),
        layers=[_layer_out(one, lang, phones) for one in answer.layers],
    )


def _layer_out(one: AreaLayer, lang: str, phones: bool) -> AreaLayerOut:
    return AreaLayerOut(
        layer=one.layer,
        title=one.title[lang],
        candidates=[_share_out(share, lang, phones) for share in one.shares],
        others=one.others,
        others_share=round(one.others_share, 9),
        free_share=round(one.free_share, 9),
    )


def _share_out(one: Share, lang: str, phones: bool) -> ShareOut:
    people = people_out(one.units, one.responsible, one.response, lang, phones)
    return ShareOut(grid=grid_out(one.grid), area_m2=round(one.area_m2, 2), share=round(one.share, 9), **people)
