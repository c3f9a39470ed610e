"""Decisions about incidents: can one be stored, is a source late, what is too old to keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from spatial import crs as systems
from spatial.errors import Fault, InputError
from spatial.geometry import DEGREE_DECIMALS
from spatial.incidents.model import Report, Told
from spatial.personal import is_personal
from spatial.tables import Span
from spatial.time import parse_instant, since

LONGEST_ID, LONGEST_TEXT = 200, 500  # characters; of a source's own number, and of what is said in words
EARLIEST_REPORT = datetime(1980, 1, 1, tzinfo=UTC)  # before, it is an empty cell of some program
CLOCKS_DIFFER = timedelta(hours=1)  # how far the clock of a source may be ahead
LEAST_PRECISE_M = 100_000.0
LATE_UNTIL = 3  # expected intervals; a source unheard for longer is silent

State = Literal["fresh", "late", "silent", "never"]


@dataclass(frozen=True)
class Freshness:
    """How it stands with a source: by how much the next report is overdue, zero while it is not."""

    state: State
    overdue: timedelta


def freshness(last_received: datetime | None, expected_interval: timedelta | None, now: datetime) -> Freshness:
    """Return how it stands with a source; one without an expected interval cannot be late."""
    if last_received is None:
        return Freshness("never", timedelta())
    if expected_interval is None:
        return Freshness("fresh", timedelta())
    overdue = max(now - last_received - expected_interval, timedelta())
    if not overdue:
        return Freshness("fresh", overdue)
    return Freshness("late" if now - last_received <= LATE_UNTIL * expected_interval else "silent", overdue)


def oldest_kept(now: datetime, retention_days: int, zone: ZoneInfo) -> datetime | None:
    """Return the first instant that is kept: the beginning of a local day; None where all is kept."""
    if retention_days == 0:
        return None
    day = now.astimezone(zone).date() - timedelta(days=retention_days)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def read_reports(
    told: Sequence[Told], crs: str, now: datetime, oldest: datetime | None = None
) -> list[Report | list[Fault]]:
    """Return each incident as it can be stored, or all that is wrong with it; an unknown system is an `InputError`."""
    points = _stored_points(told, crs)
    return [_report(one, point, now, oldest) for one, point in zip(told, points, strict=True)]


def is_far(lon: float, lat: float, surroundings: systems.Bounds) -> bool:
    """Return whether a place is so far from all grids that its coordinates are more likely wrong than the grids."""
    west, south, east, north = surroundings
    return not (west <= lon <= east and south <= lat <= north)


def _stored_points(told: Sequence[Told], crs: str) -> list[tuple[float, float] | list[Fault]]:
    """Return the stored degrees of each place, or why it has none."""
    given = np.array([(one.lon, one.lat) for one in told], dtype=np.float64).reshape(-1, 2)
    in_degrees = systems.is_in_degrees(crs)
    faulty = [systems.degree_faults(lon, lat) if in_degrees else [] for lon, lat in given.tolist()]
    usable = np.array([not faults for faults in faulty], dtype=bool)
    stored = np.full_like(given, np.inf)
    stored[usable] = systems.inbound(crs)(given[usable])
    rounded = np.round(stored, DEGREE_DECIMALS).tolist()
    outside = [Fault("lon", "outside-crs", {"crs": crs[:80], "count": 1})]
    return [
        faults or ((lon, lat) if np.isfinite(lon) and np.isfinite(lat) else outside)
        for faults, (lon, lat) in zip(faulty, rounded, strict=True)
    ]


def _report(
    told: Told, point: tuple[float, float] | list[Fault], now: datetime, oldest: datetime | None
) -> Report | list[Fault]:
    faults = list(point) if isinstance(point, list) else []
    at = _instant(told.reported_at, "reported_at", faults)
    steps = {name: _instant(getattr(told, name), name, faults) for name in ("dispatched_at", "arrived_at", "closed_at")}
    if at is not None:
        faults += age_faults(at, now, oldest)
    faults += order_faults({"reported_at": at, **steps})
    span = _span(told.between, faults)
    faults += [*precision_faults(told.precision_m)]
    faults += [*text_faults("external_id", told.external_id), *text_faults("masked_text", told.masked_text)]
    if faults or at is None or isinstance(point, list):
        return faults
    lon, lat = point
    return Report(
        told.source,
        told.external_id,
        told.category,
        at,
        lon,
        lat,
        span,
        told.precision_m,
        told.masked_text or None,
        **steps,
    )


def age_faults(at: datetime, now: datetime, oldest: datetime | None) -> list[Fault]:
    """Return why an incident of that time is not taken in: it lies ahead, or it is too old to be kept."""
    if at > now + CLOCKS_DIFFER:
        return [Fault("reported_at", "reported-in-future")]
    if at < EARLIEST_REPORT:
        return [Fault("reported_at", "reported-too-early", {"earliest": EARLIEST_REPORT.date().isoformat()})]
    if oldest is not None and at < oldest:
        return [Fault("reported_at", "older-than-retention", {"oldest": oldest.isoformat()})]
    return []


def order_faults(steps: dict[str, datetime | None]) -> list[Fault]:
    """Return which steps of the handling come before the one before them; steps that are not told are left out."""
    told = [(name, at) for name, at in steps.items() if at is not None]
    return [
        Fault(name, "steps-out-of-order", {"before": before})
        for (before, earlier), (name, at) in pairwise(told)
        if at < earlier
    ]


def precision_faults(precision_m: float | None) -> list[Fault]:
    """Return what is wrong with how well a place is known."""
    if precision_m is None or 0 <= precision_m <= LEAST_PRECISE_M:
        return []
    return [Fault("precision_m", "number-out-of-range", {"limit": 0 if precision_m < 0 else LEAST_PRECISE_M})]


def text_faults(where: str, text: str | None) -> list[Fault]:
    """Return whether a text tells of single people: an identity number, a mobile number, a plate."""
    return [Fault(where, "personal-data-in-text")] if text and is_personal(text) else []


def _span(between: tuple[str, str] | None, faults: list[Fault]) -> Span | None:
    if between is None:
        return None
    start, end = (_instant(text, "between", faults) for text in between)
    if start is None or end is None:
        return None
    if start >= end:
        faults.append(Fault("between", "end-before-start"))
        return None
    return since(start, end)


def _instant(text: str | None, where: str, faults: list[Fault]) -> datetime | None:
    """Read an instant; what is wrong with it is added to the faults."""
    if text is None:
        return None
    try:
        return parse_instant(text, where)
    except InputError as error:
        faults += error.faults
        return None
