"""Laws of redrawing: whatever is done to a draft, the tiling stays whole, or nothing is done at all."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spatial.errors import Conflict, TwingridError
from spatial.grids.tiling import findings
from spatial.redraw import operations as asked
from spatial.redraw.borders import shared_arcs
from spatial.redraw.model import DraftGrid
from spatial.redraw.reverting import given_back, is_noded
from spatial.redraw.sheet import Sheet
from tests.drafts import CELLS, PLANE, POLICE, applied, drawn, edited, grids_of, lonlat, metres, shapes, voronoi

SIDE = 900.0
FAULTS = {"invalid", "overlap", "gap", "unnoded", "sliver"}
seeds = st.integers(0, 10_000)
coordinates = st.floats(-50, SIDE + 50)
places = st.tuples(coordinates, coordinates).map(lambda xy: lonlat(*xy))
lines = st.lists(places, min_size=2, max_size=5)
picks = st.integers(0, 10_000)
KINDS = ("split", "merge", "dissolve", "create", "move_vertex", "reshape", "describe", "lock", "unlock", "renumber")
EMBEDDED = ("assign", "swap", "merge", "dissolve", "split", "create")
steps = st.lists(st.tuples(st.sampled_from(KINDS), picks, picks, lines, st.floats(20, 200)), min_size=1, max_size=8)


def operation(grids: list[DraftGrid], n: int, step: Any, layer: str = "cells") -> asked.Operation:
    """Return an operation on some of the grids: often one that can be done, often one that cannot."""
    kind, one, two, line, size_m = step
    codes = sorted(grid.code for grid in grids if grid.place.layer_id == 1)
    first = codes[one % len(codes)]
    shape = next(grid.shape for grid in grids if grid.code == first)
    near = sorted(grid.code for grid in grids if shapely.dwithin(grid.shape, shape, 1e-9)) if two % 4 else codes
    second = near[two % len(near)]
    vertices = shapely.get_coordinates(shape)
    vertex = tuple(vertices[two % len(vertices)].tolist())
    x, y = shape.centroid.coords[0]
    square = shapely.box(x, y, x + size_m * 1e-5, y + size_m * 0.9e-5)
    across = [line[0], (x, y), line[-1]]
    ops: dict[str, Any] = {
        "split": lambda: asked.Split(layer=layer, grid=first, line=across if two % 5 else line, code=f"n{n}"),
        "merge": lambda: asked.Merge(layer=layer, grids=[first, second], into=first),
        "dissolve": lambda: asked.Dissolve(layer=layer, grid=first),
        "create": lambda: asked.Create(layer=layer, code=f"n{n}", name="new", area=[list(square.exterior.coords)]),
        "move_vertex": lambda: asked.MoveVertex(layer=layer, at=vertex, to=_aside(vertex, line[0], size_m)),
        "reshape": lambda: asked.Reshape(layer=layer, grids=[first, second], line=_bulge(grids, first, second, line)),
        "describe": lambda: asked.Describe(layer=layer, grid=first, name=f"name {n}"),
        "lock": lambda: asked.Lock(layer=layer, grids=[first]),
        "unlock": lambda: asked.Unlock(layer=layer, grids=[first]),
        "renumber": lambda: asked.Renumber(layer=layer, grid=first, code=f"r{n}"),
    }
    made: asked.Operation = ops[kind]()
    return made


def _bulge(grids: list[DraftGrid], first: str, second: str, line: Any) -> Any:
    """Return a line from one end of a shared border over a place beside it to the other end; else the line given."""
    one, other = (next(grid.shape for grid in grids if grid.code == code) for code in (first, second))
    arcs = shared_arcs(one, other) if first != second else []
    if not arcs or len(line) % 2:
        return line
    ends = shapely.get_coordinates(arcs[0])[[0, -1]]
    middle = ends.mean(axis=0) + (np.array(line[0]) - lonlat(SIDE / 2, SIDE / 2)) * 0.2
    return [tuple(xy) for xy in (ends[0].tolist(), middle.tolist(), ends[1].tolist())]


def _aside(vertex: Any, towards: Any, size_m: float) -> tuple[float, float]:
    step = np.array(towards) - vertex
    moved = np.array(vertex) + step / max(np.hypot(*step), 1e-9) * size_m * 1e-5
    return float(moved[0]), float(moved[1])


def require_whole(grids: list[DraftGrid], whole_m: Any, layer_id: int = 1) -> None:
    """Require that grids are a tiling of an area, up to the grid of 1 cm."""
    areas = shapes(grids, layer_id)
    codes = [grid.code for grid in grids if grid.place.layer_id == layer_id]
    assert shapely.is_valid(areas).all()
    assert not [one for one in findings(codes, areas) if one.kind in FAULTS]
    covered = metres(shapely.coverage_union_all(areas))
    assert covered.buffer(0.015).covers(whole_m)
    assert whole_m.buffer(0.015).covers(covered)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds, st.integers(4, 14), steps)
def test_a_tiling_stays_whole_whatever_is_done_to_it(seed: int, count: int, planned: Any) -> None:
    """Each operation keeps every area valid and what all cover together, or is refused and changes nothing."""
    grids = grids_of(voronoi(seed, count))
    whole = metres(shapely.coverage_union_all(shapes(grids)))
    for n, step in enumerate(planned):
        try:
            after, changes = edited(grids, operation(grids, n, step))
        except TwingridError:
            continue
        require_whole(after, whole)
        undone = applied(after, [change.inverse for change in changes])
        assert [grid.told for grid in undone] == [grid.told for grid in grids]
        assert shapely.to_wkb(shapes(undone)).tolist() == shapely.to_wkb(shapes(grids)).tolist()
        grids = after


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(3, 10), st.tuples(coordinates, coordinates), st.tuples(coordinates, coordinates))
def test_what_is_split_and_merged_again_is_the_same_within_a_centimetre(
    seed: int, count: int, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Splitting a grid and merging both pieces again gives the grid; only nodes on its border may be new."""
    grids = grids_of(voronoi(seed, count))
    line = [lonlat(*start), lonlat(*end)]
    done = False
    for grid in grids:
        try:
            after, _ = edited(grids, asked.Split(layer="cells", grid=grid.code, line=line, code="new"))
        except TwingridError:
            continue
        done = True
        merged, _ = edited(after, asked.Merge(layer="cells", grids=[grid.code, "new"], into=grid.code))
        assert [one.told for one in merged] == [one.told for one in grids]
        for one, was in zip(merged, grids, strict=True):
            assert metres(one.shape).hausdorff_distance(metres(was.shape)) <= 0.01
            assert set(map(tuple, shapely.get_coordinates(was.shape))) <= set(
                map(tuple, shapely.get_coordinates(one.shape))
            )
    assume(done)


