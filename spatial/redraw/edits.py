"""What each kind of operation does to a sheet. Pure: the sheet notes it, and checks it when it settles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry

from spatial.errors import Conflict, Fault, GeometryFault, InputError, invalid
from spatial.findings.model import Flaw
from spatial.findings.repairs import proposed
from spatial.geometry import Geometries
from spatial.grids.tiling import findings
from spatial.redraw import operations as asked
from spatial.redraw.borders import along, cut
from spatial.redraw.model import DraftGrid, DraftLayer, shapes_of
from spatial.redraw.sheet import Sheet

TOUCH_M = 0.02  # so near to a vertex lies what is that vertex
PICK_M = 5.0  # so near to a vertex is where somebody points at it
HERE = 5e-5  # degrees, some 5 m: so near to a fault is where somebody points at it
LEAST_M2 = 1.0  # what is left of a grid is more than this, or nothing

Units = Mapping[str, int]  # ids by code, as of the base


def perform(sheet: Sheet, op: asked.Operation, units: Units) -> None:
    """Draw an operation on a sheet, or raise what is wrong with it."""
    EDITS[type(op)](sheet, op, units)


def _assign(sheet: Sheet, op: asked.Assign, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    to = sheet.grid(layer, op.to, "to")
    _give(sheet, layer, to, op.cells, op.of, "cells")


def _swap(sheet: Sheet, op: asked.Swap, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    first, second = sheet.grid(layer, op.first, "first"), sheet.grid(layer, op.second, "second")
    if layer.built_from_id is not None:
        _require_held(sheet, layer, first, op.first_cells, "first_cells")
        _require_held(sheet, layer, second, op.second_cells, "second_cells")
    _give(sheet, layer, second, op.first_cells, op.of, "first_cells", from_=first)
    _give(sheet, layer, sheet.grid(layer, op.first, "first"), op.second_cells, op.of, "second_cells", from_=second)


def _require_held(sheet: Sheet, layer: DraftLayer, grid: DraftGrid, codes: Sequence[str], where: str) -> None:
    held = {cell.code for cell in sheet.cells_of(grid, layer)}
    strange = [code for code in codes if code not in held]
    if strange:
        raise InputError([Fault(where, "cell-of-another-grid", {"code": code, "grid": grid.code}) for code in strange])


def _snap(sheet: Sheet, op: asked.Snap, _units: Units) -> None:
    layer, of = sheet.layer(op.layer), sheet.layer(op.of, "of")
    cell = sheet.grid(of, op.cell, "cell")
    if op.to is not None:
        to = sheet.grid(layer, op.to, "to")
    else:
        area = sheet.area_m(cell)
        sharing = [((sheet.area_m(grid) & area).area, grid) for grid in sheet.of_layer(layer.id)]
        most, to = max(sharing, key=lambda one: one[0], default=(0.0, cell))
        if most == 0:
            raise invalid("cell", "cell-outside-layer", code=op.cell, layer=layer.code)
    _give(sheet, layer, to, [op.cell], op.of, "cell")


def _give(
    sheet: Sheet,
    layer: DraftLayer,
    to: DraftGrid,
    codes: Sequence[str],
    of: str | None,
    where: str,
    from_: DraftGrid | None = None,
) -> None:
    """Give cells to a grid: whole ones of a layer built from them, else the area of another layer's grids."""
    if layer.built_from_id is not None:
        cells_layer = sheet.layers[layer.built_from_id]
        if of not in (None, cells_layer.code):
            raise invalid("of", "layer-built-from", layer=layer.code, of=cells_layer.code)
        for code in codes:
            cell = sheet.grid(cells_layer, code, where)
            sheet.put(replace(cell, holders={**cell.holders, layer.id: to.place.key}))
        return
    if of is None:
        raise invalid("of", "cells-of-which-layer")
    cells = [sheet.grid(sheet.layer(of, "of"), code, where) for code in codes]
    _take_area(sheet, layer, to, shapely.union_all([sheet.area_m(cell) for cell in cells]), from_)


