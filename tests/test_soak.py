"""Kill -9 of services, workers and PostgreSQL at random instants under a mixed load of writes."""

import logging
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spatial.audit.check import chain_break
from spatial.db import Database, make_engine
from spatial.errors import Busy
from spatial.local_postgis import LocalPostgis
from tests.importing import rows
from tests.soak import Callers, Deployment
from tests.waiting import wait_until

log = logging.getLogger(__name__)
VICTIMS = ("api", "api", "worker", "worker", "backend", "postmaster")
CALLERS = 6


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Yield a short, reachable folder."""
    with tempfile.TemporaryDirectory(prefix="twingrid-soak-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    "seconds", [pytest.param(75, marks=pytest.mark.proof), pytest.param(300, marks=pytest.mark.full)]
)
def test_no_kill_loses_or_doubles_what_was_acknowledged(data_dir: Path, seconds: int) -> None:
    """Every acknowledged write is there, none twice, none half; the audit is whole; every job has ended."""
    seed = int(os.environ.get("TWINGRID_SOAK_SEED", time.time_ns() % 1_000_000))
    log.warning("seed %s", seed)
    chance = random.Random(seed)
    with Deployment(data_dir) as deployment:
        deployment.start()
        callers = Callers([api.url for api in deployment.apis], random.Random(seed + 1))
        end = time.monotonic() + seconds
        with _calling(callers) as faults:
            while time.monotonic() < end and not faults:
                for victim in chance.sample(VICTIMS, len(VICTIMS)):
                    time.sleep(chance.uniform(0.5, 6))
                    deployment.kill(victim, chance)
        with LocalPostgis(data_dir) as postgis:
            database = Database(make_engine(postgis.url()))
            wait_until(lambda: _has_ended(database), 300)  # what was interrupted is taken up again, after its waits
            deployment.end()
            log.warning("killed %s, acknowledged %s", deployment.kills, callers.acknowledged())
            assert faults == []
            with database.read() as session:
                assert chain_break(session) is None
            check_events(database, callers)
            check_files(database, callers)
            check_jobs(database, callers)
            database.engine.dispose()


@contextmanager
def _calling(callers: Callers) -> Iterator[list[BaseException]]:
    """Let several callers send at once, and yield what goes wrong with them."""
    faults: list[BaseException] = []
    threads = [threading.Thread(target=_run, args=(callers, number, faults)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield faults
    finally:
        callers.over.set()
        for thread in threads:
            thread.join()


def _run(callers: Callers, number: int, faults: list[BaseException]) -> None:
    try:
        callers.run(number)
    except BaseException as fault:
        faults.append(fault)
        raise


def _has_ended(database: Database) -> bool:
    try:
        return rows(database, "SELECT FROM job WHERE state IN ('queued', 'running')") == []
    except Busy:
        return False


def check_events(database: Database, callers: Callers) -> None:
    """Each acknowledged event has one version, each batch is there whole or not at all, and the audit counted them."""
    stored = dict(
        rows(
            database,
            "SELECT external_id, count(*) FROM incident_key AS key JOIN incident ON incident_key_id = key.id"
            " WHERE external_id LIKE 'one-%' OR external_id LIKE 'many-%' GROUP BY 1",
        )
    )
    assert {number for number, acknowledged in callers.told.items() if acknowledged} <= stored.keys()
    assert stored.keys() <= callers.told.keys()
    assert set(stored.values()) == {1}
    assert {len(stored.keys() & set(batch)) for batch in callers.batches} <= {0, 20}
    counted = "SELECT sum((detail->>'new')::int) FROM audit WHERE action = 'incidents.take'"
    assert rows(database, counted) == [(len(stored),)]


def check_files(database: Database, callers: Callers) -> None:
    """Each acknowledged file is there, each file whole or not at all, taken in by one job and once on record."""
    mark = "substring(code from 'file-(.*)-')"
    stored = dict(rows(database, f"SELECT {mark}, count(*) FROM source WHERE code LIKE 'file-%' GROUP BY 1"))
    assert {mark for mark, acknowledged in callers.files.items() if acknowledged} <= stored.keys()
    assert set(stored.values()) <= {200}
    done = "SELECT count(*) FROM job WHERE kind = 'import-commit' AND state = 'done'"
    recorded = "SELECT count(*) FROM audit WHERE action = 'import-sources'"
    assert rows(database, done) == rows(database, recorded) == [(len(stored),)]


def check_jobs(database: Database, callers: Callers) -> None:
    """Each acknowledged job is there, all have ended; each that is done had its effect once, and no other had any."""
    assert set(callers.checks) <= {f"/jobs/{name}" for (name,) in rows(database, "SELECT id FROM job")}
    assert rows(database, "SELECT kind, state, error, result FROM job WHERE state NOT IN ('done', 'cancelled')") == []
    done = "SELECT count(*) FROM job WHERE kind = 'check-tiling' AND state = 'done'"
    assert rows(database, done) == rows(database, "SELECT count(*) FROM audit WHERE action = 'check-tiling'")
    gaps = "SELECT domain FROM dataset_version GROUP BY domain HAVING count(*) <> max(n)"
    assert rows(database, gaps) == []
