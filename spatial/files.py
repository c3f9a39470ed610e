"""Files that must be on the disk, and are nobody else's."""

import os
from pathlib import Path
from typing import IO

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


def make_private(path: Path) -> IO[bytes]:
    """Return a new file, open for appending, that its owner alone may read, whatever the umask is."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE), "ab", buffering=0)


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def audit_folder(data_dir: Path) -> Path:
    """Return the folder of what the audit keeps outside of the database; it is made where it is not there."""
    folder = data_dir / "audit"
    folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    return folder
