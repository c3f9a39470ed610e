"""A file of incidents, end to end, against reading it with `csv` and inserting it row by row."""

import csv
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.town import dsn, empty
from spatial.access import operator
from spatial.db import Database
from spatial.imports.annotated import Tell
from spatial.imports.files import Asked, import_file
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options
from spatial.imports.subjects import SUBJECTS
from spatial.local_postgis import LocalPostgis

COUNT, SAMPLE = 200_000, 20_000
ROUNDS = 3
CATEGORIES = ("assault", "noise", "parking", "collision", "waste", "fraud", "damage", "help")
STEPS = ("at", "dispatched_at", "arrived_at", "closed_at")
STORED = """
    SELECT k.external_id, c.code, i.at, i.precision_m, i.masked_text, i.dispatched_at, i.arrived_at, i.closed_at,
           ST_AsEWKT(i.point)
    FROM incident i JOIN incident_key k ON k.id = i.incident_key_id AND k.current_id = i.id
    JOIN category c ON c.id = i.category_id WHERE k.external_id < :below ORDER BY 1"""


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case; they insert a sample of the rows, which takes long enough."""
    with tempfile.TemporaryDirectory(prefix="twingrid-bench-") as folder:
        file = Path(folder, "incidents.csv")
        _write(file)
        spare = iter([_prepared(postgis) for _ in range(2 * (ROUNDS + 1))])

        def ours() -> list[Any]:
            database = next(spare)
            options = Options(datetime(2025, 3, 1, tzinfo=UTC), ZoneInfo("Asia/Shanghai"), source_crs="EPSG:4490")
            mapping, tell = Mapping(encoding="utf-8"), Tell(str, str, str)
            asked = Asked(commit=True)
            found = import_file(
                database, operator("bench"), SUBJECTS["incidents"], file, mapping, options, asked, tell=tell
            )
            assert found.counts["new"] == COUNT
            return _stored(database)

        def theirs() -> list[Any]:
            database = next(spare)
            _insert(database, file)
            return _stored(database)

        yield Case(
            "take in a file of incidents, checked and compared", ours, theirs, "csv and INSERT row by row", 5.0,
            COUNT, "rows", their_work=SAMPLE, rounds=ROUNDS,
        )  # fmt: skip


def _write(file: Path) -> None:
    """Write incidents of a year: an instant and a place each, and the steps of their handling."""
    rng = random.Random(1)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("source", "external_id", "category", "precision_m", "masked_text", *STEPS, "lon", "lat"))
        for number in range(COUNT):
            at = start + timedelta(seconds=rng.randrange(365 * 86400))
            steps = [at + timedelta(seconds=seconds) for seconds in (0, rng.randrange(600), 1800, 7200)]
            place = (f"{120.2 + rng.random() / 5:.9f}", f"{30.2 + rng.random() / 5:.9f}")
            words = (f"第{number}号，已处置", *(one.isoformat() for one in steps), *place)
            writer.writerow(("110", f"E{number:08d}", rng.choice(CATEGORIES), rng.choice((5, 10, 50)), *words))


def _prepared(postgis: LocalPostgis) -> Database:
    """Return a new database with the categories and the source."""
    database = empty(postgis)
    title = '{"zh-CN": "x", "en": "x"}'
    with database.write() as session:
        for code in CATEGORIES:
            session.execute(
                text(
                    "INSERT INTO category (code, title, police_matter, priority, handling_minutes) "
                    "VALUES (:code, CAST(:title AS jsonb), true, 3, 30)"
                ),
                {"code": code, "title": title},
            )
        session.execute(
            text("INSERT INTO source (code, title) VALUES ('110', CAST(:title AS jsonb))"), {"title": title}
        )
    return database


def _insert(database: Database, file: Path) -> None:
    """Insert the first rows of a file, one by one, as a script would."""
    key = "INSERT INTO incident_key (source_id, external_id) SELECT id, %s FROM source WHERE code = %s RETURNING id"
    row = """INSERT INTO incident (incident_key_id, category_id, at, precision_m, masked_text, dispatched_at,
                                   arrived_at, closed_at, point, recorded)
             SELECT %s, id, %s, %s, %s, %s, %s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4490), tstzrange(now(), NULL)
             FROM category WHERE code = %s"""
    with (
        psycopg2.connect(dsn(database)) as connection,
        connection.cursor() as cursor,
        file.open(encoding="utf-8", newline="") as opened,
    ):
        cursor.execute("SELECT ensure_incident_months('2024-03-01', '2025-03-31')")
        for number, one in enumerate(csv.DictReader(opened)):
            if number == SAMPLE:
                break
            cursor.execute(key, (one["external_id"], one["source"]))
            (key_id,) = cursor.fetchone() or (None,)
            told = [one[name] for name in ("at", "precision_m", "masked_text", *STEPS[1:], "lon", "lat", "category")]
            cursor.execute(row, (key_id, *told))


def _stored(database: Database) -> list[Any]:
    """Return the incidents that both ways store."""
    with database.read() as session:
        return [tuple(row) for row in session.execute(text(STORED), {"below": f"E{SAMPLE:08d}"})]
