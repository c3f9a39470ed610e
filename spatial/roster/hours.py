"""Hours of the week: when a staffing rule applies, and when that changes next. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from spatial.time import Span, local_span


class Hours(Protocol):
    """Days of the week (bit 0 is Monday) and minutes of the local day; above 1440: past midnight."""

    @property
    def weekdays(self) -> int:
        """The days on which they begin."""

    @property
    def minute_from(self) -> int:
        """Their first minute."""

    @property
    def minute_to(self) -> int:
        """The first minute after them."""


def applies(hours: Hours, at: datetime, zone: ZoneInfo) -> bool:
    """Whether an instant lies within the hours."""
    return any(at in span for span in _spans(hours, at, zone))


def next_edge(hours: Hours, at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when the hours next begin or end after an instant; None: within a fortnight never."""
    edges = (edge for span in _spans(hours, at, zone) for edge in (span.lower, span.upper))
    return min((edge for edge in edges if edge is not None and edge > at), default=None)


def within(hours: Hours, window: Span, zone: ZoneInfo) -> Iterator[Span]:
    """Yield the spans of the hours that share anything with a bounded window, as far as they do."""
    assert window.lower is not None and window.upper is not None  # noqa: PT018, S101  # as is said
    day, last = (at.astimezone(zone).date() for at in (window.lower, window.upper))
    day -= timedelta(days=2)  # they may last past midnight
    while day <= last:
        if hours.weekdays >> day.weekday() & 1:
            shared = local_span(day, hours.minute_from, hours.minute_to, zone).intersection(window)
            if not shared.is_empty:
                yield shared
        day += timedelta(days=1)


def _spans(hours: Hours, at: datetime, zone: ZoneInfo) -> Iterator[Span]:
    """Yield the spans of the hours about an instant: from two days before, for they may last past midnight."""
    today = at.astimezone(zone).date()
    for offset in range(-2, 9):
        day = today + timedelta(days=offset)
        if hours.weekdays >> day.weekday() & 1:
            yield local_span(day, hours.minute_from, hours.minute_to, zone)
