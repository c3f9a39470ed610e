"""Files of places in, the same files with whose each place is out: in a stream, continued where it stopped."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from sqlalchemy import text

from spatial import crs as systems
from spatial.access import WHOLE
from spatial.db import Database, Reach
from spatial.errors import InputError, NotFound, invalid
from spatial.geotag.delimited import Delimited
from spatial.geotag.lines import Lines
from spatial.geotag.model import Asked, Column, Outcome, Places, Progress
from spatial.geotag.opened import PACKED, plain_suffix
from spatial.geotag.tables import TABLES, tag_table
from spatial.geotag.tagging import Tagger
from spatial.geotag.unfinished import Reached, Unfinished, told_writing
from spatial.history import Moment
from spatial.lookup.bulk import Bools
from spatial.lookup.bulk_answers import BulkFacts, Indexes
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Areas
from spatial.lookup.stored import StoredFacts, versions
from spatial.time import EARLIEST, parse_instant

Item = TypeVar("Item")
NOTED_EVERY_BYTES = 1 << 28  # a second of work
DELIMITED, LINES = (".csv", ".tsv", ".txt"), (".ndjson", ".jsonl", ".geojsonl", ".geojsons")
STREAMED: Mapping[str, Callable[[Path, Asked, Sequence[str]], "Streamed"]] = {
    **dict.fromkeys(DELIMITED, Delimited),
    **dict.fromkeys(LINES, Lines),
}
FORMATS = (*DELIMITED, *LINES, *TABLES)


class Block(Protocol):
    """Some rows, and their places."""

    @property
    def count(self) -> int:
        """How many there are, blank ones too."""

    @property
    def read(self) -> int:
        """The bytes of the file up to their end."""

    @property
    def places(self) -> Places:
        """Where they are."""

    @property
    def is_row(self) -> Bools:
        """Which are rows: blank ones are none."""


class Streamed(Protocol):
    """A file of text that is read and written row by row."""

    crs: str | None

    def start(self, file: BinaryIO) -> int:
        """Write what comes before the rows, and return the bytes that it took in the input."""

    def blocks(self, start: int, first: int) -> Iterator[tuple[Any, float]]:
        """Yield all rows from a byte on, whose number is `first`; and how much of the file has been read."""

    def write(self, file: BinaryIO, block: Any, columns: Sequence[Column], kept: Bools) -> None:
        """Write rows with columns added."""


def geotag(
    database: Database,
    reach: Reach | None,
    source: Path,
    target: Path,
    asked: Asked,
    *,
    now: datetime,
    overwrite: bool = False,
    progress: Progress = lambda _share: None,
) -> Outcome:
    """Write a file again with whose the place of each row is, row by row in its order.

    Of CSV and lines of JSON every byte that was there stays, and a run that was killed is continued by the next with
    the same questions, unless the grids have changed. The file appears under its name when it is whole.
    """
    suffix = plain_suffix(source)
    if suffix not in FORMATS or (source.suffix.lower() in PACKED and suffix not in STREAMED):
        raise invalid("file", "file-format-unknown", file=source.name, known=", ".join(FORMATS))
    if target.suffix.lower() != suffix:
        raise invalid("output", "geotag-format-differs", file=target.name, suffix=suffix)
    if source.resolve() == target.resolve():
        raise invalid("output", "geotag-onto-itself")
    if asked.known_at is not None:
        database.settle(asked.known_at)
    unfinished = Unfinished(target, overwrite=overwrite)
    with unfinished.held() as file:
        with database.read(Reach(WHOLE)) as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))
            found = versions(session, asked.known_at)["areas"]
            of = _of(source, asked, found, reach)
            before = unfinished.reached(of) if suffix in STREAMED else None
            at = asked.at or (parse_instant(str(before[1]["at"]), "at") if before else now)
            first = EARLIEST if asked.at_column else at
            areas = Areas.read(StoredFacts(session, Moment(first, asked.known_at)))
        try:
            tagger = Tagger(BulkFacts(areas, Indexes(), Sight.of(reach), now), asked, at)
            if suffix in STREAMED:
                rows = STREAMED[suffix](source, asked, list(tagger.names))
                outcome = _Run(unfinished, rows, tagger, of).run(file, before[0] if before else None, progress)
            else:
                outcome = tag_table(source, unfinished.partial, tagger, suffix, progress)
        except (InputError, NotFound):
            unfinished.forget()
            raise
        unfinished.finish()
    return outcome


def _of(source: Path, asked: Asked, version: int, reach: Reach | None) -> str:
    """Return a print of all that an output depends on: a run that differs in any of it cannot go on with another."""
    try:
        state = source.stat()
    except OSError:
        raise invalid("file", "file-missing", file=source.name) from None
    of = (source.resolve(), state.st_size, state.st_mtime_ns, version, reach, asked)
    return hashlib.sha256(repr(of).encode()).hexdigest()


class _Run:
    """One run over a file of text."""

    def __init__(self, unfinished: Unfinished, rows: Streamed, tagger: Tagger, of: str) -> None:
        self._unfinished = unfinished
        self._rows = rows
        self._tagger = tagger
        self._of = of
        self._crs = tagger.asked.crs or rows.crs or systems.STORED

    def run(self, file: BinaryIO, before: Reached | None, progress: Progress) -> Outcome:
        """Write all rows that are not written yet."""
        with told_writing(self._unfinished.target):
            file.truncate(before.written if before else 0)
            file.seek(0, 2)
            reached = before or self._begun(file)
        noted = reached
        for block, share in ahead(self._rows.blocks(reached.read, reached.lines + 1)):
            columns, kept = self._tagger.tag(block.places, self._crs)
            with told_writing(self._unfinished.target):
                self._rows.write(file, block, columns, kept)
            reached = Reached(
                block.read,
                file.tell(),
                reached.lines + block.count,
                reached.rows + int(block.is_row.sum()),
                reached.invalid + len(block.places.wrong),
            )
            progress(share)
            if reached.written - noted.written >= NOTED_EVERY_BYTES:
                self._unfinished.note(file, reached, self._of, {"at": self._tagger.at.isoformat()})
                noted = reached
        with told_writing(self._unfinished.target):
            file.flush()
        return Outcome(reached.rows, reached.invalid, before.rows if before else 0)

    def _begun(self, file: BinaryIO) -> Reached:
        read = self._rows.start(file)
        return Reached(read, file.tell(), 1 if read else 0)


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, each of which is made, by a thread of its own, while the one before is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (one := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield one
