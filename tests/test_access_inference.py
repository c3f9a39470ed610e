"""What somebody limited cannot find out sideways: by what changes elsewhere, by plans and statistics."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from geoalchemy2.shape import from_shape
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from api.app import create_app
from spatial.access import Actor, Grant, operator, reach_of
from spatial.access.gis import add_gis_login, drop_gis_login
from spatial.db import Database
from spatial.errors import Denied
from spatial.settings import Settings
from spatial.tables import (
    SRID,
    Audit,
    Finding,
    Incident,
    IncidentKey,
    Officer,
    OfficerVersion,
    Place,
    PlaceVersion,
    Team,
    TeamMember,
    TeamVersion,
)
from spatial.time import now, since
from tests.access_world import Precinct
from tests.build import HOUR, T0, World, build, cell, middle, point


@pytest.fixture
def client(served_precinct: Database, shared_precinct: Precinct) -> Iterator[TestClient]:
    """Yield a client that asks as a viewer of the first station."""
    app = create_app(served_precinct, Settings(language="en"))
    with TestClient(app, "http://service", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {shared_precinct.tokens['viewer-unit']}"
        yield client


@pytest.fixture(scope="module")
def login(shared_precinct: Precinct) -> Iterator[str]:
    """Yield a login for a GIS that stands for a viewer of the first station."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with shared_precinct.database.write() as session:
        add_gis_login(session, operator("test"), name, "viewer-unit")
    yield f"gis_{name}"
    with shared_precinct.database.write() as session:
        drop_gis_login(session, operator("test"), name)


@contextmanager
def logged_in(shared_precinct: Precinct, login: str) -> Iterator[Session]:
    """Yield a session of a login of the database."""
    with shared_precinct.database.read() as session:
        session.execute(text(f"SET SESSION AUTHORIZATION {login}"))
        yield session


# The service ----------------------------------------------------------------------------------------------------------


def here(column: float) -> dict[str, float]:
    """Return the middle of a column as it is asked about."""
    return dict(zip(("lon", "lat"), middle(column, 0), strict=True))


WEEK = {"start": "2025-03-01T00:00:00Z", "end": "2025-03-20T00:00:00Z"}
ASKED: list[tuple[str, dict[str, Any]]] = [
    *((path, {}) for path in ("/layers", "/grids/police", "/grids/police/C", "/grids/police/C/versions")),
    *((path, {}) for path in ("/grids/police/C/neighbours", "/grids/police/E", "/findings", "/units", "/units/S2")),
    *((path, {}) for path in ("/officers", "/officers/new", "/teams", "/assignments", "/shifts", "/maps/grids")),
    *((path, {"unit": "S2"}) for path in ("/officers", "/teams", "/shifts", "/grids/police")),
    *((path, {"officer": "002"}) for path in ("/assignments", "/shifts")),
    ("/officers", {"limit": 1}),
    ("/incidents", WEEK),
    ("/incidents", WEEK | {"grid": "police/C"}),
    ("/incidents/110/new", {}),
    *(("/lookup", dict(zip(("lon", "lat"), middle(column, 0), strict=True))) for column in (0, 1.5, 2, 3, 6, 9)),
    ("/lookup", {**dict(zip(("lon", "lat"), middle(1, 2), strict=True)), "accuracy_m": 400}),
    *(("/lookup/area", {**here(column), "radius_m": 300}) for column in (0, 3, 9)),
    *(("/lookup/changes", {**here(column), "accuracy_m": 200}) for column in (0, 2, 9)),
    ("/maps/lookup", {**here(1), "accuracy_m": 400}),
    *(("/places/find", {"text": text}) for text in ("new", "S2", "S3")),
]


def answers(client: TestClient, at: str) -> dict[str, Any]:
    """Return what everything that is asked is answered, but for the versions of the whole deployment."""
    found = {}
    for path, params in ASKED:
        when = {"from": at} if path == "/lookup/changes" else {} if path == "/places/find" else {"at": at}
        reply = client.get(path, params={**when, **params})
        assert reply.status_code in {200, 404}, reply.text
        body = re.sub(r"receipt=\w+-\w+", "", reply.text) if path.startswith("/maps") else reply.json()
        if path.startswith("/lookup"):
            assert body.pop("versions")
            body.pop("receipt", None)  # names them, too
        found[f"{path} {params}"] = (reply.status_code, body)
    return found


