"""Plans over HTTP, from the first operation to publication and back, on a town of police grids built from cells."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import shapely
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from shapely.geometry import shape
from sqlalchemy import text

from api.app import create_app
from api.worker import HANDLERS
from spatial import jobs
from spatial.access.rules import Actor, Grant
from spatial.db import Database
from spatial.errors import InputError
from spatial.local_postgis import LocalPostgis
from spatial.postgresql import API
from spatial.redraw.publishing import publish
from spatial.settings import Settings
from spatial.time import now
from tests.conftest import copy_of

AT = "2025-03-05T08:00:00+08:00"
EFFECTIVE = datetime.fromisoformat("2025-03-07T20:00:00+08:00")
CORRECTION = {"reason": "测试", "effective": EFFECTIVE.isoformat()}  # the tests' days are long past
APPROVER = Actor("test", {}, (Grant("approver"),))
ClientAs = Callable[..., TestClient]


@pytest.fixture
def planner(town_copy: Database, client_as: ClientAs) -> Iterator[TestClient]:
    """Yield a planner's client."""
    return client_as(town_copy, "planner")


@pytest.fixture
def approver(town_copy: Database, client_as: ClientAs) -> Iterator[TestClient]:
    """Yield an approver's client."""
    return client_as(town_copy, "approver")


