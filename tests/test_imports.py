"""Grids come in from files in one transaction or not at all, and every fault is told."""

import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import shapely

from spatial.db import Database, open_version
from spatial.errors import GeometryFault
from spatial.geometry import Geometries, area_m2
from spatial.grids import queries
from spatial.grids.service import NewVersion, replace_versions
from spatial.imports.grids.model import NewLayer, NewUnits
from spatial.imports.read import read_file
from spatial.overlaps.service import keep
from spatial.time import since
from tests.importing import (
    FOUR,
    FREE,
    START,
    SUMMER,
    TILING,
    Write,
    counts,
    everything,
    faults,
    geojson_file,
    in_force,
    plan_of,
    rows,
    take,
    told,
)
from tests.test_tiling import in_degrees, jittered, shapes_of, square


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


def test_dry_run_writes_nothing(empty_database: Database, write: Write) -> None:
    """A dry run tells what would happen, and leaves every table as it was."""
    before = everything(empty_database)
    plan = plan_of(empty_database, write(FOUR))
    assert counts(plan) == {"new": 4}
    assert plan.makes_layer
    assert everything(empty_database) == before


def test_first_import(empty_database: Database, write: Write) -> None:
    """The first import makes layer, grids and the deployment's plane, in one version, with one line of audit."""
    take(empty_database, write(FOUR, code=["A", "B", "C", "D"], name=["甲", "乙", None, "丁"]), name="name")
    assert [(code, name) for code, (name, _) in in_force(empty_database).items()] == [
        ("A", "甲"),
        ("B", "乙"),
        ("C", "C"),
        ("D", "丁"),
    ]
    assert rows(empty_database, "SELECT lon_0 FROM deployment") == [(117.0,)]
    assert rows(empty_database, "SELECT domain, n FROM dataset_version") == [("areas", 1)]
    assert rows(empty_database, "SELECT action, object FROM audit") == [("import-grids", "layer police")]
    assert rows(empty_database, "SELECT title, kind, visibility FROM layer") == [(TILING.title, "tiling", "internal")]


def test_import_again_changes_nothing(empty_database: Database, write: Write) -> None:
    """The same file again, at any later time, is 'same' throughout and writes not even a version."""
    shapes = in_degrees(jittered(3, 4, drop=0.5, noise_m=0.002))
    file = write(shapes)
    take(empty_database, file)
    before = everything(empty_database)
    assert counts(take(empty_database, file, effective=SUMMER)) == {"same": 16}
    assert everything(empty_database) == before


def test_change_keeps_the_past(empty_database: Database, write: Write) -> None:
    """A change from summer on leaves spring as it was, and what was known before the change can still be asked."""
    take(empty_database, write(FOUR))
    old = in_force(empty_database)
    time.sleep(0.01)
    known = rows(empty_database, "SELECT clock_timestamp()")[0][0]
    moved = in_degrees(shapes_of(square(0, 0, 310), *(square(x, y, 300) for x, y in ((0, 310), (310, 0), (310, 310)))))
    plan = take(empty_database, write(moved), effective=SUMMER)
    assert counts(plan) == {"changed": 4}
    assert plan.of("changed")[0].differs == ("shape",)
    assert in_force(empty_database, START) == old
    assert in_force(empty_database, SUMMER) != old
    assert in_force(empty_database, SUMMER, known) == old
    assert rows(empty_database, "SELECT count(DISTINCT grid_id), count(*) FROM grid_version") == [(4, 12)]


def test_earlier_start_ends_where_the_next_begins(empty_database: Database, write: Write) -> None:
    """The same grids from an earlier instant fill the time before, up to what is on record."""
    take(empty_database, write(FOUR), effective=SUMMER)
    plan = take(empty_database, write(FOUR), effective=START)
    assert counts(plan) == {"new": 4}
    assert {grid.valid.upper for grid in plan.grids} == {SUMMER}
    assert in_force(empty_database, START) == in_force(empty_database, SUMMER)
    assert rows(empty_database, "SELECT count(*) FROM grid") == [(4,)]


