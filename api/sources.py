"""Sources of events: which are late or silent, and what each calls our categories."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.asking import PlainText
from api.deps import Actor, Language, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.shapes import Listing
from spatial.incidents.rules import State, freshness
from spatial.incidents.sources import aliases_of, replace_aliases, source_rows
from spatial.tables import LONGEST_CODE, Source
from spatial.time import now

router = APIRouter(tags=["incidents"], dependencies=[needs("sources.read")])
SourceCode = Annotated[str, Path(max_length=LONGEST_CODE, description="code of a source", examples=["110"])]
Code = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_CODE)]


class SourceOut(BaseModel):
    """A source of incidents, and how it stands with it."""

    code: str
    title: str
    expected_interval_s: float | None = Field(description="how often it should be heard; none: whenever it likes")
    last_received: datetime | None
    state: State = Field(description="late beyond the expected interval, silent beyond three of them")
    overdue_s: float = Field(description="by how much the next report is overdue")


@router.get("/sources", summary="Sources of events, and which are late or silent", responses=problem_responses())
def sources(
    session: ReadSession,
    lang: Language,
    state: Annotated[State | None, Query(description="only sources of which this is so")] = None,
) -> Listing[SourceOut]:
    """Return all sources, when each was last heard, and by how much it is overdue."""
    instant = now()
    found = [source_out(row, instant, lang) for row in source_rows(session)]
    return Listing(items=[one for one in found if state in {None, one.state}], next=None)


@router.get(
    "/sources/{source}/categories", summary="What a source calls our categories", responses=problem_responses(404)
)
def categories(session: ReadSession, source: SourceCode) -> dict[str, str]:
    """Return our category by each code of the source that is mapped to one."""
    return aliases_of(session, source)


@router.put(
    "/sources/{source}/categories",
    summary="Map a source's codes to our categories",
    responses=problem_responses(404),
    dependencies=[needs("sources.map")],
)
def map_categories(
    session: WriteSession, actor: Actor, source: SourceCode, mapping: dict[Code, Code]
) -> dict[str, str]:
    """Replace the mapping of a source; it holds for what is told from now on, what was taken in stays as it is."""
    replace_aliases(session, actor, source, mapping)
    return aliases_of(session, source)


def source_out(row: Source, at: datetime, lang: str) -> SourceOut:
    """Return a source as it is sent."""
    found = freshness(row.last_received, row.expected_interval, at)
    return SourceOut(
        code=row.code,
        title=row.title.get(lang) or row.code,
        expected_interval_s=row.expected_interval.total_seconds() if row.expected_interval else None,
        last_received=row.last_received,
        state=found.state,
        overdue_s=found.overdue.total_seconds(),
    )
