"""Taking a published plan back: a new plan makes its grids what they were, to be approved and published in turn."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import shapely
from sqlalchemy.orm import Session

from spatial.access import Actor
from spatial.errors import Conflict, InputError
from spatial.grids import about as deployment
from spatial.redraw import queries, service
from spatial.redraw.about import grids_about_changes
from spatial.redraw.draft import Base, Draft
from spatial.redraw.model import Change, DraftGrid, Place, is_same, shapes_of
from spatial.redraw.rim import Vertex, carried_on, is_split, split_at
from spatial.redraw.sheet import Sheet
from spatial.redraw.whole import whole_change
from spatial.tables import Plan


def revert(session: Session, actor: Actor, plan_id: uuid.UUID, name: str, *, now: datetime) -> Plan:
    """Make a plan that takes a published one back; a `Conflict` where what it moved has moved since."""
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
    draft = Draft(session, plan.id, Base(at, None), [])
    current = {grid.place: grid for grid in draft.of_places({one.place for one in changes})}
    if not all(is_same(one.was, current.get(one.place)) for one in changes):
        changes = given_back(_sheet(session, plan, draft, changes), changes)
    service.keep(session, actor, plan, "revert", {"plan": str(old.id)}, changes, now=now)
    return plan


def _known(change: Change, made: Mapping[int, int]) -> Change:
    """Return a change with the ids that grids got when it was published."""
    return Change(*(None if one is None else _named(one, made) for one in (change.was, change.becomes)))


def _named(grid: DraftGrid, made: Mapping[int, int]) -> DraftGrid:
    place = Place(grid.place.layer_id, made.get(grid.place.key, grid.place.key))
    holders = {layer_id: made.get(key, key) for layer_id, key in grid.holders.items()}
    return replace(grid, place=place, holders=holders, is_locked=False)


def _sheet(session: Session, plan: Plan, draft: Draft, changes: Collection[Change]) -> Sheet:
    """Return a sheet of what changes concern, and all about it."""
    plane, layers = deployment.plane(session), queries.layers_of(session)
    assert plane is not None  # noqa: S101  # there are grids
    grids = grids_about_changes(draft, layers, changes)
    return Sheet(plane, layers, grids, editable=plan.layers, next_key=queries.next_key(session, plan.id))


def given_back(sheet: Sheet, changes: Sequence[Change]) -> list[Change]:
    """Return what gives grids back what they were among neighbours that are others by now.

    `changes`: from what a plan left to what there was before it. What it did more to than to give it vertices has to be
    as it left it, but for vertices. A neighbour that only got vertices, and is another one since, stays as it is.
    """
    others = [one for one in changes if not is_same(one.was, sheet.before.get(one.place))]
    staying = {one.place for one in others if is_noded(one.becomes, one.was)}
    moved = [one for one in others if one.place not in staying and not is_noded(one.was, sheet.before.get(one.place))]
    back = [one for one in changes if one.place not in staying]
    if moved or not back:
        raise _changed_since(_names(sheet, moved or others))
    sheet.moves_union = True  # as the plan may have done
    _draw(sheet, back)
    try:
        return list(sheet.settle().changes)
    except InputError as error:  # the ground is another one's by now
        told = {f"{one.values['layer']} {code}" for one in error.faults for code in one.values.get("grids", ())}
        raise _changed_since(told - _names(sheet, back) or _names(sheet, others)) from error


def _draw(sheet: Sheet, back: Sequence[Change]) -> None:
    """Let grids be what they were; on their outline they keep the vertices that others have there by now."""
    places = {one.place for one in back}
    drawn = {layer.id for layer in sheet.layers.values() if layer.built_from_id is None}
    around = [grid for place, grid in sheet.before.items() if place not in places and place.layer_id in drawn]
    kept: set[Vertex] = {(x, y) for x, y in shapely.get_coordinates(shapes_of(around)).tolist()}
    for layer_id in sorted({place.layer_id for place in places}):
        ours = [one for one in back if one.place.layer_id == layer_id]
        now = [sheet.before[one.place] for one in ours if one.place in sheet.before]
        were = [one.becomes for one in ours if one.becomes is not None]
        split = split_at(shapes_of(were), shapes_of(now)).items()
        added = {edge: [vertex for vertex in path if vertex in kept] for edge, path in split}
        for grid in now:
            sheet.end(grid)
        for grid in were:
            if layer_id in drawn:
                sheet.draw(grid, sheet.plane.to_metres(carried_on(grid.shape, added) or grid.shape))
            else:  # put together of its cells, where these change
                sheet.put(replace(grid, shape=sheet.before.get(grid.place, grid).shape))


def is_noded(before: DraftGrid | None, after: DraftGrid | None) -> bool:
    """Whether a grid is the same in two states, or has got vertices on its border and nothing else."""
    if before is None or after is None:
        return before is after
    return before.told == after.told and is_split(before.shape, after.shape)


def _names(sheet: Sheet, changes: Iterable[Change]) -> set[str]:
    """Return the names of grids as a plan left them."""
    states = [state for one in changes for state in (one.was or one.becomes,) if state is not None]
    return {f"{sheet.layers[state.place.layer_id].code} {state.code}" for state in states}


def _changed_since(names: Iterable[str]) -> Conflict:
    return Conflict("plan-changed-since", grids=sorted(names))
