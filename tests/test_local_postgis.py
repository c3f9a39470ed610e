"""The embedded PostGIS on real clusters, each in a folder of its own that its system user can reach."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from spatial.errors import SetupError
from spatial.local_postgis import LONGEST_SOCKET_PATH, LocalPostgis
from spatial.postgresql import find_binaries

ROOT = Path(__file__).resolve().parent.parent
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs the cluster as another user, and mounts disks")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a short folder that every user can enter; pytest's own is closed to all but its maker."""
    made = Path(tempfile.mkdtemp(prefix="tg-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def local(folder: Path) -> Iterator[Callable[..., LocalPostgis]]:
    """Give a maker of clusters that are stopped after the test; the one without a name serves many tests."""
    made: list[LocalPostgis] = []

    def make(name: str = "data", *, durable: bool = False, **options: Callable[..., None]) -> LocalPostgis:
        made.append(LocalPostgis(folder / name, durable=durable, **options))
        return made[-1]

    yield make
    for postgis in made:
        with suppress(SetupError):
            postgis.stop()


def query(postgis: LocalPostgis, statement: str) -> list[tuple[object, ...]]:
    """Run one statement in the cluster's database and return its rows."""
    connection = psycopg2.connect(postgis.url().replace("+psycopg2", ""))
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def kill_server(postgis: LocalPostgis) -> None:
    """Kill the server without any warning, and wait till it is gone."""
    pid = int((postgis.cluster / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/cwd").exists():
        time.sleep(0.01)


def fault_of(act: Callable[[], object]) -> SetupError:
    """Return the setup fault an act ends in."""
    with pytest.raises(SetupError) as caught:
        act()
    return caught.value


def test_starts_with_postgis_at_hand(local: Callable[..., LocalPostgis]) -> None:
    """A new cluster has a database in C.UTF-8 where PostGIS and Chinese trigrams work."""
    with local() as postgis:
        assert query(postgis, "SELECT datctype, datcollate FROM pg_database WHERE datname = 'twingrid'") == [
            ("C.UTF-8", "C.UTF-8")
        ]
        query(postgis, "CREATE EXTENSION postgis; CREATE EXTENSION pg_trgm")
        assert query(postgis, "SELECT ST_Area('POLYGON((0 0,0 2,2 2,2 0,0 0))'), similarity('双网', '双网') > 0.9") == [
            (4.0, True)
        ]


def test_listens_on_a_private_socket_only(local: Callable[..., LocalPostgis]) -> None:
    """The cluster is reached through a socket in a folder closed to others, and not over the network."""
    with local() as postgis:
        assert query(postgis, "SHOW listen_addresses") == [("",)]
        assert postgis.sockets.stat().st_mode & 0o777 == 0o700
        assert postgis.sockets.stat().st_uid == postgis.user.pw_uid != 0


def test_restart_keeps_the_data(local: Callable[..., LocalPostgis]) -> None:
    """What was committed is there after a stop and a start."""
    postgis = local()
    postgis.start()
    query(postgis, "CREATE TABLE restarted AS SELECT 7 AS n")
    postgis.stop()
    assert not postgis.is_running()
    postgis.start()
    assert query(postgis, "SELECT n FROM restarted") == [(7,)]


def test_second_start_is_cheap(local: Callable[..., LocalPostgis]) -> None:
    """Starting a running cluster takes no time, and knows that another one started it."""
    first, second = local(), local()
    first.start()
    begun = time.perf_counter()
    second.start()
    assert time.perf_counter() - begun < 1
    assert (first.started_here, second.started_here) == (True, False)


def test_last_user_stops_it(local: Callable[..., LocalPostgis]) -> None:
    """Whoever leaves first leaves the cluster running for the others; the last one stops it."""
    first, second = local(), local()
    first.start()
    second.start()
    first.stop()
    assert second.is_running()
    second.stop()
    assert not second.is_running()


def test_killed_server_comes_back(local: Callable[..., LocalPostgis]) -> None:
    """After kill -9 of the server, with a query still running in it, the next start has all that was committed."""
    postgis = local(durable=True)
    postgis.start()
    query(postgis, "CREATE TABLE killed AS SELECT generate_series(1, 1000) AS n")
    program = "import psycopg2, sys; psycopg2.connect(sys.argv[1]).cursor().execute('SELECT pg_sleep(60)')"
    sleeper = subprocess.Popen(
        [sys.executable, "-c", program, postgis.url().replace("+psycopg2", "")], stderr=subprocess.DEVNULL
    )
    while query(postgis, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [(0,)]:
        time.sleep(0.05)
    kill_server(postgis)
    postgis.start()
    sleeper.wait(timeout=10)
    assert query(postgis, "SELECT count(*) FROM killed") == [(1000,)]


def test_start_while_it_goes_down(local: Callable[..., LocalPostgis]) -> None:
    """A start that meets a server on its way down waits for its end, and starts it again."""
    postgis = local()
    last_guest = psycopg2.connect(postgis.start().replace("+psycopg2", ""))
    os.kill(int((postgis.cluster / "postmaster.pid").read_text().splitlines()[0]), signal.SIGTERM)
    while postgis.is_running():
        time.sleep(0.01)
    threading.Timer(0.5, last_guest.close).start()
    postgis.start()
    assert query(postgis, "SELECT 1") == [(1,)]


def test_stale_lock_with_a_reused_process_number(local: Callable[..., LocalPostgis]) -> None:
    """A lock left by a killed server does not hinder the start when its number is by now another process's."""
    postgis = local()
    postgis.start()
    kill_server(postgis)
    bystander = subprocess.Popen(["/bin/sleep", "60"], user=postgis.user.pw_uid if IS_ROOT else None)
    for lock in (postgis.cluster / "postmaster.pid", postgis.sockets / ".s.PGSQL.5432.lock"):
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
    postgis.start()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_half_made_cluster_is_made_anew(local: Callable[..., LocalPostgis]) -> None:
    """A cluster whose making was killed half way is never used; the next start makes it anew."""
    postgis = local("half")
    program = "import sys; from pathlib import Path; from spatial.local_postgis import LocalPostgis"
    start = f"{program}; LocalPostgis(Path(sys.argv[1])).start()"
    maker = subprocess.Popen([sys.executable, "-c", start, postgis.data_dir], cwd=ROOT)
    while not list(postgis.data_dir.glob("postgis/new-*/PG_VERSION")):
        time.sleep(0.01)
    maker.kill()
    maker.wait()
    assert not postgis.cluster.exists()
    postgis.start()
    assert query(postgis, "SELECT 1") == [(1,)]
    assert not list(postgis.home.glob("new-*"))


def test_two_starts_at_once(local: Callable[..., LocalPostgis]) -> None:
    """Two processes that start one cluster at once both get it, made once."""
    postgis = local("race")
    program = (
        "import sys; from pathlib import Path; from spatial.local_postgis import LocalPostgis;"
        "p = LocalPostgis(Path(sys.argv[1]), durable=False); p.start();"
        "print(p.started_here, flush=True); sys.stdin.read()"
    )
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", program, postgis.data_dir],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert sorted(process.stdout.readline().strip() for process in pair if process.stdout) == ["False", "True"]
    for process in pair:
        process.communicate("")


def test_two_checkouts_side_by_side(local: Callable[..., LocalPostgis]) -> None:
    """Two data folders have two clusters that know nothing of each other."""
    with local() as one, local("other") as other:
        query(one, "CREATE TABLE mine ()")
        assert query(other, "SELECT to_regclass('mine') IS NULL") == [(True,)]


def test_odd_folder_names(local: Callable[..., LocalPostgis]) -> None:
    """Quotes, spaces and Chinese in the folder's name are no hindrance."""
    with local("it's 双网 \"$x`\\") as postgis:
        assert query(postgis, "SELECT 1") == [(1,)]


def test_databases_come_and_go(local: Callable[..., LocalPostgis]) -> None:
    """A database can be made as a copy of another, and dropped while somebody is connected."""
    with local() as postgis:
        query(postgis, "CREATE TABLE copied AS SELECT 7 AS n")
        url = postgis.create_database("copy of it", template="twingrid")
        connection = psycopg2.connect(url.replace("+psycopg2", ""))
        connection.cursor().execute("SELECT n FROM copied")
        postgis.drop_database("copy of it")
        assert query(postgis, "SELECT count(*) FROM pg_database WHERE datname = 'copy of it'") == [(0,)]
        connection.close()


def test_settings_of_ones_own_survive(local: Callable[..., LocalPostgis]) -> None:
    """What an operator sets with ALTER SYSTEM wins over Twingrid's settings, after a restart too."""
    postgis = local()
    postgis.start()
    query(postgis, "ALTER SYSTEM SET work_mem = '5MB'")
    postgis.stop()
    postgis.start()
    assert query(postgis, "SHOW work_mem") == [("5MB",)]


def test_socket_path_too_long(local: Callable[..., LocalPostgis]) -> None:
    """A folder whose socket would have too long a name is refused before anything is made."""
    postgis = local("x" * 100)
    fault = fault_of(postgis.start)
    assert (fault.text, fault.values["longest"]) == ("socket-path-too-long", LONGEST_SOCKET_PATH)
    assert not postgis.cluster.exists()


def test_comma_in_the_path(local: Callable[..., LocalPostgis]) -> None:
    """A comma in the folder's name is refused, because the client library would take it for a list."""
    assert fault_of(local("a,b").start).text == "socket-path-with-comma"


def test_cluster_of_another_version(local: Callable[..., LocalPostgis]) -> None:
    """A cluster of a version that is not installed is left alone, and both versions are named."""
    with local() as postgis:
        pass
    version = postgis.cluster / "PG_VERSION"
    true = version.read_text()
    version.write_text("12\n")
    fault = fault_of(local().start)
    version.write_text(true)
    assert (fault.text, fault.values["major"]) == ("postgresql-version-missing", 12)
    assert find_binaries().major in fault.values["majors"]


def test_start_that_fails_shows_the_log(local: Callable[..., LocalPostgis]) -> None:
    """When PostgreSQL does not start, the fault carries what it said last."""
    with local() as postgis:
        pass
    own_settings = postgis.cluster / "postgresql.auto.conf"
    own_settings.write_text("shared_buffers = 'plenty'\n")
    fault = fault_of(local().start)
    own_settings.write_text("")
    assert (fault.text, fault.values["step"]) == ("postgis-failed", "pg_ctl")
    assert "plenty" in fault.values["log"]


def test_no_postgresql(tmp_path: Path) -> None:
    """Without PostgreSQL the fault names the folders searched."""
    fault = fault_of(lambda: find_binaries(folders=[tmp_path]))
    assert (fault.text, fault.values["searched"]) == ("postgresql-missing", [str(tmp_path)])


def test_postgresql_without_postgis(tmp_path: Path) -> None:
    """A PostgreSQL without PostGIS is not used, and its version is named."""
    scripts = {"postgres": "echo 'postgres (PostgreSQL) 16.3'", "initdb": "", "pg_config": f"echo {tmp_path}/share"}
    for name, line in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    fault = fault_of(lambda: find_binaries(folders=[tmp_path]))
    assert (fault.text, fault.values["majors"]) == ("postgis-missing", [16])


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_folder_that_may_not_be_written(folder: Path, local: Callable[..., LocalPostgis]) -> None:
    """A data folder one may not write to is named."""
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    assert fault_of(local("closed/data").start).text == "data-dir-not-writable"


@needs_root
def test_folder_out_of_reach(folder: Path, local: Callable[..., LocalPostgis]) -> None:
    """A checkout its system user cannot enter has its cluster elsewhere, and that is said."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    with local("closed/data", notice=lambda text, **_: said.append(text)) as postgis:
        assert query(postgis, "SELECT 1") == [(1,)]
        assert not postgis.home.is_relative_to(folder)
    assert said == ["postgis-elsewhere", "postgis-creating"]
    shutil.rmtree(postgis.home)


@needs_root
def test_full_disk(folder: Path, local: Callable[..., LocalPostgis]) -> None:
    """A disk that fills up while the cluster is made is called full, and nothing half made stays."""
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        postgis = local("disk/data")
        assert fault_of(postgis.start).text == "disk-full"
        assert not list(postgis.home.glob("new-*"))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
