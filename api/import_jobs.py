"""Imports as jobs: what a file that was sent would do, and doing it once somebody has looked."""

import uuid
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from api.grids_asked import GridsAsked
from api.imports_rows_text import teller
from api.imports_text import plan_out
from spatial import access
from spatial.access import Actor
from spatial.errors import Conflict, Denied, Fault, InputError
from spatial.imports.annotated import write_annotated, write_faults
from spatial.imports.columns import fault_of
from spatial.imports.digest import outcome_digest, plan_digest
from spatial.imports.files import Asked, opened, subject_named, unbounded, with_mapping
from spatial.imports.grids.model import CHANGES, Plan
from spatial.imports.grids.service import MAY_IMPORT, import_within
from spatial.imports.mapping import mapping_from
from spatial.imports.model import Options, RowFault, Subject
from spatial.imports.read import read_file
from spatial.imports.service import PERSONAL_FAULTS, Import, take_rows
from spatial.incidents.rules import oldest_kept
from spatial.jobs import Progress
from spatial.personal import is_personal_name
from spatial.settings import settings
from spatial.time import now
from spatial.uploads import Uploads

GRIDS = "grids"
SHOWN = 200  # changes, faults, notes of a report; all faults are in its files
ANNOTATED = 50_000  # rows, up to which a file without faults is copied with what becomes of them
FAULTS_FILE = "faults.csv"
PERSONAL = {*PERSONAL_FAULTS, "personal-data-in-text"}


class Order(BaseModel):
    """An import as a job holds it."""

    model_config = ConfigDict(frozen=True)

    import_id: uuid.UUID
    subject: str
    file: str
    asked_by: str
    lang: str
    effective: datetime
    complete: bool = False
    end_most: bool = False
    as_is: bool = False
    source_crs: str | None = None
    source_layer: str | None = None
    geometry: str | None = None
    encoding: str | None = None
    dates: Literal["dmy", "mdy", "ymd"] | None = None
    timezone: str | None = None
    mapping: dict[str, Any] = {}
    grids: GridsAsked | None = None
    digest: str | None = None  # of what the dry run found; the import is refused if it would do something else


def roles_for(subject: str) -> tuple[str, ...]:
    """Return the roles that may import a subject."""
    return MAY_IMPORT if subject == GRIDS else subject_named(subject).roles


