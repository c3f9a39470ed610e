"""What a job is to those who write one."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Self

from sqlalchemy.orm import Session

from spatial.errors import TwingridError
from spatial.tables import Job

State = Literal["queued", "running", "done", "failed", "dead", "cancelled"]
Progress = Callable[[float, str], None]
Handler = Callable[[Session, dict[str, Any], Progress], dict[str, Any]]


class Cancelled(TwingridError):
    """Somebody asked for the job to stop, or it is no longer ours."""

    slug = "cancelled"


class TooLong(TwingridError):
    """The job has had its time."""

    slug = "too-long"


@dataclass(frozen=True)
class Held:
    """A job whose lock we hold, as it was when we took it."""

    id: uuid.UUID
    kind: str
    params: dict[str, Any]
    created_by: str
    tried: int
    most: int
    time_limit: timedelta
    is_left: bool  # by a worker that was killed

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return what we hold of a row."""
        left = job.state == "running"
        return cls(job.id, job.kind, job.params, job.created_by, job.attempts, job.max_attempts, job.time_limit, left)
