"""Very many places at once are answered as each would be alone, and as PostGIS answers."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from spatial.db import Database
from spatial.geometry import Floats, Geometries, Plane
from spatial.history import Moment
from spatial.lookup.bulk import BulkIndex, Found, instant, micros
from spatial.lookup.bulk_answers import OVERLAP, STATUSES, BulkFacts, Indexes
from spatial.lookup.memory import View
from spatial.lookup.model import Candidate, GridRef, Question
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Areas, Snapshot
from spatial.lookup.stored import StoredFacts
from spatial.settings import ROOT
from spatial.time import now
from tests.build import T0, World, build, cell, middle
from tests.conftest import City
from tests.places import along, owners, spread
from tests.test_seattle import seattle  # noqa: F401  a fixture
from tests.test_snapshot import COLUMNS, Planner, reaches

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
DRAWN = settings(max_examples=60, deadline=None, phases=[Phase.generate])  # a smaller seed makes nothing smaller
IN_A_WORLD = settings(DRAWN, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def grid(number: int, code: str, shape: Any, since: datetime | None = None, until: datetime | None = None) -> Candidate:
    return Candidate(GridRef(number, code, code, "regular", since, until), 1, None, shape, Plane(120.0))


def star(rng: np.random.Generator, x: float, y: float, size: float) -> shapely.Polygon:
    """Return a ragged shape, with a hole in some."""
    corners = int(rng.choice([3, 5, 12, 80]))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    away = size * rng.uniform(0.2, 1, corners)
    ring = np.round(np.column_stack([x + away * np.cos(angle), y + away * np.sin(angle)]), 9)
    shape = shapely.make_valid(shapely.Polygon(ring))
    if rng.random() < 0.4:
        shape = shape.difference(shapely.Point(x, y).buffer(size * 0.1, quad_segs=2))
    return shape


def drawn(rng: np.random.Generator) -> list[Candidate]:
    """Return grids: some that share borders bit for bit, some that lie over others or far away, over several times."""
    count = int(rng.integers(1, 5))
    corners = np.stack(np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij"), -1) * 0.001
    corners = np.round(corners + rng.uniform(-3e-4, 3e-4, corners.shape) * (rng.random() < 0.7) + (120.27, 30.3), 9)
    cells = [
        shapely.Polygon([corners[i, j], corners[i + 1, j], corners[i + 1, j + 1], corners[i, j + 1]])
        for i in range(count)
        for j in range(count)
    ]
    size = float(rng.choice([1e-7, 1e-4, 1e-3, 5e-3]))
    stars = [
        star(rng, *(np.array([120.27, 30.3]) + rng.uniform(0, count * 0.001, 2)), size)
        for _ in range(int(rng.integers(6)))
    ]
    shapes = [one for one in (*cells, *stars) if one.is_valid and one.area > 0 and "Polygon" in one.geom_type]
    codes = rng.permutation(len(shapes))
    times = [None, *(T0 + timedelta(days=day) for day in range(3))]
    spans = [sorted(rng.choice(4, 2, replace=False)) for _ in shapes]
    ever = rng.random() < 0.5
    return [
        grid(
            n, f"{codes[n]:03}", shape, *((None, None) if ever else (times[since], times[until] if until < 3 else None))
        )
        for n, (shape, (since, until)) in enumerate(zip(shapes, spans, strict=True))
    ]


def shapes_of(grids: Sequence[Candidate]) -> Geometries:
    return np.array([one.shape for one in grids], dtype=object)


def asked_at(rng: np.random.Generator, grids: Sequence[Candidate]) -> tuple[Floats, Floats]:
    """Return places all over, on every vertex and edge, and as near to those as numbers can be."""
    lon, lat = spread(rng, shapes_of(grids), 500)
    on_lon, on_lat = along(shapes_of(grids))
    off = 10.0 ** rng.uniform(-15, -7, (2, len(on_lon))) * rng.choice([-1, 1], (2, len(on_lon)))
    return np.concatenate([lon, on_lon, on_lon + off[0]]), np.concatenate([lat, on_lat, on_lat + off[1]])


def by_geos(grids: Sequence[Candidate], lon: Floats, lat: Floats, at: datetime) -> list[tuple[str, bool, bool]]:
    """Return code, whether on the border, and whether in an overlap, one place after the other."""
    found = []
    there = [one for one in grids if (one.since is None or one.since <= at) and (one.until is None or at < one.until)]
    shapes = shapes_of(there)
    for x, y in zip(lon, lat, strict=True):
        point = shapely.Point(x, y)
        touching = sorted(np.flatnonzero(shapely.intersects(shapes, point)), key=lambda one: there[one].grid.code)
        inside = [bool(shapely.contains_properly(shapes[one], point)) for one in touching]
        if touching:
            found.append((there[touching[0]].grid.code, not inside[0], len(inside) > 1 and any(inside)))
        else:
            found.append(("", False, False))
    return found


def told(index: BulkIndex, found: Found) -> list[tuple[str, bool, bool]]:
    codes = [one.grid.code if one else "?" for one in index.grids] + [""]
    rows = zip(found.owner, found.on_boundary, found.in_overlap, strict=True)
    return [(codes[owner], bool(on_boundary), bool(in_overlap)) for owner, on_boundary, in_overlap in rows]


@DRAWN
@given(seed=st.integers(0, 2**32))
def test_the_owner_is_exact_wherever_a_place_is(seed: int) -> None:
    """Inside, outside, on and beside every edge and vertex, of grids of any shape and time: what GEOS says of each."""
    rng = np.random.default_rng(seed)
    grids = drawn(rng)
    lon, lat = asked_at(rng, grids)
    index, at = BulkIndex.of(grids), T0 + timedelta(hours=30)
    assert told(index, index.find(lon, lat, at)) == by_geos(grids, lon, lat, at)
    times = np.array([micros(T0 + timedelta(hours=int(hour))) for hour in rng.integers(-30, 80, len(lon))])
    each = told(index, index.find(lon, lat, times))
    for time in np.unique(times)[:5]:
        some = times == time
        assert [one for one, is_one in zip(each, some, strict=True) if is_one] == by_geos(
            grids, lon[some], lat[some], instant(int(time))
        )


@DRAWN
@given(seed=st.integers(0, 2**32))
def test_an_index_that_is_redrawn_is_as_one_made_anew(seed: int) -> None:
    """Whatever comes, goes, ends or changes its shape, again and again: the same answers as without a past."""
    rng = np.random.default_rng(seed)
    grids = drawn(rng)
    index = BulkIndex.of(grids)
    for number in range(4):
        kept = [one for one in grids if rng.random() < 0.8]
        fresh = [grid(100 * number + n, f"{n:03}-{number}", one.shape) for n, one in enumerate(drawn(rng)[:3])]
        grids = [*kept, *fresh]
        if not grids:
            return
        index = index.redrawn(grids)
        anew = BulkIndex.of(grids)
        lon, lat = asked_at(rng, grids)
        assert told(index, index.find(lon, lat, T0)) == told(anew, anew.find(lon, lat, T0))


def test_a_redraw_looks_only_where_something_changed() -> None:
    """Of a thousand grids one is split: only the cells about it are made anew."""
    cells = [
        shapely.box(120 + i / 100, 30 + j / 100, 120.01 + i / 100, 30.01 + j / 100)
        for i in range(40)
        for j in range(25)
    ]
    wiggly = shapely.segmentize(np.array(cells, dtype=object), 0.001)
    grids = [grid(n, f"{n:04}", one) for n, one in enumerate(wiggly)]
    index = BulkIndex.of(grids)
    half = shapely.box(*cells[500].bounds[:2], cells[500].centroid.x, cells[500].bounds[3])
    parts = [grid(500, "0500", cells[500].difference(half)), grid(5000, "0500-1", half)]
    redrawn = index.redrawn([*grids[:500], *grids[501:], *parts])
    made = len(redrawn._raster.crossed.edges) - len(index._raster.crossed.edges)  # type: ignore[union-attr]
    assert 0 < made < 0.05 * len(index._raster.crossed.edges)  # type: ignore[union-attr]
    assert told(redrawn, redrawn.find(*(np.array([one]) for one in half.centroid.coords[0])))[0][0] == "0500-1"


@pytest.mark.parametrize("count", [33, 70])
def test_very_many_grids_over_one_place_are_told_apart(count: int) -> None:
    """More grids in one cell than it has bits: GEOS is asked, and the smallest code still owns."""
    grids = [grid(n, f"{count - n:03}", shapely.Point(120, 30).buffer(0.001 * (n + 1))) for n in range(count)]
    lon, lat = spread(np.random.default_rng(1), shapes_of(grids), 500)
    index = BulkIndex.of(grids)
    assert told(index, index.find(lon, lat)) == by_geos(grids, lon, lat, T0)


def test_places_that_are_none_are_nobodys() -> None:
    """What is not a number, infinite or off Earth has no owner, and no grids own nothing."""
    strange = np.array([np.nan, np.inf, -np.inf, 1e300, 0.0])
    for index in (BulkIndex.of([]), BulkIndex.of([grid(1, "A", shapely.box(120, 30, 121, 31))])):
        assert (index.find(strange, strange[::-1]).owner == -1).all()
        assert len(index.find(np.empty(0), np.empty(0)).owner) == 0


# As one look-up ------------------------------------------------------------------------------------------------------


@IN_A_WORLD
@given(seed=st.integers(0, 2**32))
def test_many_are_answered_as_each_alone_for_everybody(empty_database: Database, seed: int) -> None:
    """Whatever the areas, who asks, where and for when: status, owner, border and distance are those of one look-up."""
    dice, present = Random(seed), now()
    with empty_database.trial() as session:
        planner = Planner(session, dice, present.replace(minute=0, second=0, microsecond=0))
        planner.fill()
        snapshot, indexes = Snapshot.read(session, present), Indexes()
        spots = [middle(dice.uniform(-1, COLUMNS), dice.choice((-0.5, 0.2, 0.5, 1.1))) for _ in range(30)]
        spots += [middle(dice.randrange(-1, COLUMNS) + 0.5, dice.choice((-0.5, 0.1, 0.5))) for _ in range(20)]
        lon, lat = (np.round(np.array(one), 9) for one in zip(*spots, strict=True))
        times = [present + timedelta(minutes=dice.randrange(-700, 47 * 60)) for _ in spots]
        for reach in reaches(session, planner.units):
            sight = Sight.of(reach)
            one, many = View(snapshot, sight), BulkFacts(snapshot.areas, indexes, sight, present)
            at = np.array([micros(one) for one in times])
            said = [many.answer(layer, lon, lat, at, edges=True) for layer in many.layers()]
            for bulk in said:
                plain = many.answer(bulk.layer, lon, lat, at)
                for with_edges, without in ((bulk.owner, plain.owner), (bulk.status, plain.status)):
                    assert (with_edges == without).all()
                assert (bulk.on_boundary == plain.on_boundary).all()
            for place, time in enumerate(times):
                alone = one.answer(Question(lon[place], lat[place], time), present)
                for bulk, layer in zip(said, alone.layers, strict=True):
                    owner = bulk.grids[bulk.owner[place]] if bulk.owner[place] >= 0 else None
                    assert bulk.edge_m is not None
                    edge_m = None if np.isnan(bulk.edge_m[place]) else bulk.edge_m[place]
                    assert (STATUSES[bulk.status[place]], owner and owner.grid, bulk.on_boundary[place]) == (
                        layer.status,
                        layer.grid,
                        layer.on_boundary,
                    )
                    assert edge_m == (None if layer.edge_m is None else pytest.approx(layer.edge_m, abs=1e-6))


def test_after_a_redraw_what_did_not_change_is_kept(empty_database: Database) -> None:
    """While the grids of a layer are the same, so is its index; after a redraw it knows the new ones."""
    ids: dict[str, int] = {}

    def fill(world: World) -> None:
        world.deployment()
        for position, code in enumerate(("police", "other")):
            ids[code] = world.layer(code, position=position)
            world.grid(ids[code], f"{code}-1", cell(0, 0))

    def add(world: World) -> None:
        world.grid(ids["police"], "police-2", cell(1, 0))

    indexes, found = Indexes(), []
    for step in (fill, add):
        build(empty_database, step)
        with empty_database.read() as session:
            areas = areas_of(session, T0)
        index = indexes.of(areas, ids["police"])
        lon, lat = (np.array([one]) for one in middle(1, 0))
        found.append(told(index, index.find(lon, lat, T0))[0][0])
        assert indexes.of(areas, ids["police"]) is index
    assert found == ["", "police-2"]


# As PostGIS ----------------------------------------------------------------------------------------------------------


def areas_of(session: Session, at: datetime) -> Areas:
    return Areas.read(StoredFacts(session, Moment(at)))


def differences(database: Database, at: datetime, count: int, *, borders: float = 1.0) -> int:
    """Return in how many places bulk look-ups and PostGIS differ: anywhere in each layer, and along its borders."""
    found, rng = 0, np.random.default_rng(7)
    with database.read() as session:
        facts = BulkFacts(areas_of(session, at), Indexes(), Sight(), at)
        for layer in facts.layers():
            grids = [one for one in facts.areas.grids[layer.id].grids if one.since is None or one.since <= at]
            shapes = shapes_of(grids)
            on = np.stack(along(shapes))
            on = on[:, rng.random(on.shape[1]) < borders]
            lon, lat = (np.concatenate(both) for both in zip(spread(rng, shapes, count), on, strict=True))
            said = facts.answer(layer, lon, lat, at)
            codes = np.array([one.grid.code if one else "" for one in said.grids] + [""], object)
            expected, on_boundary = owners(session, layer.id, at, lon, lat)
            owner = np.where(said.status <= OVERLAP, said.owner, -1)  # not that which answers for a gap
            found += int((codes[owner] != np.array(expected, object)).sum())
            found += int((said.on_boundary != on_boundary).sum())
    return found


def test_the_town_is_as_postgis_has_it(town: Database) -> None:
    """Anywhere, on every vertex and on every edge: no difference."""
    assert differences(town, AT, 10_000) == 0


SHARES = [
    pytest.param(30_000, 0.05, marks=pytest.mark.proof, id="short"),
    pytest.param(1_000_000, 1.0, marks=pytest.mark.full, id="a million places, every vertex and edge"),
]


@pytest.mark.parametrize(("count", "borders"), SHARES)
@pytest.mark.parametrize("seed", [1, 2])
def test_cities_are_as_postgis_has_them(city_of: Callable[[int], City], seed: int, count: int, borders: float) -> None:
    """Over a city in two layers, anywhere and along the borders: no difference."""
    assert differences(city_of(seed)[0], AT, count, borders=borders) == 0


@pytest.mark.parametrize(("count", "borders"), SHARES)
def test_a_real_city_is_as_postgis_has_it(seattle: Database, count: int, borders: float) -> None:  # noqa: F811
    """Seattle's four tilings, one of them with holes: no difference."""
    assert differences(seattle, datetime(2016, 3, 25, 20, tzinfo=UTC), count, borders=borders) == 0


@pytest.mark.full
def test_the_town_is_as_postgis_has_it_at_a_million_places(town: Database) -> None:
    """Over the town, anywhere and along the borders: no difference."""
    assert differences(town, AT, 1_000_000) == 0


# In a process of its own ---------------------------------------------------------------------------------------------

START = """
import time, numpy as np, shapely
from spatial.lookup.bulk import BulkIndex
from tests.test_bulk import grid
began = time.perf_counter()
index = BulkIndex.of([grid(1, "A", shapely.Point(120, 30).buffer(0.01))])
index.find(np.array([120.0]), np.array([30.0]))
print(time.perf_counter() - began)
"""


@pytest.mark.proof
def test_compiled_code_is_kept_for_the_next_process(tmp_path: Any) -> None:
    """The first process compiles, the next one starts at once."""

    def started() -> float:
        env = os.environ | {"TWINGRID_DATA_DIR": str(tmp_path / "data")}
        return float(subprocess.check_output([sys.executable, "-c", START], env=env, cwd=ROOT, text=True))

    first = started()
    assert started() < first / 3