def try_import(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Find out what an import would do, write its report, and leave nothing else."""
    order = Order.model_validate(params)
    actor = _actor(session, order)
    with session.begin_nested() as trial:
        try:
            report = _taken(session, actor, order, progress)
        except InputError as error:
            found, uploads = error.faults, Uploads(settings().data_dir)
            report = {"faults": list(map(_fault, found[:SHOWN])), "fault_count": len(found), "writes": False}
            if any(map(_is_of_people, found)):
                report["notes"] = [_forgotten(uploads, order)]
            else:
                with uploads.reporting(order.import_id, FAULTS_FILE) as faults:
                    write_faults(faults, map(fault_of, found), teller(order.lang))
        finally:
            trial.rollback()
    return report


def commit_import(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do an import, unless it would no longer do what its dry run has shown."""
    order = Order.model_validate(params)
    report = _taken(session, _actor(session, order), order, progress)
    if report["fault_count"] or report["digest"] != order.digest:
        raise Conflict("import-differs")
    return report


def _actor(session: Session, order: Order) -> Actor:
    """Return who asked, with what they may do now."""
    actor = access.actor_named(session, order.asked_by)
    if actor is None:
        raise Denied("no-such-principal", name=order.asked_by)
    actor.require(*roles_for(order.subject))
    return actor


def _taken(session: Session, actor: Actor, order: Order, progress: Progress) -> dict[str, Any]:
    uploads = Uploads(settings().data_dir)
    if order.grids is not None:
        return _grids_taken(session, actor, order, order.grids, uploads, progress)
    return _rows_taken(session, actor, order, subject_named(order.subject), uploads, progress)


def _rows_taken(
    session: Session, actor: Actor, order: Order, subject: Subject, uploads: Uploads, progress: Progress
) -> dict[str, Any]:
    mapping = replace(
        mapping_from(order.mapping), **_said(encoding=order.encoding, dates=order.dates, timezone=order.timezone)
    )
    options = Options(
        order.effective,
        settings().zone,
        complete=order.complete,
        may_end_most=order.end_most,
        as_is=order.as_is,
        source_crs=order.source_crs,
        repair_limit=settings().repair_limit,
        oldest=oldest_kept(now(), settings().incident_retention_days, settings().zone),
        shown=SHOWN,
    )
    path = uploads.file(order.import_id)
    source = opened(subject, path, mapping, Asked(source_layer=order.source_layer, geometry=order.geometry))
    unbounded(session)
    trying = order.digest is None
    options = with_mapping(options, mapping)
    one = take_rows(session, actor, subject, source, mapping, options, commit=not trying, progress=progress)
    report = _rows_report(session, one)
    if trying:  # the files of the dry run stay
        with uploads.reporting(order.import_id, FAULTS_FILE) as faults:
            write_faults(faults, one.faults(), teller(order.lang))
        if one.fault_kinds & PERSONAL:
            report["notes"] = [_forgotten(uploads, order), *report["notes"]]
        elif one.rows <= ANNOTATED or report["fault_count"]:
            with uploads.reporting(order.import_id, f"annotated{annotated_suffix(path.suffix)}") as copy:
                write_annotated(copy, one, source, teller(order.lang))
    return report


def _said(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _rows_report(session: Session, one: Import) -> dict[str, Any]:
    outcome = one.outcome()
    return {
        "rows": outcome.rows,
        "counts": dict(outcome.counts),
        "writes": outcome.writes,
        "fault_count": outcome.fault_count,
        "faults": [_fault(fault) for fault in outcome.faults[:SHOWN]],
        "notes": [_fault(note) for note in outcome.notes[:SHOWN]],
        "changes": [asdict(change) for change in outcome.changes[:SHOWN]],
        "columns": dict(outcome.columns),
        "dropped": list(outcome.dropped),
        "digest": outcome_digest(session, one.comparison),
    }


def _is_of_people(fault: Fault) -> bool:
    """Return whether a fault is what tells of single people, or a column that is named for that and unknown besides."""
    return fault.text in PERSONAL or (fault.text == "column-unknown" and is_personal_name(fault.where))


def _forgotten(uploads: Uploads, order: Order) -> dict[str, Any]:
    """Delete a file that tells of single people, and return the note that says so."""
    uploads.drop(order.import_id)
    return _fault(Fault("file", "upload-deleted"))


def annotated_suffix(suffix: str) -> str:
    """Return of which kind the annotated copy of a file is: tables as Excel or CSV, shapes as GeoPackage."""
    match suffix.lower():
        case ".xlsx" | ".xlsm":
            return ".xlsx"
        case ".csv" | ".tsv" | ".txt" | ".dbf" | ".parquet" | ".geoparquet":
            return ".csv"
    return ".gpkg"


def _grids_taken(
    session: Session, actor: Actor, order: Order, asked: GridsAsked, uploads: Uploads, progress: Progress
) -> dict[str, Any]:
    progress(0.0, "reading")
    mapping = mapping_from(order.mapping)
    path = uploads.file(order.import_id)
    table = read_file(
        path, source_layer=order.source_layer, encoding=order.encoding, geometry=order.geometry, drop=mapping.drop
    )
    progress(0.3, "comparing")
    plan = import_within(session, actor, table, asked.request(order.effective), settings())
    return _grids_report(plan)


def _grids_report(plan: Plan) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(orjson.dumps(plan_out(plan, committed=False)))
    changed = plan.of("new", "changed", "adjusted", "ended")
    return {
        "rows": plan.features,
        "counts": {change: len(plan.of(change)) for change in CHANGES},
        "writes": plan.writes,
        "fault_count": 0,
        "faults": [],
        "notes": [_fault(note) for note in plan.notes],
        "changes": [
            {"row": None, "change": one.change, "key": [one.code], "differs": list(one.differs)}
            for one in changed[:SHOWN]
        ],
        "columns": plan.request.columns.named,
        "dropped": [*plan.unused_columns, *plan.dropped_columns],
        "findings": told["findings"][:SHOWN],
        "repairs": told["repairs"][:SHOWN],
        "digest": plan_digest(plan),
    }


def _fault(one: Fault | RowFault) -> dict[str, Any]:
    if isinstance(one, RowFault):
        return {"row": one.row, "column": one.column, "where": one.fault.where, "text": one.text, "values": one.values}
    return {"row": None, "column": None, "where": one.where, "text": one.text, "values": one.values}
