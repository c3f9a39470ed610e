"""A layer that lies where GCJ-02 read as WGS 84 would be is named, and not taken in unseen."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import shapely

from spatial.db import Database
from spatial.geometry import GRS80, Floats, Geometries
from spatial.imports.displaced import displaced_outline, displaced_pairs
from spatial.shifted import from_gcj02, to_bd09, to_gcj02
from tests.build import World, build
from tests.importing import FOUR, SUMMER, Write, counts, everything, geojson_file, plan_of, take, told
from tests.test_tiling import in_degrees, jittered

CITIES = {"320300": "Xuzhou", "330100": "Hangzhou", "330400": "Jiaxing", "330800": "Quzhou"}


def districts(realdata: Path, city: str, *, shifted: bool) -> dict[str, shapely.Geometry]:
    """Return the districts of a city by name, from the file in GCJ-02 or from that in CGCS2000."""
    file = f"gcj02/{city}.json" if shifted else f"wgs84/{city}_districts.json"
    document = json.loads((realdata / "china-admin" / file).read_text(encoding="utf-8"))
    return {
        feature["properties"]["name"]: shapely.make_valid(shapely.from_geojson(json.dumps(feature["geometry"])))
        for feature in document["features"]
    }


def paired(realdata: Path, city: str) -> tuple[Geometries, Geometries]:
    """Return the same districts from both files."""
    shifted, right = (districts(realdata, city, shifted=is_shifted) for is_shifted in (True, False))
    names = sorted(shifted.keys() & right.keys())
    assert len(names) == len(right)
    return np.array([shifted[name] for name in names]), np.array([right[name] for name in names])


def median_m(these: Geometries, those: Geometries) -> float:
    """Return the median distance of the centroids."""
    a, b = (shapely.get_coordinates(shapely.centroid(shapes)) for shapes in (these, those))
    return float(np.median(GRS80.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[2]))


@pytest.mark.parametrize("city", CITIES, ids=CITIES.values())
def test_real_districts(realdata: Path, city: str) -> None:
    """Converted, the districts lie within 200 m of where they are, and unconverted some 570 m off: that is named."""
    shifted, right = paired(realdata, city)
    converted = shapely.transform(shifted, from_gcj02)
    assert 500 < median_m(shifted, right) < 700
    assert median_m(converted, right) <= 200
    found = displaced_pairs(shifted, right)
    assert found is not None
    assert (found.looks_like, found.places) == ("gcj02", len(right))
    assert found.metres == pytest.approx(median_m(shifted, right), abs=1)
    assert displaced_pairs(converted, right) is None
    assert displaced_pairs(right, right) is None
    twice = displaced_pairs(shapely.transform(right, from_gcj02), right)
    assert twice is not None
    assert twice.looks_like == "not-gcj02"
    baidu = displaced_pairs(shapely.transform(right, to_bd09), right)
    assert baidu is not None
    assert baidu.looks_like == "bd09"


@pytest.mark.parametrize("city", CITIES, ids=CITIES.values())
def test_real_outlines(realdata: Path, city: str) -> None:
    """So do whole cities, by their outline alone, though the two files draw it differently."""
    shifted, right = paired(realdata, city)
    found = displaced_outline(shifted, right)
    assert found is not None
    assert found.looks_like == "gcj02"
    assert displaced_outline(shapely.transform(shifted, from_gcj02), right) is None
    assert displaced_outline(right, right) is None


def moved(shapes: Geometries, east_m: float, north_m: float) -> Geometries:
    """Return shapes moved by metres."""

    def move(xy: Floats) -> Floats:
        return xy + np.array([east_m / 92_000, north_m / 111_000])

    return shapely.transform(shapes, move)


@pytest.mark.parametrize(("east_m", "north_m"), [(0, 100), (500, 500), (0, -700), (3000, 3000), (200, 0)])
def test_other_displacements(east_m: float, north_m: float) -> None:
    """What is moved in another direction, or by another amount, is not called GCJ-02."""
    assert displaced_pairs(moved(FOUR, east_m, north_m), FOUR) is None
    assert displaced_pairs(FOUR[:2], FOUR[:2]) is None


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


@pytest.fixture
def grids() -> Geometries:
    """Return a tiling of 36 grids."""
    return in_degrees(jittered(4, 6, drop=0.2, noise_m=0))


def test_a_displaced_import_is_refused(empty_database: Database, grids: Geometries, write: Write) -> None:
    """The plan names it; a commit is refused and writes nothing, unless the system is said or the file is right."""
    take(empty_database, write(grids))
    before = everything(empty_database)
    file = write(shapely.transform(grids, to_gcj02))
    plan = plan_of(empty_database, file, effective=SUMMER)
    assert plan.displaced is not None
    assert plan.displaced.looks_like == "gcj02"
    assert told(lambda: take(empty_database, file, effective=SUMMER)) == [("source-crs", "looks-like-gcj02")]
    assert everything(empty_database) == before
    assert counts(take(empty_database, file, effective=SUMMER, source_crs="gcj02")) == {"same": 36}
    assert told(lambda: take(empty_database, write(grids), effective=SUMMER, source_crs="gcj02")) == [
        ("source-crs", "looks-like-no-gcj02")
    ]
    assert counts(take(empty_database, write(shapely.transform(grids, to_gcj02)), effective=SUMMER, as_is=True))


def test_against_another_layer_and_against_units(empty_database: Database, grids: Geometries, write: Write) -> None:
    """A new layer is held against the outline of the one there is, and against outlines of units of the same codes."""
    take(empty_database, write(grids), layer="governance")
    coarse = shapely.transform(np.array([shapely.union_all(grids)]), to_gcj02)
    assert told(lambda: take(empty_database, write(coarse, code=["A"]))) == [("source-crs", "looks-like-gcj02")]
    whole = shapely.union_all(grids)

    def units(world: World) -> None:
        for number, shape in enumerate(FOUR):
            world.unit(f"U{number}", geom=f"SRID=4490;{shapely.MultiPolygon([shape]).wkt}")

    build(empty_database, units)
    four = write(shapely.transform(FOUR, to_gcj02), code=[f"U{number}" for number in range(4)])
    plan = plan_of(empty_database, four, layer="police")
    assert plan.displaced is not None
    assert plan.displaced.places == 4
    assert plan_of(empty_database, write(np.array([whole]), code=["A"]), layer="police").displaced is None