@settings(max_examples=60, deadline=None)
@given(seeds, st.lists(st.tuples(st.sampled_from(EMBEDDED), picks, picks, picks, lines), min_size=1, max_size=6))
def test_grids_built_from_cells_are_their_cells_whatever_is_done(seed: int, planned: Any) -> None:
    """Each police grid is the union of its cells, vertex by vertex, and both layers stay whole."""
    cells = grids_of(voronoi(seed, 12))
    cells = [DraftGrid(**{**vars(cell), "holders": {2: 1 + n % 3}}) for n, cell in enumerate(cells)]
    grids = [*cells, *_police(cells)]
    whole = metres(shapely.coverage_union_all(shapes(grids)))
    for n, (kind, one, two, three, line) in enumerate(planned):
        try:
            grids, _ = edited(grids, _embedded(grids, n, kind, (one, two, three), line), (CELLS, POLICE))
        except TwingridError:
            continue
        for layer_id in (1, 2):
            require_whole(grids, whole, layer_id)
        for grid in grids:
            if grid.place.layer_id == 2:
                its = [cell.shape for cell in grids if cell.holders.get(2) == grid.place.key]
                united = shapely.coverage_union_all(np.array(its, dtype=object))
                assert shapely.equals(united, grid.shape)
                assert set(map(tuple, shapely.get_coordinates(united))) == set(
                    map(tuple, shapely.get_coordinates(grid.shape))
                )


def _police(cells: list[DraftGrid]) -> list[DraftGrid]:
    made = []
    for key in (1, 2, 3):
        its = np.array([cell.shape for cell in cells if cell.holders[2] == key], dtype=object)
        shape = shapely.coverage_union_all(its)
        shape = shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])
        made += grids_of([shape], 2)
        made[-1] = DraftGrid(**{**vars(made[-1]), "place": made[-1].place._replace(key=key), "code": f"p{key}"})
    return made


