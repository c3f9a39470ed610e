"""A real city: Seattle's beats, precincts, micro-communities and neighbourhoods, and a day of real calls."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spatial import access
from spatial.db import Database
from spatial.grids.tiling import TilingFinding
from spatial.imports.model import Columns, NewLayer, Request
from spatial.imports.read import read_file
from spatial.imports.service import commit_import
from spatial.local_postgis import LocalPostgis
from spatial.lookup.ask import ask
from spatial.lookup.model import LayerAnswer, Question
from spatial.settings import Settings
from tests.conftest import copy_of

EFFECTIVE = datetime(2016, 1, 1, tzinfo=UTC)
AT = datetime(2016, 3, 25, 20, tzinfo=UTC)
LAYERS = {"beats": "spd_beats", "precincts": "spd_precincts", "mcpp": "spd_mcpp_areas", "hoods": "neighborhoods"}
COLUMNS = {"beats": "name", "precincts": "name", "mcpp": "NAME", "hoods": "name"}


@dataclass(frozen=True)
class Call:
    """A recorded call: where, and the beat that the police wrote on it."""

    lon: float
    lat: float
    beat: str


@dataclass(frozen=True)
class City:
    """The imported city, with what the imports found wrong with each layer."""

    database: Database
    findings: dict[str, tuple[TilingFinding, ...]]


@pytest.fixture(scope="module")
def seattle(cluster: LocalPostgis, empty_template: str, realdata: Path) -> Iterator[City]:
    """Yield a deployment into which the four tilings were imported."""
    findings = {}
    with copy_of(cluster, empty_template) as database:
        for layer, name in LAYERS.items():
            table = read_file(realdata / "seattle" / f"{name}.geojson")
            new = NewLayer({"zh-CN": layer, "en": layer})
            request = Request(layer, Columns(COLUMNS[layer], COLUMNS[layer]), EFFECTIVE, new_layer=new)
            plan = commit_import(database, access.operator("test"), table, request, Settings())
            findings[layer] = plan.findings
        yield City(database, findings)


@pytest.fixture(scope="module")
def calls(realdata: Path) -> list[Call]:
    """Return the calls of 25 March 2016."""
    with (realdata / "seattle" / "spd_911_2016-03-25.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Call(float(row["Longitude"]), float(row["Latitude"]), row["Zone/Beat"]) for row in rows]


@pytest.fixture(scope="module")
def answers(seattle: City, calls: list[Call]) -> list[LayerAnswer]:
    """Return what the layer of beats says of each call, known to 0.6 m."""
    found = []
    for call in calls:
        with seattle.database.read() as session:
            question = Question(call.lon, call.lat, AT, accuracy_m=0.6, layers=("beats",))
            found.append(ask(session, question).layers[0])
    return found


def test_the_clean_tilings_are_clean_and_the_other_is_not(seattle: City) -> None:
    """Beats, precincts and micro-communities tile the city; the neighbourhoods have two holes."""
    gaps = {
        layer: [one.kind for one in found if one.kind in {"gap", "overlap"}]
        for layer, found in seattle.findings.items()
    }
    assert gaps == {"beats": [], "precincts": [], "mcpp": [], "hoods": ["gap", "gap"]}


def test_the_owner_is_the_labelled_beat(calls: list[Call], answers: list[LayerAnswer]) -> None:
    """At least 633 of 706 labels are the owner, at least 704 the owner or a neighbour within 0.6 m."""
    assert len(calls) == 706
    owner = sum(one.grid is not None and one.grid.code == call.beat for call, one in zip(calls, answers, strict=True))
    named = sum(
        call.beat
        in {one.grid.code if one.grid else "", *(other.grid.code for other in one.beyond if other.distance_m <= 0.6)}
        for call, one in zip(calls, answers, strict=True)
    )
    assert owner >= 633
    assert named >= 704


def test_exactly_the_calls_near_another_beat_are_border_cases(answers: list[LayerAnswer]) -> None:
    """124 calls lie within 0.6 m of another beat, and one of these is in no beat at all."""
    assert sum(one.near_border for one in answers) == 124
    assert [one.status for one in answers if one.grid is None] == ["outside"]
