"""What keeps a plan from coming into force, and what an approver has to know of, each with its place and remedy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from spatial.errors import Conflict, GeometryFault
from spatial.geometry import point_inside
from spatial.grids import about as deployment
from spatial.redraw import queries
from spatial.redraw.checks import require_sound
from spatial.redraw.draft import Draft
from spatial.redraw.handover import orphans
from spatial.redraw.whole import Whole

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


def obstacles(whole: Whole) -> list[Obstacle]:
    """Return all that keeps a plan from coming into force over a base, each with a place where it has one."""
    if not whole.changes:
        barriers = queries.barriers_of(whole.session, whole.plan)
        return [] if barriers else [Obstacle("plan-empty", "", ())]
    found = _moved_on(whole) + _codes_taken(whole)
    return found or _torn(whole) + _without_heir(whole)


def require_free(whole: Whole) -> None:
    """Refuse a plan that something keeps from coming into force over a base, telling all of it."""
    against = obstacles(whole)
    if against:
        raise Conflict("plan-has-obstacles", [one.told for one in against], count=len(against))


def _moved_on(whole: Whole) -> list[Obstacle]:
    """Return the grids that are no longer as the plan found them, or that change again later on."""
    places = {one.place for one in whole.changes if one.was is not None}
    draft = Draft(whole.session, whole.plan.id, whole.base, [])
    current = {grid.place: grid for grid in draft.of_places(places)}
    later = queries.changing_after(whole.session, {place.key for place in places}, whole.base.at)
    found = []
    for one in whole.changes:
        if one.was is None:
            continue
        kind = None
        if not one.was.is_same(current.get(one.place)):
            kind = "base-moved-on"
        elif one.place.key in later:
            kind = "changes-again-later"
        if kind is not None:
            layer = whole.layers[one.place.layer_id]
            found.append(Obstacle(kind, layer, (one.was.code,), point_inside(one.was.shape)))
    return found


def _codes_taken(whole: Whole) -> list[Obstacle]:
    found = []
    for one in whole.changes:
        new, layer_id = one.becomes, one.place.layer_id
        if new is not None and (one.was is None or one.was.code != new.code):
            key = one.place.key if one.place.key > 0 else None
            if queries.codes_ever_of_others(whole.session, layer_id, [new.code], key):
                place = point_inside(new.shape)
                found.append(Obstacle("code-used-before", whole.layers[layer_id], (new.code,), place))
    return found


def _torn(whole: Whole) -> list[Obstacle]:
    """Return what would be torn of the tilings over a base, which may not be the one that they were redrawn over."""
    plane = deployment.plane(whole.session)
    found = []
    for ground in whole.grounds:
        layer = whole.layers[ground.layer_id]
        if plane is None or not whole.is_tiling(ground.layer_id):
            continue
        try:
            require_sound(layer, ground.before, ground.after, plane, moves_union=True)
        except GeometryFault as error:
            for fault in error.faults:
                at = (fault.values["lon"], fault.values["lat"]) if "lon" in fault.values else None
                grids, size = tuple(fault.values.get("grids", ())), fault.values.get("area_m2")
                found.append(Obstacle(fault.text, layer, grids, at, size))
    return found


def _without_heir(whole: Whole) -> list[Obstacle]:
    """Return the grids that end, that nobody gets, and on which something hangs."""
    ended = {one.place: one.was for one in whole.changes if one.becomes is None and one.was is not None}
    if not ended:
        return []
    lost = {place.key for place in ended if place not in whole.heirs}
    hanging = orphans(whole.session, lost, whole.base.at)
    return [
        Obstacle(
            "without-heir",
            whole.layers[place.layer_id],
            (grid.code,),
            point_inside(grid.shape),
            values=vars(hanging[place.key]),
        )
        for place, grid in ended.items()
        if place.key in hanging
    ]
