"""A file that is being written: beside its name until it is whole, and continued where a run before this one stopped.

tagged.csv.partial        the rows so far
tagged.csv.partial.json   how far it surely is on the disk, of which input, and as of when: written anew at each step
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from spatial.errors import InputError, invalid
from spatial.files import sync

PARTIAL, JOURNAL = ".partial", ".partial.json"


@dataclass(frozen=True)
class Reached:
    """How far a file is: bytes read and written, lines and rows read, rows in which something was wrong."""

    read: int
    written: int
    lines: int  # with the header and blank ones
    rows: int = 0
    invalid: int = 0


class Unfinished:
    """A file on its way, held by one run at a time."""

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        self.target = target
        self._overwrite = overwrite
        self.partial = target.with_name(target.name + PARTIAL)
        self._journal = target.with_name(target.name + JOURNAL)

    @contextmanager
    def held(self) -> Iterator[BinaryIO]:
        """Yield the file, to be written to; no other run may meanwhile."""
        if self.target.exists() and not self._overwrite:
            raise invalid("output", "output-exists", path=str(self.target))
        with told_writing(self.target):
            file = os.fdopen(os.open(self.partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise invalid("output", "output-in-work", path=str(self.target)) from None
            if not _is_still(self.partial, file):  # it was another run's, and is done
                raise invalid("output", "output-in-work", path=str(self.target))
            yield file

    def reached(self, of: str) -> tuple[Reached, dict[str, object]] | None:
        """Return how far a run before this one came with the same input and questions, and what it noted."""
        with suppress(OSError, orjson.JSONDecodeError, TypeError, KeyError):
            said = orjson.loads(self._journal.read_bytes())
            if said["of"] == of:
                reached = Reached(**said["reached"])
                if self.partial.stat().st_size >= reached.written:
                    return reached, said["noted"]
        return None

    def note(self, file: BinaryIO, reached: Reached, of: str, noted: dict[str, object]) -> None:
        """See that all that was written is on the disk, and then that this is known."""
        with told_writing(self.target):
            file.flush()
            os.fsync(file.fileno())
            fresh = self._journal.with_name(self._journal.name + ".new")
            fresh.write_bytes(orjson.dumps({"of": of, "reached": asdict(reached), "noted": noted}))
            sync(fresh)
            fresh.replace(self._journal)
            sync(self._journal.parent)

    def finish(self) -> None:
        """Give the whole file its name; one that appeared meanwhile is left alone."""
        with told_writing(self.target):
            sync(self.partial)
            if not self._overwrite:
                self._claim()
            self.partial.replace(self.target)
            self._journal.unlink(missing_ok=True)
            sync(self.target.parent)

    def _claim(self) -> None:
        """Take the name, empty, before the file does: whoever else writes there at the same instant is told."""
        try:
            os.close(os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            raise invalid("output", "output-exists", path=str(self.target)) from None

    def forget(self) -> None:
        """Leave nothing behind."""
        for path in (self._journal, self.partial):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether a name is still that of an open file."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))


@contextmanager
def told_writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise invalid("output", "cannot-write", path=str(target), reason=error.strerror) from None
