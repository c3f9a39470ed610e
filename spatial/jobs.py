"""Long work: a row in `job`, run once by whichever worker takes it.

A worker holds an advisory lock on the job for as long as its transaction lives. The work's effect and the job's end
are one transaction, so a killed worker leaves nothing behind but a job marked running whose lock is free: the next
worker takes it again.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from spatial.db import Database
from spatial.errors import NotFound, TwingridError
from spatial.tables import Job

Progress = Callable[[float, str], None]
Handler = Callable[[Session, dict[str, Any], Progress], dict[str, Any]]
FIRST_RETRY = timedelta(seconds=5)


class Cancelled(TwingridError):
    """Somebody asked for the job to stop."""

    slug = "cancelled"


def enqueue(session: Session, kind: str, params: dict[str, Any], *, actor: str, now: datetime) -> uuid.UUID:
    """Add a job to the queue, in the caller's transaction, and return its public id."""
    job_id = uuid.uuid4()
    row = {"id": job_id, "kind": kind, "params": params, "created_at": now, "run_after": now, "created_by": actor}
    session.execute(insert(Job).values(**row))
    return job_id


def find(session: Session, job_id: uuid.UUID) -> Job:
    """Return a job, or raise `NotFound`."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("no-such-job", id=str(job_id))
    return job


def cancel(session: Session, job_id: uuid.UUID, now: datetime) -> None:
    """Ask for a job to stop: one still queued is cancelled at once, a running one at its next step."""
    find(session, job_id)
    queued = (Job.id == job_id, Job.state == "queued")
    session.execute(update(Job).where(*queued).values(state="cancelled", finished_at=now))
    session.execute(update(Job).where(Job.id == job_id, Job.state == "running").values(cancel_requested=True))


def run_next(database: Database, handlers: Mapping[str, Handler], *, clock: Callable[[], datetime]) -> uuid.UUID | None:
    """Run the oldest job that is due and that no living worker holds; return its id, or None when there is none."""
    with Session(database.engine) as effect:
        job = _take(effect, handlers, clock())
        if job is None:
            return None
        job_id, params, tried, most = job.id, job.params, job.attempts, job.max_attempts
        if tried >= most:  # every worker that took it was killed
            effect.rollback()
            _set(database, job_id, {"state": "failed", "error": "worker-lost", "finished_at": clock()})
            return job_id
        running = {"state": "running", "attempts": Job.attempts + 1, "heartbeat": clock(), "progress": 0.0}
        _set(database, job_id, running)
        try:
            result = handlers[job.kind](effect, params, _reporter(database, job_id, clock))
            done = {"state": "done", "progress": 1.0, "result": result, "finished_at": clock()}
            effect.execute(update(Job).where(Job.id == job_id).values(**done))
            database.finish(effect)
        except Cancelled:
            effect.rollback()
            _set(database, job_id, {"state": "cancelled", "finished_at": clock()})
        except Exception as error:  # noqa: BLE001  whatever a job did wrong is the job's outcome, not the worker's
            effect.rollback()
            _set(database, job_id, _failure(error, tried, most, clock()))
    return job_id


def _take(effect: Session, handlers: Mapping[str, Handler], now: datetime) -> Job | None:
    due = (
        select(Job)
        .where(or_(Job.state == "queued", Job.state == "running"), Job.run_after <= now, Job.kind.in_(handlers))
        .order_by(Job.run_after, Job.created_at)
        .limit(100)
    )
    for job in effect.scalars(due):
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(str(job.id), 0))
        if effect.scalar(select(lock)):
            effect.refresh(job)  # another worker may have ended it before we held its lock
            if job.state in {"queued", "running"}:
                return job
    return None


def _failure(error: Exception, tried: int, most: int, now: datetime) -> dict[str, Any]:
    what = {"error": str(error) if isinstance(error, TwingridError) else type(error).__name__}
    if tried + 1 >= most:
        return what | {"state": "failed", "finished_at": now}
    return what | {"state": "queued", "run_after": now + FIRST_RETRY * 2**tried}


def _set(database: Database, job_id: uuid.UUID, values: dict[str, Any]) -> None:
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def _reporter(database: Database, job_id: uuid.UUID, clock: Callable[[], datetime]) -> Progress:
    def report(progress: float, message: str) -> None:
        with database.write() as session:
            values = {"progress": progress, "message": message, "heartbeat": clock()}
            stop = update(Job).where(Job.id == job_id).values(**values).returning(Job.cancel_requested)
            if session.scalar(stop):
                raise Cancelled("job-cancelled")

    return report
