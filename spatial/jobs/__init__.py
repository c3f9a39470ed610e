"""Long work: a row in `job`, run once by whichever worker takes it; what runs at which hour; who works.

A worker holds an advisory lock on the job for as long as its transaction lives. The work's effect and the job's end
are one transaction, so a killed worker leaves nothing behind but a job marked running whose lock is free: the next
worker takes it again.
"""

from .model import Cancelled, Handler, Progress, State, TooLong
from .queue import (
    asked_by,
    cancel,
    enqueue,
    exists,
    find,
    hold,
    job_rows,
    newest,
    newest_with,
    retire,
    retry,
)
from .rules import Schedule
from .running import run_next
from .schedules import Standing, plan, standings
from .workers import ALIVE_WITHIN, Bell, Presence, alive, last_seen

__all__ = [
    "ALIVE_WITHIN",
    "Bell",
    "Cancelled",
    "Handler",
    "Presence",
    "Progress",
    "Schedule",
    "Standing",
    "State",
    "TooLong",
    "alive",
    "asked_by",
    "cancel",
    "enqueue",
    "exists",
    "find",
    "hold",
    "job_rows",
    "last_seen",
    "newest",
    "newest_with",
    "plan",
    "retire",
    "retry",
    "run_next",
    "standings",
]
