"""What grids of two layers share: exact, additive, and kept as grids come and go."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count, pairwise

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from spatial.db import Database, open_version
from spatial.geometry import GRS80, Geometries, area_m2
from spatial.grids import queries as grids
from spatial.grids.noding import only_areas
from spatial.grids.service import NewVersion, replace_versions
from spatial.overlaps.pieces import _drawn, pieces
from spatial.overlaps.pieces_kernel import UNIT
from spatial.overlaps.service import keep
from spatial.time import since
from tests.build import T0, build, cell

CORNER = 120.27, 30.3
STEPS = (1e-9, 1e-7, 1e-5, 1e-3, 0.1, 2.0)  # degrees between the places where vertices are
places = st.tuples(st.integers(0, 12), st.integers(0, 12))


@st.composite
def areas(draw: st.DrawFn, step: float) -> MultiPolygon:
    """Draw a valid area whose vertices lie on few places, so that borders touch, cross and run together."""
    ring = draw(st.lists(places, min_size=3, max_size=9, unique=True))
    made = shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)
    area = only_areas(np.array([made], object))[0]
    return shapely.transform(area, lambda xy: np.round(xy * step + CORNER, 9))


def is_sound(area: MultiPolygon) -> bool:
    """Whether an area is one in the stored decimals, and not only in the doubles next to them."""
    return not area.is_empty and area.is_valid and in_decimals(area).is_valid


def in_decimals(area: MultiPolygon) -> MultiPolygon:
    """Return an area in whole numbers of the last stored decimal, where GEOS has no doubles to round."""
    return shapely.transform(area, lambda xy: np.rint(xy / UNIT) - np.rint(np.array(CORNER) / UNIT))


def array(*shapes: MultiPolygon) -> Geometries:
    """Return shapes as an array."""
    made = np.empty(len(shapes), object)
    made[:] = shapes
    return made


@settings(deadline=None)
@given(st.data(), st.sampled_from(STEPS))
def test_two_areas_share_what_geos_says(data: st.DataObject, step: float) -> None:
    """Area and border of the piece, whatever touches; the same from either side."""
    one, other = data.draw(areas(step)), data.draw(areas(step))
    assume(all(is_sound(shape) for shape in (one, other)))
    found, back = pieces(array(one), array(other)), pieces(array(other), array(one))
    drawn = only_areas(array(shapely.intersection(in_decimals(one), in_decimals(other))))[0]
    piece = shapely.transform(drawn, lambda xy: xy * UNIT + CORNER)
    size, whole = area_m2(array(piece))[0], area_m2(array(one))[0]
    assert found.area_m2.sum() == pytest.approx(size, abs=max(1e-9 * whole, 1e-6))
    border = (found.left_inside_m + found.right_inside_m + found.together_m).sum()
    if size > 1e-3 * whole:  # of hairs GEOS has no border to compare
        outline = shapely.segmentize(piece.boundary, 0.02)  # degrees: GRS80 goes along geodesics
        assert border == pytest.approx(GRS80.geometry_length(outline), rel=1e-6, abs=1e-5)
    for mine, theirs in (
        (found.area_m2, back.area_m2),
        (found.left_inside_m, back.right_inside_m),
        (found.right_inside_m, back.left_inside_m),
        (found.together_m, back.together_m),
    ):
        assert mine.sum() == pytest.approx(theirs.sum(), rel=1e-9, abs=1e-6)


lines = st.lists(st.integers(0, 12), min_size=2, max_size=6)  # how far across, from one side of a square to the other


@given(st.lists(lines, max_size=3), st.lists(lines, max_size=3), st.sampled_from(STEPS))
def test_pieces_sum_to_their_wholes(left: list[list[int]], right: list[list[int]], step: float) -> None:
    """What one partition of a square has in another adds up to each of its parts."""
    one, other = parts_of(left, step, across=True), parts_of(right, step, across=False)
    found = pieces(one, other)
    for side, parts in ((found.left, one), (found.right, other)):
        sums = np.bincount(side, found.area_m2, minlength=len(parts))
        assert sums == pytest.approx(area_m2(parts), rel=1e-9, abs=1e-6)


def parts_of(crooked: list[list[int]], step: float, *, across: bool) -> Geometries:
    """Cut a square along crooked lines that go from side to side; each part lies between one line and the next."""
    heights = np.sort([np.resize(line, 13) for line in [*crooked, [0, 0], [12, 12]]], axis=0)
    along = np.linspace(0, 12, 13)
    edges = [np.column_stack([along, line] if across else [line, along]) for line in heights]
    rings = [np.concatenate([low, high[::-1]]) for low, high in pairwise(edges)]
    drawn = shapely.make_valid(shapely.polygons(rings), method="structure", keep_collapsed=False)
    made = shapely.transform(only_areas(drawn), lambda xy: np.round(xy * step + CORNER, 9))
    return made[~shapely.is_empty(made)]


def test_long_edges_keep_their_sign() -> None:
    """Products beyond 64 bits: half of the country against a hair along its diagonal."""
    half = MultiPolygon([shapely.Polygon([(75, 18), (135, 18), (135, 53)])])
    hair = MultiPolygon([shapely.Polygon([(75, 18), (135, 53), (135, 53.000000001)])])
    assert pieces(array(half), array(hair)).area_m2.sum() == 0
    other = MultiPolygon([shapely.Polygon([(75, 18), (135, 52.999999999), (135, 53)])])
    found = pieces(array(half), array(other))
    assert found.area_m2.sum() == pytest.approx(area_m2(array(other))[0], rel=1e-3)


FLAT = [  # triangles, in whole numbers of the last decimal, and the m² that they share
    (
        [(3923390, -10000000), (-688, 2), (-581271323, 0)],
        [(-898, 2), (-45468619, 1), (-5824916, 0)],
        0.45381089,
    ),
    (
        [(835, 0), (-63309, 1), (6723093, -100000)],
        [(819, 0), (39959987, -1), (881202960, 0)],
        0.0,
    ),
    (
        [(420000042, -146999979), (40000004, -13999998), (293000031, -124999987)],
        [(340000034, -118999983), (360000036, -125999982), (363000021, 75000033)],
        0.0,
    ),
]


@pytest.mark.parametrize(("one", "other", "size"), FLAT)
def test_flat_triangles_are_told_apart(one: list[tuple[int, int]], other: list[tuple[int, int]], size: float) -> None:
    """Edges that rise by the last decimal over kilometres, and neighbours who share a part of a border."""
    left, right = (
        array(MultiPolygon([shapely.Polygon(np.round(np.array(ring) * UNIT + CORNER, 9))])) for ring in (one, other)
    )
    for found in (pieces(left, right), pieces(right, left)):
        assert found.area_m2.sum() == pytest.approx(size, abs=1e-7)


def test_a_comb_takes_no_more_room_than_its_edges() -> None:
    """An area whose every edge is as high as itself."""
    teeth = np.arange(4000)
    ring = np.column_stack([teeth, teeth % 2 * 1000 + 1])
    comb = MultiPolygon([shapely.Polygon([*ring.tolist(), (3999, 0), (0, 0)])])
    shape = array(shapely.transform(comb, lambda xy: np.round(xy * 1e-6 + CORNER, 9)))
    assert len(_drawn(shape).sides) <= 8 * 4002
    found = pieces(shape, array(cell(0, 0)))
    assert found.area_m2.sum() == pytest.approx(area_m2(shapely.intersection(shape, array(cell(0, 0))))[0])


def test_the_town_shares_what_postgis_says(town: Database) -> None:
    """Every pair on record is `ST_Intersection`'s, and none is missing."""
    hold_against_postgis(town)


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_a_city_shares_what_postgis_says(city_of: Callable[[int], tuple[Database, object]], seed: int) -> None:
    """The same of ten thousand grids."""
    hold_against_postgis(city_of(seed)[0])


