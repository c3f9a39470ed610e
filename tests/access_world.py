"""Two stations side by side, a third one away, and principals of every role who reach over all, one, or one layer."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from geoalchemy2.shape import from_shape
from shapely import LineString, MultiLineString
from sqlalchemy import insert, text, update

from spatial.access import DUTY_PHONE, add_principal, issue_token, operator
from spatial.db import Database
from spatial.tables import (
    ROLES,
    SRID,
    Address,
    Barrier,
    Category,
    Finding,
    Incident,
    IncidentKey,
    Layer,
    Place,
    PlaceVersion,
    RoadEdge,
    RoadNode,
    RoleGrant,
    Source,
)
from spatial.time import now
from tests.build import HOUR, T0, World, build, cell, middle, point

STATIONS = ("S1", "S2", "S3")
SCOPES = ("whole", "unit", "layer")
NOON = T0 + 4 * HOUR


@dataclass
class Precinct:
    """The database, internal ids by name, and bearer tokens by `role-scope`."""

    database: Database
    ids: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def build_precinct(database: Database) -> Precinct:
    """Build the world: S1 with grids A and B, S2 with C and D beside them, S3 with E far away; each has its people."""
    made = Precinct(database)
    build(database, lambda world: _fill(world, made), lambda world: _admit(world, made))
    return made


def _fill(world: World, made: Precinct) -> None:
    ids = made.ids
    world.deployment()
    ids["police"], ids["other"] = world.layer("police"), world.layer("other", position=2)
    world.session.execute(update(Layer).values(visibility="internal"))
    world.step(ids["police"], 1, "own", "grid_shift", shift_kinds=["grid"])
    ids["bureau"] = world.unit("B", kind="bureau")
    for column, station in ((0, "S1"), (2, "S2"), (9, "S3")):
        ids[station] = world.unit(station, geom=from_shape(cell(column, 0), srid=SRID))
        world.link(ids[station], ids["bureau"], "command")
    for code, station, column in (("A", "S1", 0), ("B", "S1", 1), ("C", "S2", 2), ("D", "S2", 3), ("E", "S3", 9)):
        ids[code] = world.grid(ids["police"], code, cell(column, 0), ids[station])
    ids["X"] = world.grid(ids["other"], "X", cell(0, 0), ids["S1"])
    for n, station in enumerate(STATIONS, 1):
        grid = ids[{"S1": "A", "S2": "C", "S3": "E"}[station]]
        ids[f"officer-{station}"] = officer = world.officer(f"00{n}", ids[station])
        mate = world.officer(f"01{n}", ids[station])
        world.assign(officer, grid)
        world.leave(mate, T0 - 48 * HOUR, T0 - 24 * HOUR)
        team = world.team(f"T-{station}", ids[station], [mate])
        shift = world.shift(ids[station], T0, T0 + 12 * HOUR, officer=officer, grids=[grid])
        world.event(shift, "present", T0, T0 + HOUR)
        world.shift(ids[station], T0, T0 + 12 * HOUR, team=team, kind="patrol", grids=[grid])
    _report(world, made)


def _report(world: World, made: Precinct) -> None:
    """Report one incident, and number one house, in each of the grids."""
    session, title = world.session, {"zh-CN": "甲", "en": "a"}
    source = session.execute(insert(Source).values(code="110", title=title).returning(Source.id)).scalar_one()
    adding = (
        insert(Category)
        .values(code="theft", title=title, police_matter=True, priority=1, handling_minutes=30)
        .returning(Category.id)
    )
    category = session.execute(adding).scalar_one()
    session.execute(text("SELECT ensure_incident_months(:at, :at)"), {"at": T0})
    recorded = world._recorded("incidents")
    for code, column in (("A", 0), ("C", 2), ("E", 9)):
        place = from_shape(point(*middle(column, 0)), srid=SRID)
        key = insert(IncidentKey).values(source_id=source, external_id=f"in-{code}").returning(IncidentKey.id)
        told = {"at": T0 + HOUR, "incident_key_id": session.execute(key).scalar_one(), "category_id": category}
        session.execute(insert(Incident).values(point=place, recorded=recorded, **told))
        session.execute(insert(Address).values(code=f"H-{code}", text=f"house {code}", point=place, dwellings=1))
        post = session.execute(insert(Place).values(code=f"P-{code}").returning(Place.id)).scalar_one()
        times = {"valid": world.valid, "recorded": world._recorded("areas")}
        session.execute(insert(PlaceVersion).values(place_id=post, name=code, klass="post", point=place, **times))
        flaw = {"kind": "gap", "severity": "fault", "geom": place, "grids": [code], "layer_id": made.ids["police"]}
        session.execute(insert(Finding).values(**flaw, **times))
    _lay_out(world)


def _lay_out(world: World) -> None:
    """Lay a road and a river across all of it."""
    session, line = world.session, LineString([middle(0, 0), middle(9, 0)])
    nodes = insert(RoadNode).returning(RoadNode.id)
    ends = [session.execute(nodes.values(point=from_shape(point(*at), srid=SRID))).scalar_one() for at in line.coords]
    road = {"code": "R", "from_node_id": ends[0], "to_node_id": ends[1], "klass": "street"}
    session.execute(insert(RoadEdge).values(**road, geom=from_shape(line, srid=SRID)))
    river = from_shape(MultiLineString([line]), srid=SRID)
    session.execute(insert(Barrier).values(code="W", kind="river", geom=river))


def _admit(world: World, made: Precinct) -> None:
    session, admin = world.session, operator("test")
    for role in ROLES:
        for scope in SCOPES:
            name = f"{role}-{scope}"
            add_principal(session, admin, name, {"zh-CN": name, "en": name}, role, now=T0)
            limits: dict[str, Any] = {}
            if not role.endswith("_admin"):
                limits = {"unit": {"unit_id": made.ids["S1"]}, "layer": {"layers": ["police"]}}.get(scope, {})
            where = text("principal_id = (SELECT id FROM principal WHERE name = :name)").bindparams(name=name)
            session.execute(update(RoleGrant).where(where).values(fields=[DUTY_PHONE], **limits))
            made.tokens[name] = issue_token(session, admin, name, "test", now=now(), expires=now() + timedelta(days=1))