def _take_area(
    sheet: Sheet, layer: DraftLayer, to: DraftGrid, area: BaseGeometry, from_: DraftGrid | None = None
) -> None:
    """Give an area to a grid, as far as the layer's grids cover it; what is left of each other grid must be something.

    `from_`: of this grid alone.
    """
    others = [one for one in sheet.of_layer(layer.id) if one.place != to.place and from_ in (None, one)]
    gained = []
    for other in others:
        was = sheet.area_m(other)
        piece = was & area
        if piece.area == 0:
            continue
        rest = was - area
        if rest.area < LEAST_M2:
            raise Conflict("grid-would-vanish", code=other.code)
        gained.append(piece)
        sheet.draw(other, rest)
    if gained:
        sheet.draw(to, shapely.union_all([sheet.area_m(to), *gained]))


def _split(sheet: Sheet, op: asked.Split, _units: Units) -> None:
    layer = _drawable(sheet, op.layer)
    grid = sheet.grid(layer, op.grid, "grid")
    place = sheet.new_place(layer, op.code)
    pieces, beside = cut(sheet.area_m(grid), sheet.line_m(op.line))
    new = _new_piece(sheet, pieces, op.new_at)
    kept = shapely.union_all([*np.delete(pieces, new), *beside])
    sheet.draw(grid, kept)
    made = replace(grid, place=place, code=op.code, name=op.name or op.code, is_locked=False)
    sheet.draw(made, pieces[new])


def _new_piece(sheet: Sheet, pieces: Geometries, at: asked.Position | None) -> int:
    """Return which piece is to be the new grid: the one at a place, else the smaller one."""
    if at is None:
        return int(np.argmin(shapely.area(pieces)))
    within = np.flatnonzero(shapely.covers(pieces, Point(sheet.plane.metres_of(*at))))
    if len(within) != 1:
        raise invalid("new_at", "place-in-no-piece")
    return int(within[0])