def hold_against_postgis(database: Database) -> None:
    """Compare what is on record with PostGIS, under the same area function."""
    wanted = text("""
        SELECT o.area_m2, ST_AsBinary(ST_Intersection(l.geom, r.geom)) AS piece
        FROM (SELECT DISTINCT ON (layer_id, shape_sha256) * FROM grid_version WHERE upper_inf(recorded)) l
        JOIN (SELECT DISTINCT ON (layer_id, shape_sha256) * FROM grid_version WHERE upper_inf(recorded)) r
            ON l.layer_id < r.layer_id AND ST_Intersects(l.geom, r.geom)
        LEFT JOIN overlap o ON (o.left_sha256, o.right_sha256) = (l.shape_sha256, r.shape_sha256)
    """)
    with database.read() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        rows = session.execute(wanted).all()
    theirs = area_m2(np.asarray(shapely.from_wkb([bytes(row.piece) for row in rows]), object))
    ours = np.array([row.area_m2 or 0.0 for row in rows])
    assert (np.abs(ours - theirs) <= np.maximum(1e-6 * theirs, 0.01)).all()
    assert (ours > 0).sum() > 50


@pytest.mark.parametrize("is_known", [False, True])
def test_a_version_whose_overlaps_nobody_looked_for_is_refused(empty_database: Database, *, is_known: bool) -> None:
    """Whoever writes grids and forgets their overlaps cannot commit, be the shape on record already or not."""
    if is_known:
        build(empty_database, lambda world: world.grid(world.layer("other"), "A", cell(0, 0)))

    build(empty_database, lambda world: world.layer("police"))
    new = NewVersion(None, "A", "A", "regular", None, {}, since(T0), cell(0, 0))

    def forget() -> None:
        with empty_database.write() as session:
            police = grids.find_layer(session, "police")
            assert police is not None
            replace_versions(session, police.id, [], [new], start=T0, stamp=open_version(session, "areas"))

    with pytest.raises(IntegrityError, match="fk_grid_version_id"):
        forget()


