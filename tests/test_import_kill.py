"""An import that is killed leaves nothing behind, and the next one completes to what an undisturbed one makes."""

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from spatial.db import Database
from spatial.local_postgis import LocalPostgis
from spatial.settings import ROOT
from tests.conftest import copy_of
from tests.content import content_hash
from tests.rows import counts, take
from tests.waiting import wait_until

IMPORT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from spatial.access import operator
from spatial.db import Database, make_engine
from spatial.imports.annotated import Tell
from spatial.imports.files import Asked, import_file, subject_named
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options
tell = Tell(str, str, str)
options = Options(datetime(2025, 3, 1, tzinfo=UTC), ZoneInfo("Asia/Shanghai"), source_crs="EPSG:4490")
database = Database(make_engine(sys.argv[1]))
outcome = import_file(database, operator("test"), subject_named("incidents"), Path(sys.argv[2]), Mapping(), options,
                      Asked(commit=True), tell=tell)
assert outcome.fault_count == 0, outcome.faults[:3]
"""
HEARD = {"source.last_received"}  # says when, not what


def incidents_file(path: Path, count: int) -> Path:
    """Write incidents of half a year."""
    start = datetime(2024, 9, 1, tzinfo=UTC)
    rng = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("source,external_id,category,at,lon,lat\n")
        for number in range(count):
            at = start + timedelta(seconds=rng.randrange(180 * 86400))
            place = f"{120.2 + rng.random() / 5:.9f},{30.2 + rng.random() / 5:.9f}"
            file.write(f"110,E{number:07d},noise,{at.isoformat()},{place}\n")
    return path


def prepare(database: Database) -> None:
    """Add a category and a source."""
    noise = {"code": ["noise"], "title": ["噪声"], "police_matter": ["no"], "priority": [4], "handling_minutes": [30]}
    assert counts(take(database, "categories", noise)) == {"new": 1}
    assert counts(take(database, "sources", {"code": ["110"], "title": ["110"]})) == {"new": 1}


def importing(database: Database, file: Path) -> "subprocess.Popen[bytes]":
    """Start an import in a process of its own."""
    url = database.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen([sys.executable, "-c", IMPORT, url, str(file)], cwd=ROOT)


def others(database: Database) -> int:
    """Return how many other sessions are in the database: a statement outlives the client that asked for it."""
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.read() as session:
        return int(session.scalar(text(mine)) or 0)


@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(20_000, 3, marks=pytest.mark.proof),
        pytest.param(100_000, 10, marks=pytest.mark.proof),
        pytest.param(1_000_000, 10, marks=pytest.mark.full),
    ],
    ids=["small", "large", "million"],
)
def test_killed_at_any_instant(
    cluster: LocalPostgis, empty_template: str, tmp_path: Path, count: int, kills: int
) -> None:
    """Whenever it is killed nothing of the file is there, or all where it was done; then it completes to the same."""
    file = incidents_file(tmp_path / "incidents.csv", count)
    with copy_of(cluster, empty_template) as calm, copy_of(cluster, empty_template) as hit:
        for database in (calm, hit):
            prepare(database)
        started = time.monotonic()
        assert importing(calm, file).wait() == 0
        took = time.monotonic() - started
        nothing, everything = (content_hash(database, without=HEARD) for database in (hit, calm))
        found = []
        rng = random.Random()
        for _ in range(kills):
            process = importing(hit, file)
            time.sleep(rng.uniform(0.05, 0.9 if found else 0.5) * took)
            process.kill()
            process.wait()
            hit.engine.dispose()
            wait_until(lambda: others(hit) == 0, 600)
            found.append(content_hash(hit, without=HEARD))
        assert set(found) <= {nothing, everything}, "half of a file was left"
        assert found[0] == nothing, "the first was killed too late to show anything"
        assert importing(hit, file).wait() == 0
        assert content_hash(hit, without=HEARD) == everything
