"""Long work: how far it is, and stopping it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from api.deps import Actor, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.shapes import Listing, listing
from spatial import audit, jobs
from spatial.tables import Job
from spatial.time import now

router = APIRouter(tags=["jobs"], dependencies=[needs("jobs")])
State = Literal["queued", "running", "done", "failed", "cancelled"]
IMPORTS = {"import", "import-commit"}
JobId = Annotated[UUID, Path(description="name of a job, as its `Location` gave it")]


class JobOut(BaseModel):
    """A job as it stands."""

    id: UUID
    kind: str
    state: str
    progress: float
    message: str | None
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None


@router.get("/jobs", summary="Jobs, oldest first", responses=problem_responses())
def job_list(
    session: ReadSession,
    page: Page,
    kind: Annotated[str | None, Query(max_length=100, description="such as check-tiling")] = None,
    state: Annotated[State | None, Query(description="how it stands with them")] = None,
) -> Listing[JobOut]:
    """Return what was asked for, is running, and has ended."""
    return listing(jobs.job_rows(session, page, kind=kind, state=state), lambda row: job_out(row.Job))


@router.get("/jobs/{job_id}", summary="How far a job is", responses=problem_responses(404))
def job(session: ReadSession, job_id: JobId) -> JobOut:
    """Return a job's state and progress."""
    return job_out(jobs.find(session, job_id))


@router.delete("/jobs/{job_id}", summary="Ask for a job to stop", responses=problem_responses(403, 404))
def cancel(session: WriteSession, actor: Actor, job_id: JobId) -> JobOut:
    """Cancel a job that is queued; a running one stops at its next step and leaves nothing behind."""
    if jobs.asked_by(session, job_id) != actor.name:
        actor.granted("jobs.run")
    jobs.cancel(session, job_id, now())
    audit.record(session, actor.name, "job.cancel", f"job/{job_id}", {})
    return job_out(jobs.find(session, job_id))


def job_out(found: Job) -> JobOut:
    """Return a job as it is sent; what an import found is shown to those who may do it, at `/imports/{id}`."""
    out = JobOut.model_validate(found, from_attributes=True)
    if found.kind in IMPORTS:
        return out.model_copy(
            update={"result": None, "error": (found.result or {}).get("fault") if out.error else None}
        )
    return out
