"""Imports of grids: what one would do, and doing it in one transaction; exports."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import Database, hold_domain, open_version
from spatial.errors import Fault, InputError, invalid
from spatial.grids import about, queries
from spatial.grids.listing import layer_named
from spatial.grids.schemes import require_scheme
from spatial.grids.service import (
    NewVersion,
    create_layer,
    create_units,
    extend_units,
    install,
    record_findings,
    replace_versions,
)
from spatial.history import Moment
from spatial.imports.displaced import FEWEST_PAIRS, Displaced, displaced_outline, displaced_pairs
from spatial.imports.grids.model import CHANGES, LayerKind, NewUnits, Plan, Request, Stored
from spatial.imports.grids.queries import known_places, other_tiling
from spatial.imports.grids.rules import plan_import
from spatial.imports.grids.sheet import sheet
from spatial.imports.read import SourceTable, require_confirmed, unconfirmed
from spatial.imports.write import write_rows
from spatial.overlaps import service as overlaps
from spatial.roster.chains import write_chain
from spatial.settings import Settings
from spatial.tables import Layer

MAY_IMPORT = ("planner",)


def dry_run(session: Session, table: SourceTable, request: Request, settings: Settings) -> Plan:
    """Return what an import would do now; every fault of the input at once is an `InputError` or `GeometryFault`."""
    stored = _stored(session, request)
    plan = plan_import(table, request, stored, settings.repair_limit, settings.gap_area_m2)
    return replace(plan, displaced=_displaced(session, plan, stored))


def commit_import(database: Database, actor: Actor, table: SourceTable, request: Request, settings: Settings) -> Plan:
    """Do the import in one transaction, and return what it did; without a change nothing is written at all."""
    with database.write() as session:
        return import_within(session, actor, table, request, settings)


def import_within(
    session: Session,
    actor: Actor,
    table: SourceTable,
    request: Request,
    settings: Settings,
) -> Plan:
    """Do the import within the caller's transaction, and return what it did."""
    actor.require(*MAY_IMPORT)
    require_confirmed(table.encoding)  # before anything waits for the lock
    # decided under the lock of the domain, so that what it rests on cannot change before it is written
    hold_domain(session, "areas")
    plan = dry_run(session, table, request, settings)
    if found := refusals(plan):
        raise InputError(found)
    if plan.writes:
        _write(session, actor, plan, settings)
    return plan


def refusals(plan: Plan) -> list[Fault]:
    """Return why a plan may not be carried out as it is: its encoding is a guess, or its shapes look displaced."""
    found = unconfirmed(plan.encoding)
    if plan.displaced is not None and not plan.request.as_is:
        found.append(displacement(plan.displaced))
    return found


def export_layer(
    database: Database,
    actor: Actor,
    layer: str,
    moment: Moment,
    path: Path,
    fmt: str,
    *,
    crs: str,
    settings: Settings,
) -> int:
    """Write the grids of a layer in force at a moment to a file; return how many.

    The file only appears once the audit holds who took it.
    """
    actor.granted("exports")
    if moment.known_at is not None:
        database.settle(moment.known_at)
    with database.read() as session:
        grids = queries.records_in_force(session, layer_named(session, layer).id, moment.at, moment.known_at)
        units = queries.unit_codes(session, moment.at, moment.known_at)
    made = sheet(layer, grids, units)
    with (
        write_rows(path, made, fmt, crs=crs, allow_shifted=settings.output_gcj02),
        database.write() as session,  # ends first: what it holds is stored before the file is there
    ):
        known_at = moment.known_at.isoformat() if moment.known_at else None
        detail = {"at": moment.at.isoformat(), "known_at": known_at, "crs": crs, "format": fmt, "grids": len(grids)}
        audit.record(session, actor.name, "export-grids", f"layer {layer}", detail)
    return len(grids)


def displacement(found: Displaced) -> Fault:
    """Return what is said of shapes that look displaced."""
    values = {"metres": found.metres, "undone": found.metres_undone, "places": found.places}
    match found.looks_like:
        case "gcj02":
            return Fault("source-crs", "looks-like-gcj02", values)
        case "bd09":
            return Fault("source-crs", "looks-like-bd09", values)
    return Fault("source-crs", "looks-like-no-gcj02", values)


def _displaced(session: Session, plan: Plan, stored: Stored) -> Displaced | None:
    """Return how the file's shapes are displaced: against the same things as known, else the outline of the whole."""
    of_file = plan.of("new", "changed", "same")
    shapes, known = known_places(session, of_file, plan.request.effective)
    if len(shapes) >= FEWEST_PAIRS or plan.kind == "free":
        return displaced_pairs(shapes, known)
    start = plan.request.effective
    whole = [piece.shape for piece in stored.outline if start in piece.valid]
    reference = np.array(whole, dtype=object) if whole else other_tiling(session, plan.request.layer, start)
    return displaced_outline(np.array([grid.shape for grid in of_file], dtype=object), reference)


