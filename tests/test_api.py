"""The HTTP interface: answers, pages of lists, and a clear problem for every bad input."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, func, select

from api.worker import HANDLERS
from spatial import access, jobs
from spatial.audit.intake import take_showings
from spatial.db import Database, versions
from spatial.tables import Audit
from spatial.time import now
from tests.build import T0, World, build

AT = "2025-03-05T10:00:00+08:00"
Maker = Callable[..., TestClient]

BAD_LOOKUPS = [
    ({"lon": "30.30", "lat": "120.27"}, "lat", "latitude-swapped"),
    ({"lon": "nan", "lat": "30.30"}, "lon", "not-finite"),
    ({"lon": "120.27", "lat": "inf"}, "lat", "not-finite"),
    ({"lon": "-Infinity", "lat": "30.30"}, "lon", "not-finite"),
    ({"lon": "181", "lat": "30.30"}, "lon", "longitude-out-of-range"),
    ({"lon": "120.27", "lat": "-91"}, "lat", "latitude-out-of-range"),
    ({"lon": "east", "lat": "30.30"}, "lon", "not-a-number"),
    ({"lat": "30.30"}, "lon", "missing"),
    ({"lon": "120.27", "lat": "30.30", "crs": "EPSG:999999"}, "crs", "unknown-crs"),
    ({"lon": "120.27", "lat": "30.30", "crs": "Mars 2000"}, "crs", "crs-without-way"),
    ({"lon": "120.27", "lat": "30.30", "at": "2025-03-05T10:00:00"}, "at", "time-without-offset"),
    ({"lon": "120.27", "lat": "30.30", "at": "2025-02-30T10:00:00Z"}, "at", "not-a-time"),
    ({"lon": "120.27", "lat": "30.30", "at": "yesterday"}, "at", "not-a-time"),
    ({"lon": "120.27", "lat": "30.30", "at": "9999-12-31T23:59:59Z"}, "at", "time-out-of-range"),
    ({"lon": "120.27", "lat": "30.30", "known_at": "2199-01-01T00:00:00Z"}, "known_at", "known-at-in-future"),
    ({"lon": "120.27", "lat": "30.30", "accuracy_m": "-1"}, "accuracy_m", "number-out-of-range"),
    ({"lon": "120.27", "lat": "30.30", "accuracy_m": "1e9"}, "accuracy_m", "number-out-of-range"),
    ({"lon": "120.27", "lat": "30.30", "lang": "fr"}, "lang", "unknown-language"),
    ({"lon": "120.27", "lat": "30.30", "tine": AT}, "tine", "unknown-parameter"),
]
SQL = ["'; DROP TABLE grid; --", "1 OR 1=1", "%27%20UNION%20SELECT%20*%20FROM%20token--", "\\", "𠀀'\"", "a" * 90]


@pytest.fixture
def client(town: Database, client_as: Maker) -> TestClient:
    """Return a dispatcher of the town."""
    return client_as(town, "dispatcher")


def place_in(client: TestClient, layer: str = "police", index: int = 0) -> tuple[float, float]:
    """Return a vertex's neighbourhood inside a grid: a point that the grid surely holds."""
    from shapely.geometry import shape

    feature = client.get(f"/grids/{layer}", params={"at": AT, "limit": 1000}).json()["features"][index]
    inside = shape(feature["geometry"]).representative_point()
    return inside.x, inside.y


def test_a_place_gives_grids_responsible_and_responders(client: TestClient) -> None:
    """Inside the town both layers answer with grid, unit chain, responsible officers and the chain of response."""
    lon, lat = place_in(client)
    body = client.get("/lookup", params={"lon": lon, "lat": lat, "at": AT}).json()
    by_layer = {one["layer"]: one for one in body["layers"]}
    assert set(by_layer) == {"police", "governance"}
    for one in by_layer.values():
        assert one["status"] == "owned"
        assert one["grid"]["code"]
        assert one["units"]
        assert one["chain"]
    assert [unit["kind"] for unit in by_layer["police"]["units"]] == ["station", "branch", "bureau"]
    kinds = [unit["kind"] for unit in by_layer["governance"]["units"]]
    assert kinds == ["community", "street", "district", "city"]
    assert body["next_change_at"] > AT[:10]
    assert body["versions"]["areas"] >= 1


