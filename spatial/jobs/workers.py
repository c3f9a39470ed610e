"""Who works: each worker's row in `worker`, kept fresh by its heart-beat; and the bell that wakes the idle."""

import os
import select
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import psycopg2
from sqlalchemy import Connection, delete, func, text
from sqlalchemy import select as select_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from spatial.db import Database
from spatial.errors import Busy
from spatial.jobs.queue import BELL
from spatial.tables import Worker

BEATS_EVERY_S = 5.0
ALIVE_WITHIN = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)  # workers that were killed
LOOKS_EVERY_S = 0.5


class Presence:
    """A worker on record as long as it lives, with the job it is at."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.id = uuid.uuid4()
        self._job_id: uuid.UUID | None = None
        self._database, self._clock = database, clock
        self._begun = clock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart-beat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def take(self, job_id: uuid.UUID) -> None:
        """Let the next beat say that the worker is at a job."""
        self._job_id = job_id

    def rest(self) -> None:
        """Let the next beat say that the worker is at none."""
        self._job_id = None

    def _beat(self) -> None:
        while True:
            self._write(self._show)
            if self._over.wait(BEATS_EVERY_S):
                break
        self._write(self._leave)

    def _write(self, step: Callable[[Session], None]) -> None:
        try:
            with self._database.write() as session:
                step(session)
        except Busy:  # the next beat tells
            return

    def _show(self, session: Session) -> None:
        at = self._clock()
        row = {"host": socket.gethostname(), "pid": os.getpid(), "since": self._begun, "seen_at": at}
        told = insert(Worker).values(id=self.id, job_id=self._job_id, **row)
        fresh = {"seen_at": at, "job_id": self._job_id}
        session.execute(told.on_conflict_do_update(index_elements=["id"], set_=fresh))
        session.execute(delete(Worker).where(Worker.seen_at < at - FORGOTTEN_AFTER))

    def _leave(self, session: Session) -> None:
        session.execute(delete(Worker).where(Worker.id == self.id))


def last_seen(session: Session) -> datetime | None:
    """Return when any worker was last seen; None when there is none."""
    return session.scalar(select_(func.max(Worker.seen_at)))


def alive(session: Session, now: datetime, host: str | None = None) -> Sequence[Worker]:
    """Return the workers that were seen lately, on all machines or on one, by how long they have worked."""
    wanted = select_(Worker).where(Worker.seen_at > now - ALIVE_WITHIN).order_by(Worker.since, Worker.id)
    return session.scalars(wanted if host is None else wanted.where(Worker.host == host)).all()


class Bell:
    """A connection that listens for jobs that are queued."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._hang_up()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Return when a job has been queued, the time is over or `stop` is set; `Busy` when the database is away.

        The first wait returns at once: a job may have been queued before anybody listened.
        """
        if self._connection is None:
            self._connection = self._listening()
            return
        driver: Any = self._connection.connection.dbapi_connection
        for _ in range(max(1, round(seconds / LOOKS_EVERY_S))):
            try:
                select.select([driver], [], [], LOOKS_EVERY_S)
                driver.poll()
            except (psycopg2.Error, ValueError):  # a connection that broke has no file to wait for
                self._hang_up()
                raise Busy("database-away") from None
            if driver.notifies or stop.is_set():
                driver.notifies.clear()
                return

    def _listening(self) -> Connection:
        opened = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        opened.detach()  # a connection that listens must not come to somebody else
        opened.execute(text(f"LISTEN {BELL}"))
        return opened

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
