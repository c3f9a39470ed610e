"""Gaps of duty in a city: of all grids of both layers over four weeks, with causes, against multiranges in PostGIS."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.city import load
from benchmarks.town import empty
from spatial.duty.coverage import Coverage
from spatial.duty.model import CAUSES
from spatial.duty.spans import micros
from spatial.grids.listing import layer_named
from spatial.local_postgis import LocalPostgis
from spatial.time import Period

THEIRS = text((Path(__file__).parent / "theirs" / "gaps.sql").read_text(encoding="utf-8"))
ZONE = ZoneInfo("Asia/Shanghai")
START, DAYS = datetime(2025, 2, 18, tzinfo=UTC), 28
LAYERS = ("police", "governance")
Rows = list[Any]  # of numbers: grid, cause, start and end, in that order


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case: ours with the roster in memory, as whoever asks what would be if does."""
    database, period = empty(postgis), Period(START, START + timedelta(days=DAYS))
    load(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    with database.read() as session:
        warm = Coverage(session, period, ZONE, planned=False)
        posts, off = warm.posts, warm.off

    def ours() -> Rows:
        found = []
        with database.read() as session:
            coverage = Coverage(session, period, ZONE, planned=False)
            coverage.posts, coverage.off = posts, off
            for code in LAYERS:
                gaps = coverage.gaps(layer_named(session, code))
                found.append(np.column_stack([gaps.spans.subject, gaps.cause, gaps.spans.start, gaps.spans.end]))
        return found

    def theirs() -> Rows:
        found = []
        with database.read() as session:
            # what is made on the way has no statistics, and is joined row by row where that is not ruled out
            session.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL enable_nestloop = off"))
            for code in LAYERS:
                asked = {"start": period.start, "end": period.end, "layer": layer_named(session, code).id}
                found.append(session.execute(THEIRS, asked | {"zone": ZONE.key}).all())
        return found

    count = sum(map(len, ours()))
    yield Case(
        "gaps of duty, with causes, of both layers of a city over four weeks", ours, theirs,
        "multiranges in PostGIS", 5.0, count, "gaps", same=same, rounds=3,
    )  # fmt: skip


def same(ours: Rows, theirs: Rows) -> bool:
    """Whether both found the same gaps, to the microsecond."""
    place = {cause: n for n, cause in enumerate(CAUSES)}
    return all(
        sorted(map(tuple, one.tolist()))
        == sorted((row.grid_id, place[row.cause], micros(row.start), micros(row.end)) for row in other)
        for one, other in zip(ours, theirs, strict=True)
    )
