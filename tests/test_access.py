"""What somebody sees who reaches over some units only: of their own all, of others nothing that could be counted."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.app import create_app
from spatial.access import Actor, Grant, reach_of
from spatial.db import Database, Reach
from spatial.errors import Denied
from spatial.postgresql import API, WORKER
from spatial.settings import Settings
from spatial.tables import Base
from tests.access_world import NOON, STATIONS, Precinct
from tests.build import middle

AT = NOON.isoformat()
OPERATION = {
    *("acknowledgement", "address", "assignment", "cover", "duty_event", "finding", "grid_version", "incident"),
    "incident_event",
    *("incident_key", "leave", "measure", "officer", "officer_version", "override", "place", "place_version", "shift"),
    *("staffing_rule", "team", "team_member", "team_state", "team_version", "unit", "unit_link", "unit_version"),
}


@pytest.fixture
def served(precinct: Precinct) -> Iterator[Database]:
    """Yield the database as the service logs in."""
    database = precinct.database.as_login(API)
    yield database
    database.engine.dispose()


@pytest.fixture
def client(served: Database) -> Iterator[TestClient]:
    """Yield a client of the service."""
    app = create_app(served, Settings(language="en"))
    with TestClient(app, "http://service", raise_server_exceptions=False) as client:
        yield client


def get(client: TestClient, precinct: Precinct, path: str, name: str = "viewer-unit", **params: Any) -> Any:
    """Ask as a principal, for noon."""
    headers = {"Authorization": f"Bearer {precinct.tokens[name]}"}
    return client.get(path, params={"at": AT, **params}, headers=headers)


def scope(precinct: Precinct, served: Database, *stations: str, layers: tuple[str, ...] | None = None) -> Reach:
    """Return the reach of a viewer of some stations."""
    actor = Actor("someone", {}, tuple(Grant("viewer", precinct.ids[one], layers) for one in stations))
    with served.read() as session:
        reach = reach_of(session, actor, "duty.read")
    assert reach is not None
    return reach


def test_a_list_is_the_list_of_ones_own(client: TestClient, precinct: Precinct) -> None:
    """Officers, teams, shifts, assignments and incidents of other stations are in no page, under no filter."""
    for path, key, own in (
        ("/officers", "number", {"001", "011"}),
        ("/teams", "code", {"T-S1"}),
        ("/assignments", "officer", {"001"}),
    ):
        assert {one[key] for one in get(client, precinct, path).json()["items"]} == own
    assert {one["unit"] for one in get(client, precinct, "/shifts").json()["items"]} == {"S1"}
    assert get(client, precinct, "/officers", limit=2).json()["next"] is None
    for path, params in (
        ("/officers", {"unit": "S2"}), ("/teams", {"unit": "S2"}), ("/shifts", {"unit": "S2"}),
        ("/shifts", {"officer": "002"}), ("/assignments", {"officer": "002"}),
    ):  # fmt: skip
        assert get(client, precinct, path, **params).json() == {"items": [], "next": None}
    found = get(client, precinct, "/incidents").json()["features"]
    assert [one["properties"]["external_id"] for one in found] == ["in-A"]
    assert get(client, precinct, "/incidents", grid="police/C").json()["features"] == []


@pytest.mark.parametrize("path", ["/officers/{}", "/teams/{}", "/units/{}", "/incidents/110/{}", "/grids/police/{}"])
def test_what_is_not_seen_does_not_exist(client: TestClient, precinct: Precinct, path: str) -> None:
    """Of a thing beyond one's reach the answer is word for word that of a thing that never was."""
    there = {"/officers/{}": "003", "/teams/{}": "T-S3", "/units/{}": "S3", "/incidents/110/{}": "in-E"}.get(path, "E")
    hidden, never = (get(client, precinct, path.format(code)) for code in (there, "Q-9"))
    assert hidden.status_code == never.status_code == 404
    assert hidden.text.replace(there, "") == never.text.replace("Q-9", "")
    assert get(client, precinct, path.format(there), "viewer-whole").status_code == 200


