"""`GET /lookup/changes`: a place and a time in; who and what changes there, and when, out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.asked_place import Crs, Lat, Layers, Lon
from api.changes_text import told
from api.deps import InstantText, needs
from api.errors import problem_responses
from api.instants import future_faults, read_instants
from api.lookup_out import LayerOut, PlaceOut, layer_out
from api.places import read_place
from api.telling import TheTeller
from spatial.crs import STORED
from spatial.errors import Fault, InputError
from spatial.history import Moment
from spatial.lookup import stored
from spatial.lookup.changes import Changes, changes
from spatial.lookup.model import Question
from spatial.time import now

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])
DAY, LONGEST = timedelta(days=1), timedelta(days=31)


@dataclass(slots=True, kw_only=True)
class ChangeOut:
    """What one layer says otherwise from an instant on."""

    at: datetime
    layer: str
    title: str
    what: Annotated[
        list[str],
        Field(description="status, grid, override, units, responsible, on_duty, responders, joint"),
    ]
    told: Annotated[list[str], Field(description="each as a sentence: how it was, and how it is")]
    after: LayerOut


@dataclass(slots=True, kw_only=True)
class ChangesOut:
    """How it is at a place at first, and everything that changes in `[from, until)`."""

    place: PlaceOut
    start: datetime
    until: datetime
    next: Annotated[datetime | None, Field(description="`from` of the rest, where so much changes that it was cut off")]
    known_at: datetime | None
    versions: dict[str, int]
    first: list[LayerOut]
    changes: list[ChangeOut]


@router.get(
    "/lookup/changes",
    summary="Who and what changes at a place, and when",
    response_model=ChangesOut,
    responses=problem_responses(404),
)
async def lookup_changes(
    teller: TheTeller,
    lon: Lon,
    lat: Lat,
    start: Annotated[InstantText | None, Query(alias="from", description="RFC 3339 instant; default now")] = None,
    end: Annotated[InstantText | None, Query(alias="to", description="RFC 3339 instant; default a day later")] = None,
    known_at: Annotated[InstantText | None, Query(description="as the system knew it then; default now")] = None,
    crs: Crs = STORED,
    accuracy_m: Annotated[float, Query(ge=0, le=200, allow_inf_nan=False, description="how well it is known")] = 1.0,
    layer: Layers = None,
) -> Response:
    """Return how it is at the beginning, and each change of grid, unit, responsible officers and responders."""
    place = await teller.apart.run(partial(read_place, lon, lat, crs))
    begin, until, known_then = read_span(start, end, known_at)
    layers = tuple(layer) if layer else None

    def asked(at: datetime) -> Question:
        return Question(*place, at, known_then, accuracy_m, layers)

    found = await teller.stored(
        Moment(begin, known_then),
        lambda session: changes(lambda at: stored.answer(session, asked(at)), begin, until),
    )
    shown = await teller.may_show(f"lookup/changes/{place[0]},{place[1]}")
    return teller.reply(changes_out(found, until, teller.lang, phones=shown), is_memory=False)


def read_span(start: str | None, end: str | None, known_at: str | None) -> tuple[datetime, datetime, datetime | None]:
    """Return the instants that changes are asked for between, and as known when; all faults at once."""
    present = now()
    (asked_begin, asked_end, known_then), faults = read_instants([("from", start), ("to", end), ("known_at", known_at)])
    if faults:
        raise InputError(faults)
    begin = asked_begin or present
    until = asked_end or begin + DAY
    if until <= begin:
        faults.append(Fault("to", "end-before-start"))
    elif until - begin > LONGEST:
        faults.append(Fault("to", "span-too-long", {"days": LONGEST.days}))
    faults += future_faults(known_then, present)
    if faults:
        raise InputError(faults)
    return begin, until, known_then


def changes_out(found: Changes, end: datetime, lang: str, *, phones: bool) -> ChangesOut:
    """Return changes as they are sent; duty phones only where `phones`."""
    first = found.first
    asked = first.question
    return ChangesOut(
        place=PlaceOut(lon=asked.lon, lat=asked.lat, accuracy_m=asked.accuracy_m),
        start=asked.at,
        until=found.until,
        next=found.until if found.until < end else None,
        known_at=asked.known_at,
        versions=dict(first.receipt.versions),
        first=[layer_out(one, lang, phones=phones) for one in first.layers],
        changes=[
            ChangeOut(
                at=one.at,
                layer=one.after.layer,
                title=one.after.title[lang],
                what=list(one.what),
                told=told(one, lang),
                after=layer_out(one.after, lang, phones=phones),
            )
            for one in found.rows
        ],
    )
