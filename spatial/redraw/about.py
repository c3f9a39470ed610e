"""Which part of a draft an operation needs to see: what it names, what touches that, and what touches these."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import shapely

from spatial.crs import Bounds
from spatial.errors import invalid
from spatial.redraw import operations as asked
from spatial.redraw.draft import Draft
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Place, bounds_of

Named = Mapping[str, Collection[str]]  # codes of grids, by the code of their layer


def grids_about(draft: Draft, layers: Collection[DraftLayer], op: asked.Operation) -> list[DraftGrid]:
    """Return the grids that an operation may touch, and all about them; what it names must be among them."""
    of_code = {layer.code: layer for layer in layers}
    layer = _layer(of_code, op.layer, "layer")
    if isinstance(op, asked.Repair):  # of which kind a fault is, and what mends it, all of the layer says
        return [grid for one in layers if _is_related(one, layer) for grid in draft.of_layer(one.id)]
    found: dict[Place, DraftGrid] = {}
    for code, codes in named_by(op, layer, layers).items():
        _add(found, draft.named(_layer(of_code, code, "of").id, set(codes)))
    drawn = drawn_by(op)
    if not found and drawn is None:
        return []
    related = [one.id for one in layers if one.code in named_by(op, layer, layers) or _is_related(one, layer)]
    _add(found, _all_about(draft, layers, {layer.id}, related, _bounds(found.values(), drawn)))
    return list(found.values())


def grids_about_changes(draft: Draft, layers: Collection[DraftLayer], changes: Collection[Change]) -> list[DraftGrid]:
    """Return the grids that changes concern, of which there is one at least, and all about them."""
    own = [layer for layer in layers if layer.id in {one.place.layer_id for one in changes}]
    related = [one.id for one in layers if any(_is_related(one, layer) for layer in own)]
    return _all_about(draft, layers, {layer.id for layer in own}, related, bounds_of(changes))


def _all_about(
    draft: Draft, layers: Iterable[DraftLayer], own: Collection[int], related: Collection[int], bounds: Bounds
) -> list[DraftGrid]:
    """Return the grids of related layers within bounds, what touches those of some layers, and what is built there."""
    near = draft.within(related, bounds)
    found = {grid.place: grid for grid in near}
    _add(found, draft.within(related, _bounds((grid for grid in near if grid.place.layer_id in own), bounds)))
    for built in layers:
        if built.built_from_id in related:
            keys = {grid.holders[built.id] for grid in near if built.id in grid.holders}
            keys |= {grid.place.key for grid in near if grid.place.layer_id == built.id}
            _add(found, draft.of_places({Place(built.id, key) for key in keys}))
            _add(found, draft.cells_of(built, keys))
    return list(found.values())


def named_by(op: asked.Operation, layer: DraftLayer, layers: Iterable[DraftLayer]) -> Named:
    """Return the grids that an operation names."""
    names: list[str] = []
    for field in ("to", "first", "second", "grid", "into"):
        value = getattr(op, field, None)
        names += [value] if isinstance(value, str) else []
    names += getattr(op, "grids", [])
    cells = [getattr(op, "cell", None), *(getattr(op, "cells", None) or [])]
    cells += [*getattr(op, "first_cells", []), *getattr(op, "second_cells", [])]
    below = next((one.code for one in layers if one.id == layer.built_from_id), None)
    of = getattr(op, "of", None) or below
    found = {layer.code: names}
    told = [cell for cell in cells if cell is not None]
    if told and of is not None:
        found[of] = [*found.get(of, []), *told]
    return found


def drawn_by(op: asked.Operation) -> Bounds | None:
    """Return the bounds of what an operation draws, in degrees."""
    positions: list[asked.Position] = []
    match op:
        case asked.MoveVertex():
            positions = [op.at, op.to]
        case asked.Create():
            positions = [position for ring in op.area or [] for position in ring]
    if not positions:
        return None
    west, south, east, north = shapely.total_bounds(shapely.points(np.array(positions))).tolist()
    return west, south, east, north


def _is_related(one: DraftLayer, layer: DraftLayer) -> bool:
    """Whether what is redrawn in a layer may change another: of one outline with it, its cells, or built of these."""
    cells = layer.id if layer.built_from_id is None else layer.built_from_id
    return one.id in (layer.id, cells, layer.parent_id) or one.built_from_id == cells or one.parent_id == layer.id


def _bounds(grids: Iterable[DraftGrid], drawn: Bounds | None) -> Bounds:
    boxes = [grid.shape.bounds for grid in grids] + ([] if drawn is None else [drawn])
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return min(wests), min(souths), max(easts), max(norths)


def _add(found: dict[Place, DraftGrid], grids: Iterable[DraftGrid]) -> None:
    found.update((grid.place, grid) for grid in grids)


def _layer(of_code: Mapping[str, DraftLayer], code: str, where: str) -> DraftLayer:
    if code not in of_code:
        raise invalid(where, "no-such-layer", layer=code)
    return of_code[code]
