"""Review and publication of plans, what they affect, and the feed of what was published."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.asking import PlainText
from api.deps import Actor, AppSettings, InstantText, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.findings_asked import limits_of
from api.jobs import JobOut, job_out
from api.plan_jobs import queue_publication
from api.plans import CHANGED, EDITING, Code, Name, PlanId, Seen, Words, shown
from api.plans_out import PlanOut, ReviewOut, obstacle_out
from api.shapes import Listing, listing
from spatial import jobs
from spatial.redraw import listing as lists
from spatial.redraw import queries, review
from spatial.redraw.reverting import revert as take_back
from spatial.time import now, parse_instant

router = APIRouter(tags=["plans"], dependencies=[needs("plans.read")])
DECIDING = [needs("plans.decide")]
STRICT = ConfigDict(extra="forbid")
STARTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "A job has been started", "headers": {"Location": {"schema": {"type": "string"}}}}
}


class ReasonIn(BaseModel):
    """Why a plan is returned."""

    model_config = STRICT
    reason: Words


class CorrectionIn(BaseModel):
    """Why a plan may come into force in the past, and from when."""

    model_config = STRICT
    reason: Words
    effective: InstantText = Field(description="RFC 3339, in the past: the only past instant to publish it at")


class ApprovalIn(BaseModel):
    """What a plan is approved under."""

    model_config = STRICT
    document_number: Code = Field(description="文号", examples=["双公〔2025〕12 号"])
    acknowledge: list[Annotated[PlainText, Field(max_length=64)]] = Field(
        [], max_length=10_000, description="keys of the findings that it adds, which are all meant"
    )
    correction: CorrectionIn | None = Field(None, description="that it may come into force in the past, and from when")


class PublicationIn(BaseModel):
    """When a plan comes into force."""

    model_config = STRICT
    effective: InstantText = Field(description="RFC 3339; in the past only as a correction was approved")


class RevertIn(BaseModel):
    """What a plan that takes another back is called."""

    model_config = STRICT
    name: Name


class PublishedOut(BaseModel):
    """What was published, by public names."""

    version: int = Field(description="of the areas: ask for what came `after` it")
    name: str
    plan: UUID
    document_number: str | None
    effective: str
    reverts: UUID | None
    superseded_by: UUID | None
    sha256: str = Field(description="of `manifest` as JSON with sorted keys and without blanks")
    manifest: dict[str, Any] = Field(description="grids before and after with the SHA-256 of their shapes, and lineage")


@router.get("/plans/{plan_id}/review", summary="What stands against a plan", responses=problem_responses(404))
def what_stands_against(
    session: ReadSession,
    config: AppSettings,
    plan_id: PlanId,
    effective: Annotated[InstantText | None, Query(description="RFC 3339: if it came into force then; now")] = None,
) -> ReviewOut:
    """Return every place that keeps a plan from being published, and what an approver has to acknowledge."""
    at = now() if effective is None else parse_instant(effective, "effective")
    plan = queries.find(session, plan_id)
    return review_out(review.review(session, plan, effective=at, limits=limits_of(config)))


def review_out(found: review.Review) -> ReviewOut:
    """Return what stands against a plan as it is sent."""
    obstacles, findings = ([obstacle_out(one) for one in several] for several in (found.obstacles, found.findings))
    return ReviewOut(obstacles=obstacles, findings=findings)


@router.post(
    "/plans/{plan_id}/submit",
    summary="Hand a plan in",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def submit(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen) -> PlanOut:
    """Ask for approval; what keeps the plan from being published is told, and keeps it from being handed in."""
    return shown(session, review.submit(session, actor, plan_id, revision=seen, now=now()), response)


@router.post(
    "/plans/{plan_id}/return",
    summary="Return a plan",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=DECIDING,
)
def give_back(
    session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen, body: ReasonIn
) -> PlanOut:
    """Give a plan back to its planners, saying why."""
    return shown(session, review.give_back(session, actor, plan_id, body.reason, revision=seen, now=now()), response)


@router.post(
    "/plans/{plan_id}/approve",
    summary="Approve a plan",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=DECIDING,
)
def approve(
    session: WriteSession,
    actor: Actor,
    config: AppSettings,
    response: Response,
    plan_id: PlanId,
    seen: Seen,
    body: ApprovalIn,
) -> PlanOut:
    """Approve a plan under a document's number; whoever made any of it may not."""
    plan = review.approve(
        session,
        actor,
        plan_id,
        body.document_number,
        acknowledged=frozenset(body.acknowledge),
        correction=None if body.correction is None else correction_of(body.correction),
        limits=limits_of(config),
        revision=seen,
        now=now(),
    )
    return shown(session, plan, response)


def correction_of(body: CorrectionIn) -> review.Correction:
    """Return a correction that was sent."""
    return review.Correction(body.reason, parse_instant(body.effective, "correction.effective"))


@router.post(
    "/plans/{plan_id}/abandon",
    summary="Give a plan up",
    responses={**CHANGED, **problem_responses(404, 409)},
    dependencies=EDITING,
)
def abandon(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, seen: Seen) -> PlanOut:
    """Let a plan be; it stays on record."""
    return shown(session, review.abandon(session, actor, plan_id, revision=seen, now=now()), response)


@router.post(
    "/plans/{plan_id}/publish",
    summary="Bring a plan into force, as a job",
    status_code=202,
    responses={**STARTED, **problem_responses(404, 409)},
    dependencies=DECIDING,
)
def publish(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, body: PublicationIn) -> JobOut:
    """Queue the publication of an approved plan: one transaction that changes grids, cover and lineage, or nothing."""
    job_id = queue_publication(session, actor, plan_id, parse_instant(body.effective, "effective"), now())
    response.headers["Location"] = f"/jobs/{job_id}"
    return job_out(jobs.find(session, job_id))


@router.post(
    "/plans/{plan_id}/revert",
    summary="Plan to take a published plan back",
    status_code=201,
    responses=problem_responses(404, 409),
    dependencies=EDITING,
)
def revert(session: WriteSession, actor: Actor, response: Response, plan_id: PlanId, body: RevertIn) -> PlanOut:
    """Make a plan that gives grids back what they were, to be approved and published like any other."""
    made = take_back(session, actor, plan_id, body.name, now=now())
    response.headers["Location"] = f"/plans/{made.id}"
    return shown(session, made, response)


@router.get("/published-plans", summary="What was published, for other systems", responses=problem_responses())
def published(
    session: ReadSession,
    page: Page,
    after: Annotated[int | None, Query(ge=0, le=2**53, description="version of the areas seen last")] = None,
) -> Listing[PublishedOut]:
    """Return every change of grids that is in force or planned, in the order of publication, with its lineage."""
    return listing(lists.published_rows(session, page, after=after), _published)


def _published(plan: Any) -> PublishedOut:
    return PublishedOut(
        version=plan.published_version,
        name=plan.name,
        plan=plan.id,
        document_number=plan.document_number,
        effective=plan.effective.isoformat(),
        reverts=plan.reverts,
        superseded_by=plan.superseded_by,
        sha256=plan.sha256,
        manifest=plan.manifest,
    )
