"""Many incidents at once, in SQL: laid out in a table of the transaction, compared with what is stored, written.

    open_stage       an empty table `incident_stage`; fill it with one row per incident, by COPY or `stage`
    unknown          the rows whose source or category nobody knows
    compare          decides of each row: new, changed or same
    write            closes what is replaced and adds what is new

Compare under the lock of the domain, so that what it rests on cannot change before it is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial.incidents import sources
from spatial.incidents.model import Report
from spatial.incidents.written import writes

COLUMNS = (
    "n", "source", "external_id", "category", "at", "span", "lon", "lat", "precision_m", "masked_text",
    "dispatched_at", "arrived_at", "closed_at",
)  # fmt: skip
MANY = 1000  # rows, from which on the planner should know how many there are

# Tables of the connection, emptied at the end of each transaction: made for each, they would bloat the catalogue.
_TABLES = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS incident_stage (
        n bigint, source text COLLATE "C", external_id text COLLATE "C", category text COLLATE "C", at timestamptz,
        span tstzrange, lon double precision, lat double precision, precision_m double precision, masked_text text,
        dispatched_at timestamptz, arrived_at timestamptz, closed_at timestamptz
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS incident_change (
        n bigint, change text, id bigint, source_id bigint, category_id bigint, key_id bigint, has_key boolean,
        old_id bigint
    ) ON COMMIT DELETE ROWS;
    DELETE FROM incident_stage;
    DELETE FROM incident_change
""")

_STAGE = text(f"""
    INSERT INTO incident_stage ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS)} FROM jsonb_populate_recordset(NULL::incident_stage, CAST(:rows AS jsonb))
""")  # noqa: S608  # names of columns, from above

_RESOLVED = f"""
    FROM incident_stage AS stage
    LEFT JOIN source ON source.code = stage.source
    LEFT JOIN category ON category.code = {sources.our_code("stage.source", "stage.category")}
"""

_UNKNOWN = text(f"""
    SELECT stage.n, stage.source, stage.category, source.id IS NOT NULL AS has_source,
        category.id IS NOT NULL AS has_category
    {_RESOLVED}
    WHERE source.id IS NULL OR category.id IS NULL
    ORDER BY stage.n LIMIT :limit
""")

_COMPARE = text(f"""
    INSERT INTO incident_change (n, change, source_id, category_id, key_id, has_key, old_id, id)
    SELECT found.*, CASE WHEN change <> 'same' THEN nextval(pg_get_serial_sequence('incident', 'id')) END
    FROM (
        SELECT stage.n,
            CASE WHEN old.id IS NULL THEN 'new'
                 WHEN (old.at, old.category_id, old.span, old.point, old.precision_m, old.masked_text,
                       old.dispatched_at, old.arrived_at, old.closed_at)
                      IS DISTINCT FROM
                      (stage.at, category.id, stage.span,
                       ST_SetSRID(ST_MakePoint(stage.lon, stage.lat), 4490), stage.precision_m, stage.masked_text,
                       stage.dispatched_at, stage.arrived_at, stage.closed_at)
                 THEN 'changed' ELSE 'same' END AS change,
            source.id, category.id,
            coalesce(key.id, nextval(pg_get_serial_sequence('incident_key', 'id'))), key.id IS NOT NULL, old.id
        {_RESOLVED}
        LEFT JOIN incident_key AS key ON key.source_id = source.id AND key.external_id = stage.external_id
        LEFT JOIN incident AS old ON old.id = key.current_id AND upper_inf(old.recorded)
        OFFSET 0
    ) AS found
""")  # noqa: S608  # nothing but the text above

_COUNTS = text("SELECT change, count(*) AS rows FROM incident_change GROUP BY change")

_HEARD = text(
    sources.hear(
        "SELECT id FROM source WHERE code IN (SELECT stage.source FROM incident_stage AS stage) OR code = :source",
        ":received_at",
    )
)

_WRITES = [
    text(statement)
    for statement in writes("""(
        SELECT change.change, change.id, change.old_id, change.key_id, change.has_key, change.source_id,
            stage.external_id, change.category_id, stage.at, stage.span,
            ST_SetSRID(ST_MakePoint(stage.lon, stage.lat), 4490) AS point, stage.precision_m, stage.masked_text,
            stage.dispatched_at, stage.arrived_at, stage.closed_at
        FROM incident_change AS change JOIN incident_stage AS stage USING (n))""")
]


