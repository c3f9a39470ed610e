"""Instants, spans and days: UTC inside, one IANA zone per deployment outside."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range

from spatial.errors import invalid

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

Span = Range[datetime]


class Period(NamedTuple):
    """A time `[start, end)`."""

    start: datetime
    end: datetime


def now() -> datetime:
    """Return the present instant in UTC; only faces call this, rules take `now` as an argument."""
    return datetime.now(UTC)


def parse_instant(text: str, where: str) -> datetime:
    """Read an RFC 3339 instant; a time without an offset, or outside 1900–2200, is an `InputError` at `where`."""
    try:
        # a "+" of an offset arrives as a blank where a client forgot to escape it in a URL
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise invalid(where, "not-a-time", value=text) from None
    if at.tzinfo is None:
        raise invalid(where, "time-without-offset", value=text)
    if not EARLIEST <= at < LATEST:
        raise invalid(where, "time-out-of-range", value=text)
    return at.astimezone(UTC)


def zone_named(name: str, where: str) -> ZoneInfo:
    """Return a zone of the IANA list; an unknown one is an `InputError` at `where`."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise invalid(where, "unknown-zone") from None


def since(start: datetime | None, end: datetime | None = None) -> Span:
    """Return the span `[start, end)`; None is open."""
    return Range(start, end, bounds="[)")


def local_period(day: date, minute_from: int, minute_to: int, zone: ZoneInfo) -> Period:
    """Return the time between two wall-clock times of a local day, in minutes from midnight; 1440 is the next."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    # wall-clock arithmetic: on a day of 23 or 25 hours eight o'clock is still eight o'clock
    start, end = (midnight + timedelta(minutes=minute) for minute in (minute_from, minute_to))
    return Period(start.astimezone(UTC), end.astimezone(UTC))
