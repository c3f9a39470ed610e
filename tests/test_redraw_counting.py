"""What a plan counts edit by edit is what a count of the whole layer finds, places on borders included."""

from typing import Any

import numpy as np
import pytest
import shapely
from geoalchemy2.shape import from_shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import Point
from sqlalchemy import insert
from sqlalchemy.orm import Session

from spatial.access import operator
from spatial.db import Database
from spatial.errors import TwingridError
from spatial.redraw import operations as asked
from spatial.redraw import queries, service
from spatial.redraw.draft import Draft
from spatial.redraw.measures import counted_in
from spatial.redraw.model import DraftGrid
from spatial.tables import SRID, Address, Plan
from spatial.time import now
from tests.build import T0, World, build
from tests.drafts import PLANE, drawn

CORNERS = (0.0, 100.0, 200.0, 300.0)  # metres
SIDE_M = 100.0
picks = st.integers(0, 10_000)
steps = st.lists(
    st.tuples(st.sampled_from(["renumber", "split", "merge", "dissolve", "undo"]), picks, picks, picks),
    min_size=1, max_size=6,
)  # fmt: skip


@pytest.fixture
def squares(empty_database: Database) -> Database:
    """Return nine square grids with an address at each corner of each, and two in each."""

    def lay(world: World) -> None:
        world.deployment(lon_0=PLANE.lon_0)
        layer = world.layer("police")
        boxes = [shapely.box(x, y, x + SIDE_M, y + SIDE_M) for x in CORNERS[:-1] for y in CORNERS[:-1]]
        shapes = drawn(boxes)
        for n, shape in enumerate(shapes):
            world.grid(layer, f"g{n}", shape)
        corners = np.unique(shapely.get_coordinates(shapes), axis=0)
        inside = [one.centroid.coords[0] for one in shapes]
        points = [Point(*xy) for xy in (*corners.tolist(), *inside, *((x, y + 1e-5) for x, y in inside))]
        rows = [
            {"code": f"a{n}", "text": "x", "dwellings": n, "point": from_shape(one, srid=SRID)}
            for n, one in enumerate(points)
        ]
        world.session.execute(insert(Address), rows)

    build(empty_database, lay)
    return empty_database


def grids_of(session: Session, plan: Plan) -> list[DraftGrid]:
    """Return all grids of the draft."""
    draft = Draft(session, plan.id, queries.base_of(session, plan), queries.chain(session, plan.id, plan.head))
    return sorted(draft.of_layer(plan.layers[0]), key=lambda grid: grid.code)


def operation(grids: list[DraftGrid], n: int, step: Any) -> asked.Operation:
    """Return an operation on one of the grids, with codes before and behind those of the others."""
    kind, one, two, where = step
    first = grids[one % len(grids)]
    near = [grid for grid in grids if grid is not first and shapely.intersects(grid.shape, first.shape)]
    west, south, east, north = first.shape.bounds
    y = south + (north - south) * (0.5 if where % 2 else 0.37)
    code = f"{'az'[two % 2]}{n}"
    match kind:
        case "renumber":
            return asked.Renumber(layer="police", grid=first.code, code=code)
        case "split":
            line = [(west - 1e-3, y), (east + 1e-3, y)]
            return asked.Split(layer="police", grid=first.code, line=line, code=code)
        case "merge":
            other = near[two % len(near)].code
            return asked.Merge(layer="police", grids=[first.code, other], into=first.code if where % 2 else other)
        case _:
            return asked.Dissolve(layer="police", grid=first.code)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_what_is_counted_edit_by_edit_is_what_is_counted_at_once(squares: Database, planned: Any) -> None:
    """A place on a border changes hands where the smallest code about it does, be it of a neighbour's neighbour."""
    with squares.trial() as session:
        actor = operator("test")
        plan = service.create(session, actor, "draft", ["police"], at=T0, now=now())
        lying = queries.points(session, plan, None)
        for n, step in enumerate(planned):
            try:
                with session.begin_nested():
                    if step[0] == "undo":
                        service.undo(session, actor, plan.id, revision=None, now=now())
                    else:
                        op = operation(grids_of(session, plan), n, step)
                        service.edit(session, actor, plan.id, op, revision=None, now=now())
            except TwingridError:
                continue
            ops = queries.chain(session, plan.id, plan.head)
            held = queries.holdings(session, plan, ops, {(plan.layers[0], None)})
            found = counted_in(grids_of(session, plan), *lying)
            assert {place: one.counted for place, (_unit_id, one) in held.items()} == found
            assert sum(one.addresses for one in found.values()) == len(lying[0])