def made(client: TestClient, *layers: str, **more: Any) -> str:
    """Return the id of a new plan over the tests' day."""
    body = {"name": "调整", "layers": list(layers) or ["police", "governance"], "at": AT, **more}
    answer = client.post("/plans", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def do(client: TestClient, plan: str, kind: str, layer: str = "governance", **more: Any) -> Any:
    """Perform an operation, and return what it did."""
    answer = client.post(f"/plans/{plan}/ops", json={"kind": kind, "layer": layer, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: TestClient, plan: str, kind: str, layer: str = "governance", **more: Any) -> str:
    """Ask for an operation that cannot be done, and return the word for why; nothing is kept of it."""
    before = client.get(f"/plans/{plan}").json()["revision"]
    answer = client.post(f"/plans/{plan}/ops", json={"kind": kind, "layer": layer, **more})
    assert answer.status_code in (400, 409, 422), answer.text
    told = answer.json()
    assert client.get(f"/plans/{plan}").json()["revision"] == before
    zh = client.post(f"/plans/{plan}/ops?lang=zh-CN", json={"kind": kind, "layer": layer, **more}).json()
    sentence = [one["detail"] for one in zh["faults"]] or [zh["detail"]]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in sentence[0]), "in Chinese, too"
    assert "{" not in (told["faults"][0]["detail"] if told["faults"] else told["detail"]), "with its values"
    return told["faults"][0]["fault"] if told["faults"] else told["detail"]


def cells(client: TestClient, layer: str = "governance", at: str = AT) -> dict[str, Any]:
    """Return the shapes of a layer's grids by code."""
    features: list[Any] = client.get(f"/grids/{layer}", params={"at": at, "limit": 1000}).json()["features"]
    return {one["properties"]["code"]: shape(one["geometry"]) for one in features}


def neighbours(shapes: dict[str, Any], code: str) -> list[str]:
    """Return the codes of the grids that share a border with one, the longest first."""
    border = shapes[code].boundary
    length = {other: (one.boundary & border).length for other, one in shapes.items() if other != code}
    return sorted((other for other, one in length.items() if one > 1e-6), key=lambda other: -length[other])


def across(one: Any) -> list[tuple[float, float]]:
    """Return a line that cuts a convex shape in two."""
    west, _south, east, _north = one.bounds
    y = one.centroid.y
    return [(west - 0.001, y), (east + 0.001, y)]


def apart(one: Any) -> list[tuple[float, float]]:
    """Return a line that passes a shape by."""
    west, south, east, _north = one.bounds
    return [(west, south - 0.01), (east, south - 0.01)]


def split_a_cell(client: TestClient, plan: str) -> str:
    """Split some cell in two, and return its code; the new one is 339901001006900."""
    code = "339901001006011"
    do(client, plan, "split", grid=code, line=across(cells(client)[code]), code="339901001006900")
    return code


def test_a_cell_is_split_and_the_police_grid_of_it_gets_its_vertices(planner: TestClient) -> None:
    """Splitting a governance grid changes the police grid that is built from it, and no police grid's area."""
    plan = made(planner)
    code = split_a_cell(planner, plan)
    found = planner.get(f"/plans/{plan}/grids").json()["features"]
    changed = {(one["properties"]["layer"], one["properties"]["code"]) for one in found}
    assert ("governance", "339901001006900") in changed
    assert ("governance", code) in changed
    assert {layer for layer, _ in changed} == {"governance", "police"}
    police = [shape(one["geometry"]) for one in found if one["properties"]["layer"] == "police"]
    assert abs(police[0].area - police[1].area) * 1e10 < 1, "square metres: a vertex on its border, within 1 cm of it"


def test_a_cell_is_not_split_while_the_layer_built_from_it_is_not_in_the_plan(planner: TestClient) -> None:
    """It is refused, with the police grids that would change."""
    plan = made(planner, "governance")
    shapes = cells(planner)
    code = "339901001006011"
    why = refused(planner, plan, "split", grid=code, line=across(shapes[code]), code="339901001006900")
    assert "SW-JG-" in why


def test_measures_come_with_each_operation(planner: TestClient) -> None:
    """Area, addresses, incidents, officers and deviation before and after; what is split adds up to what was."""
    plan = made(planner)
    shapes = cells(planner)
    code = "339901001006011"
    done = do(planner, plan, "split", grid=code, line=across(shapes[code]), code="339901001006900")
    told = {one["code"]: one for one in done["grids"] if one["layer"] == "governance"}
    before, after, new = told[code]["before"], told[code]["after"], told["339901001006900"]["after"]
    assert told["339901001006900"]["before"] is None
    assert after["area_m2"] + new["area_m2"] == pytest.approx(before["area_m2"], abs=2)
    for what in ("addresses", "dwellings", "incidents"):
        assert after["held"][what] + new["held"][what] == before["held"][what]
    assert after["officers"] == before["officers"]
    assert new["officers"] == []
    assert 0 < after["compactness"] <= 1
    assert any(one["after"]["grids"] == one["before"]["grids"] + 1 for one in done["units"])


def test_what_is_measured_grid_by_grid_is_what_a_new_plan_counts(planner: TestClient, town_copy: Database) -> None:
    """Counted about what an operation touches, or all anew: the same."""
    plan = made(planner)
    code = split_a_cell(planner, plan)
    other = neighbours(cells(planner), code)[0]
    do(planner, plan, "merge", grids=[code, other], into=other)
    with town_copy.read() as session:
        query = text("""
            SELECT change.becomes->>'code' AS code, change.holds, change.shape FROM (
                SELECT DISTINCT ON (layer_id, key) * FROM plan_change WHERE plan_id = :plan
                ORDER BY layer_id, key, n DESC) AS change WHERE change.becomes IS NOT NULL""")
        rows = session.execute(query, {"plan": plan}).all()
        assert len(rows) >= 3
        for row in rows:
            counted = session.execute(
                text("""SELECT count(*), sum(dwellings) FROM address WHERE ST_Intersects(point, :shape)"""),
                {"shape": row.shape},
            ).one()
            assert row.holds["addresses"] <= counted[0]
            assert row.holds["addresses"] >= counted[0] - 3, "those on the border are its neighbours'"


def test_undo_restores_the_stored_bytes_and_redo_brings_them_back(planner: TestClient) -> None:
    """After undo nothing differs from the base; after redo everything is as it was, bit for bit."""
    plan = made(planner)
    split_a_cell(planner, plan)
    after = planner.get(f"/plans/{plan}/grids").json()
    assert planner.post(f"/plans/{plan}/undo").json()["head"] == 0
    assert planner.get(f"/plans/{plan}/grids").json()["features"] == []
    assert planner.post(f"/plans/{plan}/redo").json()["head"] == 1
    assert planner.get(f"/plans/{plan}/grids").json() == after


def test_undo_and_redo_are_a_tree(planner: TestClient) -> None:
    """What is done after an undo begins a branch; every branch can be gone to, and marks name where one was."""
    plan = made(planner)
    split_a_cell(planner, plan)
    planner.post(f"/plans/{plan}/marks", json={"name": "一分为二"})
    planner.post(f"/plans/{plan}/undo")
    do(planner, plan, "describe", grid="339901001006011", name="新名")
    ops = planner.get(f"/plans/{plan}/ops").json()["items"]
    assert [(one["n"], one["parent"], one["is_on"]) for one in ops] == [(1, 0, False), (2, 0, True)]
    marks = [one for one in planner.get(f"/plans/{plan}/history").json()["items"] if one["kind"] == "mark"]
    assert marks[0]["head"] == 1
    assert planner.put(f"/plans/{plan}/head", json={"n": marks[0]["head"]}).json()["head"] == 1
    kept = {one["properties"]["code"] for one in planner.get(f"/plans/{plan}/grids").json()["features"]}
    assert "339901001006900" in kept


def test_a_preview_keeps_nothing(planner: TestClient) -> None:
    """It says what an operation would do; the plan stays as it is."""
    plan = made(planner)
    body = {"kind": "describe", "layer": "governance", "grid": "339901001006011", "name": "新名"}
    told = planner.post(f"/plans/{plan}/ops?preview=true", json=body).json()
    assert told["n"] == 0
    assert planner.get(f"/plans/{plan}").json()["head"] == 0


def test_whole_cells_come_to_another_police_grid(planner: TestClient) -> None:
    """In embed mode police grids change by cells, and stay the unions of theirs."""
    plan = made(planner)
    shapes, police = cells(planner), cells(planner, "police")
    first = min(police)
    second = neighbours(police, first)[0]
    cell = next(code for code, one in shapes.items() if police[second].contains(one.representative_point()))
    do(planner, plan, "assign", layer="police", to=first, cells=[cell])
    found = planner.get(f"/plans/{plan}/grids").json()["features"]
    after = {one["properties"]["code"]: shape(one["geometry"]) for one in found if one["properties"]["side"] == "after"}
    assert after[first].contains(shapes[cell].representative_point())
    assert not after[second].contains(shapes[cell].representative_point())
    moving = {"layer": "police", "at": [120.0, 30.0], "to": [120.0, 30.1]}
    assert refused(planner, plan, "move_vertex", **moving) == "layer-moves-by-cells"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("split", {"grid": "A", "line": "apart", "code": "339901001006900"}, "line-does-not-cross"),
    ("split", {"grid": "A", "line": "corner", "code": "339901001006900"}, "line-does-not-cross"),
    ("split", {"grid": "A", "line": "across", "code": "X-1"}, "code-outside-scheme"),
    ("split", {"grid": "A", "line": "across", "code": "B"}, "code-in-use"),
    ("split", {"grid": "nobody", "line": "across", "code": "339901001006900"}, "grid-unknown"),
    ("merge", {"grids": ["A", "far"], "into": "A"}, "not-neighbours-of"),
    ("merge", {"grids": ["A"], "into": "A"}, "one-grid-only"),
    ("merge", {"grids": ["A", "B"], "into": "far"}, "not-among-grids"),
    ("reshape", {"grids": ["A", "far"], "line": "across"}, "not-neighbours"),
    ("reshape", {"grids": ["A", "B"], "line": "apart"}, "line-does-not-reach"),
    ("move_vertex", {"at": "vertex", "to": "far"}, "vertex-folds-grid"),
    ("move_vertex", {"at": [121.5, 31.5], "to": "far"}, "no-vertex-here"),
    ("create", {"code": "339901001006900", "name": "n"}, "area-or-cells"),
    ("create", {"code": "339901001006900", "name": "n", "area": "outside"}, "area-outside-layer"),
    ("dissolve", {"grid": "A", "to": "far"}, "not-neighbours-of"),
    ("describe", {"grid": "A", "unit": "nobody"}, "no-such-unit"),
    ("describe", {"grid": "A"}, "changes-nothing"),
    ("assign", {"to": "A", "cells": ["B"]}, "cells-of-which-layer"),
    ("snap", {"of": "nothing", "cell": "A"}, "no-such-layer"),
]


