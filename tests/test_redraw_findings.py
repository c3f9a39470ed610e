"""What is wrong with a draft is told as it would be told of the grids, once the plan is in force."""

from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from spatial.access import operator
from spatial.access.rules import Actor, Grant
from spatial.access.scopes import reach_of
from spatial.db import Database
from spatial.errors import TwingridError
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Found, Limits
from spatial.history import Moment
from spatial.redraw import operations as asked
from spatial.redraw import queries, review, service
from spatial.redraw.draft import Draft
from spatial.redraw.judging import Judging
from spatial.redraw.model import DraftGrid
from spatial.redraw.publishing import publish
from spatial.tables import Layer, Plan, UnitVersion
from spatial.time import now
from tests.build import T0, World, build
from tests.drafts import PLANE
from tests.drafts import drawn as drawn_m
from tests.test_redraw import do, made, planner
from tests.test_snapshot import reaching

__all__ = ["planner"]
AT = datetime.fromisoformat("2025-03-07T20:00:00+08:00")
LIMITS = Limits(most_dwellings={"police": 900, "governance": 300})


def told(found: list[Found]) -> list[Any]:
    """Return findings but for what a draft cannot know: since when they stand."""
    return sorted(
        (
            one.layer,
            one.flaw.kind,
            one.flaw.severity,
            one.flaw.grids,
            one.flaw.officers,
            one.flaw.owners,
            str(one.flaw.other),
            tuple(sorted(one.flaw.others)),
            round(one.flaw.area_m2 or 0.0, 2),
            one.flaw.detail.get("dwellings", 0),
        )
        for one in found
    )


def drawn(layer: str, one: DraftGrid, other: DraftGrid, n: int, share: float) -> asked.Operation:
    """Return an operation on a grid, of six kinds in turns; `other` is one beside it."""
    west, south, east, north = one.shape.bounds
    y = south + (north - south) * share
    match n % 6:
        case 0:
            return asked.Split(layer=layer, grid=one.code, line=[(west - 1e-3, y), (east + 1e-3, y)], code=f"N{n}")
        case 1:
            return asked.Merge(layer=layer, grids=[one.code, other.code], into=one.code)
        case 2:
            return asked.Dissolve(layer=layer, grid=one.code)
        case 3:
            return asked.Renumber(layer=layer, grid=one.code, code=f"R{n}")
        case 4:
            return asked.Describe(layer=layer, grid=one.code, name=other.name)
        case _:
            return asked.Create(layer=layer, code=f"C{n}", name="n", cells=[one.code])


def redraw(session: Session, plan: Plan, seed: int, count: int) -> int:
    """Do some operations at random on a plan, and return how many could be done."""
    rng, done = np.random.default_rng(seed), 0
    layers = {layer.code: layer for layer in queries.layers_of(session)}
    for n in range(count):
        draft = Draft(session, plan.id, queries.base_of(session, plan), queries.chain(session, plan.id, plan.head))
        layer = ("governance", "police")[int(rng.integers(2))]
        grids = draft.of_layer(layers[layer].id)
        one = grids[int(rng.integers(len(grids)))]
        near = [grid for grid in draft.within([one.place.layer_id], one.shape.bounds) if grid.place != one.place]
        op = drawn(layer, one, near[int(rng.integers(len(near)))], n, float(rng.random()))
        try:
            with session.begin_nested():
                service.edit(session, operator("a"), plan.id, op, revision=None, now=now())
            done += 1
        except TwingridError:
            continue
    return done


def bring_into_force(session: Session, plan: Plan, at: datetime = AT) -> None:
    """Hand a plan in, approve and publish it."""
    instant = now()
    review.submit(session, operator("a"), plan.id, revision=None, now=instant)
    plan.state = "approved"
    session.flush()
    queries.note(
        session, plan, "approved", "b", instant, {"correction": {"reason": "test", "effective": at.isoformat()}}
    )
    publish(session, operator("b"), plan.id, at, now=instant)


def require_told_alike(session: Session, plan: Plan) -> None:
    """Require that the findings of a draft are those of the grids once it is in force, and that what is new is."""
    before = Findings(session, Moment(AT), LIMITS, afresh=True).found(Wanted())
    judged = Judging(session, plan, LIMITS).judged(Wanted())
    bring_into_force(session, plan)
    after = Findings(session, Moment(AT), LIMITS, afresh=True).found(Wanted())
    assert told([one.found for one in judged]) == told(after)
    kept = set(told(before))
    assert not [one for one in judged if one.is_added and told([one.found])[0] in kept]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_draft_is_found_what_is_found_when_it_is_in_force(town_copy: Database, seed: int) -> None:
    """After random operations on both layers of a town: shapes, codes, rosters, cells, dwellings."""
    with town_copy.trial() as session:
        plan = service.create(session, operator("a"), "draft", ["police", "governance"], at=AT, now=now())
        assert redraw(session, plan, seed, 24) > 6
        require_told_alike(session, plan)


