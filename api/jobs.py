"""Long work: how far it is, and stopping it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel

from api.deps import Actor, ReadSession, SignedIn, WriteSession
from api.errors import problem_responses
from spatial import audit, jobs
from spatial.tables import Job
from spatial.time import now

router = APIRouter(tags=["jobs"], dependencies=[SignedIn])
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


@router.get("/jobs/{job_id}", summary="How far a job is", responses=problem_responses(404))
def job(session: ReadSession, job_id: JobId) -> JobOut:
    """Return a job's state and progress."""
    return job_out(jobs.find(session, job_id))


@router.delete("/jobs/{job_id}", summary="Ask for a job to stop", responses=problem_responses(403, 404))
def cancel(session: WriteSession, actor: Actor, job_id: JobId) -> JobOut:
    """Cancel a job that is queued; a running one stops at its next step and leaves nothing behind."""
    actor.require("system_admin", "planner")
    jobs.cancel(session, job_id, now())
    audit.record(session, actor.name, "job.cancel", f"job/{job_id}", {})
    return job_out(jobs.find(session, job_id))


def job_out(found: Job) -> JobOut:
    """Return a job as it is sent."""
    return JobOut.model_validate(found, from_attributes=True)
