"""What the database itself keeps of incidents: one current version each, however many rows a statement writes."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spatial.db import Database
from spatial.errors import Conflict
from tests.build import HOUR, T0

TITLE = """'{"zh-CN": "x", "en": "x"}'"""
POINT = "ST_SetSRID(ST_MakePoint(120, 30), 4490)"
APRIL = T0 + timedelta(days=35)


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Return a database with a source, a category, two months and the keys 1 to 4; key 4 names version 1000."""
    with empty_database.write() as session:
        session.execute(text(f"INSERT INTO source (code, title) VALUES ('s', {TITLE})"))
        columns = "(code, title, police_matter, priority, handling_minutes)"
        session.execute(text(f"INSERT INTO category {columns} VALUES ('c', {TITLE}, true, 1, 10)"))
        session.execute(text("SELECT ensure_incident_months('2025-03-01', '2025-04-30')"))
        session.execute(
            text(
                "INSERT INTO incident_key (source_id, external_id, current_id)"
                " SELECT 1, n, CASE n WHEN 4 THEN 1000 END FROM generate_series(1, 4) AS n"
            )
        )
    return empty_database


def put(database: Database, *versions: tuple[int, Any, int], table: str = "incident") -> None:
    """Write versions (key, reported at, id), all in one statement."""
    made = ", ".join(f"({version}, '{at}', {key}, 1, {POINT}, '[2025-05-01,)')" for key, at, version in versions)
    columns = "(id, at, incident_key_id, category_id, point, recorded)"
    with database.write() as session:
        session.execute(text(f"INSERT INTO {table} {columns} OVERRIDING SYSTEM VALUE VALUES {made}"))


def current(database: Database) -> list[int | None]:
    """Return the current version of each key."""
    with database.read() as session:
        return list(session.scalars(text("SELECT current_id FROM incident_key ORDER BY id")))


def test_rows_of_one_statement_become_current_together(database: Database) -> None:
    """A statement over several months names the current version of each key; a key may name it beforehand."""
    put(database, (1, T0, 10), (2, APRIL, 20), (4, APRIL, 1000))
    assert current(database) == [10, 20, None, 1000]


@pytest.mark.parametrize(
    "versions",
    [
        [(1, T0, 10), (1, APRIL, 11)],
        [(2, T0, 20), (4, T0, 999)],
    ],
)
def test_two_current_versions_in_one_statement_are_refused(database: Database, versions: list[Any]) -> None:
    """Two versions of one incident, or one that its key does not name, are refused, and nothing is written."""
    with pytest.raises(Conflict, match="one_current_incident"):
        put(database, *versions)
    assert current(database) == [None, None, None, 1000]


def test_a_statement_on_a_month_alone_is_watched_too(database: Database) -> None:
    """Who writes to a partition by its own name meets the same rule."""
    put(database, (1, T0, 10), table="incident_p202503")
    assert current(database)[0] == 10
    with pytest.raises(Conflict, match="one_current_incident"):
        put(database, (1, APRIL, 11), table="incident_p202504")


def test_what_is_closed_or_deleted_is_current_no_more(database: Database) -> None:
    """Closing or deleting many versions at once frees their keys, and only those of current versions."""
    put(database, (1, T0, 10), (2, T0, 20), (3, APRIL, 30))
    with database.write() as session:
        session.execute(text("UPDATE incident SET recorded = '[2025-05-01,2025-05-02)' WHERE id IN (10, 30)"))
    assert current(database) == [None, 20, None, 1000]
    put(database, (1, T0 + HOUR, 12))
    with database.write() as session:
        session.execute(text("DELETE FROM incident WHERE incident_key_id = 1 AND NOT upper_inf(recorded)"))
        session.execute(text("DELETE FROM incident_p202503 WHERE id = 20"))
    assert current(database) == [12, None, None, 1000]
