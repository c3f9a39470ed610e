"""What tests of imports of rows share: rows in memory taken in, and what is stored as rows."""

from collections.abc import Mapping as Maps
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from sqlalchemy import text

from spatial.access import operator
from spatial.db import Database
from spatial.history import Moment
from spatial.imports.exported import stored_chunks
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options, Outcome
from spatial.imports.read import Chunk, Source
from spatial.imports.service import take_rows
from spatial.imports.subjects import SUBJECTS
from tests.build import World

ACTOR = operator("test")
ZONE = ZoneInfo("Asia/Shanghai")
AT = datetime(2025, 3, 5, 4, tzinfo=UTC)  # noon of the Wednesday of the town's week
Columns = Maps[str, Sequence[Any]]


def one_officer(world: World) -> None:
    """Make a station with an officer."""
    world.deployment()
    world.officer("001", world.unit("S1"))


def source_of(columns: Columns, shapes: Sequence[Any] | None = None, crs: str | None = "EPSG:4490") -> Source:
    """Return columns, and shapes where given, as if they had been read from a file."""
    count = len(next(iter(columns.values())))
    made = None if shapes is None else np.array([None, *shapes], dtype=object)[1:]

    def chunks() -> Any:
        for start in range(0, count, 7):  # of many chunks, as a large file is
            stop = min(start + 7, count)
            part = None if made is None else made[start:stop]
            yield Chunk(range(start + 2, stop + 2), {name: list(v[start:stop]) for name, v in columns.items()}, part)

    return Source("rows.csv", "csv", tuple(columns), shapes is not None, chunks, crs=crs, count=count)


def take(
    database: Database, subject: str, source: Source | Columns, *, commit: bool = True, mapping: Mapping | None = None,
    at: datetime = AT, **how: Any,
) -> Outcome:  # fmt: skip
    """Take rows in, or try to."""
    made = source if isinstance(source, Source) else source_of(source)
    with database.write() if commit else database.trial() as session:
        options = Options(at, how.pop("zone", ZONE), **how)
        taken = take_rows(session, ACTOR, SUBJECTS[subject], made, mapping or Mapping(), options, commit=commit)
        return taken.outcome()


def counts(outcome: Outcome) -> dict[str, int]:
    """Return the changes that there are."""
    return {str(change): number for change, number in outcome.counts.items() if number}


def faults(outcome: Outcome) -> list[tuple[int | None, str | None, str]]:
    """Return row, column and kind of every fault told."""
    return [(fault.row, fault.column, fault.text) for fault in outcome.faults]


def stored(database: Database, subject: str, at: datetime = AT, known_at: datetime | None = None) -> Source:
    """Return what is stored of a subject, as a file that was exported and read again."""
    with database.read() as session:
        found = list(stored_chunks(session, SUBJECTS[subject], Moment(at, known_at)))
    names = tuple(one.name for one in SUBJECTS[subject].fields)
    has_shapes = SUBJECTS[subject].shape is not None
    return Source("stored", "csv", names, has_shapes, lambda: iter(found), crs="EPSG:4490" if has_shapes else None)


def rows(source: Source) -> list[tuple[Any, ...]]:
    """Return the rows of a source, with shapes as WKB, in any order."""
    found: list[tuple[Any, ...]] = []
    for chunk in source.chunks():
        columns = [chunk.columns[name] for name in source.columns]
        if chunk.shapes is not None:
            columns.append(list(shapely.to_wkb(shapely.normalize(chunk.shapes), hex=True)))
        found += zip(*columns, strict=True)
    return sorted(found, key=repr)


def versions_of(database: Database) -> list[tuple[Any, ...]]:
    """Return every dataset version."""
    with database.read() as session:
        return [tuple(row) for row in session.execute(text("SELECT domain, n FROM dataset_version ORDER BY 1, 2"))]
