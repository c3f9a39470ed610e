"""The order in which jobs of several people are taken: in turns, at a cost that is the same for any queue."""

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial import jobs
from spatial.db import Database
from spatial.jobs import Progress, queue
from spatial.jobs.running import MOST_LOOKED_AT, NEXT
from spatial.time import now
from tests.conftest import ClientAs
from tests.importing import rows

HANDLERS = {"nothing": lambda *_: {}}


def add(database: Database, actor: str, count: int = 1, *, priority: int = 0) -> list[uuid.UUID]:
    """Queue jobs of somebody."""
    with database.write() as session:
        return [
            jobs.enqueue(session, "nothing", {"of": actor}, actor=actor, now=now(), priority=priority)
            for _ in range(count)
        ]


def run(database: Database, count: int) -> str:
    """Run so many jobs, one after another, and return the first letters of those who asked for them."""
    order = []
    for _ in range(count):
        job_id = jobs.run_next(database, HANDLERS, clock=now)
        order += [name for (name,) in rows(database, f"SELECT created_by FROM job WHERE id = '{job_id}'")]
    return "".join(name[0] for name in order)


def test_who_queues_many_holds_up_nobody(empty_database: Database) -> None:
    """One worker takes a job of each who waits in turn; whoever comes late is served at once, and then in turn, too."""
    add(empty_database, "ann", 50)
    assert run(empty_database, 3) == "aaa"
    add(empty_database, "bob", 3)
    assert run(empty_database, 3) == "bab"
    add(empty_database, "cleo")
    assert run(empty_database, 6) == "cabaaa"


def test_the_urgent_do_not_wait_for_their_turn(empty_database: Database) -> None:
    """Turns are taken among jobs of one priority."""
    add(empty_database, "ann", 2, priority=10)
    add(empty_database, "bob", 2)
    add(empty_database, "cleo", 2, priority=-10)
    assert run(empty_database, 6) == "aabbcc"


def test_who_has_jobs_running_waits_for_others(empty_database: Database) -> None:
    """Several workers that are at work at once have one job of each who waits before they have a second of anybody."""
    add(empty_database, "ann", 4)
    add(empty_database, "bob", 2)
    begun: list[str] = []

    def hold(_session: Session, params: dict[str, Any], _progress: Progress) -> dict[str, Any]:
        begun.append(params["of"])
        if len(begun) < 5:  # while this one is at work
            jobs.run_next(empty_database, {"nothing": hold}, clock=now)
        return {}

    jobs.run_next(empty_database, {"nothing": hold}, clock=now)
    assert begun == ["ann", "bob", "ann", "bob", "ann"]


def blocks_read(database: Database) -> int:
    """Return how many blocks the database looks at to find out which jobs are next."""
    asked = {"now": now(), "kinds": ["nothing"], "most": MOST_LOOKED_AT}
    with database.read() as session:
        told = session.scalars(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {NEXT.text}"), asked).one()
    plan = told[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_long_queue_costs_no_more_than_a_short_one(empty_database: Database) -> None:
    """Of 30,000 jobs that wait, and as many that are done, few are looked at to find the next."""
    with empty_database.write() as session:
        session.execute(
            text("""
                INSERT INTO job (id, kind, params, state, run_after, created_at, created_by, heartbeat)
                SELECT gen_random_uuid(), 'nothing', '{}', (ARRAY['queued', 'done'])[1 + n % 2], t, t, 'p' || n % 7, t
                FROM generate_series(1, 60000) n, LATERAL (SELECT now() - n * interval '1 s' AS t) _
            """)
        )
        session.execute(text("ANALYZE job"))
    assert blocks_read(empty_database) < 1500


def test_a_queue_is_bounded_for_each_who_asks(
    town_copy: Database, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond so many jobs that wait the answer is 429 and when to come back; others are served, and so is one later."""
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    planner, check = client_as(town_copy, "planner"), "/layers/police/check"
    assert [planner.post(check).status_code for _ in range(3)] == [202, 202, 429]
    refused = planner.post(check)
    assert (refused.json()["type"], refused.headers["retry-after"]) == ("urn:twingrid:problem:too-many", "60")
    with town_copy.write() as session:
        jobs.enqueue(session, "check-tiling", {}, actor="another", now=now())
    assert jobs.run_next(town_copy, {"check-tiling": lambda *_: {}}, clock=now) is not None
    assert planner.post(check).status_code == 202
