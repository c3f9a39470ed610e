"""Events told by other systems: one, or many at once. Telling one twice does no harm."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from api.asking import PlainText
from api.deps import Actor, AppSettings, InstantText, Language, WriteSession, needs
from api.errors import FaultOut, problem_responses
from api.faults import refused
from maps.texts import say
from spatial.errors import Fault, InputError, invalid
from spatial.incidents.model import Change, Refused, Taken, Told
from spatial.incidents.rules import LONGEST_ID, LONGEST_TEXT, oldest_kept
from spatial.incidents.service import take
from spatial.tables import LONGEST_CODE
from spatial.time import now

router = APIRouter(tags=["incidents"], dependencies=[needs("incidents.tell")])
MOST_ITEMS = 10_000
LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
EXAMPLE: dict[str, JsonValue] = {
    "source": "110",
    "external_id": "20250303-0001",
    "category": "bicycle-theft",
    "reported_at": "2025-03-03T08:30:00+08:00",
    "between": ["2025-03-02T22:00:00+08:00", "2025-03-03T07:30:00+08:00"],
    "lon": 120.27,
    "lat": 30.3,
    "precision_m": 20,
    "masked_text": "车棚内电动车失窃",
    "dispatched_at": "2025-03-03T08:33:00+08:00",
}
Crs = Annotated[str, Query(max_length=4000, description="of all places: EPSG code, WKT, PROJ string, gcj02 or bd09")]
Short = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_CODE)]


class IncidentIn(BaseModel):
    """An event as its source tells it, whole: what is left out is not known (any more)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    source: Short | None = Field(None, description="code of the source; default: the one of the request")
    external_id: Annotated[PlainText, Field(min_length=1, max_length=LONGEST_ID)] = Field(
        description="the source's number"
    )
    category: Short = Field(description="a code of the source that is mapped to one of ours, or one of ours")
    reported_at: InstantText
    between: tuple[InstantText, InstantText] | None = Field(None, description="it happened in `[from, until)`")
    lon: float = Field(allow_inf_nan=False, description="longitude, or x in `crs`")
    lat: float = Field(allow_inf_nan=False, description="latitude, or y in `crs`")
    precision_m: float | None = Field(None, allow_inf_nan=False, description="how well the place is known")
    masked_text: Annotated[PlainText, Field(max_length=LONGEST_TEXT)] | None = Field(
        None, description="a few words about it, without names, numbers and plates"
    )
    dispatched_at: InstantText | None = None
    arrived_at: InstantText | None = None
    closed_at: InstantText | None = None


class NoteOut(BaseModel):
    """Something odd about an event that is taken in all the same."""

    note: Literal["outside-grids", "far-away"]
    detail: str


class TakenOut(BaseModel):
    """What became of one event."""

    outcome: Change = Field(description="superseded: told again further down in the same batch")
    source: str
    external_id: str
    grids: dict[str, str] = Field(description="by layer, the grid that owns the place today")
    notes: list[NoteOut]
    faults: list[FaultOut] = Field(description="why it was refused; of the fields of this event")


class BatchOut(BaseModel):
    """What became of each event, in their order."""

    counts: dict[str, int]
    items: list[TakenOut]


@router.post(
    "/incidents",
    summary="Tell an event, or tell it better",
    status_code=201,
    responses={
        200: {"model": TakenOut, "description": "known already: changed, or the same"},
        **problem_responses(),
    },
)
def tell(
    session: WriteSession,
    actor: Actor,
    config: AppSettings,
    lang: Language,
    response: Response,
    told: IncidentIn,
    crs: Crs = "EPSG:4490",
) -> TakenOut:
    """Take in an event under the name its source gave it; told otherwise than before, it gets a new version."""
    if told.source is None:
        raise invalid("body.source", "missing")
    instant = now()
    oldest = oldest_kept(instant, config.incident_retention_days, config.zone)
    with _placed("body."):
        (taken,) = take(session, actor, [Told(**told.model_dump())], crs=crs, now=instant, oldest=oldest)
    response.status_code = 201 if taken.change == "new" else 200
    response.headers["Location"] = f"/incidents/{quote(taken.source)}/{quote(taken.external_id)}"
    return _taken_out(taken, lang)


