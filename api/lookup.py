"""`GET /lookup`: a place in; responsible, responders and grids out."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.asked_place import Category, Layers, ThePlace
from api.deps import AskedInstants, needs
from api.errors import problem_responses
from api.lookup_out import AnswerOut, answer_out
from api.receipts import read_receipt
from api.telling import TOLD, TheTeller, written_once
from spatial.lookup import stored
from spatial.lookup.model import Question
from spatial.time import now

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])
WIDE_M = 200.0  # about so large a circle so much may lie that others would have to wait


@router.get(
    "/lookup",
    summary="Whose is this place, who is on duty there, when does that change",
    response_model=AnswerOut,
    responses={200: {"headers": TOLD}, **problem_responses(404, 410)},
)
async def lookup(
    teller: TheTeller,
    moment: AskedInstants,
    place: ThePlace,
    layer: Layers = None,
    receipt: Annotated[
        str | None, Query(max_length=80, description="of an earlier answer: what it stood on, not what is known now")
    ] = None,
    category: Category = None,
) -> Response:
    """Return, per layer, the owning grid, who is responsible, who responds now and in which order, and the border."""
    layers = tuple(layer) if layer else None
    stood_on = read_receipt(receipt) if receipt is not None else None
    question = Question(place.lon, place.lat, moment.at, moment.known_at, place.accuracy_m, layers, category, stood_on)
    is_past = moment.known_at is not None or stood_on is not None
    view = None if is_past else teller.view(moment.at)
    if view is None:
        answer = await teller.stored(moment, lambda session: stored.answer(session, question))
    elif place.accuracy_m <= WIDE_M:
        answer = view.answer(question, now())
    else:
        answer = await teller.apart.run(partial(view.answer, question, now()))
    shown = await teller.may_show(f"lookup/{place.lon},{place.lat}")
    told = answer_out(answer, teller.lang, phones=shown, chain=written_once, told=place.told)
    return teller.reply(told, is_memory=view is not None)