def test_grids_that_the_file_lacks(empty_database: Database, write: Write) -> None:
    """Grids that a file lacks stay; where it is said to be complete they end, and leave a gap that is told."""
    nine = in_degrees(shapes_of(*(square(x, y, 100) for x in (0, 100, 200) for y in (0, 100, 200))))
    take(empty_database, write(nine))
    rest = write(np.delete(nine, 4), code=[f"G{number}" for number in range(9) if number != 4])
    assert counts(plan_of(empty_database, rest, effective=SUMMER)) == {"same": 8, "kept": 1}
    plan = take(empty_database, rest, effective=SUMMER, complete=True)
    assert counts(plan) == {"same": 8, "ended": 1}
    assert [(one.kind, one.severity) for one in plan.findings] == [("gap", "fault")]
    assert len(in_force(empty_database, START)) == 9
    assert "G4" not in in_force(empty_database)
    back = take(empty_database, write(nine), effective=SUMMER + timedelta(days=1))
    assert counts(back) == {"same": 8, "new": 1}
    assert rows(empty_database, "SELECT count(*) FROM grid") == [(9,)]  # a code is never another grid's
    standing = "SELECT kind, lower(valid), upper(valid) FROM finding WHERE upper_inf(recorded)"
    assert rows(empty_database, standing) == [("gap", SUMMER, SUMMER + timedelta(days=1))]


def test_neighbours_get_the_new_vertices(empty_database: Database, write: Write) -> None:
    """A grid beside new ones gets their vertices, and is told as adjusted; its area stays."""
    take(empty_database, write(in_degrees(shapes_of(square(0, 0, 100))), code=["A"]))
    beside = in_degrees(shapes_of(square(100, 0, 50), square(100, 50, 50)))
    plan = take(empty_database, write(beside, code=["B", "C"]), effective=SUMMER)
    assert counts(plan) == {"new": 2, "adjusted": 1}
    assert plan.findings == ()
    assert plan.of("adjusted")[0].area_m2 == pytest.approx(10_000, rel=1e-3)
    again = take(empty_database, write(beside, code=["B", "C"]), effective=SUMMER)
    assert counts(again) == {"same": 2, "kept": 1}


def test_a_code_is_never_used_again(empty_database: Database, write: Write) -> None:
    """The old code of a renumbered grid cannot be given to another."""
    take(empty_database, write(FOUR))
    with empty_database.write() as session:
        stamp = open_version(session, "areas")
        layer = queries.find_layer(session, "police")
        assert layer is not None
        old = queries.records_in_force(session, layer.id, SUMMER)[0]
        new = NewVersion(old.grid_id, "G9", old.name, old.kind, None, {}, since(SUMMER), old.shape)
        replace_versions(session, layer.id, [old], [new], start=SUMMER, stamp=stamp)
        keep(session, stamp)
    (fault,) = faults(lambda: take(empty_database, write(FOUR), effective=SUMMER))
    assert (fault.where, fault.text, fault.values["now"]) == ("row 1, column code", "code-of-another-grid", "G9")


def test_earlier_start_of_a_grid_renumbered_later(empty_database: Database, write: Write) -> None:
    """A grid that is to have another code later is filled in up to its own next version, whatever that is called."""
    take(empty_database, write(FOUR), effective=SUMMER)
    autumn = SUMMER + timedelta(days=90)
    with empty_database.write() as session:
        stamp = open_version(session, "areas")
        layer = queries.find_layer(session, "police")
        assert layer is not None
        old = queries.records_in_force(session, layer.id, SUMMER)[3]
        new = NewVersion(old.grid_id, "A", old.name, old.kind, None, {}, since(autumn), old.shape)
        replace_versions(session, layer.id, [old], [new], start=autumn, stamp=stamp)
        keep(session, stamp)
    plan = take(empty_database, write(FOUR), effective=START)
    assert {grid.valid.upper for grid in plan.grids} == {SUMMER}


