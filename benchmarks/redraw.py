"""Redrawing in a city: a border that moves, with all that is said of it, and the publication of a plan."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import geopandas
import shapely
from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.city import load
from benchmarks.overlaps import grids
from benchmarks.town import empty
from spatial.access.rules import Actor, Grant
from spatial.db import Database
from spatial.findings.model import Limits
from spatial.grids.listing import layer_named
from spatial.grids.queries import findings_from
from spatial.history import Moment
from spatial.local_postgis import LocalPostgis
from spatial.overlaps import queries as counted
from spatial.redraw import operations as asked
from spatial.redraw import queries, review, service
from spatial.redraw.publishing import publish
from spatial.redraw.whole import whole_change
from spatial.tables import Plan
from spatial.time import Period, now

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
PLANNER, APPROVER = (Actor(role, {}, (Grant(role),)) for role in ("planner", "approver"))
FAULTS = ("invalid", "overlap", "gap", "unnoded")
COPIED = """
    CREATE TEMPORARY TABLE redrawn ON COMMIT DROP AS SELECT code, geom FROM grid_version
    WHERE layer_id = (SELECT id FROM layer WHERE code = 'police') AND upper_inf(recorded)
        AND valid @> '2025-03-05 02:00Z'::timestamptz;
    CREATE INDEX ON redrawn USING gist (geom)
"""
CHECKED = """
    SELECT (SELECT count(*) FROM redrawn a JOIN redrawn b ON a.code < b.code AND ST_Overlaps(a.geom, b.geom))
        + (SELECT sum(ST_NumInteriorRings(part.geom)) FROM (SELECT ST_Union(geom) AS geom FROM redrawn) AS united,
           LATERAL ST_Dump(united.geom) AS part)
"""
COUNTS = ("addresses", "dwellings", "incidents")
Counts = dict[str, tuple[int, ...]]


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the cases: an edit in a plan over both layers, and the publication of what it makes."""
    database = empty(postgis)
    load(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    with database.write() as session:
        plan = service.create(session, PLANNER, "bench", ["police", "governance"], at=AT, now=now())
        plan_id = plan.id
    op = border(database)

    def ours() -> Counts:
        with database.trial() as session:
            done = service.edit(session, PLANNER, plan_id, op, revision=None, now=now())
        held = {one.code: one.after.held.counted for one in done.measures.grids if one.after}
        return {code: tuple(getattr(of, name) for name in COUNTS) for code, of in held.items()}

    yield Case(
        "a border of a city's police grids moved, checked, with measures and findings", ours,
        lambda: whole(database, plan_id, op), "geopandas: the whole layer moved, checked and counted", 4.0, 1, "edits",
        same=lambda ours, theirs: all(theirs[code] == counts for code, counts in ours.items()),
    )  # fmt: skip
    yield publication(database, plan_id, op)


def publication(database: Database, plan_id: Any, op: asked.Operation) -> Case:
    """Return the case of a plan that is approved and comes into force."""
    with database.write() as session:
        service.edit(session, PLANNER, plan_id, op, revision=None, now=now())
        review.submit(session, PLANNER, plan_id, revision=None, now=now())
        correction = review.Correction("bench", AT)
        review.approve(
            session, APPROVER, plan_id, "1", correction=correction, limits=Limits(), revision=None, now=now()
        )

    with database.read() as session:
        plan = queries.find(session, plan_id)
        drawn = {one.becomes.code: one.becomes.shape.wkb for one in whole_change(session, plan) if one.becomes}

    def ours() -> int:
        with database.trial() as session:
            publish(session, APPROVER, plan_id, AT, now=now())
            found = findings_from(session, layer_named(session, "police").id, AT, FAULTS)
            return len(found)

    def theirs() -> int:
        with database.trial() as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))
            session.execute(text(COPIED))
            for code, wkb in drawn.items():
                session.execute(text("UPDATE redrawn SET geom = ST_GeomFromWKB(:wkb, 4490) WHERE code = :code"),
                                {"wkb": wkb, "code": code})  # fmt: skip
            return int(session.scalar(text(CHECKED)) or 0)

    return Case(
        "a plan of police grids published, with cover, lineage, overlaps and findings", ours, theirs,
        "an UPDATE in PostGIS, then ST_Overlaps and ST_Union over the layer", 1.0, 1, "plans",
    )  # fmt: skip


def border(database: Database) -> asked.Operation:
    """Return an operation that moves a vertex in the middle of a border between two grids by some ten metres."""
    codes, shapes = grids(database, "police")
    one = len(codes) // 2
    arcs = shapely.intersection(shapely.boundary(shapes), shapes[one].boundary)
    arcs[one] = shapely.MultiLineString()
    vertices = shapely.get_coordinates(shapely.line_merge(arcs[int(shapely.length(arcs).argmax())]))
    lon, lat = vertices[len(vertices) // 2].tolist()
    return asked.MoveVertex(layer="police", at=(lon, lat), to=(lon + 1e-4, lat + 1e-4))


def whole(database: Database, plan_id: Any, op: asked.Operation) -> Counts:
    """Return what lies in every grid of the layer once the vertex has moved, by the means of a data scientist."""
    assert isinstance(op, asked.MoveVertex)
    codes, shapes = grids(database, "police")
    with database.read() as session:
        plan: Plan = queries.find(session, plan_id)
        start, end = plan.counted.lower, plan.counted.upper
        assert start is not None and end is not None  # noqa: PT018
        period = Period(start, end)
        addresses, dwellings = counted.addresses(session, None)
        incidents, _ = counted.incidents(session, Moment(plan.base_at, plan.created_at), period, None)
    moved = shapely.transform(shapes, lambda lonlat: _moved(lonlat, op))
    assert shapely.coverage_is_valid(moved)
    frame = geopandas.GeoDataFrame({"code": codes}, geometry=moved, crs=4490)
    totals: dict[str, list[int]] = {code: [0, 0, 0] for code in codes}
    for points, weights, place in ((addresses, None, 0), (addresses, dwellings, 1), (incidents, None, 2)):
        found = geopandas.sjoin(geopandas.GeoDataFrame(geometry=shapely.points(points), crs=4490), frame)
        first = found.groupby(level=0)["code"].min()
        counts = first.groupby(first).size() if weights is None else first.index.to_series().map(
            lambda n, weights=weights: weights[n]).groupby(first).sum()  # fmt: skip
        for code, count in counts.items():
            totals[str(code)][place] = round(count)
    return {code: tuple(one) for code, one in totals.items()}


def _moved(lonlat: Any, op: asked.MoveVertex) -> Any:
    made = lonlat.copy()
    made[(lonlat == op.at).all(axis=1)] = op.to
    return made
