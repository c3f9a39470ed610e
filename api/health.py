"""Whether the service is alive, and ready to answer."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

import migrations
from api.deps import Database, TheWatch, needs
from api.errors import problem_responses
from spatial import jobs
from spatial.errors import Busy
from spatial.operations import archiving
from spatial.time import now

router = APIRouter(tags=["operations"], dependencies=[needs("open")])
RETRY_AFTER_S = "5"
NOT_READY = "schema behind, or database away and nothing held in memory"


class HealthOut(BaseModel):
    """A sign of life."""

    status: str = "ok"


class ChecksOut(BaseModel):
    """What the service needs, each by name; unknown while the one before it is not well."""

    database: Literal["ok", "away"] = "away"
    migrations: Literal["ok", "behind", "unknown"] = "unknown"
    worker: Literal["ok", "missing", "unknown"] = Field(
        "unknown", description=f"whether any was seen within {jobs.ALIVE_WITHIN.seconds} s"
    )
    wal_archive: Literal["ok", "failing", "off", "unknown"] = Field(
        "unknown", description="whether the database's log of changes is archived; while it fails, the disk fills"
    )
    memory: Literal["ok", "stale", "empty"] = Field(
        "empty", description="whether what look-ups are answered from is what the database has"
    )
    memory_age_s: float | None = Field(None, description="seconds since that was last seen to be so")


class ReadyOut(BaseModel):
    """Whether the service may be asked."""

    status: Literal["ok", "degraded", "not-ready"]
    checks: ChecksOut


@router.get("/health", summary="Whether the process is alive", responses=problem_responses())
async def health() -> HealthOut:
    """Return ok while the process answers at all."""
    return HealthOut()


@router.get(
    "/ready",
    summary="Whether the service may be asked",
    responses={**problem_responses(), 503: {**problem_responses()[503], "model": ReadyOut, "description": NOT_READY}},
)
def ready(database: Database, watch: TheWatch, response: Response) -> ReadyOut:
    """Return 200, or 503 while nothing can be answered, with each check by name.

    Without a worker, with an archive that fails, or while the database is away and look-ups are answered from memory,
    the service is degraded, and still 200: a balancer that took away every API because imports wait would turn a
    nuisance into an outage. `/metrics` tells for how long no worker was seen, since when nothing was archived, and how
    old what is held in memory is.
    """
    checks = _checks(database)
    present = now()
    if watch.seen_at is not None:
        checks.memory = "stale" if watch.stale_since(present) else "ok"
        checks.memory_age_s = (present - watch.seen_at).total_seconds()
    goes_on = checks.database == "away" and watch.seen_at is not None
    if checks.migrations != "ok" and not goes_on:
        response.status_code = 503
        response.headers["Retry-After"] = RETRY_AFTER_S
        return ReadyOut(status="not-ready", checks=checks)
    is_well = checks.worker == "ok" and checks.wal_archive != "failing" and checks.memory == "ok"
    return ReadyOut(status="ok" if is_well else "degraded", checks=checks)


def _checks(database: Database) -> ChecksOut:
    checks = ChecksOut()
    try:
        checks.migrations = "behind" if migrations.pending(database.engine) else "ok"
        checks.database = "ok"
        if checks.migrations == "ok":
            with database.read() as session:
                seen, archive = jobs.last_seen(session), archiving(session)
            is_alive = seen is not None and now() - seen < jobs.ALIVE_WITHIN
            checks.worker = "ok" if is_alive else "missing"
            checks.wal_archive = "off" if archive is None else "failing" if archive.is_failing else "ok"
    except Busy:
        return ChecksOut()
    return checks
