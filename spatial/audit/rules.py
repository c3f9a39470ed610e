"""How rows of the audit are bound to each other, and where the first of them breaks out of it."""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Kind = Literal["changed", "missing", "inserted", "branch", "replaced"]


@dataclass(frozen=True)
class Link:
    """A place in the chain: the number of a row, and its hash."""

    number: int
    hash: bytes


@dataclass(frozen=True)
class Entry:
    """A row of the audit as it is stored; whoever forged it may have stored anything, or nothing."""

    number: int
    at_us: Decimal | int | None  # microseconds since 1970, which may be endless
    actor: str | None
    action: str | None
    object: str | None
    detail: str | None  # PostgreSQL's text of its JSONB
    previous_hash: bytes | None
    hash: bytes | None

    @property
    def at(self) -> datetime | None:
        """When it happened; None where that is no instant."""
        try:
            return EPOCH + int(self.at_us or 0) * MICROSECOND
        except (OverflowError, ValueError):
            return None

    def proper_hash(self) -> bytes | None:
        """Return the hash that the row should have, as `audit_link` makes it; None where something is lacking."""
        texts = (self.actor, self.action, self.object, self.detail)
        if self.previous_hash is None or self.at_us is None:
            return None
        try:
            body = struct.pack(">qq", self.number, int(self.at_us))
        except (OverflowError, ValueError, struct.error):
            return None
        for text in texts:
            if text is None:
                return None
            part = text.encode()
            body += struct.pack(">I", len(part)) + part
        return hashlib.sha256(self.previous_hash + body).digest()


@dataclass(frozen=True)
class Break:
    """The first place at which the chain does not hold.

    changed    the row is not what its own hash was made of
    missing    there is no row of this number
    inserted   the row stands where none was added: twice one number, before the first, or after the newest
    branch     the row does not follow from the row before it
    replaced   the row is whole, but is not the one that was seen here before (by the head, or an anchor)
    """

    number: int
    kind: Kind
    at: datetime | None  # when the row happened; of one that is missing, the row before it


def chain_start(chain: UUID) -> Link:
    """Return what the first row of a chain follows."""
    return Link(0, hashlib.sha256(chain.bytes).digest())


def first_break(entries: Iterable[Entry], start: Link, head: Link, anchors: Iterable[Link] = ()) -> Break | None:
    """Return the first place at which rows, by number, do not lead from `start` to `head` past all anchors.

    Anchors are in the order of their numbers. Rows are looked at once, so that there may be any number of them.
    """
    ahead, before, at = _Ahead(anchors, start.number), start, None
    for entry in entries:
        at_entry = entry.at
        if entry.number <= before.number:
            return Break(entry.number, "inserted", at_entry)
        if entry.number > before.number + 1:
            return Break(before.number + 1, "missing", at)
        kind = _fault(entry, before, head, ahead)
        if kind is not None:
            return Break(entry.number, kind, at_entry)
        before, at = Link(entry.number, entry.hash or b""), at_entry
    if before.number < head.number or ahead.has_more():
        return Break(before.number + 1, "missing", at)
    if before.hash != head.hash:  # only where there are no rows at all
        return Break(before.number, "replaced", at)
    return None


def _fault(entry: Entry, before: Link, head: Link, ahead: "_Ahead") -> Kind | None:
    if entry.hash is None or entry.hash != entry.proper_hash():
        return "changed"
    if entry.previous_hash != before.hash:
        return "branch"
    if entry.number > head.number:
        return "inserted"
    if not ahead.allow(entry.number, entry.hash) or (entry.number == head.number and entry.hash != head.hash):
        return "replaced"
    return None


class _Ahead:
    """The anchors still to be passed."""

    def __init__(self, anchors: Iterable[Link], after: int) -> None:
        self._rest: Iterator[Link] = (one for one in anchors if one.number > after)
        self._next = next(self._rest, None)

    def allow(self, number: int, digest: bytes) -> bool:
        """Pass a row, and return whether every anchor of its number has its hash."""
        while self._next is not None and self._next.number <= number:
            if self._next != Link(number, digest):
                return False
            self._next = next(self._rest, None)
        return True

    def has_more(self) -> bool:
        """Return whether an anchor is beyond the last row."""
        return self._next is not None
