"""`twingrid plan` from making a plan to handing it in: dry runs change nothing, and what it says is what is stored."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from openpyxl import load_workbook

from api.cli import main
from spatial.access.rules import Actor, Grant
from spatial.db import Database
from spatial.redraw import review, service
from spatial.redraw.operations import OPERATIONS
from spatial.settings import settings
from spatial.time import now

MERGE = (
    '{"kind": "merge", "layer": "governance", "grids": ["339901001006011", "339901001006006"],'
    ' "into": "339901001006011"}'
)
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def twingrid(
    town_copy: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    """Yield a runner of verbs over a town, as whoever sits at the machine: exit code, output, complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWINGRID_DATABASE_URL", town_copy.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TWINGRID_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TWINGRID_LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*verb: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["twingrid", "plan", *verb])
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            sys.exit(main())
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    yield run
    settings.cache_clear()


def made(twingrid: Say) -> str:
    """Return the id of a plan over both layers."""
    _, out, _ = twingrid("new", "draft", "--layer", "police", "--layer", "governance", "--commit", "--json")
    found: str = orjson.loads(out)["id"]
    return found


def test_without_commit_nothing_is_done(twingrid: Say) -> None:
    """Neither a plan nor an operation is kept; what it would do is said all the same."""
    code, out, _ = twingrid("new", "draft", "--layer", "police")
    assert (code, "dry run" in out) == (0, True)
    assert "No plans" in twingrid("list")[1]
    plan = made(twingrid)
    _, out, _ = twingrid("edit", plan, MERGE)
    assert "339901001006006" in out
    assert "dry run" in out
    assert orjson.loads(twingrid("show", plan, "--json")[1])["ops"] == []


def test_a_plan_is_worked_out_and_handed_in(twingrid: Say, tmp_path: Path) -> None:
    """Operations, undo and redo, who hands over what, what stands against it, and the step to approval."""
    plan = made(twingrid)
    twingrid("edit", plan, MERGE, "--commit")
    twingrid("undo", plan, "--commit")
    twingrid("redo", plan, "--commit")
    told = orjson.loads(twingrid("show", plan, "--json")[1])
    assert [(one["kind"], one["is_on"]) for one in told["ops"]] == [("merge", True)]
    assert [one["kind"] for one in told["history"]] == ["created", "operation", "undo", "redo"]
    assert "gives to 339901001006011" in twingrid("difference", plan, "officers")[1]
    twingrid("difference", plan, "-o", "plan.xlsx")
    assert "Hand-over by officer" in load_workbook(tmp_path / "plan.xlsx").sheetnames
    assert twingrid("review", plan)[:2] == (0, "Nothing stands against it, and nothing is to be acknowledged.\n")
    assert "nothing found" in twingrid("findings", plan, "--added")[1]
    listed = orjson.loads(twingrid("findings", plan, "--check", "roster", "--json")[1])
    assert {(one["check"], one["is_added"]) for one in listed} == {("roster", False)}
    twingrid("submit", plan, "--commit")
    assert "submitted" in twingrid("list")[1]
    code, _, err = twingrid("approve", plan, "--document", "1", "--commit")
    assert (code, "made or handed in" in err) == (2, True)


def test_a_correction_is_approved_with_its_instant(twingrid: Say, town_copy: Database) -> None:
    """Why and from when go together; both are kept with the approval."""
    others, at = Actor("others", {}, (Grant("planner"),)), datetime.fromisoformat("2025-03-05T08:00:00+08:00")
    with town_copy.write() as session:
        plan = service.create(session, others, "draft", ["police", "governance"], at=at, now=now()).id
        service.edit(session, others, plan, OPERATIONS.validate_json(MERGE), revision=None, now=now())
        review.submit(session, others, plan, revision=None, now=now())
    approve = ("approve", str(plan), "--document", "1", "--commit")
    for half in (("--correction", "late"), ("--from", at.isoformat())):
        code, _, err = twingrid(*approve, *half)
        assert (code, "both why and from when" in err) == (2, True), err
    code, _, err = twingrid(*approve, "--correction", "late", "--from", (now() + timedelta(days=1)).isoformat())
    assert (code, "not in the past" in err) == (2, True), err
    assert twingrid(*approve, "--correction", "late", "--from", at.isoformat())[0] == 0
    approval = orjson.loads(twingrid("show", str(plan), "--json")[1])["history"][-1]
    assert approval["detail"]["correction"] == {"reason": "late", "effective": at.astimezone(UTC).isoformat()}
    code, _, err = twingrid("publish", str(plan), "--effective", "2025-03-06T08:00:00+08:00", "--commit")
    assert (code, "approved from" in err) == (2, True), err


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('{"kind": "nothing"}', "'merge'"),
        ("{", "not valid JSON"),
        ("@nowhere.json", "no file"),
        (
            '{"kind": "merge", "layer": "governance", "grids": ["339901001006011"], "into": "339901001006011"}',
            "different",
        ),
    ],
)
def test_an_operation_that_makes_no_sense_is_said_so(twingrid: Say, told: str, words: str) -> None:
    """With exit code 2, and nothing kept."""
    plan = made(twingrid)
    code, _, err = twingrid("edit", plan, told, "--commit")
    assert (code, words in err) == (2, True), err
