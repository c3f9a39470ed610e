"""Showings of phones: on the disk before anybody sees one, and in the audit once, whoever is killed in between."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from spatial.audit import intake
from spatial.audit import spool as spool_module
from spatial.audit.check import check_audit
from spatial.audit.intake import DAMAGED, take_showings
from spatial.audit.spool import Spool, showings_folder
from spatial.db import Database
from spatial.postgresql import WORKER
from spatial.settings import ROOT
from spatial.time import now
from tests.importing import rows
from tests.test_cli import url_of

SHOWN = "SELECT object FROM audit WHERE action = 'phones.show' ORDER BY object"


def shown(database: Database) -> list[str]:
    """Return what the audit says was shown."""
    return [subject for (subject,) in rows(database, SHOWN)]


def files(data_dir: Path) -> list[str]:
    """Return the files of showings that are left."""
    return sorted(path.name for path in showings_folder(data_dir).iterdir())


def test_a_showing_is_in_the_audit_with_its_own_time(empty_database: Database, tmp_path: Path) -> None:
    """It is chained later, and says when it was shown; nothing is left on the disk nor noted in the database."""
    before = now()
    assert Spool(tmp_path).put("ann", "officers/1", before)
    assert shown(empty_database) == []
    worker = empty_database.as_login(WORKER)
    assert take_showings(worker, tmp_path) == 1
    assert take_showings(worker, tmp_path) == 0
    worker.engine.dispose()
    assert rows(empty_database, "SELECT actor, action, object, at FROM audit") == [
        ("ann", "phones.show", "officers/1", before)
    ]
    assert files(tmp_path) == rows(empty_database, "SELECT * FROM audit_spool") == []
    assert check_audit(empty_database, tmp_path, lambda _share: None).holds


def test_a_process_goes_on_in_another_file_when_its_own_is_sealed(empty_database: Database, tmp_path: Path) -> None:
    """Whatever the worker seals while a process runs, nothing is lost."""
    spool = Spool(tmp_path)
    for number in range(5):
        assert spool.put("ann", f"{number}", now())
        if number % 2:
            take_showings(empty_database, tmp_path)
    take_showings(empty_database, tmp_path)
    assert shown(empty_database) == ["0", "1", "2", "3", "4"]


def test_a_long_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file has more lines than are chained in one transaction."""
    monkeypatch.setattr(spool_module, "MOST_LINES", 3)
    spool = Spool(tmp_path)
    assert all(spool.put("ann", f"{number}", now()) for number in range(7))
    lines = [len((showings_folder(tmp_path) / name).read_bytes().splitlines()) for name in files(tmp_path)]
    assert sorted(lines) == [1, 3, 3]


def test_threads_that_show_at_once_lose_nothing(empty_database: Database, tmp_path: Path) -> None:
    """Forty threads share fsyncs while two workers take in what is there: each showing is there once."""
    spool, ended = Spool(tmp_path), threading.Event()

    def show(thread: int) -> None:
        for number in range(25):
            assert spool.put("ann", f"{thread:02}/{number:02}", now())

    def take() -> None:
        while not ended.is_set():
            take_showings(empty_database, tmp_path)

    workers = [threading.Thread(target=take) for _ in range(2)]
    threads = [threading.Thread(target=show, args=(thread,)) for thread in range(40)]
    for one in (*workers, *threads):
        one.start()
    for one in threads:
        one.join()
    ended.set()
    for one in workers:
        one.join()
    take_showings(empty_database, tmp_path)
    assert shown(empty_database) == [f"{thread:02}/{number:02}" for thread in range(40) for number in range(25)]
    assert files(tmp_path) == []


STEPS: list[Callable[[Database, Path], object]] = [
    lambda _database, path: intake.seal(path.with_suffix(".open")),
    intake.chain,
    lambda _database, path: intake.drop(path),
    intake.forget,
]


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_worker_that_ends_after_any_step_is_followed_by_one_that_goes_on(
    empty_database: Database, tmp_path: Path, done: int
) -> None:
    """Sealed, chained, deleted, forgotten: whatever was the last step, each showing is chained once."""
    spool = Spool(tmp_path)
    for number in range(3):
        spool.put("ann", f"{number}", now())
    (name,) = files(tmp_path)
    path = showings_folder(tmp_path) / name.replace(".open", ".sealed")
    for step in STEPS[:done]:
        step(empty_database, path)
    spool.put("ann", "3", now())
    take_showings(empty_database, tmp_path)
    assert shown(empty_database) == ["0", "1", "2", "3"]
    assert files(tmp_path) == []


