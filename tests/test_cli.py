"""The command line: quick to start, plain about what is wrong, quick to stop."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api import serving, worker
from api.runtime import open_database
from spatial import jobs
from spatial.db import Database
from spatial.settings import Settings
from spatial.time import now
from tests.command_line import run_verb

AT = "2025-03-05T10:00:00+08:00"
SLOW = ("alembic", "fastapi", "folium", "fixtures", "pandas", "pyproj", "scipy", "shapely", "sqlalchemy.orm", "uvicorn")


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a verb with nothing set but what is given."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TWINGRID_")}
    return run_verb(*arguments, env=bare | settings)


def url_of(database: Database) -> str:
    """Return the address of a database of the tests."""
    return database.engine.url.render_as_string(hide_password=False)


@pytest.mark.parametrize("given", ["[/x]", "[no]", "[bold]now[/]", "\\[x]", "{value}"])
def test_what_a_user_gave_is_shown_as_it_is(given: str) -> None:
    """Brackets in an argument are text: neither swallowed nor obeyed."""
    done = run("lookup", "120", "30", "--at", given, "--lang", "en")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"at: “{given}” is not a time.")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("PORT", "abc", "应为数字。"),
        ("PORT", "70000", "65535"),
        ("SIZE", "huge", "'none', 'town' or 'city'"),
        ("TIMEZONE", "Mars/Phobos", "IANA"),
        ("TIMEZONE", "../../etc", "IANA"),
        ("TIMEZONE", "Asia", "IANA"),
        ("STATEMENT_TIMEOUT_S", "0", "1"),
    ],
)
def test_a_bad_setting_is_one_sentence_that_names_it(setting: str, value: str, told: str) -> None:
    """A setting that cannot be so is told by name and value, with exit code 2."""
    done = run("db", "upgrade", **{f"TWINGRID_{setting}": value, "TWINGRID_DATABASE_URL": "nonsense"})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"设置 TWINGRID_{setting} 不能是“{value}”。")
    assert told in line


@pytest.mark.parametrize("url", ["nonsense", "postgresql://host:port/x", "oracle9://u:secret@h/x"])
def test_an_address_that_is_none_is_told_without_its_password(url: str) -> None:
    """An address of a database that cannot be one is told in a sentence, and not repeated."""
    done = run("db", "upgrade", TWINGRID_DATABASE_URL=url, TWINGRID_LANGUAGE="en")
    assert done.returncode == 2
    assert done.stderr.startswith("TWINGRID_DATABASE_URL is not the address of a PostgreSQL")
    assert url not in done.stderr


def test_help_needs_no_setting() -> None:
    """Help is given whatever the settings are; a language that is not spoken is an error of usage."""
    for verb in ([], ["lookup"], ["map"], ["token", "create"]):
        assert run(*verb, "--help", TWINGRID_PORT="abc").returncode == 0
    unknown = run("lookup", "120", "30", "--lang", "fr")
    assert (unknown.returncode, "--lang" in unknown.stderr) == (2, True)


def test_faults_are_told_in_the_language_of_the_verb() -> None:
    """`--lang` holds for what goes wrong, too: above the environment, which is above the default."""
    asked = ["lookup", "east", "30"]
    assert run(*asked, "--lang", "en", TWINGRID_LANGUAGE="zh-CN").stderr == "lon: Must be a number.\n"
    assert run(*asked, TWINGRID_LANGUAGE="en").stderr == "lon: Must be a number.\n"
    assert run(*asked).stderr == "lon: 应为数字。\n"


def test_bytes_that_are_no_text_are_refused() -> None:
    """An argument that is not UTF-8 is a fault of its own, before any database is asked."""
    done = run("lookup", "120", "30", "--layer", os.fsdecode(b"\xff"), "--lang", "en")
    assert (done.returncode, done.stderr) == (2, "layer: This is not text in UTF-8.\n")


def test_the_command_line_is_quick_to_import() -> None:
    """No verb waits for libraries that only others need."""
    listed = "import api.cli, sys; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", listed], text=True).split())
    assert loaded.isdisjoint(SLOW)


def test_a_look_up_is_the_answer_of_the_service(
    town: Database, client_as: Callable[..., TestClient], tmp_path: Path
) -> None:
    """`twingrid lookup --json` prints the body of `GET /lookup`; without it, a person can read it."""
    settings = {"TWINGRID_DATABASE_URL": url_of(town), "TWINGRID_DATA_DIR": str(tmp_path)}
    place = ["120.27", "30.30", "--at", AT, "--lang", "en"]
    printed = orjson.loads(run("lookup", *place, "--json", **settings).stdout)
    asked = {"lon": "120.27", "lat": "30.30", "at": AT, "lang": "en"}
    assert printed == client_as(town, "viewer").get("/lookup", params=asked).json()
    shown = run("lookup", *place, **settings)
    assert (shown.returncode, "120.270000, 30.300000" in shown.stdout) == (0, True)
    assert run("lookup", "-120.5", "-30.5", **settings).returncode == 0


def test_a_database_of_ones_own_is_let_go(town_copy: Database) -> None:
    """After a verb no connection to an external database is left."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with town_copy.engine.connect() as connection:
        before = connection.scalar(others)
        with open_database(Settings(database_url=url_of(town_copy))) as database, database.read() as session:
            assert session.scalar(others) == before + 1
        assert connection.scalar(others) == before


def test_stopping_does_not_wait_for_a_long_job(town_copy: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the worker has a short time to end; then the service leaves, and says that a job was running."""
    begun, release, told = threading.Event(), threading.Event(), []

    def long(_session: Any, _params: dict[str, Any], _progress: Any) -> dict[str, Any]:
        begun.set()
        release.wait(60)
        return {}

    def interrupt() -> None:
        begun.wait(30)
        time.sleep(1)  # uvicorn has set its handlers by then
        os.kill(os.getpid(), 2)

    monkeypatch.setitem(worker.HANDLERS, "long", long)
    monkeypatch.setattr(serving, "WORKER_ENDS_WITHIN_S", 0.5)
    with town_copy.write() as session:
        jobs.enqueue(session, "long", {}, actor="test", now=now())
    threading.Thread(target=interrupt).start()
    serving.run(town_copy, Settings(port=0), lambda line, **_: told.append(line), worker=True)
    assert begun.is_set()
    assert told[-1] == "job-left"
    release.set()
    next(one for one in threading.enumerate() if one.name == "worker").join(10)


@pytest.mark.proof
def test_a_demo_is_loaded_by_size_seed_and_week(empty_database: Database) -> None:
    """A day that is no Monday, an unknown size and a repeated town are refused; else the demo of that week is there."""
    url = url_of(empty_database)

    def load(*options: str) -> subprocess.CompletedProcess[str]:
        return run("demo", "load", *options, TWINGRID_DATABASE_URL=url, TWINGRID_LANGUAGE="en", TWINGRID_SIZE="none")

    assert load("--anchor", "2025-03-04").stderr.splitlines()[-1].startswith("anchor: ")
    assert load("--scale", "3").stderr.splitlines()[-1].startswith("scale: ")
    assert load("--size", "village").returncode == load("--anchor", "March").returncode == 2
    assert load("--anchor", "2025-03-03", "--seed", "3").returncode == 0
    with empty_database.read() as session:
        assert str(session.scalar(text("SELECT min(lower(planned)) FROM shift"))) == "2025-02-17 00:00:00+00:00"
        assert session.scalar(text("SELECT detail ->> 'seed' FROM audit WHERE action = 'demo.load'")) == "3"
