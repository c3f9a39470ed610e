"""`GET /places/find`: a place in words, or coordinates as they are pasted; points out."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Language, ReadSession, needs
from api.errors import problem_responses
from api.places_out import ToldOut, told_out
from spatial import places

router = APIRouter(tags=["look-up"], dependencies=[needs("look-up")])


@router.get("/places/find", summary="Where is what somebody says in words", responses=problem_responses())
def find(
    session: ReadSession,
    lang: Language,
    text: Annotated[
        str,
        Query(
            max_length=places.LONGEST,
            description="address, crossing, kilometre stake, pole, name, pinyin, coordinates, map link, BeiDou code",
            examples=["人民路12号"],
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=places.MOST, description="candidates at most")] = places.MOST,
) -> ToldOut:
    """Return the coordinates that a text holds, or the places that its words may mean, each with its confidence."""
    return told_out(places.told(session, text, limit), lang)
