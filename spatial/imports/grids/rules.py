"""What an import would do, decided from the file and what is stored. Pure; every fault at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from spatial.errors import Fault, GeometryFault, InputError
from spatial.geometry import Geometries, Plane, area_m2
from spatial.grids.queries import GridRecord, pieces_of, shapes_of
from spatial.grids.standing import Piece, Standing, standing_from
from spatial.grids.tiling import canonical
from spatial.imports.grids.model import Columns, Entry, Plan, PlannedGrid, PlannedUnit, Request, Stored
from spatial.imports.grids.rows import entries, missing_columns, unused_columns
from spatial.imports.grids.shapes import Mended, mended, plane_of, taken, usable
from spatial.imports.grids.units import planned_units, units_at, unknown_units
from spatial.imports.model import Change
from spatial.imports.read import SourceTable
from spatial.personal import is_personal, personal_columns, personal_mapping
from spatial.time import since


@dataclass(frozen=True)
class Checked:
    """What a file says once nothing is wrong with it: its grids, the units to make or extend, its shapes in metres."""

    found: list[Entry]
    units: list[PlannedUnit]
    crs: str
    plane: Plane
    shapes: Mended


def plan_import(table: SourceTable, request: Request, stored: Stored, repair_limit: float, gap_area_m2: float) -> Plan:
    """Return what the import would do; an `InputError` or a `GeometryFault` tells every fault at once."""
    checked = _checked(table, request, stored, repair_limit)
    found, plane = checked.found, checked.plane
    codes = {entry.code for entry in found}
    absent = [state for state in stored.grids if state.code not in codes]
    staying = [] if request.complete else absent
    shapes = taken(found, checked.shapes, shapes_of(staying), plane=plane, kind=stored.kind)
    present = _of_file(found, shapes.shapes, request, stored) + [
        _staying(state, shape, request) for state, shape in zip(staying, shapes.kept, strict=True)
    ]
    gone = [_other("ended", state, state.shape, request) for state in absent] if request.complete else []
    present.sort(key=lambda grid: grid.code)
    if request.drawing is None:  # a plan lets layers that are built from this one follow
        _refuse(_cells_in_use(present + gone, stored))
    pieces = [Piece(grid.code, grid.shape, grid.valid) for grid in present] + pieces_of(stored.later)
    return Plan(
        request=request,
        plane=plane,
        kind=stored.kind,
        crs=checked.crs,
        encoding=table.encoding,
        notes=table.notes,
        features=len(table),
        grids=tuple(sorted(present + gone, key=lambda grid: grid.code)),
        repairs=shapes.repairs,
        standing=_standing(request, pieces, stored.outline, gap_area_m2) if stored.kind == "tiling" else (),
        inner={code: _standing(request, inner, pieces, gap_area_m2) for code, inner in stored.inner.items()},
        within_id=stored.within_id,
        units=tuple(checked.units),
        unused_columns=unused_columns(table, request.columns),
        dropped_columns=table.dropped,
        makes_layer=stored.layer_id is None,
    )


def _standing(
    request: Request, pieces: Sequence[Piece], outline: Sequence[Piece], gap_area_m2: float
) -> tuple[Standing, ...]:
    return tuple(standing_from(request.effective, pieces, outline, gap_area_m2))


def _checked(table: SourceTable, request: Request, stored: Stored, repair_limit: float) -> Checked:
    """Return what a file says, or raise an `InputError` of all that is wrong in it, as far as each can be looked at.

    Columns that tell of single people are not looked at any further: their values are not to be said again.
    """
    personal = personal_columns(table.columns, table.numbers)
    told, columns = {fault.values["column"] for fault in personal}, request.columns
    mapped = personal_mapping(columns.constants, columns.values, lambda _name, value: is_personal(value))
    table, columns = table.without(told), columns.without(told, {fault.where for fault in mapped})
    found, faults = entries(table, columns, stored.code_scheme)
    faults = [*table.faults, *missing_columns(table, columns), *personal, *mapped, *faults]
    units: list[PlannedUnit] = []
    if request.new_units is None:
        faults += unknown_units(found, units_at(stored.units, request.effective), columns)
    else:
        units, unit_faults = planned_units(found, stored.units, request.effective, columns)
        faults += unit_faults
    faults += _renumbered(found, columns, stored)
    crs = request.source_crs or table.crs or ""
    lon_0 = stored.plane.lon_0 if stored.plane else None
    shapes, bad_shapes = usable(table.shapes, table.numbers, crs, lon_0, stored.surroundings)
    faults += bad_shapes
    whole = [entry for entry in found if not shapely.is_missing(shapes[list(entry.indexes)]).any()]
    if not whole:
        _refuse(faults)
    plane = stored.plane or plane_of(shapes, crs)
    made, too_large = mended(whole, shapes, crs=crs, plane=plane, repair_limit=repair_limit)
    if too_large and not faults:
        raise GeometryFault(too_large)
    _refuse([*faults, *too_large])
    return Checked(found, units, crs, plane, made)


def _renumbered(found: Sequence[Entry], columns: Columns, stored: Stored) -> list[Fault]:
    """Return a fault for each code that was once given to a grid that now has another."""
    now = {state.grid_id: state.code for state in stored.grids}
    faults = []
    for entry in found:
        code = now.get(stored.grid_ids.get(entry.code, 0), entry.code)
        if code != entry.code:
            where = columns.place(entry.rows[0], "code")
            faults.append(Fault(where, "code-of-another-grid", {"code": entry.code, "now": code}))
    return faults


def _cells_in_use(grids: Sequence[PlannedGrid], stored: Stored) -> list[Fault]:
    """Return a fault for each grid that is added, ended or reshaped while another layer's grids are unions of these."""
    faults = []
    for grid in grids:
        if grid.change == "new" or grid.change == "ended" or "shape" in grid.differs:
            for layer, cells in stored.cells_used.items():
                new = grid.change == "new"  # a cell of no grid, where every cell has one
                spans = [span for used in cells.values() for span in used] if new else cells.get(grid.grid_id or 0, ())
                if any(span.overlaps(grid.valid) for span in spans):
                    faults.append(Fault(f"grid {grid.code}", "cell-in-use", {"code": grid.code, "layer": layer}))
    return faults


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise InputError(faults)


