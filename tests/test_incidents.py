"""Taking in events: told once or often, one or many, right or wrong; and reading them back."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from spatial.db import Database, open_version
from spatial.incidents.rules import freshness, oldest_kept
from spatial.settings import Settings
from spatial.tables import Category, CategoryAlias, Source
from spatial.time import now
from tests.build import T0, World, build, cell, middle
from tests.conftest import ClientAs
from tests.test_cli import run

AT = "2025-03-03T08:30:00+08:00"
DAY = {"start": "2025-03-03T00:00:00+08:00", "end": "2025-03-04T00:00:00+08:00"}
PLACE = dict(zip(("lon", "lat"), middle(0, 0), strict=True))
TITLE = {"zh-CN": "x", "en": "x"}


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Return two police grids side by side, the sources 110 and 12345, and theft with bicycle theft below it."""

    def fill(world: World) -> None:
        world.deployment()
        layer = world.layer("police")
        for column, code in enumerate("AB"):
            world.grid(layer, code, cell(column, 0), valid=None)
        matter = {"title": TITLE, "police_matter": True, "priority": 2, "handling_minutes": 30}
        theft = world._add(Category, code="theft", **matter)
        bicycle = world._add(Category, code="bicycle", parent_id=theft, **matter)
        world._add(Category, code="noise", **{**matter, "police_matter": False})
        world._add(Source, code="110", title=TITLE, expected_interval=timedelta(hours=1))
        hotline = world._add(Source, code="12345", title=TITLE)
        world.session.execute(insert(CategoryAlias).values(source_id=hotline, code="0407", category_id=bicycle))

    build(empty_database, fill)
    return empty_database


@pytest.fixture
def client(database: Database, client_as: ClientAs) -> TestClient:
    """Return a dispatcher's client."""
    return client_as(with_people(database))


def with_people(database: Database) -> Database:
    """Admit the demo's principals."""
    import fixtures

    fixtures.admit(database)
    return database


def event(**more: Any) -> dict[str, Any]:
    """Return an event as a source tells it."""
    return {"source": "110", "external_id": "1", "category": "theft", "reported_at": AT, **PLACE, **more}


def told_faults(reply: Any) -> set[tuple[str, str]]:
    """Return place and kind of the faults in an answer."""
    assert reply.status_code == 400, reply.text
    return {(fault["where"], fault["fault"]) for fault in reply.json()["faults"]}


def count(database: Database, table: str) -> int:
    """Return how many rows a table has."""
    with database.read() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def test_an_event_is_new_once_then_the_same_then_changed(client: TestClient, database: Database) -> None:
    """Telling an event again writes nothing; telling it better gives it a version, and the older one is kept."""
    first = client.post("/incidents", json=event(masked_text="车棚内", precision_m=20))
    again = client.post("/incidents", json=event(masked_text="车棚内", precision_m=20))
    assert (first.status_code, first.json()["outcome"]) == (201, "new")
    assert (first.json()["grids"], first.json()["notes"]) == ({"police": "A"}, [])
    assert (again.status_code, again.json()["outcome"]) == (200, "same")
    assert count(database, "incident") == count(database, "audit WHERE action = 'incidents.take'") == 1
    then = now()
    better = client.post("/incidents", json=event(masked_text="车棚外", arrived_at="2025-03-03T08:40:00+08:00"))
    assert (better.status_code, better.json()["outcome"]) == (200, "changed")
    known = client.get("/incidents/110/1", params={"known_at": then.isoformat()}).json()["properties"]
    assert (known["masked_text"], known["precision_m"], known["arrived_at"]) == ("车棚内", 20, None)
    assert client.get("/incidents/110/1").json()["properties"]["precision_m"] is None, "an event is told whole"
    versions = [one["properties"] for one in client.get("/incidents/110/1/versions").json()["features"]]
    assert [one["masked_text"] for one in versions] == ["车棚内", "车棚外"]
    assert versions[0]["known"]["end"] == versions[1]["known"]["start"]


def test_an_event_may_move_to_another_month(client: TestClient) -> None:
    """A correction of the time moves an event, and it is there once."""
    client.post("/incidents", json=event())
    assert client.post("/incidents", json=event(reported_at="2025-04-03T08:30:00+08:00")).json()["outcome"] == "changed"
    assert client.get("/incidents", params=DAY).json()["features"] == []
    assert client.get("/incidents/110/1").json()["properties"]["reported_at"] == "2025-04-03T00:30:00Z"