def _stored(session: Session, request: Request) -> Stored:
    layer = queries.find_layer(session, request.layer)
    within_id = _within_id(session, request, layer)
    at_all_times: dict[str, Any] = {
        "plane": about.plane(session),
        "surroundings": queries.surroundings(session, request.effective),
        "units": tuple(queries.unit_records(session)),
        "within_id": within_id,
        "outline": queries.pieces_from(session, within_id, request.effective),
    }
    new = request.new_layer
    if layer is None:
        if new is None:
            raise invalid("layer", "layer-unknown", layer=request.layer)
        require_scheme(new.code_scheme)
        return Stored(None, new.kind, new.code_scheme, **at_all_times)
    if new is not None and new.kind != layer.kind:
        raise invalid("kind", "layer-kind-differs", layer=request.layer, kind=layer.kind)
    if layer.built_from_id is not None:
        raise invalid("layer", "layer-built-from-cells", layer=request.layer)
    inner = queries.tilings_within(session, layer.id)
    return Stored(
        layer.id,
        cast("LayerKind", layer.kind),
        layer.code_scheme,
        grids=tuple(queries.records_in_force(session, layer.id, request.effective)),
        later=tuple(queries.records_after(session, layer.id, request.effective)),
        grid_ids=queries.grid_ids(session, layer.id),
        cells_used=queries.cells_used(session, layer.id, request.effective),
        inner={one.code: queries.pieces_from(session, one.id, request.effective) for one in inner},
        **at_all_times,
    )


def _within_id(session: Session, request: Request, layer: Layer | None) -> int | None:
    """Return the layer that is to be covered: as asked for one that is made, else as it was made."""
    asked = None if request.within is None else layer_named(session, request.within)
    if layer is None:
        return asked.id if asked else None
    if asked and asked.id != layer.parent_layer_id:
        raise invalid("within", "layer-within-differs", layer=request.layer, within=request.within)
    return layer.parent_layer_id


def _write(session: Session, actor: Actor, plan: Plan, settings: Settings) -> None:
    request, start = plan.request, plan.request.effective
    stamp = open_version(session, "areas")
    if about.plane(session) is None:
        install(session, plan.plane, settings.timezone, stamp)
    layer_id = _layer_id(session, plan, stamp)
    units = _write_units(session, plan, stamp)
    written = plan.of("new", "changed", "adjusted")
    versions = [
        NewVersion(
            grid.grid_id,
            grid.code,
            grid.name,
            grid.kind,
            units[grid.new_unit] if grid.new_unit else grid.unit_id,
            grid.attributes,
            grid.valid,
            grid.shape,
        )
        for grid in written
    ]
    ended = [grid.old for grid in plan.of("changed", "adjusted", "ended") if grid.old]
    replace_versions(session, layer_id, ended, versions, start=start, stamp=stamp)
    overlaps.keep(session, stamp)
    if plan.kind == "tiling":
        record_findings(session, layer_id, plan.standing, start=start, stamp=stamp)
    for inner, standing in plan.inner.items():
        record_findings(session, layer_named(session, inner).id, standing, start=start, stamp=stamp)
    detail = {
        "effective": start.isoformat(),
        "crs": plan.crs[:200],
        "grids": {change: len(plan.of(change)) for change in CHANGES},
        "units": sorted(unit.code for unit in plan.units),
        "findings": len(plan.standing),
    }
    audit.record(session, actor.name, "import-grids", f"layer {request.layer}", detail)


def _write_units(session: Session, plan: Plan, stamp: datetime) -> dict[str, int]:
    """Make and extend units, and return their ids by code."""
    start, kind = plan.request.effective, plan.request.new_units or NewUnits("governance", "")
    made = create_units(session, plan.new_units, tree=kind.tree, kind=kind.kind, start=start, stamp=stamp)
    known = {unit.like: unit for unit in plan.units if unit.like is not None}
    extend_units(session, {like.version_id: unit.valid for like, unit in known.items()}, stamp=stamp)
    return made | {unit.code: like.unit_id for like, unit in known.items()}


def _layer_id(session: Session, plan: Plan, stamp: datetime) -> int:
    found = queries.find_layer(session, plan.request.layer)
    if found is not None:
        return found.id
    new = plan.request.new_layer
    assert new is not None  # noqa: S101  # a plan for an unknown layer is only made with one
    made = create_layer(
        session,
        plan.request.layer,
        new.title,
        new.kind,
        visibility=new.visibility,
        code_scheme=new.code_scheme,
        within_id=plan.within_id,
    )
    if new.chain is not None:
        write_chain(session, made.id, new.chain, stamp=stamp)
    return made.id
