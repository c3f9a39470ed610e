"""The queue of jobs: putting in, looking up, cancelling, trying again, clearing."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Row, Text, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from spatial.errors import Conflict, NotFound, TooMany
from spatial.paging import Page, Paged, by_time, paged
from spatial.tables import Job

BELL = "twingrid_job"  # the channel on which idle workers listen
WAITING = ("queued", "running")
ENDED = ("done", "failed", "dead", "cancelled")
RETRIED = ("failed", "dead", "cancelled")
TIME_LIMIT = timedelta(hours=1)
MOST_WAITING = 1000  # jobs of one who asks
LATER_S = 60


def enqueue(
    session: Session,
    kind: str,
    params: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    job_id: uuid.UUID | None = None,
    priority: int = 0,
    time_limit: timedelta = TIME_LIMIT,
) -> uuid.UUID:
    """Add a job to the queue, in the caller's transaction, and return its public id; one that is there stays.

    Of the jobs that are due those with the highest `priority` go first, among equals one of each actor in turn.
    Errors: `too-many-jobs`.
    """
    _require_room(session, actor, priority)
    job_id = job_id or uuid.uuid4()
    row = {"id": job_id, "kind": kind, "params": params, "priority": priority, "time_limit": time_limit}
    stamped = {"created_at": now, "run_after": now, "created_by": actor}
    session.execute(insert(Job).values(**row, **stamped).on_conflict_do_nothing(index_elements=["id"]))
    _ring(session)
    return job_id


def job_rows(session: Session, page: Page, *, kind: str | None = None, state: str | None = None) -> Paged[Row[Any]]:
    """Return a page of the jobs, oldest first."""
    wanted = select(Job)
    if kind is not None:
        wanted = wanted.where(Job.kind == kind)
    if state is not None:
        wanted = wanted.where(Job.state == state)
    return paged(session, wanted, by_time(Job.created_at, cast(Job.id, Text)), page)


def find(session: Session, job_id: uuid.UUID) -> Job:
    """Return a job, or raise `NotFound`."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound("no-such-job", id=str(job_id))
    return job


def asked_by(session: Session, job_id: uuid.UUID) -> str | None:
    """Return who asked for a job; None where there is no such job."""
    return session.scalar(select(Job.created_by).where(Job.id == job_id))


def exists(session: Session, job_id: uuid.UUID) -> bool:
    """Return whether there is such a job."""
    return asked_by(session, job_id) is not None


def newest_with(session: Session, kind: str, name: str, value: str) -> Job | None:
    """Return the newest job of a kind with that value among its params; None where none was ever asked for."""
    wanted = select(Job).where(Job.kind == kind, Job.params[name].as_string() == value)
    return session.scalars(wanted.order_by(Job.created_at.desc()).limit(1)).first()


def newest(session: Session, kind: str, most: int) -> Sequence[Job]:
    """Return the newest jobs of a kind, the last one first."""
    wanted = select(Job).where(Job.kind == kind).order_by(Job.created_at.desc(), Job.id).limit(most)
    return session.scalars(wanted).all()


def hold(session: Session, job_id: uuid.UUID) -> Job:
    """Return a job that nobody else may ask anything about until the transaction ends, or raise `NotFound`."""
    find(session, job_id)
    return session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one()


def cancel(session: Session, job_id: uuid.UUID, now: datetime) -> None:
    """Ask for a job to stop: one still queued is cancelled at once, a running one within a second or two."""
    find(session, job_id)
    queued = (Job.id == job_id, Job.state == "queued")
    session.execute(update(Job).where(*queued).values(state="cancelled", finished_at=now))
    session.execute(update(Job).where(Job.id == job_id, Job.state == "running").values(cancel_requested=True))


def retry(session: Session, job_id: uuid.UUID, now: datetime) -> None:
    """Put a job that failed, was given up or was cancelled into the queue again, as if it had never been tried."""
    if hold(session, job_id).state not in RETRIED:
        raise Conflict("job-not-failed", id=str(job_id))
    fresh = {"state": "queued", "attempts": 0, "progress": 0.0, "run_after": now, "cancel_requested": False}
    ended = dict.fromkeys(("message", "result", "error", "finished_at", "heartbeat"))
    session.execute(update(Job).where(Job.id == job_id).values(**fresh, **ended))
    _ring(session)


def retire(session: Session, *, oldest: datetime) -> int:
    """Delete the jobs that ended before an instant, and return how many."""
    result = session.execute(delete(Job).where(Job.state.in_(ENDED), Job.finished_at < oldest))
    return result.rowcount if isinstance(result, CursorResult) else 0


def _require_room(session: Session, actor: str, priority: int) -> None:
    """Refuse to queue for whoever has very many jobs waiting."""
    theirs = (Job.created_by == actor, Job.priority == priority, Job.state.in_(WAITING))
    waiting = select(Job.id).where(*theirs).limit(MOST_WAITING).subquery()
    if session.scalar(select(func.count()).select_from(waiting)) == MOST_WAITING:
        raise TooMany("too-many-jobs", retry_after_s=LATER_S, most=MOST_WAITING)


def _ring(session: Session) -> None:
    """Wake the workers, once the caller's transaction is there."""
    session.execute(select(func.pg_notify(BELL, "")))
