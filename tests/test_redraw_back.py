"""Plans that are taken back after others changed something about what they changed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient

from spatial.db import Database
from spatial.geometry import Plane, area_m2
from spatial.grids.tiling import findings
from spatial.time import now
from tests.test_redraw import CORRECTION, EFFECTIVE, across, approver, cells, do, made, neighbours, planner, published

__all__ = ["approver", "planner"]
NEXT_DAY = EFFECTIVE + timedelta(days=1)
PLANE = Plane(120.0)
CASES = [  # two grids whose border is redrawn, a neighbour that this gives a vertex, and one beyond it
    ("339901001012007", "339901001012006", "339901001012004", "339901001012002"),  # all of one police grid
    ("339901001008001", "339901001008003", "339901001008002", "339901001007001"),  # of several ones
]
Publish = Callable[..., Any]


@pytest.fixture
def publish(town_copy: Database, planner: TestClient, approver: TestClient) -> Publish:
    """Return what hands a plan in, approves it and brings it into force."""

    def bring(plan: str, at: Any) -> Any:
        answer = planner.post(f"/plans/{plan}/submit")
        assert answer.status_code == 200, answer.text
        told = approver.get(f"/plans/{plan}/review").json()["findings"]
        body = {"document_number": "1", "acknowledge": [one["key"] for one in told]}
        if at < now():
            body["correction"] = {**CORRECTION, "effective": at.isoformat()}
        answer = approver.post(f"/plans/{plan}/approve", json=body)
        assert answer.status_code == 200, answer.text
        return published(town_copy, planner, approver, plan, at)

    return bring


def inwards(shape: Any, place: Any, metres: float) -> Any:
    """Return the step in metres that leads from a place towards the inside of a shape."""
    step = shapely.get_coordinates(PLANE.to_metres(shape.representative_point()))[0] - place
    return step / np.hypot(*step) * metres


def border_m(one: Any, other: Any) -> Any:
    """Return the border of two shapes, in metres."""
    return shapely.line_merge(PLANE.to_metres(one.boundary & other.boundary))


def beside(one: Any, other: Any) -> list[tuple[float, float]]:
    """Return a line along the border of two shapes, some 20 m inside the first, that goes on beyond both."""
    ends = shapely.get_coordinates(border_m(one, other))[[0, -1]]
    along = (ends[1] - ends[0]) / np.hypot(*(ends[1] - ends[0]))
    aside = np.array([-along[1], along[0]]) * 20
    if inwards(one, ends.mean(axis=0), 1) @ aside < 0:
        aside = -aside
    return [PLANE.degrees_of(*(ends[0] - along * 60 + aside)), PLANE.degrees_of(*(ends[1] + along * 60 + aside))]


def bulge(one: Any, other: Any) -> list[tuple[float, float]]:
    """Return a line from a place on the border of two shapes some 20 m into the first, and back onto it."""
    border = border_m(one, other)
    start, middle, end = (border.interpolate(part, normalized=True).coords[0] for part in (0.3, 0.5, 0.7))
    return [PLANE.degrees_of(*place) for place in (start, middle + inwards(one, np.array(middle), 20), end)]


def redraw(planner: TestClient, one: str, other: str, line: Any, at: Any = EFFECTIVE) -> tuple[str, set[str]]:
    """Return a plan that redraws the border of two grids, and the codes of the grids that this changes."""
    plan = made(planner, at=at.isoformat())
    done = do(planner, plan, "reshape", grids=[one, other], line=line)
    return plan, {told["code"] for told in done["grids"] if told["layer"] == "governance"}


def size_m2(shape: Any) -> float:
    """Return the area of a shape."""
    return float(area_m2(np.array([shape], dtype=object))[0])


def assert_whole(planner: TestClient, at: Any) -> None:
    """Require that nothing is wrong with either layer, and that police grids are their cells."""
    for layer in ("governance", "police"):
        shapes = cells(planner, layer, at.isoformat())
        found = findings(list(shapes), np.array(list(shapes.values()), dtype=object))
        assert [one for one in found if one.kind != "disconnected"] == []
    grids = np.array(list(cells(planner, at=at.isoformat()).values()), dtype=object)
    inside = shapely.point_on_surface(grids)
    for area in shapes.values():
        united = shapely.coverage_union_all(grids[shapely.contains(area, inside)])
        assert vertices(united) == vertices(area)


def vertices(shape: Any) -> set[Any]:
    """Return the vertices of a shape."""
    return set(map(tuple, shapely.get_coordinates(shape).tolist()))


@pytest.mark.parametrize(("one", "other", "near", "beyond"), CASES)
def test_a_plan_is_taken_back_while_a_neighbour_changed_elsewhere(
    planner: TestClient, publish: Publish, one: str, other: str, near: str, beyond: str
) -> None:
    """What it moved is as before it, but for vertices that the neighbour has by now; that one stays as it is."""
    before, police = cells(planner), cells(planner, "police")
    first, changed = redraw(planner, one, other, beside(before[one], before[other]))
    assert changed >= {one, other, near}
    assert beyond not in changed
    publish(first, EFFECTIVE)
    second, also = redraw(planner, near, beyond, bulge(before[near], before[beyond]), NEXT_DAY)
    assert not also & {one, other}
    publish(second, NEXT_DAY)
    assert planner.get(f"/plans/{first}").json()["state"] == "in_force", "nothing of its ground is another one's"
    later = now() + timedelta(hours=1)
    between = cells(planner, at=later.isoformat())
    answer = planner.post(f"/plans/{first}/revert", json={"name": "撤回"})
    assert answer.status_code == 201, answer.text
    publish(answer.json()["id"], later)
    after = cells(planner, at=later.isoformat())
    for code in (one, other):
        assert size_m2(after[code]) == pytest.approx(size_m2(before[code]), abs=0.1)
        assert PLANE.to_metres(after[code]).hausdorff_distance(PLANE.to_metres(before[code])) < 0.01
    assert after[near] == between[near] != before[near]
    assert after[beyond] == between[beyond] != before[beyond]
    assert {code for code in after if after[code] != before[code]} <= {one, other} | also
    assert_whole(planner, later)
    areas = cells(planner, "police", later.isoformat())
    assert sum(map(size_m2, areas.values())) == pytest.approx(sum(map(size_m2, police.values())), abs=0.1)
    assert planner.get(f"/plans/{first}").json()["state"] == "superseded"


def test_a_plan_is_not_taken_back_once_another_border_of_its_grids_moved(planner: TestClient, publish: Publish) -> None:
    """It is refused, with the grids that are others by now."""
    one, other, _near, _beyond = CASES[0]
    before = cells(planner)
    first, _ = redraw(planner, one, other, beside(before[one], before[other]))
    publish(first, EFFECTIVE)
    third = next(
        code for code in neighbours(before, one) if code != other and not before[code].intersects(before[other])
    )
    second, _ = redraw(planner, one, third, bulge(before[one], before[third]), NEXT_DAY)
    publish(second, NEXT_DAY)
    answer = planner.post(f"/plans/{first}/revert", json={"name": "撤回"})
    assert answer.status_code == 409
    assert f"governance {one}" in answer.json()["detail"]
    assert other not in answer.json()["detail"]


def test_cells_that_changed_hands_go_back_to_police_grids_that_were_noded(
    planner: TestClient, publish: Publish
) -> None:
    """In embed mode a police grid may have got cells within, and vertices, since; it is put together of what is its."""
    shapes, police = cells(planner), cells(planner, "police")
    holder = {
        code: next(name for name, area in police.items() if area.contains(one.representative_point()))
        for code, one in shapes.items()
    }
    first = min(police)
    second = neighbours(police, first)[0]
    given = next(code for code in sorted(shapes) if holder[code] == second)
    plan = made(planner)
    do(planner, plan, "assign", layer="police", to=first, cells=[given])
    publish(plan, EFFECTIVE)
    rim = next(
        code
        for code in sorted(shapes)
        if holder[code] == first
        and not shapes[code].intersects(shapes[given])
        and any(holder[near] not in (first, second) for near in neighbours(shapes, code))
    )
    again = made(planner, at=NEXT_DAY.isoformat())
    done = do(planner, again, "split", grid=rim, line=across(shapes[rim]), code="339901001001900")
    assert first in {told["code"] for told in done["grids"]}
    publish(again, NEXT_DAY)
    later = now() + timedelta(hours=1)
    answer = planner.post(f"/plans/{plan}/revert", json={"name": "撤回"})
    assert answer.status_code == 201, answer.text
    publish(answer.json()["id"], later)
    after = cells(planner, "police", later.isoformat())
    assert vertices(after[second]) == vertices(police[second])
    assert vertices(after[first]) > vertices(police[first])
    assert PLANE.to_metres(after[first]).hausdorff_distance(PLANE.to_metres(police[first])) < 0.01
    assert "339901001001900" in cells(planner, at=later.isoformat())
    assert_whole(planner, later)
