"""Long work: run once, retried after a failure, taken over after a kill, cancelled on request."""

import os
import signal
import threading
import time
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

import fixtures
from spatial import jobs
from spatial.db import Database, make_engine
from spatial.errors import Busy, NotFound
from spatial.jobs import Cancelled, Handler, Progress
from spatial.jobs.rules import back_off
from spatial.tables import Job
from spatial.time import now
from tests.command_line import processes
from tests.conftest import ClientAs
from tests.importing import rows


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Return a database with a table in which jobs leave their mark."""
    with empty_database.write() as session:
        session.execute(text("CREATE TABLE mark (job text)"))
    return empty_database


def leave_mark(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write one row and report on the way."""
    session.execute(text("INSERT INTO mark VALUES (:job)"), {"job": params["name"]})
    progress(0.5, "half")
    return {"marked": params["name"]}


def linger(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a row, then take a minute."""
    leave_mark(session, params, progress)
    for _ in range(600):
        time.sleep(0.1)
        progress(0.6, "lingering")
    return {}


def fail(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a row, then fail."""
    leave_mark(session, params, progress)
    raise OSError("no")


def add(database: Database, kind: str, name: str = "a") -> uuid.UUID:
    """Queue a job."""
    with database.write() as session:
        return jobs.enqueue(session, kind, {"name": name}, actor="test", now=now())


def look(database: Database, job_id: uuid.UUID) -> Job:
    """Return a job as it stands."""
    with database.read() as session:
        return jobs.find(session, job_id)


def marks(database: Database) -> list[str]:
    """Return what the jobs left."""
    with database.read() as session:
        return list(session.scalars(text("SELECT job FROM mark ORDER BY job")))


def test_a_job_is_run_once_and_its_result_kept(database: Database) -> None:
    """A worker runs what is queued, oldest first, and then has nothing to do."""
    first, second = add(database, "mark", "a"), add(database, "mark", "b")
    ran = [jobs.run_next(database, {"mark": leave_mark}, clock=now) for _ in range(3)]
    assert ran == [first, second, None]
    done = look(database, first)
    assert (done.state, done.progress, done.result) == ("done", 1.0, {"marked": "a"})
    assert marks(database) == ["a", "b"]


def test_many_workers_run_each_job_once(database: Database) -> None:
    """Four workers over twenty jobs leave twenty marks."""
    for number in range(20):
        add(database, "mark", f"{number:02}")

    def work() -> None:
        while jobs.run_next(database, {"mark": leave_mark}, clock=now) is not None:
            pass

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while jobs.run_next(database, {"mark": leave_mark}, clock=now) is not None:
        pass
    assert marks(database) == [f"{number:02}" for number in range(20)]


def test_a_failure_leaves_nothing_and_is_retried_later_and_later(database: Database) -> None:
    """What a failed try wrote is undone; the job waits twice as long each time, and is given up after the fifth try."""
    job_id = add(database, "fail")
    begin = now()
    waits = []
    for minute in range(5):
        instant = begin + timedelta(minutes=2 * minute)
        clock = partial(lambda at: at, instant)
        assert jobs.run_next(database, {"fail": fail}, clock=clock) == job_id
        stands = look(database, job_id)
        waits.append((stands.run_after - instant).total_seconds() if stands.state == "queued" else stands.state)
        assert jobs.run_next(database, {"fail": fail}, clock=clock) is None
    assert waits[-1] == "dead"
    assert all(least <= wait <= 1.25 * least for wait, least in zip(waits[:-1], (5, 10, 20, 40), strict=True))
    assert (look(database, job_id).error, marks(database)) == ("OSError", [])


def test_jobs_that_failed_together_are_not_tried_together() -> None:
    """Each waits a share of its own on top, never longer than ten minutes and that; the same job always as long."""
    ids = [uuid.uuid4() for _ in range(200)]
    waits = {back_off(one, 3) for one in ids}
    assert len(waits) > 190
    assert waits == {back_off(one, 3) for one in ids}
    assert {back_off(one, 99) <= timedelta(minutes=12.5) for one in ids} == {True}


def test_what_was_given_up_is_tried_again_on_request(database: Database, client_as: ClientAs) -> None:
    """It is listed with its reason; the system's administrator may queue it again, once, and that is on record."""
    fixtures.admit(database)
    job_id = add(database, "fail")
    with database.write() as session:
        session.execute(update(Job).values(max_attempts=1))
    jobs.run_next(database, {"fail": fail}, clock=now)
    admin, path = client_as(database, "system_admin"), f"/jobs/{job_id}/retry"
    (listed,) = admin.get("/jobs", params={"state": "dead"}).json()["items"]
    assert (listed["id"], listed["error"]) == (str(job_id), "OSError")
    assert client_as(database, "planner").post(path).status_code == 403
    assert admin.post(path).json()["state"] == "queued"
    assert admin.post(path).status_code == 409
    assert jobs.run_next(database, {"fail": leave_mark}, clock=now) == job_id
    assert (look(database, job_id).state, look(database, job_id).attempts, marks(database)) == ("done", 1, ["a"])
    assert rows(database, "SELECT actor, object FROM audit WHERE action = 'job.retry'") == [
        ("demo-system_admin", f"job/{job_id}")
    ]


def test_the_urgent_go_first(database: Database) -> None:
    """Of the jobs that are due, those of higher priority are run before older ones."""
    with database.write() as session:
        for name, priority in (("low", -10), ("plain", 0), ("urgent", 10)):
            jobs.enqueue(session, "mark", {"name": name}, actor="test", now=now(), priority=priority)
    order = []
    while jobs.run_next(database, {"mark": leave_mark}, clock=now) is not None:
        order.append(next(iter({*marks(database)} - {*order})))
    assert order == ["urgent", "plain", "low"]


def sleep_in_the_database(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a row, then be in one statement for a minute."""
    leave_mark(session, params, progress)
    session.execute(text("SELECT pg_sleep(60)"))
    return {}


def test_a_long_statement_of_a_cancelled_job_is_ended(database: Database) -> None:
    """A job that is in one statement does not wait for its end to be cancelled; the next job is run as ever."""
    job_id = add(database, "sleep")
    worker = threading.Thread(
        target=jobs.run_next, args=(database, {"sleep": sleep_in_the_database}), kwargs={"clock": now}
    )
    begin = time.monotonic()
    worker.start()
    while look(database, job_id).progress < 0.5:
        time.sleep(0.02)  # until it is on its way
    with database.write() as session:
        jobs.cancel(session, job_id, now())
    worker.join(timeout=30)
    assert time.monotonic() - begin < 15
    assert (look(database, job_id).state, marks(database)) == ("cancelled", [])
    add(database, "mark", "b")
    jobs.run_next(database, {"mark": leave_mark}, clock=now)
    assert marks(database) == ["b"]


@pytest.mark.parametrize("long", [sleep_in_the_database, linger])
def test_a_job_that_has_had_its_time_is_given_up(database: Database, long: Handler) -> None:
    """Whether it is in one statement or in many steps, it ends, says why, leaves nothing and is not tried again."""
    with database.write() as session:
        limit = timedelta(seconds=0.1)
        job_id = jobs.enqueue(session, "long", {"name": "a"}, actor="test", now=now(), time_limit=limit)
    begin = time.monotonic()
    jobs.run_next(database, {"long": long}, clock=now)
    assert time.monotonic() - begin < 15
    stands = look(database, job_id)
    assert (stands.state, stands.result and stands.result["fault"]) == ("dead", "job-too-long")
    assert marks(database) == []


def leave_as_killed(database: Database, job_id: uuid.UUID, attempts: int) -> None:
    """Let a job look as workers leave it that were killed at it."""
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="running", attempts=attempts))


def test_what_kills_its_workers_does_not_hold_up_others(database: Database) -> None:
    """Left for the second time, a job waits while others are run; left for the fifth time it is given up."""
    poison, other = add(database, "mark", "poison"), add(database, "mark", "other")
    leave_as_killed(database, poison, 2)
    assert jobs.run_next(database, {"mark": leave_mark}, clock=now) == poison
    assert (look(database, poison).state, look(database, poison).run_after > now()) == ("queued", True)
    assert jobs.run_next(database, {"mark": leave_mark}, clock=now) == other
    leave_as_killed(database, poison, 5)
    assert jobs.run_next(database, {"mark": leave_mark}, clock=lambda: now() + timedelta(hours=1)) == poison
    assert (look(database, poison).state, look(database, poison).error) == ("dead", "worker-lost")
    assert marks(database) == ["other"]


def test_a_job_that_is_cancelled_while_nobody_has_it_is_not_run(database: Database) -> None:
    """Its worker was killed, somebody cancelled it, and the next worker ends it."""
    job_id = add(database, "mark")
    leave_as_killed(database, job_id, 1)
    with database.write() as session:
        jobs.cancel(session, job_id, now())
    assert jobs.run_next(database, {"mark": leave_mark}, clock=now) == job_id
    assert (look(database, job_id).state, marks(database)) == ("cancelled", [])


def test_a_worker_whose_connection_broke_changes_nothing_more(database: Database) -> None:
    """The job is free for others at once; what the first still reports of it is not heard."""
    job_id = add(database, "mark")

    def lose(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
        leave_mark(session, params, progress)
        own = session.scalar(text("SELECT pg_backend_pid()"))
        with database.write() as other:
            other.execute(text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
        assert jobs.run_next(database, {"mark": leave_mark}, clock=now) == job_id
        with pytest.raises(Cancelled):
            progress(0.1, "still here")
        session.execute(text("SELECT 1"))
        return {}

    with pytest.raises(Busy):
        jobs.run_next(database, {"mark": lose}, clock=now)
    stands = look(database, job_id)
    assert (stands.state, stands.attempts, stands.progress, marks(database)) == ("done", 2, 1.0, ["a"])


def test_old_jobs_are_forgotten(database: Database) -> None:
    """What ended long ago is deleted; what has not ended stays, however old it is."""
    ended, waiting = add(database, "mark"), add(database, "other")
    jobs.run_next(database, {"mark": leave_mark}, clock=now)
    with database.write() as session:
        assert jobs.retire(session, oldest=now() - timedelta(days=1)) == 0
        assert jobs.retire(session, oldest=now() + timedelta(days=1)) == 1
        assert (jobs.exists(session, ended), jobs.exists(session, waiting)) == (False, True)


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_at_its_next_step(database: Database) -> None:
    """Cancelling leaves nothing behind."""
    queued = add(database, "mark")
    with database.write() as session:
        jobs.cancel(session, queued, now())
    assert look(database, queued).state == "cancelled"
    running = add(database, "linger")
    worker = threading.Thread(target=jobs.run_next, args=(database, {"linger": linger}), kwargs={"clock": now})
    worker.start()
    while look(database, running).state != "running":
        time.sleep(0.02)  # until the worker has it
    with database.write() as session:
        jobs.cancel(session, running, now())
    worker.join(timeout=30)
    assert look(database, running).state == "cancelled"
    assert marks(database) == []


def _work_elsewhere(url: str) -> None:
    jobs.run_next(Database(make_engine(url)), {"linger": linger}, clock=now)


def test_a_killed_worker_leaves_nothing_and_the_next_takes_over(database: Database) -> None:
    """After kill -9 in the middle, another worker runs the job from its start, and the effect is there once."""
    job_id = add(database, "linger")
    url = database.engine.url.render_as_string(hide_password=False)
    worker = processes.Process(target=_work_elsewhere, args=(url,))
    worker.start()
    while look(database, job_id).progress < 0.6:
        time.sleep(0.05)  # until the worker is in the middle
    assert jobs.run_next(database, {"linger": leave_mark}, clock=now) is None, "a job that is held is not taken"
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    deadline = time.monotonic() + 10
    while jobs.run_next(database, {"linger": leave_mark}, clock=now) is None and time.monotonic() < deadline:
        time.sleep(0.05)  # until PostgreSQL has noticed
    stands = look(database, job_id)
    assert (stands.state, stands.attempts) == ("done", 2)
    assert marks(database) == ["a"]


def test_a_job_is_not_taken_between_its_failure_and_its_outcome(database: Database) -> None:
    """While a worker still holds a failed job, no other can take it, so its effect cannot happen twice."""
    job_id = add(database, "fail")
    second: list[object] = []

    def fail_while_another_looks(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
        try:
            return fail(session, params, progress)
        finally:
            second.append(jobs.run_next(database, {"fail": leave_mark}, clock=now))

    assert jobs.run_next(database, {"fail": fail_while_another_looks}, clock=now) == job_id
    assert second == [None]
    assert (look(database, job_id).state, marks(database)) == ("queued", [])


@pytest.mark.parametrize("statement", [None, "SELECT 1 / 0", "SELECT '1 fortnight'::interval", "SELECT 'x'::bigint"])
def test_what_is_wrong_with_the_asking_is_not_tried_again(database: Database, statement: str | None) -> None:
    """A job that was asked for wrongly fails at once: it would fail so every time; the database's words stay there."""

    def refuse(session: Session, _params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
        if statement is not None:
            session.execute(text(statement))
        raise NotFound("no-such-layer", layer="x")

    job_id = add(database, "refuse")
    assert jobs.run_next(database, {"refuse": refuse}, clock=now) == job_id
    stands = look(database, job_id)
    assert (stands.state, stands.attempts) == ("failed", 1)
    assert stands.result is not None
    assert stands.result["fault"] == ("no-such-layer" if statement is None else "invalid-input")
    assert "fortnight" not in f"{stands.error} {stands.result}"


def test_jobs_are_listed_in_pages(database: Database, client_as: ClientAs) -> None:
    """Oldest first, by kind and state."""
    fixtures.admit(database)
    ids = [str(add(database, kind)) for kind in ("mark", "linger", "mark")]
    jobs.run_next(database, {"mark": leave_mark}, clock=now)
    client = client_as(database)
    first = client.get("/jobs", params={"limit": 2}).json()
    second = client.get("/jobs", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for page in (first, second) for one in page["items"]] == ids
    queued = client.get("/jobs", params={"kind": "mark", "state": "queued"}).json()["items"]
    assert [one["id"] for one in queued] == ids[2:]


@pytest.mark.parametrize("result", ["\x00", "\udc80", object()])
def test_a_result_that_cannot_be_stored_fails_the_job_and_not_the_worker(database: Database, result: object) -> None:
    """The effect is taken back, and the worker goes on with the next job."""

    def odd(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
        return leave_mark(session, params, progress) | {"odd": result}

    first, second = add(database, "odd"), add(database, "mark", "b")
    handlers = {"odd": odd, "mark": leave_mark}
    assert [jobs.run_next(database, handlers, clock=now) for _ in range(3)] == [first, second, None]
    assert [look(database, one).state for one in (first, second)] == ["failed", "done"]
    assert marks(database) == ["b"]


def test_who_asked_for_a_job_may_cancel_it(database: Database, client_as: ClientAs) -> None:
    """So may the system administrator; others may not."""
    fixtures.admit(database)
    with database.write() as session:
        own = jobs.enqueue(session, "mark", {}, actor="demo-viewer", now=now())
    other = add(database, "mark")
    viewer = client_as(database, "viewer")
    assert (viewer.delete(f"/jobs/{own}").status_code, viewer.delete(f"/jobs/{other}").status_code) == (200, 403)
    assert client_as(database, "system_admin").delete(f"/jobs/{other}").status_code == 200
