"""Nothing of a tiling is in force without what is wrong with it on record, at any time."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from spatial.access import operator
from spatial.db import Database, open_version
from spatial.findings.acknowledging import acknowledge
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Limits
from spatial.grids.check import check, recheck_layer
from spatial.grids.listing import layer_named
from spatial.grids.queries import records_in_force
from spatial.grids.service import replace_versions
from spatial.history import Moment, close
from spatial.imports.grids.model import Plan
from spatial.overlaps.service import keep
from spatial.tables import Finding
from spatial.time import now
from tests.importing import FOUR, SUMMER, Write, counts, geojson_file, rows, take, told
from tests.test_tiling import in_degrees, shapes_of, square

SPRING = datetime(2025, 3, 1, tzinfo=UTC)
AUTUMN = datetime(2025, 10, 1, tzinfo=UTC)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


def on_record(database: Database) -> list[Any]:
    """Return what is on record of findings: kind, grids and span."""
    wanted = "SELECT kind, grids, lower(valid), upper(valid) FROM finding WHERE upper_inf(recorded) ORDER BY valid"
    return rows(database, wanted)


def planned(plan: Plan) -> list[Any]:
    """Return the same of what a plan tells."""
    return [(one.finding.kind, list(one.finding.grids), one.span.lower, one.span.upper) for one in plan.standing]


def widened_in_summer(database: Database, write: Write) -> None:
    """Take in A and B in January, of which A is wider from July on."""
    pair = shapes_of(square(0, 0, 100), square(0, 100, 100))
    take(database, write(in_degrees(pair), code=["A", "B"]))
    wide = [(0.0, 0.0), (150.0, 0.0), (150.0, 100.0), (0.0, 100.0)]
    take(database, write(in_degrees(shapes_of(wide)), code=["A"]), effective=SUMMER)


def test_later_changes_are_checked_too(empty_database: Database, write: Write) -> None:
    """A grid set in March where another widens in July overlaps it from July on, as told and as recorded."""
    widened_in_summer(empty_database, write)
    assert on_record(empty_database) == []
    plan = take(empty_database, write(in_degrees(shapes_of(square(100, 0, 50))), code=["C"]), effective=SPRING)
    assert counts(plan)["new"] == 1
    assert planned(plan) == [("overlap", ["A", "C"], SUMMER, None)]
    assert on_record(empty_database) == planned(plan)


def test_a_finding_that_outlasts_changes_is_one(empty_database: Database, write: Write) -> None:
    """An overlap that later changes elsewhere do not touch is one finding; the change that mends it ends it."""
    lapped = in_degrees(shapes_of(square(0, 0, 100), square(98, 0, 100), square(500, 0, 50)))
    take(empty_database, write(lapped, code=["A", "B", "X"]), effective=SPRING)
    moved = in_degrees(shapes_of(square(500, 0, 60)))
    take(empty_database, write(moved, code=["X"]), effective=SUMMER)
    assert on_record(empty_database) == [("overlap", ["A", "B"], SPRING, None)]
    beside = in_degrees(shapes_of(square(100, 0, 98)))
    take(empty_database, write(beside, code=["B"]), effective=AUTUMN)
    assert on_record(empty_database) == [("overlap", ["A", "B"], SPRING, AUTUMN)]
    take(empty_database, write(lapped, code=["A", "B", "X"]), effective=datetime(2025, 1, 1, tzinfo=UTC))
    assert [(row[0], row[2], row[3]) for row in on_record(empty_database)] == [
        ("overlap", datetime(2025, 1, 1, tzinfo=UTC), AUTUMN)
    ]


def test_an_acknowledged_finding_stays_so(empty_database: Database, write: Write) -> None:
    """A finding whose beginning is moved keeps until when and why it is acknowledged."""
    lapped, instant = in_degrees(shapes_of(square(0, 0, 100), square(98, 0, 100))), now()
    take(empty_database, write(lapped, code=["A", "B"]), effective=SUMMER)
    with empty_database.write() as session:
        (found,) = Findings(session, Moment(instant), Limits()).found(Wanted(("tiling",)))
        acknowledge(session, operator("test"), found, "a bridge", instant + timedelta(days=9), now=instant)
    take(empty_database, write(lapped, code=["A", "B"]), effective=SPRING)
    with empty_database.read() as session:
        (found,) = Findings(session, Moment(now()), Limits()).found(Wanted(("tiling",)))
    assert found.valid is not None
    assert (found.valid.lower, found.acknowledged and found.acknowledged.reason) == (SPRING, "a bridge")


def test_recheck_tells_each_time_apart(empty_database: Database, write: Write) -> None:
    """A layer checked again has each finding on record for its own span, and the check in the audit."""
    widened_in_summer(empty_database, write)
    inside = in_degrees(shapes_of(square(98, 0, 50)))
    take(empty_database, write(inside, code=["C"]), effective=SPRING)
    before = on_record(empty_database)
    assert [(row[0], row[2], row[3]) for row in before] == [("overlap", SPRING, SUMMER), ("overlap", SUMMER, None)]
    with empty_database.write() as session:
        close(session, Finding, session.scalars(select(Finding.id)).all(), open_version(session, "areas"))
    with empty_database.write() as session:
        told = recheck_layer(session, "police", at=SPRING, actor="test")
    assert told == {"layer": "police", "grids": 3, "findings": {"overlap": 1}}
    assert on_record(empty_database) == before
    audited = "SELECT actor, action, object, detail ->> 'findings' FROM audit ORDER BY id DESC LIMIT 1"
    assert rows(empty_database, audited) == [("test", "check-tiling", "layer police", "2")]
    with empty_database.write() as session:
        recheck_layer(session, "police", at=SPRING, actor="test")
    assert rows(empty_database, "SELECT count(*) FROM finding") == [(4,)]  # two closed, two anew, none twice


def test_a_layer_that_should_cover_another(empty_database: Database, write: Write) -> None:
    """Beats that leave some of their precinct uncovered, or reach out of it, are told, until the precinct changes."""
    take(empty_database, write(in_degrees(shapes_of(square(0, 0, 200))), code=["P"]), layer="precincts")
    beats = in_degrees(
        shapes_of([(0, 0), (100, 0), (100, 200), (0, 200)], [(100, 0), (230, 0), (230, 150), (100, 150)])
    )
    plan = take(empty_database, write(beats, code=["A", "B"]), layer="beats", within="precincts")
    serious = [one.finding for one in plan.standing if one.finding.severity == "fault"]
    assert {(one.kind, one.grids, round(one.area_m2 or 0, -1)) for one in serious} == {
        ("uncovered", ("A", "B"), 5000),
        ("outside", ("B",), 4500),
    }
    assert sorted(planned(plan)) == sorted(on_record(empty_database))

    fitting = in_degrees(shapes_of([(0, 0), (230, 0), (230, 150), (100, 150), (100, 200), (0, 200)]))
    widened = take(empty_database, write(fitting, code=["P"]), layer="precincts", effective=SUMMER)
    assert {one.finding.severity for one in widened.inner["beats"]} <= {"info"}
    recorded = on_record(empty_database)
    assert [row[3] for row in recorded if row[0] != "sliver"] == [SUMMER, SUMMER]
    with empty_database.write() as session:
        counted = recheck_layer(session, "beats", at=SPRING, actor="test")["findings"]
    assert (counted["outside"], counted["uncovered"]) == (1, 1)
    assert on_record(empty_database) == recorded


def test_grids_that_end_leave_the_outline_uncovered(empty_database: Database, write: Write) -> None:
    """Where all grids of a layer end, all that it should cover is uncovered; another outline is refused."""
    file = write(FOUR, code=list("ABCD"))
    take(empty_database, file, layer="precincts")
    assert take(empty_database, file, layer="beats", within="precincts").findings == ()
    with empty_database.write() as session:
        beats = layer_named(session, "beats")
        stamp = open_version(session, "areas")
        ended = records_in_force(session, beats.id, SUMMER)
        replace_versions(session, beats.id, ended, [], start=SUMMER, stamp=stamp)
        keep(session, stamp)
        (gone,) = check(session, beats, at=SPRING, stamp=stamp)
    assert (gone.finding.kind, gone.finding.grids, gone.span.lower) == ("uncovered", (), SUMMER)
    assert round(gone.finding.area_m2 or 0, -3) == 360_000
    assert told(lambda: take(empty_database, file, layer="precincts", within="beats")) == [
        ("within", "layer-within-differs")
    ]
