"""Look-ups by many at once while grids and rosters change, PostgreSQL stops, and processes are killed."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from geoalchemy2.shape import to_shape
from sqlalchemy import insert, select, text

from spatial.db import Database, make_engine, open_version
from spatial.history import cut
from spatial.local_postgis import LocalPostgis
from spatial.overlaps.service import keep
from spatial.tables import Assignment, Grid, GridVersion, Layer, OfficerVersion
from spatial.time import now, since
from tests.build import World, build
from tests.service import Service, running

pytestmark = pytest.mark.proof

CLIENTS = 16
CHANGES = 8
SEEN_WITHIN_S = 2.0
AWAY_FOR_S = 30.0
LONGEST_PAUSE_S = 4.0  # until a database that answers nobody is given up
SERVED = {"TWINGRID_PROCESSES": "2", "TWINGRID_RATE_PER_MINUTE": "0"}


@dataclass
class Callers:
    """Clients that ask for one place again and again."""

    url: str
    place: dict[str, float]
    names: dict[int, tuple[str, str]] = field(default_factory=dict)  # what each was told last: grid's and officer's
    asked: int = 0
    stale: int = 0
    broken: int = 0  # connections
    faults: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        """Ask until it is over."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.over.is_set():
                try:
                    reply = client.get("/lookup", params=self.place)
                except httpx.TransportError:
                    self.broken += 1
                    continue
                self.asked += 1
                if reply.status_code != 200:
                    self.faults.append(reply.text)
                    continue
                self.stale += "Stale-Since" in reply.headers
                police = reply.json()["layers"][0]
                leads = [held["officer"]["name"] for held in police["responsible"] if held["role"] == "lead"]
                self.names[number] = police["grid"]["name"], leads[0]

    def wait_for(self, name: str, seconds: float) -> None:
        """Wait until everybody was told a name."""
        begun = time.monotonic()
        while set(self.names.values()) != {(name, name)}:
            assert time.monotonic() - begun < seconds, (name, self.names)
            assert self.faults == []
            time.sleep(0.01)


@contextmanager
def calling(url: str, place: dict[str, float]) -> Iterator[Callers]:
    """Let many ask while something is done."""
    callers = Callers(url, place)
    threads = [threading.Thread(target=callers.run, args=(number,), daemon=True) for number in range(CLIENTS)]
    for one in threads:
        one.start()
    try:
        yield callers
    finally:
        callers.over.set()
        for one in threads:
            one.join()


@pytest.fixture
def service() -> Iterator[Service]:
    """Yield the demo town, served by two processes."""
    with (
        tempfile.TemporaryDirectory(prefix="twingrid-live-", dir="/var/tmp") as folder,
        running(Path(folder), **SERVED) as service,
    ):
        yield service


@pytest.fixture
def database(service: Service) -> Iterator[Database]:
    """Yield its database."""
    found = Database(make_engine(LocalPostgis(service.data_dir).url()))
    yield found
    found.engine.dispose()


@dataclass(frozen=True)
class Subject:
    """A police grid and its lead: what is called otherwise, again and again."""

    grid_id: int
    officer_id: int
    place: dict[str, float]


def subject(database: Database) -> Subject:
    """Return one with a lead."""
    with database.read() as session:
        grid, officer = session.execute(
            select(GridVersion, Assignment.officer_id)
            .join(Grid, Grid.id == GridVersion.grid_id)
            .join(Layer, Layer.id == Grid.layer_id)
            .join(Assignment, Assignment.grid_id == Grid.id)
            .where(Layer.code == "police", Assignment.role == "lead", Assignment.valid.op("@>")(now()))
            .limit(1)
        ).one()
        inside = to_shape(grid.geom).representative_point()
    return Subject(grid.grid_id, officer, {"lon": inside.x, "lat": inside.y})


def call(world: World, one: Subject, name: str) -> None:
    """Call a grid and its lead otherwise from now on, in one transaction."""
    session, at = world.session, now()
    for table, key, domain in ((GridVersion, "grid_id", "areas"), (OfficerVersion, "officer_id", "duty")):
        stamp = open_version(session, domain)
        whose = (getattr(table, key) == getattr(one, key), text("upper_inf(recorded)"), text("upper_inf(valid)"))
        held = session.scalars(select(table).where(*whose)).one()
        columns = [column.name for column in table.__table__.columns if column.name != "id"]
        row: dict[str, Any] = {column: getattr(held, column) for column in columns}
        cut(session, table, [held.id], since(at), stamp)
        session.execute(insert(table).values(**row | {"name": name, "valid": since(at), "recorded": since(stamp)}))
    keep(session, open_version(session, "areas"))


