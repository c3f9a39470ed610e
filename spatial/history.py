"""Reading and writing the two times: `valid` in the world, `recorded` in the system."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import ColumnElement, Table, and_, func, insert, inspect, select, true, update
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.orm import Session

from spatial.tables.base import Recorded, Span, Versioned


@dataclass(frozen=True)
class Moment:
    """The two instants of a question: in the world, and (none: now) of what the system knew.

    `stamps`: of what it knew in each domain, where a receipt names versions. One instant cannot: of two writers in two
    domains the one that was stamped first may end last.
    """

    at: datetime
    known_at: datetime | None = None
    stamps: Mapping[str, datetime] | None = None

    def known_of(self, table: type[Recorded]) -> datetime | None:
        """Return as of when rows of a table are asked for; none: now."""
        if self.stamps is None:
            return self.known_at
        mapper: Any = inspect(table)
        return self.stamps[mapper.mapper.class_.domain()]


class Lasting(Protocol):
    """A row that is in force over `[since, until)`; None is open."""

    @property
    def since(self) -> datetime | None:
        """Its first instant."""

    @property
    def until(self) -> datetime | None:
        """The first instant after it."""


Row = TypeVar("Row", bound=Lasting)


def begun(row: Lasting, at: datetime) -> bool:
    """Whether a row has begun by an instant."""
    return row.since is None or row.since <= at


def is_over(row: Lasting, at: datetime) -> bool:
    """Whether a row has ended by an instant."""
    return row.until is not None and row.until <= at


class Reading:
    """What is in force at an instant among the rows that an answer stands on, and when the first begins or ends.

    An answer that reads all of its rows through here cannot change unannounced: until `next_change` it reads the same.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.next_change: datetime | None = None

    def current(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that are in force, and note when that changes."""
        return [row for row in self.lasting(rows) if begun(row, self.at)]

    def lasting(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that are in force or will be, and note when the first begins or ends."""
        at, found = self.at, []
        for row in rows:
            if not is_over(row, at):
                found.append(row)
                self.note(row.until if begun(row, at) else row.since)
        return found

    def note(self, instant: datetime | None) -> None:
        """Take an instant at which the answer may change; one that is over changes nothing any more."""
        if instant is not None and instant > self.at and (self.next_change is None or instant < self.next_change):
            self.next_change = instant


def known(table: type[Recorded], known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that the system knew a row at `known_at`, or knows it now."""
    recorded: Any = table.recorded
    return func.upper_inf(recorded) if known_at is None else recorded.op("@>")(known_at)


def in_force(table: type[Versioned], at: datetime, known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that a row was in force at `at`, as known at `known_at` or now."""
    valid: Any = table.valid
    return and_(valid.op("@>")(at), known(table, known_at))


def lasting(table: type[Recorded], span: str, moment: Moment) -> ColumnElement[bool]:
    """Return the condition that the system knew a row at the moment, and that its `span` is not over by then."""
    end: Any = func.upper(getattr(table, span))
    return and_(known(table, moment.known_of(table)), func.coalesce(end > moment.at, true()))


def ends(span: Any) -> tuple[ColumnElement[datetime | None], ColumnElement[datetime | None]]:
    """Return the columns `since` and `until` of a range."""
    return func.lower(span).label("since"), func.upper(span).label("until")


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