def test_of_a_neighbour_the_grid_and_the_desk_are_seen(client: TestClient, precinct: Precinct) -> None:
    """A look-up in the next station's grid names its unit, not its people; further away it names nothing at all."""
    place = dict(zip(("lon", "lat"), middle(2, 0), strict=True))
    (beside,) = get(client, precinct, "/lookup", **place, layer="police").json()["layers"]
    assert (beside["grid"]["code"], [unit["code"] for unit in beside["units"]]) == ("C", ["S2", "B"])
    assert (beside["responsible"], beside["chain"], beside["on_duty"]) == ([], [], None)
    place = dict(zip(("lon", "lat"), middle(9, 0), strict=True))
    (far,) = get(client, precinct, "/lookup", **place, layer="police").json()["layers"]
    assert (far["status"], far["grid"], far["beyond"], far["edge_m"]) == ("hidden", None, [], None)
    (known,) = get(client, precinct, "/lookup", "viewer-whole", **place, layer="police").json()["layers"]
    assert known["grid"]["code"] == "E"
    assert known["on_duty"]


def test_ones_own_is_answered_as_to_anybody(client: TestClient, precinct: Precinct) -> None:
    """Within their area a limited principal gets what one gets who reaches over everything."""
    place = dict(zip(("lon", "lat"), middle(0, 0), strict=True))
    limited, whole = (
        get(client, precinct, "/lookup", name, **place).json() for name in ("viewer-unit", "viewer-whole")
    )
    assert limited["layers"] == whole["layers"]
    assert limited["layers"][0]["on_duty"]


def test_a_layer_that_is_not_granted_is_not_there(client: TestClient, precinct: Precinct) -> None:
    """Who is granted one layer sees no other: not in lists, not by name, not in look-ups."""
    place = dict(zip(("lon", "lat"), middle(0, 0), strict=True))
    assert [one["code"] for one in get(client, precinct, "/layers", "viewer-layer").json()] == ["police"]
    assert get(client, precinct, "/grids/other/X", "viewer-layer").status_code == 404
    answer = get(client, precinct, "/lookup", "viewer-layer", **place).json()
    assert [one["layer"] for one in answer["layers"]] == ["police"]


def test_a_forgotten_filter_leaks_nothing(precinct: Precinct, served: Database) -> None:
    """Whatever a query forgets, the database shows the people, rosters, incidents and houses of one's units alone."""
    with served.read(scope(precinct, served, "S1")) as session:
        seen = {
            what: set(session.scalars(text(asked)))
            for what, asked in {
                "officers": "SELECT number FROM officer",
                "names": "SELECT name FROM officer_version",
                "leaves": "SELECT o.number FROM leave JOIN officer o ON o.id = officer_id",
                "teams": "SELECT code FROM team",
                "members": "SELECT o.number FROM team_member JOIN officer o ON o.id = officer_id",
                "houses": "SELECT code FROM address",
                "incidents": "SELECT external_id FROM incident_key",
                "grids": "SELECT code FROM grid_version",
                "units": "SELECT code FROM unit_version",
            }.items()
        }
        counts = {
            table: session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("shift", "cover", "duty_event", "assignment", "incident")
        }
    assert seen == {
        "officers": {"001", "011"},
        "names": {"officer 001", "officer 011"},
        "leaves": {"011"},
        "teams": {"T-S1"},
        "members": {"011"},
        "houses": {"H-A"},
        "incidents": {"in-A"},
        "grids": {"A", "B", "C", "X"},
        "units": {"S1", "S2", "B"},
    }
    assert counts == {"shift": 2, "cover": 2, "duty_event": 1, "assignment": 1, "incident": 1}


def test_reaches_add_up_to_the_whole(precinct: Precinct, served: Database) -> None:
    """What the stations see one by one, together, is what one sees who is granted all of them, and no more than all."""

    def seen(reach: Reach) -> set[tuple[str, int]]:
        with served.read(reach) as session:
            return {
                (table, one)
                for table in ("officer_version", "shift", "incident", "address", "assignment", "leave")
                for one in session.scalars(text(f"SELECT id FROM {table}"))
            }

    parts = [seen(scope(precinct, served, station)) for station in STATIONS]
    assert seen(scope(precinct, served, *STATIONS)) == set().union(*parts) == seen(Reach("twingrid_whole"))
    assert sum(map(len, parts)) == len(set().union(*parts)), "stations share nobody"


