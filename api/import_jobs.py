"""Imports as jobs: what a file that was sent would do, and doing it once somebody has looked."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from api.grids_asked import GridsAsked
from api.import_reports import SHOWN, fault_out, grids_report, keep_copy, keep_faults, rows_report
from api.imports_asked import RowsAsked
from api.imports_out import OUTDATED
from spatial import access
from spatial.access import Actor
from spatial.errors import Conflict, Denied, Fault, InputError
from spatial.imports.columns import in_order
from spatial.imports.files import Asked, opened, subject_named, unbounded, with_mapping
from spatial.imports.grids.became import Became
from spatial.imports.grids.drafting import take_grids
from spatial.imports.grids.service import MAY_IMPORT
from spatial.imports.mapping import mapping_from
from spatial.imports.read import Source, read_whole
from spatial.imports.service import READING, Import, take_rows
from spatial.jobs import Progress
from spatial.settings import settings
from spatial.uploads import Uploads

GRIDS = "grids"
ANNOTATED = 50_000  # rows, up to which a file without faults is copied with what becomes of them


class Order(BaseModel):
    """An import as a job holds it."""

    model_config = ConfigDict(frozen=True)

    import_id: uuid.UUID
    subject: str
    file: str
    asked_by: str
    lang: str
    effective: datetime
    mapping: dict[str, Any] = {}
    asked: RowsAsked | GridsAsked
    digest: str | None = None  # of what the dry run found; the import is refused if it would do something else


def roles_for(subject: str) -> tuple[str, ...]:
    """Return the roles that may import a subject."""
    return MAY_IMPORT if subject == GRIDS else subject_named(subject).roles


def try_import(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Find out what an import would do, write its report, and leave nothing else."""
    order = Order.model_validate(params)
    actor = _actor(session, order)
    uploads = Uploads(settings().data_dir)
    with session.begin_nested() as trial:
        try:
            return _tried(session, actor, order, uploads, progress)
        except InputError as error:  # of a file that cannot be read
            found = in_order(error.faults)
            keep_faults(uploads, order.import_id, found, order.lang)
            return {"writes": False, "fault_count": len(found), "faults": [fault_out(one) for one in found[:SHOWN]]}
        finally:
            trial.rollback()


def commit_import(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do an import, unless it would no longer do what its dry run has shown."""
    order = Order.model_validate(params)
    one, _source = _taken(session, _actor(session, order), order, progress, commit=True)
    report = _report(session, one)
    if report["fault_count"] or report["digest"] != order.digest:
        raise Conflict(OUTDATED)
    return report


def _actor(session: Session, order: Order) -> Actor:
    """Return who asked, with what they may do now."""
    actor = access.actor_named(session, order.asked_by)
    if actor is None:
        raise Denied("no-such-principal", name=order.asked_by)
    actor.require(*roles_for(order.subject))
    return actor


def _tried(session: Session, actor: Actor, order: Order, uploads: Uploads, progress: Progress) -> dict[str, Any]:
    """Return the report of a dry run; a file that tells of single people is deleted, and there is no copy of it."""
    one, source = _taken(session, actor, order, progress, commit=False)
    report = _report(session, one)
    keep_faults(uploads, order.import_id, one.faults(), order.lang)
    if one.tells_of_people:
        uploads.drop(order.import_id)
        report["notes"].insert(0, fault_out(Fault("file", "upload-deleted")))
    elif report["rows"] <= ANNOTATED or report["fault_count"]:
        suffix = uploads.file(order.import_id).suffix
        keep_copy(uploads, order.import_id, one, source, suffix, order.lang)
    return report


def _report(session: Session, one: Import | Became) -> dict[str, Any]:
    return rows_report(session, one) if isinstance(one, Import) else grids_report(one)


def _taken(
    session: Session, actor: Actor, order: Order, progress: Progress, *, commit: bool
) -> tuple[Import | Became, Source]:
    """Return what an import does, and its file."""
    path, mapping = Uploads(settings().data_dir).file(order.import_id), mapping_from(order.mapping)
    asked = Asked(source_layer=order.asked.source_layer, geometry=order.asked.geometry)
    if isinstance(order.asked, GridsAsked):
        progress(0.0, "reading")
        source = opened(path, mapping, asked, wants_shapes=True)
        table = read_whole(source, mapping.drop)
        progress(READING, "comparing")
        request = order.asked.request(order.effective, mapping)
        return take_grids(session, actor, table, request, settings(), commit=commit), source
    subject = subject_named(order.subject)
    source = opened(path, mapping, asked, wants_shapes=subject.shape is not None)
    unbounded(session)
    options = with_mapping(order.asked.options(order.effective, settings(), shown=SHOWN), mapping)
    return take_rows(session, actor, subject, source, mapping, options, commit=commit, progress=progress), source