@pytest.mark.proof
@pytest.mark.parametrize("seed", [4, 5])
def test_so_it_is_in_a_city(city: Database, seed: int) -> None:
    """Of networks that lie over each other, too, and what one of them makes of the other."""
    with city.trial() as session:
        plan = service.create(session, operator("a"), "draft", ["police", "governance"], at=AT, now=now())
        assert redraw(session, plan, seed, 24) > 6
        require_told_alike(session, plan)


def test_it_is_listed_over_http(planner: TestClient) -> None:
    """All of a plan's layers, the worst first, page by page; what the plan adds is told apart."""
    plan = made(planner)
    done = planner.get("/grids/governance", params={"at": AT.isoformat(), "limit": 2}).json()["features"]
    first, second = (one["properties"] for one in done)
    do(planner, plan, "describe", grid=first["code"], name=second["name"])
    answer = planner.get(f"/plans/{plan}/findings", params={"added": "yes"})
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["features"]
    assert (one["properties"]["kind"], one["properties"]["is_added"]) == ("name-twice", True)
    assert sorted(one["properties"]["grids"]) == sorted([first["code"], second["code"]])
    assert one["geometry"]["type"] == "MultiPoint"
    listed: list[Any] = []
    page: Any = {"limit": 10}
    while page is not None:
        body = planner.get(f"/plans/{plan}/findings", params=page).json()
        listed += body["features"]
        page = {"limit": 10, "cursor": body["next"]} if body.get("next") else None
    assert len(listed) == len({each["id"] for each in listed}) > 30
    assert [each["id"] for each in listed if each["properties"]["is_added"]] == [one["id"]]
    severity = [("fault", "warning", "info").index(each["properties"]["severity"]) for each in listed]
    assert severity == sorted(severity)


def test_each_operation_tells_what_it_makes_so(planner: TestClient) -> None:
    """A piece that nobody holds, a code that begins with another unit's; and nothing again that was so before."""
    plan, codes = made(planner), ["339901001006007", "339901001007900", "339901001006900"]
    shown = planner.get(f"/grids/governance/{codes[0]}", params={"at": AT.isoformat()}).json()
    west, south, east, north = shapely.from_geojson(orjson.dumps(shown["geometry"])).bounds
    line = [[west - 1e-3, (south + north) / 2], [east + 1e-3, (south + north) / 2]]
    told = do(planner, plan, "split", grid=codes[0], line=line, code=codes[2])["findings"]
    assert [(one["kind"], one["grids"], one["lon"] is not None) for one in told] == [("nobody", [codes[2]], True)]
    told = do(planner, plan, "renumber", grid=codes[0], code=codes[1])["findings"]
    assert [(one["kind"], one["grids"]) for one in told] == [("code-of-another-unit", [codes[1]])]
    assert do(planner, plan, "describe", grid=codes[1], name="改名")["findings"] == []


def test_a_layer_that_is_not_redrawn_has_none(planner: TestClient) -> None:
    """That is told by name, in both languages."""
    plan = made(planner, "police", "governance")
    for lang, words in (("en", "not redrawn"), ("zh-CN", "不涉及")):
        asking = {"Accept-Language": lang}
        answer = planner.get(f"/plans/{plan}/findings", params={"layer": "none"}, headers=asking)
        assert answer.status_code == 400
        assert words in answer.json()["faults"][0]["detail"]


def test_who_sees_a_part_is_told_of_no_hole_where_it_ends(empty_database: Database) -> None:
    """A station all around others, whose middle it does not see, finds nothing wrong there, before a merge or after."""
    side = range(5)

    def lay(world: World) -> None:
        world.deployment(lon_0=PLANE.lon_0)
        layer, inner, outer = world.layer("police"), world.unit("inner"), world.unit("outer")
        world.session.execute(update(Layer).values(visibility="internal"))
        shapes = drawn_m([shapely.box(100 * x, 100 * y, 100 * x + 100, 100 * y + 100) for x in side for y in side])
        for n, shape in enumerate(shapes):
            is_inner = {n // 5, n % 5} <= {1, 2, 3}
            world.grid(layer, f"{n // 5}{n % 5}", shape, inner if is_inner else outer)

    build(empty_database, lay)
    with empty_database.trial() as session:
        unit = session.scalar(select(UnitVersion.unit_id).where(UnitVersion.code == "outer"))
        plan = service.create(session, operator("a"), "draft", ["police"], unit="outer", at=T0, now=now())
        merge = asked.Merge(layer="police", grids=["00", "01"], into="00")
        service.edit(session, operator("a"), plan.id, merge, revision=None, now=now())
        reach = reach_of(session, Actor("somebody", {}, (Grant("planner", unit),)), "plans.edit")
        with reaching(session, reach):
            assert len(Draft(session, plan.id, queries.base_of(session, plan), []).of_layer(plan.layers[0])) == 24
            judged = Judging(session, plan, LIMITS).judged(Wanted(("tiling",)))
        assert judged == []
