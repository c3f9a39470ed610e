"""A place known by a circle or an outline: which grids it may be in, to which part, and who answers there."""

import json
import math
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import mapping
from sqlalchemy import text

from spatial.db import Database
from spatial.geometry import GRS80, area_m2
from spatial.lookup import stored
from spatial.lookup.area import AreaAnswer, AreaLayer, AreaQuestion, circle
from spatial.lookup.memory import View
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Snapshot
from spatial.time import now
from tests.access_world import Precinct
from tests.build import CELL, HOUR, LAT, LON, T0, World, cell, middle
from tests.test_lookup import Ids, four_grids, make
from tests.test_lookup_receipts import asking, client

__all__ = ["client"]
BOW_TIE = [[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]
EXTENT = """
    SELECT ST_XMin(extent), ST_YMin(extent), ST_XMax(extent), ST_YMax(extent)
    FROM (SELECT ST_Extent(geom) AS extent FROM grid_version) AS everything"""
PARTS = """
    SELECT one.code, ST_AsBinary(ST_Intersection(one.geom, ST_GeomFromText(:area, 4490)))
    FROM grid_version AS one JOIN layer ON layer.id = one.layer_id
    WHERE layer.code = :layer AND upper_inf(one.recorded) AND one.valid @> :at
      AND ST_Intersects(one.geom, ST_GeomFromText(:area, 4490))"""


def shares(database: Database, area: Any, **more: Any) -> AreaAnswer:
    """Ask PostGIS of an area, and see that memory says the same."""
    question = AreaQuestion(area, T0 + HOUR, **more)
    with database.read() as session:
        found = stored.area_shares(session, question)
        assert View(Snapshot.read(session, T0 + HOUR), Sight()).area_shares(question, T0 + HOUR) == found
    return found


def told(layer: AreaLayer) -> dict[str, float]:
    """Return the share of each candidate, in their order."""
    return {one.grid.code: round(one.share, 6) for one in layer.shares}


def test_a_circle_about_a_corner_is_shared_by_four(empty_database: Database) -> None:
    """Each has its quarter, ranked by share and then by code, with whose it is."""
    make(empty_database, four_grids)
    (layer,) = shares(empty_database, circle(LON + CELL, LAT + CELL, 40)).layers
    assert told(layer).keys() == {"A", "B", "C", "D"}
    assert sum(one.share for one in layer.shares) == pytest.approx(1, abs=1e-9)
    assert all(one.share == pytest.approx(0.25, abs=1e-4) for one in layer.shares)
    assert {unit.code for one in layer.shares for unit in one.units} == {"S1"}
    assert layer.free_share == pytest.approx(0, abs=1e-9)


def test_what_no_grid_holds_is_said(empty_database: Database) -> None:
    """Half a box outside of everything is half free; only as many candidates are told as are asked for."""
    make(empty_database, four_grids)
    (layer,) = shares(empty_database, shapely.box(LON, LAT, LON + 4 * CELL, LAT + 2 * CELL), most=1).layers
    assert (told(layer), layer.others) == ({"C": pytest.approx(0.125, abs=2e-6)}, 3)  # further south, and larger
    assert (layer.others_share, layer.free_share) == (pytest.approx(0.375, abs=2e-6), pytest.approx(0.5, abs=1e-9))


def test_overrides_take_their_part(empty_database: Database) -> None:
    """A park of B inside of A's ground counts for B."""

    def a_park(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        half = shapely.MultiPolygon([shapely.box(LON, LAT + CELL, LON + CELL / 2, LAT + 2 * CELL)])
        world.override(ids["B"], ids["layer"], "park", half)

    make(empty_database, a_park)
    (layer,) = shares(empty_database, cell(0, 1)).layers
    assert told(layer) == {"A": 0.5, "B": 0.5}


def test_in_a_faulty_overlap_the_smallest_code_has_the_share(empty_database: Database) -> None:
    """Shares of a tiling sum to one whatever its faults."""

    def overlapping(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        world.grid(ids["layer"], "Z", cell(0, 1))

    make(empty_database, overlapping)
    (layer,) = shares(empty_database, cell(0, 1)).layers
    assert told(layer) == {"A": 1.0}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_shares_are_what_postgis_measures(town: Database, data: st.DataObject) -> None:
    """For circles anywhere in a town the parts are PostGIS's, and sum to the whole."""
    with town.read() as session:
        west, south, east, north = session.execute(text(EXTENT)).one()
        place = data.draw(st.tuples(st.floats(west, east), st.floats(south, north)))
        area = circle(*place, data.draw(st.floats(1, 2000)))
        at = now()
        found = stored.area_shares(session, AreaQuestion(area, at, most=1000))
        for layer in found.layers:
            rows = session.execute(
                text(PARTS),
                {"area": area.wkt, "layer": layer.layer, "at": at},
            ).all()
            parts = area_m2(np.array([shapely.from_wkb(bytes(wkb)) for _, wkb in rows], dtype=object)) if rows else []
            measured = {code: float(part) for (code, _), part in zip(rows, parts, strict=True) if part > 0}
            assert {one.grid.code: one.area_m2 for one in layer.shares} == pytest.approx(measured, rel=1e-6, abs=1e-4)
            assert sum(one.share for one in layer.shares) + layer.free_share == pytest.approx(1, abs=1e-6)


@given(lon=st.floats(-179, 179), lat=st.floats(-80, 80), radius_m=st.floats(0.5, 50_000))
def test_a_circle_is_one(lon: float, lat: float, radius_m: float) -> None:
    """Every corner is as far away as the radius says, on the ellipsoid."""
    corners = shapely.get_coordinates(circle(lon, lat, radius_m))
    away = GRS80.inv(np.full(len(corners), lon), np.full(len(corners), lat), corners[:, 0], corners[:, 1])[2]
    assert away == pytest.approx(radius_m, abs=0.001)
    assert circle(lon, lat, radius_m).is_valid


def test_over_http_both_forms_answer(precinct: Precinct, client: TestClient) -> None:
    """A circle by GET and an outline by POST, for the present out of memory, for another day out of the database."""
    headers = asking(precinct)
    lon, lat = middle(0, 0)
    round_ = client.get("/lookup/area", params={"lon": lon, "lat": lat, "radius_m": 20}, headers=headers).json()
    assert round_["area_m2"] == pytest.approx(math.pi * 20**2, rel=1e-3)
    assert [one["grid"]["code"] for one in round_["layers"][0]["candidates"]] == ["A"]
    for at in ({}, {"at": "2026-03-03T08:30:00+08:00"}):
        square = client.post("/lookup/area", json=mapping(cell(0, 0)), params=at, headers=headers).json()
        assert [(one["grid"]["code"], one["share"]) for one in square["layers"][0]["candidates"]] == [("A", 1.0)]


def test_of_units_beyond_ones_reach_no_people_are_told(precinct: Precinct, client: TestClient) -> None:
    """A limited viewer's area over everything names their own people, the rim's desks, and of all others nothing."""
    body = mapping(cell(0, 0, width=12))
    said = client.post("/lookup/area", json=body, headers=asking(precinct, "viewer-unit")).json()["layers"][0]
    seen = {one["grid"]["code"]: one["on_duty"] for one in said["candidates"]}
    assert "E" not in seen
    assert (seen["C"], seen["A"] is not None) == (None, True)
    assert said["free_share"] > 0


@pytest.mark.parametrize(
    ("body", "where", "fault"),
    [
        ({"type": "Point", "coordinates": [120, 30]}, "type", None),
        ({"type": "Polygon", "coordinates": []}, "coordinates", "not-an-area"),
        (
            {"type": "Polygon", "coordinates": [BOW_TIE]},
            "coordinates",
            "area-not-valid",
        ),
        ({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}, "coordinates", "area-too-large"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [0, 300], [9, 9], [0, 0]]]}, "lat", "latitude-out-of-range"),
        ({"type": "Polygon", "coordinates": [[["a", 0], [0, 3], [9, 9], [0, 0]]]}, "coordinates", "not-an-area"),
        ({"type": "Polygon", "coordinates": [10**20, "\ud800"]}, "coordinates", "not-an-area"),
        ({"type": "Polygon", "coordinates": [[[10**20, 0], [0, 3], [9, 9], [10**20, 0]]]}, "lon", None),
        ({"type": "Polygon", "coordinates": [[[1e999, 0], [0, 3], [9, 9], [1e999, 0]]]}, "coordinates", None),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1e999, 3], [9, 9], [0, 0]]]}, None, None),
        ({"type": "Polygon", "coordinates": [[[120 + n * 1e-6, 30] for n in range(10_001)]]}, "coordinates", None),
    ],
)
def test_what_is_no_area_is_refused(
    precinct: Precinct, client: TestClient, body: dict[str, Any], where: str | None, fault: str | None
) -> None:
    """With the field at fault, and never as a fault of ours."""
    written = json.dumps(body)
    headers = {**asking(precinct), "Content-Type": "application/json"}
    refused = client.post("/lookup/area", content=written, headers=headers)
    assert refused.status_code in {400, 413}, refused.text
    if where:
        told = refused.json()["faults"]
        assert any(one["where"].endswith(where) for one in told), told
        assert fault is None or fault in {one["fault"] for one in told}


def test_a_circle_over_the_whole_country_is_refused(precinct: Precinct, client: TestClient) -> None:
    """By the radius."""
    params = {"lon": 104, "lat": 35, "radius_m": 3_000_000}
    refused = client.get("/lookup/area", params=params, headers=asking(precinct))
    assert (refused.status_code, refused.json()["faults"][0]["where"]) == (400, "radius_m")
