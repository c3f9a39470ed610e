"""`GET /lookup`: a place in; responsible, responders and grids out."""

from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.deps import (
    AskedBy,
    AskedInstants,
    Asking,
    Database,
    Language,
    Live,
    Phones,
    TheApart,
    TheRoom,
    TheWatch,
    needs,
)
from api.errors import problem_responses
from api.lookup_out import AnswerOut, answer_out
from api.places import read_place
from api.receipts import read_receipt
from spatial.crs import STORED
from spatial.db import Database as Database_
from spatial.lookup import stored
from spatial.lookup.model import Answer, Question
from spatial.time import now

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])
STALE_SINCE = "Stale-Since"
TOLD: dict[str, Any] = {
    STALE_SINCE: {
        "description": "while the database is away: as of when the answer is known to be true",
        "schema": {"type": "string", "format": "date-time"},
    }
}
WIDE_M = 200.0  # about so large a circle so much may lie that others would have to wait


@router.get(
    "/lookup",
    summary="Whose is this place, who is on duty there, when does that change",
    response_model=AnswerOut,
    responses={200: {"headers": TOLD}, **problem_responses(404, 410)},
)
async def lookup(
    asking: AskedBy,
    database: Database,
    live: Live,
    watch: TheWatch,
    room: TheRoom,
    apart: TheApart,
    phones: Phones,
    moment: AskedInstants,
    lang: Language,
    lon: Annotated[float, Query(allow_inf_nan=False, description="longitude, or x in `crs`", examples=[120.27])],
    lat: Annotated[float, Query(allow_inf_nan=False, description="latitude, or y in `crs`", examples=[30.3])],
    crs: Annotated[str, Query(max_length=4000, description="EPSG code, WKT, PROJ string, gcj02 or bd09")] = STORED,
    accuracy_m: Annotated[float, Query(ge=0, le=10_000, allow_inf_nan=False, description="how well it is known")] = 1.0,
    layer: Annotated[list[str] | None, Query(description="codes of layers; default all")] = None,
    receipt: Annotated[
        str | None, Query(max_length=80, description="of an earlier answer: what it stood on, not what is known now")
    ] = None,
    category: Annotated[str | None, Query(max_length=100, description="code of the matter: who answers for it")] = None,
) -> Response:
    """Return, per layer, the owning grid, who is responsible, who responds now and in which order, and the border."""
    place = read_place(lon, lat) if crs == STORED else await apart.run(partial(read_place, lon, lat, crs))
    layers = tuple(layer) if layer else None
    stood_on = read_receipt(receipt) if receipt is not None else None
    question = Question(*place, moment.at, moment.known_at, accuracy_m, layers, category, stood_on)
    present = now()
    is_past = moment.known_at is not None or stood_on is not None
    view = None if is_past else live.view(asking.reach, moment.at)
    if view is None:
        async with room.place():
            answer = await run_in_threadpool(_of_database, database, asking, question)
    elif accuracy_m <= WIDE_M:
        answer = view.answer(question, present)
    else:
        answer = await apart.run(partial(view.answer, question, present))
    shown = phones.may_show and await apart.run(partial(phones.opened, f"lookup/{place[0]},{place[1]}"))
    body = orjson.dumps(answer_out(answer, lang, phones=shown), option=orjson.OPT_UTC_Z)
    stale_since = watch.stale_since(present) if view else None
    headers = {STALE_SINCE: stale_since.isoformat()} if stale_since else None
    return Response(body, headers=headers, media_type="application/json")


def _of_database(database: Database_, asking: Asking, question: Question) -> Answer:
    if question.known_at is not None:
        database.settle(question.known_at)
    with database.read(asking.reach) as session:
        return stored.answer(session, question)
