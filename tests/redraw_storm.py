"""One of several planners who edit, approve and publish at random until killed: `python -m tests.redraw_storm`."""

import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from spatial.access.rules import Actor, Grant
from spatial.db import Database, make_engine
from spatial.errors import TwingridError
from spatial.findings.model import Limits
from spatial.redraw import operations as asked
from spatial.redraw import queries, review, service
from spatial.redraw.draft import Draft
from spatial.redraw.publishing import publish
from spatial.redraw.reverting import revert
from spatial.tables import Plan
from spatial.time import now

LAYER = "governance"
SOON = timedelta(seconds=0.3)


def planner(name: str) -> Actor:
    """Return somebody who may plan and decide."""
    return Actor(name, {}, (Grant("planner"), Grant("approver")))


def step(session: Session, actor: Actor, rng: random.Random) -> str:
    """Do one thing to some plan, and return what."""
    plans = list(
        session.scalars(select(Plan).where(Plan.state != "abandoned").order_by(Plan.created_at.desc()).limit(6))
    )
    open_ = [plan for plan in plans if plan.state in ("draft", "returned")]
    if len(open_) < 2 or rng.random() < 0.1:
        service.create(session, actor, "storm", [LAYER, "police"], at=now(), now=now())
        return "create"
    plan = rng.choice(plans)
    kind = {
        "draft": ["edit", "edit", "edit", "undo", "redo", "rebase", "submit", "submit", "abandon"],
        "returned": ["edit", "submit"],
        "submitted": ["approve", "approve", "return"],
        "approved": ["publish", "publish", "publish", "return"],
        "published": ["revert", "nothing", "nothing"],
    }[plan.state]
    what = rng.choice(kind)
    act(session, actor, rng, plan, what)
    return what


def act(session: Session, actor: Actor, rng: random.Random, plan: Plan, what: str) -> None:
    """Do one thing to a plan."""
    how: dict[str, Any] = {"revision": rng.choice([None, plan.revision]), "now": now()}

    def approve() -> Any:
        keys = frozenset(one.key for one in review.review(session, plan, effective=now(), limits=Limits()).findings)
        return review.approve(session, actor, plan.id, f"文 {rng.random()}", acknowledged=keys, limits=Limits(), **how)

    acts: dict[str, Callable[[], Any]] = {
        "edit": lambda: service.edit(session, actor, plan.id, operation(session, rng, plan), **how),
        "undo": lambda: service.undo(session, actor, plan.id, **how),
        "redo": lambda: service.redo(session, actor, plan.id, **how),
        "rebase": lambda: service.rebase(session, actor, plan.id, at=now(), **how),
        "submit": lambda: review.submit(session, actor, plan.id, **how),
        "approve": approve,
        "return": lambda: review.give_back(session, actor, plan.id, "again", **how),
        "abandon": lambda: review.abandon(session, actor, plan.id, **how),
        "publish": lambda: publish(session, actor, plan.id, now() + SOON, now=now()),
        "revert": lambda: revert(session, actor, plan.id, "back", now=now()),
        "nothing": lambda: None,
    }
    acts[what]()


def operation(session: Session, rng: random.Random, plan: Plan) -> asked.Operation:
    """Return an operation on some grids of a draft, that can mostly be done."""
    layer = next(one for one in queries.layers_of(session) if one.code == LAYER)
    draft = Draft(session, plan.id, queries.base_of(session, plan), queries.chain(session, plan.id, plan.head))
    grids = draft.of_layer(layer.id)
    grid = rng.choice(grids)
    west, south, east, north = grid.shape.bounds
    place = grid.shape.representative_point()
    touching = [one.code for one in grids if shapely.dwithin(one.shape, grid.shape, 1e-9) and one is not grid]
    new = f"339901{rng.randrange(10**9):09d}"
    other = rng.choice(touching)
    line = [(west - 0.001, rng.uniform(south, north)), (place.x, place.y), (east + 0.001, rng.uniform(south, north))]
    vertex = rng.choice(shapely.get_coordinates(grid.shape).tolist())
    return rng.choice(
        [
            asked.Split(layer=LAYER, grid=grid.code, line=line, code=new),
            asked.Merge(layer=LAYER, grids=[grid.code, other], into=other),
            asked.Dissolve(layer=LAYER, grid=grid.code),
            asked.MoveVertex(layer=LAYER, at=tuple(vertex), to=(vertex[0] + 1e-5, vertex[1] + 1e-5)),
            asked.Renumber(layer=LAYER, grid=grid.code, code=new),
            asked.Describe(layer=LAYER, grid=grid.code, name=f"{rng.random()}"),
        ]
    )


def main(url: str, name: str, seed: int, seconds: float) -> None:
    """Go on for a while, saying what was done; what is refused is nothing."""
    database, rng, actor = Database(make_engine(url)), random.Random(seed), planner(name)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with database.write() as session:
                done = step(session, actor, rng)
            print(done, flush=True)  # noqa: T201  # for whoever counts
        except TwingridError as error:
            print("refused", error.text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