def test_the_same_place_in_any_system_gives_the_same_answer(client: TestClient) -> None:
    """GCJ-02, Gauss–Krüger and CGCS2000 coordinates of one place lead to the same grids."""
    lon, lat = place_in(client, index=3)
    import numpy as np
    from pyproj import Transformer

    from spatial.shifted import to_gcj02

    ((gcj_lon, gcj_lat),) = to_gcj02(np.array([[lon, lat]]))
    x, y = Transformer.from_crs("EPSG:4490", "EPSG:4549", always_xy=True).transform(lon, lat)
    asked = [(lon, lat, "EPSG:4490"), (x, y, "EPSG:4549"), (gcj_lon, gcj_lat, "gcj02"), (lon, lat, "EPSG:4326")]
    found = []
    for first, second, crs in asked:
        body = client.get("/lookup", params={"lon": first, "lat": second, "crs": crs, "at": AT}).json()
        found.append([one["grid"]["code"] for one in body["layers"]])
    assert found == [found[0]] * len(found)


@pytest.mark.parametrize(("params", "where", "fault"), BAD_LOOKUPS)
@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_bad_input_is_a_problem_that_names_the_field(
    client: TestClient, params: dict[str, str], where: str, fault: str, lang: str
) -> None:
    """Every bad input is a 400 problem that names the field, with a sentence in the language asked for."""
    reply = client.get("/lookup", params=params, headers={"Accept-Language": lang})
    assert reply.status_code == 400, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["type"] == "urn:twingrid:problem:invalid-input"
    assert (body["faults"][0]["where"], body["faults"][0]["fault"]) == (where, fault)
    detail = body["faults"][0]["detail"]
    assert detail != f"fault.{fault}"
    assert "{" not in detail
    spoken = "en" if params.get("lang") == "fr" else lang  # a language we do not speak is refused in the deployment's
    assert any("\u4e00" <= letter <= "\u9fff" for letter in detail) == (spoken == "zh-CN")


def test_all_faults_are_told_at_once(client: TestClient) -> None:
    """Two bad instants are two faults of one problem."""
    reply = client.get("/lookup", params={"lon": 1, "lat": 1, "at": "x", "known_at": "y"})
    assert [fault["where"] for fault in reply.json()["faults"]] == ["at", "known_at"]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_any_text_field_is_just_text(client: TestClient, town: Database, text: str) -> None:
    """SQL in a path, a filter, a layer, a cursor or a time finds nothing, changes nothing and is never a 5xx."""
    with town.read() as session:
        before = versions(session)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/lookup", {"lon": 120.27, "lat": 30.3, "layer": text}),
        ("/lookup", {"lon": 120.27, "lat": 30.3, "crs": text}),
        ("/lookup", {"lon": 120.27, "lat": 30.3, "at": text}),
        ("/lookup", {"lon": text, "lat": 30.3}),
        (f"/grids/{text}", {}),
        (f"/grids/police/{text}", {}),
        (f"/grids/police/{text}/versions", {}),
        ("/grids/police", {"unit": text}),
        ("/units", {"kind": text}),
        (f"/units/{text}", {}),
        ("/officers", {"unit": text}),
        (f"/officers/{text}", {}),
        (f"/teams/{text}", {}),
        ("/shifts", {"unit": text}),
        ("/shifts", {"start": text}),
        ("/assignments", {"layer": text, "officer": text}),
        ("/incidents", {"category": text, "source": text}),
        ("/findings", {"layer": text, "kind": text}),
        ("/officers", {"cursor": text}),
        (f"/jobs/{text}", {}),
    ]
    for path, params in asked:
        reply = client.get(path, params=params)
        assert reply.status_code < 500, (path, params, reply.text)
    with town.read() as session:
        assert versions(session) == before


