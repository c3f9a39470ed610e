"""What tests share: a cluster, databases copied from templates, the real data, clients."""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from fastapi.testclient import TestClient

import migrations
from spatial.db import Database, make_engine
from spatial.local_postgis import LocalPostgis
from spatial.postgresql import API
from spatial.settings import ROOT, Settings
from spatial.tables import SRID
from spatial.time import now
from tests import in_memory

if TYPE_CHECKING:
    from tests.access_world import Precinct

REALDATA = Path(os.environ.get("TWINGRID_REALDATA", ROOT.parent / "shared" / "realdata"))
ANCHOR = date(2025, 3, 3)
TEST_DATA = Path(os.environ.get("TWINGRID_TEST_DATA", ROOT / ".data" / "test"))
assert SRID == 4490


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of real cities; without it tests are skipped, unless it is required."""
    if not REALDATA.is_dir():
        reason = f"no real data at {REALDATA}; set TWINGRID_REALDATA"
        if os.environ.get("TWINGRID_REALDATA_REQUIRED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return REALDATA


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalPostgis]:
    """Yield a PostGIS of the tests' own, without fsync."""
    with LocalPostgis(TEST_DATA, durable=False) as postgis:
        yield postgis


def _fingerprint(*folders: str) -> str:
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sql"})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _template(cluster: LocalPostgis, name: str, fill: Callable[[Database], None]) -> str:
    """Return a template database, made once for all workers and runs of the same code."""
    with (cluster.home / f"{name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cluster.home / f"{name}.done"
        if not done.exists():
            cluster.drop_database(name)
            database = Database(make_engine(cluster.create_database(name)))
            fill(database)
            database.engine.dispose()
            _forget_older(cluster, name)
            done.touch()
    return name


def _forget_older(cluster: LocalPostgis, name: str) -> None:
    """Drop the templates of older code."""
    for done in cluster.home.glob(f"{name.split('_')[0]}_*.done"):
        if done.stem != name:
            cluster.drop_database(done.stem)
            done.unlink()


@pytest.fixture(scope="session")
def empty_template(cluster: LocalPostgis) -> str:
    """Return the name of a database with today's schema and nothing in it."""
    return _template(
        cluster, f"empty_{_fingerprint('migrations')}", lambda database: migrations.upgrade(database.engine)
    )


@pytest.fixture(scope="session")
def town_template(cluster: LocalPostgis) -> str:
    """Return the name of a database that holds the generated town, anchored to 2025-03-03."""
    import fixtures

    def fill(database: Database) -> None:
        migrations.upgrade(database.engine)
        fixtures.load(
            database, size="town", seed=1, anchor=ANCHOR, truth_file=TEST_DATA / "truth.json", progress=_quiet
        )

    return _template(cluster, f"town_{_fingerprint('migrations', 'fixtures', 'spatial')}", fill)


@pytest.fixture(scope="session")
def precinct_template(cluster: LocalPostgis) -> tuple[str, Path]:
    """Return the name of a database with two stations and principals of every role, and the file of who they are."""
    from tests.access_world import build_precinct

    told = TEST_DATA / "precinct.json"

    def fill(database: Database) -> None:
        migrations.upgrade(database.engine)
        made = build_precinct(database)
        told.write_bytes(orjson.dumps({"ids": made.ids, "tokens": made.tokens}))

    code = _fingerprint("migrations", "spatial", "tests")
    return _template(cluster, f"precinct_{now():%Y%m%d}_{code}", fill), told  # its tokens are good for a day


@contextmanager
def _precinct_of(cluster: LocalPostgis, template: tuple[str, Path]) -> "Iterator[Precinct]":
    from tests.access_world import Precinct

    with copy_of(cluster, template[0]) as database:
        yield Precinct(database, **orjson.loads(template[1].read_bytes()))


@pytest.fixture
def precinct(cluster: LocalPostgis, precinct_template: tuple[str, Path]) -> "Iterator[Precinct]":
    """Yield two stations with principals of every role and scope, for one test."""
    with _precinct_of(cluster, precinct_template) as made:
        yield made


@pytest.fixture(scope="module")
def shared_precinct(cluster: LocalPostgis, precinct_template: tuple[str, Path]) -> "Iterator[Precinct]":
    """Yield the same for all tests of a module, each of which adds people of its own."""
    with _precinct_of(cluster, precinct_template) as made:
        yield made


@pytest.fixture(scope="module")
def served_precinct(shared_precinct: "Precinct") -> Iterator[Database]:
    """Yield its database as the service logs in."""
    database = shared_precinct.database.as_login(API)
    yield database
    database.engine.dispose()


City = tuple[Database, dict[str, Any]]  # and what was planted in it


@pytest.fixture(scope="session")
def city_of(cluster: LocalPostgis) -> Iterator[Callable[[int], City]]:
    """Return a maker of generated cities, by seed, anchored to 2025-03-03; tests only read them."""
    with ExitStack() as opened:

        def make(seed: int) -> City:
            template, truth_file = _city_template(cluster, seed)
            return opened.enter_context(copy_of(cluster, template)), orjson.loads(truth_file.read_bytes())

        yield lru_cache(make)


def _city_template(cluster: LocalPostgis, seed: int) -> tuple[str, Path]:
    """Return the name of a database that holds a generated city, and the file of what was planted in it."""
    import fixtures

    truth_file = TEST_DATA / f"city-{seed}-truth.json"

    def fill(database: Database) -> None:
        migrations.upgrade(database.engine)
        fixtures.load(database, size="city", seed=seed, anchor=ANCHOR, truth_file=truth_file, progress=_quiet)

    name = f"city{seed}_{_fingerprint('migrations', 'fixtures', 'spatial')}"
    return _template(cluster, name, fill), truth_file


@pytest.fixture
def city_copy(cluster: LocalPostgis) -> Iterator[Database]:
    """Yield a city that one test may change."""
    with copy_of(cluster, _city_template(cluster, 1)[0]) as database:
        yield database


@pytest.fixture(scope="session")
def city(city_of: Callable[[int], City]) -> Database:
    """Return a city that tests only read."""
    return city_of(1)[0]


def _quiet(_share: float, _message: str) -> None:
    """Say nothing of the progress."""


@contextmanager
def copy_of(cluster: LocalPostgis, template: str) -> Iterator[Database]:
    """Yield a copy of a template, dropped at the end."""
    name = f"{in_memory.COPIES}{uuid.uuid4().hex[:12]}"
    where = in_memory.tablespace(cluster)
    with (cluster.home / f"{template}.copy").open("wb") as lock:  # two copies at once of one template collide
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = cluster.create_database(name, template=template, tablespace=where)
    database = Database(make_engine(url))
    yield database
    database.engine.dispose()
    cluster.drop_database(name)


@pytest.fixture
def empty_database(cluster: LocalPostgis, empty_template: str) -> Iterator[Database]:
    """Yield a database with today's schema and nothing in it, for one test."""
    with copy_of(cluster, empty_template) as database:
        yield database


@pytest.fixture
def town_copy(cluster: LocalPostgis, town_template: str) -> Iterator[Database]:
    """Yield a town that one test may change."""
    with copy_of(cluster, town_template) as database:
        yield database


@pytest.fixture(scope="session")
def town(cluster: LocalPostgis, town_template: str) -> Iterator[Database]:
    """Yield a town that tests only read."""
    with copy_of(cluster, town_template) as database:
        yield database


ClientAs = Callable[..., TestClient]


@pytest.fixture
def client_as(tmp_path: Path) -> Iterator[Callable[[Database, str], TestClient]]:
    """Return a maker of clients: `client_as(database, role)` asks as the demo's principal of that role.

    All of them have one data folder, `tmp_path`.
    """
    opened: list[tuple[TestClient, Database]] = []

    def make(database: Database, role: str = "dispatcher") -> TestClient:
        from api.app import create_app

        served = database.as_login(API)
        app = create_app(served, Settings(language="en", data_dir=tmp_path))
        here = ("127.0.0.1", 50000)
        client = TestClient(app, "http://127.0.0.1:8000", client=here, raise_server_exceptions=False)
        client.cookies.set("twingrid_demo", f"demo-{role}")
        opened.append((client, served))
        return client

    yield make
    for client, served in opened:
        client.close()
        served.engine.dispose()
