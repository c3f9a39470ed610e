"""What is queued at which hour: once for each slot, however many workers ask; of missed slots the newest alone."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from spatial.db import Database
from spatial.jobs.model import State
from spatial.jobs.queue import enqueue
from spatial.jobs.rules import Schedule
from spatial.tables import Job, Slot


@dataclass(frozen=True)
class Standing:
    """A schedule, when it is due next, and the job of its newest slot, where there has been one."""

    schedule: Schedule
    next_at: datetime
    last_at: datetime | None
    job_id: uuid.UUID | None
    state: State | None


def plan(database: Database, schedules: Sequence[Schedule], zone: ZoneInfo, *, actor: str, now: datetime) -> datetime:
    """Queue what has come due since the last time anybody asked, and return when something comes due next.

    A schedule that is seen for the first time begins with its next slot: a fresh deployment has missed nothing.
    """
    with database.write() as session:
        for schedule in schedules:
            slot = schedule.latest(now, zone)
            session.execute(insert(Slot).values(kind=schedule.kind, at=slot).on_conflict_do_nothing())
            # whoever moves the row on queues the job; others wait for the row, and then find it moved
            moved = update(Slot).where(Slot.kind == schedule.kind, Slot.at < slot).values(at=slot)
            if session.scalar(moved.returning(Slot.kind)) is not None:
                job_id = enqueue(session, schedule.kind, {}, actor=actor, now=now)
                session.execute(update(Slot).where(Slot.kind == schedule.kind).values(job_id=job_id))
    return min(one.next(now, zone) for one in schedules)


def standings(session: Session, schedules: Sequence[Schedule], zone: ZoneInfo, now: datetime) -> list[Standing]:
    """Return how it stands with each schedule, in their order."""
    wanted = select(Slot, Job.state).outerjoin(Job, Job.id == Slot.job_id)
    found = {row.Slot.kind: row for row in session.execute(wanted)}
    told = []
    for one in schedules:
        row = found.get(one.kind)
        ran = row is not None and row.Slot.job_id is not None
        last = (row.Slot.at, row.Slot.job_id, row.state) if row is not None and ran else (None, None, None)
        told.append(Standing(one, one.next(now, zone), *last))
    return told
