"""`GET /lookup`: a place in; responsible, responders and grids out."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import AskedMoment, Language, Phones, ReadSession, needs
from api.errors import problem_responses
from api.lookup_out import AnswerOut, answer_out
from api.places import read_place
from spatial.lookup import stored
from spatial.lookup.model import Question

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])


@router.get(
    "/lookup",
    summary="Whose is this place, who is on duty there, when does that change",
    responses=problem_responses(404),
)
def lookup(
    session: ReadSession,
    phones: Phones,
    moment: AskedMoment,
    lang: Language,
    lon: Annotated[float, Query(allow_inf_nan=False, description="longitude, or x in `crs`", examples=[120.27])],
    lat: Annotated[float, Query(allow_inf_nan=False, description="latitude, or y in `crs`", examples=[30.3])],
    crs: Annotated[str, Query(max_length=4000, description="EPSG code, WKT, PROJ string, gcj02 or bd09")] = "EPSG:4490",
    accuracy_m: Annotated[float, Query(ge=0, le=10_000, allow_inf_nan=False, description="how well it is known")] = 1.0,
    layer: Annotated[list[str] | None, Query(description="codes of layers; default all")] = None,
) -> AnswerOut:
    """Return, per layer, the owning grid, who is responsible, who responds now and in which order, and the border."""
    place = read_place(lon, lat, crs)
    layers = tuple(layer) if layer else None
    answer = stored.answer(session, Question(*place, moment.at, moment.known_at, accuracy_m, layers))
    return answer_out(answer, lang, phones=phones.opened(f"lookup/{place[0]},{place[1]}"))