@pytest.fixture(scope="module")
def drafted(cluster: LocalPostgis, town_template: str) -> Iterator[tuple[TestClient, str]]:
    """Yield a planner's client and a plan on which nothing succeeds."""
    with copy_of(cluster, town_template) as town:
        served = town.as_login(API)
        app = create_app(served, Settings(language="en"))
        with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
            client.cookies.set("twingrid_demo", "demo-planner")
            yield client, made(client)
        served.engine.dispose()


@pytest.mark.parametrize(("kind", "body", "why"), BAD)
def test_what_cannot_be_done_is_said_clearly(
    drafted: tuple[TestClient, str], kind: str, body: dict[str, Any], why: str
) -> None:
    """Each impossible operation is refused whole, with a word for programs and a sentence in both languages."""
    planner, plan = drafted
    shapes = cells(planner)
    one = "339901001006011"
    other = neighbours(shapes, one)[0]
    far = max(shapes, key=lambda code: shapes[code].distance(shapes[one]))
    west, south, _east, _north = shapes[one].bounds
    corner = shapely.get_coordinates(shapes[one])[0].tolist()
    known = {
        "A": one,
        "B": other,
        "far": far,
        "apart": apart(shapes[one]),
        "across": across(shapes[one]),
        "corner": [[corner[0], corner[1]], [west - 1, south - 1]],
        "vertex": corner,
        "outside": [[[west - 3, south], [west - 2, south], [west - 2, south + 1], [west - 3, south]]],
    }

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(one) for one in value]
        return known.get(value, value) if isinstance(value, str) else value

    asked = {name: named(value) for name, value in body.items()}
    if kind == "move_vertex" and asked["to"] == far:
        asked["to"] = list(shapes[far].centroid.coords[0])
    assert refused(planner, plan, kind, **asked) == why


def test_a_locked_grid_is_not_redrawn(planner: TestClient) -> None:
    """Until it is unlocked; the refusal names it."""
    plan = made(planner)
    code = "339901001006011"
    do(planner, plan, "lock", grids=[code])
    assert code in refused(planner, plan, "dissolve", grid=code)
    do(planner, plan, "unlock", grids=[code])
    do(planner, plan, "dissolve", grid=code)


