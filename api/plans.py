"""Plans: drafts of a redrawing, worked out operation by operation."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.asking import PlainText
from api.deps import Actor, AppSettings, InstantText, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.faults import refuse_unprintable
from api.findings_asked import limits_of
from api.plans_out import (
    DoneOut,
    DraftGridOut,
    EventOut,
    OpOut,
    PlanOut,
    done_out,
    draft_grid_out,
    event_out,
    op_out,
    plan_out,
)
from api.shapes import FeatureCollection, Listing, cursor, listing
from spatial.errors import invalid
from spatial.grids.queries import unit_codes
from spatial.paging import page_of
from spatial.redraw import listing as lists
from spatial.redraw import queries, service
from spatial.redraw.operations import AnyOperation, texts_of
from spatial.tables import LONGEST_CODE, Plan
from spatial.time import now, parse_instant

router = APIRouter(tags=["plans"], dependencies=[needs("plans.read")])
EDITING = [needs("plans.edit")]
PlanId = Annotated[UUID, Path(description="id of a plan")]
Name = Annotated[PlainText, Field(min_length=1, max_length=200)]
Code = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_CODE)]
Words = Annotated[PlainText, Field(min_length=1, max_length=5000)]
STRICT = ConfigDict(extra="forbid")
CHANGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"schema": {"type": "string"}, "description": "the plan's revision"}}}
}


class PlanIn(BaseModel):
    """A plan to make."""

    model_config = STRICT
    name: Name = Field(examples=["2025 年警格调整"])
    layers: list[Code] = Field(min_length=1, max_length=20, description="codes of layers", examples=[["police"]])
    note: Annotated[PlainText, Field(max_length=5000)] = ""
    unit: Code | None = Field(None, description="code of a unit whose grids alone it redraws; none: all")
    at: InstantText | None = Field(None, description="RFC 3339: over what is in force then; default now")


class HeadIn(BaseModel):
    """Where a plan is to stand."""

    model_config = STRICT
    n: int = Field(ge=0, le=2**31, description="number of an operation; 0: the base")


class BaseIn(BaseModel):
    """What a plan is to be over."""

    model_config = STRICT
    at: InstantText | None = Field(None, description="RFC 3339: what is in force then; default now")


class MarkIn(BaseModel):
    """A name for where a plan stands."""

    model_config = STRICT
    name: Name


class CommentIn(BaseModel):
    """Something to say of a plan, maybe of a place."""

    model_config = STRICT
    text: Words
    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)


async def seen_revision(
    if_match: Annotated[
        str | None, Header(description='the `ETag` seen, such as `"3"`; none: whatever it is', examples=['"3"'])
    ] = None,
) -> int | None:
    """Return the revision of a plan that somebody saw."""
    if if_match is None:
        return None
    told = if_match.strip().removeprefix("W/").strip('"')
    if not (told.isascii() and told.isdigit() and len(told) < 10):
        raise invalid("if-match", "malformed-revision")
    return int(told)


Seen = Annotated[int | None, Depends(seen_revision)]


def shown(session: Session, plan: Plan, response: Response) -> PlanOut:
    """Return a plan as it is sent, its revision as `ETag`."""
    response.headers["ETag"] = f'"{plan.revision}"'
    return plan_out(lists.plan_row(session, plan, now()))


@router.get("/plans", summary="Plans, oldest first", responses=problem_responses())
def plans(
    session: ReadSession,
    page: Page,
    state: Annotated[
        Literal["draft", "submitted", "returned", "approved", "published", "abandoned"] | None,
        Query(description="how it stands with them"),
    ] = None,
) -> Listing[PlanOut]:
    """Return the plans that whoever asks may see."""
    return listing(lists.plan_rows(session, page, now(), state=state), plan_out)


@router.post(
    "/plans", summary="Make a plan", status_code=201, responses=problem_responses(404, 409), dependencies=EDITING
)
def create(session: WriteSession, actor: Actor, response: Response, body: PlanIn) -> PlanOut:
    """Make a draft over what is in force, as it is known now; what lies in each grid is counted once."""
    present = now()
    at = present if body.at is None else parse_instant(body.at, "at")
    plan = service.create(session, actor, body.name, body.layers, note=body.note, unit=body.unit, at=at, now=present)
    response.headers["Location"] = f"/plans/{plan.id}"
    return shown(session, plan, response)


@router.get("/plans/{plan_id}", summary="One plan", responses={**CHANGED, **problem_responses(404)})
def plan(session: ReadSession, response: Response, plan_id: PlanId) -> PlanOut:
    """Return a plan; its revision is the `ETag`."""
    return shown(session, queries.find(session, plan_id), response)


@router.get("/plans/{plan_id}/ops", summary="The operations of a plan", responses=problem_responses(404))
def ops(session: ReadSession, page: Page, plan_id: PlanId) -> Listing[OpOut]:
    """Return all operations, the first one first, also those that were undone and those of other branches."""
    found = lists.op_rows(session, queries.find(session, plan_id))
    return listing(page_of(found, lambda row: (f"{row.op.n:09d}",), page), op_out)


@router.post(
    "/plans/{plan_id}/ops",
    summary="Perform an operation",
    responses={**CHANGED, **problem_responses(404, 409, 422)},
    dependencies=EDITING,
)
def operate(
    session: WriteSession,
    actor: Actor,
    config: AppSettings,
    response: Response,
    plan_id: PlanId,
    seen: Seen,
    body: Annotated[
        AnyOperation,
        Body(
            openapi_examples={
                "merge": {"value": {"kind": "merge", "layer": "police", "grids": ["A", "B"], "into": "A"}},
                "split": {
                    "value": {
                        "kind": "split",
                        "layer": "police",
                        "grid": "A",
                        "line": [[120.27, 30.3005], [120.272, 30.3005]],
                        "code": "A-2",
                    }
                },
            }
        ),
    ],
    preview: Annotated[bool, Query(description="say what it would do, and keep nothing")] = False,
) -> DoneOut:
    """Do one thing to a draft, with what it does to the grids and the balance of their units; whole, or not at all.

    Where others worked on since the revision in `If-Match`, it is done on what they made, unless both touch a grid:
    then 409 tells what each grid was (`ancestor`), is (`ours`) and would be (`theirs`).
    """
    refuse_unprintable(**texts_of(body))
    limits = limits_of(config)
    if preview:
        done = service.preview(session, plan_id, body, limits=limits)
    else:
        done = service.edit(session, actor, plan_id, body, revision=seen, now=now(), limits=limits)
    response.headers["ETag"] = f'"{done.revision}"'
    return done_out(done)


@router.post(
    "/plans/{plan_id}/undo",
    summary="Take the last operation back",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def undo(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen) -> PlanOut:
    """Let a plan stand at the operation before; the one taken back stays, for `redo`."""
    return shown(session, service.undo(session, actor, plan_id, revision=seen, now=now()), response)


@router.post(
    "/plans/{plan_id}/redo",
    summary="Do what was undone again",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def redo(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen) -> PlanOut:
    """Let a plan stand at the newest operation that followed."""
    return shown(session, service.redo(session, actor, plan_id, revision=seen, now=now()), response)


@router.put(
    "/plans/{plan_id}/head",
    summary="Go to an operation",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def go_to(
    session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen, body: HeadIn
) -> PlanOut:
    """Let a plan stand at any of its operations: what is done next begins a branch there."""
    return shown(session, service.go_to(session, actor, plan_id, body.n, revision=seen, now=now()), response)


@router.post(
    "/plans/{plan_id}/rebase",
    summary="Put a plan over what is in force by now",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def rebase(
    session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen, body: BaseIn
) -> PlanOut:
    """Go on from what is known now; where that changed a grid of the plan, 409 tells all three states of each."""
    present = now()
    at = present if body.at is None else parse_instant(body.at, "at")
    return shown(session, service.rebase(session, actor, plan_id, at=at, revision=seen, now=present), response)


@router.post(
    "/plans/{plan_id}/marks",
    summary="Name where a plan stands",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def mark(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, body: MarkIn) -> PlanOut:
    """Keep a snapshot: its number is in the plan's history, to go back to."""
    return shown(session, service.mark(session, actor, plan_id, body.name, now=now()), response)


