"""Archives: one file, or the parts of one Shapefile, unpacked aside under names that are ours.

An archive is never trusted: not the names of its members, nor how much they grow.
"""

import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spatial.errors import InputError, invalid
from spatial.imports.read.gdal import chosen
from spatial.imports.read.model import Chunk, Source
from spatial.uploads import UNPACKED

MOST_MEMBERS = 10_000
MOST_DIRECTORY_BYTES = 400 * MOST_MEMBERS
MOST_BYTES = 4_000_000_000
MOST_GROWTH = 200  # times; text shrinks to a twentieth, hardly ever to less
ALWAYS_FINE_BYTES = 50_000_000
SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
ENCRYPTED = 0x1
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, ValueError, LookupError, OSError)
IN_UTF_8 = 0x800


class Unpacked:
    """A file out of an archive, there as long as this is."""

    def __init__(self, path: Path, source_layer: str | None, suffixes: Collection[str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix=UNPACKED)
        try:
            with opened_archive(path) as packed:
                self.path, self.is_chosen = self._unpack(packed, path.name, source_layer, suffixes)
        except InputError:
            raise
        except BROKEN as error:
            raise invalid("file", "file-unreadable", file=path.name, reason=str(error)[:200]) from None

    def rows_of(self, inner: Source) -> Iterator[Chunk]:
        """Yield the rows of the file; whoever can ask for them keeps it there."""
        yield from inner.chunks()

    def _unpack(
        self, packed: zipfile.ZipFile, file: str, source_layer: str | None, suffixes: Collection[str]
    ) -> tuple[Path, bool]:
        parts = _parts(packed, file, suffixes)
        has_choice = source_layer in parts or len(parts) != 1
        name = chosen(sorted(parts), source_layer, file) if has_choice else next(iter(parts))
        require_small(parts[name].values(), file)
        for suffix, member in parts[name].items():
            with packed.open(member) as source, Path(self.folder.name, f"source{suffix}").open("wb") as target:
                shutil.copyfileobj(source, target)
        suffix = next((one for one in (".shp", ".dbf") if one in parts[name]), next(iter(parts[name])))
        return Path(self.folder.name, f"source{suffix}"), has_choice


class _Sparing(io.FileIO):
    """A file of which no more is read at once than a directory of the most members."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; an `InputError` where too many are asked for."""
        if size is not None and size > MOST_DIRECTORY_BYTES:
            raise invalid("file", "too-many-members", file=Path(str(self.name)).name, limit=MOST_MEMBERS)
        return super().read(size) or b""


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; an `InputError` where its directory alone would take too much memory."""
    with _Sparing(path) as directory, zipfile.ZipFile(directory):
        pass
    with zipfile.ZipFile(path) as packed:
        yield packed


def members_of(packed: zipfile.ZipFile, file: str) -> list[zipfile.ZipInfo]:
    """Return the members of an archive, which may not be too many."""
    members = packed.infolist()
    if len(members) > MOST_MEMBERS:
        raise invalid("file", "too-many-members", file=file, limit=MOST_MEMBERS)
    return members


def require_small(members: Collection[zipfile.ZipInfo], file: str, most_bytes: int = MOST_BYTES) -> None:
    """Raise an `InputError` where members are locked, or grow too much."""
    if any(member.flag_bits & ENCRYPTED for member in members):
        raise invalid("file", "file-is-locked", file=file)
    grown, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    limit = min(most_bytes, max(ALWAYS_FINE_BYTES, MOST_GROWTH * packed))
    if grown > limit:
        raise invalid("file", "file-inflates", file=file, limit_mb=limit // 1_000_000)


def _parts(packed: zipfile.ZipFile, file: str, suffixes: Collection[str]) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """Return what can be read in an archive: by stem the parts of each Shapefile, by name every other file."""
    members = members_of(packed, file)
    stems: dict[str, dict[str, zipfile.ZipInfo]] = defaultdict(dict)
    others: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for member in members:
        name = PurePosixPath(_name(member))
        if member.is_dir() or "__MACOSX" in name.parts or name.name.startswith("."):
            continue
        suffix = name.suffix.lower()
        if suffix in SHAPEFILE_PARTS:
            stems[str(name.with_suffix(""))][suffix] = member
        elif suffix in suffixes:
            others[str(name)] = {suffix: member}
    shapefiles = {stem: parts for stem, parts in stems.items() if ".shp" in parts}
    tables = {f"{stem}.dbf": parts for stem, parts in stems.items() if ".shp" not in parts and ".dbf" in parts}
    return {**shapefiles, **tables, **others}


def _name(member: zipfile.ZipInfo) -> str:
    """Return the name of a member; archives made in China name them in GBK without saying so."""
    if member.flag_bits & IN_UTF_8:
        return member.filename
    raw = member.filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeError:
            continue
    return member.filename
