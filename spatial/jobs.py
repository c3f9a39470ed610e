"""Long work: a row in `job`, run once by whichever worker takes it.

A worker holds an advisory lock on the job for as long as its transaction lives. The work's effect and the job's end
are one transaction, so a killed worker leaves nothing behind but a job marked running whose lock is free: the next
worker takes it again.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Text, cast, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from spatial import access
from spatial.db import Database
from spatial.errors import Conflict, Denied, InputError, NotFound, TwingridError
from spatial.paging import Page, Paged, by_time, paged
from spatial.tables import Job

Progress = Callable[[float, str], None]
Handler = Callable[[Session, dict[str, Any], Progress], dict[str, Any]]
log = logging.getLogger(__name__)
FIRST_RETRY = timedelta(seconds=5)
DAILY = uuid.UUID("6f0d3f0e-0d0c-5a53-9f43-3b6d1f6a9c11")  # the name space of jobs that run once a day
MOST_FAULTS = 1000  # kept with a job
FINAL = (InputError, Conflict, Denied, NotFound, TypeError, ValueError, LookupError)  # it would fail so again


class Cancelled(TwingridError):
    """Somebody asked for the job to stop."""

    slug = "cancelled"


def enqueue(
    session: Session,
    kind: str,
    params: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    job_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """Add a job to the queue, in the caller's transaction, and return its public id; one that is there stays."""
    job_id = job_id or uuid.uuid4()
    row = {"id": job_id, "kind": kind, "params": params, "created_at": now, "run_after": now, "created_by": actor}
    session.execute(insert(Job).values(**row).on_conflict_do_nothing(index_elements=["id"]))
    return job_id


def enqueue_daily(session: Session, kind: str, day: date, *, actor: str, now: datetime) -> uuid.UUID:
    """Add a job that is to run once on a day, however many ask for it: its id follows from both."""
    return enqueue(session, kind, {}, actor=actor, now=now, job_id=uuid.uuid5(DAILY, f"{kind} {day.isoformat()}"))


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
        held = _Held(job.id, job.kind, job.params, job.created_by, job.attempts, job.max_attempts)
        if held.tried >= held.most:  # every worker that took it was killed
            outcome: dict[str, Any] = {"state": "failed", "error": "worker-lost", "finished_at": clock()}
        elif _begin(database, held, clock()):
            outcome = _attempt(effect, held, handlers[held.kind], _reporter(database, held.id, clock), clock)
        else:
            return held.id  # cancelled a moment ago
        # in the transaction that holds the job's lock: nobody else can take it before its outcome is known
        try:
            effect.execute(update(Job).where(Job.id == held.id).values(**outcome))
            database.finish(effect)
        except (
            InputError,
            StatementError,
        ) as error:  # a result that cannot be stored: nothing of the effect is, either
            effect.rollback()
            log.warning("the result of job %s cannot be stored", held.id, exc_info=error)
            _fail(database, held, clock())
    return held.id


def _fail(database: Database, held: "_Held", at: datetime) -> None:
    """Put on record that a job failed for good, whose effect was taken back; unless another worker has it by now."""
    values = {"state": "failed", "error": "result-cannot-be-stored", "finished_at": at}
    with database.write() as session:
        mine = (Job.id == held.id, Job.state == "running", Job.attempts == held.tried + 1)
        session.execute(update(Job).where(*mine).values(**values))


@dataclass(frozen=True)
class _Held:
    """A job whose lock we hold, as it was when we took it."""

    id: uuid.UUID
    kind: str
    params: dict[str, Any]
    created_by: str
    tried: int
    most: int


def _begin(database: Database, held: _Held, at: datetime) -> bool:
    """Mark a job as running, for everyone to see at once; False when it was cancelled in between."""
    with database.write() as session:
        values = {"state": "running", "attempts": held.tried + 1, "heartbeat": at, "progress": 0.0}
        mine = update(Job).where(Job.id == held.id, Job.state.in_(("queued", "running"))).values(**values)
        return session.scalar(mine.returning(Job.id)) is not None


def _attempt(
    effect: Session, held: _Held, handler: Handler, report: Progress, clock: Callable[[], datetime]
) -> dict[str, Any]:
    """Run a handler in a savepoint and return what became of the job; unless done, nothing of the effect is left."""
    try:
        effect.execute(text("SET LOCAL statement_timeout = 0"))  # a job may take longer than a request
        with effect.begin_nested():
            result = handler(effect, held.params, report)
    except Cancelled:
        return {"state": "cancelled", "finished_at": clock()}
    except Exception as error:  # whatever a job did wrong is the job's outcome, not the worker's
        log.warning("job %s failed, try %s of %s", held.id, held.tried + 1, held.most, exc_info=error)
        if isinstance(error, Denied):  # whoever asked may no longer do it
            access.record_refusal(effect, held.created_by, f"job/{held.kind}", error)
        return _failure(error, held, clock())
    return {"state": "done", "progress": 1.0, "result": result, "finished_at": clock()}


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


def _failure(error: Exception, held: _Held, now: datetime) -> dict[str, Any]:
    what: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, TwingridError):
        what = {"error": str(error), "result": {"fault": error.text, "values": error.values}}
    if isinstance(error, InputError):
        what["result"]["faults"] = [asdict(fault) for fault in error.faults[:MOST_FAULTS]]
    if held.tried + 1 >= held.most or isinstance(error, FINAL):
        return what | {"state": "failed", "finished_at": now}
    return what | {"state": "queued", "run_after": now + FIRST_RETRY * 2**held.tried}


def _reporter(database: Database, job_id: uuid.UUID, clock: Callable[[], datetime]) -> Progress:
    def report(progress: float, message: str) -> None:
        with database.write() as session:
            values = {"progress": progress, "message": message, "heartbeat": clock()}
            stop = update(Job).where(Job.id == job_id).values(**values).returning(Job.cancel_requested)
            if session.scalar(stop):
                raise Cancelled("job-cancelled")

    return report
