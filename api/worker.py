"""The worker: runs jobs until told to stop."""

import logging
import math
import threading
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from api.import_jobs import commit_import, try_import
from spatial import jobs
from spatial.audit.anchors import drop_anchor
from spatial.audit.intake import take_showings
from spatial.db import Database
from spatial.errors import Busy
from spatial.grids.check import recheck_layer
from spatial.incidents.retention import retire
from spatial.incidents.rules import oldest_kept
from spatial.jobs import Handler, Progress
from spatial.settings import settings
from spatial.time import now
from spatial.uploads import Uploads

IDLE = timedelta(seconds=1)
ANCHORS_APART = timedelta(minutes=1)
NAME = "worker"  # as which it is on record for what nobody asked for
log = logging.getLogger(__name__)


def check_tiling(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Look for faults in a layer's tiling as it is in force, and put them on record."""
    progress(0.1, params["layer"])
    return recheck_layer(session, params["layer"], at=now(), actor=params["asked_by"])


def retire_incidents(session: Session, _params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Delete the incidents that are too old to keep."""
    oldest = oldest_kept(now(), settings().incident_retention_days, settings().zone)
    if oldest is None:  # switched off since the job was planned
        return {}
    progress(0.1, oldest.isoformat())
    return retire(session, actor=NAME, oldest=oldest)


def clear_uploads(session: Session, _params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Delete the files that were sent and are too old to keep."""
    progress(0.1, "")
    return {"folders": Uploads(settings().data_dir).sweep(now(), partial(jobs.exists, session))}


HANDLERS: dict[str, Handler] = {
    "check-tiling": check_tiling,
    "clear-uploads": clear_uploads,
    "import": try_import,
    "import-commit": commit_import,
    "retire-incidents": retire_incidents,
}


def plan_day(database: Database, day: date) -> None:
    """Queue what is to be done once on a day; workers that do so at once queue it once."""
    kinds = ["clear-uploads", *(["retire-incidents"] if settings().incident_retention_days else [])]
    with database.write() as session:
        for kind in kinds:
            jobs.enqueue_daily(session, kind, day, actor=NAME, now=now())


def keep_audit(database: Database, data_dir: Path, stop: threading.Event) -> None:
    """Chain what phones were shown, and anchor the audit's head now and then and at the end, beside whatever job runs.

    What goes wrong, a database that is away or a full disk, is tried again.
    """
    anchored = -math.inf
    while True:
        is_last = stop.wait(IDLE.total_seconds())
        try:
            take_showings(database, data_dir)
            if is_last or time.monotonic() - anchored >= ANCHORS_APART.total_seconds():
                drop_anchor(database, data_dir, now())
                anchored = time.monotonic()
        except Exception as error:
            log.warning("the audit was not kept", exc_info=error)
        if is_last:
            return


def work(database: Database, stop: threading.Event) -> None:
    """Run jobs one after another until `stop` is set; a database that is away is waited for."""
    keeper = threading.Thread(target=keep_audit, args=(database, settings().data_dir, stop), name="audit", daemon=True)
    keeper.start()
    planned: date | None = None
    while not stop.is_set():
        try:
            today = now().astimezone(settings().zone).date()
            if today != planned:
                plan_day(database, today)
                planned = today
            ran = jobs.run_next(database, HANDLERS, clock=now)
        except Busy as error:
            stop.wait(error.retry_after_s)
            continue
        if ran is None:
            stop.wait(IDLE.total_seconds())
    keeper.join()
