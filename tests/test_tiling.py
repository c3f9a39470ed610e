"""Tilings are noded the same way on both sides of every border, and what is wrong with them is found."""

from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from spatial.errors import GeometryFault
from spatial.geometry import Geometries, Plane, area_m2
from spatial.grids import noding
from spatial.grids.noding import densified, node
from spatial.grids.tiling import TilingFinding, canonical, findings, repaired, rounded, stored

PLANE = Plane(117.0)
ORIGIN = np.array([26_000.0, 3_786_000.0])  # metres in the plane: Xuzhou


def shapes_of(*rings: Sequence[tuple[float, float]]) -> Geometries:
    made = np.empty(len(rings), dtype=object)
    made[:] = [shapely.Polygon(np.asarray(ring) + ORIGIN) for ring in rings]
    return made


def square(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


def vertices(shape: BaseGeometry) -> set[tuple[float, float]]:
    return {tuple(xy) for xy in (shapely.get_coordinates(shape) - ORIGIN).round(2).tolist()}


def in_degrees(shapes_m: Geometries) -> Geometries:
    """Return shapes as a file might hold them: degrees, not rounded, not noded."""
    return shapely.transform(
        shapes_m, lambda xy: np.column_stack(PLANE._projection.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))
    )


def bytes_of(shapes: Geometries) -> list[bytes]:
    return list(shapely.to_wkb(shapes))


def found(shapes_m: Geometries, outline: BaseGeometry | None = None) -> list[TilingFinding]:
    made = stored(in_degrees(shapes_m), PLANE)
    return findings([f"G{number}" for number in range(len(made))], made, outline)


def kinds(found_: Sequence[TilingFinding]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.kind, one.severity, one.grids) for one in found_]


def jittered(seed: int, n: int, *, drop: float, noise_m: float) -> Geometries:
    """Return an n × n tiling of wiggly cells whose sides were digitised apart: vertices missing, a little off."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"), -1) * 150.0
    corners += rng.uniform(-40, 40, corners.shape)

    def border(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        share = np.sort(rng.uniform(0.1, 0.9, 4))[:, None]
        return np.vstack([a, a + share * (b - a), b])  # straight, so that a dropped vertex moves nothing

    down = {(i, j): border(corners[i, j], corners[i + 1, j]) for i in range(n) for j in range(n + 1)}
    across = {(i, j): border(corners[i, j], corners[i, j + 1]) for i in range(n + 1) for j in range(n)}
    cells = []
    for i in range(n):
        for j in range(n):
            ring = np.vstack([down[i, j], across[i + 1, j], down[i, j + 1][::-1], across[i, j][::-1]])
            is_corner = np.arange(len(ring)) % 6 == 0
            kept = ring[is_corner | (rng.uniform(size=len(ring)) > drop)]
            cells.append((kept + rng.uniform(-noise_m, noise_m, kept.shape)).tolist())
    return shapes_of(*cells)


def test_t_junction() -> None:
    """A vertex of one grid on another's straight border becomes a vertex of both."""
    west, *_ = node(shapes_of(square(0, 0, 100), square(100, 0, 40), square(100, 40, 60)))
    assert (100, 40) in vertices(west)


def test_crossing_borders() -> None:
    """Where borders of overlapping grids cross, both get the crossing; the overlap stays."""
    one, other = node(shapes_of(square(0, 0, 100), square(50.004, 50.006, 100)))
    assert {(50.0, 100.0), (100.0, 50.01)} <= vertices(one) & vertices(other)
    assert shapely.area(shapely.intersection(one, other)) == pytest.approx(50.0 * 49.99)


def test_long_border() -> None:
    """A border of a kilometre is split at 200 m at most, alike on both sides, counted from its smaller end."""
    one, other = node(shapes_of(square(0, 0, 1000), square(1000, 0, 1000)))
    shared = np.unique(shapely.get_coordinates(shapely.intersection(one, other)), axis=0)
    assert len(shared) == 7
    steps = np.hypot(*np.diff(shapely.get_coordinates(one), axis=0).T)
    assert steps.max() <= 200
    assert vertices(one) & vertices(other) == {tuple(xy) for xy in (shared - ORIGIN).round(2).tolist()}


