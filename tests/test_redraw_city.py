"""Redrawing in a city whose networks lie over each other: borders move, and what lies in the grids is counted right."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy.orm import Session

from spatial.access import operator
from spatial.db import Database
from spatial.errors import TwingridError
from spatial.geometry import area_m2
from spatial.grids.tiling import findings
from spatial.redraw import operations as asked
from spatial.redraw import queries, service
from spatial.redraw.draft import Draft
from spatial.redraw.measures import counted_in
from spatial.redraw.model import DraftGrid, Place
from spatial.redraw.service import Done
from spatial.tables import Plan
from spatial.time import now

pytestmark = pytest.mark.proof  # a city is built for it
AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
FAULTS = {"invalid", "overlap", "gap", "unnoded"}


@dataclass
class Desk:
    """A plan of a city on which a planner works, in a transaction that is taken back."""

    session: Session
    plan: Plan
    layers: dict[str, int] = field(default_factory=dict)

    @property
    def draft(self) -> Draft:
        """The draft where it stands."""
        base = queries.base_of(self.session, self.plan)
        return Draft(self.session, self.plan.id, base, queries.chain(self.session, self.plan.id, self.plan.head))

    def grids(self, layer: str = "police") -> list[DraftGrid]:
        """Return all grids of a layer."""
        return self.draft.of_layer(self.layers[layer])

    def do(self, op: asked.Operation) -> Done:
        """Perform an operation."""
        return service.edit(self.session, operator("test"), self.plan.id, op, revision=None, now=now())


@pytest.fixture
def desk(city: Database) -> Iterator[Desk]:
    """Yield a plan over both layers of the city."""
    with city.trial() as session:
        plan = service.create(session, operator("test"), "draft", ["police", "governance"], at=AT, now=now())
        yield Desk(session, plan, {layer.code: layer.id for layer in queries.layers_of(session)})


def touching(grids: list[DraftGrid], one: DraftGrid) -> list[DraftGrid]:
    """Return the grids that share a border with one, the longest first."""
    border = one.shape.boundary
    near = [grid for grid in grids if grid.place != one.place and shapely.dwithin(grid.shape, one.shape, 1e-9)]
    return sorted(near, key=lambda grid: -(grid.shape.boundary & border).length)


def test_what_is_counted_edit_by_edit_is_what_is_counted_at_once(desk: Desk) -> None:
    """After splits, merges and moves each grid holds what a count of the whole layer finds in it; all still add up."""
    grids = desk.grids()
    one = grids[len(grids) // 2]
    other = touching(grids, one)[0]
    west, _south, east, _north = one.shape.bounds
    middle = one.shape.representative_point()
    line = [(west - 0.01, middle.y), (east + 0.01, middle.y)]
    desk.do(asked.Split(layer="police", grid=one.code, line=line, code="N1"))
    vertex = shapely.get_coordinates(shapely.line_merge(other.shape.boundary & one.shape.boundary))[1].tolist()
    desk.do(asked.MoveVertex(layer="police", at=(vertex[0], vertex[1]), to=(vertex[0] + 2e-4, vertex[1])))
    desk.do(asked.Merge(layer="police", grids=["N1", touching(desk.grids(), named(desk, "N1"))[0].code], into="N1"))
    after = desk.grids()
    lying = queries.points(desk.session, desk.plan, None)
    found = counted_in(after, *lying)
    ops = queries.chain(desk.session, desk.plan.id, desk.plan.head)
    teams = {(grid.place.layer_id, grid.unit_id) for grid in after}
    held = queries.holdings(desk.session, desk.plan, ops, teams)
    assert {place: one.counted for place, (_unit, one) in held.items()} == found
    before = counted_in(grids, *lying)
    for what in ("addresses", "dwellings", "incidents"):
        assert sum(getattr(one, what) for one in found.values()) == sum(getattr(one, what) for one in before.values())


def named(desk: Desk, code: str, layer: str = "police") -> DraftGrid:
    """Return a grid by code."""
    return next(grid for grid in desk.grids(layer) if grid.code == code)


def split_by_police(desk: Desk) -> tuple[DraftGrid, dict[Place, float]]:
    """Return a governance grid that several police grids share, with the m² of each."""
    police = desk.grids()
    shapes = np.array([grid.shape for grid in police], dtype=object)
    tree = shapely.STRtree(shapes)
    for cell in desk.grids("governance"):
        near = tree.query(cell.shape, predicate="intersects")
        sizes = area_m2(np.array([_areas(shapes[n] & cell.shape) for n in near], dtype=object))
        if (sizes > 5_000).sum() > 1:
            return cell, {police[n].place: size for n, size in zip(near.tolist(), sizes.tolist(), strict=True)}
    raise AssertionError("the city has grids that are shared")


def _areas(shape: Any) -> Any:
    return shapely.MultiPolygon([part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"])


def test_a_snapped_grid_is_whole_in_one_police_grid(desk: Desk) -> None:
    """The one that had most of it gets the rest, which the others lose, and nothing else moves."""
    cell, sizes = split_by_police(desk)
    most = max(sizes, key=lambda place: sizes[place])
    desk.do(asked.Snap(layer="police", of="governance", cell=cell.code))
    near = desk.draft.within([desk.layers["police"]], cell.shape.bounds)
    (owner,) = [grid for grid in near if grid.place == most]
    outside = float(area_m2(np.array([_areas(cell.shape - owner.shape)], dtype=object))[0])
    assert outside < 1, "a square metre: its border is noded to 1 cm with that of the police grid"
    assert not [one for one in findings([grid.code for grid in near], shapes_of(near)) if one.kind in FAULTS - {"gap"}]


def shapes_of(grids: list[DraftGrid]) -> Any:
    """Return the shapes of grids."""
    return np.array([grid.shape for grid in grids], dtype=object)


def test_an_edit_reads_its_neighbourhood_alone(desk: Desk) -> None:
    """Of a city's thousand police grids some dozen are looked at for one border."""
    grids = desk.grids()
    one = grids[len(grids) // 2]
    near = desk.draft.within([desk.layers["police"]], one.shape.bounds)
    assert len(near) < 60
    done = desk.do(asked.Describe(layer="police", grid=one.code, name="改名"))
    assert [change.place for change in done.changes] == [one.place]


def test_many_random_edits_leave_a_city_whole(desk: Desk) -> None:
    """Whatever is accepted of a hundred operations all over the city, no fault of the tiling is new."""
    rng = np.random.default_rng(7)
    known = {one.kind for one in findings([grid.code for grid in desk.grids()], shapes_of(desk.grids()))}
    done = 0
    for n in range(100):
        grids = desk.grids()
        one = grids[int(rng.integers(len(grids)))]
        near = touching(grids, one)
        op = drawn(one, near, n, float(rng.random()))
        try:
            with desk.session.begin_nested():
                desk.do(op)
            done += 1
        except TwingridError:
            continue
    after = desk.grids()
    assert done > 30
    assert {one.kind for one in findings([grid.code for grid in after], shapes_of(after))} - {"disconnected"} <= known


def drawn(one: DraftGrid, near: list[DraftGrid], n: int, share: float) -> asked.Operation:
    """Return an operation on a grid, of four kinds in turns."""
    west, south, east, north = one.shape.bounds
    y = south + (north - south) * share
    match n % 4:
        case 0:
            return asked.Split(layer="police", grid=one.code, line=[(west - 1, y), (east + 1, y)], code=f"N{n}")
        case 1:
            return asked.Merge(layer="police", grids=[one.code, near[0].code], into=one.code)
        case 2:
            return asked.Dissolve(layer="police", grid=one.code)
        case _:
            return asked.Create(layer="police", code=f"C{n}", name="n", area=[list(_square(one).exterior.coords)])


def _square(one: DraftGrid) -> Any:
    middle = one.shape.representative_point()
    return shapely.box(middle.x, middle.y, middle.x + 0.002, middle.y + 0.002)