SHOW = """
import sys
from pathlib import Path
from spatial.audit.spool import Spool
from spatial.time import now
spool = Spool(Path(sys.argv[1]))
for number in range(10**9):
    assert spool.put("ann", f"{sys.argv[2]}/{number}", now())
    print(f"{sys.argv[2]}/{number}", flush=True)
"""
TAKE = """
import sys
from pathlib import Path
from spatial.audit.intake import take_showings
from spatial.db import Database, make_engine
database = Database(make_engine(sys.argv[2]))
print("begun", flush=True)
while True:
    take_showings(database, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.proof)])
def test_whoever_is_killed_whenever_each_showing_is_chained_once(
    empty_database: Database, tmp_path: Path, rounds: int
) -> None:
    """Kill -9 of the service and of the worker at any instant: what was shown is in the audit, nothing is twice."""
    chance, told = random.Random(rounds), set[bytes]()
    for number in range(rounds):
        show, take = (
            subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, cwd=ROOT)
            for arguments in ((SHOW, str(tmp_path), str(number)), (TAKE, str(tmp_path), url_of(empty_database)))
        )
        assert show.stdout is not None
        assert take.stdout is not None
        assert take.stdout.readline() == b"begun\n"
        first = show.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))  # any instant will do
        for process in chance.sample([show, take], 2):
            process.send_signal(signal.SIGKILL)
            process.wait()
        *whole, _torn = (first + show.stdout.read()).split(b"\n")  # whoever is killed may be in the middle of a line
        told |= set(whole)
        take.stdout.close()
    take_showings(empty_database, tmp_path)
    chained = shown(empty_database)
    assert len(chained) == len(set(chained))
    assert {line.decode() for line in told} <= set(chained)
    assert files(tmp_path) == []
    assert check_audit(empty_database, tmp_path, lambda _share: None).holds


FULL = """
import resource, sys
from pathlib import Path
from spatial.audit.spool import Spool
from spatial.time import now
spool = Spool(Path(sys.argv[1]))
print(spool.put("ann", "before", now()))
resource.setrlimit(resource.RLIMIT_FSIZE, (120, resource.RLIM_INFINITY))
print(spool.put("ann", "full" * 100, now()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(spool.put("ann", "room again", now()))
"""


def test_a_disk_that_is_full_withholds_and_damages_nothing(empty_database: Database, tmp_path: Path) -> None:
    """A line that finds no room is not shown; what was begun of it is not chained; with room it goes on."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["True", "False", "True"]
    assert len(files(tmp_path)) == 2
    take_showings(empty_database, tmp_path)
    assert rows(empty_database, "SELECT object FROM audit ORDER BY object") == [("before",), ("room again",)]


def test_phones_are_withheld_where_showings_cannot_be_put_on_record(
    town_copy: Database, client_as: Callable[..., TestClient], tmp_path: Path
) -> None:
    """An answer comes without phones, and is no error; once the disk is mended, with them."""
    client = client_as(town_copy, "dispatcher")
    (tmp_path / "audit").write_text("no folder")
    for _ in range(2):
        reply = client.get("/officers", params={"limit": 5})
        assert reply.status_code == 200
        assert [one["duty_phone"] for one in reply.json()["items"]] == [None] * 5
    (tmp_path / "audit").unlink()
    assert any(one["duty_phone"] for one in client.get("/officers", params={"limit": 5}).json()["items"])
    assert take_showings(town_copy, tmp_path) == 1


@pytest.mark.parametrize(
    "line", [b"nonsense", b"{}", b"[]", b'{"actor":"a\\u0000","object":"x","at":"2025-03-03T00:00Z"}']
)
def test_lines_that_somebody_damaged_stop_nothing(empty_database: Database, tmp_path: Path, line: bytes) -> None:
    """What can be read is chained, and how many lines cannot is on record."""
    spool = Spool(tmp_path)
    spool.put("ann", "1", now())
    (name,) = files(tmp_path)
    with (showings_folder(tmp_path) / name).open("ab") as file:
        file.write(line + b"\n")
    spool.put("ann", "2", now())
    assert take_showings(empty_database, tmp_path) == 3
    assert shown(empty_database) == ["1", "2"]
    assert rows(empty_database, f"SELECT detail FROM audit WHERE action = '{DAMAGED}'") == [({"lines": 1},)]


def test_showings_are_private(tmp_path: Path) -> None:
    """Whatever the umask is, nobody else reads who was shown what; names of files are no secret."""
    before = os.umask(0)
    try:
        Spool(tmp_path / "data").put("ann", "1", now())
    finally:
        os.umask(before)
    (name,) = files(tmp_path / "data")
    assert uuid.UUID(name.removesuffix(".open"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").rglob("*")}
    assert modes == {"audit": 0o700, "showings": 0o700, name: 0o600}


def test_a_file_that_is_taken_in_holds_nobody_up(tmp_path: Path) -> None:
    """While the database hangs on what was sealed, phones are shown, and put on record in another file."""
    spool = Spool(tmp_path)
    assert spool.put("a", "lookup/1", now())
    (opened,) = showings_folder(tmp_path).glob("*.open")
    sealed = opened.rename(opened.with_suffix(".sealed"))
    with sealed.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(spool.put, "a", "lookup/2", now()).result(timeout=5)
    assert len(list(showings_folder(tmp_path).glob("*.open"))) == 1
