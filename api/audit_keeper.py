"""Beside the worker: what phones were shown gets into the audit, and the audit's head onto the disk."""

import logging
import math
import threading
import time
from datetime import timedelta
from pathlib import Path

from spatial.audit.anchors import drop_anchor
from spatial.audit.intake import take_showings
from spatial.db import Database
from spatial.time import now

log = logging.getLogger(__name__)
IDLE = timedelta(seconds=1)
ANCHORS_APART = timedelta(minutes=1)


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
        except Exception as error:  # whatever it is, the next second may be better
            log.warning("the audit was not kept", exc_info=error)
        if is_last:
            return