LISTS = ["/units", "/officers", "/teams", "/assignments", "/shifts", "/grids/governance", "/incidents"]


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_a_list_are_the_whole_list(client: TestClient, path: str) -> None:
    """Following `next` in small pages gives every row once, in the order of one large page."""
    params: dict[str, Any] = {"at": AT}
    if path == "/incidents":
        params |= {"start": "2025-02-20T00:00:00+08:00", "end": "2025-03-01T00:00:00+08:00"}
    whole = client.get(path, params={**params, "limit": 1000}).json()
    key = "features" if "features" in whole else "items"
    step, found, cursor = max(1, len(whole[key]) // 4), [], None
    assert len(whole[key]) > 4
    while True:
        page = client.get(path, params={**params, "limit": step} | ({"cursor": cursor} if cursor else {})).json()
        found += page[key]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole[key]


def test_phones_are_for_dispatchers_and_each_showing_is_recorded(
    town_copy: Database, client_as: Maker, tmp_path: Path
) -> None:
    """A viewer sees no duty phone; a dispatcher does, and the audit says so."""
    viewer, dispatcher = client_as(town_copy, "viewer"), client_as(town_copy, "dispatcher")
    hidden = viewer.get("/officers", params={"limit": 5}).json()["items"]
    shown = dispatcher.get("/officers", params={"limit": 5}).json()["items"]
    assert all(one["duty_phone"] is None for one in hidden)
    assert any(one["duty_phone"] for one in shown)
    assert take_showings(town_copy, tmp_path) == 1
    with town_copy.read() as session:
        rows = session.scalars(select(Audit).where(Audit.action == "phones.show")).all()
        assert [row.actor for row in rows] == ["demo-dispatcher"]


MALFORMED = [
    ("/grids/police/%00", "code", "text-has-control-characters"),
    ("/grids/police/A%1B/versions", "code", "text-has-control-characters"),
    ("/grids/%00", "layer", "text-has-control-characters"),
    ("/officers/%00", "number", "text-has-control-characters"),
    ("/grids/police?unit=%00", "unit", "text-has-control-characters"),
    ("/assignments?layer=a%C2%85b", "layer", "text-has-control-characters"),
    ("/lookup?lon=1&lat=1&crs=EPSG%00", "crs", "text-has-control-characters"),
    ("/units?kind=%ED%A0%80", "kind", "text-not-utf8"),
    ("/units/%FF", "code", "text-not-utf8"),
    ("/lookup?lon=1&lon=2&lat=1", "lon", "given-twice"),
    ("/units?limit=1&limit=1", "limit", "given-twice"),
    ("/units?tine=1&tine=2", "tine", "unknown-parameter"),
    ("/units?limit=0", "limit", "number-out-of-range"),
    ("/units?limit=1001", "limit", "number-out-of-range"),
    ("/units?limit=1e2", "limit", "not-a-number"),
    *((f"/units?cursor={bad}", "cursor", "malformed-cursor") for bad in ("x", "AA==", "7aCA", "Qf", "QQ%3D%3DQQ", "!")),
    ("/units?cursor=" + "A" * 600, "cursor", "malformed"),
]


@pytest.mark.parametrize(("address", "where", "fault"), MALFORMED)
def test_what_no_route_can_mean_is_refused(client: TestClient, address: str, where: str, fault: str) -> None:
    """Control characters, bytes that are no text, repeated parameters, bad pages: a 400 that names the parameter."""
    reply = client.get(address)
    assert reply.status_code == 400, reply.text
    assert [(one["where"], one["fault"]) for one in reply.json()["faults"]] == [(where, fault)]


def test_cookies_and_forms_are_text_too(client: TestClient) -> None:
    """A NUL in the demo's cookie or form is a 400 problem; lists of layers may be given, and a WKT have lines."""
    client.cookies.set("twingrid_demo", '"demo\\000"')
    assert client.get("/units").json()["faults"][0]["where"] == "twingrid_demo"
    client.cookies.delete("twingrid_demo")
    assert client.get("/units", headers={"Cookie": 'other="\\000"'}).status_code == 200
    reply = client.post("/demo/switch", data={"name": "demo\0"})
    assert (reply.status_code, reply.json()["faults"][0]["fault"]) == (400, "text-has-control-characters")
    several: dict[str, Any] = {"lon": 1, "lat": 1, "layer": ["police", "governance"], "crs": "\nEPSG:4490\n"}
    assert client.get("/lookup", params=several).status_code == 200


def test_head_is_get_without_a_body(client: TestClient) -> None:
    """HEAD of any address has the status and headers of its GET, and no body."""
    for path in ("/", "/units", "/health", "/openapi.json", "/units?limit=0", "/nowhere", "/static/home.js"):
        head, full = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (full.status_code, b""), path
        assert head.headers["content-type"] == full.headers["content-type"]


def test_an_address_has_one_form(client: TestClient) -> None:
    """With a slash too many there is nothing at an address: a 404 problem, and no redirection elsewhere."""
    for path in ("/units/", "/grids/police/", "/lookup/?lon=1&lat=1", "/health/"):
        reply = client.get(path, follow_redirects=False)
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:twingrid:problem:not-found"), path


def test_no_proxy_keeps_an_answer(client: TestClient) -> None:
    """Every answer says who may keep it: data and pages are private and asked for anew, problems are not kept."""
    for path in ("/lookup?lon=1&lat=1", "/officers", "/", "/maps/grids", "/health", "/openapi.json", "/static/home.js"):
        assert client.get(path).headers["cache-control"] == "private, no-cache", path
    for path in ("/nowhere", "/units?limit=0", "/units/none"):
        assert client.get(path).headers["cache-control"] == "no-store", path


@pytest.mark.parametrize("crs", ["gcj02", "GCJ-02", "gcj_02", " Gcj02 ", "BD-09", "bd09"])
def test_shifted_systems_have_their_usual_names(client: TestClient, crs: str) -> None:
    """GCJ-02 and BD-09 are understood as people write them, with the same checks of the degrees."""
    asked = {"lon": 120.27, "lat": 30.3, "crs": crs, "at": AT}
    plain = crs.strip().lower().replace("-", "").replace("_", "")
    assert client.get("/lookup", params=asked).json() == client.get("/lookup", params={**asked, "crs": plain}).json()
    swapped = client.get("/lookup", params={**asked, "lon": 30.3, "lat": 120.27}).json()
    assert swapped["faults"][0]["fault"] == "latitude-swapped"


def test_a_database_error_is_told_without_its_text(town_copy: Database, client_as: Maker) -> None:
    """When the database itself fails, the client gets a 500 problem and no word of SQL."""
    client = client_as(town_copy, "dispatcher")
    with town_copy.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE assignment RENAME TO elsewhere")
    reply = client.get("/assignments")
    assert (reply.status_code, reply.json()["type"]) == (500, "urn:twingrid:problem:internal")
    assert reply.headers["content-type"] == "application/problem+json"
    assert re.search(r"select|assignment|relation|psycopg|sql", reply.text, re.IGNORECASE) is None


def narrowed(client: TestClient) -> tuple[TestClient, Database]:
    """Return a client whose service has a single connection, and the database behind it."""
    state: Any = client.app.state  # type: ignore[attr-defined]
    narrow = Database(create_engine(state.database.engine.url, pool_size=1, max_overflow=0, pool_timeout=2))
    state.database = state.gate.database = narrow
    return client, narrow


def test_no_request_holds_two_connections(town_copy: Database, client_as: Maker) -> None:
    """Routes that show phones, and so write, are served by a pool of one connection."""
    client, narrow = narrowed(client_as(town_copy, "dispatcher"))
    past = "/units?known_at=2025-03-03T08:30:00Z"
    number = client.get("/officers", params={"limit": 1}).json()["items"][0]["number"]
    for path in (f"/officers/{number}", "/lookup?lon=120.27&lat=30.3", "/", "/maps/grids", "/ready", past):
        assert client.get(path).status_code == 200, path
    narrow.engine.dispose()


def test_tokens_open_the_service_beyond_loopback(town_copy: Database, client_as: Maker) -> None:
    """From elsewhere a bearer token is needed; a wrong, expired or revoked one is refused."""
    from datetime import timedelta

    client = client_as(town_copy, "viewer")
    far = TestClient(client.app, client=("192.0.2.7", 1), raise_server_exceptions=False)
    far.cookies.set("twingrid_demo", "demo-security_admin")
    assert far.get("/units").status_code == 401
    actor = access.operator("test")
    instant = now()
    with town_copy.write() as session:
        access.add_principal(session, actor, "city", {"zh-CN": "市", "en": "city"}, "viewer", now=instant)
        good = access.issue_token(session, actor, "city", "t", now=instant, expires=instant + timedelta(days=1))
        late = access.issue_token(session, actor, "city", "t", now=instant, expires=instant - timedelta(days=1))
    replies = [far.get("/units", headers={"Authorization": f"Bearer {one}"}).status_code for one in (good, late, "x")]
    assert replies == [200, 401, 401]


def test_the_demo_can_be_any_role_on_loopback_only(town: Database, client_as: Maker) -> None:
    """There is one demo principal per role; switching sets a same-site cookie; elsewhere it is refused."""
    client = client_as(town, "viewer")
    people = client.get("/demo/principals").json()
    roles = sorted(role for one in people for role in one["roles"])
    assert roles == sorted(access_roles())
    reply = client.post("/demo/switch", data={"name": "demo-planner"})
    assert reply.json()["roles"] == ["planner"]
    assert "samesite=strict" in reply.headers["set-cookie"].lower()
    assert client.post("/demo/switch", data={"name": "root"}).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "127.0.0.1:81"}, 200),
        ({"Host": "rebound.example:8000"}, 401),
        ({"Host": "127.0.0.1.example"}, 401),
        ({"Host": "[::1"}, 401),
        ({"X-Forwarded-For": "192.0.2.7"}, 401),
        ({"Forwarded": "for=192.0.2.7"}, 401),
    ],
)
def test_the_demo_is_closed_behind_a_proxy_and_a_rebound_name(
    town: Database, client_as: Maker, headers: dict[str, str], status: int
) -> None:
    """A proxy on this machine, or a page elsewhere whose name leads here, is not a visitor from loopback."""
    assert client_as(town, "dispatcher").get("/units", headers=headers).status_code == status


