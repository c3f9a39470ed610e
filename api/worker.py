"""The worker: runs jobs, and what is scheduled, until told to stop."""

import logging
import threading
from collections.abc import Mapping
from datetime import time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.audit_keeper import keep_audit
from api.import_jobs import commit_import, try_import
from api.plan_jobs import PUBLISH, publish_plan
from api.tracing import traced
from spatial import jobs
from spatial.db import Database
from spatial.errors import Busy
from spatial.grids.check import recheck_layer
from spatial.grids.listing import layer_codes
from spatial.incidents.retention import retire
from spatial.incidents.rules import oldest_kept
from spatial.jobs import Bell, Handler, Presence, Progress, Schedule
from spatial.settings import Settings, settings
from spatial.time import now
from spatial.uploads import Uploads

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

log = logging.getLogger(__name__)
ASKS_EVERY_S = 5.0  # the bell rings at once; a ring that is lost is made up for so soon
NAME = "worker"  # as which it is on record for what nobody asked for
JOBS_KEPT = timedelta(days=90)
NIGHTLY = -10  # priority: after what somebody waits for


def check_tiling(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Look for faults in a layer's tiling as it is in force, and put them on record."""
    progress(0.1, params["layer"])
    limit = settings().gap_area_m2
    return recheck_layer(session, params["layer"], at=now(), actor=params["asked_by"], reported_m2=limit)


def check_tilings(session: Session, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """Queue a check of each layer, so that none keeps changes of grids waiting longer than its own takes."""
    return {"layers": queue_checks(session)}


def queue_checks(session: Session) -> list[str]:
    """Queue a check of each layer after what somebody waits for, and return their codes."""
    layers = layer_codes(session)
    for layer in layers:
        params = {"layer": layer, "asked_by": NAME}
        jobs.enqueue(session, "check-tiling", params, actor=NAME, now=now(), priority=NIGHTLY)
    return layers


def retire_incidents(session: Session, _params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Delete the incidents that are too old to keep."""
    oldest = oldest_kept(now(), settings().incident_retention_days, settings().zone)
    if oldest is None:  # switched off since the job was planned
        return {}
    progress(0.1, oldest.isoformat())
    return retire(session, actor=NAME, oldest=oldest)


def retire_jobs(session: Session, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """Delete the jobs that ended too long ago to keep."""
    return {"jobs": jobs.retire(session, oldest=now() - JOBS_KEPT)}


def clear_uploads(session: Session, _params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Delete the files that were sent and are too old to keep."""
    progress(0.1, "")
    return {"folders": Uploads(settings().data_dir).sweep(now(), partial(jobs.exists, session))}


def refresh_statistics(session: Session, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    """Let the database count what it plans its queries by."""
    session.execute(select(func.refresh_statistics()))
    return {}


HANDLERS: dict[str, Handler] = {
    "check-tiling": check_tiling,
    "check-tilings": check_tilings,
    "clear-uploads": clear_uploads,
    "import": try_import,
    "import-commit": commit_import,
    PUBLISH: publish_plan,
    "refresh-statistics": refresh_statistics,
    "retire-incidents": retire_incidents,
    "retire-jobs": retire_jobs,
}
RETIRING_INCIDENTS = Schedule("retire-incidents", time(2, 10))
SCHEDULES = (
    RETIRING_INCIDENTS,
    Schedule("refresh-statistics", time(2, 40)),
    Schedule("check-tilings", time(3, 10)),
    Schedule("clear-uploads", time(4, 10)),
    Schedule("retire-jobs", time(4, 20)),
)


def schedules(config: Settings) -> list[Schedule]:
    """Return what is done at which hour in a deployment."""
    return [one for one in SCHEDULES if one is not RETIRING_INCIDENTS or config.incident_retention_days]


def work(database: Database, stop: threading.Event, traces: "TracerProvider | None" = None) -> None:
    """Run jobs one after another until `stop` is set; a database that is away is waited for."""
    due, handlers = now(), traced(HANDLERS, traces)
    keeper = threading.Thread(target=keep_audit, args=(database, settings().data_dir, stop), name="audit", daemon=True)
    keeper.start()
    with Presence(database, now) as presence, Bell(database) as bell:
        while not stop.is_set():
            try:
                if now() >= due:
                    config = settings()
                    due = jobs.plan(database, schedules(config), config.zone, actor=NAME, now=now())
                if not _run_next(database, handlers, presence):
                    bell.wait(ASKS_EVERY_S, stop)
            except Busy as error:
                stop.wait(error.retry_after_s)
            except Exception as error:  # a worker goes on, whatever befell one of its steps
                log.error("the worker stumbled", exc_info=error)
                stop.wait(ASKS_EVERY_S)
    keeper.join()


def _run_next(database: Database, handlers: Mapping[str, Handler], presence: Presence) -> bool:
    try:
        return jobs.run_next(database, handlers, clock=now, started=presence.take) is not None
    finally:
        presence.rest()
