"""The land of the generated city: its numbers, tilings without a fault that was not planted, and its looks."""

from collections import Counter
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fixtures.blocks import Counter as Ids
from fixtures.city.blocks import cell_codes, land_blocks
from fixtures.city.build import build_land
from fixtures.city.growth import copies_of
from fixtures.city.land import Land, UnitIds
from fixtures.frame import REDRAW_DAY, Frame
from spatial.db import Database
from spatial.geometry import Geometries, area_m2
from spatial.grids.listing import layer_named
from spatial.grids.noding import Rings
from spatial.grids.queries import pieces_from
from spatial.grids.standing import standing_from
from spatial.grids.tiling import findings, stored
from spatial.tables import Grid, GridVersion, Lineage, RoadEdge
from spatial.time import since

SEEDS = (1, 20_250_303)
AREAS = ("cells", "communities", "streets", "districts", "beats", "stations", "branches")


def frame(seed: int) -> Frame:
    return Frame(seed, date(2025, 3, 3), ZoneInfo("Asia/Shanghai"))


@pytest.fixture(scope="module", params=SEEDS)
def land(request: pytest.FixtureRequest) -> Land:
    return land_of(request.param)


@cache
def land_of(seed: int) -> Land:
    return build_land(frame(seed))


def told(shapes: Geometries, codes: list[str] | None = None) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return what a check of the tiling says, detached parts apart, with grids by number."""
    names = codes or [f"{number:05d}" for number in range(len(shapes))]
    number = {name: n for n, name in enumerate(names)}
    return sorted(
        (one.kind, one.severity, tuple(sorted(number[grid] for grid in one.grids)))
        for one in findings(names, shapes)
        if one.kind != "disconnected"
    )


def edges(shapes: Geometries, times: int) -> set[tuple[float, ...]]:
    """Return the undirected edges that so many of the shapes' rings use."""
    found = Rings.of(shapes).edges()
    used = np.bincount(found.number, minlength=len(found.low)) == times
    return set(map(tuple, np.column_stack([found.a, found.b])[used].tolist()))


def unit_ids(land: Land) -> UnitIds:
    sizes = [len(one) for one in (land.branches, land.stations, land.districts, land.streets, land.communities)]
    ids = np.split(np.arange(sum(sizes)) + 1, np.cumsum(sizes)[:-1])
    return UnitIds(*ids)


def test_counts(land: Land) -> None:
    """The city has as many of everything as a prefecture like it has, on as much land."""
    assert [len(getattr(land, name)) for name in AREAS] == [9570, 2800, 186, 10, 1194, 190, 13]
    assert 10_300e6 < area_m2(land.districts).sum() < 12_000e6
    assert 19_000 < len(land.roads.nodes) < 22_000
    assert 75_000 < len(land.houses.text) < 85_000
    assert land.weight.sum() == pytest.approx(1)
    assert (land.weight > 0).all()
    assert Counter(land.kind)["micro"] == 30
    codes = cell_codes(land)
    assert len(set(codes)) == 9570
    assert all(len(code) == 15 and code.startswith("3299") for code in codes)
    for name in (one.name for one in fields(land.names) if one.name.endswith("_code")):
        assert len(set(getattr(land.names, name))) == len(getattr(land.names, name)), name


def test_the_only_faults_are_the_planted_ones(land: Land) -> None:
    """A check of the governance layer tells of the planted faults and exclaves alone; police grids have none."""
    planted = land.planted
    assert told(land.cells, cell_codes(land)) == sorted((one.kind, one.severity, one.cells) for one in planted.faults)
    assert {one.kind for one in planted.faults} == {"gap", "overlap", "sliver", "unnoded"}
    in_parts = np.flatnonzero(shapely.get_num_geometries(land.cells) > 1)
    assert in_parts.tolist() == sorted(cell for cell, _ in planted.exclaves)
    for name in AREAS[1:]:
        shapes = getattr(land, name)
        assert told(shapes) == [], name
        assert shapely.coverage_is_valid(shapes), name
        assert (shapely.get_coordinates(shapes) == np.round(shapely.get_coordinates(shapes), 9)).all()


def test_stored_as_tilings_are(land: Land) -> None:
    """What is noded, snapped and rounded as edits are comes back bit for bit, so that no edit moves its neighbours."""
    assert (shapely.to_wkb(stored(land.beats, land.plane)) == shapely.to_wkb(land.beats)).all()
    faulty = {cell for fault in land.planted.faults for cell in fault.cells}
    sound = land.cells[np.setdiff1d(np.arange(len(land.cells)), sorted(faulty))]
    assert (shapely.to_wkb(stored(sound, land.plane)) == shapely.to_wkb(sound)).all()


