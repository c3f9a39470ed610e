"""Metrics: what is counted, by what, and who may read it."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from spatial import access, jobs
from spatial.access import operator
from spatial.db import Database, make_engine
from spatial.settings import Settings
from spatial.time import now
from tests.conftest import ClientAs
from tests.test_jobs import add
from tests.test_workers import working
from tests.waiting import wait_until

PLANTED = ("121.4737", "secret-place", "13800138000", "gone-grid")


def told(client: TestClient) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the samples of each metric, by name."""
    reply = client.get("/metrics")
    assert reply.status_code == 200, reply.text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_requests_are_counted_by_template_and_by_nothing_that_was_asked(town: Database, client_as: ClientAs) -> None:
    """By route, method and status; codes, coordinates, odd methods, unknown paths make no labels of their own."""
    client = client_as(town)
    for path in ("/lookup?lon=121.4737&lat=31", "/grids/police/gone-grid", "/secret-place", "/units?tel=13800138000"):
        client.get(path)
    client.request("SECRET-PLACE", "/units")
    found = told(client)
    counted = {tuple(labels.values()): value for labels, value in found["twingrid_request_seconds_count"]}
    assert counted["GET", "/lookup", "200"] == 1
    assert counted["GET", "/grids/{layer}/{code}", "404"] == 1
    assert counted["GET", "/units", "400"] == 1
    assert counted["GET", "none", "404"] == 1
    assert sum(value for (method, *_), value in counted.items() if method == "other") == 1
    text = client.get("/metrics").text.lower()
    assert [secret for secret in PLANTED if secret in text] == []
    assert found["twingrid_requests_in_flight"] == [({}, 1.0)], "this one"


def test_the_deployment_is_told_in_figures(empty_database: Database, client_as: ClientAs) -> None:
    """Jobs by kind and state, the wait of the oldest, workers, versions, audit, connections, the process itself."""
    client = client_as(empty_database)
    add(empty_database, "mark")
    found = told(client)
    assert found["twingrid_jobs"] == [({"kind": "mark", "state": "queued"}, 1.0)]
    assert found["twingrid_job_oldest_due_seconds"][0][1] > 0
    assert (found["twingrid_workers"], "twingrid_worker_seen_seconds" in found) == ([({}, 0.0)], False)
    assert found["twingrid_audit_rows"] == [({}, 0.0)]
    assert {labels["domain"] for labels, _ in found["twingrid_dataset_version"]} >= {"areas", "access"}
    assert {labels["state"] for labels, _ in found["twingrid_database_connections"]} == {"in_use", "idle"}
    assert found["process_resident_memory_bytes"][0][1] > 1e6
    with working(empty_database):
        wait_until(lambda: told(client)["twingrid_workers"] == [({}, 1.0)])
    jobs.run_next(empty_database, {"mark": lambda *_: {}}, clock=now)
    found = told(client)
    assert found["twingrid_jobs"] == [({"kind": "mark", "state": "done"}, 1.0)]
    assert found["twingrid_job_oldest_due_seconds"] == [({}, 0.0)]


def test_a_database_that_is_away_is_told(client_as: ClientAs) -> None:
    """The process's own metrics go on."""
    found = told(client_as(Database(make_engine("postgresql://127.0.0.1:1/nowhere"))))
    assert found["twingrid_database_up"] == [({}, 0.0)]
    assert "twingrid_jobs" not in found
    assert "process_cpu_seconds_total" in found


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("viewer", 403), ("system_admin", 200)])
def test_beyond_this_machine_metrics_need_a_token_of_the_administrator(
    empty_database: Database, role: Any, status: int
) -> None:
    """Who is not on loopback shows a token of a system_admin."""
    headers = {}
    if role is not None:
        with empty_database.write() as session:
            instant = now()
            access.add_principal(session, operator("t"), "prometheus", {"en": "p", "zh-CN": "p"}, role, now=instant)
            until = instant.replace(year=instant.year + 1)
            token = access.issue_token(session, operator("t"), "prometheus", "t", now=instant, expires=until)
        headers["Authorization"] = f"Bearer {token}"
    app = create_app(empty_database, Settings(host="10.0.0.1"))
    with TestClient(app, "http://10.0.0.1:8000", client=("10.0.0.9", 50000)) as client:
        assert client.get("/metrics", headers=headers).status_code == status


def test_names_are_well_formed(empty_database: Database, client_as: ClientAs) -> None:
    """Every metric of ours has a help text and no label besides the few that are bounded."""
    text = client_as(empty_database).get("/metrics").text
    ours = set(re.findall(r"^# HELP (twingrid_\w+) \S", text, re.MULTILINE))
    assert len(ours) > 8
    labels = set(
        re.findall(r"[{,](\w+)=", "\n".join(line for line in text.splitlines() if line.startswith("twingrid")))
    )
    assert labels <= {"method", "route", "status", "le", "kind", "state", "domain"}
