"""Files that were sent to the service, each in a folder of its own until it is too old: there whole, or not at all.

uploads/.<id>/cars.csv        arriving
uploads/<id>/cars.csv         arrived: the folder is renamed once its file is on the disk
uploads/<id>.report/…         what a job has to say of it
"""

import errno
import os
import re
import shutil
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spatial.errors import NotFound, SetupError
from spatial.files import PRIVATE_FOLDER, sync
from spatial.settings import settings

KEPT = timedelta(days=7)
UNCLAIMED = timedelta(days=1)  # what has no job by then never gets one: whoever received it was killed
UNPACKED = "twingrid-unpacked-"  # how folders of temporary files begin into which archives are unpacked
UNSAFE = re.compile(r"[^\w.\-()（）【】 ]+")
LONGEST_NAME = 120


class Incoming:
    """A file that is arriving."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.name = safe_name(name)
        folder.mkdir(PRIVATE_FOLDER)
        self._file = (folder / self.name).open("xb")
        self.bytes = 0

    def write(self, part: bytes) -> None:
        """Add some bytes; a full disk is a `SetupError`."""
        self.bytes += len(part)
        with _room():
            self._file.write(part)

    def close(self) -> None:
        """See that all of it is on the disk."""
        with _room(), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def drop(self) -> None:
        """Forget it."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Uploads:
    """The uploads of a deployment, below its data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "uploads"

    def incoming(self, upload_id: uuid.UUID, name: str) -> Incoming:
        """Return a new file, to be written, closed and kept or dropped."""
        self._root.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        return Incoming(self._root / f".{upload_id}", name)

    def keep(self, upload_id: uuid.UUID) -> None:
        """Let a file that was closed be there."""
        (self._root / f".{upload_id}").rename(self._root / str(upload_id))
        sync(self._root)

    def file(self, upload_id: uuid.UUID) -> Path:
        """Return the file of an upload; `NotFound` where it is too old to be there."""
        found = next(iter(sorted((self._root / str(upload_id)).glob("*"))), None)
        if found is None:
            raise NotFound("upload-gone", id=str(upload_id), days=KEPT.days)
        return found

    def copy(self, upload_id: uuid.UUID, to: uuid.UUID) -> str:
        """Let an upload be there under another id, too, without using more of the disk; return the file's name."""
        file = self.file(upload_id)
        folder = self._root / f".{to}"
        folder.mkdir(PRIVATE_FOLDER)
        (folder / file.name).hardlink_to(file)
        self.keep(to)
        return file.name

    @contextmanager
    def reporting(self, upload_id: uuid.UUID, name: str) -> Iterator[Path]:
        """Yield the path of a part of the report, which then is there whole; a later one takes its place."""
        folder = self._root / f"{upload_id}.report"
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        part = folder / f".{os.getpid()}.{name}"
        try:
            yield part
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)

    def report(self, upload_id: uuid.UUID, name: str) -> Path:
        """Return a part of the report; `NotFound` where there is none."""
        found = self._root / f"{upload_id}.report" / name
        if not found.is_file():
            raise NotFound("no-such-report", id=str(upload_id))
        return found

    def drop(self, upload_id: uuid.UUID) -> None:
        """Forget an upload."""
        shutil.rmtree(self._root / str(upload_id), ignore_errors=True)

    def sweep(self, now: datetime, is_claimed: Callable[[uuid.UUID], bool]) -> int:
        """Delete what is too old, or unclaimed for a day; return how many folders that were.

        Archives that were unpacked by a process that was killed are unclaimed, too.
        """
        swept = 0
        for folder in Path(tempfile.gettempdir()).glob(f"{UNPACKED}*"):
            if now - datetime.fromtimestamp(folder.stat().st_mtime, UTC) > UNCLAIMED:
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
        for folder in self._root.glob("*") if self._root.is_dir() else ():
            found = re.fullmatch(r"(\.?)([0-9a-f-]{36})(\.report)?", folder.name)
            if found is None:
                continue
            age = now - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            is_whole = not found[1] and is_claimed(uuid.UUID(found[2]))
            if age > (KEPT if is_whole else UNCLAIMED):
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
        return swept


def safe_name(name: str) -> str:
    """Return a file's own name as it may stand in a folder of ours: its letters and its ending stay."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    plain = UNSAFE.sub("_", plain).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    most = LONGEST_NAME // 3  # a Chinese letter has three bytes
    cut = f"{stem[:most].rstrip(' .')}{dot}{ending[:12]}" if stem else ending[:most]
    return cut.strip(" .") or "file"


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise SetupError("no-room-for-file", needed_mib=settings().upload_limit_mb) from None
