"""A backup on the disk: a folder that is there whole, or not at all.

twingrid-20250303T020000Z/    0700; put here by one rename, once everything in it is on the disk
    manifest.json             what it holds, and of when
    database.dump             or the files of a base backup
    SHA256SUMS                of each file, as `sha256sum -c` reads it
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from spatial.errors import SetupError, invalid
from spatial.files import sync

SUMS = "SHA256SUMS"
HALF = ".half-"
READ_BYTES = 1 << 20


def target(output: Path | None, data_dir: Path, now: datetime) -> Path:
    """Return the folder a backup is to become: `output`, or one named after the instant within `output`."""
    parent = output or data_dir / "backups"
    if output is not None and not output.is_dir():
        return output.absolute()
    return parent.absolute() / f"twingrid-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a private folder to fill, which becomes `folder` at the end.

    Errors: `backup-exists`, `folder-not-writable`, `disk-full`.
    """
    with _file_faults(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            raise invalid("output", "backup-exists", path=str(folder))
        _clear_halves(folder.parent)
        half = Path(tempfile.mkdtemp(prefix=HALF, dir=folder.parent))
        held = os.open(half, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield half
            _seal(half)
            half.rename(folder)
            sync(folder.parent)
        finally:
            os.close(held)
            shutil.rmtree(half, ignore_errors=True)


def damage(folder: Path) -> list[str]:
    """Return the names of files of a backup that are missing, changed, or not listed; [] when it is as it was made."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines() if (folder / SUMS).is_file() else []
    listed = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
    there = {file.name for file in folder.iterdir() if file.name != SUMS}
    changed = {name for name in there & set(listed) if sha256(folder / name) != listed[name]}
    return sorted(changed | (there ^ set(listed))) if listed else [SUMS]


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _seal(folder: Path) -> None:
    """Write the checksums, and see that every file is private and on the disk."""
    files = sorted(folder.iterdir())
    sums = folder / SUMS
    sums.write_text("".join(f"{sha256(file)}  {file.name}\n" for file in files), encoding="utf-8")
    for file in [*files, sums]:
        file.chmod(0o600)
        sync(file)
    sync(folder)


def _clear_halves(parent: Path) -> None:
    """Remove what killed backups left; the half of one that still runs is locked."""
    for half in parent.glob(f"{HALF}*"):
        held = os.open(half, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(half, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(held)


@contextmanager
def _file_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}:
            raise SetupError("folder-not-writable", folder=str(error.filename or folder.parent)) from error
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SetupError("backup-disk-full", folder=str(folder.parent)) from error
        raise
