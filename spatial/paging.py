"""Lists in pages, by the last key of the page before: stable while rows come and go."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Select, func, literal_column
from sqlalchemy.orm import InstrumentedAttribute, Session

from spatial.errors import invalid

Row_ = TypeVar("Row_")
Key = tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """How many rows, after which key."""

    limit: int
    after: str | None


@dataclass(frozen=True)
class Paged(Generic[Row_]):
    """The rows of a page, and the key to ask the next one with; None: this was the last."""

    rows: Sequence[Row_]
    next_after: str | None


def by_time(instant: Any, name: Any) -> ColumnElement[str]:
    """Return a unique key in the order of time: the instant in UTC, then a name."""
    digits = func.to_char(func.timezone("UTC", instant), literal_column("'YYYY-MM-DD HH24:MI:SS.US'"))
    return func.concat(digits, " ", name).collate("C")


def page_of(rows: Iterable[Row_], key: Callable[[Row_], Key], page: Page) -> Paged[Row_]:
    """Return one page of rows that are all at hand, in the order of `key`, unique for each."""
    return page_in_order(sorted(rows, key=key), key, page)


def page_in_order(rows: Sequence[Row_], key: Callable[[Row_], Key], page: Page) -> Paged[Row_]:
    """Return one page of rows that are in the order of `key` already, unique for each; few of them are looked at."""
    first = 0 if page.after is None else bisect_right(rows, _key_of(page.after), key=key)
    found = list(rows[first : first + page.limit])
    more = len(rows) > first + page.limit
    return Paged(found, orjson.dumps(key(found[-1])).decode() if more else None)


def _key_of(after: str) -> Key:
    try:
        told = orjson.loads(after)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise invalid("cursor", "malformed-cursor")
    return tuple(told)


def paged(
    session: Session, wanted: Select[*tuple[Any, ...]], key: ColumnElement[str] | InstrumentedAttribute[str], page: Page
) -> Paged[Any]:
    """Return one page of a select, in the order of `key`, a unique text column."""
    keyed = wanted.add_columns(key.label("page_key")).order_by(key).limit(page.limit + 1)
    if page.after is not None:
        keyed = keyed.where(key > page.after)
    rows = session.execute(keyed).all()
    more = len(rows) > page.limit
    return Paged(rows[: page.limit], rows[page.limit - 1].page_key if more else None)
