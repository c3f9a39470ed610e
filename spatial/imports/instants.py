"""Instants as people write them, in the deployment's zone where they say none. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from spatial.imports.cells import FaultyCell
from spatial.time import EARLIEST, LATEST

Order = Literal["dmy", "mdy", "ymd"]
CLOCK = (
    r"(?:[T\s]*(?P<before>上午|下午|凌晨|晚上)?\s*"
    r"(?P<hour>\d{1,2})(?:[:：时点](?:(?P<minute>\d{1,2})(?:[:：分](?P<second>\d{1,2})?(?:\.\d+)?秒?)?)?)?"
    r"\s*(?P<after>[AaPp]\.?[Mm]\.?)?)?"
)
EVENING = ("下午", "晚上", "pm")
YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?" + CLOCK)
YEAR_LAST = re.compile(r"(?P<one>\d{1,2})[-/.](?P<two>\d{1,2})[-/.](?P<year>\d{4})" + CLOCK)


def reader(zone: ZoneInfo, order: Order | None) -> Callable[[Any], str]:
    """Return the reading of one cell as an RFC 3339 instant.

    A wall-clock time that comes twice or never in the zone is a `FaultyCell`, and so is a date with the year last
    unless the order of its day and month is told.
    """
    first, last = EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None)

    @lru_cache(maxsize=4096)
    def offset(day: date) -> str | None:
        """Return the offset of a whole local day, None where it changes within it."""
        midnight = datetime.combine(day, time(), tzinfo=zone)
        found = {midnight.replace(hour=hour, fold=fold).utcoffset() for hour in range(24) for fold in (0, 1)}
        return midnight.isoformat()[19:] if len(found) == 1 else None

    def placed(at: datetime) -> str:
        if not first <= at < last:
            raise FaultyCell("time-out-of-range", value=at.isoformat())
        whole_day = offset(at.date())
        return at.isoformat() + whole_day if whole_day is not None else _in_zone(at, zone)

    def read(value: Any) -> str:
        at = _as_datetime(value, order)
        if at.tzinfo is None:
            return placed(at)
        if not EARLIEST <= at < LATEST:
            raise FaultyCell("time-out-of-range", value=str(value)[:40])
        return at.astimezone(UTC).isoformat()  # a database does not know all offsets

    return read


def _as_datetime(value: Any, order: Order | None) -> datetime:
    match value:
        case str():
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                return _written(value, order)
        case datetime():
            return value
        case date():
            return datetime.combine(value, time())
        case _:
            raise FaultyCell("not-a-time", value=str(value)[:40])


def _in_zone(at: datetime, zone: ZoneInfo) -> str:
    """Return a wall-clock time with its offset, on a day on which clocks are changed."""
    local = at.replace(tzinfo=zone)
    early, late = local.utcoffset(), local.replace(fold=1).utcoffset()
    if early != late:
        # the same words for two instants, or for none
        kind = "time-comes-twice" if (early or timedelta()) > (late or timedelta()) else "time-never-comes"
        raise FaultyCell(kind, value=at.isoformat(sep=" "))
    return local.astimezone(UTC).isoformat()


def _written(value: str, order: Order | None) -> datetime:
    """Read a date with or without a time, not in the order of ISO 8601 or not with its digits."""
    text = value.strip()
    if found := YEAR_FIRST.fullmatch(text):
        month, day = int(found["month"]), int(found["day"])
    elif found := YEAR_LAST.fullmatch(text):
        if order not in ("dmy", "mdy"):
            raise FaultyCell("date-order-unclear", value=text[:40])
        one, two = int(found["one"]), int(found["two"])
        day, month = (one, two) if order == "dmy" else (two, one)
    else:
        raise FaultyCell("not-a-time", value=text[:40])
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    half = found["before"] or (found["after"] or "").lower().replace(".", "")
    if half:
        hour = _of_day(hour, half, text)
    try:
        if (hour, minute, second) == (24, 0, 0):
            return datetime(int(found["year"]), month, day) + timedelta(days=1)  # noqa: DTZ001  placed in the zone later
        return datetime(int(found["year"]), month, day, hour, minute, second)  # noqa: DTZ001  placed in the zone later
    except (ValueError, OverflowError):
        raise FaultyCell("not-a-time", value=text[:40]) from None


def _of_day(hour: int, half: str, text: str) -> int:
    """Return the hour of the day of one that is counted to twelve; 上午12点 and 晚上12点 are said of two hours."""
    if not 1 <= hour <= 12 or (hour == 12 and half in ("上午", "晚上")):
        raise FaultyCell("not-a-time", value=text[:40])
    return hour % 12 + (12 if half in EVENING else 0)