@pytest.mark.parametrize(
    "seed",
    [
        *(pytest.param(seed, marks=pytest.mark.proof) for seed in (2, 77)),
        *(pytest.param(seed, marks=pytest.mark.full) for seed in (7, 4242, 31_337, 999_983)),
    ],
)
def test_other_seeds(seed: int) -> None:
    """Seeds that nobody has looked at give cities that pass the same tests."""
    other = build_land(frame(seed))
    for law in (
        test_counts, test_the_only_faults_are_the_planted_ones, test_stored_as_tilings_are,
        test_children_are_their_parents, test_most_police_borders_follow_cells_and_some_do_not, test_places_inside,
        test_branches_and_districts, test_planted_places, test_roads, test_addresses_and_places, test_looks,
        test_numbers_run_from_the_north_west,
    ):  # fmt: skip
        law(other)


def test_children_are_their_parents(land: Land) -> None:
    """The outer edges of the parts are the outline of the whole, bit for bit, at each step upwards."""
    outline = edges(land.districts, 1)
    for name in AREAS[1:]:
        assert edges(getattr(land, name), 1) == outline, name
    steps = (
        (land.communities, land.street_of_community, land.streets),
        (land.streets, land.district_of_street, land.districts),
        (land.beats, land.station_of_beat, land.stations),
        (land.stations, land.branch_of_station, land.branches),
    )
    for parts, owner, wholes in steps:
        for number in np.unique(owner)[:: max(1, len(wholes) // 20)]:
            assert edges(parts[owner == number], 1) == edges(wholes[[number]], 1)
    faulty = {cell for fault in land.planted.faults for cell in fault.cells}
    sound = np.setdiff1d(np.arange(len(land.communities)), land.community_of_cell[sorted(faulty)])
    for number in sound[::150]:
        assert edges(land.cells[land.community_of_cell == number], 1) == edges(land.communities[[number]], 1)


def test_most_police_borders_follow_cells_and_some_do_not(land: Land) -> None:
    """Borders of police grids are borders of cells, but where they run through cells that were planted so."""
    of_cells = edges(land.cells, 2) | edges(land.cells, 1)
    of_beats = edges(land.beats, 2) | edges(land.beats, 1)
    follows = len(of_beats & of_cells) / len(of_beats)
    assert 0.93 < follows < 0.995
    astray = shapely.linestrings(np.array(sorted(of_beats - of_cells)).reshape(-1, 2, 2))
    cells = land.cells[sorted({cell for cell, _, _ in land.planted.cuts})]
    redrawn = [one.giver_before for one in land.planted.redrawn_cells]
    faulty = land.cells[sorted({cell for fault in land.planted.faults for cell in fault.cells})]
    near = shapely.union_all([*cells, *redrawn, *faulty]).buffer(1e-6)
    assert shapely.covers(near, astray).all()
    across = {beat for _, *both in land.planted.cuts for beat in both}
    assert 0.15 < len(across) / len(land.beats) < 0.4
    for cell, giver, taker in land.planted.cuts[:10]:
        for beat in (giver, taker):
            assert area_m2(np.array([shapely.intersection(land.cells[cell], land.beats[beat])]))[0] > 1


def test_places_inside(land: Land) -> None:
    """The place inside each cell and police grid lies in it, and the cell's is in the police grid that it names."""
    inside = np.asarray(shapely.points(land.plane.degrees(land.inside)))
    assert shapely.contains_properly(land.cells, inside).all()
    assert shapely.contains_properly(land.beats[land.cell_beat], inside).all()
    of_beats = np.asarray(shapely.points(land.plane.degrees(land.beat_inside)))
    assert shapely.contains_properly(land.beats, of_beats).all()


def test_branches_and_districts(land: Land) -> None:
    """Most branches match a district; a development zone, a lake and the railway stations have branches that do not."""
    assert land.district_of_branch.tolist() == [*range(10), -1, -1, -1]
    for branch in np.flatnonzero(land.district_of_branch >= 0):
        both = np.array([land.branches[branch], land.districts[land.district_of_branch[branch]]])
        shared = area_m2(np.array([shapely.intersection(*both)]))[0]
        assert shared > 0.8 * area_m2(both)[0]
        assert shared > 0.5 * area_m2(both)[1]
    for branch in np.flatnonzero(land.district_of_branch < 0):
        touched = {
            int(land.district_of_street[street])
            for station in np.flatnonzero(land.branch_of_station == branch)
            for street in land.streets_served[station]
        }
        assert len(touched) > 1
    one_street = sum(len(streets) == 1 for streets in land.streets_served)
    assert 60 < one_street < 180
    for station, streets in enumerate(land.streets_served):
        assert streets[0] == land.street_of_station[station]


def test_planted_places(land: Land) -> None:
    """Holes, exclaves, moved borders and places on borders are where they are said to be."""
    planted = land.planted
    for cell, around in planted.holes:
        assert land.cells[around].touches(land.cells[cell])
        assert shapely.Polygon(land.cells[around].geoms[0].exterior).contains(land.cells[cell])
    for cell, point in planted.exclaves:
        parts = sorted(land.cells[cell].geoms, key=lambda part: part.contains(shapely.Point(point)))
        assert parts[-1].contains(shapely.Point(point))
        assert not parts[0].touches(parts[-1])
    for redraws, now in ((planted.redrawn_cells, land.cells), (planted.redrawn_beats, land.beats)):
        for one in redraws:
            point = shapely.Point(one.point)
            assert one.giver_before.contains(point)
            assert now[one.taker].contains(point)
            before, after = np.array([one.giver_before, one.taker_before]), now[[one.giver, one.taker]]
            assert area_m2(before).sum() == pytest.approx(area_m2(after).sum(), rel=1e-9)
            assert area_m2(after)[0] == pytest.approx((1 - one.share) * area_m2(before)[0], rel=1e-5)
            assert edges(before, 1) == edges(after, 1)
    for place, cells, beats in planted.on_borders:
        point = shapely.Point(land.places.point[place])
        assert len(cells) > 1
        assert all(land.cells[cell].boundary.distance(point) == 0 for cell in cells)
        assert all(land.beats[beat].intersects(point) for beat in beats)


def test_roads(land: Land) -> None:
    """One can drive from anywhere to anywhere; roads cross water by bridges only, and run along borders of cells."""
    roads = land.roads
    n, back = len(roads.nodes), ~roads.is_one_way
    start = np.concatenate([roads.from_node, roads.to_node[back]])
    end = np.concatenate([roads.to_node, roads.from_node[back]])
    parts, part = connected_components(
        coo_array((np.ones(len(start)), (start, end)), shape=(n, n)), connection="strong"
    )
    assert np.bincount(part).max() > 0.97 * n, parts
    assert set(roads.klass) == {"expressway", "arterial", "secondary", "residential"}
    assert 100 < roads.is_one_way.sum() < 2000
    ends = shapely.get_point(roads.shapes, 0), shapely.get_point(roads.shapes, -1)
    for points, nodes in zip(ends, (roads.from_node, roads.to_node), strict=True):
        assert (shapely.get_coordinates(points) == roads.nodes[nodes]).all()
    water = land.barriers.shapes[np.isin(land.barriers.kind, ("river", "canal", "lake"))]
    dry = roads.shapes[~roads.is_bridge]
    assert len(shapely.STRtree(dry).query(water, predicate="intersects")[0]) == 0
    assert roads.is_bridge.sum() > 100
    wet = shapely.intersects(shapely.union_all(water), roads.shapes[roads.is_bridge])
    assert wet.all()
    of_cells = edges(land.cells, 2)
    points = shapely.get_coordinates(roads.shapes[::40], return_index=True)
    pairs = np.flatnonzero(points[1][1:] == points[1][:-1])
    pieces = [tuple(sorted(map(tuple, points[0][[at, at + 1]].tolist()))) for at in pairs]
    along = np.mean([(*one, *other) in of_cells for one, other in pieces])
    assert along > 0.6


def test_addresses_and_places(land: Land) -> None:
    """Addresses lie in the cells they name, each text once; stations lie in their own areas."""
    houses, places = land.houses, land.places
    points = np.asarray(shapely.points(houses.point))
    faulty = {cell for fault in land.planted.faults for cell in fault.cells}
    sound = np.flatnonzero(~np.isin(houses.cell, sorted(faulty)))[::20]
    assert shapely.intersects(land.cells[houses.cell[sound]], points[sound]).all()
    assert len(set(houses.text)) == len(houses.text)
    assert (houses.dwellings >= 0).all()
    assert 0.1 < np.mean(houses.dwellings == 0) < 0.3
    stations = np.array(places.klass) == "station"
    own = places.station[stations]
    assert sorted(own.tolist()) == list(range(190))
    assert shapely.contains(land.stations[own], np.asarray(shapely.points(places.point[stations]))).all()
    parents = places.parent[places.parent >= 0]
    assert (parents < np.flatnonzero(places.parent >= 0)).all()
    counted = Counter(places.klass)
    assert counted["service_window"] == 2800 + 186
    assert counted["joint_post"] > 100
    assert counted["campus"] == 12


def test_looks(land: Land) -> None:
    """Cells are as small as blocks in the middle of town and as large as villages in the country, and not round."""
    size = area_m2(land.cells)
    regular = np.array(land.kind) == "regular"
    small, middle, large = np.percentile(size[regular], [5, 50, 95])
    assert 15_000 < small < 90_000
    assert 3e5 < middle < 2.5e6
    assert 1.5e6 < large < 6e6
    points = shapely.get_num_coordinates(land.cells)
    assert 25 < points.mean() < 80
    districts = area_m2(land.districts)
    assert districts[0] < 0.05 * districts.sum()
    assert districts[5:].min() > districts[0] * 3
    crooked = shapely.length(land.districts) / np.sqrt(shapely.area(land.districts))
    assert (crooked > 4.2).all()
    sizes = np.bincount(land.station_of_beat)
    assert sizes.min() >= 2
    assert sizes.max() < 20


def test_numbers_run_from_the_north_west(land: Land) -> None:
    """In each community cells are numbered without gaps, the first of them further north than the last."""
    order = np.lexsort((land.number, land.community_of_cell))
    community = land.community_of_cell[order]
    assert (order == np.arange(len(order))).all()
    first = np.flatnonzero(np.diff(community, prepend=-1))
    last = np.append(first[1:], len(community)) - 1
    assert (land.number[first] == 1).all()
    assert (land.number[last] == np.bincount(community)).all()
    several = last > first
    assert (land.inside[first, 1] >= land.inside[last, 1])[several].mean() > 0.85


def same(one: object, other: object) -> bool:
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, np.ndarray) and one.dtype == object:
        return bool((shapely.to_wkb(one) == shapely.to_wkb(other)).all())
    if isinstance(one, np.ndarray):
        return bool((one == other).all())
    return bool(one == other)


def test_a_seed_is_a_city() -> None:
    """The same seed gives the same land bit for bit, another seed another."""
    assert same(land_of(SEEDS[0]), build_land(frame(SEEDS[0])))
    assert not same(land_of(SEEDS[0]), land_of(SEEDS[1]))


def test_rows(land: Land) -> None:
    """Rows of grids, roads and places refer to each other, and those of redrawn grids cover all times once."""
    blocks = {
        block.table: block for block in land_blocks(Ids(), frame(1), land, unit_ids(land)) if block.table != GridVersion
    }
    versions = [block for block in land_blocks(Ids(), frame(1), land, unit_ids(land)) if block.table == GridVersion]
    assert [len(block) for block in versions] == [9570 + 4, 1194 + 6]
    assert len(blocks[Grid]) == 9570 + 1194
    for block in [*blocks.values(), *versions]:
        assert {len(column) for column in block.columns.values()} == {len(block)}, block.table
    for block in versions:
        spans = Counter(np.asarray(block.columns["grid_id"]).tolist())
        twice = {grid for grid, n in spans.items() if n == 2}
        assert set(spans.values()) == {1, 2}
        assert twice <= set(blocks[Lineage].columns["pred_id"]) | set(blocks[Lineage].columns["succ_id"])
    shares: dict[int, float] = {}
    for pred, share in zip(blocks[Lineage].columns["pred_id"], blocks[Lineage].columns["area_share"], strict=True):
        shares[pred] = shares.get(pred, 0.0) + share
    assert all(share == pytest.approx(1) for share in shares.values())
    edge = blocks[RoadEdge].columns
    assert len(set(zip(edge["code"], np.asarray(edge["is_backward"]).tolist(), strict=True))) == len(edge["code"])


def test_copies_lie_apart(land: Land) -> None:
    """A copy of the city is as valid as the first, with codes of its own, and touches no other."""
    cities = list(copies_of(land, 3))
    whole = np.array([shapely.union_all(city.districts) for city in cities])
    assert len(shapely.STRtree(whole).query(whole, predicate="intersects")[0]) == len(cities)
    far = cities[-1]
    assert told(far.beats) == []
    assert told(far.cells) == told(land.cells)
    assert not set(cell_codes(far)) & set(cell_codes(land))
    assert not set(far.names.beat_code) & set(land.names.beat_code)
    assert len({code for city in cities for code in city.names.community_code}) == 3 * 2800


@pytest.mark.proof
def test_check_of_a_loaded_city(city: Database) -> None:
    """The service's own check, from before a redraw on, finds over all times what was planted, and nothing else."""
    land, at = land_of(1), frame(1).at(REDRAW_DAY - 1)
    codes = cell_codes(land)
    planted = sorted((one.kind, tuple(codes[cell] for cell in one.cells)) for one in land.planted.faults)
    with city.read() as session:
        for layer, expected in (("governance", planted), ("police", [])):
            standing = standing_from(at, pieces_from(session, layer_named(session, layer).id, at))
            found = [one for one in standing if one.finding.kind != "disconnected"]
            assert sorted((one.finding.kind, one.finding.grids) for one in found) == expected
            assert all(one.span == since(at) for one in found)
