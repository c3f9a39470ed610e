"""The audit as a list, newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from spatial.errors import invalid
from spatial.paging import Page, Paged
from spatial.tables import Audit


@dataclass(frozen=True)
class Wanted:
    """Which rows: each thing only where it is named; a text that ends in `*` is how what is meant begins."""

    actor: str | None = None
    object: str | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def audit_rows(session: Session, page: Page, wanted: Wanted) -> Paged[Audit]:
    """Return a page of rows, by the instants at which they happened, newest first."""
    rows = select(Audit).order_by(Audit.at.desc(), Audit.id.desc()).limit(page.limit + 1)
    texts = ((Audit.actor, wanted.actor), (Audit.object, wanted.object), (Audit.action, wanted.action))
    rows = rows.where(*(_is(column, asked) for column, asked in texts if asked is not None))
    if wanted.start is not None:
        rows = rows.where(Audit.at >= wanted.start)
    if wanted.end is not None:
        rows = rows.where(Audit.at < wanted.end)
    if page.after is not None:
        rows = rows.where(tuple_(Audit.at, Audit.id) < tuple_(*_place(page.after)))
    found = session.scalars(rows).all()
    last = found[page.limit - 1] if len(found) > page.limit else None
    return Paged(found[: page.limit], f"{last.at.isoformat()} {last.id}" if last else None)


def _is(column: InstrumentedAttribute[str], asked: str) -> ColumnElement[bool]:
    return column.startswith(asked[:-1], autoescape=True) if asked.endswith("*") else column == asked


def _place(after: str) -> tuple[datetime, int]:
    at, _, number = after.partition(" ")
    try:
        return datetime.fromisoformat(at), int(number)
    except ValueError:
        raise invalid("cursor", "malformed-cursor") from None
