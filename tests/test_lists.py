"""Lists: every row once, whatever its relations; codes of any letters; what was known when."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import anyio
import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from geoalchemy2.shape import from_shape
from shapely import Point
from sqlalchemy import insert, text

from spatial import access
from spatial.db import Database
from spatial.tables import SRID, Category, Cover, Incident, IncidentKey, Place, Source
from spatial.time import now, since
from tests.build import HOUR, LAT, LON, T0, World, build, cell

Maker = Callable[..., TestClient]
AT = (T0 + HOUR).isoformat()
TITLE = {"zh-CN": "甲", "en": "a"}
CODES = ["A/1", "50%", "%2F", "why?", "a b", "🚓", "网格一", "a#b", "A/versions", "../A", "A;b=1", "&x=1", "'"]


@pytest.fixture
def client(empty_database: Database, client_as: Maker) -> Iterator[TestClient]:
    """Yield a viewer with a token of an otherwise empty deployment."""
    operator = access.operator("test")
    with empty_database.write() as session:
        access.add_principal(session, operator, "city", TITLE, "viewer", now=T0)
    with empty_database.write() as session:
        token = access.issue_token(session, operator, "city", "t", now=now(), expires=now() + timedelta(1))
    made = client_as(empty_database)
    made.headers["Authorization"] = f"Bearer {token}"
    return made


def test_a_unit_with_two_parents_is_listed_once(empty_database: Database, client: TestClient) -> None:
    """A unit under a command and an administration is one row, under the command, as in a look-up's chain."""

    def fill(world: World) -> None:
        child = world.unit("C1")
        world.link(child, world.unit("ADMIN"), "administers")
        world.link(child, world.unit("COMMAND"), "command")

    build(empty_database, fill)
    rows = client.get("/units", params={"at": AT}).json()["features"]
    assert [(row["id"], row["properties"]["parent"]) for row in rows] == [
        ("ADMIN", None),
        ("C1", "COMMAND"),
        ("COMMAND", None),
    ]


def test_people_of_a_unit_that_has_ended_are_still_listed(empty_database: Database, client: TestClient) -> None:
    """Officers, teams and shifts of a unit that is not in force are listed, with no unit."""

    def fill(world: World) -> None:
        always, world.valid = world.valid, since(T0 - timedelta(days=365), T0)
        unit, world.valid = world.unit("S1"), always
        officer = world.officer("0001", unit)
        world.team("T1", unit, [officer])
        world.shift(unit, T0, T0 + 8 * HOUR, officer=officer)

    build(empty_database, fill)
    for path in ("/officers", "/teams", "/shifts"):
        (row,) = client.get(path, params={"at": AT}).json()["items"]
        assert row["unit"] is None, path
    assert client.get("/officers/0001", params={"at": AT}).json()["unit_name"] is None


def test_a_shift_names_the_places_it_covers(empty_database: Database, client: TestClient) -> None:
    """What a shift covers is listed by kind: grids, units, places."""

    def fill(world: World) -> None:
        unit = world.unit("S1")
        grid = world.grid(world.layer("police"), "G1", cell(0, 0), unit)
        times = (T0, T0 + 8 * HOUR)
        shift = world.shift(unit, *times, officer=world.officer("0001", unit), grids=[grid], units=[unit])
        place = world._add(Place, code="POST-1")
        world._add(Cover, shift_id=shift, place_id=place, span=since(*times), recorded=world._recorded("duty"))

    build(empty_database, fill)
    (row,) = client.get("/shifts", params={"at": AT}).json()["items"]
    assert (row["grids"], row["units"], row["places"]) == (["G1"], ["S1"], ["POST-1"])


def test_any_code_can_be_asked_for(empty_database: Database, client: TestClient) -> None:
    """A grid, its versions and neighbours, a unit, an officer and a team are found by codes of any letters."""

    def fill(world: World) -> None:
        layer = world.layer("police")
        for column, code in enumerate(CODES):
            unit = world.unit(code)
            world.grid(layer, code, cell(column, 0), unit)
            world.team(code, unit, [world.officer(code, unit)])

    build(empty_database, fill)
    for code, (grid, listed, versions, neighbours, unit, officer, team) in _asked(client).items():
        assert code.endswith("/versions") or grid["id"] == code
        assert listed["features"][0]["id"] == code
        assert [one["id"] for one in versions["features"]] == [code]
        assert neighbours["features"]
        assert (unit["id"], officer["number"], team["code"]) == (code, code, code)


def _asked(client: TestClient) -> dict[str, list[Any]]:
    """Ask for every code in every way; the test client itself would decode a path twice."""

    async def ask() -> dict[str, list[Any]]:
        found = {}
        reached = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=reached, base_url=client.base_url, headers=client.headers) as web:
            for code in CODES:
                name = quote(code, safe="")
                grid = f"/grids/police/{name}"
                paths = [grid, f"/grids/police?code={name}", f"{grid}/versions", f"{grid}/neighbours"]
                paths += [f"/units/{name}", f"/officers/{name}", f"/teams/{name}"]
                found[code] = [(await web.get(path)).json() for path in paths]
        return found

    return anyio.run(ask)


def test_assignments_are_told_apart_whatever_their_codes(empty_database: Database, client: TestClient) -> None:
    """Grid `A/B` of officer `1` and grid `A` of officer `B/1` are two rows, in pages as in the whole list."""

    def fill(world: World) -> None:
        unit, layer = world.unit("S1"), world.layer("police")
        for column, (grid, officer) in enumerate((("A/B", "1"), ("A", "B/1"))):
            world.assign(world.officer(officer, unit), world.grid(layer, grid, cell(column, 0)))

    build(empty_database, fill)
    first = client.get("/assignments", params={"at": AT, "limit": 1}).json()
    second = client.get("/assignments", params={"at": AT, "limit": 1, "cursor": first["next"]}).json()
    assert [page["items"][0]["grid"] for page in (first, second)] == ["A", "A/B"]
    assert second["next"] is None


def test_incidents_are_answered_as_known_then(empty_database: Database, client: TestClient) -> None:
    """A correction replaces what was known of an incident from then on, and not before."""
    heard, corrected = now() - timedelta(hours=2), now() - timedelta(hours=1)

    def fill(world: World) -> None:
        category = world._add(Category, code="noise", title=TITLE, police_matter=False, priority=3, handling_minutes=30)
        key = world._add(IncidentKey, source_id=world._add(Source, code="12345", title=TITLE), external_id="1")
        point = from_shape(Point(LON, LAT), srid=SRID)
        row = {"incident_key_id": key, "category_id": category, "at": T0, "point": point}
        world.session.execute(text("SELECT ensure_incident_months(:at, :at)"), {"at": T0})
        for told, known in (("first", since(heard, corrected)), ("better", since(corrected))):
            world.session.execute(insert(Incident).values(**row, masked_text=told, recorded=known))

    build(empty_database, fill)
    found = {}
    for name, known_at in (("before", heard - HOUR), ("first", heard), ("better", corrected), ("now", None)):
        told = {} if known_at is None else {"known_at": known_at.isoformat()}
        rows = client.get("/incidents", params={"at": AT, "end": AT, **told}).json()["features"]
        found[name] = [row["properties"]["masked_text"] for row in rows]
    assert found == {"before": [], "first": ["first"], "better": ["better"], "now": ["better"]}
