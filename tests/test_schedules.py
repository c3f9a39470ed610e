"""What is done at which hour: once for each slot, whatever the clock, the workers and their absence."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import fixtures
from api import jobs_cli, worker
from spatial import jobs
from spatial.db import Database
from spatial.errors import Conflict
from spatial.jobs import Schedule
from spatial.postgresql import WORKER
from spatial.settings import Settings
from spatial.time import now
from tests.conftest import ClientAs
from tests.importing import rows
from tests.test_cli import run, url_of

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHTLY = Schedule("nightly", time(2, 30))
INSTANTS = st.integers(1_600_000_000, 1_900_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
QUEUED = "SELECT kind, created_at FROM job ORDER BY created_at, kind"


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        ("2025-03-29", "2025-03-29T01:30+00:00"),
        ("2025-03-30", "2025-03-30T01:30+00:00"),  # there is no half past two: half past three it is
        ("2025-03-31", "2025-03-31T00:30+00:00"),
        ("2025-10-26", "2025-10-26T00:30+00:00"),  # half past two comes twice: the first
        ("2025-10-27", "2025-10-27T01:30+00:00"),
    ],
)
def test_a_night_in_which_the_clock_changes_has_its_slot_once(day: str, utc: str) -> None:
    """Where the hour does not exist it is the one after, where it comes twice the first."""
    assert NIGHTLY.slot(datetime.fromisoformat(day).date(), BERLIN) == datetime.fromisoformat(utc)


@given(INSTANTS, ZONES, st.times(), st.none() | st.integers(0, 6))
def test_the_newest_slot_and_the_next_enclose_every_instant(at: datetime, name: str, hour: time, day: int) -> None:
    """`latest <= now < next`, no slot lies between, and they are a day or a week apart but for an hour."""
    zone, schedule = ZoneInfo(name), Schedule("x", hour.replace(tzinfo=None), day)
    latest, following = schedule.latest(at, zone), schedule.next(at, zone)
    assert latest <= at < following
    assert schedule.next(latest, zone) == following
    assert schedule.latest(following, zone) == following
    apart = timedelta(days=1 if day is None else 7)
    assert abs(following - latest - apart) <= timedelta(hours=1)


def plan(database: Database, at: datetime) -> datetime:
    """Plan the nightly schedule as a worker would at an instant."""
    return jobs.plan(database, [NIGHTLY], SHANGHAI, actor="worker", now=at)


def test_missed_nights_are_made_up_for_once(empty_database: Database) -> None:
    """The first sight of a schedule queues nothing; after a week without workers one job is queued, not seven."""
    monday = datetime(2025, 3, 3, 9, tzinfo=SHANGHAI)
    assert plan(empty_database, monday) == datetime(2025, 3, 4, 2, 30, tzinfo=SHANGHAI)
    assert rows(empty_database, QUEUED) == []
    plan(empty_database, monday + timedelta(hours=17))
    assert rows(empty_database, QUEUED) == []
    for late in (timedelta(days=7), timedelta(days=7, hours=1)):
        plan(empty_database, monday + late)
    assert rows(empty_database, QUEUED) == [("nightly", monday + timedelta(days=7))]
    plan(empty_database, monday + timedelta(days=8))
    assert len(rows(empty_database, QUEUED)) == 2


def test_a_clock_that_goes_back_queues_nothing_again(empty_database: Database) -> None:
    """A slot is counted once, though a worker's clock may be set back behind it."""
    monday = datetime(2025, 3, 3, 9, tzinfo=SHANGHAI)
    for days in (0, 1, 0, 1):
        plan(empty_database, monday + timedelta(days=days))
    assert len(rows(empty_database, QUEUED)) == 1


def test_every_night_has_its_work(town_copy: Database) -> None:
    """All that is scheduled can be run, and each layer's tiling is checked."""
    config, at = Settings(), now()
    with town_copy.write() as session:
        for one in worker.SCHEDULES:
            jobs.enqueue(session, one.kind, {}, actor="worker", now=at)
    own = town_copy.as_login(WORKER)  # with no more rights than a worker has
    while jobs.run_next(own, worker.HANDLERS, clock=now) is not None:
        pass
    own.engine.dispose()
    assert rows(town_copy, "SELECT DISTINCT state FROM job") == [("done",)]
    checked = rows(town_copy, "SELECT params->>'layer' FROM job WHERE kind = 'check-tiling' ORDER BY 1")
    assert checked == rows(town_copy, "SELECT code FROM layer ORDER BY 1")
    assert {one.kind for one in worker.schedules(config)} <= worker.HANDLERS.keys()


def test_schedules_are_shown(empty_database: Database, client_as: ClientAs) -> None:
    """Over HTTP and on the command line: when next, and what became of the last."""
    fixtures.admit(empty_database)
    config = Settings()
    for days in (2, 0):
        at = now() - timedelta(days=days)
        jobs.plan(empty_database, worker.schedules(config), config.zone, actor="worker", now=at)
    shown = client_as(empty_database, "viewer").get("/schedules").json()
    assert [one["kind"] for one in shown] == [one.kind for one in worker.schedules(config)]
    assert {one["last_state"] for one in shown} == {"queued"}
    assert all(one["last_at"] < now().isoformat() < one["next_at"] for one in shown)
    told = {"TWINGRID_DATABASE_URL": url_of(empty_database), "TWINGRID_LANGUAGE": "en"}
    assert "check-tilings" in run("jobs", "schedule", **told).stdout


def test_jobs_are_shown_stopped_and_tried_again_on_the_command_line(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --commit nothing is changed; what cannot be tried again is said."""
    config = Settings(database_url=url_of(empty_database), language="en")
    monkeypatch.setattr(jobs_cli, "settings", lambda: config)
    with empty_database.write() as session:
        job_id = str(jobs.enqueue(session, "check-tiling", {}, actor="test", now=now()))

    def told(*arguments: str) -> str:
        done = CliRunner().invoke(jobs_cli.app_jobs, [*arguments, "--lang", "en"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    with pytest.raises(Conflict, match="job-not-failed"):
        told("retry", job_id)
    for verb, options, after in (
        ("cancel", [], "queued"),
        ("cancel", ["--commit"], "cancelled"),
        ("retry", [], "cancelled"),
        ("retry", ["--commit"], "queued"),
    ):
        assert job_id in told(verb, job_id, *options)
        assert rows(empty_database, "SELECT state FROM job") == [(after,)]
    assert "check-tiling" in told("list", "--state", "queued")
    assert f'"{job_id}"' in told("show", job_id, "--json")
    assert len(rows(empty_database, "SELECT FROM audit")) == 2