def change_elsewhere(world: World, ids: dict[str, int]) -> None:
    """Change whatever can be at the stations beside and far away: people, shifts, leaves, incidents, places, grids."""
    soon = now() + 2 * HOUR
    source, category = (world.session.scalar(text(f"SELECT id FROM {one}")) for one in ("source", "category"))
    for column, station, grid in ((2, "S2", "C"), (9, "S3", "E")):
        officer = world.officer(f"new-{station}" if station == "S2" else "new", ids[station])
        team = world.team(f"T-new-{station}", ids[station], [officer])
        world.assign(officer, ids[grid], "deputy", since(soon))
        world.leave(officer, soon + HOUR, soon + 2 * HOUR)
        world.shift(
            ids[station], soon, soon + HOUR, officer=officer, grids=[ids[grid], ids["A"]], units=[ids["bureau"]]
        )
        world.shift(ids[station], now() - HOUR, soon, team=team, kind="patrol", grids=[ids[grid]], units=[ids["S1"]])
        spot = from_shape(point(*middle(column, 0)), srid=SRID)
        times = {"valid": world.valid, "recorded": world._recorded("areas")}
        key = world._add(IncidentKey, source_id=source, external_id="new" if station == "S3" else "new-S2")
        told = {"recorded": world._recorded("incidents"), "at": T0 + 2 * HOUR, "category_id": category}
        world.session.execute(insert(Incident).values(point=spot, incident_key_id=key, **told))
        place = world._add(Place, code=f"P-new-{station}")
        world._add(PlaceVersion, place_id=place, name="new", klass="post", point=spot, **times)
        world._add(Finding, kind="gap", severity="fault", geom=spot, grids=[grid], layer_id=ids["police"], **times)
    world.grid(ids["police"], "F", cell(12, 0), ids["S3"], since(soon))
    world.link(world.unit("S4"), ids["S3"], "command")


def test_what_changes_elsewhere_changes_no_answer_of_ones_own(client: TestClient, shared_precinct: Precinct) -> None:
    """Of people, shifts, incidents and grids of other stations, new or soon to be, no list, look-up or map tells."""
    at = (now() + timedelta(minutes=1)).isoformat()
    before = answers(client, at)
    build(shared_precinct.database, lambda world: change_elsewhere(world, shared_precinct.ids))
    after = answers(client, at)
    for asked, answer in before.items():
        assert after[asked] == answer, asked


PAST, PRESENT = since(T0 - 300 * 24 * HOUR, T0 - 100 * 24 * HOUR), since(T0 - 100 * 24 * HOUR)


def squad(world: World, code: str, member: int, joined: Any, *units: tuple[int, Any]) -> None:
    """Add a squad that was of some units, each over a time, with a member over one."""
    team_id = world._add(Team, code=code)
    recorded = world._recorded("duty")
    for unit_id, valid in units:
        row = {"team_id": team_id, "unit_id": unit_id, "name": code, "kind": "squad", "call_sign": code}
        world._add(TeamVersion, valid=valid, recorded=recorded, **row)
    world._add(TeamMember, team_id=team_id, officer_id=member, valid=joined, recorded=recorded)


def returned(world: World, number: str, *units: tuple[int, Any]) -> int:
    """Add an officer who was of some units, each over a time."""
    officer_id = world._add(Officer, number=number)
    for unit_id, valid in units:
        row = {"officer_id": officer_id, "unit_id": unit_id, "name": number, "kind": "duty_police"}
        world._add(OfficerVersion, valid=valid, recorded=world._recorded("duty"), **row)
    return officer_id


def lend(world: World, ids: dict[str, int]) -> None:
    """Let officers of the third station serve with the first one: now, long ago, or with what is now the second's."""
    own, beside, far = ids["S1"], ids["S2"], ids["S3"]
    world.assign(world.officer("lead-then", far), ids["B"], "deputy", PAST)
    gone = world.grid(ids["police"], "G", cell(0, 1), own, PAST)
    world.version(gone, ids["police"], "G", cell(0, 1), beside, PRESENT)
    world.assign(world.officer("grid-gone", far), gone, "lead")
    squad(world, "T-then", world.officer("team-then", far), PAST, (own, since(PAST.lower)))
    squad(world, "T-now", world.officer("team-now", far), PRESENT, (own, since(PAST.lower)))
    squad(world, "T-gone", world.officer("team-gone", far), PRESENT, (own, PAST), (beside, PRESENT))
    duty = (own, now() - HOUR, now() + 8 * HOUR)
    world.shift(*duty, officer=world.officer("called-off", far), state="cancelled")
    back = returned(world, "back", (own, PAST), (far, PRESENT))
    world.shift(*duty, officer=back)
    world.assign(back, gone, "deputy")
    left = returned(world, "left", (own, PAST), (far, PRESENT))
    world.leave(left, now(), now() + HOUR)
    world.shift(own, now() - 90 * 24 * HOUR, now() - 89 * 24 * HOUR, officer=left)


