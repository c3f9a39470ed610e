"""What was done, by whom: for the audit administrator alone."""

from collections.abc import Iterator
from datetime import datetime
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.deps import Actor, AppSettings, Database, InstantText, Page, ReadSession, ReadStream, needs
from api.errors import problem_responses
from api.shapes import Listing, listing
from spatial.audit.export import announce_export, exported
from spatial.audit.listing import Wanted, audit_rows
from spatial.errors import Busy, invalid
from spatial.signing import signing_key
from spatial.tables import Audit
from spatial.time import Span, now, parse_instant, since

router = APIRouter(tags=["audit"], dependencies=[needs("audit")])
LINES = "application/x-ndjson"
EXPORTS = BoundedSemaphore(4)  # at once
Start = Annotated[InstantText | None, Query(description="RFC 3339; what happened then or later")]
End = Annotated[InstantText | None, Query(description="RFC 3339; what happened before")]


class AuditOut(BaseModel):
    """One thing that was done, or refused."""

    number: int = Field(description="of the row in the chain")
    at: datetime = Field(description="when it happened")
    actor: str = Field(examples=["demo-dispatcher"])
    action: str = Field(examples=["phones.show"])
    object: str = Field(examples=["officers/P0042"])
    detail: dict[str, Any]
    hash: str = Field(description="SHA-256 that binds the row to the one before it, in hexadecimal digits")


@router.get("/audit", summary="What was done, newest first", responses=problem_responses())
def audit_list(
    session: ReadSession,
    page: Page,
    actor: Annotated[str | None, Query(max_length=200, description="who; `demo-*` is whoever begins so")] = None,
    object_: Annotated[
        str | None, Query(alias="object", max_length=500, description="on what; `officers/*` is what begins so")
    ] = None,
    action: Annotated[str | None, Query(max_length=100, description="what was done", examples=["denied"])] = None,
    start: Start = None,
    end: End = None,
) -> Listing[AuditOut]:
    """Return the rows of the audit that happened in `[start, end)`, by actor, object and action."""
    span = span_asked(start, end)
    return listing(audit_rows(session, page, Wanted(actor, object_, action, span.lower, span.upper)), audit_out)


def one_of_few() -> Iterator[None]:
    """Hold a place until an export has left, or raise `Busy`: its reader takes their time, with a connection held."""
    if not EXPORTS.acquire(blocking=False):
        raise Busy("too-much-at-once")
    try:
        yield
    finally:
        EXPORTS.release()


@router.get(
    "/audit/export",
    summary="The audit as a signed file",
    response_class=StreamingResponse,
    responses={200: {"content": {LINES: {}}}, **problem_responses(500)},
    dependencies=[Depends(one_of_few, scope="request")],
)
def audit_export(
    database: Database, session: ReadStream, config: AppSettings, actor: Actor, start: Start = None, end: End = None
) -> StreamingResponse:
    """Return rows as lines of JSON, and a last line that signs them; `twingrid check audit FILE` checks such a file.

    All rows by number from the first to the last that happened in `[start, end)`. Who exports is on record first.
    """
    span, instant, key = span_asked(start, end), now(), signing_key(config.data_dir)
    announce_export(database, config.data_dir, actor.name, span, now=instant)
    lines: Iterator[bytes] = exported(session, key, span, now=instant, progress=lambda _share: None)
    name = f"audit-{instant:%Y%m%dT%H%M%SZ}.jsonl"
    return StreamingResponse(lines, media_type=LINES, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def span_asked(start: str | None, end: str | None) -> Span:
    """Return the span asked for, which may be open; it must not be empty."""
    first, last = start and parse_instant(start, "start"), end and parse_instant(end, "end")
    if first and last and not first < last:
        raise invalid("end", "end-before-start")
    return since(first or None, last or None)


def audit_out(row: Audit) -> AuditOut:
    """Return a row as it is sent."""
    return AuditOut(
        number=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        object=row.object,
        detail=row.detail,
        hash=row.hash.hex(),
    )
