"""Hours of the week: when a staffing rule applies, and when that changes next. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from spatial.time import Period, local_period

LONGEST = timedelta(days=2)  # they may last past midnight


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
    return any(one.start <= at < one.end for one in _about(hours, at, zone))


def next_edge(hours: Hours, at: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when the hours next begin or end after an instant; None: within a fortnight never."""
    return min((edge for one in _about(hours, at, zone) for edge in one if edge > at), default=None)


def within(hours: Hours, period: Period, zone: ZoneInfo) -> Iterator[Period]:
    """Yield when the hours are within a period."""
    first, last = (at.astimezone(zone).date() for at in period)
    for span in _begun_on(hours, first - LONGEST, last, zone):
        start, end = max(span.start, period.start), min(span.end, period.end)
        if start < end:
            yield Period(start, end)


def _about(hours: Hours, at: datetime, zone: ZoneInfo) -> Iterator[Period]:
    """Yield when the hours are about an instant, a week ahead."""
    today = at.astimezone(zone).date()
    return _begun_on(hours, today - LONGEST, today + timedelta(days=8), zone)


def _begun_on(hours: Hours, first: date, last: date, zone: ZoneInfo) -> Iterator[Period]:
    """Yield the hours that begin on some days."""
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        if hours.weekdays >> day.weekday() & 1:
            yield local_period(day, hours.minute_from, hours.minute_to, zone)