def test_what_is_read_is_what_was_told(client: TestClient) -> None:
    """Place, interval, precision and times come back as they were told; a number may have slashes."""
    between = ["2025-03-02T22:00:00+08:00", "2025-03-03T07:30:00+08:00"]
    told = client.post("/incidents", json=event(external_id="a/b 号?", between=between, precision_m=15.5))
    found = client.get(told.headers["location"]).json()
    assert found["id"] == "110/a/b 号?"
    assert found["geometry"]["coordinates"] == [round(PLACE["lon"], 9), round(PLACE["lat"], 9)]
    assert found["properties"]["between"] == {"start": "2025-03-02T14:00:00Z", "end": "2025-03-02T23:30:00Z"}
    assert found["properties"]["precision_m"] == 15.5


def test_all_faults_of_a_batch_are_told_at_once_and_nothing_is_written(client: TestClient, database: Database) -> None:
    """Wrong fields, unknown codes, impossible places and personal data, each with its event; the good ones wait."""
    batch = [
        event(),
        event(external_id="2", reported_at="2025-03-03T08:30:00", lon=999),
        event(external_id="3", category="arson", source="110"),
        event(external_id="4", source="nowhere"),
        event(external_id="5", masked_text="报警人电话13800001234"),
        event(external_id="6", dispatched_at="2025-03-03T09:00:00+08:00", closed_at="2025-03-03T08:59:00+08:00"),
        event(external_id="7", between=[AT, AT], phone="1"),
        event(external_id="8", reported_at="2099-01-01T00:00:00Z", precision_m=-1),
        event(external_id="9", reported_at="1900-01-01T00:00:00Z"),
        {"external_id": "10"},
        7,
    ]
    assert told_faults(client.post("/incidents/batch", json=batch)) == {
        ("body.1.reported_at", "time-without-offset"),
        ("body.1.lon", "longitude-out-of-range"),
        ("body.2.category", "unknown-category"),
        ("body.3.source", "unknown-source"),
        ("body.4.masked_text", "personal-data-in-text"),
        ("body.5.closed_at", "steps-out-of-order"),
        ("body.6.phone", "unknown-field"),
        ("body.7.reported_at", "reported-in-future"),
        ("body.7.precision_m", "number-out-of-range"),
        ("body.8.reported_at", "reported-too-early"),
        ("body.9.category", "missing"),
        ("body.9.reported_at", "missing"),
        ("body.9.lon", "missing"),
        ("body.9.lat", "missing"),
        ("body.10.", "malformed"),
    }
    assert count(database, "incident") == 0
    taken = client.post("/incidents/batch", params={"partial": "true"}, json=batch).json()
    assert taken["counts"] == {"new": 1, "refused": 10}
    assert taken["items"][4]["faults"][0]["fault"] == "personal-data-in-text"
    assert count(database, "incident") == 1


