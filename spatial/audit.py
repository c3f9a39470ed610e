"""What was done, by whom: append-only rows, each holding the hash of the one before."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Text, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from spatial.db import hold_domain
from spatial.tables import Audit

START = bytes(32)  # what the first row holds as the hash before it


def record(session: Session, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Add one row, in the caller's transaction; writers take turns, so that the chain has no branch."""
    hold_domain(session, "audit")
    last = session.execute(select(Audit.id, Audit.hash).order_by(Audit.id.desc()).limit(1)).one_or_none()
    number, before = (last.id + 1, last.hash) if last else (1, START)
    stored = cast(literal(detail, JSONB), Text)  # as PostgreSQL will give it back: 1e16 becomes 10000000000000000
    at, told = session.execute(select(func.clock_timestamp(), stored)).one()
    session.execute(
        insert(Audit).values(
            id=number,
            at=at,
            actor=actor,
            action=action,
            object=subject,
            detail=detail,
            previous_hash=before,
            hash=link(before, number, at, actor, action, subject, told),
        )
    )


def link(before: bytes, number: int, at: datetime, actor: str, action: str, subject: str, told: str) -> bytes:
    """Return the SHA-256 that binds a row to the one before it; `told` is its detail as PostgreSQL's text of JSONB."""
    body = [number, at.astimezone(UTC).isoformat(), actor, action, subject, told]
    return hashlib.sha256(before + orjson.dumps(body)).digest()


def first_broken_link(session: Session) -> int | None:
    """Return the number of the first row that does not follow from the one before it; None when all do."""
    before, expected = START, 1
    rows = select(Audit, cast(Audit.detail, Text).label("told")).order_by(Audit.id)
    for row, told in session.execute(rows.execution_options(yield_per=1000)):
        proper = link(before, row.id, row.at, row.actor, row.action, row.object, told)
        if row.id != expected or row.previous_hash != before or row.hash != proper:
            return row.id
        before, expected = row.hash, expected + 1
    return None
