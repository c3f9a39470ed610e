"""What those ask who run a deployment: how the queue stands, who works, how far the data are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from spatial.db import versions
from spatial.jobs import ALIVE_WITHIN
from spatial.tables import AuditHead, Job, Worker


@dataclass(frozen=True)
class Archiving:
    """How it stands with the copies of PostgreSQL's log of changes."""

    archived: int  # segments, since the database's statistics began
    failures: int
    archived_s: float | None  # since the last segment; none: there was none
    failed_s: float | None  # since the last failure; none: there was none

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed; PostgreSQL then keeps its log, and its disk fills."""
        return self.failed_s is not None and (self.archived_s is None or self.failed_s < self.archived_s)


@dataclass(frozen=True)
class Figures:
    """A deployment in figures, none of which tells of a person."""

    jobs: dict[tuple[str, str], int]  # by kind and state
    oldest_due_s: float  # 0: no job waits that is due
    workers: int
    worker_seen_s: float | None  # none: there was none lately
    versions: dict[str, int]
    audit_rows: int
    archiving: Archiving | None  # none: it is off


def figures(session: Session, now: datetime) -> Figures:
    """Return how a deployment stands."""
    counted = session.execute(select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state))
    due = session.scalar(select(func.min(Job.run_after)).where(Job.state == "queued", Job.run_after <= now))
    seen = session.scalar(select(func.max(Worker.seen_at)))
    alive = select(func.count()).select_from(Worker).where(Worker.seen_at > now - ALIVE_WITHIN)
    return Figures(
        jobs={(kind, state): count for kind, state, count in counted},
        oldest_due_s=(now - due).total_seconds() if due else 0.0,
        workers=session.scalar(alive) or 0,
        worker_seen_s=max((now - seen).total_seconds(), 0.0) if seen else None,
        versions=versions(session),
        audit_rows=session.scalar(select(AuditHead.number)) or 0,  # they are numbered without gaps
        archiving=archiving(session),
    )


def archiving(session: Session) -> Archiving | None:
    """Return how it stands with archiving PostgreSQL's log of changes; none where that is off."""
    row = session.execute(
        text("""
            SELECT archived_count, failed_count,
                extract(epoch FROM clock_timestamp() - last_archived_time)::float,
                extract(epoch FROM clock_timestamp() - last_failed_time)::float
            FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
        """)
    ).first()
    return Archiving(*row) if row else None
