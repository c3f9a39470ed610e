"""What would mend a fault of a tiling: shown, never done; and it makes nothing worse."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from spatial import access
from spatial.db import Database
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Flaw, Limits
from spatial.findings.repairs import Repair, proposed
from spatial.geometry import Geometries
from spatial.grids.tiling import TilingFinding, findings, stored
from spatial.settings import settings
from spatial.time import now
from tests.conftest import City
from tests.importing import geojson_file, take
from tests.test_findings import THEN
from tests.test_tiling import PLANE, in_degrees, jittered, shapes_of, square

Maker = Callable[..., TestClient]


def flaw_of(one: TilingFinding) -> Flaw:
    """Return a fault of a tiling as it is listed."""
    return Flaw(one.kind, one.severity, one.grids, area_m2=one.area_m2, shape=one.shape, detail=one.detail)


def mended(names: Sequence[str], shapes: Geometries, repair: Repair) -> Geometries:
    """Return a tiling with a repair done."""
    made = shapes.copy()
    for one in repair.grids:
        place = names.index(one.code)
        assert one.before == shapes[place]
        made[place] = one.after
    return made


def repaired(
    shapes: Geometries, kind: str, outline: BaseGeometry | None = None, names: str = "ABCDEFGH"
) -> tuple[TilingFinding, Repair | None]:
    """Return the only fault of a kind, and what would mend it."""
    codes = list(names[: len(shapes)])
    (one,) = (one for one in findings(codes, shapes, outline) if one.kind == kind)
    return one, proposed(flaw_of(one), codes, shapes, PLANE, outline)


def kept(shapes_m: Geometries) -> Geometries:
    """Return shapes as a tiling holds them."""
    return stored(in_degrees(shapes_m), PLANE)


# A hole of 20 m × 60 m: A lies along 60 m and 20 m of it, C along 20 m, B along 60 m but in a second part of its code
HOLED = shapes_of(
    [(0, 0), (100, 0), (100, 20), (100, 80), (100, 100), (0, 100)],
    [(120, 0), (200, 0), (200, 100), (120, 100), (120, 80), (120, 40)],
    [(100, 80), (120, 80), (120, 100), (100, 100)],
    [(100, 0), (120, 0), (120, 20), (100, 20)],
)


def test_a_gap_goes_to_the_neighbour_with_the_longest_border() -> None:
    """Of equal borders to the smaller code; no other grid changes by a bit."""
    gap, repair = repaired(kept(HOLED), "gap")
    assert repair is not None
    assert (repair.way, [one.code for one in repair.grids]) == ("given", ["A"])
    (one,) = repair.grids
    assert one.area_after_m2 - one.area_before_m2 == pytest.approx(gap.area_m2, abs=0.01)
    assert findings(list("ABCD"), mended("ABCD", kept(HOLED), repair)) == []


def test_what_two_hold_stays_with_the_smaller_code() -> None:
    """As look-ups have it already; the other one loses it, even where that one is written first."""
    shapes = kept(shapes_of(square(0, 0, 100), square(90, 0, 100)))
    for names, loser in (("AB", "B"), ("ZY", "Z")):
        lap, repair = repaired(shapes, "overlap", names=names)
        assert repair is not None
        (one,) = repair.grids
        assert (repair.way, one.code) == ("taken", loser)
        assert one.area_before_m2 - one.area_after_m2 == pytest.approx(lap.area_m2, abs=0.01)
        assert findings(list(names), mended(names, shapes, repair)) == []


def test_a_grid_that_would_be_left_with_nothing_keeps_what_it_has() -> None:
    """A grid inside of another one with a smaller code is cut out of that; of two that are the same, none is named."""
    inside = kept(shapes_of(square(0, 0, 100), square(50, 0, 50)))
    _, repair = repaired(inside, "overlap")
    assert repair is not None
    assert [one.code for one in repair.grids] == ["A"]
    assert findings(list("AB"), mended("AB", inside, repair)) == []
    assert repaired(kept(shapes_of(square(0, 0, 100), square(0, 0, 100))), "overlap")[1] is None


def test_what_is_missing_and_what_is_too_much_is_mended_by_the_outline() -> None:
    """What the precinct holds and no beat does goes to a beat; what a beat has beyond the precinct is cut off."""
    outline = kept(shapes_of(square(0, 0, 200)))[0]
    beats = kept(shapes_of([(0, 0), (100, 0), (100, 200), (0, 200)], [(100, 0), (230, 0), (230, 150), (100, 150)]))
    for kind, way in (("uncovered", "given"), ("outside", "cut-off")):
        _, repair = repaired(beats, kind, outline)
        assert repair is not None, kind
        assert repair.way == way
        left = findings(list("AB"), mended("AB", beats, repair), outline)
        assert {other.kind for other in left if other.severity == "fault"} == {"uncovered", "outside"} - {kind}


def test_borders_that_only_look_shared_get_the_same_vertices() -> None:
    """A vertex of one that the other has not is put in there; nothing moves by a centimetre."""
    shapes = np.concatenate([kept(shapes_of(ring)) for ring in (square(0, 0, 100), square(100, 0, 50))])
    told = [one for one in findings(list("AB"), shapes) if one.kind == "unnoded"]
    assert told
    for fault in told:
        repair = proposed(flaw_of(fault), "AB", shapes, PLANE)
        assert repair is not None
        assert repair.way == "noded"
        assert findings(list("AB"), mended("AB", shapes, repair)) == []
        for each in repair.grids:
            assert shapely.hausdorff_distance(*PLANE.to_metres(np.array([each.before, each.after]))) < 0.01


def test_what_may_be_right_has_no_repair() -> None:
    """An exclave is not joined to anything."""
    parts = shapes_of(square(0, 0, 100), square(100, 0, 100), square(200, 0, 100))
    shapes = kept(np.array([shapely.union(parts[0], parts[2]), parts[1]], dtype=object))
    assert repaired(shapes, "disconnected")[1] is None


def counted(found: Sequence[TilingFinding]) -> float:
    """Return how much is missing or held twice in all."""
    return sum(one.area_m2 or 0.0 for one in found if one.kind != "disconnected")


def spoilt(seed: int, n: int) -> Geometries:
    """Return a tiling with a hole in one grid's border and a lap over another's, wherever chance has it."""
    rng = np.random.default_rng(seed)
    shapes = jittered(seed, n, drop=0.5, noise_m=0)
    for spoil in (shapely.difference, shapely.union):
        place = int(rng.integers(len(shapes)))
        corners = shapely.get_coordinates(shapes[place])
        at = corners[int(rng.integers(len(corners)))]
        blot = shapely.Point(at).buffer(float(rng.uniform(1, 40)), quad_segs=2)
        shapes[place] = max(shapely.get_parts(spoil(shapes[place], blot)).tolist(), key=shapely.area)
    return kept(shapes)


@examples(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 4))
def test_a_repair_makes_nothing_worse(seed: int, n: int) -> None:
    """The fault is gone, none has come, who is not named stays bit for bit, and who is changes at the fault alone."""
    shapes = spoilt(seed, n)
    names = [f"G{number:02}" for number in range(len(shapes))]
    before = findings(names, shapes)
    for one in before:
        repair = proposed(flaw_of(one), names, shapes, PLANE)
        if repair is None:
            continue
        made = mended(names, shapes, repair)
        after = findings(names, made)
        assert all(other.shape != one.shape or other.kind != one.kind for other in after)
        assert {other.grids for other in after if other.kind == "unnoded"} == set()
        assert counted(after) == pytest.approx(counted(before) - (one.area_m2 or 0.0), abs=0.05)
        assert shapely.is_valid(made).all()
        assert stored(made, PLANE).tolist() == made.tolist()
        assert one.shape is not None
        around_m = PLANE.to_metres(one.shape).buffer(0.01)
        for redrawn in repair.grids:
            changed_m = shapely.symmetric_difference(*PLANE.to_metres(np.array([redrawn.before, redrawn.after])))
            assert shapely.difference(changed_m, around_m).area < 1e-3


def test_simple_faults_have_a_repair() -> None:
    """Of a hundred holes and laps drawn by chance, nearly all can be mended."""
    mendable = [
        proposed(flaw_of(one), names, shapes, PLANE) is not None
        for seed in range(30)
        for shapes in [spoilt(seed, 3)]
        for names in [[f"G{number:02}" for number in range(len(shapes))]]
        for one in findings(names, shapes)
        if one.kind in {"gap", "overlap"}
    ]
    assert len(mendable) > 30
    assert np.mean(mendable) > 0.9


@pytest.fixture
def holed(empty_database: Database, client_as: Maker, tmp_path: Path) -> tuple[Database, TestClient]:
    """Return a deployment with a hole in its tiling, and a planner."""
    take(empty_database, geojson_file(tmp_path, in_degrees(HOLED), code=list("ABCD")))
    operator = access.operator("test")
    with empty_database.write() as session:
        title = {"zh-CN": "规划员", "en": "planner"}
        access.add_principal(session, operator, "planner", title, "planner", now=now())
        token = access.issue_token(session, operator, "planner", "t", now=now(), expires=now() + timedelta(days=1))
    client = client_as(empty_database)
    client.headers["Authorization"] = f"Bearer {token}"
    return empty_database, client


def test_a_repair_is_shown_and_not_done(
    holed: tuple[Database, TestClient], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over HTTP as GeoJSON, before and after; at the command line as a table; the gap stays until somebody redraws."""
    from api.cli import main

    database, client = holed
    (gap,) = client.get("/findings", params={"kind": "gap"}).json()["features"]
    told = client.get(f"/findings/{gap['id']}").json()
    assert told["geometry"] == gap["geometry"]
    assert {**told["properties"], "repair": None} == {**gap["properties"], "repair": None}
    repair = told["properties"]["repair"]
    assert (repair["way"], repair["type"], len(repair["features"])) == ("given", "FeatureCollection", 1)
    (grid,) = repair["features"]
    before, after = (shapely.geometry.shape(one) for one in (grid["properties"]["before"], grid["geometry"]))
    assert shapely.equals(shapely.difference(after, before), shapely.geometry.shape(gap["geometry"]))
    assert grid["properties"]["changed_m2"] == pytest.approx(gap["properties"]["area_m2"], abs=0.01)

    monkeypatch.setenv("TWINGRID_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))

    def said(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["twingrid", "check", "repair", gap["id"], "--lang", "en", *words])
        settings.cache_clear()
        with pytest.raises(SystemExit):
            main()
        settings.cache_clear()
        return capsys.readouterr().out

    assert json.loads(said("--json")) == repair
    assert "Given to the neighbour" in said()
    assert client.get("/findings", params={"kind": "gap"}).json()["features"] == [gap]


@pytest.mark.proof
def test_what_was_planted_in_a_city_can_be_mended(city_of: Callable[[int], City]) -> None:
    """Each planted gap, overlap, sliver and border that is not noded has a repair after which it is gone."""
    database, truth = city_of(1)
    mended_kinds = []
    with database.read() as session:
        there = Findings(session, THEN, Limits(), afresh=True)
        for one in there.found(Wanted(("tiling",))):
            if one.flaw.kind != "disconnected":
                assert there.repair(one) is not None, (one.layer, one.flaw.kind, one.flaw.grids)
                mended_kinds.append(one.flaw.kind)
    assert len(mended_kinds) >= len(truth["faults"]) > 0