def test_parts_of_one_grid(empty_database: Database, write: Write) -> None:
    """Features of one code that agree become one grid; parts that touch grow together, repeated ones count once."""
    parts = in_degrees(shapes_of(square(0, 0, 100), square(100, 0, 100), square(500, 0, 50), square(500, 0, 50)))
    plan = take(empty_database, write(parts, code=["A"] * 4, name=["甲"] * 4), name="name")
    assert counts(plan) == {"new": 1}
    assert shapely.get_num_geometries(plan.grids[0].shape) == 2
    assert [(one.kind, one.count) for one in plan.repairs] == [("duplicate-feature", 1)]


def test_one_code_with_differing_attributes(empty_database: Database, write: Write) -> None:
    """Features of one code that disagree are refused, naming the code and the columns."""
    file = write(FOUR, code=["A", "B", "A", "C"], name=["甲", "乙", "丙", "丁"], note=["x", "y", "z", "w"])
    (fault,) = faults(lambda: take(empty_database, file, name="name", keep=("note",)))
    assert (fault.where, fault.text) == ("rows 1, 3", "code-differs")
    assert fault.values == {"code": "A", "columns": "name, note"}


def test_units_and_attributes(empty_database: Database, write: Write) -> None:
    """Units are known, or made when asked; only the attributes asked for are kept, the others are named."""
    file = write(FOUR, code=list("ABCD"), station=["S1", "S1", "S2", None], beds=[1, 2, None, 4], rooms=["1"] * 4)
    unknown = told(lambda: take(empty_database, file, unit="station"))
    assert unknown == [("row 1, column station", "unit-unknown"), ("row 2, column station", "unit-unknown"),
                       ("row 3, column station", "unit-unknown")]  # fmt: skip
    made = {"new_units": NewUnits("police", "station"), "unit": "station", "keep": ("beds",)}
    plan = take(empty_database, file, **made)
    assert plan.new_units == {"S1": "S1", "S2": "S2"}
    assert plan.unused_columns == ("rooms",)
    stored = rows(
        empty_database,
        "SELECT v.code, u.code, v.attributes FROM grid_version v"
        " LEFT JOIN unit_version u ON u.unit_id = v.unit_id ORDER BY v.code",
    )
    assert stored == [("A", "S1", {"beds": 1}), ("B", "S1", {"beds": 2}), ("C", "S2", {"beds": None}),
                      ("D", None, {"beds": 4})]  # fmt: skip
    assert counts(take(empty_database, file, **made)) == {"same": 4}
    assert counts(take(empty_database, file)) == {"same": 4}  # what is not asked for stays as it is


def test_free_layer(empty_database: Database, write: Write) -> None:
    """In a layer that is no tiling shapes are taken each for itself, and overlaps are nobody's business."""
    shapes = in_degrees(shapes_of(square(0, 0, 1000), square(500, 0, 1000)))
    plan = take(empty_database, write(shapes), layer="sectors", new_layer=FREE)
    assert plan.findings == ()
    assert [grid.area_m2 for grid in plan.grids] == pytest.approx(area_m2(shapes).tolist(), rel=1e-7)
    assert counts(take(empty_database, write(shapes), layer="sectors", new_layer=FREE)) == {"same": 2}


def test_findings_end_when_mended(empty_database: Database, write: Write) -> None:
    """An overlap is taken in and recorded; from the import that mends it on it no longer stands."""
    lapped = in_degrees(shapes_of(square(0, 0, 100), square(98, 0, 100)))
    plan = take(empty_database, write(lapped))
    assert [(one.kind, one.severity, one.grids) for one in plan.findings] == [("overlap", "fault", ("G0", "G1"))]
    take(empty_database, write(in_degrees(shapes_of(square(0, 0, 100), square(100, 0, 98)))), effective=SUMMER)
    standing = "SELECT kind, lower(valid), upper(valid) FROM finding WHERE upper_inf(recorded)"
    assert rows(empty_database, standing) == [("overlap", START, SUMMER)]


