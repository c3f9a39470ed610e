"""Workers: on record while they live, woken when there is something to do, never ended by what befalls them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from api import jobs_cli, worker
from spatial import jobs
from spatial.db import Database, make_engine
from spatial.postgresql import WORKER
from spatial.settings import Settings
from spatial.time import now
from tests.conftest import ClientAs
from tests.importing import rows
from tests.waiting import wait_until


@contextmanager
def working(database: Database) -> Iterator[threading.Event]:
    """Yield while a worker works, and see that it ends."""
    stop, own = threading.Event(), database.as_login(WORKER)
    thread = threading.Thread(target=worker.work, args=(own, stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(timeout=30)
        own.engine.dispose()
        assert not thread.is_alive()


def add(database: Database) -> Callable[[], bool]:
    """Queue a job, and return whether it is done by now."""
    with database.write() as session:
        job_id = jobs.enqueue(session, "refresh-statistics", {}, actor="test", now=now())

    def is_done() -> bool:
        with database.read() as session:
            return jobs.find(session, job_id).state == "done"

    return is_done


def listens(database: Database) -> bool:
    """Return whether a worker waits for the bell."""
    return rows(database, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'") != [(0,)]


def test_a_worker_is_on_record_while_it_lives(empty_database: Database) -> None:
    """It is there soon after it starts, and gone when it ends; one that was killed is forgotten in time."""
    with empty_database.write() as session:
        session.execute(
            text("INSERT INTO worker VALUES (gen_random_uuid(), 'h', 1, :old, :old)"), {"old": now() - timedelta(2)}
        )
    with working(empty_database):
        wait_until(lambda: rows(empty_database, "SELECT host <> 'h' FROM worker") == [(True,)])
        with empty_database.read() as session:
            seen = jobs.last_seen(session)
        assert seen is not None
        assert now() - seen < jobs.ALIVE_WITHIN
    assert rows(empty_database, "SELECT FROM worker") == []


def test_a_worker_wakes_when_a_job_is_queued(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for its next look."""
    monkeypatch.setattr(worker, "ASKS_EVERY_S", 60.0)
    with working(empty_database):
        wait_until(lambda: listens(empty_database))
        assert wait_until(add(empty_database)) < 10


def test_a_worker_outlives_its_connections_and_its_own_faults(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After all of its connections were ended, and after a step that failed oddly, the next job is done."""
    monkeypatch.setattr(worker, "ASKS_EVERY_S", 1.0)
    others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with working(empty_database):
        wait_until(lambda: listens(empty_database))
        rows(empty_database, f"SELECT count(pg_terminate_backend(pid)) FROM {others}")
        wait_until(add(empty_database))
        with monkeypatch.context() as patched:
            patched.setattr(jobs, "run_next", None)
            wait_until(lambda: "stumbled" in caplog.text)
        wait_until(add(empty_database))


def test_the_service_says_which_of_its_needs_is_missing(empty_database: Database, client_as: ClientAs) -> None:
    """Ready while a worker lives, degraded without, not ready while the schema is behind or the database away."""
    client = client_as(empty_database)

    def told() -> tuple[int, str, dict[str, str]]:
        reply = client.get("/ready")
        checks = reply.json()["checks"]
        del checks["memory_age_s"]
        return reply.status_code, reply.json()["status"], checks

    well = {"database": "ok", "migrations": "ok", "worker": "ok", "wal_archive": "off", "memory": "ok"}
    with client:
        with working(empty_database):
            wait_until(lambda: told() == (200, "ok", well))
        assert told() == (200, "degraded", well | {"worker": "missing"})
        with empty_database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
        unknown = {"worker": "unknown", "wal_archive": "unknown"}
        assert told() == (503, "not-ready", {"database": "ok", "migrations": "behind", "memory": "ok"} | unknown)
    nowhere = Database(make_engine("postgresql://127.0.0.1:1/nowhere"))
    reply = client_as(nowhere).get("/ready")
    away = {"database": "away", "migrations": "unknown", "memory": "empty", "memory_age_s": None} | unknown
    assert (reply.status_code, reply.json()["checks"], reply.headers["retry-after"]) == (503, away, "5")


def test_a_worker_that_was_not_seen_for_long_counts_as_missing(empty_database: Database, client_as: ClientAs) -> None:
    """What a killed worker left on record is not taken for a worker."""
    with empty_database.write() as session:
        late = {"seen": now() - jobs.ALIVE_WITHIN - timedelta(seconds=1)}
        session.execute(text("INSERT INTO worker VALUES (gen_random_uuid(), 'h', 1, :seen, :seen)"), late)
    assert client_as(empty_database).get("/ready").json()["checks"]["worker"] == "missing"


def test_workers_are_listed_on_the_command_line(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lives and on which machine; where nobody does, or nobody here, the exit code says so. The schema stays."""
    url = empty_database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setattr(jobs_cli, "settings", lambda: Settings(database_url=url, language="en"))

    def told(*options: str) -> tuple[int, list[str]]:
        done = CliRunner().invoke(jobs_cli.app_jobs, ["workers", "--json", *options])
        return done.exit_code, [one["host"] for one in json.loads(done.stdout)]

    def seen(host: str, ago: timedelta) -> None:
        with empty_database.write() as session:
            row = {"host": host, "at": now() - ago}
            session.execute(text("INSERT INTO worker VALUES (gen_random_uuid(), :host, 1, :at, :at)"), row)

    seen(socket.gethostname(), jobs.ALIVE_WITHIN)
    assert (told(), told("--here")) == ((1, []), (1, []))
    seen("elsewhere", timedelta(0))
    assert (told(), told("--here")) == ((0, ["elsewhere"]), (1, []))
    with working(empty_database):
        wait_until(lambda: told("--here") == (0, [socket.gethostname()]))