def _of_file(found: Sequence[Entry], shapes: Geometries, request: Request, stored: Stored) -> list[PlannedGrid]:
    olds = {state.code: state for state in stored.grids}
    next_starts = {state.grid_id: state.valid.lower for state in reversed(stored.later)}
    was = dict(zip(olds, canonical(shapes_of(olds.values())), strict=True))
    sizes = area_m2(shapes)
    unit_ids = units_at(stored.units, request.effective)
    grids = []
    for entry, shape, size in zip(found, shapes, sizes, strict=True):
        old = olds.get(entry.code)
        said = _said(entry, old, request, unit_ids)
        grid_id = stored.grid_ids.get(entry.code)
        until = old.valid.upper if old else next_starts.get(grid_id) if grid_id else None
        new_unit = entry.unit if entry.unit not in unit_ids else None
        differs = _differing(old, said, new_unit) if old else ()
        if old and shapely.to_wkb(was[entry.code]) != shapely.to_wkb(shape):
            differs += ("shape",)
        grids.append(
            PlannedGrid(
                change="new" if old is None else "changed" if differs else "same",
                code=entry.code,
                **said,
                new_unit=new_unit,
                shape=shape,
                valid=since(request.effective, until),
                grid_id=grid_id,
                old=old,
                differs=differs,
                area_m2=float(size),
                rows=entry.rows,
            )
        )
    return grids


def _said(entry: Entry, old: GridRecord | None, request: Request, unit_ids: Mapping[str, int]) -> dict[str, Any]:
    """Return what the file says of a grid; where it was not asked, what is stored stays."""
    columns = request.columns
    unasked = {"name": old.name, "unit_id": old.unit_id, "kind": old.kind} if old else {}
    said: dict[str, Any] = {"name": entry.code, "unit_id": None, "kind": "regular", **unasked}
    if columns.says("name"):
        said["name"] = entry.name or entry.code
    if columns.says("unit"):
        said["unit_id"] = unit_ids.get(entry.unit) if entry.unit else None
    if columns.says("grid_kind"):
        said["kind"] = entry.kind or "regular"
    said["attributes"] = {**(old.attributes if old else {}), **entry.attributes}
    return said


def _differing(old: GridRecord, said: dict[str, Any], new_unit: str | None) -> tuple[str, ...]:
    differing = [what for what, value in said.items() if getattr(old, what) != value]
    if new_unit is not None and "unit_id" not in differing:
        differing.append("unit_id")
    return tuple(what.removesuffix("_id") for what in differing)


def _staying(state: GridRecord, shape: BaseGeometry, request: Request) -> PlannedGrid:
    """Return a grid that the file lacks and that stays; it is adjusted where its borders get new vertices."""
    was = canonical(shapes_of([state]))[0]
    if shapely.to_wkb(was) == shapely.to_wkb(shape):
        return _other("kept", state, state.shape, request)
    return _other("adjusted", state, shape, request)


def _other(change: Change, state: GridRecord, shape: BaseGeometry, request: Request) -> PlannedGrid:
    return PlannedGrid(
        change=change,
        code=state.code,
        name=state.name,
        kind=state.kind,
        unit_id=state.unit_id,
        attributes=state.attributes,
        shape=shape,
        valid=since(request.effective, state.valid.upper),
        grid_id=state.grid_id,
        old=state,
        differs=("shape",) if change == "adjusted" else (),
        area_m2=float(area_m2(shapes_of([state]))[0]),
    )