def test_sql_in_every_text(empty_database: Database, write: Write) -> None:
    """SQL in codes, names, units, attributes and titles is text like any other."""
    nasty = "'); DROP TABLE grid; --"
    file = write(FOUR, code=[f"{nasty}{n}" for n in range(4)], name=[nasty] * 4, unit=[nasty] * 4, more=[nasty] * 4)
    how = {"name": "name", "unit": "unit", "keep": ("more",), "new_units": NewUnits("police", nasty)}
    take(empty_database, file, new_layer=NewLayer({"zh-CN": nasty, "en": nasty}), **how)
    assert rows(empty_database, "SELECT count(*), min(name) FROM grid_version") == [(4, nasty)]


# Bad input: told in full, nothing written ----------------------------------------------------------------------------

BOW_TIE = shapely.Polygon([(117.0, 34.0), (117.1, 34.1), (117.1, 34.0), (117.0, 34.1)])
SWAPPED = shapely.transform(FOUR, lambda xy: xy[:, ::-1])


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([BOW_TIE], [("row 1, geometry", "repair-too-large")]),
        ([FOUR[0], None], [("row 2, geometry", "geometry-missing")]),
        ([FOUR[0], shapely.Polygon()], [("row 2, geometry", "geometry-missing")]),
        ([shapely.Point(117, 34)], [("row 1, geometry", "geometry-not-an-area")]),
        ([shapely.box(181, 30, 182, 31)], [("row 1, geometry", "longitude-out-of-range")]),
        ([shapely.box(117, 30, 118, 91)], [("row 1, geometry", "latitude-out-of-range")]),
        (SWAPPED, [("geometry", "axes-swapped")]),
        ([shapely.Polygon([(117, 34), (117, 34), (117, 34)])], [("row 1, geometry", "shape-vanishes")]),
    ],
)
def test_bad_shapes(
    empty_database: Database, write: Write, shapes: Geometries, expected: list[tuple[str, str]]
) -> None:
    """A shape that cannot be taken names its row and what is wrong, and nothing is written."""
    before = everything(empty_database)
    assert told(lambda: take(empty_database, write(shapes))) == expected
    assert everything(empty_database) == before


def test_bow_tie_is_a_geometry_fault(empty_database: Database, write: Write) -> None:
    """A repair over the limit names the grid, its share and the limit."""
    with pytest.raises(GeometryFault) as caught:
        take(empty_database, write([BOW_TIE], code=["G7"]))
    assert caught.value.faults[0].values["code"] == "G7"
    assert caught.value.faults[0].values["share"] == 100.0


def test_small_repairs_are_told(empty_database: Database, write: Write) -> None:
    """A tiny loop is mended, and the change told in m²."""
    loop = [(0, 0), (1000, 0), (1000, 500.5), (999.5, 500), (1000, 500), (1000, 1000), (0, 1000)]
    crossed = [(0, 0), (1000, 0), (1000, 500.5), (1000.5, 500), (999.5, 500.2), (1000, 1000), (0, 1000)]
    assert plan_of(empty_database, write(in_degrees(shapes_of(loop)))).repairs
    plan = plan_of(empty_database, write(in_degrees(shapes_of(crossed))))
    assert [one.kind for one in plan.repairs] == ["made-valid"]
    assert 0 < plan.repairs[0].area_m2 < 1


def test_every_fault_at_once(empty_database: Database, write: Write) -> None:
    """Faults of rows, columns and shapes are told together, each with its place."""
    file = write(
        [FOUR[0], None, FOUR[2], FOUR[3]],
        code=["A", " ", "x" * 101, {"a": 1}],
        kind=["regular", "micro", "huge", None],
        unit=["U", None, None, None],
    )
    assert told(lambda: take(empty_database, file, grid_kind="kind", unit="unit")) == [
        ("row 2, column code", "code-empty"),
        ("row 3, column code", "text-too-long"),
        ("row 3, column kind", "grid-kind-unknown"),
        ("row 4, column code", "not-a-text"),
        ("row 1, column unit", "unit-unknown"),
        ("row 2, geometry", "geometry-missing"),
    ]


