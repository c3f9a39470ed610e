"""The part of a draft about an edit, on which the edit is drawn: in metres, then noded, checked and told as changes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.errors import Conflict, Fault, GeometryFault, InputError, invalid
from spatial.findings.model import Flaw
from spatial.geometry import Geometries, Plane
from spatial.grids.schemes import codes_outside
from spatial.grids.tiling import canonical, rounded, stored
from spatial.redraw.checks import require_sound
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Place, array_of, is_same, shapes_of
from spatial.redraw.rim import carried_on, new_on_rim

NEAR_DEGREES = 1e-6  # a decimetre, around what may touch


@dataclass(frozen=True)
class Notice:
    """Something about a layer that an edit makes so, and that is allowed."""

    layer_id: int
    flaw: Flaw


@dataclass(frozen=True)
class Settled:
    """What an edit changes, and what is to be said of it."""

    changes: Sequence[Change]
    notices: Sequence[Notice] = ()


class Sheet:
    """Grids of some layers about a place: all that touch those to be edited, and all that touch these in turn.

    `editable`: ids of the layers that may change; `own_units`: of whose grids the edit may move borders, none: all.
    """

    def __init__(
        self,
        plane: Plane,
        layers: Iterable[DraftLayer],
        grids: Iterable[DraftGrid],
        *,
        editable: Collection[int],
        own_units: Collection[int] | None = None,
        next_key: int = -1,
    ) -> None:
        self.plane = plane
        self.layers = {layer.id: layer for layer in layers}
        self.before = {grid.place: grid for grid in grids}
        self.after = dict(self.before)
        self._editable = editable
        self._own_units = own_units
        self.moves_union = False  # whether what the grids of a layer cover together may change
        self._next_key = next_key
        self._drawn: dict[Place, BaseGeometry] = {}
        self._edited: set[Place] = set()
        self._of_code = {(grid.place.layer_id, grid.code): grid.place for grid in self.before.values()}

    def layer(self, code: str, where: str = "layer") -> DraftLayer:
        """Return a layer by code, or raise `InputError`."""
        for layer in self.layers.values():
            if layer.code == code:
                return layer
        raise invalid(where, "no-such-layer", layer=code)

    def grid(self, layer: DraftLayer, code: str, where: str) -> DraftGrid:
        """Return a grid by code as it is now, or raise `InputError`."""
        place = self._of_code.get((layer.id, code))
        if place is None or place not in self.after:
            raise invalid(where, "grid-unknown", layer=layer.code, code=code)
        return self.after[place]

    def of_layer(self, layer_id: int) -> list[DraftGrid]:
        """Return the grids of a layer as they are now, by code."""
        found = (grid for grid in self.after.values() if grid.place.layer_id == layer_id)
        return sorted(found, key=lambda grid: grid.code)

    def cells_of(self, grid: DraftGrid, layer: DraftLayer) -> list[DraftGrid]:
        """Return the cells that a grid of a layer built from cells has now."""
        of = layer.built_from_id
        cells = self.of_layer(of) if of is not None else []
        return [cell for cell in cells if cell.holders.get(layer.id) == grid.place.key]

    def area_m(self, grid: DraftGrid) -> BaseGeometry:
        """Return the shape of a grid as it is now, in metres."""
        drawn = self._drawn.get(grid.place)
        return self.plane.to_metres(grid.shape) if drawn is None else drawn

    def line_m(self, line: Sequence[tuple[float, float]]) -> shapely.LineString:
        """Return a drawn line in metres, or raise `InputError`."""
        made = self.plane.to_metres(shapely.LineString(line))
        if not made.is_simple:
            raise invalid("line", "line-crosses-itself")
        return cast("shapely.LineString", made)

    def draw(self, grid: DraftGrid, area_m: BaseGeometry) -> None:
        """Let a grid have another shape, in metres."""
        self.put(grid)
        self._drawn[grid.place] = area_m

    def put(self, grid: DraftGrid, *, is_edit: bool = True) -> None:
        """Let a grid be as given; `is_edit`: that is more than vertices on its border."""
        self.after[grid.place] = grid
        self._of_code[grid.place.layer_id, grid.code] = grid.place
        if is_edit:
            self._edited.add(grid.place)

    def end(self, grid: DraftGrid) -> None:
        """Let there be no such grid any more."""
        del self.after[grid.place]
        self._drawn.pop(grid.place, None)
        self._edited.add(grid.place)

    def new_place(self, layer: DraftLayer, code: str, where: str = "code") -> Place:
        """Return where a new grid goes, once its code fits and no grid here has it."""
        if codes_outside(layer.code_scheme, [code]):
            raise invalid(where, "code-outside-scheme", code=code, scheme=layer.code_scheme)
        place = self._of_code.get((layer.id, code))
        if place is not None and place in self.after:
            raise invalid(where, "code-in-use", code=code, layer=layer.code)
        self._next_key -= 1
        return Place(layer.id, self._next_key + 1)

    def settle(self) -> Settled:
        """Return what the edit changes, noded and checked; whatever would tear a tiling is an error."""
        for layer in sorted(self.layers.values(), key=lambda one: one.built_from_id is not None):
            if layer.built_from_id is not None:
                self._build(layer)
            else:
                self._node(layer)
        changes = [
            Change(self.before.get(place), self.after.get(place))
            for place in sorted({*self.before, *self.after})
            if not is_same(self.before.get(place), self.after.get(place))
        ]
        self._require_ours(changes)
        notices: list[Notice] = []
        for layer_id in sorted({change.place.layer_id for change in changes}):
            if self.layers[layer_id].kind == "tiling":
                before, after = self._states(layer_id, self.before), self._states(layer_id, self.after)
                code, moves_union = self.layers[layer_id].code, self.moves_union
                found = require_sound(code, before, after, self.plane, moves_union=moves_union)
                notices += [Notice(layer_id, Flaw.of(one)) for one in found]
        if not changes:
            raise InputError([Fault("operation", "changes-nothing")])
        return Settled(changes, notices)

    def _node(self, layer: DraftLayer) -> None:
        """Give the shapes that were drawn, and what touches them, the same vertices; round them as they are stored."""
        drawn = {place: shape for place, shape in self._drawn.items() if place.layer_id == layer.id}
        if not drawn:
            if layer.kind == "tiling" and any(place.layer_id == layer.id for place in self._edited):
                self._carry_on(layer)
            return
        if layer.kind == "free":
            made = rounded(array_of([self.plane.to_degrees(shape) for shape in drawn.values()]))
            self._take(list(drawn), made)
            return
        degrees = {place: self.plane.to_degrees(shape) for place, shape in drawn.items()}
        touched = [*degrees.values(), *(self.before[place].shape for place in self._edited if place in self.before)]
        near = self._near(layer.id, touched)
        places = [*degrees, *(place for place in near if place not in degrees)]
        shapes = array_of([degrees.get(place, self.after[place].shape) for place in places])
        self._take(places, stored(shapes, self.plane))
        self._carry_on(layer)

    def _near(self, layer_id: int, shapes: Sequence[BaseGeometry]) -> list[Place]:
        """Return the grids of a layer whose bounds come near shapes."""
        grids = self.of_layer(layer_id)
        tree = shapely.STRtree(shapes_of(grids))
        bounds = shapely.bounds(array_of(shapes)) + np.array([-1, -1, 1, 1]) * NEAR_DEGREES
        found = np.unique(tree.query(shapely.box(*bounds.T))[1])
        return [grids[n].place for n in found.tolist()]

    def _take(self, places: Sequence[Place], shapes: Geometries) -> None:
        """Let grids have shapes as they are stored; of one that is drawn as before, nothing changes."""
        for place, shape in zip(places, shapes, strict=True):
            grid = self.after[place]
            if shape.is_empty:
                raise GeometryFault([Fault("operation", "piece-too-thin", {"code": grid.code})])
            is_same = shapely.to_wkb(canonical(array_of([grid.shape]))[0]) == shapely.to_wkb(shape)
            self.after[place] = grid if is_same else replace(grid, shape=shape)

    def _carry_on(self, layer: DraftLayer) -> None:
        """Give the vertices that are new on a tiling's rim to the layers that should have the same outline."""
        before, after = self._shapes(layer.id, self.before), self._shapes(layer.id, self.after)
        added = new_on_rim(before, after)
        if not added:
            return
        for other in self.layers.values():
            if other.id == layer.parent_id or other.parent_id == layer.id:
                for grid in self.of_layer(other.id):
                    shape = carried_on(grid.shape, added)
                    if shape is not None:
                        self.after[grid.place] = replace(grid, shape=canonical(array_of([shape]))[0])

    def _build(self, layer: DraftLayer) -> None:
        """Put grids together again that are built from cells, where these changed."""
        of = layer.built_from_id
        affected = {
            cell.holders[layer.id]
            for place in {*self.before, *self.after}
            if place.layer_id == of and not is_same(self.before.get(place), self.after.get(place))
            for cell in (self.before.get(place), self.after.get(place))
            if cell is not None and layer.id in cell.holders
        }
        cells: dict[int, list[BaseGeometry]] = defaultdict(list)
        for place, cell in self.after.items():
            if place.layer_id == of and cell.holders.get(layer.id) in affected:
                cells[cell.holders[layer.id]].append(cell.shape)
        for key in sorted(affected):
            place = Place(layer.id, key)
            if place not in self.after:
                continue
            if not cells[key]:
                raise Conflict("grid-without-cells", layer=layer.code, code=self.after[place].code)
            self._take([place], canonical(array_of([_united(cells[key])])))

    def _require_ours(self, changes: Iterable[Change]) -> None:
        """Refuse an edit of grids that may not be edited, all of them at once."""
        strange: dict[str, list[str]] = defaultdict(list)
        locked, foreign = [], []
        for change in changes:
            was, place = change.was, change.place
            state = change.becomes or was
            if state is None:
                continue
            if place.layer_id not in self._editable:
                strange[self.layers[place.layer_id].code].append(state.code)
            if self._is_edited(change):
                locked += [one.code for one in (was,) if one and one.is_locked and self._stays_locked(change)]
                foreign += [one.code for one in (was, change.becomes) if one and self._is_foreign(one)]
        if strange:
            layer, codes = min(strange.items())
            raise Conflict("layer-not-in-plan", layer=layer, grids=sorted(codes))
        if locked:
            raise Conflict("grid-locked", grids=sorted(locked))
        if foreign:
            raise Conflict("grid-of-another-unit", grids=sorted(set(foreign)))

    def _stays_locked(self, change: Change) -> bool:
        return change.becomes is None or change.becomes.is_locked

    def _is_foreign(self, grid: DraftGrid) -> bool:
        return self._own_units is not None and grid.unit_id not in self._own_units

    def _is_edited(self, change: Change) -> bool:
        """Whether a change is more than vertices that neighbours gave a grid."""
        if change.place in self._edited:
            return True
        layer = self.layers[change.place.layer_id]
        if layer.built_from_id is None or change.was is None or change.becomes is None:
            return False
        cells = [self._held(layer, change.place.key, state) for state in (self.before, self.after)]
        return cells[0] != cells[1]

    def _held(self, layer: DraftLayer, key: int, state: Mapping[Place, DraftGrid]) -> set[Place]:
        return {
            place
            for place, grid in state.items()
            if place.layer_id == layer.built_from_id and grid.holders.get(layer.id) == key
        }

    def _states(self, layer_id: int, state: Mapping[Place, DraftGrid]) -> list[DraftGrid]:
        return [grid for place, grid in sorted(state.items()) if place.layer_id == layer_id]

    def _shapes(self, layer_id: int, state: Mapping[Place, DraftGrid]) -> Geometries:
        return shapes_of(self._states(layer_id, state))


def _united(cells: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return cells as one area with all of their vertices; those that overlap by fault, as what they cover."""
    shapes = array_of(cells)
    if shapely.coverage_is_valid(shapes):
        return shapely.coverage_union_all(shapes)
    return shapely.union_all(shapes)