def test_everybody_sees_every_change_in_time_and_whole(service: Service, database: Database) -> None:
    """Of two changes in one transaction everybody is told both or none, within two seconds, and nobody of an error."""
    one = subject(database)
    with calling(service.url, one.place) as callers:
        for number in range(CHANGES):
            name = f"name {number}"
            build(database, lambda world, name=name: call(world, one, name))
            callers.wait_for(name, SEEN_WITHIN_S)
    assert (callers.faults, callers.broken) == ([], 0)
    assert callers.asked > CLIENTS * CHANGES


def test_a_process_that_is_killed_is_replaced(service: Service, database: Database) -> None:
    """After kill -9 of one of two processes its connections break, the other goes on, and soon there are two again."""
    one = subject(database)
    build(database, lambda world: call(world, one, "before"))
    with calling(service.url, one.place) as callers:
        callers.wait_for("before", 10)
        first, second = processes(service)
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not (len(found := processes(service)) == 2 and first not in found):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert second in found
        asked = callers.asked
        time.sleep(1)
        assert callers.asked > asked
    assert callers.faults == []
    assert callers.broken <= CLIENTS


def test_no_process_outlives_the_first(service: Service) -> None:
    """After kill -9 of the first process the others end, and the port is free."""
    assert len(processes(service)) == 2
    service.end(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while processes(service):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    service.start()


def test_look_ups_go_on_while_postgresql_is_stopped(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For half a minute nobody is told of an error; it is said as of when; then everybody sees what changed."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "served").mkdir()
    folder.chmod(0o755)
    postgis = LocalPostgis(folder)
    postgis.start()
    with running(folder / "served", **SERVED, TWINGRID_DATABASE_URL=postgis.url()) as service:
        database = Database(make_engine(postgis.url()))
        one = subject(database)
        build(database, lambda world: call(world, one, "before"))
        with calling(service.url, one.place) as callers:
            callers.wait_for("before", 10)
            database.engine.dispose()
            postgis.stop()
            goes_on(callers, AWAY_FOR_S)
            assert httpx.get(f"{service.url}/grids/police", timeout=30).status_code == 503
            postgis.start()
            callers.wait_for("before", 1)
            heals(callers)
            build(database, lambda world: call(world, one, "after"))
            callers.wait_for("after", SEEN_WITHIN_S)
        assert (callers.faults, callers.broken) == ([], 0)
        service.end(signal.SIGTERM)
        database.engine.dispose()
    postgis.stop()


def test_look_ups_go_on_while_postgresql_hangs(service: Service, database: Database) -> None:
    """The same while it takes connections and answers nobody, whoever else waits for it."""
    one = subject(database)
    build(database, lambda world: call(world, one, "before"))
    held = service.postgres()
    with calling(service.url, one.place) as callers:
        callers.wait_for("before", 10)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            waiting = [threading.Thread(target=asks_the_database, args=(service.url,)) for _ in range(60)]
            for thread in waiting:
                thread.start()
            goes_on(callers, AWAY_FOR_S)
        finally:
            for pid in held:
                os.kill(pid, signal.SIGCONT)
        heals(callers)
        build(database, lambda world: call(world, one, "after"))
        callers.wait_for("after", SEEN_WITHIN_S)
        for thread in waiting:
            thread.join()
    assert (callers.faults, callers.broken) == ([], 0)


def asks_the_database(url: str) -> None:
    """Ask for what memory does not hold, as one of many."""
    httpx.get(f"{url}/grids/police", timeout=120)


def goes_on(callers: Callers, seconds: float) -> None:
    """See that everybody is answered each second for some time, and told as of when."""
    time.sleep(LONGEST_PAUSE_S)
    stale = callers.stale
    for _ in range(int(seconds)):
        asked = callers.asked
        time.sleep(1)
        assert callers.asked - asked >= CLIENTS
        assert callers.faults == []
    assert callers.stale - stale > seconds


def heals(callers: Callers) -> None:
    """Wait until nobody is told any more that an answer may be old."""
    begun = time.monotonic()
    while True:
        stale = callers.stale
        time.sleep(0.5)
        if callers.stale == stale:
            return
        assert time.monotonic() - begun < 10


def processes(service: Service) -> list[int]:
    """Return the processes that serve."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            its = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"api.process" in command and f"TWINGRID_DATA_DIR={service.data_dir}".encode() in its:
            found.append(int(folder.name))
    return sorted(found)
