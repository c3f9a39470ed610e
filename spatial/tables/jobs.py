"""Long work: the queue, what is scheduled, who works."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Interval

from .base import Base, Code, Instant, Json, one_of

WAITING = "state IN ('queued', 'running')"


class Job(Base):
    """Long work, run by a worker."""

    __tablename__ = "job"
    __table_args__ = (
        one_of("state", "queued", "running", "done", "failed", "dead", "cancelled"),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress_range"),
        Index("ix_job_state_run_after", "state", "run_after"),
        Index("ix_job_waiting", "priority", "created_by", "run_after", "created_at", postgresql_where=text(WAITING)),
        Index("ix_job_served", "created_by", "heartbeat"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    params: Mapped[Json]
    priority: Mapped[int] = mapped_column(server_default="0")
    state: Mapped[str] = mapped_column(server_default="queued")
    progress: Mapped[float] = mapped_column(server_default="0")
    message: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int] = mapped_column(server_default="5")
    time_limit: Mapped[timedelta] = mapped_column(Interval, server_default=text("'01:00:00'::interval"))
    run_after: Mapped[Instant]
    heartbeat: Mapped[Instant | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Instant]
    created_by: Mapped[str]
    finished_at: Mapped[Instant | None]
    result: Mapped[Json | None]
    error: Mapped[str | None]


class Slot(Base):
    """The newest slot of a schedule, and the job that was queued for it; none before the first."""

    __tablename__ = "schedule_slot"
    kind: Mapped[Code] = mapped_column(primary_key=True)
    at: Mapped[Instant]
    job_id: Mapped[UUID | None]


class Worker(Base):
    """A worker that lives, or was killed not long ago."""

    __tablename__ = "worker"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    since: Mapped[Instant]
    seen_at: Mapped[Instant]
    job_id: Mapped[UUID | None]
