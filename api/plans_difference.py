"""Who and what a plan affects: lists over HTTP, all of them as sheets of one workbook."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from api.deps import Actor, Database, InstantText, Language, Page, ReadSession, needs
from api.errors import problem_responses
from api.plans import PlanId
from api.plans_out import HeldOut, counted_out
from api.sent_files import sent_file
from api.shapes import Listing, listing
from api.sheets import sheet
from maps.texts import say
from spatial import audit
from spatial.imports.write import write_book
from spatial.paging import page_of
from spatial.redraw import queries
from spatial.redraw.difference import Difference, GridDiff, Handing, HandOver, Hanging, Moved
from spatial.time import now, parse_instant

router = APIRouter(tags=["plans"], dependencies=[needs("plans.read")])
What = Literal[
    "grids", "handings", "cells", "addresses", "incidents", "places", "officers", "assignments", "shifts", "rules",
    "overrides",
]  # fmt: skip
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class GridOut(BaseModel):
    """A grid that changes."""

    layer: str
    code: str
    change: str = Field(
        description="new, ended, reshaped; noded: it gets vertices of its neighbours; renumbered, described; cells: it "
        "comes to another grid as a cell"
    )
    name_before: str | None
    name_after: str | None
    code_before: str | None
    area_before_m2: float | None
    area_after_m2: float | None


class HandingOut(BaseModel):
    """What goes from one grid to another."""

    layer: str
    from_grid: str | None = Field(description="none: no grid had it")
    to_grid: str | None
    area_m2: float
    held: HeldOut


class MovedOut(BaseModel):
    """Something with a place that changes hands."""

    layer: str
    what: dict[str, Any]
    from_grid: str | None
    to_grid: str | None


class HangingOut(BaseModel):
    """Something that hangs on a grid that changes."""

    layer: str
    grid: str
    what: dict[str, Any]
    heir: str | None = Field(description="whose it becomes; none: the grid stays")


class HandOverOut(BaseModel):
    """What an officer gives or takes."""

    officer: str
    name: str | None
    unit: str | None
    role: str
    layer: str
    grid: str
    direction: Literal["gives", "takes"]
    other_grid: str | None
    area_m2: float
    held: HeldOut


OUT: dict[What, type[BaseModel]] = {
    "grids": GridOut,
    "handings": HandingOut,
    "cells": MovedOut,
    "addresses": MovedOut,
    "incidents": MovedOut,
    "places": MovedOut,
    "officers": HandOverOut,
    "assignments": HangingOut,
    "shifts": HangingOut,
    "rules": HangingOut,
    "overrides": HangingOut,
}


class DifferenceOut(Listing[GridOut | HandingOut | MovedOut | HandOverOut | HangingOut]):
    """A page of one list."""

    what: What
    count: int = Field(description="of the whole list")


def difference_of(
    session: ReadSession,
    plan_id: PlanId,
    at: Annotated[
        InstantText | None,
        Query(description="RFC 3339: shifts and people from then; default when it begins, or now"),
    ] = None,
) -> Difference:
    """Return what a plan changes."""
    plan = queries.find(session, plan_id)
    return Difference(session, plan, _from(plan.effective, at))


Found = Annotated[Difference, Depends(difference_of, scope="function")]


def _from(effective: datetime | None, at: str | None) -> datetime:
    return (effective or now()) if at is None else parse_instant(at, "at")


@router.get("/plans/{plan_id}/difference", summary="Who and what a plan affects", responses=problem_responses(404))
def difference(
    found: Found,
    page: Page,
    what: Annotated[What, Query(description="which list; officers: what to hand over, by officer")] = "grids",
) -> DifferenceOut:
    """Return one list of what changes hands, from which grid to which, or hangs on a grid that changes."""
    told = rows(found, what)
    numbered = [(f"{n:09d}", row) for n, row in enumerate(told)]
    made: Listing[Any] = listing(page_of(numbered, lambda one: (one[0],), page), lambda one: one[1])
    return DifferenceOut(what=what, count=len(told), items=made.items, next=made.next)


@router.get(
    "/plans/{plan_id}/difference/file",
    summary="All that a plan affects, as a workbook",
    responses={200: {"content": {XLSX: {}}}, **problem_responses(404)},
    dependencies=[needs("exports")],
    response_class=FileResponse,
)
def workbook(database: Database, actor: Actor, lang: Language, plan_id: PlanId, found: Found) -> FileResponse:
    """Return every list as a sheet of a workbook: to hand over by, and to keep with the file."""

    def write(path: Path) -> None:
        with writing(found, path, lang), database.write() as writer:
            record_export(writer, actor.name, plan_id)

    return sent_file(f"plan-{plan_id}.xlsx", XLSX, write)


@contextmanager
def writing(found: Difference, path: Path, lang: str) -> Iterator[None]:
    """Write every list as a sheet, for a file that appears when the block ends well."""
    tables = [sheet(say(f"plan.what.{what}", lang), OUT[what], rows(found, what), None) for what in OUT]
    with write_book(path, tables):
        yield


def record_export(session: Any, actor: str, plan_id: UUID) -> None:
    """Put on record who took the lists away."""
    audit.record(session, actor, "export-plan", f"plan/{plan_id}", {"format": "xlsx"})


def rows(found: Difference, what: What) -> list[Any]:
    """Return all rows of a list as they are sent."""
    match what:
        case "grids":
            return [_grid(one) for one in found.grids()]
        case "handings":
            return [_handing(one) for one in found.handings()]
        case "officers":
            return [_hand_over(one) for one in found.officers()]
        case "cells":
            return [_moved(one, {"code": one.what}) for one in found.cells()]
        case "addresses" | "incidents" | "places":
            return [_moved(one, _told(one.what)) for one in getattr(found, what)()]
        case _:
            return [_hanging(one) for one in getattr(found, what)()]


def _grid(one: GridDiff) -> GridOut:
    return GridOut(
        layer=one.layer,
        code=one.code,
        change=one.change,
        name_before=one.before and one.before.name,
        name_after=one.after and one.after.name,
        code_before=one.before and one.before.code,
        area_before_m2=None if one.area_before_m2 is None else round(one.area_before_m2, 2),
        area_after_m2=None if one.area_after_m2 is None else round(one.area_after_m2, 2),
    )


def _handing(one: Handing) -> HandingOut:
    return HandingOut(
        layer=one.layer,
        from_grid=one.from_code,
        to_grid=one.to_code,
        area_m2=round(one.area_m2, 2),
        held=counted_out(one.counted),
    )


def _moved(one: Moved[Any], what: dict[str, Any]) -> MovedOut:
    return MovedOut(layer=one.layer, what=what, from_grid=one.from_code, to_grid=one.to_code)


def _hanging(one: Hanging[Any]) -> HangingOut:
    return HangingOut(layer=one.layer, grid=one.code, what=_told(one.what), heir=one.heir)


def _hand_over(one: HandOver) -> HandOverOut:
    return HandOverOut(
        officer=one.officer.number,
        name=one.officer.name,
        unit=one.officer.unit,
        role=one.role,
        layer=one.layer,
        grid=one.grid,
        direction="gives" if one.gives else "takes",
        other_grid=one.other,
        area_m2=round(one.area_m2, 2),
        held=counted_out(one.counted),
    )


def _told(what: Any) -> dict[str, Any]:
    """Return something by its public names."""
    told = {name: value for name, value in vars(what).items() if name != "grid_id"}
    return {name: vars(value) if hasattr(value, "__dict__") else value for name, value in told.items()}