def test_a_plan_of_one_unit_leaves_other_units_alone(planner: TestClient) -> None:
    """Its operations are refused where they would move the border of another unit's grid, with its code."""
    grids = planner.get("/grids/governance", params={"at": AT, "limit": 1000}).json()["features"]
    unit_of = {one["properties"]["code"]: one["properties"]["unit"] for one in grids}
    shapes = cells(planner)
    one, other = next(
        (one, other) for one in shapes for other in neighbours(shapes, one)[:1] if unit_of[one] != unit_of[other]
    )
    plan = made(planner, unit=unit_of[one])
    assert other in refused(planner, plan, "merge", grids=[one, other], into=one)


def test_disjoint_edits_merge_and_others_are_told_apart(planner: TestClient) -> None:
    """Somebody who saw an older revision may go on elsewhere; on the same grid they are told all three states."""
    plan = made(planner)
    shapes = cells(planner)
    one = "339901001006011"
    far = max(shapes, key=lambda code: shapes[code].distance(shapes[one]))
    seen = planner.get(f"/plans/{plan}").headers["etag"]
    split_a_cell(planner, plan)
    body = {"kind": "describe", "layer": "governance", "name": "改名"}
    elsewhere = planner.post(f"/plans/{plan}/ops", json={**body, "grid": far}, headers={"If-Match": seen})
    assert elsewhere.status_code == 200
    same = planner.post(f"/plans/{plan}/ops", json={**body, "grid": one}, headers={"If-Match": seen})
    assert same.status_code == 409
    (told,) = same.json()["told"]
    assert told["ancestor"]["name"] != told["theirs"]["name"] == "改名"
    assert told["ours"]["name"] == told["ancestor"]["name"]
    assert told["ours"]["shape"] != told["ancestor"]["shape"]


def test_a_revision_that_never_was_is_refused(planner: TestClient) -> None:
    """So is one that is no number."""
    plan = made(planner)
    body = {"kind": "describe", "layer": "governance", "grid": "339901001006011", "name": "改名"}
    for seen, status in (('"77"', 409), ("latest", 400), ('"-1"', 400)):
        assert planner.post(f"/plans/{plan}/ops", json=body, headers={"If-Match": seen}).status_code == status


def submitted(planner: TestClient) -> str:
    """Return a plan that splits a cell, merges one of its neighbours away, and is handed in."""
    plan = made(planner)
    code = split_a_cell(planner, plan)
    other = neighbours(cells(planner), code)[0]
    do(planner, plan, "merge", grids=[code, other], into=code)
    answer = planner.post(f"/plans/{plan}/submit")
    assert answer.status_code == 200, answer.text
    return plan


def acknowledged(client: TestClient, plan: str) -> list[str]:
    """Return the keys of all that an approver has to acknowledge."""
    told = client.get(f"/plans/{plan}/review", params={"effective": EFFECTIVE.isoformat()}).json()
    assert told["obstacles"] == []
    return [one["key"] for one in told["findings"]]


def approved(planner: TestClient, approver: TestClient) -> str:
    """Return a plan that is approved as a correction."""
    plan = submitted(planner)
    body = {
        "document_number": "双公〔2025〕12 号",
        "acknowledge": acknowledged(approver, plan),
        "correction": CORRECTION,
    }
    answer = approver.post(f"/plans/{plan}/approve", json=body)
    assert answer.status_code == 200, answer.text
    return plan


def published(database: Database, planner: TestClient, approver: TestClient, plan: str, at: datetime) -> Any:
    """Publish an approved plan, and return how it stands with it."""
    answer = approver.post(f"/plans/{plan}/publish", json={"effective": at.isoformat()})
    assert answer.status_code == 202, answer.text
    while jobs.run_next(database, HANDLERS, clock=now) is not None:
        pass
    job = approver.get(answer.headers["location"]).json()
    assert job["state"] == "done", job
    return planner.get(f"/plans/{plan}").json()


def test_nobody_approves_what_they_made(town_copy: Database, planner: TestClient, client_as: ClientAs) -> None:
    """Another person does, under a document's number; a planner's role does not do."""
    plan = submitted(planner)
    body = {"document_number": "1"}
    assert planner.post(f"/plans/{plan}/approve", json=body).status_code == 403
    with town_copy.write() as session:
        session.execute(
            text("""
            INSERT INTO role_grant (uuid, principal_id, role, granted_at, fields)
            SELECT gen_random_uuid(), id, 'approver', now(), '{}' FROM principal WHERE name = 'demo-planner'""")
        )
        session.execute(text("SELECT open_version('access')"))
    both = client_as(town_copy, "planner")
    answer = both.post(f"/plans/{plan}/approve", json=body)
    assert answer.status_code == 403
    assert "made or handed in" in answer.json()["detail"]


def test_a_plan_goes_back_with_a_reason_and_comes_again(planner: TestClient, approver: TestClient) -> None:
    """A submitted plan is not edited; returned it is, and handed in anew."""
    plan = submitted(planner)
    assert refused(planner, plan, "dissolve", grid="339901001006007").startswith("The plan is submitted")
    assert approver.post(f"/plans/{plan}/return", json={"reason": "再议"}).json()["state"] == "returned"
    do(planner, plan, "describe", grid="339901001006011", name="改名")
    assert planner.post(f"/plans/{plan}/submit").json()["state"] == "submitted"