def access_roles() -> tuple[str, ...]:
    """Return every role."""
    from spatial.tables import ROLES

    return ROLES


def test_a_role_is_needed_to_stop_a_job(town: Database, client_as: Maker) -> None:
    """A viewer may not cancel; an unknown job is a 404 for those who may."""
    path = "/jobs/00000000-0000-0000-0000-000000000000"
    assert client_as(town, "viewer").delete(path).status_code == 403
    assert client_as(town, "system_admin").delete(path).status_code == 404


def test_a_check_is_a_job_that_finds_what_is_wrong(town_copy: Database, client_as: Maker) -> None:
    """A planner queues a check, a worker runs it, `/jobs` shows it done; the town's tilings have no fault."""
    planner = client_as(town_copy, "planner")
    reply = planner.post("/layers/governance/check")
    assert (reply.status_code, reply.json()["state"]) == (202, "queued")
    jobs.run_next(town_copy, HANDLERS, clock=now)
    done = planner.get(reply.headers["location"]).json()
    assert (done["state"], done["result"]["grids"]) == ("done", 120)
    told = planner.get("/findings", params={"check": "tiling"}).json()["features"]
    faults = [one for one in told if one["properties"]["severity"] == "fault"]
    assert faults == []
    assert client_as(town_copy, "viewer").post("/layers/governance/check").status_code == 403


