"""The container deployment, as docker-compose reads it; nothing is built or started."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
ONE_SHOT = {"migrate"}


@cache
def compose_command() -> tuple[str, ...]:
    """Return the docker-compose of this machine, or skip."""
    for command in (("docker-compose",), ("docker", "compose")):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    pytest.skip("docker-compose is not installed")


def config(**environment: str) -> subprocess.CompletedProcess[str]:
    """Let docker-compose check the file in an environment of these variables alone."""
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [*compose_command(), "-f", str(ROOT / "docker-compose.yml"), "config"]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return the services as docker-compose understands them."""
    done = config(TWINGRID_DB_PASSWORD="p@ss$word")
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


def test_valid_for_docker_compose(services: dict[str, Any]) -> None:
    """The deployment is PostGIS, a one-shot migration, the service and its worker."""
    assert set(services) == {"postgis", "migrate", "api", "worker"}


def test_no_password_no_deployment() -> None:
    """There is no default password: without one nothing starts, and the variable is named."""
    done = config()
    assert done.returncode != 0
    assert "TWINGRID_DB_PASSWORD" in done.stderr or "database's password" in done.stderr


def test_password_in_no_url(services: dict[str, Any]) -> None:
    """The password travels beside the database URL, so that any character is allowed in it."""
    for name in ("migrate", "api", "worker"):
        assert services[name]["environment"]["PGPASSWORD"].replace("$$", "$") == "p@ss$word"
        assert "p@ss" not in services[name]["environment"]["TWINGRID_DATABASE_URL"]


def test_nobody_is_root(services: dict[str, Any]) -> None:
    """No container runs as root or can become it, and the image itself names an ordinary user."""
    for service in services.values():
        assert service["user"].split(":")[0] not in {"", "0", "root"}
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    users = [line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("USER ")]
    assert users == ["twingrid"]


def test_what_stays_up_has_a_health_check(services: dict[str, Any]) -> None:
    """Everything but the migration has a health check and is started again when it ends."""
    for name, service in services.items():
        assert ("healthcheck" in service) == (name not in ONE_SHOT)
        assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


def test_a_worker_is_asked_after_by_the_product_itself(services: dict[str, Any]) -> None:
    """Each container asks for a worker of its own, by the verb that fails where there is none."""
    assert services["worker"]["healthcheck"]["test"] == ["CMD", "twingrid", "jobs", "workers", "--here"]


def test_started_in_order(services: dict[str, Any]) -> None:
    """The migration waits for a healthy database, the service and the worker for the migration."""
    assert services["migrate"]["depends_on"]["postgis"]["condition"] == "service_healthy"
    for name in ("api", "worker"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_archives_are_unpacked_on_the_disk(services: dict[str, Any]) -> None:
    """Temporary files lie on the data volume: a temporary file system is memory."""
    for name in ("api", "worker"):
        assert services[name]["environment"]["TMPDIR"] == "/data"
        assert ":/data" in str(services[name]["volumes"]) or "'/data'" in str(services[name]["volumes"])


def test_data_outlive_the_containers(services: dict[str, Any]) -> None:
    """The database and the data folder are named volumes."""
    mounts = {name: str(service.get("volumes")) for name, service in services.items()}
    assert "/var/lib/postgresql/data" in mounts["postgis"]
    assert all("/data" in mounts[name] for name in ("api", "worker"))


def test_database_with_a_locale_for_chinese(services: dict[str, Any]) -> None:
    """The database is made in UTF-8 with the locale C.UTF-8, and is reached from inside only."""
    assert "--encoding=UTF8 --locale=C.UTF-8" in services["postgis"]["environment"]["POSTGRES_INITDB_ARGS"]
    assert "ports" not in services["postgis"]
    assert "127.0.0.1" in str(services["api"]["ports"])
