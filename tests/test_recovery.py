"""Point-in-time recovery of the embedded PostGIS, on a durable cluster of its own that archives its log of changes."""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import migrations
from spatial import audit
from spatial.audit.check import chain_break
from spatial.backup import base, manifest, recovery
from spatial.db import Database, make_engine
from spatial.errors import Conflict, InputError, SetupError
from spatial.local_postgis import LocalPostgis
from spatial.postgresql import run_as
from spatial.time import now
from tests.conftest import ClientAs
from tests.service import TWINGRID
from tests.waiting import wait_until

KILLS = 8


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a short folder that every user can enter."""
    made = Path(tempfile.mkdtemp(prefix="tg-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    LocalPostgis(made / "data").stop()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def postgis(folder: Path) -> Iterator[LocalPostgis]:
    """Give a cluster that archives, with today's schema."""
    with LocalPostgis(folder / "data", wal_archive=folder / "wal") as made:
        with opened(made) as database:
            migrations.upgrade(database.engine)
        yield made


@contextmanager
def opened(postgis: LocalPostgis) -> Iterator[Database]:
    database = Database(make_engine(postgis.start()))
    yield database
    database.engine.dispose()


def write(postgis: LocalPostgis, *names: str) -> datetime:
    """Put names on record, and return an instant after that and before all that follows."""
    with opened(postgis) as database:
        for name in names:
            with database.write() as session:
                audit.record(session, "test", "test.write", name, {})
        with database.read() as session:
            instant: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return instant


def written(postgis: LocalPostgis) -> list[str]:
    with opened(postgis) as database, database.read() as session:
        assert chain_break(session) is None
        return list(session.scalars(text("SELECT object FROM audit WHERE action = 'test.write' ORDER BY id")))


def actions(postgis: LocalPostgis) -> list[str]:
    with opened(postgis) as database, database.read() as session:
        return list(session.scalars(text("SELECT action FROM audit ORDER BY id")))


def based(postgis: LocalPostgis, target: Path) -> Path:
    with opened(postgis) as database:
        base.take(database, "test", target)
    return target


def recovered(postgis: LocalPostgis, backup: Path, until: datetime | None) -> Path:
    return recovery.recover(postgis, "test", backup, until, now=now())


def test_what_was_written_before_the_instant_is_there_and_no_more(postgis: LocalPostgis, folder: Path) -> None:
    """A, an instant, B: taken back to the instant there is A and no B, the audit holds, and the replaced is kept."""
    write(postgis, "before")
    backup = based(postgis, folder / "base")
    instant = write(postgis, "A")
    write(postgis, "B")
    kept = recovered(postgis, backup, instant)
    assert written(postgis) == ["before", "A"]
    assert actions(postgis)[-1] == "database.restore"
    assert kept.parent == postgis.home
    assert (kept / "PG_VERSION").exists()
    assert not (postgis.home / "restore").exists()
    write(postgis, "C")
    assert written(postgis) == ["before", "A", "C"]


@pytest.mark.proof
def test_it_can_be_taken_back_again_and_again(postgis: LocalPostgis, folder: Path) -> None:
    """Each recovery starts a timeline of its own, which is archived; a later base backup leads on from there."""
    backup = based(postgis, folder / "base")
    first = write(postgis, "A")
    second = write(postgis, "B")
    write(postgis, "C")
    recovered(postgis, backup, second)
    assert written(postgis) == ["A", "B"]
    write(postgis, "D")
    recovered(postgis, backup, first)
    assert written(postgis) == ["A"]
    later = based(postgis, folder / "later")
    third = write(postgis, "E")
    write(postgis, "F")
    recovered(postgis, later, third)
    assert written(postgis) == ["A", "E"]
    histories = sorted(file.name for file in (folder / "wal").glob("*.history.gz"))
    assert histories == ["00000002.history.gz", "00000003.history.gz", "00000004.history.gz"]
    with opened(postgis) as database, database.engine.connect() as connection:
        assert connection.scalar(text("SELECT failed_count FROM pg_stat_archiver")) == 0


def test_without_an_instant_it_goes_as_far_as_the_log_does(postgis: LocalPostgis, folder: Path) -> None:
    """All that was committed is there again, also what was in no archived segment yet."""
    backup = based(postgis, folder / "base")
    write(postgis, "A", "B")
    recovered(postgis, backup, None)
    assert written(postgis) == ["A", "B"]


@pytest.mark.proof
def test_a_lost_cluster_comes_back_from_base_and_archive(postgis: LocalPostgis, folder: Path) -> None:
    """With the cluster's folder gone, base backup and archive bring back all: an orderly stop archives the rest."""
    backup = based(postgis, folder / "base")
    write(postgis, "A")
    postgis.stop()
    shutil.rmtree(postgis.home)
    fresh = LocalPostgis(folder / "data", wal_archive=folder / "wal")
    recovered(fresh, backup, None)
    assert written(fresh) == ["A"]
    fresh.stop()


def test_a_drill_touches_neither_cluster_nor_archive(postgis: LocalPostgis, folder: Path) -> None:
    """Tried beside while the cluster runs, a base backup recovers; nothing of the trial is left."""
    backup = based(postgis, folder / "base")
    write(postgis, "A")
    head = recovery.drill(postgis, backup, None)
    assert head is not None
    assert list((folder / "wal").glob("*.history.gz")) == []
    assert written(postgis) == ["A"]
    assert not (postgis.home / "restore").exists()


