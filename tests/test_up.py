"""`twingrid up` as a user runs it: start, answer, stop; and what kill -9 leaves behind."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from shapely.geometry import shape

from spatial.local_postgis import LocalPostgis
from tests.service import TWINGRID, Service, running

pytestmark = pytest.mark.proof


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Yield a short, reachable folder."""
    with tempfile.TemporaryDirectory(prefix="twingrid-up-", dir="/var/tmp") as folder:
        yield Path(folder)


def facts(service: Service) -> Any:
    """Return an answer of a fixed place and instant, with the versions it stands on."""
    feature = service.get("/grids/police", limit=1)["features"][0]
    inside = shape(feature["geometry"]).representative_point()
    at = service.get("/shifts", limit=1)["items"][0]["planned"]["start"]
    return service.get("/lookup", lon=inside.x, lat=inside.y, at=at)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_it_stops_all_it_started(data_dir: Path, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM or a closed terminal end the service, its worker and its PostGIS."""
    with running(data_dir, TWINGRID_SIZE="none") as service:
        assert service.postgres()
        service.end(number)
        assert service.postgres() == []


def test_it_serves_the_town_and_starts_again_with_the_same_answers(data_dir: Path) -> None:
    """After an orderly stop the second start gives the same answer to the same question."""
    with running(data_dir) as service:
        before = facts(service)
        assert {layer["status"] for layer in before["layers"]} == {"owned"}
        service.end(signal.SIGINT)
        service.start()
        assert facts(service) == before


def test_kill_9_of_the_service_loses_nothing(data_dir: Path) -> None:
    """After kill -9 of the service its PostGIS lives on; the next start finds it and gives the same answers."""
    with running(data_dir) as service:
        before = facts(service)
        service.end(signal.SIGKILL)
        assert service.postgres()
        service.start()
        assert facts(service) == before
        service.end(signal.SIGINT)
        assert service.postgres() == []


def test_kill_9_of_postgresql_loses_nothing(data_dir: Path) -> None:
    """While PostgreSQL is dead lists answer 503, never 500; it is started again, with all answers as before."""
    with running(data_dir) as service:
        before = facts(service)
        for pid in service.postgres():
            with suppress(ProcessLookupError):  # its children end with the postmaster
                os.kill(pid, signal.SIGKILL)
        reply = httpx.get(f"{service.url}/units", timeout=30)
        assert (reply.status_code, reply.json()["type"]) == (503, "urn:twingrid:problem:busy")
        assert int(reply.headers["retry-after"]) > 0
        assert httpx.get(f"{service.url}/health", timeout=5).status_code == 200
        deadline = time.monotonic() + 60
        while httpx.get(f"{service.url}/ready", timeout=30).json()["checks"]["database"] == "away":
            assert time.monotonic() < deadline, "the service did not start its PostGIS again"
            time.sleep(0.5)
        assert facts(service) == before
        service.end(signal.SIGINT)
        assert service.postgres() == []


def test_kill_9_while_the_demo_loads_leaves_nothing_half(data_dir: Path) -> None:
    """Killed in the middle of loading, the next start finds an empty database and loads the whole town."""
    data_dir.chmod(0o755)
    service = Service(data_dir)
    for seconds in (2.5, 4.0):
        with (data_dir / "killed.log").open("ab") as log:
            process = subprocess.Popen([TWINGRID, "up"], env=service.environment, stdout=log, stderr=log)
            time.sleep(seconds)
            process.kill()
            process.wait()
    with running(data_dir) as again:
        assert len(again.get("/grids/police", limit=1000)["features"]) == 15
        assert {layer["status"] for layer in facts(again)["layers"]} == {"owned"}


def test_an_empty_deployment_is_served(data_dir: Path) -> None:
    """With TWINGRID_SIZE=none nothing is loaded; pages say so, tokens work, and the town can still be loaded."""
    with running(data_dir, TWINGRID_SIZE="none") as service:
        for page in ("/", "/maps/grids"):
            assert httpx.get(f"{service.url}{page}", timeout=30).status_code == 200
        assert service.get("/units")["features"] == []
        token = service.run("token", "create", "city").stdout.strip()
        for told, status in ((token, 200), ("x", 401)):
            reply = httpx.get(f"{service.url}/units", headers={"Authorization": f"Bearer {told}"}, timeout=30)
            assert reply.status_code == status
        service.run("demo", "load")
        assert len(service.get("/grids/police", limit=1000)["features"]) == 15


def test_a_taken_port_is_said(data_dir: Path) -> None:
    """A second service on the same port ends with a sentence that names the port, and leaves the first alone."""
    with running(data_dir, TWINGRID_SIZE="none") as service:
        done = service.run("up", check=False)
        assert done.returncode == 2
        assert str(service.port) in done.stderr
        assert service.get("/health") == {"status": "ok"}


def test_a_database_of_ones_own_serves_too(data_dir: Path, cluster: LocalPostgis) -> None:
    """With TWINGRID_DATABASE_URL, also as plain `postgresql://`, the schema is made there and nothing is embedded."""
    cluster.drop_database("external")
    url = cluster.create_database("external").replace("postgresql+psycopg2://", "postgresql://")
    with running(data_dir, TWINGRID_SIZE="none", TWINGRID_DATABASE_URL=url) as service:
        assert not (data_dir / "postgis").exists()
        assert service.get("/ready")["checks"]["database"] == "ok"
        assert "layers" in httpx.get(f"{service.url}/openapi.json", timeout=30).text
    cluster.drop_database("external")
