"""Loading the town, against plain INSERTs of the same rows."""

import itertools
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg2
from psycopg2.extras import Json
from sqlalchemy import func, select

import fixtures
import migrations
from benchmarks.case import Case
from spatial.db import Database, make_engine
from spatial.local_postgis import LocalPostgis
from spatial.tables import Base

ANCHOR = date(2025, 3, 3)
TABLES = [
    table for table in Base.metadata.sorted_tables if table.name != "audit_head"
]  # which the database keeps itself
_names = (f"bench_{number}" for number in itertools.count())


def loaded(postgis: LocalPostgis) -> Database:
    """Return a new database with the town in it."""
    database = empty(postgis)
    fixtures.load(database, size="town", seed=1, anchor=ANCHOR, truth_file=None, progress=lambda _share, _what: None)
    return database


def empty(postgis: LocalPostgis) -> Database:
    """Return a new database with the schema alone."""
    database = Database(make_engine(postgis.create_database(next(_names))))
    migrations.upgrade(database.engine)
    return database


def counts(database: Database) -> dict[str, int]:
    """Return the number of rows of every table."""
    with database.read() as session:
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES}


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case: databases are made beforehand, so that only the loading is timed."""
    source = loaded(postgis)
    rows = {table.name: rows_of(source, table) for table in TABLES}
    targets = [empty(postgis) for _ in range(12)]
    spare = iter(targets)

    def ours() -> dict[str, int]:
        database = next(spare)
        fixtures.load(database, size="town", seed=1, anchor=ANCHOR, truth_file=None, progress=lambda *_: None)
        return counts(database)

    def theirs() -> dict[str, int]:
        database = next(spare)
        insert(database, rows)
        return counts(database)

    work = sum(len(of_table) for of_table in rows.values())
    yield Case(
        "load the town, generation included", ours, theirs, "INSERT row by row of rows already made", 1.0, work, "rows"
    )


def _columns(table: Any) -> str:
    """Return the columns that a loader writes; which version of an incident is current the database keeps itself."""
    return ", ".join(f'"{column.name}"' for column in table.columns if column.name != "current_id")


def rows_of(source: Database, table: Any, where: str = "true") -> list[tuple[Any, ...]]:
    """Return rows of a table as plain INSERTs take them."""
    with psycopg2.connect(dsn(source)) as connection, connection.cursor() as cursor:
        cursor.execute(f'SELECT {_columns(table)} FROM "{table.name}" WHERE {where} ORDER BY 1')
        return [tuple(Json(value) if isinstance(value, dict) else value for value in row) for row in cursor.fetchall()]


def insert(database: Database, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Insert the rows of all tables, one by one."""
    with psycopg2.connect(dsn(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ensure_incident_months('2024-03-01', '2025-04-30')")
        for table in TABLES:
            if of_table := rows[table.name]:
                holes = ", ".join(["%s"] * len(of_table[0]))
                into = f'INSERT INTO "{table.name}" ({_columns(table)}) OVERRIDING SYSTEM VALUE'
                cursor.executemany(f"{into} VALUES ({holes})", of_table)


def dsn(database: Database) -> str:
    """Return where a database is, as libpq has it."""
    url = database.engine.url
    return f"dbname={url.database} user={url.username} host={url.query['host']} port={url.query['port']}"
