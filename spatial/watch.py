"""A thread that brings what is held in memory up to date with PostGIS: at every new version, and each second.

PostGIS says that there is a new version (`open_version`); should that word be lost, the next look finds it anyway.
"""

import logging
import select
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, text

from spatial.db import Database
from spatial.time import now

log = logging.getLogger(__name__)
APART_S = 1.0  # between two looks, when nothing is said
FAILED = "what is held in memory is not brought up to date"
FRESH_FOR = timedelta(seconds=2)  # since it was last seen to be up to date

Follower = Callable[[datetime], None]  # brings itself up to date, for which there is little to do when nothing changed


class Watch:
    """What follows the versions of a database: a context in which it does.

    `seen_at`: as of when everything is known to be up to date; None before the first time.
    """

    def __init__(self, database: Database, follow: Follower) -> None:
        self._database = database
        self._follow = follow
        self._is_over = self._has_failed = False
        self.seen_at: datetime | None = None

    def __enter__(self) -> Self:
        """Bring everything up to date, if the database is there, and go on in the background."""
        self._is_over = False
        self._waking, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._is_over = True
        self._waking.send(b".")
        self._thread.join()
        self._waking.close()
        self._woken.close()

    def stale_since(self, at: datetime) -> datetime | None:
        """Return since when, if at all, what is held may no longer be what the database has."""
        return self.seen_at if self.seen_at is not None and at - self.seen_at > FRESH_FOR else None

    def _run(self) -> None:
        while not self._is_over:
            try:
                with self._database.engine.connect() as connection:
                    self._listen(connection.execution_options(isolation_level="AUTOCOMMIT"))
            except Exception as error:  # whatever it is, the next second may be better
                log.log(self._level, FAILED, exc_info=error)
                self._has_failed = True
                self._wait()

    def _listen(self, connection: Connection) -> None:
        """Look whenever something is said, until the connection breaks."""
        connection.execute(text("LISTEN twingrid_version"))
        said: Any = connection.connection.driver_connection
        while not self._is_over:
            self._look()
            self._wait(said)
            connection.execute(text("SELECT 1"))  # takes in what was said, and finds out whether anybody is there
            said.notifies.clear()

    def _wait(self, *said: Any) -> None:
        select.select([self._woken, *said], (), (), APART_S)

    def _look(self) -> None:
        begun = now()
        try:
            self._follow(begun)
        except Exception as error:  # as above
            log.log(self._level, FAILED, exc_info=error)
            self._has_failed = True
        else:
            self.seen_at, self._has_failed = begun, False

    @property
    def _level(self) -> int:
        """How grave a failure is: the first of many, and not one each second."""
        return logging.DEBUG if self._has_failed else logging.WARNING