def test_who_served_long_ago_or_elsewhere_is_not_lent(
    client: TestClient, served_precinct: Database, shared_precinct: Precinct
) -> None:
    """Officers of others are seen while they serve: not once it is long over or called off, nor with what went over."""
    build(shared_precinct.database, lambda world: lend(world, shared_precinct.ids))
    assert {one["number"] for one in client.get("/officers").json()["items"]} == {"001", "011", "back", "team-now"}
    assert client.get("/officers", params={"at": PAST.lower.isoformat()}).text.count('"left"') == 2, "name and number"
    assert client.get("/grids/police/G").json()["properties"]["unit"] == "S2"
    assert {one["officer"] for one in client.get("/assignments").json()["items"]} == {"001"}
    actor = Actor("someone", {}, (Grant("viewer", shared_precinct.ids["S1"]),))
    with served_precinct.read() as session:
        reach = reach_of(session, actor, "duty.read")
    with served_precinct.read(reach) as session:
        members = "SELECT number FROM team_member JOIN officer ON officer.id = officer_id"
        leaves = "SELECT number FROM leave JOIN officer ON officer.id = officer_id"
        assert set(session.scalars(text(members))) == {"011", "team-now"}
        assert set(session.scalars(text(leaves))) == {"011"}


# The views ------------------------------------------------------------------------------------------------------------

PLAN = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT FROM {} WHERE {}"
PROBES = [
    ("gis_grids", "code = '{}'", "E", "Q"),
    ("gis_units", "code = '{}'", "S3", "Q"),
    ("gis_places", "code = '{}'", "P-E", "Q"),
    ("gis_incidents", "at < '{}'", "2025-03-04", "1999-01-01"),
    ("gis_findings", "known_since > '{}'", "2025-03-04", "2999-01-01"),
]


@pytest.mark.parametrize(("view", "condition", "hidden", "never"), PROBES)
def test_a_plan_tells_nothing_of_rows_that_are_not_shown(
    shared_precinct: Precinct, login: str, view: str, condition: str, hidden: str, never: str
) -> None:
    """How many rows the database passes by is the same, whether somebody asks for what is hidden or never was."""
    own = " AND fid = -1"
    with logged_in(shared_precinct, login) as session:
        plans = [
            "\n".join(session.scalars(text(PLAN.format(view, condition.format(one) + own)))).replace(one, "")
            for one in (hidden, never)
        ]
    assert plans[0] == plans[1]


STATISTICS = [
    "_postgis_stats('grid_version', 'geom')",
    "_postgis_stats('incident', 'point')",
    "_postgis_selectivity('grid_version', 'geom', ST_MakeEnvelope(120.279, 30.3, 120.28, 30.301, 4490))",
    "_postgis_join_selectivity('grid_version', 'geom', 'incident', 'point')",
    "_postgis_index_extent('grid_version', 'geom')",
    "ST_EstimatedExtent('grid_version', 'geom')",
    "ST_EstimatedExtent('public', 'unit_version', 'geom')",
]


@pytest.mark.parametrize("asked", STATISTICS)
def test_statistics_do_not_tell_where_things_are(shared_precinct: Precinct, login: str, asked: str) -> None:
    """What PostGIS knows of where the shapes of a table lie is not for whoever has no right to the table."""
    with pytest.raises(Denied), logged_in(shared_precinct, login) as session:
        session.execute(text(f"SELECT {asked}"))


def test_a_gis_calls_nothing_that_sees_more_than_it(shared_precinct: Precinct, login: str) -> None:
    """Of the functions that run with the owner's rights a login may call the one that says how far it reaches."""
    asked = "SELECT proname FROM pg_proc WHERE prosecdef AND has_function_privilege(:login, oid, 'EXECUTE')"
    with shared_precinct.database.read() as session:
        assert set(session.scalars(text(asked), {"login": login})) == {"gis_scope"}
        assert not session.scalar(text("SELECT has_schema_privilege(:login, 'public', 'CREATE')"), {"login": login})


def test_findings_with_a_shape_are_shown(shared_precinct: Precinct, login: str) -> None:
    """A gap that has an area is seen by whose grids it touches, however these lie side by side, and by nobody else."""

    def find(world: World) -> None:
        times = {"valid": world.valid, "recorded": world._recorded("areas")}
        for kind, column in (("overlap", 1), ("sliver", 8)):
            shape = from_shape(cell(column, 0, width=2), srid=SRID)
            layer_id = shared_precinct.ids["police"]
            world._add(Finding, kind=kind, severity="fault", geom=shape, grids=[], layer_id=layer_id, **times)

    build(shared_precinct.database, find)
    with logged_in(shared_precinct, login) as session:
        assert set(session.scalars(text("SELECT kind FROM gis_findings"))) == {"gap", "overlap"}


def test_logins_are_on_record_under_whom_they_stand_for(shared_precinct: Precinct) -> None:
    """That a login was made, and taken away, is found by the name of its principal."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with shared_precinct.database.write() as session:
        add_gis_login(session, operator("test"), name, "planner-unit")
    with shared_precinct.database.write() as session:
        drop_gis_login(session, operator("test"), name)
    with shared_precinct.database.read() as session:
        told = select(Audit.action, Audit.detail).where(
            Audit.object == "principal/planner-unit", Audit.action.like("gis%")
        )
        rows = session.execute(told.order_by(Audit.id)).all()
    assert rows == [(action, {"login": f"gis_{name}"}) for action in ("gis-login.add", "gis-login.drop")]
