"""`/coverage/gaps`: when nobody is on duty, where, and why."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.deps import AppSettings, AskedMoment, Page, ReadSession, needs
from api.duty import End, Start, window
from api.errors import problem_responses
from api.shapes import cursor
from spatial.duty.coverage import Coverage
from spatial.duty.listing import Gap, GapList, Wanted, gap_list, place_in_list
from spatial.duty.model import Cause
from spatial.paging import page_in_order
from spatial.tables import LONGEST_CODE
from spatial.time import Period

router = APIRouter(tags=["duty"], dependencies=[needs("duty.read")])
View = Literal["planned", "done"]
Of = Literal["grids", "units"]


class GapOut(BaseModel):
    """When nobody covers a grid, or nobody of a step of its layer's chain is at a unit, and why."""

    layer: str
    step: str | None = Field(description="key of the step that looks for somebody at a unit; none: of a grid")
    code: str = Field(description="of the grid, or of the unit")
    unit: str | None = Field(description="code of the unit whose it is")
    cause: Cause = Field(
        description="unplanned: nobody is on the roster; redraw: ground passed to a grid that its cover did not go to; "
        "leave, break, no_show, committed, unreachable: what took away the last who would have been there"
    )
    start: datetime
    end: datetime
    hours: float
    is_whole: bool = Field(description="nobody is there in all the time that is asked of")


class GapsOut(BaseModel):
    """Gaps, and what all of them come to."""

    start: datetime
    end: datetime
    view: View
    count: int
    hours_by_cause: dict[Cause, float] = Field(description="of all that is asked of, each grid and unit by itself")
    items: list[GapOut]
    next: str | None


@router.get("/coverage/gaps", summary="When nobody is on duty, where, and why", responses=problem_responses(404))
def gaps(
    session: ReadSession,
    config: AppSettings,
    moment: AskedMoment,
    page: Page,
    start: Start = None,
    end: End = None,
    view: Annotated[View, Query(description="planned: roster, leave, breaks; done: as it came")] = "done",
    layer: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a layer; default all")] = None,
    unit: Annotated[
        str | None, Query(max_length=LONGEST_CODE, description="code of a unit: its grids, and those of units below it")
    ] = None,
    of: Annotated[
        Of | None,
        Query(description="grids; units, leaders and desks, too; default grids, and units whose crews are cover"),
    ] = None,
    cause: Annotated[Cause | None, Query(description="one alone")] = None,
    longer_than_min: Annotated[int, Query(ge=0, le=44_640, description="longer than so many minutes")] = 0,
) -> GapsOut:
    """Return when grids are covered by nobody, and units are without crew, leader or desk: never covered first."""
    period = Period(*window(start, end, moment.at))
    coverage = Coverage(session, period, config.zone, planned=view == "planned", known_at=moment.known_at)
    wanted = Wanted([layer] if layer else [], unit, cause, of, timedelta(minutes=longer_than_min))
    return gaps_out(coverage, gap_list(coverage, wanted), page)


def gaps_out(coverage: Coverage, found: GapList, page: Page) -> GapsOut:
    """Return a page of gaps, and what all come to, as they are sent."""
    shown = page_in_order(found, place_in_list, page)
    return GapsOut(
        start=coverage.period.start,
        end=coverage.period.end,
        view="planned" if coverage.planned else "done",
        count=len(found),
        hours_by_cause={cause: _hours(length) for cause, length in found.totals.items() if length},
        items=[_gap(one) for one in shown.rows],
        next=cursor(shown.next_after),
    )


def _gap(one: Gap) -> GapOut:
    return GapOut(
        layer=one.layer,
        step=one.step,
        code=one.code,
        unit=one.unit,
        cause=one.cause,
        start=one.start,
        end=one.end,
        hours=_hours(one.length),
        is_whole=one.is_whole,
    )


def _hours(length: timedelta) -> float:
    return round(length / timedelta(hours=1), 4)