def test_who_is_lent_is_seen_where_they_serve(precinct: Precinct, served: Database) -> None:
    """An officer of another station who stands on one's roster is known by name, or nobody would be on duty."""
    with precinct.database.write() as session:
        session.execute(
            text("""INSERT INTO shift (uuid, kind, unit_id, officer_id, planned, recorded)
                    SELECT gen_random_uuid(), 'grid', :here, :lent, tstzrange(now(), now() + interval '8 hours'),
                           tstzrange(now(), NULL)"""),
            {"here": precinct.ids["S1"], "lent": precinct.ids["officer-S3"]},
        )
    with served.read(scope(precinct, served, "S1")) as session:
        assert set(session.scalars(text("SELECT number FROM officer"))) == {"001", "011", "003"}


def test_the_service_itself_sees_nothing_of_the_operation(served: Database) -> None:
    """Where a route forgot to say who asks, the database refuses: the login has no right to any such table."""
    for table in sorted(OPERATION):
        with pytest.raises(Denied), served.read() as session:
            session.execute(text(f'SELECT FROM "{table}"'))


@pytest.mark.parametrize("role", ["twingrid_system", "twingrid_security", "twingrid_audit"])
def test_administrators_read_no_operational_table(served: Database, role: str) -> None:
    """What the three administrators become in the database holds no right to people, rosters and incidents."""
    for table in sorted(OPERATION - {"unit", "unit_version"}):
        with pytest.raises(Denied), served.read(Reach(role)) as session:
            session.execute(text(f'SELECT FROM "{table}"'))


def test_no_administrator_does_anothers_part(served: Database) -> None:
    """Tokens are out of reach of system and audit, the audit out of reach of security and system."""
    for role, tables in (
        ("twingrid_system", ("token", "role_grant", "principal", "audit")),
        ("twingrid_security", ("job", "audit")),
        ("twingrid_audit", ("token", "role_grant", "principal", "job")),
    ):
        for table in tables:
            with pytest.raises(Denied), served.write(Reach(role)) as session:
                session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("login", [API, WORKER])
def test_nobody_but_the_owner_makes_or_changes_tables(precinct: Precinct, login: str) -> None:
    """Neither the service nor the worker can create, change, drop or empty a table, in any of their roles."""
    database = precinct.database.as_login(login)
    reaches = [None, Reach("twingrid_whole"), Reach("twingrid_security")] if login == API else [None]
    for reach in reaches:
        for statement in (
            "CREATE TABLE mine ()", "ALTER TABLE officer ADD COLUMN x int", "DROP TABLE officer", "CREATE ROLE mine",
            "TRUNCATE incident", "ALTER TABLE audit DISABLE TRIGGER ALL", "ALTER TABLE job DISABLE ROW LEVEL SECURITY",
        ):  # fmt: skip
            with pytest.raises(Denied), database.write(reach) as session:
                session.execute(text(statement))
    database.engine.dispose()


def test_every_table_is_of_somebody(precinct: Precinct) -> None:
    """Every table that holds rows of the operation has row-level security; a new one cannot be forgotten."""
    free = {
        "alembic_version", "audit", "audit_head", "audit_spool", "calendar_day", "category", "category_alias",
        "dataset_version", "deployment", "gis_login", "overlap", "principal",
        "responsibility", "road_edge", "road_node", "barrier", "role_grant", "schedule_slot", "session", "street",
        "sign_in_flow", "source", "token", "worker",
    }  # fmt: skip
    with precinct.database.read() as session:
        secured = set(session.scalars(text("SELECT relname FROM pg_class WHERE relrowsecurity")))
    assert {table.name for table in Base.metadata.tables.values()} - secured <= free
    assert secured >= OPERATION
