"""Logs: one line for each request, with its id, and without anything that was asked, sent or stored."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api import import_jobs, logs, worker
from spatial import jobs
from spatial.db import Database
from spatial.errors import NotFound
from spatial.settings import Settings
from spatial.time import now
from tests.conftest import ClientAs

LON, PHONE, NAME, TOKEN, NUMBER = "120.2712345", "13800138000", "欧阳测试", "tok-3f9a77", "case-998877"
PLANTED = (LON, PHONE, NAME, TOKEN, NUMBER, "电动车", "SELECT", "demo-secret")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Yield what is logged, at the most talkative level."""
    root = logging.getLogger()
    before = [*root.handlers], root.level, {name: logging.getLogger(name).level for name in logs.OURS}
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.install(Settings(log_level="debug", log_format="json"))
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines as they were logged."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line_with_its_id(town: Database, client_as: ClientAs, lines: io.StringIO) -> None:
    """A well-formed id of the caller's is kept, another replaced; the answer carries it, as does that of an error."""
    client = client_as(town)
    given = client.get("/units", params={"limit": 1}, headers={"X-Request-ID": "proxy-0123456789"})
    assert given.headers["x-request-id"] == "proxy-0123456789"
    (line,) = told(lines)
    assert line.pop("duration_ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "api.observing", "message": "request", "request_id": "proxy-0123456789",
        "method": "GET", "route": "/units", "status": 200, "principal": "demo-dispatcher",
    }  # fmt: skip
    for odd in ("x", "a" * 65, "a b c d e f g h", "ü" * 10):
        made = client.get("/nowhere", headers={"X-Request-ID": odd.encode()}).headers["x-request-id"]
        assert (len(made), made != odd) == (32, True)
    assert {line["route"] for line in told(lines)[1:]} == {"none"}


def test_an_unforeseen_error_is_told_by_its_place_and_to_the_caller_not_at_all(
    town: Database, client_as: ClientAs, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line has class and place of the whole chain, the answer the id; neither has what the error says."""
    from api import sources

    def fail(*_: Any, **__: Any) -> None:
        try:
            raise KeyError(PHONE)
        except KeyError as error:
            raise RuntimeError(NAME) from error

    monkeypatch.setattr(sources, "source_rows", fail)
    reply = client_as(town).get("/sources")
    (line,) = told(lines)
    assert (reply.status_code, line["status"], line["level"]) == (500, 500, "error")
    assert reply.headers["x-request-id"] == line["request_id"]
    assert [one["type"] for one in line["errors"]] == ["RuntimeError", "KeyError"]
    assert line["errors"][0]["at"][-1].startswith("tests/test_logs.py:")
    assert "test_logs" not in reply.text
    assert [secret for secret in PLANTED if secret in lines.getvalue() + reply.text] == []


def test_a_busy_session_leaves_no_secret_in_the_log(
    town_copy: Database, client_as: ClientAs, lines: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups, events, imports, tokens, jobs that fail: nothing of what was asked, sent or stored is in any line."""
    monkeypatch.setenv("TWINGRID_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(import_jobs, "settings", Settings)
    client = client_as(town_copy, "system_admin")
    client.get("/lookup", params={"lon": LON, "lat": "30.3"})
    client.get("/lookup", params={"lon": LON, "lat": NAME})
    client.get(f"/officers/{PHONE}")
    client.get("/units", headers={"Authorization": f"Bearer {TOKEN}"})
    client.post("/demo/switch", data={"name": "demo-secret"})
    event = {"source": "110", "external_id": NUMBER, "category": "x", "reported_at": "2025-03-03T08:30:00+08:00"}
    client_as(town_copy).post("/incidents", json=event | {"lon": float(LON), "lat": 30.3, "masked_text": "电动车失窃"})
    client_as(town_copy).post("/incidents/batch", json=[event, event | {"lon": NAME}])
    roster = f"number,name,phone\n{NUMBER},{NAME},{PHONE}\n"
    sender = client_as(town_copy, "duty_officer")
    assert sender.post("/imports/officers", files={"file": (f"{NAME}.csv", roster)}).status_code == 202
    for statement in (f"SELECT '{PHONE}'::int8 / 0", f"SELECT '{NAME}'::bigint", "SELECT :secret ::json"):
        fail_a_job(town_copy, statement)
    fail_a_job(town_copy, None)
    while jobs.run_next(town_copy, worker.HANDLERS, clock=now) is not None:
        pass
    logging.getLogger("sqlalchemy.pool").error("Error on connect with %s", PHONE)
    logging.getLogger("pyogrio._io").error("Value '%s' was cut", NAME)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: ValueError({NAME!r})")
    found = told(lines)
    assert len(found) > 12
    assert any("errors" in line for line in found)
    assert [secret for secret in PLANTED if secret in lines.getvalue()] == []


def fail_a_job(database: Database, statement: str | None) -> None:
    """Let a job fail at a statement of the database, or at an error of ours."""

    def fail(session: Any, _params: Any, _progress: Any) -> dict[str, Any]:
        if statement is None:
            raise NotFound("no-such-layer", layer=NAME)
        session.execute(text(statement), {"secret": PHONE} if ":secret" in statement else {})
        return {}

    with database.write() as session:
        jobs.enqueue(session, "fail", {"name": NAME}, actor="test", now=now(), priority=99)
    jobs.run_next(database, {"fail": fail}, clock=now)


def test_what_polls_is_told_when_asked_for(town: Database, client_as: ClientAs, lines: io.StringIO) -> None:
    """Health checks are lines of the level debug: there is one every few seconds."""
    client_as(town).get("/health")
    assert [line["level"] for line in told(lines)] == ["debug"]


def test_lines_for_people_say_the_same(lines: io.StringIO) -> None:
    """Time, level, message, then name=value."""
    record = logging.LogRecord("api.x", logging.WARNING, __file__, 1, "job %s failed", ("7",), None)
    record.told = {"status": 503, "principal": None}
    line = logs.TextLines().format(record)
    assert line[23:].lstrip("+:0 ").startswith("warning job 7 failed logger=api.x status=503")


def test_the_level_is_a_setting(lines: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    """Less grave lines than the setting says are left out."""
    logs.install(Settings(log_level="error", log_format="json"))
    log = logging.getLogger("spatial.jobs")
    log.warning("not told")
    log.error("told")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["told"]
