"""Reading the audit: its head, its rows by number, and which database it is in."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.orm import Session

from spatial.audit.rules import Entry, Link
from spatial.tables import Audit, AuditHead

AT_ONCE = 1000  # rows that are in memory


def head(session: Session) -> tuple[UUID, Link]:
    """Return the name of the chain, and its newest row; where somebody took the head away, what no row leads to."""
    found = session.execute(select(AuditHead.chain, AuditHead.number, AuditHead.hash)).first()
    return (found.chain, Link(found.number, found.hash)) if found else (UUID(int=0), Link(0, b""))


def database_of(session: Session) -> str:
    """Return what tells a database from all others, whatever its rows are: the number of its cluster, and its name."""
    asked = "SELECT system_identifier || '/' || current_database() FROM pg_control_system()"
    found: str = session.execute(text(asked)).scalar_one()
    return found


def entries(session: Session, first: int | None = None, last: int | None = None) -> Iterator[Entry]:
    """Yield the rows by number as they are stored, or those from `first` to `last`; few are in memory at once."""
    at_us = func.extract("epoch", Audit.at) * 1_000_000
    told = (Audit.actor, Audit.action, Audit.object, cast(Audit.detail, Text), Audit.previous_hash, Audit.hash)
    wanted = select(Audit.id, at_us, *told).order_by(Audit.id)
    if first is not None:
        wanted = wanted.where(Audit.id >= first)
    if last is not None:
        wanted = wanted.where(Audit.id <= last)
    for row in session.execute(wanted.execution_options(yield_per=AT_ONCE)):
        yield Entry(*row)