def test_what_does_not_exist_is_not_found(client: TestClient) -> None:
    """Unknown things are 404 problems, other verbs 405 problems."""
    odd = ("/nowhere/%00", "/static/%00", "/static/..%2F..%2Fpyproject.toml", "/static/" + "a" * 3000)
    for path in ("/grids/police/none", "/grids/none", "/units/none", "/officers/none", "/teams/none", "/nowhere", *odd):
        reply = client.get(path)
        assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json"), path
    assert client.post("/lookup").status_code == 405


def test_alive_and_ready(client: TestClient) -> None:
    """The service says that it is alive, and that it is ready, though degraded as no worker is there."""
    assert client.get("/health").json() == {"status": "ok"}
    checks = {"database": "ok", "migrations": "ok", "worker": "missing", "wal_archive": "off"}
    checks |= {"memory": "empty", "memory_age_s": None}
    assert client.get("/ready").json() == {"status": "degraded", "checks": checks}


def test_an_empty_deployment_answers_everywhere(empty_database: Database, client_as: Maker) -> None:
    """With nothing loaded but a principal, every list is empty and a look-up has no layers."""

    def principal(world: World) -> None:
        access.add_principal(
            world.session, access.operator("test"), "city", {"zh-CN": "市", "en": "city"}, "viewer", now=T0
        )

    build(empty_database, principal)
    from datetime import timedelta

    with empty_database.write() as session:
        token = access.issue_token(session, access.operator("t"), "city", "t", now=now(), expires=now() + timedelta(1))
    client = client_as(empty_database, "viewer")
    client.headers["Authorization"] = f"Bearer {token}"
    assert client.get("/lookup", params={"lon": 1, "lat": 1}).json()["layers"] == []
    for path in ("/units", "/officers", "/teams", "/assignments", "/shifts", "/incidents", "/findings"):
        body = client.get(path).json()
        assert body.get("items", body.get("features")) == [], path
    with empty_database.read() as session:
        assert session.scalar(select(func.count()).select_from(Audit)) == 3
