"""Anchors: the head of the audit, signed, in a file that the database cannot reach.

audit/anchors.jsonl     one line for each time the head was seen to have moved
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from spatial.audit.queries import database_of, head
from spatial.audit.rules import Link
from spatial.db import Database
from spatial.files import PRIVATE, private_folder, sync
from spatial.signing import PublicKey, signed, signing_key, verified

KIND = "audit-anchor"
LONGEST_LINE = 1000  # bytes; ours have some 300


def anchors_file(data_dir: Path) -> Path:
    """Return where the anchors are."""
    return private_folder(data_dir / "audit") / "anchors.jsonl"


def drop_anchor(database: Database, data_dir: Path, now: datetime) -> None:
    """Put the head on record outside of the database; a head that is there already is not repeated."""
    key = signing_key(data_dir)
    with _opened(anchors_file(data_dir)) as descriptor:
        with database.read() as session:  # under the lock of the file: anchors are in the order of their numbers
            database_name, (chain, newest) = database_of(session), head(session)
        own = {"kind": KIND, "chain": str(chain), "database": database_name}
        told = {**own, "number": newest.number, "hash": newest.hash.hex()}
        last = verified(_last_line(descriptor), key.public_key()) or {}
        if newest.number and not told.items() <= last.items():
            os.write(descriptor, signed({**told, "at": now.isoformat()}, key))
            os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield a file for one writer at a time, without the line that a killed one has not finished."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_new:
            sync(path.parent)
        torn = len(_tail(descriptor).rpartition(b"\n")[2])
        if torn:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - torn)
        yield descriptor
    finally:
        os.close(descriptor)


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, LONGEST_LINE, max(0, size - LONGEST_LINE))


def _last_line(descriptor: int) -> bytes:
    return _tail(descriptor).rstrip(b"\n").rpartition(b"\n")[2]


@dataclass
class Anchors:
    """The anchors as they are read: how many were of the chain, and the lines that this installation has not signed."""

    path: Path
    key: PublicKey
    count: int = 0
    forged_lines: list[int] = field(default_factory=list)

    def of(self, chain: UUID, database: str, within_bytes: int) -> Iterator[Link]:
        """Yield the anchors of a chain within the first bytes of the file, by number.

        Also those of another chain that was in this database: a new one in its place is no way out.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                within_bytes -= len(line)
                if within_bytes < 0 or not line.endswith(b"\n"):  # written later, or torn
                    return
                told = verified(line, self.key)
                if told is None or told["kind"] != KIND:
                    self.forged_lines.append(number)
                elif told["chain"] == str(chain) or told["database"] == database:
                    self.count += 1
                    yield Link(told["number"], bytes.fromhex(told["hash"]))

    def size_bytes(self) -> int:
        """Return how long the file is."""
        return self.path.stat().st_size if self.path.exists() else 0
