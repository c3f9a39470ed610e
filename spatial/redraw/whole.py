"""What a plan changes as a whole, and what passes from grid to grid by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import shapely
from sqlalchemy.orm import Session

from spatial.crs import Bounds
from spatial.geometry import area_m2
from spatial.redraw import queries
from spatial.redraw.draft import Base, Draft, changes_on
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Place, array_of, clusters
from spatial.redraw.passing import LEAST_M2, Passing, heirs, passings
from spatial.tables import Plan


@dataclass(frozen=True)
class Ground:
    """Changes of a layer that lie together, and the grids about them that do not change."""

    layer_id: int
    bounds: Bounds  # in degrees
    changes: Sequence[Change]
    around: Sequence[DraftGrid]

    @property
    def before(self) -> list[DraftGrid]:
        """All grids there, as the changes find them."""
        return [*self.around, *(one.was for one in self.changes if one.was is not None)]

    @property
    def after(self) -> list[DraftGrid]:
        """All grids there, as the changes leave them."""
        return [*self.around, *(one.becomes for one in self.changes if one.becomes is not None)]


class Whole:
    """What a plan changes where it stands, over a base; read as it is asked for."""

    def __init__(self, session: Session, plan: Plan, base: Base) -> None:
        self.session, self.plan, self.base = session, plan, base

    @cached_property
    def changes(self) -> list[Change]:
        """All changes of the plan."""
        return whole_change(self.session, self.plan)

    @cached_property
    def _layers(self) -> Mapping[int, DraftLayer]:
        return {layer.id: layer for layer in queries.layers_of(self.session)}

    @cached_property
    def layers(self) -> Mapping[int, str]:
        """Codes of layers by their ids."""
        return {layer_id: layer.code for layer_id, layer in self._layers.items()}

    def is_tiling(self, layer_id: int) -> bool:
        """Whether the grids of a layer cover an area without gaps or overlaps."""
        return self._layers[layer_id].kind == "tiling"

    @cached_property
    def grounds(self) -> list[Ground]:
        """The changes with what is about them, layer by layer."""
        draft, made = Draft(self.session, self.plan.id, self.base, []), []
        for layer_id in sorted({one.place.layer_id for one in self.changes}):
            for bounds, ours in clusters(one for one in self.changes if one.place.layer_id == layer_id):
                places = {one.place for one in ours}
                around = [grid for grid in draft.within([layer_id], bounds) if grid.place not in places]
                made.append(Ground(layer_id, bounds, ours, around))
        return made

    @cached_property
    def passings(self) -> list[Passing]:
        """What passes from grid to grid."""
        points = ((one, queries.points(self.session, self.plan, one.bounds)) for one in self.grounds)
        return [passing for one, lying in points for passing in passings(one.changes, one.around, *lying)]

    @cached_property
    def heirs(self) -> Mapping[Place, Place]:
        """Who gets what ends."""
        return heirs(self.changes, self.passings)


def whole_change(session: Session, plan: Plan) -> list[Change]:
    """Return what a plan changes, from its base to where it stands."""
    ops = queries.chain(session, plan.id, plan.head)
    changes = changes_on(session, plan.id, ops).values()
    return [one for one in changes if not _is_idle(one)]


def _is_idle(change: Change) -> bool:
    """Whether a grid is, after all operations, as it was, but for a lock, which is the plan's alone."""
    if change.was is None or change.becomes is None:
        return change.was is change.becomes
    told = {**change.was.told, "is_locked": change.becomes.is_locked}
    return told == change.becomes.told and change.was.is_drawn_as(change.becomes)


def kind_of(one: Change) -> str:
    """Return in one word what becomes of a grid: new, ended, reshaped, renumbered, described, cells or noded."""
    if one.was is None or one.becomes is None:
        return "new" if one.was is None else "ended"
    moved = one.was.shape.symmetric_difference(one.becomes.shape)
    sizes = area_m2(array_of([shapely.MultiPolygon(), *_polygons(moved)]))
    if float(sizes.sum()) > LEAST_M2:
        return "reshaped"
    if one.was.code != one.becomes.code:
        return "renumbered"
    aside = {"holders": {}, "is_locked": False}
    if one.was.told | aside != one.becomes.told | aside:
        return "described"
    return "cells" if one.was.holders != one.becomes.holders else "noded"


def _polygons(shape: Any) -> list[Any]:
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