def _merge(sheet: Sheet, op: asked.Merge, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    if op.into not in op.grids:
        raise invalid("into", "not-among-grids", code=op.into)
    grids = [sheet.grid(layer, code, "grids") for code in dict.fromkeys(op.grids)]
    if len(grids) == 1:
        raise invalid("grids", "one-grid-only")
    _require_neighbours(sheet, grids)
    into = next(grid for grid in grids if grid.code == op.into)
    _absorb(sheet, layer, into, [grid for grid in grids if grid is not into])


def _require_neighbours(sheet: Sheet, grids: Sequence[DraftGrid]) -> None:
    """Refuse grids that do not hang together by edges, naming those that the first does not reach."""
    areas = [sheet.area_m(grid) for grid in grids]
    reached, waiting = {0}, [0]
    while waiting:
        one = waiting.pop()
        for other in range(len(grids)):
            if other not in reached and (areas[one].boundary & areas[other].boundary).length > TOUCH_M:
                reached.add(other)
                waiting.append(other)
    apart = [grid.code for n, grid in enumerate(grids) if n not in reached]
    if apart:
        raise GeometryFault([Fault("grids", "not-neighbours-of", {"codes": apart, "code": grids[0].code})])


def _absorb(sheet: Sheet, layer: DraftLayer, into: DraftGrid, ended: Sequence[DraftGrid]) -> None:
    """Give all that grids have to one of them, and end the others; their cells' grids stay as they are."""
    if layer.built_from_id is not None:
        for grid in ended:
            for cell in sheet.cells_of(grid, layer):
                sheet.put(replace(cell, holders={**cell.holders, layer.id: into.place.key}))
        sheet.put(into)
    else:
        sheet.draw(into, shapely.union_all([sheet.area_m(grid) for grid in (into, *ended)]))
    for grid in ended:
        sheet.end(grid)


def _dissolve(sheet: Sheet, op: asked.Dissolve, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    grid = sheet.grid(layer, op.grid, "grid")
    if layer.kind == "free":
        sheet.end(grid)
        return
    if op.to is not None:
        to = sheet.grid(layer, op.to, "to")
        if to is grid:
            raise invalid("to", "one-grid-only")
        _require_neighbours(sheet, [grid, to])
    else:
        border = sheet.area_m(grid).boundary
        shared = [
            ((sheet.area_m(one).boundary & border).length, one) for one in sheet.of_layer(layer.id) if one is not grid
        ]
        touching = [(one.unit_id == grid.unit_id, length, one) for length, one in shared if length > TOUCH_M]
        if not touching:
            raise Conflict("grid-without-neighbours", code=grid.code)
        _is_of_unit, _length, to = max(touching, key=lambda one: one[:2])
    _absorb(sheet, layer, to, [grid])


def _create(sheet: Sheet, op: asked.Create, units: Units) -> None:
    layer = sheet.layer(op.layer)
    if (op.area is None) == (op.cells is None):
        raise invalid("area", "area-or-cells")
    unit_id = None if op.unit is None else _unit(units, op.unit)
    place = sheet.new_place(layer, op.code)
    made = DraftGrid(place, op.code, op.name, op.grid_kind, unit_id, {}, shapely.MultiPolygon())
    if op.cells is not None:
        if layer.built_from_id is None:
            raise invalid("cells", "layer-not-built-from-cells", layer=layer.code)
        sheet.put(made)
        _give(sheet, layer, made, op.cells, None, "cells")
        return
    if layer.built_from_id is not None:
        raise _built(sheet, layer)
    area = _area(sheet, op.area or [])
    if layer.kind == "free":
        sheet.draw(made, area)
        return
    below = [grid for grid in sheet.of_layer(layer.id) if (sheet.area_m(grid) & area).area > 0]
    outside = area - shapely.union_all([sheet.area_m(grid) for grid in below])
    if outside.area > LEAST_M2:
        raise GeometryFault([Fault("area", "area-outside-layer", {"area_m2": round(outside.area, 1)})])
    most = max(below, key=lambda grid: (sheet.area_m(grid) & area).area)
    made = replace(made, unit_id=most.unit_id if op.unit is None else unit_id, holders=most.holders)
    sheet.draw(made, shapely.MultiPolygon())
    _take_area(sheet, layer, made, area)


def _area(sheet: Sheet, rings: Sequence[asked.Ring]) -> BaseGeometry:
    """Return an area that was drawn, in metres."""
    if not rings or any(ring[0] != ring[-1] for ring in rings):
        raise invalid("area", "ring-not-closed")
    made = sheet.plane.to_metres(shapely.Polygon(rings[0], rings[1:]))
    if not made.is_valid or made.area < LEAST_M2:
        raise GeometryFault([Fault("area", "area-invalid", {"reason": shapely.is_valid_reason(made)})])
    return made


def _move_vertex(sheet: Sheet, op: asked.MoveVertex, _units: Units) -> None:
    layer = _drawable(sheet, op.layer)
    at, to = np.array(sheet.plane.metres_of(*op.at)), np.array(sheet.plane.metres_of(*op.to))
    grids = sheet.of_layer(layer.id)
    areas = [sheet.area_m(grid) for grid in grids]
    vertices = np.concatenate([shapely.get_coordinates(area) for area in areas] or [np.empty((0, 2))])
    off = np.hypot(*(vertices - at).T)
    if len(off) == 0 or off.min() > PICK_M:
        raise invalid("at", "no-vertex-here", metres=PICK_M)
    vertex = vertices[int(off.argmin())]
    for grid, area in zip(grids, areas, strict=True):
        if (np.hypot(*(shapely.get_coordinates(area) - vertex).T) < TOUCH_M).any():
            moved = shapely.transform(area, lambda xy: _moved(xy, vertex, to))
            if not moved.is_valid:
                raise GeometryFault([Fault("to", "vertex-folds-grid", {"code": grid.code})])
            sheet.draw(grid, moved)


def _moved(xy: Any, vertex: Any, to: Any) -> Any:
    made = xy.copy()
    made[np.hypot(*(xy - vertex).T) < TOUCH_M] = to
    return made


def _reshape(sheet: Sheet, op: asked.Reshape, _units: Units) -> None:
    layer = _drawable(sheet, op.layer)
    left, right = (sheet.grid(layer, code, "grids") for code in op.grids)
    if left is right:
        raise invalid("grids", "one-grid-only")
    areas = along(sheet.area_m(left), sheet.area_m(right), sheet.line_m(op.line))
    for grid, area in zip((left, right), areas, strict=True):
        sheet.draw(grid, area)


def _repair(sheet: Sheet, op: asked.Repair, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    grids = sheet.of_layer(layer.id)
    codes, shapes = [grid.code for grid in grids], shapes_of(grids)
    around = None if layer.parent_id is None else sheet.of_layer(layer.parent_id)
    outline = shapely.union_all(shapes_of(around)) if around else None
    here = Point(op.at)
    near = [
        one for one in findings(codes, shapes, outline) if one.shape is not None and one.shape.distance(here) < HERE
    ]
    if not near:
        raise invalid("at", "no-fault-here")
    one = min(near, key=lambda one: one.shape.distance(here) if one.shape is not None else HERE)
    repair = proposed(Flaw.of(one), codes, shapes, sheet.plane, outline)
    if repair is None:
        raise GeometryFault([Fault("at", "no-repair-known", {"grids": list(one.grids)})])
    sheet.moves_union = True
    of_code = {grid.code: grid for grid in grids}
    for redrawn in repair.grids:
        sheet.put(replace(of_code[redrawn.code], shape=redrawn.after))


def _renumber(sheet: Sheet, op: asked.Renumber, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    grid = sheet.grid(layer, op.grid, "grid")
    sheet.new_place(layer, op.code)
    sheet.put(replace(grid, code=op.code))


def _describe(sheet: Sheet, op: asked.Describe, units: Units) -> None:
    layer = sheet.layer(op.layer)
    grid = sheet.grid(layer, op.grid, "grid")
    sheet.put(
        replace(
            grid,
            name=op.name or grid.name,
            unit_id=grid.unit_id if op.unit is None else _unit(units, op.unit),
            kind=op.grid_kind or grid.kind,
        )
    )


def _lock(sheet: Sheet, op: asked.Lock | asked.Unlock, _units: Units) -> None:
    layer = sheet.layer(op.layer)
    for code in op.grids:
        sheet.put(replace(sheet.grid(layer, code, "grids"), is_locked=isinstance(op, asked.Lock)))


def _unit(units: Units, code: str) -> int:
    if code not in units:
        raise invalid("unit", "no-such-unit", code=code)
    return units[code]


def _drawable(sheet: Sheet, code: str) -> DraftLayer:
    """Return a layer whose borders are drawn, and do not follow from cells."""
    layer = sheet.layer(code)
    if layer.built_from_id is not None:
        raise _built(sheet, layer)
    return layer


def _built(sheet: Sheet, layer: DraftLayer) -> InputError:
    of = sheet.layers[layer.built_from_id or 0]
    return invalid("layer", "layer-moves-by-cells", layer=layer.code, of=of.code)


EDITS: Mapping[type[asked.Asked], Callable[[Sheet, Any, Units], None]] = {
    asked.Assign: _assign,
    asked.Swap: _swap,
    asked.Split: _split,
    asked.Merge: _merge,
    asked.Create: _create,
    asked.Dissolve: _dissolve,
    asked.MoveVertex: _move_vertex,
    asked.Reshape: _reshape,
    asked.Repair: _repair,
    asked.Snap: _snap,
    asked.Renumber: _renumber,
    asked.Describe: _describe,
    asked.Lock: _lock,
    asked.Unlock: _lock,
}
