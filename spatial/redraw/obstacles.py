"""What keeps a plan from coming into force, and what an approver has to know of, each with its place and remedy."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from spatial.errors import Conflict, GeometryFault
from spatial.findings.model import Coded, Limits
from spatial.findings.rules import code_flaws
from spatial.grids import about as deployment
from spatial.grids.queries import unit_codes
from spatial.grids.units import among
from spatial.redraw import queries
from spatial.redraw.checks import cover_moved, findings_of, noticed, require_sound
from spatial.redraw.draft import Base, Draft
from spatial.redraw.handover import orphans
from spatial.redraw.model import Change, DraftGrid, bounds_of
from spatial.redraw.passing import LEAST_M2, heirs
from spatial.redraw.whole import passings_of, whole_change
from spatial.tables import Plan, PlanOp

REMEDIES = {
    "base-moved-on": "rebase",
    "code-used-before": "renumber",
    "edit-makes-overlap": "repair",
    "edit-makes-gap": "repair",
    "edit-makes-unnoded": "repair",
    "without-heir": "merge",
}


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps a plan from being published, or that is to be acknowledged: what, where, of which grids."""

    kind: str
    layer: str
    grids: tuple[str, ...]
    place: tuple[float, float] | None = None
    area_m2: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is acknowledged by."""
        named = orjson.dumps([self.kind, self.layer, self.grids, self.place])
        return hashlib.sha256(named).hexdigest()[:32]

    @property
    def remedy(self) -> str | None:
        """What a planner may do about it: the word of an operation, or `rebase`; none: draw it otherwise."""
        return REMEDIES.get(self.kind)

    @property
    def told(self) -> dict[str, Any]:
        """It as it is told."""
        lon, lat = self.place or (None, None)
        told = {
            "kind": self.kind,
            "key": self.key,
            "layer": self.layer,
            "grids": list(self.grids),
            "lon": lon,
            "lat": lat,
        }
        return told | {"area_m2": self.area_m2, "remedy": self.remedy, **self.values}


def obstacles(session: Session, plan: Plan, effective: datetime) -> list[Obstacle]:
    """Return all that keeps a plan from coming into force at an instant, each with a place where it has one."""
    changes = whole_change(session, plan)
    layers = queries.layer_codes(session)
    if not changes:
        return [] if barriers_of(session, plan) else [Obstacle("plan-empty", "", ())]
    base = Base(effective, None)
    found = _moved_on(session, plan, changes, base, layers)
    found += _codes_taken(session, changes, layers)
    if not found:
        found += _torn(session, plan, changes, base, layers)
        found += _without_heir(session, plan, changes, base, layers, effective)
    return found


def require_free(session: Session, plan: Plan, effective: datetime) -> None:
    """Refuse a plan that something keeps from coming into force at an instant, telling all of it."""
    against = obstacles(session, plan, effective)
    if against:
        raise Conflict("plan-has-obstacles", [one.told for one in against], count=len(against))


def added_findings(session: Session, plan: Plan, limits: Limits) -> list[Obstacle]:
    """Return what a plan makes so of its layers that is allowed and may be meant.

    Parts that are apart, names given twice, codes of other units, new grids that nobody holds, too many dwellings.
    """
    changes = whole_change(session, plan)
    layers = queries.layer_codes(session)
    plane = deployment.plane(session)
    if plane is None:
        return []
    found = _added_codes(session, plan, changes) + _burdened(session, plan, changes, layers, limits)
    for layer_id, (before, after) in _neighbourhoods(session, plan, changes, queries.base_of(session, plan)).items():
        moved = cover_moved(before, after, plane)
        if moved.area > LEAST_M2:
            inside = shapely.point_on_surface(moved)
            place = plane.degrees_of(inside.x, inside.y)
            found.append(Obstacle("cover-changed", layers[layer_id], (), place, round(moved.area, 1)))
        for one in noticed(findings_of(before), findings_of(after)):
            size = None if one.area_m2 is None else round(one.area_m2, 2)
            found.append(Obstacle(one.kind, layers[layer_id], one.grids, one.place, size))
    return found


def _added_codes(session: Session, plan: Plan, changes: Sequence[Change]) -> list[Obstacle]:
    """Return what is wrong with codes and names after a plan and was not before."""
    base = queries.base_of(session, plan)
    units = unit_codes(session, base.at, base.known_at)
    places = {one.place: state for one in changes for state in (one.becomes,) if state is not None}
    of_code = {(place.layer_id, state.code): state for place, state in places.items()}
    found = []
    for layer in queries.layers_of(session):
        if layer.id not in {one.place.layer_id for one in changes}:
            continue
        before, after = (
            [Coded(grid.code, grid.name, _unit(grid, units), None) for grid in draft.of_layer(layer.id)]
            for draft in (
                Draft(session, plan.id, base, []),
                Draft(session, plan.id, base, queries.chain(session, plan.id, plan.head)),
            )
        )
        known = {(one.kind, one.grids) for one in code_flaws(layer.code_scheme, before)}
        for one in code_flaws(layer.code_scheme, after):
            if (one.kind, one.grids) not in known:
                state = next((of_code[layer.id, code] for code in one.grids if (layer.id, code) in of_code), None)
                place = None if state is None else _inside(state.shape)
                found.append(Obstacle(one.kind, layer.code, one.grids, place, values=one.detail))
    return found


def _burdened(
    session: Session, plan: Plan, changes: Sequence[Change], layers: Mapping[int, str], limits: Limits
) -> list[Obstacle]:
    """Return the new grids that nobody holds, and those that get more dwellings than a grid should have."""
    teams = {(one.place.layer_id, state.unit_id) for one in changes for state in (one.was, one.becomes) if state}
    ops = queries.chain(session, plan.id, plan.head)
    before, after = (queries.holdings(session, plan, chain, teams) for chain in ([], ops))
    found = []
    for one in changes:
        layer, most = layers[one.place.layer_id], limits.most_dwellings.get(layers[one.place.layer_id])
        if one.was is None and one.becomes is not None and one.place in after and not after[one.place][1].officers:
            found.append(Obstacle("nobody", layer, (one.becomes.code,), _inside(one.becomes.shape)))
        if most is None or one.becomes is None or one.place not in after:
            continue
        count = after[one.place][1].counted.dwellings
        was = before[one.place][1].counted.dwellings if one.place in before else 0
        if count > max(most, was):
            values = {"dwellings": count, "most": most}
            place = _inside(one.becomes.shape)
            codes = (one.becomes.code,)
            found.append(Obstacle("too-many-dwellings", layer, codes, place, values=values))
    return found


def _unit(grid: DraftGrid, units: Mapping[int, str]) -> str | None:
    return None if grid.unit_id is None else units.get(grid.unit_id)


def _moved_on(
    session: Session, plan: Plan, changes: Sequence[Change], base: Base, layers: Mapping[int, str]
) -> list[Obstacle]:
    """Return the grids that are no longer as the plan found them, or that change again later on."""
    places = {one.place for one in changes if one.was is not None}
    current = {grid.place: grid for grid in Draft(session, plan.id, base, []).of_places(places)}
    later = queries.changing_after(session, {place.key for place in places}, base.at)
    found = []
    for one in changes:
        if one.was is None:
            continue
        kind = None
        if not one.was.is_same(current.get(one.place)):
            kind = "base-moved-on"
        elif one.place.key in later:
            kind = "changes-again-later"
        if kind is not None:
            found.append(Obstacle(kind, layers[one.place.layer_id], (one.was.code,), _inside(one.was.shape)))
    return found


def _codes_taken(session: Session, changes: Sequence[Change], layers: Mapping[int, str]) -> list[Obstacle]:
    found = []
    for one in changes:
        new = one.becomes
        if new is not None and (one.was is None or one.was.code != new.code):
            key = one.place.key if one.place.key > 0 else None
            if queries.codes_ever_of_others(session, one.place.layer_id, [new.code], key):
                found.append(Obstacle("code-used-before", layers[one.place.layer_id], (new.code,), _inside(new.shape)))
    return found


def _torn(
    session: Session, plan: Plan, changes: Sequence[Change], base: Base, layers: Mapping[int, str]
) -> list[Obstacle]:
    """Return what would be torn of the tilings as they are at an instant, not as they were in the plan's base."""
    plane = deployment.plane(session)
    found = []
    for layer_id, (before, after) in _neighbourhoods(session, plan, changes, base).items():
        if plane is None:
            continue
        try:
            require_sound(layers[layer_id], before, after, plane, moves_union=True)
        except GeometryFault as error:
            for fault in error.faults:
                at = (fault.values["lon"], fault.values["lat"]) if "lon" in fault.values else None
                grids, size = tuple(fault.values.get("grids", ())), fault.values.get("area_m2")
                found.append(Obstacle(fault.text, layers[layer_id], grids, at, size))
    return found


