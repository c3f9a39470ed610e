"""Running the next job: taken by a lock, watched over, and ended in the transaction of its effect."""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import InvalidRequestError, StatementError
from sqlalchemy.orm import Session

from spatial import access
from spatial.db import Database
from spatial.errors import Busy, Conflict, Denied, InputError, NotFound, TwingridError
from spatial.jobs.model import Cancelled, Handler, Held, Progress, TooLong
from spatial.jobs.queue import WAITING
from spatial.jobs.rules import back_off
from spatial.jobs.watch import Watch
from spatial.tables import Job

log = logging.getLogger(__name__)
NEXT = text((Path(__file__).parent / "next.sql").read_text(encoding="utf-8"))
MOST_LOOKED_AT = 100  # more than there are workers that may hold one
MOST_FAULTS = 1000  # kept with a job
FINAL = (InputError, Conflict, Denied, NotFound, TypeError, ValueError, LookupError)  # it would fail so again
Clock = Callable[[], datetime]
Started = Callable[[uuid.UUID], None]


def _say_nothing(_job_id: uuid.UUID) -> None:
    """Let nobody know which job has been taken."""


def run_next(
    database: Database, handlers: Mapping[str, Handler], *, clock: Clock, started: Started = _say_nothing
) -> uuid.UUID | None:
    """Run the first job that is due and that no living worker holds; return its id, or None when there is none."""
    with Session(database.engine) as effect:
        job = _take(effect, handlers, clock())
        if job is None:
            return None
        held = Held.of(job)
        started(held.id)
        outcome = _outcome(database, effect, held, handlers, clock)
        # in the transaction that holds the job's lock: nobody else can take it before its outcome is known
        try:
            effect.execute(update(Job).where(Job.id == held.id).values(**outcome))
            database.finish(effect)
        except InvalidRequestError:  # the connection broke under the handler; so has the lock
            raise Busy("database-away") from None
        except (InputError, StatementError) as error:  # a result that cannot be stored: nor is the effect
            effect.rollback()
            log.warning("the result of job %s cannot be stored", held.id, exc_info=error)
            _fail(database, held, clock())
    return held.id


def _take(effect: Session, handlers: Mapping[str, Handler], now: datetime) -> Job | None:
    for job_id in effect.scalars(NEXT, {"now": now, "kinds": list(handlers), "most": MOST_LOOKED_AT}):
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(str(job_id), 0))
        if effect.scalar(select(lock)):
            job = effect.get(Job, job_id)  # another worker may have ended it, or put it off, before we held its lock
            if job is not None and job.state in WAITING and job.run_after <= now:
                return job
    return None


def _outcome(
    database: Database, effect: Session, held: Held, handlers: Mapping[str, Handler], clock: Clock
) -> dict[str, Any]:
    """Return what becomes of a job: run, or not any more."""
    if held.tried >= held.most:  # every worker that took it was killed
        return _given_up("worker-lost", clock())
    if held.is_left and held.tried > 1:  # it may be what kills them: others go first
        return {"state": "queued", "run_after": clock() + back_off(held.id, held.tried)}
    if not _begin(database, held, clock()):
        return {"state": "cancelled", "finished_at": clock()}
    return _attempt(database, effect, held, handlers[held.kind], clock)


def _begin(database: Database, held: Held, at: datetime) -> bool:
    """Mark a job as running, for everyone to see at once; False when somebody has cancelled it."""
    with database.write() as session:
        values = {"state": "running", "attempts": held.tried + 1, "heartbeat": at, "progress": 0.0}
        wanted = (Job.id == held.id, Job.state.in_(("queued", "running")), ~Job.cancel_requested)
        return session.scalar(update(Job).where(*wanted).values(**values).returning(Job.id)) is not None


def _attempt(database: Database, effect: Session, held: Held, handler: Handler, clock: Clock) -> dict[str, Any]:
    """Run a handler in a savepoint and return what became of the job; unless done, nothing of the effect is left."""
    watch = Watch(database, effect, held, clock)
    try:
        effect.execute(text("SET LOCAL statement_timeout = 0"))  # a job may take longer than a request
        with effect.begin_nested(), watch:
            result = handler(effect, held.params, _reporter(database, held, watch, clock))
    except Exception as error:  # whatever a job did wrong is the job's outcome, not the worker's
        why = watch.stopped or error
        if isinstance(why, Cancelled):
            return {"state": "cancelled", "finished_at": clock()}
        log.warning("job %s failed, try %s of %s", held.id, held.tried + 1, held.most, exc_info=why)
        if isinstance(why, Denied):  # whoever asked may no longer do it
            access.record_refusal(effect, held.created_by, f"job/{held.kind}", why)
        return _failure(why, held, clock())
    return {"state": "done", "progress": 1.0, "result": result, "finished_at": clock()}


def _failure(error: Exception, held: Held, now: datetime) -> dict[str, Any]:
    what: dict[str, Any] = {"error": type(error).__name__, "result": None}
    if isinstance(error, TwingridError):
        what = {"error": str(error), "result": {"fault": error.text, "values": error.values}}
    if isinstance(error, Conflict) and error.told is not None:
        what["result"]["told"] = error.told
    if isinstance(error, InputError):
        what["result"]["faults"] = [asdict(fault) for fault in error.faults[:MOST_FAULTS]]
    if isinstance(error, FINAL):
        return what | {"state": "failed", "finished_at": now}
    if held.tried + 1 >= held.most or isinstance(error, TooLong):
        return what | {"state": "dead", "finished_at": now}
    return what | {"state": "queued", "run_after": now + back_off(held.id, held.tried + 1)}


def _given_up(fault: str, now: datetime) -> dict[str, Any]:
    return {"state": "dead", "error": fault, "result": {"fault": fault, "values": {}}, "finished_at": now}


def _fail(database: Database, held: Held, at: datetime) -> None:
    """Put on record that a job failed for good, whose effect was taken back; unless another worker has it by now."""
    values = {"state": "failed", "error": "result-cannot-be-stored", "finished_at": at}
    with database.write() as session:
        session.execute(update(Job).where(*_is_ours(held)).values(**values))


def _reporter(database: Database, held: Held, watch: Watch, clock: Clock) -> Progress:
    def report(progress: float, message: str) -> None:
        if watch.stopped:
            raise watch.stopped
        with database.write() as session:
            values = {"progress": progress, "message": message, "heartbeat": clock()}
            stop = update(Job).where(*_is_ours(held)).values(**values).returning(Job.cancel_requested)
            if session.scalar(stop) is not False:
                raise Cancelled("job-cancelled")

    return report


def _is_ours(held: Held) -> tuple[Any, ...]:
    """Return what is so of a job as long as no other worker has taken it after us."""
    return (Job.id == held.id, Job.state == "running", Job.attempts == held.tried + 1)
