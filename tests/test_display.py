"""Shapes for display: simpler, but nothing opens, vanishes or parts."""

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from spatial.grids.display import UNITS_PER_DEGREE, drawing
from tests import map_sample as sample
from tests.map_shapes import shapes_of

UNIT = 1 / UNITS_PER_DEGREE


def neighbours(shapes: list[BaseGeometry]) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in zip(*shapely.STRtree(shapes).query(shapes, predicate="touches"), strict=True)}


@given(
    columns=st.integers(2, 6),
    rows=st.integers(2, 6),
    parts=st.integers(1, 30),
    tolerance=st.floats(0, 0.004),
    seed=st.integers(0, 1000),
)
def test_no_hole_opens_and_neighbours_stay(columns: int, rows: int, parts: int, tolerance: float, seed: int) -> None:
    """However coarse: each network remains a coverage of the same neighbours, within the tolerance of what it was."""
    beats = 1 + seed % (columns * rows - 1)
    states = sample.city(columns, rows, beats, parts, seed)
    shapes = [one.shape for one in states]
    drawn = shapes_of(drawing(shapes, tolerance))
    for part in (slice(0, beats), slice(beats, None)):
        assert shapely.coverage_is_valid(drawn[part])
        assert neighbours(drawn[part]) == neighbours(shapes[part])
    border = [shapely.boundary(shapely.union_all(layer[beats:])) for layer in (shapes, drawn)]
    assert shapely.hausdorff_distance(*border, densify=0.05) <= tolerance * 1.25 + 3 * UNIT


def test_both_networks_share_the_simpler_border() -> None:
    """A border of a police grid that follows governance grids follows them on the screen too."""
    states = sample.city(12, 12, 20)
    picture = drawing([one.shape for one in states], 0.001)
    police, governance = (
        {step >> 1 for shape in part for ring in shape for step in ring}
        for part in (picture.rings[:20], picture.rings[20:])
    )
    assert police
    assert police <= governance


def test_much_is_left_out_at_the_scale_of_a_city() -> None:
    """A tolerance of some metres leaves out most of the points of a bent border."""
    shapes = [one.shape for one in sample.city(12, 12, 20, parts=200)]
    exact, coarse = (sum(map(len, drawing(shapes, tolerance).arcs)) for tolerance in (0.0, 0.0001))
    assert coarse < exact / 5


def test_imperfect_layers_are_drawn_as_they_are() -> None:
    """Gaps, overlaps, crossing borders, islands, holes, exclaves, spikes and the tiniest of slivers stay."""
    shapes = [
        box(0, 0, 1, 1),
        box(1.001, 0, 2, 1),  # a gap
        box(0.5, 0.5, 1.5, 1.5),  # an overlap, without common vertices
        Polygon(box(3, 0, 4, 1).exterior, [box(3.3, 0.3, 3.4, 0.4).exterior]),  # a hole
        box(3.3, 0.3, 3.4, 0.4),  # and what fills it
        MultiPolygon([box(5, 0, 6, 1), box(7, 0, 8, 1), box(6, 1, 7, 2)]),  # parts that touch at points
        Polygon([(9, 0), (10, 0), (10, 1), (12, 1), (10, 1), (9, 1)]),  # a spike
        box(13, 0, 13 + 2 * UNIT, 1),  # 20 cm wide
    ]
    drawn = shapes_of(drawing(shapes))
    areas = shapely.area([shapely.make_valid(one) for one in shapes])
    assert np.allclose(shapely.area(drawn), areas, atol=1e-6)


def test_nothing_and_next_to_nothing() -> None:
    """No shapes are no drawing; a shape smaller than a unit has no rings, but keeps its place."""
    assert drawing([]).arcs == []
    assert [len(rings) for rings in drawing([box(0, 0, UNIT / 9, UNIT / 9), box(1, 1, 2, 2), Polygon()]).rings] == [
        0,
        1,
        0,
    ]