def _embedded(grids: list[DraftGrid], n: int, kind: str, pick: tuple[int, int, int], line: Any) -> asked.Operation:
    cells = sorted(grid.code for grid in grids if grid.place.layer_id == 1)
    police = sorted(grid.code for grid in grids if grid.place.layer_id == 2)
    one, two = police[pick[0] % len(police)], police[pick[1] % len(police)]
    cell, other = cells[pick[1] % len(cells)], cells[pick[2] % len(cells)]
    ops: dict[str, Any] = {
        "assign": lambda: asked.Assign(layer="police", to=one, cells=[cell, other]),
        "swap": lambda: asked.Swap(layer="police", first=one, second=two, first_cells=[cell], second_cells=[other]),
        "merge": lambda: asked.Merge(layer="police", grids=[one, two], into=one),
        "dissolve": lambda: asked.Dissolve(layer="police", grid=one),
        "split": lambda: asked.Split(layer="cells", grid=cell, line=line, code=f"n{n}"),
        "create": lambda: asked.Create(layer="police", code=f"q{n}", name="new", cells=[cell, other]),
    }
    made: asked.Operation = ops[kind]()
    return made


MOVING = ("split", "merge", "dissolve", "create", "move_vertex", "reshape")
moves = st.tuples(st.sampled_from(MOVING), picks, picks, lines, st.floats(20, 200))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(seeds, st.integers(6, 16), moves, st.lists(moves, min_size=1, max_size=4))
def test_what_is_taken_back_is_what_it_was_whatever_was_done_about_it(
    seed: int, count: int, first: Any, later: Any
) -> None:
    """Unless what it moved has moved again: each such grid is as it was, but for vertices, and all else as it is."""
    grids = grids_of(voronoi(seed, count))
    whole = metres(shapely.coverage_union_all(shapes(grids)))
    try:
        now, changes = edited(grids, operation(grids, 0, first))
    except TwingridError:
        assume(False)
    for n, step in enumerate(later, 1):
        try:
            now, _ = edited(now, operation(now, n, step))
        except TwingridError:
            continue
    at, redrawn = {grid.place: grid for grid in now}, [one for one in changes if not is_noded(one.was, one.becomes)]
    is_moved = any(not is_noded(one.becomes, at.get(one.place)) for one in redrawn)
    try:
        back = given_back(Sheet(PLANE, [CELLS], now, editable=[1]), [one.inverse for one in changes])
    except Conflict:
        assert is_moved
        return
    assert not is_moved
    after = {grid.place: grid for grid in applied(now, back)}
    require_whole(list(after.values()), whole)
    for one in redrawn:
        assert is_noded(one.was, after.get(one.place))
    for place in {*at, *after} - {one.place for one in redrawn}:
        assert any(is_noded(state.get(place), after.get(place)) for state in (at, {grid.place: grid for grid in grids}))


def test_a_square_is_drawn_where_it_is_meant() -> None:
    """The tests' own drawing gives areas in their places."""
    (shape,) = drawn([shapely.box(0, 0, 100, 100)])
    assert abs(metres(shape).area - 10_000) < 1


def boxes(*bounds: tuple[float, float, float, float]) -> list[DraftGrid]:
    """Return grids that are boxes, in metres."""
    return grids_of(drawn([shapely.box(*one) for one in bounds]))


@pytest.mark.parametrize(
    ("at", "to", "bounds"),
    [
        ((0, 100), (0, 200), [(0, 0, 100, 100), (0, 200, 100, 300)]),
        ((100, 0), (100, 200), [(0, 0, 100, 100), (100, 100, 200, 200)]),
    ],
)
def test_a_layer_in_parts_covers_what_it_covered(at: Any, to: Any, bounds: Any) -> None:
    """A vertex that is moved onto one of another part would change what the layer covers, and is refused."""
    with pytest.raises(TwingridError):
        edited(boxes(*bounds), asked.MoveVertex(layer="cells", at=lonlat(*at), to=lonlat(*to)))


def test_a_grid_is_not_dissolved_into_itself() -> None:
    """That would leave a hole, or nobody's ground."""
    strip = boxes(*((x, 0, x + 100, 100) for x in (0, 100, 200)))
    with pytest.raises(TwingridError, match="one-grid-only"):
        edited(strip, asked.Dissolve(layer="cells", grid="c2", to="c2"))


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(6, 14), st.integers(1, 4), steps)
def test_a_layer_with_holes_keeps_them(seed: int, count: int, missing: int, planned: Any) -> None:
    """Where grids are missing, whatever is done to the others leaves what they cover together as it is."""
    grids = grids_of(voronoi(seed, count))[missing:]
    whole = metres(shapely.union_all(shapes(grids)))
    for n, step in enumerate(planned):
        try:
            grids, _ = edited(grids, operation(grids, n, step))
        except TwingridError:
            continue
        covered = metres(shapely.union_all(shapes(grids)))
        assert covered.buffer(0.02).covers(whole)
        assert whole.buffer(0.02).covers(covered)