def test_missing_columns(empty_database: Database, write: Write) -> None:
    """Columns that the file lacks are named all at once, with those it has."""
    found = faults(lambda: take(empty_database, write(FOUR), code="nr", name="label", keep=("beds",)))
    assert [(one.where, one.text, one.values["column"]) for one in found] == [
        ("code", "column-missing", "nr"),
        ("name", "column-missing", "label"),
        ("keep", "column-missing", "beds"),
    ]
    assert found[0].values["known"] == "code"


def test_layers(empty_database: Database, write: Write) -> None:
    """An unknown layer, another kind, and codes that break the layer's scheme are refused."""
    file = write(FOUR)
    assert told(lambda: take(empty_database, file, new_layer=None)) == [("layer", "layer-unknown")]
    unit15 = NewLayer(TILING.title, code_scheme="unit15")
    assert {text for _, text in told(lambda: take(empty_database, file, new_layer=unit15))} == {"code-scheme-differs"}
    broken = NewLayer(TILING.title, code_scheme="([")
    assert told(lambda: take(empty_database, file, new_layer=broken)) == [("code-scheme", "code-scheme-malformed")]
    take(empty_database, write(FOUR, code=[f"32030500100{n:04}" for n in range(4)]), new_layer=unit15)
    assert told(lambda: take(empty_database, file, new_layer=FREE)) == [("kind", "layer-kind-differs")]


def test_far_from_the_deployment(empty_database: Database, write: Write) -> None:
    """A file from another part of the world does not belong to this city; swapped axes are recognised by its extent."""
    take(empty_database, write(FOUR))
    seattle = [shapely.box(-122.4, 47.5, -122.3, 47.6)]
    assert told(lambda: take(empty_database, write(seattle, code=["Z"]))) == [
        ("row 1, geometry", "far-from-deployment")
    ]
    assert told(lambda: take(empty_database, write(SWAPPED))) == [("geometry", "axes-swapped")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"type": "FeatureCollection", "features": [', ("file", "json-malformed")),
        ('{"type": "FeatureCollection", "features": [NaN]}', ("file", "json-malformed")),
        ('{"type": "FeatureCollection", "features": []}', ("file", "file-empty")),
        ('{"type": "Topology"}', ("file", "not-a-feature-collection")),
        ("[]", ("file", "not-a-feature-collection")),
        ('{"type": "FeatureCollection", "features": [7]}', ("row 1", "not-a-feature")),
        ('{"type": "FeatureCollection", "crs": 4326, "features": []}', ("crs", "crs-member-malformed")),
    ],
)
def test_malformed_geojson(tmp_path: Path, body: str, expected: tuple[str, str]) -> None:
    """Malformed GeoJSON is told with its place."""
    path = tmp_path / "bad.geojson"
    path.write_text(body, encoding="utf-8")
    assert told(lambda: read_file(path)) == [expected]


@pytest.mark.parametrize(
    "coordinates", ['[[["a", 0], [1, 0], [1, 1], [0, 0]]]', "[[[0, 0], [1, 0], [1, 1]]]", "[[[null, 0]]]", "{}"]
)
def test_malformed_coordinates(tmp_path: Path, coordinates: str) -> None:
    """Coordinates that are no rings of numbers name their row."""
    path = tmp_path / "bad.geojson"
    geometry = f'{{"type": "Polygon", "coordinates": {coordinates}}}'
    path.write_text(f'{{"type": "FeatureCollection", "features": [{{"geometry": {geometry}}}]}}', encoding="utf-8")
    assert told(lambda: read_file(path)) == [("row 1, geometry", "geometry-unreadable")]