Box = tuple[int, int, int, int]
boxes = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 3), st.integers(1, 3))
DRAWN = settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
drawn_boxes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), boxes), min_size=1, max_size=8)


@settings(DRAWN)
@given(drawn_boxes)
def test_what_is_kept_is_what_would_be_found(empty_database: Database, drawn: list[tuple[int, int, Box]]) -> None:
    """After any changes of any layer: of all grids that ever were in force together, as known then or now."""
    layers = [f"layer {next(FRESH)}" for _ in range(3)]
    build(empty_database, lambda world: [world.layer(code) for code in layers])
    for day, (layer, number, box) in enumerate(drawn, start=1):
        redraw(empty_database, layers[layer], f"{number}", cell(*box), day)
    with empty_database.read() as session:
        together = session.execute(text(TOGETHER), {"layers": layers}).all()
    event(f"{min(len(together), 10)} pairs")
    for one in together:
        left, right = (array(shapely.from_wkb(bytes(wkb))) for wkb in (one.left, one.right))
        assert (one.area_m2 or 0.0) == pieces(left, right).area_m2.sum()


FRESH = count()
TOGETHER = """
    SELECT ST_AsBinary(l.geom) AS left, ST_AsBinary(r.geom) AS right, o.area_m2
    FROM grid_version l JOIN grid_version r
        ON l.layer_id < r.layer_id AND l.valid && r.valid AND l.recorded && r.recorded
    LEFT JOIN overlap o ON (o.left_sha256, o.right_sha256) = (l.shape_sha256, r.shape_sha256)
    WHERE l.layer_id IN (SELECT id FROM layer WHERE code = ANY(:layers))
        AND r.layer_id IN (SELECT id FROM layer WHERE code = ANY(:layers))
"""


def redraw(database: Database, layer: str, code: str, shape: MultiPolygon, day: int) -> None:
    """Give a grid a shape from a day on, whether it was there or not."""
    start = T0 + timedelta(days=day)
    with database.write() as session:
        stamp = open_version(session, "areas")
        layer_id = grids.find_layer(session, layer).id  # type: ignore[union-attr]
        before = [one for one in grids.records_in_force(session, layer_id, start) if one.code == code]
        grid_id = before[0].grid_id if before else None
        made = NewVersion(grid_id, code, code, "regular", None, {}, since(start), shape)
        replace_versions(session, layer_id, before, [made], start=start, stamp=stamp)
        keep(session, stamp)
