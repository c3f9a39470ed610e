"""Beside a job while it runs: ends the statement it is in when somebody cancels it, or when its time is over."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psycopg2
from sqlalchemy import select
from sqlalchemy.orm import Session

from spatial.db import Database
from spatial.errors import Busy
from spatial.jobs.model import Cancelled, Held, TooLong
from spatial.tables import Job

LOOKS_EVERY_S = 1.0


class Watch:
    """Looks after one job as long as its handler runs; `stopped` says why it was ended, if it was."""

    def __init__(self, database: Database, effect: Session, held: Held, clock: Callable[[], datetime]) -> None:
        self.stopped: Cancelled | TooLong | None = None
        self._database, self._held, self._clock = database, held, clock
        self._begun = clock()
        self._driver: Any = effect.connection().connection.driver_connection
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"watch {held.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()  # from here on no statement of the worker's own is ended by it

    def _look(self) -> None:
        while not self._over.wait(LOOKS_EVERY_S):
            self.stopped = self.stopped or self._why()
            if self.stopped:  # again and again: there may be several statements to the next step
                with suppress(psycopg2.Error):  # the connection is broken, and the statement ended
                    self._driver.cancel()

    def _why(self) -> Cancelled | TooLong | None:
        if self._clock() - self._begun > self._held.time_limit:
            return TooLong("job-too-long", minutes=round(self._held.time_limit.total_seconds() / 60))
        try:
            with self._database.read() as session:
                asked = session.scalar(select(Job.cancel_requested).where(Job.id == self._held.id))
        except Busy:
            return None
        return Cancelled("job-cancelled") if asked else None