@router.post(
    "/plans/{plan_id}/comments",
    summary="Say something of a plan",
    responses={**CHANGED, **problem_responses(404)},
    dependencies=[needs("plans.comment")],
)
def comment(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, body: CommentIn) -> PlanOut:
    """Leave words for those who plan and decide, maybe at a place."""
    place = None if body.lon is None or body.lat is None else (body.lon, body.lat)
    return shown(session, service.comment(session, actor, plan_id, body.text, place=place, now=now()), response)


@router.get("/plans/{plan_id}/history", summary="What happened to a plan", responses=problem_responses(404))
def history(session: ReadSession, page: Page, plan_id: PlanId) -> Listing[EventOut]:
    """Return operations, undo and redo, marks, comments and decisions, in their order."""
    queries.find(session, plan_id)
    found = lists.event_rows(session, plan_id)
    return listing(page_of(found, lambda one: (f"{one.revision:09d}",), page), event_out)


@router.get("/plans/{plan_id}/grids", summary="What a draft makes of grids", responses=problem_responses(404))
def grids(session: ReadSession, page: Page, plan_id: PlanId) -> FeatureCollection[DraftGridOut]:
    """Return the grids that a draft changes, as GeoJSON: each as it was before, and as it is after."""
    plan = queries.find(session, plan_id)
    base, layers = queries.base_of(session, plan), queries.layer_codes(session)
    units, found = unit_codes(session, base.at, base.known_at), lists.draft_grids(session, plan)
    made = [
        draft_grid_out(grid, was, side, layers, units)
        for was, becomes in found.values()
        for side, grid in (("before", was), ("after", becomes))
        if grid is not None
    ]
    chosen = page_of(made, lambda one: (one.id,), page)
    return FeatureCollection(features=list(chosen.rows), next=cursor(chosen.next_after))