def _without_heir(
    session: Session,
    plan: Plan,
    changes: Sequence[Change],
    base: Base,
    layers: Mapping[int, str],
    effective: datetime,
) -> list[Obstacle]:
    """Return the grids that end, that nobody gets, and on which something hangs."""
    ended = {one.place: one.was for one in changes if one.becomes is None and one.was is not None}
    if not ended:
        return []
    inherited = heirs(changes, passings_of(session, plan, changes, base))
    hanging = orphans(session, {place.key for place in ended if place not in inherited}, effective)
    return [
        Obstacle(
            "without-heir", layers[place.layer_id], (grid.code,), _inside(grid.shape), values=vars(hanging[place.key])
        )
        for place, grid in ended.items()
        if place.key in hanging
    ]


def _neighbourhoods(
    session: Session, plan: Plan, changes: Sequence[Change], base: Base
) -> dict[int, tuple[list[DraftGrid], list[DraftGrid]]]:
    """Return by tiling the grids about changes, before and after, over a base."""
    tilings = {layer.id for layer in queries.layers_of(session) if layer.kind == "tiling"}
    made: dict[int, tuple[list[DraftGrid], list[DraftGrid]]] = {}
    for layer_id in sorted({one.place.layer_id for one in changes} & tilings):
        ours = [one for one in changes if one.place.layer_id == layer_id]
        bounds = bounds_of(ours)
        before = Draft(session, plan.id, base, []).within([layer_id], bounds)
        places = {one.place for one in ours}
        after = [grid for grid in before if grid.place not in places]
        made[layer_id] = before, [*after, *(one.becomes for one in ours if one.becomes is not None)]
    return made


def barriers_of(session: Session, plan: Plan) -> list[dict[str, Any]]:
    """Return the barriers that a plan draws, as they were asked for."""
    ops = queries.chain(session, plan.id, plan.head)
    wanted = select(PlanOp.body).where(PlanOp.plan_id == plan.id, among(PlanOp.n, ops), PlanOp.kind == "barrier")
    return list(session.scalars(wanted.order_by(PlanOp.n)))


def _inside(shape: Any) -> tuple[float, float]:
    point = shapely.point_on_surface(shape)
    return round(point.x, 7), round(point.y, 7)