def test_who_tells_while_a_large_file_is_written_is_to_tell_it_again(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says when to try again, events are read meanwhile, and nothing is lost."""
    monkeypatch.setattr("spatial.incidents.service.WAITS", "50ms")
    with database.trial() as writing:
        open_version(writing, "incidents")
        reply = client.post("/incidents", json=event())
        assert (reply.status_code, "retry-after" in reply.headers) == (503, True)
        assert client.get("/incidents", params=DAY).status_code == 200
    assert client.post("/incidents", json=event()).status_code == 201


def test_a_batch_may_come_line_by_line_and_twice(client: TestClient, database: Database) -> None:
    """Events on lines of their own, of the source of the request; sent again after a lost answer, all are the same."""
    lines = "\n".join(json.dumps({**event(external_id=str(n)), "source": None}) for n in range(50))
    reply, again = (
        client.post(
            "/incidents/batch",
            params={"source": "12345"},
            content=lines.replace('"theft"', '"0407"'),
            headers={"Content-Type": "application/x-ndjson"},
        )
        for _ in range(2)
    )
    assert (reply.json()["counts"], again.json()["counts"]) == ({"new": 50}, {"same": 50})
    assert client.get("/incidents/12345/7").json()["properties"]["category"] == "bicycle", "their 0407 is our bicycle"
    assert count(database, "incident") == count(database, "incident_key") == 50


def test_of_one_event_told_twice_in_a_batch_the_last_counts(client: TestClient) -> None:
    """A feed that sends each step of an event ends with the last step."""
    steps = [event(masked_text="one"), event(external_id="2"), event(masked_text="two")]
    items = client.post("/incidents/batch", json=steps).json()["items"]
    assert [item["outcome"] for item in items] == ["superseded", "new", "new"]
    assert client.get("/incidents/110/1").json()["properties"]["masked_text"] == "two"


def test_a_place_in_no_grid_is_taken_in_with_a_note(client: TestClient) -> None:
    """A place beside the grids, and one on another continent, are told as such; the system is that of the request."""
    beside, far = dict(zip(("lon", "lat"), middle(0, 5), strict=True)), {"lon": 0.0, "lat": 0.0}
    batch = [event(external_id="1", **beside), event(external_id="2", **far)]
    items = client.post("/incidents/batch", json=batch).json()["items"]
    assert [[note["note"] for note in item["notes"]] for item in items] == [["outside-grids"], ["far-away"]]
    moved = client.post("/incidents", params={"crs": "gcj02"}, json=event(external_id="3")).json()
    assert moved["notes"][0]["note"] == "outside-grids", "GCJ-02 lies half a kilometre off"
    assert told_faults(client.post("/incidents", params={"crs": "local"}, json=event())) == {("crs", "unknown-crs")}


@pytest.mark.parametrize("role", ["viewer", "planner", "analyst"])
def test_who_may_not_tell_is_refused(database: Database, client_as: ClientAs, role: str) -> None:
    """Events are told by dispatchers, duty officers and the systems that administrators connect."""
    assert client_as(with_people(database), role).post("/incidents", json=event()).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" + b" " * 2**24 + b"]", "application/json", 413),
        (b"{}", "application/json", 400),
        (b"[{", "application/json", 400),
        (b"a,b", "text/csv", 415),
        (json.dumps([{}] * 10_001).encode(), "application/json", 400),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client: TestClient, body: bytes, kind: str, status: int) -> None:
    """Too large, no list, no JSON, another kind, too many."""
    reply = client.post("/incidents/batch", content=body, headers={"Content-Type": kind})
    assert reply.status_code == status, reply.text


def test_events_are_found_by_what_where_and_when(client: TestClient) -> None:
    """By source, by a category with all below it, by box and by the grid that owns the place."""
    east, border = dict(zip(("lon", "lat"), middle(1, 0), strict=True)), {**PLACE, "lon": middle(0.5, 0)[0]}
    batch = [
        event(external_id="west"),
        event(external_id="east", category="bicycle", **east),
        event(external_id="loud", category="noise", source="12345"),
        event(external_id="border", category="noise", **border),
    ]
    assert client.post("/incidents/batch", json=batch).status_code == 200

    def names(**wanted: str) -> set[str]:
        rows = client.get("/incidents", params={**DAY, **wanted}).json()["features"]
        return {row["properties"]["external_id"] for row in rows}

    assert names(category="theft") == {"west", "east"}
    assert names(source="12345") == {"loud"}
    assert names(grid="police/B") == {"east"}
    assert names(grid="police/A") == {"west", "loud", "border"}, "on a border the smallest code owns"
    west = PLACE["lon"]
    assert names(bbox=f"{west - 1e-4},30,{west + 1e-4},31") == {"west", "loud"}
    for wrong in ({"bbox": "1,2,3"}, {"bbox": "2,1,1,2"}, {"grid": "A"}):
        assert client.get("/incidents", params={**DAY, **wrong}).status_code == 400


def test_a_source_that_is_heard_is_fresh(client: TestClient) -> None:
    """A source counts as heard with each batch, even one without events or with nothing new."""
    assert {one["code"]: one["state"] for one in client.get("/sources").json()["items"]} == {
        "110": "never",
        "12345": "never",
    }
    client.post("/incidents/batch", params={"source": "110"}, json=[])
    client.post("/incidents", json=event(source="12345", category="theft"))
    found = {one["code"]: one for one in client.get("/sources", params={"state": "fresh"}).json()["items"]}
    assert found.keys() == {"110", "12345"}
    assert found["110"]["overdue_s"] == 0
    reply = client.post("/incidents/batch", params={"source": "none"}, json=[])
    assert told_faults(reply) == {("source", "unknown-source")}


STEPS = st.tuples(st.sampled_from("ab"), st.sampled_from(["theft", "noise"]), st.integers(0, 2), st.integers(0, 60))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(STEPS, max_size=4), max_size=4))
def test_however_it_is_told_the_last_word_stands_and_history_grows_by_changes_only(
    client: TestClient, batches: list[list[Any]]
) -> None:
    """Batches of any events in any order: current is what was told last; versions are told changes, none twice."""
    run_id = uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))  # no digits: none reads as a phone
    told: dict[str, list[Any]] = {}
    for batch in batches:
        events = []
        for name, category, east, days in batch:
            at = (T0 + timedelta(days=days)).isoformat()
            place = {"lon": middle(east, 0)[0], "category": category, "reported_at": at}
            events.append(event(external_id=f"{run_id}{name}", **place))
        reply = client.post("/incidents/batch", json=events)
        assert reply.status_code == 200, reply.text
        for one in {one["external_id"]: one for one in events}.values():  # the last of each
            kept = told.setdefault(one["external_id"], [])
            if not kept or kept[-1] != one:
                kept.append(one)
    for name, versions in told.items():
        found = client.get(f"/incidents/110/{name}/versions").json()["features"]
        shown = [(one["properties"]["category"], one["geometry"]["coordinates"][0]) for one in found]
        assert shown == [(one["category"], round(one["lon"], 9)) for one in versions]
        assert [one["properties"]["known"]["end"] is None for one in found] == [False] * (len(found) - 1) + [True]


def test_what_a_source_calls_our_categories_is_replaced_as_a_whole(database: Database, client_as: ClientAs) -> None:
    """An administrator maps a source's codes; what was taken in stays, and codes of categories we lack are faults."""
    admin = client_as(with_people(database), "system_admin")
    dispatcher = client_as(database, "dispatcher")
    path = "/sources/12345/categories"
    assert admin.get(path).json() == {"0407": "bicycle"}
    dispatcher.post("/incidents", json=event(source="12345", category="0407"))
    assert told_faults(admin.put(path, json={"01": "theft", "02": "arson"})) == {("body.02", "category-not-known")}
    assert admin.put(path, json={"theft": "noise"}).json() == {"theft": "noise"}
    assert dispatcher.get("/incidents/12345/1").json()["properties"]["category"] == "bicycle"
    reply = dispatcher.post("/incidents", json=event(source="12345", category="0407"))
    assert told_faults(reply) == {("body.category", "unknown-category")}
    dispatcher.post("/incidents", json=event(source="12345", external_id="2", category="theft"))
    assert dispatcher.get("/incidents/12345/2").json()["properties"]["category"] == "noise", "theirs goes before ours"
    assert admin.put("/sources/none/categories", json={}).status_code == 404
    assert dispatcher.put(path, json={}).status_code == 403


def test_the_command_line_says_which_sources_are_silent(client: TestClient, database: Database) -> None:
    """The verb prints what the service answers, and for people a table."""
    url = {"TWINGRID_DATABASE_URL": database.engine.url.render_as_string(hide_password=False)}
    client.post("/incidents", json=event())
    told = json.loads(run("sources", "--json", "--lang", "en", **url).stdout)
    assert [one["state"] for one in told["items"]] == ["fresh", "never"]
    assert "从未接收" in run("sources", "--lang", "zh-CN", **url).stdout


@given(st.integers(0, 10_000), st.integers(1, 3_000))
def test_a_source_is_late_then_silent(age_min: int, interval_min: int) -> None:
    """What is overdue is what is beyond the expected interval; a source is fresh just when nothing is."""
    age, interval = timedelta(minutes=age_min), timedelta(minutes=interval_min)
    found = freshness(T0 - age, interval, T0)
    assert (found.state == "fresh") == (found.overdue == timedelta()) == (age <= interval)
    assert (found.state == "silent") == (age > 3 * interval)
    assert freshness(T0 - age, None, T0).state == "fresh"


def test_what_is_kept_begins_with_a_local_day() -> None:
    """The retention counts local days; zero keeps everything."""
    zone = Settings().zone
    kept = oldest_kept(T0, 30, zone)
    assert kept is not None
    assert kept.astimezone(zone).isoformat() == "2025-02-01T00:00:00+08:00"
    assert oldest_kept(T0, 0, zone) is None