def test_straight_border_stays_where_the_source_has_it() -> None:
    """A border of 20 km, straight in degrees, meets a neighbour's vertices on it although metres bow away."""
    west, middle, east = 117.0, 117.09, 117.2
    shapes = np.array(
        [
            shapely.box(west, 34.0, east, 34.1),
            shapely.box(west, 34.1, middle, 34.2),
            shapely.box(middle, 34.1, east, 34.2),
        ]
    )
    made = stored(shapes, PLANE)
    assert findings(["A", "B", "C"], made) == []
    assert np.abs(area_m2(made) / area_m2(shapes) - 1).max() < 1e-6


@pytest.mark.parametrize(("apart_m", "same"), [(0.004, True), (0.03, False)])
def test_weld(apart_m: float, *, same: bool) -> None:
    """Borders digitised a few millimetres apart become one; 3 cm apart they stay a sliver, and are told."""
    wide = 200 + apart_m
    below = [(0.0, 0.0), (0.0, -50.0), (wide, -50.0), (wide, 0.0)]
    shapes = shapes_of(square(0, 0, 100), square(100 + apart_m, 0, 100), square(0, 100, wide), below)
    told = found(shapes)
    assert (told == []) is same
    assert same or {one.kind for one in told} <= {"gap", "sliver"}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(0, 1), st.floats(0, 0.001))
def test_stored_tilings(seed: int, n: int, drop: float, noise_m: float) -> None:
    """A tiling digitised side by side is stored as a tiling: no finding, area kept, and storing it again is nothing."""
    source = in_degrees(jittered(seed, n, drop=drop, noise_m=noise_m))
    made = stored(source, PLANE)
    assert findings([str(number) for number in range(len(made))], made) == []
    assert shapely.coverage_is_valid(made)
    assert area_m2(made).sum() == pytest.approx(area_m2(source).sum(), rel=1e-4)
    assert bytes_of(stored(made, PLANE)) == bytes_of(made)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_one_owner(seed: int, places: list[tuple[float, float]]) -> None:
    """An interior point of a tiling lies in exactly one grid, or on a border of those that share it."""
    made = stored(in_degrees(jittered(seed, 4, drop=0.5, noise_m=0.001)), PLANE)
    whole = shapely.coverage_union_all(made)
    west, south, east, north = whole.bounds
    for x, y in places:
        point = shapely.Point(west + x * (east - west), south + y * (north - south))
        inside, touching = shapely.contains_properly(made, point).sum(), shapely.intersects(made, point).sum()
        if shapely.contains_properly(whole, point):
            assert (inside, touching) == (1, 1) or (inside == 0 and touching > 1)


POINTS = st.tuples(st.integers(0, 60), st.integers(0, 60))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(POINTS, min_size=3, max_size=7, unique=True), min_size=1, max_size=6), st.floats(0.005, 30))
def test_any_shapes(rings: list[list[tuple[int, int]]], scale_m: float) -> None:
    """Whatever is drawn, down to a few centimetres, is stored valid, and storing it again changes nothing."""
    mended, _ = repaired(shapes_of(*(np.asarray(ring) * scale_m for ring in rings)))
    made = stored(PLANE.to_degrees(mended), PLANE)
    assert shapely.is_valid(made).all()
    assert bytes_of(stored(made, PLANE)) == bytes_of(made)


def test_order_does_not_matter() -> None:
    """Shapes are stored the same in whatever order they come, and wherever their rings start."""
    source = in_degrees(jittered(7, 4, drop=0.4, noise_m=0.003))
    made = stored(source, PLANE)
    turned = shapely.reverse(source[::-1])
    assert bytes_of(stored(turned, PLANE)[::-1]) == bytes_of(made)


def test_free_layers_are_only_rounded() -> None:
    """A shape of a layer that is no tiling keeps its vertices, to 9 decimals, and is stored the same again."""
    source = in_degrees(shapes_of(square(0, 0, 1000), square(500, 500, 1000)))
    made = rounded(source)
    assert shapely.get_num_coordinates(made).tolist() == [5, 5]
    assert np.abs(shapely.get_coordinates(made) - shapely.get_coordinates(canonical(source))).max() < 1e-9
    assert bytes_of(rounded(made)) == bytes_of(made)


def test_dense_enough_is_left_alone() -> None:
    """Edges up to 200 m are not split in the source's own system."""
    source = in_degrees(shapes_of(square(0, 0, 199.9)))
    assert shapely.get_num_coordinates(densified(source, PLANE.metres)).tolist() == [5]


