"""Many places at once: as each alone, in their order and format; and who changes hands between two instants."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from api.app import create_app
from spatial import access
from spatial.db import Database, open_version
from spatial.history import cut
from spatial.settings import Settings
from spatial.tables import GridVersion
from spatial.time import now, since
from tests.access_world import Precinct
from tests.build import HOUR, build, cell, middle
from tests.test_lookup_receipts import asking, client

__all__ = ["client"]
LINES = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def places(count: int) -> list[dict[str, Any]]:
    """Return places about the precinct, each with a number."""
    dice = Random(5)
    return [
        {
            "id": n,
            "lon": round(middle(dice.uniform(-1, 10), 0)[0], 7),
            "lat": round(middle(0, dice.uniform(-1, 2))[1], 7),
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("who", ["dispatcher-whole", "viewer-unit"])
@pytest.mark.parametrize("days", [0, 20])
def test_each_row_is_told_as_alone(precinct: Precinct, client: TestClient, who: str, days: int) -> None:
    """For the present, out of memory, and for another day, out of the database; as far as whoever asks sees."""
    at = (now() + timedelta(days=days)).isoformat()
    rows = places(60)
    headers = asking(precinct, who)
    said = client.post("/lookup/batch", params={"at": at}, json=rows, headers=headers)
    assert said.status_code == 200, said.text
    assert [one["id"] for one in said.json()] == [one["id"] for one in rows]
    for row in said.json():
        alone = client.get("/lookup", params={"lon": row["lon"], "lat": row["lat"], "at": at}, headers=headers).json()
        for layer in alone["layers"]:
            grid = layer["grid"]["code"] if layer["grid"] else None
            assert (row[f"{layer['layer']}_grid"], row[f"{layer['layer']}_status"]) == (grid, layer["status"]), row


def test_rows_keep_their_format_and_order(precinct: Precinct, client: TestClient) -> None:
    """A list is a list, lines are lines, CSV is CSV; other columns pass as they are."""
    rows = places(20)
    headers = asking(precinct)
    listed = client.post("/lookup/batch", json=rows, headers=headers).json()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    as_lines = client.post("/lookup/batch", content=lines, headers=headers | LINES)
    assert as_lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in as_lines.text.splitlines()] == listed
    text = "id,lon,lat,note\n" + "".join(f'{row["id"]},{row["lon"]},{row["lat"]},"a, b"\n' for row in rows)
    as_csv = client.post("/lookup/batch", content=text, headers=headers | CSV)
    found = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(one["id"], one["note"], one["police_grid"] or None) for one in found] == [
        (str(one["id"]), "a, b", one["police_grid"]) for one in listed
    ]


def test_one_bad_row_among_a_million(precinct: Precinct, client: TestClient) -> None:
    """It is named and nothing is sent; or left out; or flagged, and all others are answered for."""
    count, bad = 1_000_000, 654_321
    text = "lon,lat\n" + "120.2705,30.3005\n" * (bad - 1) + "x,30.3\n" + "120.2705,30.3005\n" * (count - bad)
    headers = asking(precinct) | CSV
    refused = client.post("/lookup/batch", content=text, headers=headers)
    assert refused.status_code == 400
    assert [one["where"] for one in refused.json()["faults"]] == [f"row {bad + 1}, column lon"]
    flagged = client.post("/lookup/batch", params={"on_invalid": "flag"}, content=text, headers=headers)
    lines = flagged.text.splitlines()
    assert len(lines) == count + 1
    assert lines[bad].startswith("x,30.3,")
    assert "cell-not-a-number" in lines[bad]
    assert "police" not in lines[bad + 1]
    assert ",A," in lines[bad + 1]
    left_out = client.post("/lookup/batch", params={"on_invalid": "skip"}, content=text, headers=headers)
    assert len(left_out.text.splitlines()) == count


@pytest.mark.parametrize(
    ("content", "kind", "params", "status", "where"),
    [
        ("[]", "application/json", {}, 200, None),
        ("", "text/csv", {}, 400, "body"),
        ("{}", "application/json", {}, 400, "body"),
        ("[1]", "application/json", {}, 400, "row 1"),
        ('[{"lon": 120, "lat": 30}, 1]', "application/json", {"on_invalid": "flag"}, 400, "row 2"),
        ("not json", "application/json", {}, 400, "body"),
        ('[{"lon": 120}]', "application/json", {}, 400, "y"),
        ('[{"lon": 120, "lat": 30}]', "application/json", {"layer": "nowhere"}, 404, None),
        ('[{"lon": 120, "lat": 30}]', "application/json", {"column": "colour"}, 400, "column"),
        ('[{"lon": 120, "lat": 30}]', "application/json", {"on_invalid": "perhaps"}, 400, "on_invalid"),
        ('[{"lon": 30, "lat": 120}]', "application/json", {}, 400, "row 1, column lat"),
        ("<places/>", "application/xml", {}, 415, None),
    ],
)
def test_what_is_no_batch_is_refused(
    precinct: Precinct,
    client: TestClient,
    content: str,
    kind: str,
    params: dict[str, str],
    status: int,
    where: str | None,
) -> None:
    """With what is at fault."""
    headers = asking(precinct) | {"Content-Type": kind}
    said = client.post("/lookup/batch", content=content, params=params, headers=headers)
    assert said.status_code == status, said.text
    assert where is None or where in {one["where"] for one in said.json()["faults"]}, said.text


def test_an_empty_deployment_has_nothing_to_add(
    empty_database: Database, client_as: Callable[[Database, str], TestClient]
) -> None:
    """And says so."""
    operator, present = access.operator("test"), now()
    with empty_database.write() as session:
        access.add_principal(session, operator, "city", {"zh-CN": "市", "en": "city"}, "viewer", now=present)
    with empty_database.write() as session:
        token = access.issue_token(session, operator, "city", "t", now=present, expires=present + HOUR)
    headers = {"Authorization": f"Bearer {token}"}
    said = client_as(empty_database, "viewer").post(
        "/lookup/batch", json=[{"lon": 120.0, "lat": 30.0}], headers=headers
    )
    assert (said.status_code, {one["where"] for one in said.json()["faults"]}) == (400, {"layer"}), said.text


def test_who_changes_hands_is_told(precinct: Precinct, client: TestClient) -> None:
    """Of a grid that is renamed the rows differ, of all others they do not; or those alone are sent."""
    ids, at = precinct.ids, now() + timedelta(days=9)

    def redraw(world: Any) -> None:
        held = world.session.scalars(select(GridVersion.id).where(GridVersion.grid_id == ids["A"])).all()
        cut(world.session, GridVersion, held, since(at), open_version(world.session, "areas"))
        world.version(ids["A"], ids["police"], "A2", cell(0, 0), ids["S2"], valid=since(at))

    build(precinct.database, redraw)
    rows = [{"id": n, **dict(zip(("lon", "lat"), middle(n, 0), strict=True))} for n in range(4)]
    instants = {"at": [(at - timedelta(minutes=5)).isoformat(), (at + HOUR).isoformat()]}
    asked = {**instants, "layer": "police", "column": ["grid", "unit"]}
    said = client.post("/lookup/diff", params=asked, json=rows, headers=asking(precinct)).json()
    assert [one["police_changes"] for one in said] == [True, False, False, False]
    assert (said[0]["before_police_grid"], said[0]["after_police_grid"]) == ("A", "A2")
    assert (said[0]["before_police_unit"], said[0]["after_police_unit"]) == ("S1", "S2")
    only = client.post("/lookup/diff", params={**asked, "only_changed": "true"}, json=rows, headers=asking(precinct))
    assert [one["id"] for one in only.json()] == [0]


@pytest.mark.parametrize("at", [[], ["2025-01-01T00:00:00Z"], ["x", "y"], ["2025-01-01T00:00:00Z"] * 3])
def test_two_instants_are_needed(precinct: Precinct, client: TestClient, at: list[str]) -> None:
    """No fewer and no more, and both are times."""
    said = client.post("/lookup/diff", params={"at": at}, json=[{"lon": 120, "lat": 30}], headers=asking(precinct))
    assert (said.status_code, {one["where"] for one in said.json()["faults"]}) == (400, {"at"}), said.text


@pytest.fixture
def away(precinct: Precinct, tmp_path: Any) -> Iterator[TestClient]:
    """Yield a client of a service that has never seen its database."""
    served = precinct.database.as_login("twingrid_api")
    yield TestClient(create_app(served, Settings(language="en", data_dir=tmp_path)))
    served.engine.dispose()


def test_without_memory_the_database_is_asked(precinct: Precinct, away: TestClient) -> None:
    """A service that holds nothing yet answers batches all the same."""
    said = away.post("/lookup/batch", json=places(3), headers=asking(precinct))
    assert (said.status_code, len(said.json())) == (200, 3)
