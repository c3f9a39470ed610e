"""An import as it is sent: how far it is, what it would do, what is wrong with it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.errors import FaultOut
from maps.texts import say
from spatial.jobs import State
from spatial.tables import Job

ORDER = ("new", "changed", "adjusted", "ended", "same", "kept", "faulty")
AGAIN = frozenset({"failed", "dead", "cancelled"})
OUTDATED = "import-differs"


class RowFaultOut(FaultOut):
    """Something wrong with a file, or worth knowing of it."""

    row: int | None = Field(description="as the file's own program counts; none: the whole file")
    column: str | None


class RowChangeOut(BaseModel):
    """What becomes of one row, or of something stored that the file lacks."""

    row: int | None
    change: str
    key: list[str]
    differs: list[str]


class ReportOut(BaseModel):
    """What an import does: all rows counted, the first ones told."""

    rows: int
    counts: dict[str, int] = Field(description="rows by what becomes of them", examples=[{"new": 3, "same": 1021}])
    fault_count: int
    faults: list[RowFaultOut]
    notes: list[RowFaultOut] = Field(description="what was assumed or mended in reading")
    changes: list[RowChangeOut]
    columns: dict[str, str] = Field(description="by field, the column that says it")
    dropped: list[str] = Field(description="columns that were left out")
    findings: list[dict[str, Any]] = Field(description="of grids: what will be wrong with the tiling")
    repairs: list[dict[str, Any]] = Field(description="of grids: what was mended of their shapes")
    plan_id: UUID | None = Field(description="of the plan that was made of the file")


class RunOut(BaseModel):
    """A run of an import, dry or not."""

    job: UUID
    state: State
    progress: float
    message: str | None
    fault: str | None = Field(description="why it failed, in the language asked for")
    finished_at: datetime | None
    report: ReportOut | None


class ImportOut(BaseModel):
    """A file that was sent, and what it does."""

    id: UUID
    subject: str
    file: str
    sent_by: str
    sent_at: datetime
    effective: datetime
    dry_run: RunOut
    commit: RunOut | None
    can_commit: bool


def import_out(tried: Job, done: Job | None, lang: str) -> ImportOut:
    """Return an import, with what was last asked of it."""
    return ImportOut(
        id=tried.id,
        subject=tried.params["subject"],
        file=tried.params["file"],
        sent_by=tried.created_by,
        sent_at=tried.created_at,
        effective=tried.params["effective"],
        dry_run=_run(tried, lang),
        commit=None if done is None else _run(done, lang),
        can_commit=is_ready(tried) and (done is None or (done.state in AGAIN and not is_outdated(done))),
    )


def is_ready(tried: Job) -> bool:
    """Return whether a dry run has found something to do, and nothing wrong."""
    return tried.state == "done" and bool((tried.result or {}).get("writes"))


def is_outdated(done: Job) -> bool:
    """Return whether an import was refused since it would do something else than its dry run has shown."""
    return done.state == "failed" and (done.result or {}).get("fault") == OUTDATED


def _run(job: Job, lang: str) -> RunOut:
    result = job.result or {}
    fault = None
    if job.state in {"failed", "dead"}:
        fault = say(f"fault.{result.get('fault', 'internal')}", lang, **result.get("values", {}))
    return RunOut(
        job=job.id,
        state=job.state,
        progress=job.progress,
        message=None if job.message is None else say(f"rows.{job.message}", lang),
        fault=fault,
        finished_at=job.finished_at,
        report=_report(result, lang) if "fault_count" in result or "faults" in result else None,
    )


def _report(result: dict[str, Any], lang: str) -> ReportOut:
    faults, counts = result.get("faults", []), result.get("counts", {})
    return ReportOut(
        rows=result.get("rows", 0),
        counts={change: counts[change] for change in ORDER if change in counts},
        fault_count=result.get("fault_count", len(faults)),
        faults=[_fault(one, lang) for one in faults],
        notes=[_fault(one, lang) for one in result.get("notes", [])],
        changes=result.get("changes", []),
        columns=result.get("columns", {}),
        dropped=result.get("dropped", []),
        findings=result.get("findings", []),
        repairs=result.get("repairs", []),
        plan_id=result.get("plan_id"),
    )


def _fault(one: dict[str, Any], lang: str) -> RowFaultOut:
    detail = say(f"fault.{one['text']}", lang, **one["values"])
    where = {"where": one["where"], "row": one.get("row"), "column": one.get("column")}
    return RowFaultOut(**where, fault=one["text"], detail=detail)