def test_repairs() -> None:
    """A bow-tie changes by both its lobes; a repeated vertex changes nothing."""
    bow_tie = [(0.0, 0.0), (100.0, 100.0), (100.0, 0.0), (0.0, 100.0)]
    repeated = [(0.0, 0.0), (0.0, 0.0), (100.0, 0.0), (100.0, 100.0)]
    mended, changed_m2 = repaired(shapes_of(bow_tie, repeated))
    assert shapely.is_valid(mended).all()
    assert changed_m2.tolist() == pytest.approx([5000.0, 0.0])


def test_overlap_is_found() -> None:
    """An overlap is kept and told with its size and both grids; below a square metre it is a sliver."""
    large = found(shapes_of(square(0, 0, 100), square(98, 0, 100)))
    assert kinds(large) == [("overlap", "fault", ("G0", "G1"))]
    assert large[0].area_m2 == pytest.approx(200, rel=1e-3)
    small = found(shapes_of(square(0, 0, 20), square(19.96, 0, 20)))
    assert kinds(small) == [("sliver", "info", ("G0", "G1"))]
    assert small[0].detail["of"] == "overlap"


def test_grid_inside_another_is_found() -> None:
    """A grid wholly inside another, and the same grid twice, are overlaps."""
    assert kinds(found(shapes_of(square(0, 0, 100), square(20, 20, 10)))) == [("overlap", "fault", ("G0", "G1"))]
    assert kinds(found(shapes_of(square(0, 0, 100), square(0, 0, 100)))) == [("overlap", "fault", ("G0", "G1"))]


def ring_of_cells() -> Geometries:
    """Return the eight cells around a hole, fully noded."""
    return shapes_of(*(square(100 * i, 100 * j, 100) for i in range(3) for j in range(3) if (i, j) != (1, 1)))


def test_noded_hole_is_found() -> None:
    """A hole whose border is fully noded is a gap, which a check of edges alone would miss."""
    assert shapely.coverage_is_valid(ring_of_cells(), gap_width=10)
    told = found(ring_of_cells())
    assert [(one.kind, one.severity, len(one.grids)) for one in told] == [("gap", "fault", 8)]
    assert told[0].area_m2 == pytest.approx(10_000, rel=1e-3)


def test_island_in_a_hole() -> None:
    """A grid that stands alone in a hole leaves the ring around it as a gap."""
    told = found(np.concatenate([ring_of_cells(), shapes_of(square(140, 140, 20))]))
    assert [(one.kind, round(one.area_m2 or 0)) for one in told] == [("gap", pytest.approx(9600, abs=10))]


def test_uncovered_outline_is_found() -> None:
    """With an outline, what is left uncovered or lies outside is told; the children's own outline is right."""
    whole = stored(in_degrees(shapes_of(square(0, 0, 100), square(100, 0, 100))), PLANE)
    outline = shapely.coverage_union_all(whole)
    assert findings(["A", "B"], whole, outline) == []
    assert kinds(findings(["A"], whole[:1], outline)) == [("uncovered", "fault", ("A",))]
    assert kinds(findings(["A", "B"], whole, whole[0])) == [("outside", "fault", ("A", "B"))]


def test_detached_part_is_information() -> None:
    """A grid of two parts that no edge connects is told for information: exclaves are real."""
    parts = shapely.multipolygons(shapes_of(square(0, 0, 100), square(100, 100, 50)))
    told = found(np.array([parts], dtype=object))
    assert kinds(told) == [("disconnected", "info", ("G0",))]
    assert told[0].area_m2 == pytest.approx(2500, rel=1e-3)


def test_borders_that_only_look_shared_are_found() -> None:
    """Shapes stored without noding, whose shared border has a vertex on one side only, are told."""
    apart = np.concatenate(
        [stored(in_degrees(shapes_of(ring)), PLANE) for ring in (square(0, 0, 100), square(100, 0, 50))]
    )
    assert {one.kind for one in findings(["A", "B"], apart)} == {"unnoded"}


@pytest.mark.parametrize("rounds", [0, 1])
def test_noding_that_does_not_settle_is_a_fault(monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    """Shapes that are not noded when the rounds are used up are refused, never passed on."""
    monkeypatch.setattr(noding, "MOST_ROUNDS", rounds)
    with pytest.raises(GeometryFault) as caught:
        node(shapes_of(square(0, 0, 1000), square(1000, 0, 1000)))
    assert [(one.where, one.text) for one in caught.value.faults] == [("geometry", "noding-unsettled")]