async def read_body(request: Request) -> bytes:
    """Return the body of a batch."""
    return await request.body()


BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "array", "maxItems": MOST_ITEMS, "items": {"$ref": "#/components/schemas/IncidentIn"}},
            "example": [EXAMPLE],
        },
        "application/x-ndjson": {"schema": {"type": "string", "description": "one event in JSON on each line"}},
    },
}


@router.post(
    "/incidents/batch",
    summary="Tell many events at once",
    responses=problem_responses(),
    openapi_extra={"requestBody": BODY},
)
def tell_many(
    session: WriteSession,
    actor: Actor,
    config: AppSettings,
    lang: Language,
    request: Request,
    body: Annotated[bytes, Depends(read_body)],
    crs: Crs = "EPSG:4490",
    source: Annotated[
        str | None,
        Query(
            max_length=LONGEST_CODE,
            description="source of events that name none; it counts as heard even without events",
        ),
    ] = None,
    partial: Annotated[bool, Query(description="take in what can be, instead of all or nothing")] = False,
) -> BatchOut:
    """Take in up to 10,000 events in one transaction, all or none; every fault is told with the event's place.

    Send the same batch again if no answer came: nothing is written twice. Of several reports of one event in a batch
    the last counts.
    """
    told = [_told(item, source) for item in _items(body, request)]
    instant = now()
    oldest = oldest_kept(instant, config.incident_retention_days, config.zone)
    with _placed("body.{n}."):
        taken = take(session, actor, told, crs=crs, now=instant, oldest=oldest, heard=source, partial=partial)
    items = [_taken_out(one, lang) for one in taken]
    return BatchOut(counts=Counter(item.outcome for item in items), items=items)


def _items(body: bytes, request: Request) -> list[Any]:
    """Return what a body lists, as an array or line by line; at most so many."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in {"application/json", *LINES}:
        raise HTTPException(415)
    try:
        items = (
            [orjson.loads(line) for line in body.splitlines() if line.strip()] if kind in LINES else orjson.loads(body)
        )
    except orjson.JSONDecodeError:
        raise invalid("body", "not-json") from None
    if not isinstance(items, list):
        raise invalid("body", "malformed", expected="list")
    if len(items) > MOST_ITEMS:
        raise invalid("body", "too-many-items", count=len(items), most=MOST_ITEMS)
    return items


def _told(item: Any, source: str | None) -> Told | Refused:
    """Return an event as its source tells it, or why it is none."""
    names = item if isinstance(item, dict) else {}
    try:
        read = IncidentIn.model_validate(item)
        faults = [] if read.source or source else [Fault("source", "missing")]
    except ValidationError as error:
        faults = [refused(dict(one), ".".join(str(part) for part in one["loc"])) for one in error.errors()]
    if faults:
        return Refused(str(names.get("source") or source or ""), str(names.get("external_id") or ""), tuple(faults))
    return Told(**read.model_dump(exclude={"source"}), source=read.source or source or "")


@contextmanager
def _placed(body: str) -> Iterator[None]:
    """Give the faults of events, which come as `3.lon`, their places in the body."""
    try:
        yield
    except InputError as error:
        faults = []
        for fault in error.faults:
            n, _dot, name = fault.where.partition(".")
            where = body.format(n=n) + name if n.isdecimal() else fault.where
            faults.append(Fault(where, fault.text, fault.values))
        raise InputError(faults) from None


def _taken_out(taken: Taken, lang: str) -> TakenOut:
    return TakenOut(
        outcome=taken.change,
        source=taken.source,
        external_id=taken.external_id,
        grids=dict(taken.grids),
        notes=[NoteOut(note=note, detail=say(f"incident.{note}", lang)) for note in taken.notes],
        faults=[
            FaultOut(where=one.where, fault=one.text, detail=say(f"fault.{one.text}", lang, **one.values))
            for one in taken.faults
        ],
    )
