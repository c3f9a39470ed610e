"""Reading and writing the two times: `valid` in the world, `recorded` in the system."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.orm import Session

from spatial.tables.base import Recorded, Span, Versioned


@dataclass(frozen=True)
class Moment:
    """The two instants of a question: in the world, and (none: now) of what the system knew."""

    at: datetime
    known_at: datetime | None = None


def known(table: type[Recorded], known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that the system knew a row at `known_at`, or knows it now."""
    recorded: Any = table.recorded
    return func.upper_inf(recorded) if known_at is None else recorded.op("@>")(known_at)


def in_force(table: type[Versioned], at: datetime, known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that a row was in force at `at`, as known at `known_at` or now."""
    valid: Any = table.valid
    return and_(valid.op("@>")(at), known(table, known_at))


def close(session: Session, table: type[Recorded], ids: Collection[int], at: datetime) -> None:
    """End what the system knew of some rows at `at`, the stamp of the writer's version."""
    row: Any = table
    until = func.tstzrange(func.lower(row.recorded), at, type_=TSTZRANGE)
    session.execute(
        update(row).where(row.id.in_(ids)).values(recorded=until).execution_options(synchronize_session=False)
    )


def cut(session: Session, table: type[Recorded], ids: Collection[int], span: Span, at: datetime) -> None:
    """Take a span out of the validity of current rows of a table with both times, at the stamp of the writer's version.

    The rows are closed, and what remains of each before and after the span is recorded anew.
    """
    close(session, table, ids, at)
    row: Any = table
    rest = func.tstzmultirange(row.valid).op("-")(func.tstzmultirange(span))
    part = func.unnest(rest).table_valued("span").render_derived("part")
    new = {"valid": part.c.span, "recorded": func.tstzrange(at, None)}
    names = [column.name for column in cast("Table", row.__table__).columns if column.name != "id"]
    columns = [new.get(name, row.__table__.c[name]) for name in names]
    rows = select(*columns).select_from(row).join(part, true()).where(row.id.in_(ids))
    session.execute(insert(row).from_select(names, rows))
