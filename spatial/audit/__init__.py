"""What was done, by whom: append-only rows, each holding the hash of the one before."""

from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session


def record(session: Session, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Add one row, in the caller's transaction; writers take turns, so that the chain has no branch."""
    session.execute(select(func.record_audit(actor, action, subject, literal(detail, JSONB))))
