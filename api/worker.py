"""The worker: runs jobs until told to stop."""

import threading
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from spatial import jobs
from spatial.db import Database
from spatial.errors import Busy
from spatial.grids.check import recheck_layer
from spatial.jobs import Handler, Progress
from spatial.time import now

IDLE = timedelta(seconds=1)


def check_tiling(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Look for faults in a layer's tiling as it is in force, and put them on record."""
    progress(0.1, params["layer"])
    return recheck_layer(session, params["layer"], at=now(), actor=params["asked_by"])


HANDLERS: dict[str, Handler] = {"check-tiling": check_tiling}


def work(database: Database, stop: threading.Event) -> None:
    """Run jobs one after another until `stop` is set; a database that is away is waited for."""
    while not stop.is_set():
        try:
            ran = jobs.run_next(database, HANDLERS, clock=now)
        except Busy as error:
            stop.wait(error.retry_after_s)
            continue
        if ran is None:
            stop.wait(IDLE.total_seconds())
