"""Kill -9 of the service while a file arrives, and of the worker while it is taken in: whole, or nothing."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import text

import fixtures
from api import import_jobs, worker
from spatial import jobs
from spatial.db import Database, make_engine
from spatial.settings import Settings, settings
from spatial.time import now
from spatial.uploads import Uploads
from tests.command_line import processes
from tests.importing import rows
from tests.service import TWINGRID
from tests.test_uploads import asking_as, left, send, tried
from tests.waiting import wait_until

MANY = 60_000
HEAD = (
    "POST /imports/sources HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: twingrid_demo=demo-system_admin\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
    '--b\r\nContent-Disposition: form-data; name="file"; filename="sources.csv"\r\n\r\ncode,title\n'
)


@contextmanager
def serving(database: Database, data_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yield a service over a database, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = database.engine.url.render_as_string(hide_password=False)
    own = {"TWINGRID_DATABASE_URL": url, "TWINGRID_DATA_DIR": str(data_dir), "TWINGRID_PORT": str(port)}
    process = subprocess.Popen([TWINGRID, "serve"], env={**os.environ, **own}, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_ready(port))
        yield process, port
    finally:
        process.kill()
        process.wait()


def is_ready(port: int) -> bool:
    """Return whether a service answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_a_service_killed_while_a_file_arrives_leaves_no_import(empty_database: Database, tmp_path: Path) -> None:
    """Neither kill -9 nor a caller that hangs up leaves a job or a file that counts."""
    fixtures.admit(empty_database)
    config = Settings(data_dir=tmp_path)
    with serving(empty_database, tmp_path) as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(HEAD.format(port=port).encode())
            wait_until(lambda: len(left(config)) == 1)
        wait_until(lambda: left(config) == [])  # who hung up is forgotten
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(HEAD.format(port=port).encode())
            wait_until(lambda: len(left(config)) == 1)
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert rows(empty_database, "SELECT count(*) FROM job") == [(0,)]
    assert all(name.startswith(".") for name in left(config)), "it never arrived"
    assert Uploads(tmp_path).sweep(now() + timedelta(days=2), lambda _upload_id: False) == 1


def test_a_file_stays_where_nobody_knows_whether_it_was_queued(empty_database: Database, tmp_path: Path) -> None:
    """The connection breaks at the commit, so the job may be there, and finds its file; without a job it is swept."""
    fixtures.admit(empty_database)
    with empty_database.write() as session:
        session.execute(
            text("""
                CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
                CREATE CONSTRAINT TRIGGER break_off AFTER INSERT ON job
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION break_off()
            """)
        )
    config = Settings(data_dir=tmp_path)
    for client in asking_as(empty_database, config, "system_admin"):
        assert send(client, "code,title\n1,x\n").status_code == 503
    assert len(left(config)) == 1
    assert Uploads(tmp_path).sweep(now() + timedelta(days=2), lambda _upload_id: False) == 1


def _work_elsewhere(url: str, data_dir: str) -> None:
    os.environ["TWINGRID_DATA_DIR"] = data_dir
    settings.cache_clear()
    jobs.run_next(Database(make_engine(url)), worker.HANDLERS, clock=now)


@pytest.mark.proof
@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.8])
def test_a_worker_killed_while_a_file_is_taken_in_leaves_nothing_and_the_next_does_it_once(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    """Whenever the worker is killed, no row of the file is there; run again, all are, once, with one record."""
    fixtures.admit(empty_database)
    config = Settings(language="en", data_dir=tmp_path)
    monkeypatch.setattr(import_jobs, "settings", lambda: config)
    many = "code,title\n" + "".join(f"s{number},Feed {number}\n" for number in range(MANY))
    state = "SELECT state FROM job WHERE kind = 'import-commit'"
    for client in asking_as(empty_database, config, "system_admin"):
        found = tried(client, empty_database, many)
        assert client.post(f"/imports/{found['id']}/commit").status_code == 202
    url = empty_database.engine.url.render_as_string(hide_password=False)
    process = processes.Process(target=_work_elsewhere, args=(url, str(tmp_path)))
    process.start()
    wait_until(lambda: rows(empty_database, state) != [("queued",)])
    time.sleep(after_s)
    process.kill()
    process.join()
    if rows(empty_database, state) != [("done",)]:
        assert rows(empty_database, "SELECT count(*) FROM source") == [(0,)]
    handlers = {"import-commit": worker.HANDLERS["import-commit"]}
    wait_until(lambda: jobs.run_next(empty_database, handlers, clock=now) or rows(empty_database, state) == [("done",)])
    assert rows(empty_database, state) == [("done",)]
    assert rows(empty_database, "SELECT count(*), count(DISTINCT code) FROM source") == [(MANY, MANY)]
    assert rows(empty_database, "SELECT count(*) FROM audit WHERE action = 'import-sources'") == [(1,)]