def test_what_is_published_holds_from_then_on_and_nothing_before_changes(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """Grids, cells, cover and who is responsible change at the instant; as-of answers before it are the same."""
    before = {layer: cells(planner, layer, "2025-03-07T19:59:00+08:00") for layer in ("governance", "police")}
    plan = approved(planner, approver)
    told = published(town_copy, planner, approver, plan, EFFECTIVE)
    assert told["state"] == "in_force"
    assert len(told["sha256"]) == 64
    for layer, shapes in before.items():
        assert cells(planner, layer, "2025-03-07T19:59:00+08:00") == shapes
    after = cells(planner, "governance", EFFECTIVE.isoformat())
    assert set(after) ^ set(before["governance"]) == {"339901001006900", "339901001006006"}
    with town_copy.read() as session:
        ended = session.scalar(text("SELECT grid_id FROM grid_version WHERE code = '339901001006006' LIMIT 1"))
        left = text("""
            SELECT (SELECT count(*) FROM cover WHERE grid_id = :g AND upper(span) > :at AND upper_inf(recorded)),
                   (SELECT count(*) FROM assignment
                    WHERE grid_id = :g AND valid && tstzrange(:at, NULL) AND upper_inf(recorded)),
                   (SELECT count(*) FROM cover WHERE grid_id = :g AND upper(span) = :at AND upper_inf(recorded))""")
        cover, responsible, cut = session.execute(left, {"g": ended, "at": EFFECTIVE}).one()
        assert (cover, responsible) == (0, 0)
        assert cut > 0, "a shift that goes on over the instant"
        shares = session.execute(text("""
            SELECT pred_id, sum(area_share), sum(address_share) FROM lineage WHERE plan_id = :plan GROUP BY pred_id"""),
            {"plan": plan}).all()  # fmt: skip
    assert shares
    assert all(abs(area - 1) < 1e-4 and (address is None or abs(address - 1) < 1e-9) for _, area, address in shares)


def responsible(database: Database, at: datetime) -> list[Any]:
    """Return who is responsible for which grid as what at an instant."""
    with database.read() as session:
        query = text("""SELECT grid_id, officer_id, role FROM assignment
                        WHERE valid @> CAST(:at AS timestamptz) AND upper_inf(recorded) ORDER BY 1, 2, 3""")
        return [tuple(row) for row in session.execute(query, {"at": at})]


def test_published_and_reverted_everything_is_whose_it_was(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """A plan that takes another back gives every grid its shape again, bit for bit; both stay on record."""
    before = {layer: cells(planner, layer) for layer in ("governance", "police")}
    later = now() + timedelta(hours=1)
    people = responsible(town_copy, later)
    plan = approved(planner, approver)
    published(town_copy, planner, approver, plan, EFFECTIVE)
    answer = planner.post(f"/plans/{plan}/revert", json={"name": "撤回"})
    assert answer.status_code == 201, answer.text
    back = answer.json()["id"]
    assert planner.post(f"/plans/{back}/submit").status_code == 200
    found = approver.get(f"/plans/{back}/review").json()
    body = {"document_number": "13", "acknowledge": [one["key"] for one in found["findings"]]}
    assert approver.post(f"/plans/{back}/approve", json=body).status_code == 200
    between = now()
    assert responsible(town_copy, between) != people
    assert published(town_copy, planner, approver, back, later)["state"] == "scheduled"
    assert planner.get(f"/plans/{plan}").json()["state"] == "superseded"
    for layer, shapes in before.items():
        assert cells(planner, layer, later.isoformat()) == shapes
    assert responsible(town_copy, between) != people == responsible(town_copy, later)
    feed = planner.get("/published-plans").json()["items"]
    assert [one["plan"] for one in feed] == [plan, back]
    assert planner.get("/published-plans", params={"after": feed[0]["version"]}).json()["items"] == feed[1:]


def test_a_publication_in_the_past_needs_an_approved_correction(planner: TestClient, approver: TestClient) -> None:
    """Without one it is refused before anything is queued."""
    plan = submitted(planner)
    body = {"document_number": "12", "acknowledge": acknowledged(approver, plan)}
    assert approver.post(f"/plans/{plan}/approve", json=body).status_code == 200
    answer = approver.post(f"/plans/{plan}/publish", json={"effective": EFFECTIVE.isoformat()})
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["fault"] == "effective-in-past"


def test_a_correction_holds_from_the_instant_that_was_approved(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """At another past instant publication is refused, at that one it is done, and the record says why and from when."""
    plan = approved(planner, approver)
    for aside in (timedelta(seconds=-1), timedelta(microseconds=1), timedelta(days=1)):
        other = {"effective": (EFFECTIVE + aside).isoformat()}
        answer = approver.post(f"/plans/{plan}/publish", json=other)
        assert answer.status_code == 400
        (fault,) = answer.json()["faults"]
        assert (fault["where"], fault["fault"]) == ("effective", "effective-not-approved")
    with town_copy.trial() as session, pytest.raises(InputError, match="effective-not-approved"):
        publish(session, APPROVER, UUID(plan), EFFECTIVE + timedelta(days=1), now=now())
    utc = EFFECTIVE.astimezone(UTC)
    assert published(town_copy, planner, approver, plan, utc)["state"] == "in_force"
    told = {one["kind"]: one["detail"] for one in planner.get(f"/plans/{plan}/history").json()["items"]}
    kept = {"reason": "测试", "effective": utc.isoformat()}
    assert told["approved"]["correction"] == told["published"]["correction"] == kept
    with town_copy.read() as session:
        query = text("SELECT detail->'correction' FROM audit WHERE action IN ('plan.approved', 'plan.publish')")
        assert list(session.scalars(query)) == [kept, kept]


def test_an_approved_correction_may_come_into_force_in_the_future_all_the_same(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """That is no correction then, and is not put on record as one."""
    plan = approved(planner, approver)
    assert published(town_copy, planner, approver, plan, now() + timedelta(hours=1))["state"] == "scheduled"
    told = {one["kind"]: one["detail"] for one in planner.get(f"/plans/{plan}/history").json()["items"]}
    assert "correction" not in told["published"]


def test_a_correction_is_approved_where_it_can_be_published(planner: TestClient, approver: TestClient) -> None:
    """One of the future is none, one without an instant says too little, and what stands against it is told at once."""
    plan = submitted(planner)
    body = {"document_number": "12", "acknowledge": acknowledged(approver, plan)}

    def answer(correction: Any) -> Any:
        return approver.post(f"/plans/{plan}/approve", json={**body, "correction": correction})

    future = answer({"reason": "测试", "effective": (now() + timedelta(hours=1)).isoformat()})
    assert future.status_code == 400
    (fault,) = future.json()["faults"]
    assert (fault["where"], fault["fault"]) == ("correction.effective", "correction-not-in-past")
    for lacking in (
        "测试",
        {"reason": "测试"},
        {"effective": AT},
        {**CORRECTION, "more": 1},
        {"reason": "", "effective": AT},
    ):
        assert answer(lacking).status_code == 400
    before = answer({"reason": "测试", "effective": "1990-01-01T00:00:00+08:00"})
    assert before.status_code == 409
    assert {one["kind"] for one in before.json()["told"]} == {"base-moved-on"}
    assert planner.get(f"/plans/{plan}").json()["state"] == "submitted"
    assert answer(CORRECTION).status_code == 200


def test_a_base_that_moved_on_is_refused_unless_elsewhere(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """Of two plans over one base the second to be published is refused where it touches what the first changed."""
    first, same = approved(planner, approver), made(planner)
    do(planner, same, "describe", grid="339901001006011", name="改名")
    far = made(planner)
    do(planner, far, "describe", grid="339901001001001", name="改名")
    published(town_copy, planner, approver, first, EFFECTIVE)
    answer = planner.post(f"/plans/{same}/submit")
    assert answer.status_code == 409
    assert answer.json()["told"][0]["kind"] == "base-moved-on"
    assert answer.json()["told"][0]["lon"] is not None
    assert planner.post(f"/plans/{far}/submit").status_code == 200


def test_a_code_is_never_given_again(town_copy: Database, planner: TestClient, approver: TestClient) -> None:
    """The code of a grid that ended is refused for another one, in a new plan, too."""
    published(town_copy, planner, approver, approved(planner, approver), EFFECTIVE)
    plan = made(planner, at="2025-03-10T08:00:00+08:00")
    assert refused(planner, plan, "renumber", grid="339901001006007", code="339901001006006") == "code-used-before"


LISTS = ("grids", "handings", "cells", "addresses", "incidents", "places", "officers", "assignments", "shifts", "rules",
         "overrides")  # fmt: skip


def listed(client: TestClient, plan: str, what: str) -> list[Any]:
    """Return all rows of what a plan affects."""
    answer = client.get(f"/plans/{plan}/difference", params={"what": what, "at": AT, "limit": 1000})
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["items"])
    items: list[Any] = answer.json()["items"]
    return items


def test_who_and_what_is_affected_is_listed(planner: TestClient, town_copy: Database) -> None:
    """Addresses that lie in what changes hands, the people of the grids, their shifts; and whose they become."""
    plan = made(planner)
    shapes = cells(planner)
    code = split_a_cell(planner, plan)
    other = neighbours(shapes, code)[0]
    do(planner, plan, "merge", grids=[code, other], into=code)
    changes = {one["code"]: one["change"] for one in listed(planner, plan, "grids") if one["layer"] == "governance"}
    assert changes.items() >= {(code, "reshaped"), (other, "ended"), ("339901001006900", "new")}
    with town_copy.read() as session:
        inside = text(
            """SELECT code FROM address WHERE ST_Contains(ST_GeomFromText(:shape, 4490), point) ORDER BY code"""
        )
        gone = list(session.scalars(inside, {"shape": shapes[other].wkt}))
    moved = [one for one in listed(planner, plan, "addresses") if one["from_grid"] == other]
    assert [one["what"]["code"] for one in moved if one["to_grid"] == code] == gone
    hands = {(one["from_grid"], one["to_grid"]): one for one in listed(planner, plan, "handings")}
    assert hands[other, code]["held"]["addresses"] == len(gone)
    assert hands[code, "339901001006900"]["area_m2"] > 1000
    heirs = {one["grid"]: one["heir"] for one in listed(planner, plan, "assignments")}
    assert heirs[other] == code
    assert heirs[code] is None
    shifts = [one for one in listed(planner, plan, "shifts") if one["grid"] == other]
    assert shifts
    assert {one["heir"] for one in shifts} == {code}
    officer = next(
        one["what"]["officer"]["number"] for one in listed(planner, plan, "assignments") if one["grid"] == other
    )
    gives = [one for one in listed(planner, plan, "officers") if one["officer"] == officer and one["grid"] == other]
    assert [(one["direction"], one["other_grid"]) for one in gives] == [("gives", code)]


def test_cells_that_change_police_grids_are_listed(planner: TestClient) -> None:
    """With the grid they leave and the one they come to."""
    plan = made(planner)
    shapes, police = cells(planner), cells(planner, "police")
    first = min(police)
    second = neighbours(police, first)[0]
    cell = next(code for code, one in shapes.items() if police[second].contains(one.representative_point()))
    do(planner, plan, "assign", layer="police", to=first, cells=[cell])
    (told,) = listed(planner, plan, "cells")
    assert (told["what"]["code"], told["from_grid"], told["to_grid"]) == (cell, second, first)


def test_all_that_is_affected_is_a_workbook_of_one_sheet_each(planner: TestClient, tmp_path: Path) -> None:
    """The sheets hold the rows of the lists."""
    plan = made(planner)
    split_a_cell(planner, plan)
    answer = planner.get(f"/plans/{plan}/difference/file", params={"at": AT})
    assert answer.status_code == 200
    (tmp_path / "plan.xlsx").write_bytes(answer.content)
    book = load_workbook(tmp_path / "plan.xlsx", read_only=True)
    counts = [sum(1 for _ in sheet.iter_rows()) - 1 for sheet in book.worksheets]
    assert counts == [len(listed(planner, plan, what)) for what in LISTS]


def test_a_plan_goes_on_from_what_is_in_force_by_now(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """Rebased, a plan elsewhere knows what others published; one of the same grids is told all three states."""
    first, same, far = approved(planner, approver), made(planner), made(planner)
    do(planner, same, "describe", grid="339901001006011", name="改名")
    do(planner, far, "describe", grid="339901001001001", name="改名")
    published(town_copy, planner, approver, first, EFFECTIVE)
    later = {"at": "2025-03-10T08:00:00+08:00"}
    answer = planner.post(f"/plans/{same}/rebase", json=later)
    assert answer.status_code == 409
    (told,) = answer.json()["told"]
    assert told["ancestor"]["name"] == told["theirs"]["name"] != told["ours"]["name"]
    assert told["theirs"]["shape"] != told["ancestor"]["shape"]
    assert planner.post(f"/plans/{far}/rebase", json=later).status_code == 200
    do(planner, far, "describe", grid="339901001006900", name="第一次改名")
    assert planner.post(f"/plans/{far}/submit").status_code == 200


def test_a_barrier_is_known_once_its_plan_is_published(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """It may be all that a plan does."""
    plan = made(planner)
    do(
        planner,
        plan,
        "barrier",
        code="B-1",
        barrier_kind="wall",
        name="墙",
        line=[[120.2701, 30.3], [120.2702, 30.301]],
    )
    assert planner.post(f"/plans/{plan}/submit").status_code == 200
    body = {"document_number": "12", "correction": CORRECTION}
    assert approver.post(f"/plans/{plan}/approve", json=body).status_code == 200
    published(town_copy, planner, approver, plan, EFFECTIVE)
    with town_copy.read() as session:
        assert session.scalar(text("SELECT kind FROM barrier WHERE code = 'B-1'")) == "wall"


def test_what_a_plan_adds_and_may_be_meant_is_acknowledged(planner: TestClient, approver: TestClient) -> None:
    """A name given twice in a unit, a code of another unit: told with the place, and approved only by its key."""
    plan = made(planner)
    code = "339901001006011"
    other = planner.get("/grids/governance/339901001006006", params={"at": AT}).json()["properties"]["name"]
    do(planner, plan, "describe", grid=code, name=other)
    do(planner, plan, "split", grid=code, line=across(cells(planner)[code]), code="339909001006900", name="新")
    assert planner.post(f"/plans/{plan}/submit").status_code == 200
    told = approver.get(f"/plans/{plan}/review").json()["findings"]
    assert {one["kind"] for one in told} == {"name-twice", "code-of-another-unit", "nobody"}
    assert all(one["lon"] for one in told)
    refusal = approver.post(f"/plans/{plan}/approve", json={"document_number": "1"})
    assert refusal.status_code == 409
    assert {one["key"] for one in refusal.json()["told"]} == {one["key"] for one in told}
    body = {"document_number": "1", "acknowledge": [one["key"] for one in told]}
    assert approver.post(f"/plans/{plan}/approve", json=body).status_code == 200


def test_a_plan_over_what_is_scheduled_is_handed_in(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """What others publish for a later day can be gone on from, and taken back, before that day."""
    first = approved(planner, approver)
    later = now() + timedelta(days=3)
    assert published(town_copy, planner, approver, first, later)["state"] == "scheduled"
    plan = made(planner, at=(later + timedelta(hours=1)).isoformat())
    do(planner, plan, "describe", grid="339901001006900", name="改名")
    assert planner.post(f"/plans/{plan}/submit").status_code == 200
    back = planner.post(f"/plans/{first}/revert", json={"name": "撤回"}).json()["id"]
    assert planner.post(f"/plans/{back}/submit").status_code == 200


def test_what_was_known_before_a_correction_stays_known(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """A correction of the past changes what is known from now on: as known before it, the past reads as it did."""
    after = "2025-03-10T08:00:00+08:00"
    before, known_at = cells(planner, "governance", after), now().isoformat()
    published(town_copy, planner, approver, approved(planner, approver), EFFECTIVE)
    assert cells(planner, "governance", after) != before
    asked = {"at": after, "known_at": known_at, "limit": 1000}
    features = planner.get("/grids/governance", params=asked).json()["features"]
    assert {one["properties"]["code"]: shape(one["geometry"]) for one in features} == before


def test_a_queued_publication_is_of_what_was_approved(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """Returned, changed and approved anew, a plan is not brought into force by what was asked for before."""
    plan = approved(planner, approver)
    queued = approver.post(f"/plans/{plan}/publish", json={"effective": EFFECTIVE.isoformat()}).headers["location"]
    approver.post(f"/plans/{plan}/return", json={"reason": "再议"})
    do(planner, plan, "describe", grid="339901001001001", name="改名")
    planner.post(f"/plans/{plan}/submit")
    body = {"document_number": "13", "acknowledge": acknowledged(approver, plan), "correction": CORRECTION}
    assert approver.post(f"/plans/{plan}/approve", json=body).status_code == 200
    while jobs.run_next(town_copy, HANDLERS, clock=now) is not None:
        pass
    assert approver.get(queued).json()["state"] == "failed"
    assert planner.get(f"/plans/{plan}").json()["state"] == "approved"


def test_look_ups_do_not_wait_for_a_publication(town_copy: Database, planner: TestClient, approver: TestClient) -> None:
    """While a publication holds its locks, places are looked up, now and at other instants, with the same answers."""
    plan = approved(planner, approver)
    asked = {"lon": 120.27, "lat": 30.30, "at": AT}
    before = planner.get("/lookup", params=asked).json()["layers"]
    with town_copy.trial() as session:
        publish(session, APPROVER, UUID(plan), EFFECTIVE, now=now())
        assert planner.get("/lookup", params=asked).json()["layers"] == before
        assert planner.get("/lookup", params={"lon": 120.27, "lat": 30.30}).status_code == 200


def test_published_and_taken_back_every_place_is_whose_it_was(
    town_copy: Database, planner: TestClient, approver: TestClient
) -> None:
    """Places all over the town, asked in one batch: before, and after both publications."""
    west, south, east, north = shapely.total_bounds(list(cells(planner).values()))
    rng = random.Random(5)
    rows = [{"lon": rng.uniform(west, east), "lat": rng.uniform(south, north)} for _ in range(300)]
    later = now() + timedelta(hours=1)

    def owners() -> Any:
        answer = planner.post("/lookup/batch", params={"at": later.isoformat()}, json=rows)
        assert answer.status_code == 200, answer.text
        return answer.json()

    plan = approved(planner, approver)
    before = owners()
    published(town_copy, planner, approver, plan, EFFECTIVE)
    assert owners() != before
    back = planner.post(f"/plans/{plan}/revert", json={"name": "撤回"}).json()["id"]
    planner.post(f"/plans/{back}/submit")
    told = approver.get(f"/plans/{back}/review").json()["findings"]
    body = {"document_number": "13", "acknowledge": [one["key"] for one in told]}
    assert approver.post(f"/plans/{back}/approve", json=body).status_code == 200
    published(town_copy, planner, approver, back, later)
    assert owners() == before


def test_a_plan_is_a_page_with_both_states_and_a_list(planner: TestClient) -> None:
    """It asks nobody for anything, and names what changes hands."""
    plan = made(planner)
    split_a_cell(planner, plan)
    answer = planner.get("/maps/plan", params={"plan_id": plan, "lang": "zh-CN"})
    assert answer.status_code == 200
    for words in ("调整前", "调整后", "339901001006900", "新建", "边界改变"):
        assert words in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
