"""A drawing from QGIS as a plan: what its file changes against what is in force is the plan's first operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from sqlalchemy.orm import Session

from spatial.access import Actor
from spatial.errors import Conflict, InputError
from spatial.grids import about
from spatial.imports.grids.became import Became
from spatial.imports.grids.model import Drawing, PlannedGrid, Request
from spatial.imports.grids.model import Plan as ImportPlan
from spatial.imports.grids.service import MAY_IMPORT, dry_run, import_within, refusals
from spatial.imports.read import SourceTable, require_confirmed, unconfirmed
from spatial.redraw import queries, service
from spatial.redraw.draft import Draft
from spatial.redraw.model import DraftGrid, DraftLayer, Place, shapes_of
from spatial.redraw.service import Done
from spatial.redraw.sheet import Sheet
from spatial.settings import Settings
from spatial.tables import Plan


@dataclass(frozen=True)
class Drafted:
    """A plan made of a file, what its operation does, and what the import of the file would have said."""

    plan: Plan
    done: Done
    read: ImportPlan


def draft_from(
    session: Session,
    actor: Actor,
    table: SourceTable,
    request: Request,
    settings: Settings,
    drawing: Drawing,
) -> Drafted:
    """Make a plan over what is in force at the request's instant, with all that a file of a layer changes.

    Layers of the same outline, and layers built from its grids, follow. Whatever would tear a tiling is an error.
    """
    require_confirmed(table.encoding)
    read = dry_run(session, table, request, settings)
    if found := refusals(read):
        raise InputError(found)
    layers = queries.layers_of(session)
    layer = next(one for one in layers if one.code == request.layer)
    related = [one.code for one in layers if one.id == layer.id or layer.id in (one.built_from_id, one.parent_id)]
    plan = service.create(
        session, actor, drawing.name, related, unit=drawing.unit, at=request.effective, now=drawing.now
    )
    base = queries.base_of(session, plan)
    draft = Draft(session, plan.id, base, [])
    grids = [grid for one in layers if one.code in related for grid in draft.of_layer(one.id)]
    plane = about.plane(session)
    if plane is None:
        raise Conflict("nothing-loaded")
    own_units = queries.units_below(session, plan.unit_id, base)
    sheet = Sheet(plane, layers, grids, editable=plan.layers, own_units=own_units)
    _draw(sheet, layer, read.of("new", "changed", "adjusted", "ended"))
    sheet.moves_union = True
    settled = sheet.settle()
    body = {"layer": request.layer, "features": read.features, "crs": read.crs[:200]}
    n, measures = service.keep(session, actor, plan, "import", body, settled.changes, now=drawing.now)
    return Drafted(plan, service.done(session, plan, n, settled, measures), read)


def take_grids(
    session: Session, actor: Actor, table: SourceTable, request: Request, settings: Settings, *, commit: bool
) -> Became:
    """Take grids in within the caller's transaction, or say what that would do; with faults nothing is written.

    Where a plan is to be made of them, that is all that is written.
    """
    actor.require(*MAY_IMPORT)
    guessed = unconfirmed(table.encoding)
    try:
        if request.drawing is not None:
            return _take_as_plan(session, actor, table, request, settings, commit=commit)
        if commit and not guessed:
            plan = import_within(session, actor, table, request, settings)
        else:
            plan = dry_run(session, table, request, settings)
    except InputError as error:
        return Became(table, request, None, [*guessed, *error.faults])
    return Became(table, request, plan, refusals(plan))


def _take_as_plan(
    session: Session, actor: Actor, table: SourceTable, request: Request, settings: Settings, *, commit: bool
) -> Became:
    assert request.drawing is not None  # noqa: S101  # whoever calls has looked
    with session.begin_nested() as trial:
        made = draft_from(session, actor, table, request, settings, request.drawing)
        if not commit:
            trial.rollback()
    return Became(table, request, made.read, (), made.plan.id if commit else None)


def _draw(sheet: Sheet, layer: DraftLayer, planned: Sequence[PlannedGrid]) -> None:
    """Let a sheet's grids be as a file has them; cells that are new belong where most of them was before."""
    before = sheet.of_layer(layer.id)
    of_id = {grid.place.key: grid for grid in before}
    for one in planned:
        old = of_id.get(one.grid_id) if one.grid_id is not None else None
        if one.change == "ended":
            if old is not None:
                sheet.end(old)
            continue
        told: dict[str, Any] = {"code": one.code, "name": one.name, "kind": one.kind, "unit_id": one.unit_id}
        if old is not None:
            sheet.put(replace(old, **told, attributes=one.attributes, shape=one.shape), is_edit=one.change == "changed")
        else:
            place = sheet.new_place(layer, one.code) if one.grid_id is None else Place(layer.id, one.grid_id)
            holders = _holders(before, one)
            sheet.put(DraftGrid(place, **told, attributes=one.attributes, shape=one.shape, holders=holders))


def _holders(before: Sequence[DraftGrid], one: PlannedGrid) -> Mapping[int, int]:
    shapes = shapes_of(before)
    shared = shapely.area(shapely.intersection(shapes, one.shape)) if len(shapes) else np.zeros(0)
    return before[int(shared.argmax())].holders if len(shared) and shared.max() > 0 else {}
