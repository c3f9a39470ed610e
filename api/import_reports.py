"""What is kept of a dry run: its report, the table of its faults, the copy of its file."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy.orm import Session

from api.imports_rows_text import teller
from api.imports_text import plan_out
from spatial.errors import Fault
from spatial.imports.annotated import Told, write_annotated, write_faults
from spatial.imports.digest import outcome_digest, plan_digest
from spatial.imports.grids.became import Became
from spatial.imports.grids.model import CHANGES
from spatial.imports.model import RowFault
from spatial.imports.read import Source
from spatial.imports.service import Import
from spatial.uploads import Uploads

SHOWN = 200  # changes, faults, notes of a report; all faults are in its files
FAULTS_FILE = "faults.csv"


def rows_report(session: Session, one: Import) -> dict[str, Any]:
    """Return the report of an import of rows."""
    outcome = one.outcome()
    return {
        "rows": outcome.rows,
        "counts": dict(outcome.counts),
        "writes": one.leaves_something,
        "fault_count": outcome.fault_count,
        "faults": [fault_out(fault) for fault in outcome.faults[:SHOWN]],
        "notes": _notes(outcome.notes, outcome.more_notes),
        "changes": [asdict(change) for change in outcome.changes[:SHOWN]],
        "columns": dict(outcome.columns),
        "dropped": list(outcome.dropped),
        "digest": outcome_digest(session, one.comparison),
    }


def grids_report(one: Became) -> dict[str, Any]:
    """Return the report of an import of grids."""
    plan, found = one.plan, list(one.faults())
    report: dict[str, Any] = {
        "rows": len(one.table),
        "writes": False,
        "fault_count": len(found),
        "faults": [fault_out(fault) for fault in found[:SHOWN]],
        "notes": _notes(one.table.notes),
        "columns": dict(one.request.columns.named),
        "dropped": list(one.table.dropped),
    }
    if plan is None:
        return report
    told: dict[str, Any] = orjson.loads(orjson.dumps(plan_out(plan, committed=False)))
    changed = plan.of("new", "changed", "adjusted", "ended")
    return report | {
        "counts": {change: len(plan.of(change)) for change in CHANGES},
        "writes": plan.writes and not found,
        "changes": [
            {"row": one.rows[0] if one.rows else None, "change": one.change, "key": [one.code], "differs": one.differs}
            for one in changed[:SHOWN]
        ],
        "dropped": [*plan.unused_columns, *plan.dropped_columns],
        "findings": told["findings"][:SHOWN],
        "repairs": told["repairs"][:SHOWN],
        "digest": plan_digest(plan),
        "plan_id": None if one.plan_id is None else str(one.plan_id),
    }


def _notes(notes: Sequence[Fault | RowFault], more: int = 0) -> list[dict[str, Any]]:
    """Return the first notes, and how many more there are."""
    more += max(len(notes) - SHOWN, 0)
    told = [fault_out(note) for note in notes[:SHOWN]]
    return [*told, fault_out(Fault("file", "more-notes", {"count": more}))] if more else told


def keep_faults(uploads: Uploads, import_id: uuid.UUID, faults: Iterable[RowFault], lang: str) -> None:
    """Keep the table of all faults."""
    with uploads.reporting(import_id, FAULTS_FILE) as file:
        write_faults(file, faults, teller(lang))


def keep_copy(uploads: Uploads, import_id: uuid.UUID, one: Told, source: Source, suffix: str, lang: str) -> None:
    """Keep a copy of a file that says what becomes of each row."""
    with uploads.reporting(import_id, f"annotated{annotated_suffix(suffix)}") as file:
        write_annotated(file, one, source, teller(lang))


def annotated_suffix(suffix: str) -> str:
    """Return of which kind the annotated copy of a file is: tables as Excel or CSV, shapes as GeoPackage."""
    match suffix.lower():
        case ".xlsx" | ".xlsm":
            return ".xlsx"
        case ".csv" | ".tsv" | ".txt" | ".dbf" | ".parquet" | ".geoparquet":
            return ".csv"
    return ".gpkg"


def fault_out(one: Fault | RowFault) -> dict[str, Any]:
    """Return a fault as a report keeps it, to be said in any language."""
    if isinstance(one, RowFault):
        return {"row": one.row, "column": one.column, "where": one.fault.where, "text": one.text, "values": one.values}
    return {"row": None, "column": None, "where": one.where, "text": one.text, "values": one.values}
