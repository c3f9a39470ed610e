"""Showings of phones on their way into the audit: on this machine's disk before anybody sees a phone.

audit/showings/<uuid>.open      a process of the service is adding lines
audit/showings/<uuid>.sealed    the worker has closed it, and chains it

Whoever adds to a file or renames it holds its lock. So a file can be sealed at any time, whether its process is alive
or was killed: who finds its file renamed begins another.
"""

import fcntl
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from spatial.files import make_private, private_folder, sync

SHOWN = "phones.show"  # as which a showing is on record
SEALING_S = 0.001  # which that takes at the most, as a rule
MOST_LINES = 10_000  # of one file, which is chained in one transaction
log = logging.getLogger(__name__)


def showings_folder(data_dir: Path) -> Path:
    """Return where the showings are; it need not be there."""
    return data_dir / "audit" / "showings"


@dataclass
class _Batch:
    """Lines that go to the disk together."""

    lines: list[bytes] = field(default_factory=list)
    is_stored: bool | None = None  # None: not tried yet


class Spool:
    """What a process has shown, in a file of its own; threads that show something at once share one fsync."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = showings_folder(data_dir)
        self._joining, self._writing = threading.Lock(), threading.Lock()
        self._batch = _Batch()
        self._path = self._folder
        self._descriptor: int | None = None
        self._lines = 0

    def put(self, actor: str, subject: str, at: datetime) -> bool:
        """Put a showing on record, and return whether it is on the disk: else nothing may be shown."""
        line = orjson.dumps({"actor": actor, "object": subject, "at": at.isoformat()}) + b"\n"
        with self._joining:
            batch = self._batch
            batch.lines.append(line)
        with self._writing:
            if batch.is_stored is None:  # nobody has written it while we waited: we do, for all who have joined
                with self._joining:
                    self._batch = _Batch()
                batch.is_stored = self._store(batch.lines)
        return batch.is_stored

    def _store(self, lines: list[bytes]) -> bool:
        try:
            with self._held() as descriptor:
                rest = b"".join(lines)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
        except OSError as error:  # a full disk, a folder that may not be written
            log.warning("showings of phones cannot be put on record, so phones are withheld", exc_info=error)
            self._leave()  # the line that was begun stays the last of its file
            return False
        self._lines += len(lines)
        return True

    @contextmanager
    def _held(self) -> Iterator[int]:
        """Yield a file that is ours, locked, and not sealed."""
        if self._lines >= MOST_LINES:
            self._leave()
        while True:
            if self._descriptor is None:
                self._begin()
            descriptor = self._descriptor or 0
            is_locked = _lock(descriptor)
            if not self._path.exists():  # sealed: who takes it in may hold it for as long as the database takes
                self._leave()
            elif is_locked:
                break
            else:
                time.sleep(SEALING_S)
        try:
            yield descriptor
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _begin(self) -> None:
        private_folder(self._folder.parent)
        self._path = private_folder(self._folder) / f"{uuid.uuid4()}.open"
        self._descriptor, self._lines = make_private(self._path), 0
        sync(self._folder)

    def _leave(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._lines = None, 0


def _lock(descriptor: int) -> bool:
    """Take the lock of a file; return whether it was to be had."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
