"""A real city's files come in as they are: clean tilings clean, the others with what is wrong with them."""

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from spatial.db import Database
from spatial.geometry import GRS80, Geometries, area_m2
from spatial.grids import queries
from spatial.history import Moment
from spatial.imports.grids.model import Plan
from spatial.imports.grids.service import commit_import, export_layer
from spatial.imports.read import read_file
from tests.importing import ACTOR, FREE, SETTINGS, SUMMER, counts, everything, in_force, request_of, take, told

TILINGS = {
    "beats": ("spd_beats.geojson", "name", 51),
    "precincts": ("spd_precincts.geojson", "name", 5),
    "mcpp": ("spd_mcpp_areas.geojson", "NAME", 61),
    "mcpp-feet": ("mcpp_areas_epsg2926.zip", "NAME", 61),
    "hoods": ("neighborhoods.geojson", "cartodb_id", 90),
}

Bring = Callable[..., Plan]


@pytest.fixture
def bring(empty_database: Database, realdata: Path) -> Bring:
    """Return a taker of one of the city's files into a layer of its name."""

    def make(layer: str, **how: Any) -> Plan:
        file, code, _ = TILINGS[layer]
        return take(empty_database, realdata / "seattle" / file, layer=layer, code=code, **how)

    return make


def stored_shapes(database: Database, layer: str) -> tuple[list[str], Geometries]:
    with database.read() as session:
        found = queries.find_layer(session, layer)
        assert found is not None
        states = queries.records_in_force(session, found.id, SUMMER)
    return [state.code for state in states], queries.shapes_of(states)


def serious(plan: Plan) -> list[tuple[str, tuple[str, ...], float]]:
    return [(one.kind, one.grids, round(one.area_m2 or 0, 1)) for one in plan.findings if one.severity == "fault"]


@pytest.mark.parametrize("layer", ["beats", "precincts", "mcpp", "mcpp-feet"])
def test_clean_tilings(empty_database: Database, bring: Bring, layer: str) -> None:
    """Beats, precincts and micro-communities, in degrees and in feet, tile the same 245.58 km² without a fault."""
    plan = bring(layer)
    assert counts(plan) == {"new": TILINGS[layer][2]}
    assert (serious(plan), plan.repairs) == ([], ())
    _, shapes = stored_shapes(empty_database, layer)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert area_m2(shapes).sum() / 1e6 == pytest.approx(245.581, abs=0.001)  # on the ellipsoid; 245.399 in UTM 10N


def test_neighbourhoods_have_two_holes(bring: Bring) -> None:
    """The neighbourhoods come in with their two holes told in m²."""
    plan = bring("hoods", name="name")
    assert serious(plan) == [("gap", ("103",), 333.7), ("gap", ("67",), 45.0)]


def test_council_districts_have_an_overlap(empty_database: Database, realdata: Path) -> None:
    """The council districts come in with their one hair-thin overlap, as it is after snapping to 1 cm."""
    plan = take(empty_database, realdata / "seattle" / "city_council_districts.geojson", code="district")
    assert [(kind, grids) for kind, grids, _ in serious(plan)] == [("overlap", ("4", "7"))]


def test_villages_need_a_lenient_limit(empty_database: Database, realdata: Path) -> None:
    """A village whose outline crosses itself is refused by row and code; with a wider limit all come in, told in m²."""
    file = realdata / "seattle" / "residential_urban_villages.geojson"
    column = "Residential Urban Village"
    assert told(lambda: take(empty_database, file, code=column, new_layer=FREE)) == [
        ("row 9, geometry", "repair-too-large")
    ]
    wider = SETTINGS.model_copy(update={"repair_limit": 0.01})
    request = request_of("villages", column, {"new_layer": FREE})
    plan = commit_import(empty_database, ACTOR, read_file(file), request, wider)
    assert counts(plan) == {"new": 17}
    mended = {one.code: one.area_m2 for one in plan.repairs if one.kind == "made-valid"}
    assert mended["Morgan Junction"] == pytest.approx(3652, abs=1)


def test_beats_tile_the_precincts(bring: Bring) -> None:
    """Imported apart, beats and precincts still share their outline edge by edge."""
    bring("precincts")
    assert serious(bring("beats", within="precincts")) == []


def test_feet_and_degrees_agree(empty_database: Database, bring: Bring) -> None:
    """The Shapefile in US survey feet, whose WKT names no code, lies within 2 m of the published degrees."""
    bring("mcpp")
    bring("mcpp-feet")
    codes, degrees = stored_shapes(empty_database, "mcpp")
    same_codes, feet = stored_shapes(empty_database, "mcpp-feet")
    assert codes == same_codes
    here, there = (shapely.get_coordinates(shapely.centroid(shapes)) for shapes in (degrees, feet))
    assert np.max(GRS80.inv(*here.T, *there.T)[2]) < 2


def test_calls_lie_in_their_beats(empty_database: Database, bring: Bring, realdata: Path) -> None:
    """By plain geometry, the labelled beat holds at least 633 of 706 calls, and one call is in no beat."""
    bring("beats")
    codes, shapes = stored_shapes(empty_database, "beats")
    with (realdata / "seattle" / "spd_911_2016-03-25.csv").open(encoding="utf-8") as file:
        calls = list(csv.DictReader(file))
    points = shapely.points([(float(call["Longitude"]), float(call["Latitude"])) for call in calls])
    call, beat = shapely.STRtree(shapes).query(points, predicate="intersects")
    owners: dict[int, str] = {}
    for one, code in sorted(zip(call.tolist(), (codes[index] for index in beat), strict=True)):
        owners.setdefault(one, code)  # on a border the smallest code
    assert len(calls) == 706
    assert len(owners) == 705
    assert sum(owners.get(one) == row["Zone/Beat"] for one, row in enumerate(calls)) >= 633


def test_round_trip_through_every_format(empty_database: Database, bring: Bring, tmp_path: Path) -> None:
    """Beats with an exclave and neighbourhoods with holes go out and come back the same, and from the source again."""
    for layer in ("beats", "hoods"):
        bring(layer)
        stored, before = in_force(empty_database, layer=layer), None
        for fmt, name in (("geojson", "x.geojson"), ("gpkg", "x.gpkg"), ("shp", "x.zip")):
            write = partial(export_layer, empty_database, ACTOR, layer, Moment(SUMMER), tmp_path / name, fmt)
            write(crs="EPSG:4490", settings=SETTINGS)
            before = everything(empty_database)
            again = take(empty_database, tmp_path / name, layer=layer, name="name", grid_kind="kind", effective=SUMMER)
            assert counts(again) == {"same": TILINGS[layer][2]}
            assert everything(empty_database) == before
        assert counts(bring(layer, effective=SUMMER)) == {"same": TILINGS[layer][2]}
        assert in_force(empty_database, layer=layer) == stored


def test_part_of_a_city(empty_database: Database, bring: Bring, realdata: Path) -> None:
    """A file with some of the beats alone, imported again among the others, changes nothing."""
    bring("beats")
    table = read_file(realdata / "seattle" / "spd_beats.geojson")
    some = slice(0, 20)
    part = replace(table, columns={"name": table.columns["name"][some]}, shapes=table.shapes[some])
    plan = commit_import(empty_database, ACTOR, part, request_of("beats", "name", {"effective": SUMMER}), SETTINGS)
    assert counts(plan) == {"same": 20, "kept": 31}
