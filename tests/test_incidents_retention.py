"""What is too old is deleted with all that was known of it: once a day, on record, and nothing else."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api import worker
from spatial import jobs
from spatial.db import Database
from spatial.incidents.retention import retire
from spatial.settings import Settings
from spatial.tables import Category, Source
from spatial.time import now
from tests.build import T0, World, build
from tests.importing import rows

TITLE = {"zh-CN": "x", "en": "x"}


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Return a database with a source and a category."""

    def fill(world: World) -> None:
        world._add(Source, code="s", title=TITLE)
        world._add(Category, code="c", title=TITLE, police_matter=True, priority=1, handling_minutes=9)

    build(empty_database, fill)
    return empty_database


def put(database: Database, *reported: datetime) -> None:
    """Store an incident that was first reported, then corrected, at some instants; one event belongs to it."""
    known = now()
    with database.write() as session:
        key = session.execute(
            text("INSERT INTO incident_key (source_id, external_id) VALUES (1, gen_random_uuid()) RETURNING id")
        ).scalar_one()
        session.execute(
            text("INSERT INTO incident_event (incident_key_id, kind, at) VALUES (:key, 'closed', now())"), {"key": key}
        )
        for number, at in enumerate(reported):
            end = None if at is reported[-1] else known + timedelta(seconds=number + 1)
            session.execute(text("SELECT ensure_incident_months(:at, :at)"), {"at": at})
            session.execute(
                text(
                    "INSERT INTO incident (at, incident_key_id, category_id, point, recorded) VALUES"
                    " (:at, :key, 1, 'SRID=4490;POINT(120 30)', tstzrange(:start, :end))"
                ),
                {"at": at, "key": key, "start": known + timedelta(seconds=number), "end": end},
            )


def gone(database: Database, oldest: datetime) -> dict[str, Any]:
    """Delete what is older."""
    with database.write() as session:
        return retire(session, actor="test", oldest=oldest)


def test_what_is_old_goes_with_its_keys_events_and_months(database: Database) -> None:
    """Whole months are dropped, the rest of a month is deleted by age; what is younger stays."""
    put(database, T0 - timedelta(days=40))
    put(database, T0 - timedelta(days=2))
    put(database, T0)
    assert gone(database, T0) == {
        "oldest": T0.isoformat(), "versions": 2, "incidents": 2, "events": 2, "months": 1,
    }  # fmt: skip
    assert rows(database, "SELECT at FROM incident") == [(T0,)]
    assert rows(database, "SELECT count(*) FROM incident_key") == rows(database, "SELECT count(*) FROM incident_event")
    assert rows(database, "SELECT to_regclass('incident_p202501'), to_regclass('incident_p202503') IS NOT NULL") == [
        (None, True)
    ]
    assert rows(database, "SELECT action, detail->>'versions' FROM audit") == [("incidents.retire", "2")]
    versions = rows(database, "SELECT count(*) FROM dataset_version WHERE domain = 'incidents'")
    assert gone(database, T0)["versions"] == 0
    assert rows(database, "SELECT count(*) FROM dataset_version WHERE domain = 'incidents'") == versions
    assert rows(database, "SELECT count(*) FROM audit") == [(1,)], "nothing to do is nothing to record"


DAYS = st.integers(-90, 90)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(DAYS, min_size=1, max_size=3), max_size=5), DAYS)
def test_a_version_is_left_just_when_it_is_young(database: Database, incidents: list[list[int]], cut: int) -> None:
    """However an incident moved through the months, young versions stay; a key stays just while a version does."""
    for moved in incidents:
        put(database, *(T0 + timedelta(days=day) for day in moved))
    oldest = T0 + timedelta(days=cut)
    before = rows(database, "SELECT id, at FROM incident ORDER BY id")
    gone(database, oldest)
    assert rows(database, "SELECT id, at FROM incident ORDER BY id") == [row for row in before if row[1] >= oldest]
    kept = rows(database, "SELECT DISTINCT incident_key_id FROM incident ORDER BY 1")
    assert rows(database, "SELECT id FROM incident_key ORDER BY 1") == kept
    current = "SELECT current_id FROM incident_key WHERE current_id IS NOT NULL ORDER BY 1"
    assert rows(database, current) == rows(database, "SELECT id FROM incident WHERE upper_inf(recorded) ORDER BY 1")


def test_two_workers_delete_once_a_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many workers plan a day, what is old is deleted by one job; the next day by another."""
    config = Settings(incident_retention_days=30)
    monkeypatch.setattr(worker, "settings", lambda: config)
    put(database, now() - timedelta(days=32))
    planned, noon = worker.schedules(config), datetime(2025, 3, 3, 12, tzinfo=config.zone)

    def plan(at: datetime) -> None:
        jobs.plan(database, planned, config.zone, actor="worker", now=at)

    plan(noon - timedelta(days=1))
    planners = [threading.Thread(target=plan, args=(noon,)) for _ in range(4)]
    for planner in planners:
        planner.start()
    for planner in planners:
        planner.join()
    while jobs.run_next(database, worker.HANDLERS, clock=now) is not None:
        pass
    plan(noon)
    state = "SELECT state, result->>'incidents' FROM job WHERE kind = 'retire-incidents'"
    assert rows(database, state) == [("done", "1")]
    plan(noon + timedelta(days=1))
    assert len(rows(database, state)) == 2


def test_nothing_is_deleted_where_nothing_is_asked() -> None:
    """Without the setting no job of it is planned."""
    assert "retire-incidents" not in {one.kind for one in worker.schedules(Settings())}