@dataclass(frozen=True)
class Unknown:
    """A row that names a source or a category that is not on record."""

    n: int
    source: str
    category: str
    has_source: bool
    has_category: bool


def open_stage(session: Session) -> None:
    """Make the empty table `incident_stage` of this transaction; its `n` and (source, external_id) are to be unique."""
    session.execute(_TABLES)


def stage(session: Session, reports: Sequence[tuple[int, Report]]) -> None:
    """Lay out some numbered incidents."""
    rows = [_row(n, report) for n, report in reports]
    session.execute(_STAGE, {"rows": orjson.dumps(rows).decode()})


def keep(session: Session, numbers: Iterable[int]) -> None:
    """Leave only some of the staged rows."""
    kept = text("DELETE FROM incident_stage WHERE n NOT IN (SELECT unnest(CAST(:kept AS bigint[])))")
    session.execute(kept, {"kept": list(numbers)})


def unknown(session: Session, limit: int) -> list[Unknown]:
    """Return the first rows whose source or category is not on record."""
    return [Unknown(*row) for row in session.execute(_UNKNOWN, {"limit": limit})]


def compare(session: Session) -> dict[str, int]:
    """Decide what each staged row is, in `incident_change`, and return how many are new, changed and same."""
    _know_size(session, "incident_stage")
    session.execute(_COMPARE)
    _know_size(session, "incident_change")
    return {row.change: row.rows for row in session.execute(_COUNTS)}


def changes(session: Session) -> dict[int, str]:
    """Return what was decided of each row."""
    return {row.n: row.change for row in session.execute(text("SELECT n, change FROM incident_change"))}


def hear(session: Session, received_at: datetime, source: str | None = None) -> None:
    """Put on record that the sources of the staged rows, and one more, were heard."""
    session.execute(_HEARD, {"received_at": received_at, "source": source})


def write(session: Session, stamp: datetime) -> None:
    """Write what was decided, known from `stamp` on: the stamp of this transaction's version of `incidents`."""
    for statement in _WRITES:
        session.execute(statement, {"stamp": stamp})


_OWNERS = text("""
    SELECT place.n, layer.code AS layer, min(version.code) AS grid
    FROM jsonb_to_recordset(CAST(:places AS jsonb)) AS place (n bigint, lon double precision, lat double precision)
    JOIN grid_version AS version ON ST_Intersects(version.geom, ST_SetSRID(ST_MakePoint(place.lon, place.lat), 4490))
        AND version.valid @> CAST(:at AS timestamptz) AND upper_inf(version.recorded)
    JOIN layer ON layer.id = version.layer_id
    GROUP BY place.n, layer.code
""")


def owners(session: Session, reports: Sequence[tuple[int, Report]], at: datetime) -> dict[int, dict[str, str]]:
    """Return by layer the grid that owns each place at an instant: on a border the one with the smallest code."""
    places = [{"n": n, "lon": report.lon, "lat": report.lat} for n, report in reports]
    found: dict[int, dict[str, str]] = {n: {} for n, _report in reports}
    for row in session.execute(_OWNERS, {"places": orjson.dumps(places).decode(), "at": at}):
        found[row.n][row.layer] = row.grid
    return found


def _row(n: int, report: Report) -> dict[str, Any]:
    span = report.span
    return {
        "n": n,
        "source": report.source,
        "external_id": report.external_id,
        "category": report.category,
        "at": report.at,
        "span": None if span is None else f"[{_iso(span.lower)},{_iso(span.upper)})",
        "lon": report.lon,
        "lat": report.lat,
        "precision_m": report.precision_m,
        "masked_text": report.masked_text,
        "dispatched_at": report.dispatched_at,
        "arrived_at": report.arrived_at,
        "closed_at": report.closed_at,
    }


def _iso(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()


def _know_size(session: Session, table: str) -> None:
    """Let the planner know how large a table of this transaction is, where that matters."""
    some = text(f"SELECT count(*) FROM (SELECT FROM {table} LIMIT {MANY}) AS first_rows")  # noqa: S608  # a name of ours
    if session.scalar(some) == MANY:
        session.execute(text(f"ANALYZE {table}"))
