"""Long work: how far it is, stopping it, trying it again, and what is scheduled."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.deps import Actor, AppSettings, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.shapes import Listing, listing
from api.worker import schedules
from spatial import audit, jobs
from spatial.jobs import Standing, State
from spatial.tables import Job, Worker
from spatial.time import now

router = APIRouter(tags=["jobs"], dependencies=[needs("jobs")])
IMPORTS = {"import", "import-commit"}
JobId = Annotated[UUID, Path(description="name of a job, as its `Location` gave it")]


class JobOut(BaseModel):
    """A job as it stands."""

    id: UUID
    kind: str
    priority: int = Field(description="higher ones go first")
    state: State = Field(
        description="failed: it would fail so again; dead: given up after all its tries, its time, or workers killed"
    )
    progress: float
    message: str | None
    attempts: int
    run_after: datetime = Field(description="when it is due, or due again after a failure")
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None


class WorkerOut(BaseModel):
    """A worker that was seen lately."""

    host: str
    pid: int
    since: datetime
    seen_at: datetime
    job_id: UUID | None = Field(description="what it is at")


class ScheduleOut(BaseModel):
    """A kind of job that is queued at an hour of the deployment's clock."""

    kind: str
    at: str = Field(description="hour and minute by the deployment's clock", examples=["03:10"])
    weekday: int | None = Field(description="0 is Monday; none: every day")
    next_at: datetime
    last_at: datetime | None = Field(description="newest slot for which a job was queued")
    last_job: UUID | None
    last_state: State | None = Field(description="how it stands with that job; none where it is too old to be kept")


@router.get("/jobs", summary="Jobs, oldest first", responses=problem_responses())
def job_list(
    session: ReadSession,
    page: Page,
    kind: Annotated[str | None, Query(max_length=100, description="such as check-tiling")] = None,
    state: Annotated[State | None, Query(description="how it stands with them")] = None,
) -> Listing[JobOut]:
    """Return what was asked for, is running, and has ended."""
    return listing(jobs.job_rows(session, page, kind=kind, state=state), lambda row: job_out(row.Job))


@router.get("/schedules", summary="What is done at which hour", responses=problem_responses())
def schedule_list(session: ReadSession, config: AppSettings) -> list[ScheduleOut]:
    """Return what workers do by themselves, when next, and what became of it last.

    Of hours at which nobody worked, the newest is made up for.
    """
    found = jobs.standings(session, schedules(config), config.zone, now())
    return [schedule_out(one) for one in found]


@router.get("/jobs/{job_id}", summary="How far a job is", responses=problem_responses(404))
def job(session: ReadSession, job_id: JobId) -> JobOut:
    """Return a job's state and progress."""
    return job_out(jobs.find(session, job_id))


@router.delete("/jobs/{job_id}", summary="Ask for a job to stop", responses=problem_responses(404))
def cancel(session: WriteSession, actor: Actor, job_id: JobId) -> JobOut:
    """Cancel a job that is queued; a running one is stopped within a second or two and leaves nothing behind."""
    if jobs.asked_by(session, job_id) != actor.name:
        actor.granted("jobs.run")
    jobs.cancel(session, job_id, now())
    audit.record(session, actor.name, "job.cancel", f"job/{job_id}", {})
    return job_out(jobs.find(session, job_id))


@router.post(
    "/jobs/{job_id}/retry",
    summary="Try a job again",
    responses=problem_responses(404, 409),
    dependencies=[needs("jobs.run")],
)
def retry(session: WriteSession, actor: Actor, job_id: JobId) -> JobOut:
    """Queue a job again that failed, was given up or was cancelled, with as many tries as a new one has."""
    jobs.retry(session, job_id, now())
    audit.record(session, actor.name, "job.retry", f"job/{job_id}", {})
    return job_out(jobs.find(session, job_id))


def schedule_out(one: Standing) -> ScheduleOut:
    """Return a schedule as it is sent."""
    schedule = one.schedule
    return ScheduleOut(
        kind=schedule.kind,
        at=f"{schedule.at:%H:%M}",
        weekday=schedule.weekday,
        next_at=one.next_at,
        last_at=one.last_at,
        last_job=one.job_id,
        last_state=one.state,
    )


def worker_out(found: Worker) -> WorkerOut:
    """Return a worker as it is shown."""
    return WorkerOut.model_validate(found, from_attributes=True)


def job_out(found: Job) -> JobOut:
    """Return a job as it is sent; what an import found is shown to those who may do it, at `/imports/{id}`."""
    out = JobOut.model_validate(found, from_attributes=True)
    if found.kind in IMPORTS:
        return out.model_copy(
            update={"result": None, "error": (found.result or {}).get("fault") if out.error else None}
        )
    return out
