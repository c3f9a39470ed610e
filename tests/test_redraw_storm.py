"""Two processes edit, approve and publish at random while they are killed: every state reached is legal and whole."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text

from spatial.db import Database
from spatial.findings import checking
from spatial.findings.model import Limits
from spatial.findings.state import OnRecord
from spatial.grids.listing import layer_named
from spatial.history import Moment
from spatial.redraw import queries
from spatial.redraw.whole import whole_change
from spatial.settings import ROOT
from spatial.tables import GridCell, GridVersion, Lineage, Plan, PlanChange, PlanEvent, PlanOp
from spatial.time import now

NEXT = {  # what may follow in a plan's history
    "draft": {"submitted": "submitted", "abandoned": "abandoned"},
    "returned": {"submitted": "submitted", "abandoned": "abandoned"},
    "submitted": {"approved": "approved", "returned": "returned", "abandoned": "abandoned"},
    "approved": {"published": "published", "returned": "returned", "abandoned": "abandoned"},
    "published": {},
    "abandoned": {},
}
AT_WORK = {"created", "operation", "undo", "redo", "mark", "comment", "rebase"}
FAULTS = {"invalid", "overlap", "gap", "unnoded"}


def storm(database: Database, seconds: float, log: Path) -> Counter[str]:
    """Let two planners work, killing each of them every few seconds; return how often each thing was done.

    On a machine with much else to do it goes on, for three times as long at most, until enough was done.
    """
    rng, end, seed = random.Random(1), time.monotonic() + seconds, 0
    url = database.engine.url.render_as_string(hide_password=False)
    running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
    with log.open("wb") as said:
        while time.monotonic() < end or (not is_enough(told(log)) and time.monotonic() < end + 2 * seconds):
            for name in ("planner-1", "planner-2"):
                process, until = running.get(name, (None, 0.0))
                if process is None or process.poll() is not None or time.monotonic() > until:
                    if process is not None:
                        process.send_signal(signal.SIGKILL)
                        process.wait()
                    seed += 1
                    command = [sys.executable, "-m", "tests.redraw_storm", url, name, str(seed), str(seconds)]
                    made = subprocess.Popen(command, cwd=ROOT, stdout=said, env=os.environ | {"PYTHONUNBUFFERED": "1"})
                    running[name] = made, time.monotonic() + rng.uniform(3, 9)  # it takes two to start
            time.sleep(0.05)
        for process, _until in running.values():
            process.kill()
            process.wait()
    return told(log)


def told(log: Path) -> Counter[str]:
    """Return how often each thing was done by now."""
    return Counter(log.read_text(encoding="utf-8").splitlines())


def is_enough(done: Counter[str]) -> bool:
    """Whether there was something to look at."""
    return done["publish"] >= 2 and done["edit"] >= 10


def assert_legal(database: Database) -> None:
    """Each plan's history leads to its state; what is published is whole, and what is not has left nothing."""
    with database.read() as session:
        for plan in session.scalars(select(Plan)):
            state, revision = "draft", 0
            wanted = select(PlanEvent).where(PlanEvent.plan_id == plan.id).order_by(PlanEvent.revision)
            events = list(session.scalars(wanted))
            for event in events:
                revision += 1
                assert event.revision == revision
                if event.kind in AT_WORK:
                    assert event.kind == "comment" or state in ("draft", "returned"), (event.kind, state)
                else:
                    state = NEXT[state][event.kind]
            assert (plan.state, plan.revision, plan.head) == (state, revision, events[-1].head)
            assert_whole(session, plan, events)


def assert_whole(session: Any, plan: Plan, events: list[PlanEvent]) -> None:
    """Its operations have their changes, one after another; published, its grids are as its manifest says."""
    for op in session.scalars(select(PlanOp).where(PlanOp.plan_id == plan.id)):
        changes = session.scalar(
            select(func.count()).select_from(PlanChange).where(PlanChange.plan_id == plan.id, PlanChange.n == op.n)
        )
        assert changes > 0
        assert op.parent < op.n
    lines = session.scalar(select(func.count()).select_from(Lineage).where(Lineage.plan_id == plan.id))
    if plan.state != "published":
        assert (lines, plan.manifest, plan.sha256, plan.published_version) == (0, None, None, None)
        return
    makers = set(session.scalars(select(PlanOp.made_by).where(PlanOp.plan_id == plan.id)))
    approver = next(event.by for event in reversed(events) if event.kind == "approved")
    assert approver not in makers | {plan.created_by}
    digest = hashlib.sha256(orjson.dumps(plan.manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()
    assert digest == plan.sha256
    recorded = queries.stamps(session, {"areas": plan.published_version})["areas"]
    wanted = select(GridVersion.code, GridVersion.shape_sha256).where(
        GridVersion.valid.op("@>")(plan.effective), GridVersion.recorded.op("@>")(recorded)
    )
    shapes = {row[0]: row[1].hex() for row in session.execute(wanted)}
    for grid in plan.manifest["grids"]:
        if grid["becomes"] is None:
            assert grid["was"]["code"] not in shapes
        else:
            assert shapes[grid["becomes"]["code"]] == grid["becomes"]["shape_sha256"]
    assert len(whole_change(session, plan)) == len(plan.manifest["grids"])


def assert_tiling(database: Database) -> None:
    """At every publication and now both layers are whole, and each cell is one police grid's."""
    with database.read() as session:
        instants = list(session.scalars(select(Plan.effective).where(Plan.effective.is_not(None))))
        for at in [*instants, now()]:
            for code in ("governance", "police"):
                state = OnRecord(session, Moment(at), Limits().pieces)
                found = checking.tiling(state, layer_named(session, code), Limits())
                assert not [one for one in found if one.kind in FAULTS], (at, code)
            cells = select(func.count(), func.count(GridCell.cell_id.distinct())).where(
                GridCell.valid.op("@>")(at), func.upper_inf(GridCell.recorded)
            )
            count, distinct = session.execute(cells).one()
            grids = session.scalar(
                text("""SELECT count(*) FROM grid_version JOIN layer ON layer.id = layer_id
                        WHERE layer.code = 'governance' AND valid @> :at AND upper_inf(recorded)"""), {"at": at}
            )  # fmt: skip
            assert count == distinct == grids


def run(database: Database, seconds: float, log: Path) -> None:
    """Let it storm, then look."""
    done = storm(database, seconds, log)
    assert_legal(database)
    assert_tiling(database)
    assert is_enough(done), done


@pytest.mark.proof
def test_a_minute_of_planners_who_are_killed_leaves_nothing_half_done(town_copy: Database, tmp_path: Path) -> None:
    """Whatever was reached is legal: one winner per conflict, nothing half written."""
    run(town_copy, 60, tmp_path / "log")


@pytest.mark.full
def test_five_minutes_of_planners_who_are_killed_leave_nothing_half_done(town_copy: Database, tmp_path: Path) -> None:
    """The same, for longer."""
    run(town_copy, 300, tmp_path / "log")
