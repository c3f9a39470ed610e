"""Taking a published plan back: a new plan makes its grids what they were, to be approved and published in turn."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from spatial.access import Actor
from spatial.errors import Conflict
from spatial.redraw import queries, service
from spatial.redraw.draft import Base, Draft
from spatial.redraw.model import Change, DraftGrid, Place, is_same
from spatial.redraw.whole import whole_change
from spatial.tables import Plan


def revert(session: Session, actor: Actor, plan_id: uuid.UUID, name: str, *, now: datetime) -> Plan:
    """Make a plan that takes a published one back; a `Conflict` where a grid of it has changed since."""
    old = queries.find(session, plan_id)
    if old.state != "published" or old.effective is None:
        raise Conflict("plan-in-other-state", state=old.state, needed=["published"])
    at = max(now, old.effective)
    layers = queries.layer_codes(session)
    unit = queries.unit_code(session, old.unit_id, Base(now, None))
    codes = [layers[layer_id] for layer_id in old.layers]
    plan = service.create(session, actor, name, codes, unit=unit, at=at, now=now)
    plan.reverts = old.id
    made = {int(key): grid_id for key, grid_id in (old.made or {}).items()}
    changes = [_known(one, made).inverse for one in whole_change(session, old)]
    if not changes:
        raise Conflict("plan-without-grids")
    _require_unchanged(session, plan, changes, Base(at, None), layers)
    service.keep(session, actor, plan, "revert", {"plan": str(old.id)}, changes, now=now)
    return plan


def _known(change: Change, made: Mapping[int, int]) -> Change:
    """Return a change with the ids that grids got when it was published."""
    return Change(*(None if one is None else _named(one, made) for one in (change.was, change.becomes)))


def _named(grid: DraftGrid, made: Mapping[int, int]) -> DraftGrid:
    place = Place(grid.place.layer_id, made.get(grid.place.key, grid.place.key))
    holders = {layer_id: made.get(key, key) for layer_id, key in grid.holders.items()}
    return replace(grid, place=place, holders=holders, is_locked=False)


def _require_unchanged(
    session: Session, plan: Plan, changes: list[Change], base: Base, layers: Mapping[int, str]
) -> None:
    places = {one.place for one in changes}
    current = {grid.place: grid for grid in Draft(session, plan.id, base, []).of_places(places)}
    strange = sorted(
        f"{layers[one.place.layer_id]} {state.code}"
        for one in changes
        if (state := one.was or one.becomes) is not None and not is_same(one.was, current.get(one.place))
    )
    if strange:
        raise Conflict("plan-changed-since", grids=strange)
