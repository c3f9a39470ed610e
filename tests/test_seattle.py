"""A real city: Seattle's beats, precincts, micro-communities and neighbourhoods, and a day of real calls."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import shapely
from pyproj import Transformer
from sqlalchemy import text

from spatial.db import Database
from spatial.findings import checking
from spatial.findings.model import Limits
from spatial.findings.state import OnRecord
from spatial.grids.listing import layer_named
from spatial.history import Moment
from spatial.local_postgis import LocalPostgis
from spatial.lookup import stored
from spatial.lookup.model import LayerAnswer, Question
from tests.command_line import run_verb
from tests.conftest import copy_of

AT = datetime(2016, 3, 25, 20, tzinfo=UTC)
LAYERS = {
    "beats": ("spd_beats", "name"),
    "precincts": ("spd_precincts", "name"),
    "mcpp": ("spd_mcpp_areas", "NAME"),
    "hoods": ("neighborhoods", "name"),
}


@dataclass(frozen=True)
class Call:
    """A recorded call: where, and the beat that the police wrote on it."""

    lon: float
    lat: float
    beat: str


@pytest.fixture(scope="module")
def seattle(cluster: LocalPostgis, empty_template: str, realdata: Path) -> Iterator[Database]:
    """Yield an empty deployment into which the command line imported the four tilings."""
    with copy_of(cluster, empty_template) as database:
        url = database.engine.url.render_as_string(hide_password=False)
        for layer, (name, column) in LAYERS.items():
            file = realdata / "seattle" / f"{name}.geojson"
            columns = ["--layer", layer, "--code", column, "--create-layer", "--effective", "2016-01-01T00:00:00Z"]
            own = {"TWINGRID_DATABASE_URL": url}
            run_verb("import", "grids", file, *columns, "--commit", env=os.environ | own).check_returncode()
        yield database


@pytest.fixture(scope="module")
def calls(realdata: Path) -> list[Call]:
    """Return the calls of 25 March 2016."""
    with (realdata / "seattle" / "spd_911_2016-03-25.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Call(float(row["Longitude"]), float(row["Latitude"]), row["Zone/Beat"]) for row in rows]


@pytest.fixture(scope="module")
def answers(seattle: Database, calls: list[Call]) -> list[LayerAnswer]:
    """Return what the layer of beats says of each call, known to 0.6 m."""
    found = []
    for call in calls:
        with seattle.read() as session:
            question = Question(call.lon, call.lat, AT, accuracy_m=0.6, layers=("beats",))
            found.append(stored.answer(session, question).layers[0])
    return found


def test_the_clean_tilings_are_clean_and_the_other_is_not(seattle: Database) -> None:
    """Beats, precincts and micro-communities tile the city; the neighbourhoods have two holes."""
    counted = text(
        "SELECT l.code, count(f.id) FROM layer l LEFT JOIN finding f ON f.layer_id = l.id "
        "AND f.kind IN ('gap', 'overlap') AND upper_inf(f.recorded) GROUP BY l.code"
    )
    with seattle.read() as session:
        faults = {row.code: row.count for row in session.execute(counted)}
    assert faults == {"beats": 0, "precincts": 0, "mcpp": 0, "hoods": 2}
    with seattle.read() as session:
        found = {
            code: [
                one.kind
                for one in checking.tiling(
                    OnRecord(session, Moment(AT), Limits().pieces), layer_named(session, code), Limits()
                )
                if one.severity == "fault"
            ]
            for code in LAYERS
        }
    assert found == {"beats": [], "precincts": [], "mcpp": [], "hoods": ["gap", "gap"]}


def test_the_owner_is_the_labelled_beat(calls: list[Call], answers: list[LayerAnswer]) -> None:
    """At least 633 of 706 labels are the owner, at least 704 the owner or a neighbour within 0.6 m."""
    assert len(calls) == 706
    owner = named = 0
    for call, one in zip(calls, answers, strict=True):
        own = {one.grid.code} if one.grid else set()
        near = {other.grid.code for other in one.beyond if other.distance_m <= 0.6}
        owner += call.beat in own
        named += call.beat in own | near
    assert owner >= 633
    assert named >= 704


def test_exactly_the_calls_near_another_beat_are_border_cases(
    realdata: Path, calls: list[Call], answers: list[LayerAnswer]
) -> None:
    """The border cases are the 124 calls within 0.6 m of another beat, measured on the source file in UTM."""
    metres = Transformer.from_crs("EPSG:4326", "EPSG:26910", always_xy=True).transform
    features = orjson.loads((realdata / "seattle" / "spd_beats.geojson").read_bytes())["features"]
    shapes = {one["properties"]["name"]: shapely.from_geojson(orjson.dumps(one["geometry"])) for one in features}
    planar = {code: shapely.transform(one, metres, interleaved=False) for code, one in shapes.items()}
    near = []
    for call, one in zip(calls, answers, strict=True):
        here = shapely.Point(metres(call.lon, call.lat))
        others = [shape for code, shape in planar.items() if one.grid is None or code != one.grid.code]
        near.append(min(shape.distance(here) for shape in others) <= 0.6)
    assert sum(near) == 124
    assert [one.near_border for one in answers] == near
    assert [one.status for one in answers if one.grid is None] == ["outside"]
