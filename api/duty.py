"""Officers, teams, assignments and shifts, as lists."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.deps import AskedMoment, InstantText, Page, Phones, ReadSession, needs
from api.errors import problem_responses
from api.shapes import Listing, SpanOut, listing, span_out
from spatial import paging
from spatial.errors import NotFound, invalid
from spatial.roster.listing import assignment_rows, officer_rows, shift_rows, team_rows
from spatial.tables import LONGEST_CODE
from spatial.time import parse_instant

router = APIRouter(tags=["duty"], dependencies=[needs("duty.read")])
LONGEST_WINDOW = timedelta(days=31)
Start = Annotated[InstantText | None, Query(description="RFC 3339; default `at`")]
End = Annotated[InstantText | None, Query(description="RFC 3339; default 24 h after the start, at most 31 d")]


class OfficerDetails(BaseModel):
    """An officer as of an instant; the duty phone is shown to dispatchers, and each showing is recorded."""

    number: str
    name: str
    kind: str
    unit: str | None = Field(description="code of the unit; none when it is not in force")
    unit_name: str | None
    duty_phone: str | None
    in_force: SpanOut


class TeamDetails(BaseModel):
    """A squad or crew as of an instant."""

    code: str
    name: str
    kind: str
    call_sign: str
    radio_group: str | None
    vehicle: str | None
    unit: str | None = Field(description="code of the unit; none when it is not in force")
    members: list[str]


class AssignmentDetails(BaseModel):
    """Who is responsible for a grid."""

    layer: str
    grid: str
    officer: str
    role: str
    in_force: SpanOut


class ShiftDetails(BaseModel):
    """An officer or team on duty, and what they cover."""

    id: UUID
    kind: str
    state: str
    unit: str | None = Field(description="code of the unit whose roster; none when it is not in force")
    officer: str | None
    team: str | None
    planned: SpanOut
    actual: SpanOut | None
    grids: list[str]
    units: list[str]
    places: list[str]


@router.get("/officers", summary="Officers, by number", responses=problem_responses())
def officers(
    session: ReadSession,
    phones: Phones,
    moment: AskedMoment,
    page: Page,
    unit: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a unit")] = None,
) -> Listing[OfficerDetails]:
    """Return officers as of an instant."""
    found = officer_rows(session, moment, page, unit=unit)
    shown = phones.opened(f"officers?unit={unit or ''}")
    return listing(found, lambda row: _officer(row, shown))


@router.get("/officers/{number:path}", summary="One officer", responses=problem_responses(404))
def officer(
    session: ReadSession,
    phones: Phones,
    moment: AskedMoment,
    number: Annotated[str, Path(max_length=LONGEST_CODE, description="number of an officer")],
) -> OfficerDetails:
    """Return an officer by number."""
    found = officer_rows(session, moment, paging.Page(1, None), number=number).rows
    if not found:
        raise NotFound("no-such-officer", number=number)
    return _officer(found[0], phones.opened(f"officers/{number}"))


@router.get("/teams", summary="Squads and crews, by code", responses=problem_responses())
def teams(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    unit: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a unit")] = None,
) -> Listing[TeamDetails]:
    """Return teams with the numbers of their members."""
    return listing(team_rows(session, moment, page, unit=unit), _team)


@router.get("/teams/{code:path}", summary="One squad or crew", responses=problem_responses(404))
def team(
    session: ReadSession,
    moment: AskedMoment,
    code: Annotated[str, Path(max_length=LONGEST_CODE, description="code of a team")],
) -> TeamDetails:
    """Return a team by code."""
    found = team_rows(session, moment, paging.Page(1, None), code=code).rows
    if not found:
        raise NotFound("no-such-team", code=code)
    return _team(found[0])


@router.get("/assignments", summary="Who is responsible for which grid", responses=problem_responses())
def assignments(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    layer: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a layer")] = None,
    officer: Annotated[str | None, Query(max_length=LONGEST_CODE, description="number of an officer")] = None,
) -> Listing[AssignmentDetails]:
    """Return assignments, by layer, grid and officer."""
    return listing(assignment_rows(session, moment, page, layer=layer, officer=officer), _assignment)


@router.get("/shifts", summary="Who is on duty within a window", responses=problem_responses())
def shifts(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    start: Start = None,
    end: End = None,
    unit: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of the unit whose roster")] = None,
    officer: Annotated[str | None, Query(max_length=LONGEST_CODE, description="number of an officer")] = None,
) -> Listing[ShiftDetails]:
    """Return the shifts that touch `[start, end)`, in the order of their starts."""
    first, last = window(start, end, moment.at)
    found = shift_rows(session, moment, page, start=first, end=last, unit=unit, officer=officer)
    return listing(found, _shift)


def window(
    start: str | None, end: str | None, at: datetime, default: timedelta = timedelta(days=1)
) -> tuple[datetime, datetime]:
    """Return the window asked for; it must not be empty nor longer than 31 days."""
    first = at if start is None else parse_instant(start, "start")
    last = first + default if end is None else parse_instant(end, "end")
    if not first < last:
        raise invalid("end", "end-before-start")
    if last - first > LONGEST_WINDOW:
        raise invalid("end", "window-too-long", days=LONGEST_WINDOW.days)
    return first, last


def _officer(row: Any, phones: bool) -> OfficerDetails:
    version = row.OfficerVersion
    return OfficerDetails(
        number=row.number,
        name=version.name,
        kind=version.kind,
        unit=row.unit,
        unit_name=row.unit_name,
        duty_phone=version.duty_phone if phones else None,
        in_force=span_out(version.valid),
    )


def _team(row: Any) -> TeamDetails:
    version = row.TeamVersion
    return TeamDetails(
        code=row.code,
        name=version.name,
        kind=version.kind,
        call_sign=version.call_sign,
        radio_group=version.radio_group,
        vehicle=version.vehicle,
        unit=row.unit,
        members=sorted(row.members or ()),
    )


def _assignment(row: Any) -> AssignmentDetails:
    return AssignmentDetails(
        layer=row.layer, grid=row.grid, officer=row.officer, role=row.role, in_force=span_out(row.valid)
    )


def _shift(row: Any) -> ShiftDetails:
    shift = row.Shift
    return ShiftDetails(
        id=shift.uuid,
        kind=shift.kind,
        state=shift.state,
        unit=row.unit,
        officer=row.officer,
        team=row.team,
        planned=span_out(shift.planned),
        actual=span_out(shift.actual) if shift.actual else None,
        grids=sorted(row.grids or ()),
        units=sorted(row.units or ()),
        places=sorted(row.places or ()),
    )
