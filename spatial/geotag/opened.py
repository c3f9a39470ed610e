"""The bytes of a file as they come: from a point on, unpacked where it is compressed, in bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from spatial.errors import InputError, invalid

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
MOST_GROWTH = 200  # times; text shrinks to a twentieth, hardly ever to less
ALWAYS_FINE_BYTES = 50_000_000
SKIPPED_AT_ONCE = 1 << 20


class Stream(Protocol):
    """Bytes, and how much of the file they took."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end."""

    def share(self) -> float:
        """Return how much of the file was read, from 0 to 1."""


class _File:
    def __init__(self, path: Path, file: pa.NativeFile, packed: pa.NativeFile) -> None:
        self._path, self._file, self._packed = path, file, packed
        self._size = path.stat().st_size
        self._is_packed = file is not packed
        self._read = 0

    def read(self, size: int) -> bytes:
        found: bytes = self._file.read(size)
        while len(found) < size and (more := self._file.read(size - len(found))):
            found += more
        self._read += len(found)
        limit = max(ALWAYS_FINE_BYTES, MOST_GROWTH * self._size)
        if self._is_packed and self._read > limit:
            raise invalid("file", "file-inflates", file=self._path.name, limit_mb=limit // 1_000_000)
        return found

    def share(self) -> float:
        return float(self._packed.tell()) / max(self._size, 1)


def plain_suffix(path: Path) -> str:
    """Return the ending of a file's name that says its format, as it would be unpacked."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in PACKED else suffix


@contextmanager
def opened(path: Path, start: int = 0) -> Iterator[Stream]:
    """Open a file at a byte of what it holds."""
    if path.is_dir():
        raise invalid("file", "file-is-a-folder", file=path.name)
    if not path.is_file():
        raise invalid("file", "file-missing", file=path.name)
    try:
        with pa.OSFile(str(path)) as file:
            kind = PACKED.get(path.suffix.lower())
            stream = _File(path, pa.CompressedInputStream(file, kind) if kind else file, file)
            if kind is None:
                file.seek(start)
            while kind and start > 0:
                start -= len(stream.read(min(start, SKIPPED_AT_ONCE)))
            yield stream
    except InputError:
        raise
    except (OSError, pa.ArrowException) as error:
        reason = str(error).replace(f"{path.parent}/", "").splitlines()[:1]
        raise invalid("file", "file-unreadable", file=path.name, reason="".join(reason)[:200]) from None
