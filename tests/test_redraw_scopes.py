"""Plans of those who reach over one station, or one layer, only."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.worker import HANDLERS
from spatial import jobs
from spatial.db import open_version
from spatial.geometry import Plane
from spatial.grids.queries import records_in_force, shapes_of
from spatial.grids.service import NewVersion, replace_versions
from spatial.grids.tiling import stored
from spatial.overlaps import service as overlaps
from spatial.postgresql import API
from spatial.settings import Settings
from spatial.time import now, since
from tests.access_world import Precinct


@pytest.fixture
def client(precinct: Precinct, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of the service, which logs in with the service's rights, over grids that are noded."""
    start = now() - timedelta(days=1)
    with precinct.database.write() as session:
        stamp, layer_id = open_version(session, "areas"), precinct.ids["police"]
        records = records_in_force(session, layer_id, start)
        shapes = stored(shapes_of(records), Plane(120.0))
        made = [
            NewVersion(one.grid_id, one.code, one.name, one.kind, one.unit_id, {}, since(start), shape)
            for one, shape in zip(records, shapes, strict=True)
        ]
        replace_versions(session, layer_id, records, made, start=start, stamp=stamp)
        overlaps.keep(session, stamp)
    served = precinct.database.as_login(API)
    app = create_app(served, Settings(language="en", data_dir=tmp_path))
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client
    served.engine.dispose()


def ask(client: TestClient, precinct: Precinct, who: str, verb: str, path: str, **body: Any) -> Any:
    """Ask as a principal, and return the answer."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    return client.request(verb, path, headers=headers, **({"json": body} if body else {}))


def plan_of(client: TestClient, precinct: Precinct, who: str, **more: Any) -> Any:
    """Ask for a plan as a principal."""
    return ask(client, precinct, who, "POST", "/plans", name="draft", layers=["police"], **more)


def test_a_planner_of_a_station_plans_for_it(client: TestClient, precinct: Precinct) -> None:
    """Such a plan names a unit within reach; it may touch that one's grids, and no other station's."""
    missing, beyond = (plan_of(client, precinct, "planner-unit", **more) for more in ({}, {"unit": "S3"}))
    assert missing.json()["faults"][0]["fault"] == "unit-needed"
    assert beyond.status_code == 400
    made = plan_of(client, precinct, "planner-unit", unit="S1")
    assert made.status_code == 201, made.text
    ops = f"/plans/{made.json()['id']}/ops"
    merge = {"kind": "merge", "layer": "police", "into": "B"}
    strange = ask(client, precinct, "planner-unit", "POST", ops, **merge, grids=["B", "C"])
    assert strange.status_code == 409
    assert "C" in strange.json()["detail"]
    own = ask(client, precinct, "planner-unit", "POST", ops, **merge, grids=["A", "B"])
    assert own.status_code == 200, own.text
    assert {one["code"] for one in own.json()["grids"]} == {"A", "B"}


def test_a_plan_is_seen_by_those_whose_units_it_is_of(client: TestClient, precinct: Precinct) -> None:
    """One of the whole deployment, or of a unit beyond reach, is not there for who reaches over a station only."""
    whole = plan_of(client, precinct, "planner-whole").json()["id"]
    strange = plan_of(client, precinct, "planner-whole", unit="S3").json()["id"]
    own = plan_of(client, precinct, "planner-whole", unit="S1").json()["id"]
    for plan, status in ((whole, 404), (strange, 404), (own, 200)):
        assert ask(client, precinct, "viewer-unit", "GET", f"/plans/{plan}").status_code == status
        assert ask(client, precinct, "viewer-unit", "GET", f"/plans/{plan}/ops").status_code == status
    listed = ask(client, precinct, "viewer-unit", "GET", "/plans").json()["items"]
    assert [one["id"] for one in listed] == [own]


def test_a_station_approves_and_publishes_its_own_plan(client: TestClient, precinct: Precinct) -> None:
    """Its approver, another person, brings it into force; the grid that ends hands on what hangs on it."""
    plan = plan_of(client, precinct, "planner-unit", unit="S1").json()["id"]
    body = {"kind": "merge", "layer": "police", "grids": ["A", "B"], "into": "B"}
    assert ask(client, precinct, "planner-unit", "POST", f"/plans/{plan}/ops", **body).status_code == 200
    assert ask(client, precinct, "planner-unit", "POST", f"/plans/{plan}/submit").status_code == 200
    approval = ask(client, precinct, "approver-unit", "POST", f"/plans/{plan}/approve", document_number="1")
    assert approval.status_code == 200, approval.text
    soon = now().replace(year=now().year + 1).isoformat()
    queued = ask(client, precinct, "approver-unit", "POST", f"/plans/{plan}/publish", effective=soon)
    assert queued.status_code == 202, queued.text
    while jobs.run_next(precinct.database, HANDLERS, clock=now) is not None:
        pass
    told = ask(client, precinct, "viewer-unit", "GET", f"/plans/{plan}").json()
    assert told["state"] == "scheduled", ask(client, precinct, "approver-unit", "GET", queued.headers["location"]).text


def test_a_planner_of_a_layer_plans_in_it(client: TestClient, precinct: Precinct) -> None:
    """Other layers are not there for them."""
    made = plan_of(client, precinct, "planner-layer")
    assert made.status_code == 201, made.text
    answer = ask(client, precinct, "planner-layer", "POST", "/plans", name="draft", layers=["other"])
    assert answer.json()["faults"][0]["fault"] == "no-such-layer"


def test_a_station_is_told_nothing_of_others_and_gives_nothing_away(client: TestClient, precinct: Precinct) -> None:
    """Of neighbours that get a vertex it reads no people and no counts; its own grids stay its own."""
    plan = plan_of(client, precinct, "planner-whole", unit="S1").json()["id"]
    merge = {"kind": "merge", "layer": "police", "grids": ["A", "B"], "into": "B"}
    done = ask(client, precinct, "planner-unit", "POST", f"/plans/{plan}/ops", **merge).json()
    assert {one["code"] for one in done["grids"]} == {"A", "B"}
    assert {one["unit"] for one in done["units"]} == {"S1"}
    away = {"kind": "describe", "layer": "police", "grid": "B", "unit": "S2"}
    assert ask(client, precinct, "planner-whole", "POST", f"/plans/{plan}/ops", **away).status_code == 409