def test_instants_that_cannot_be_reached_are_refused(postgis: LocalPostgis, folder: Path) -> None:
    """Before the base backup was complete, after the last change, in the future: nothing is replaced."""
    backup = based(postgis, folder / "base")
    found = manifest.read(backup, "base")
    with pytest.raises(InputError, match="until-before-backup"):
        recovery.require_reachable(found, found.taken_at - timedelta(seconds=1), now())
    with pytest.raises(InputError, match="until-in-future"):
        recovery.require_reachable(found, now() + timedelta(hours=1), now())
    write(postgis, "A")
    with pytest.raises(InputError, match="until-not-reached"):
        recovered(postgis, backup, now() + timedelta(hours=1))
    assert written(postgis) == ["A"]


def test_a_cluster_in_use_is_not_replaced(postgis: LocalPostgis, folder: Path) -> None:
    """As long as another process uses the cluster, a recovery is refused."""
    backup = based(postgis, folder / "base")
    with LocalPostgis(folder / "data") as other, pytest.raises(Conflict, match="cluster-in-use"):
        recovered(postgis, backup, None)
    assert other.started_here is False


def test_the_archive_is_remembered_and_never_overwritten(postgis: LocalPostgis, folder: Path) -> None:
    """Whoever starts the cluster, it goes on archiving; what is there otherwise is refused, the same is fine."""
    postgis.stop()
    with LocalPostgis(folder / "data") as again:
        with opened(again) as database, database.engine.connect() as connection:
            assert connection.scalar(text("SHOW archive_mode")) == "on"
        segment = again.cluster / "PG_VERSION"
        calling = ["/bin/sh", "../archive", str(segment), "0000000100000000000000FF"]
        assert run_as(again.user, calling, again.cluster).returncode == 0
        assert run_as(again.user, calling, again.cluster).returncode == 0
        calling[2] = str(again.cluster / "pg_ident.conf")
        assert run_as(again.user, calling, again.cluster).returncode != 0
        archived = folder / "wal" / "0000000100000000000000FF.gz"
        assert subprocess.run(["gzip", "-dc", archived], capture_output=True).stdout == segment.read_bytes()
        assert archived.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the cluster as another user")
def test_an_archive_that_cannot_be_written_is_said_at_once(folder: Path) -> None:
    """A folder closed to PostgreSQL's user is named before the cluster is started with it."""
    (folder / "closed").mkdir(mode=0o700)
    with pytest.raises(SetupError, match="wal-archive-not-writable"):
        LocalPostgis(folder / "data", wal_archive=folder / "closed").start()


@pytest.mark.proof
def test_killed_while_recovering(postgis: LocalPostgis, folder: Path) -> None:
    """Whenever it is killed, the next start finds the old cluster or the recovered one, and it can be done again."""
    backup = based(postgis, folder / "base")
    instant = write(postgis, "A")
    write(postgis, "B")
    postgis.stop()
    environment = os.environ | {"TWINGRID_DATA_DIR": str(folder / "data"), "TWINGRID_LANGUAGE": "en"}
    command = [TWINGRID, "db", "restore", str(backup), "--until", instant.isoformat(), "--commit"]
    rng = random.Random()
    for _ in range(KILLS):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(1, 12))
        process.kill()
        process.wait()
        assert written(postgis) in (["A", "B"], ["A"])
        postgis.stop()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert written(postgis) == ["A"]


def test_a_swap_that_was_killed_half_way_is_completed(postgis: LocalPostgis) -> None:
    """With the old cluster moved away and the recovered one not yet in place, the next start puts it there."""
    write(postgis, "A")
    postgis.stop()
    postgis.cluster.rename(postgis.restored)
    assert written(postgis) == ["A"]
    assert not postgis.restored.exists()


def test_an_archive_that_fails_is_told(postgis: LocalPostgis, folder: Path, client_as: ClientAs) -> None:
    """While segments cannot be kept, /ready is degraded and names it, and /metrics counts; afterwards all is well."""
    with opened(postgis) as database:
        client = client_as(database)

        def stands() -> str:
            write(postgis, "more")
            with database.engine.connect() as connection:
                connection.execute(text("SELECT pg_switch_wal()"))
            reply = client.get("/ready")
            assert reply.status_code == 200
            assert reply.json()["status"] == "degraded"  # there is no worker, either
            told: str = reply.json()["checks"]["wal_archive"]
            return told

        def gauge(name: str) -> float:
            (line,) = re.findall(rf"^twingrid_wal_{name} (.+)$", client.get("/metrics").text, re.MULTILINE)
            return float(line)

        wait_until(lambda: stands() == "ok" and gauge("archived") > 0)
        (folder / "wal").rename(folder / "away")
        wait_until(lambda: stands() == "failing")
        assert (gauge("archive_failing"), gauge("archive_failures") > 0) == (1.0, True)
        assert gauge("archive_failed_seconds") < gauge("archived_seconds")
        (folder / "away").rename(folder / "wal")
        wait_until(lambda: stands() == "ok", 120)
        assert gauge("archive_failing") == 0.0
