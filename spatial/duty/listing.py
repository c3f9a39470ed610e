"""Gaps as a list: of grids and of units, the loudest first, and what they come to by cause."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from spatial.duty import queries
from spatial.duty.coverage import Coverage
from spatial.duty.model import CAUSES, Cause, Gaps, Grids
from spatial.duty.spans import Longs
from spatial.errors import NotFound
from spatial.grids.listing import layer_codes, layer_named
from spatial.grids.queries import unit_codes
from spatial.grids.units import below
from spatial.history import Moment, Reading
from spatial.paging import Key
from spatial.roster.stored import StoredRoster
from spatial.tables import Layer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Gap:
    """When nobody covers a grid, or a step of its layer's chain finds nobody at a unit, and why.

    `step`: key of the step; none: of a grid, by all that is cover. `is_whole`: over all the time that is asked of.
    """

    layer: str
    step: str | None
    code: str  # of the grid or the unit
    unit: str | None
    cause: Cause
    start: datetime
    end: datetime
    is_whole: bool

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class Wanted:
    """Which gaps: of some layers (none: all), of the grids of a unit and of those below it, of a cause, of a length."""

    layers: Sequence[str] = ()
    unit: str | None = None
    cause: Cause | None = None
    of: str | None = None  # grids; units, at all steps; none: grids, and units at steps that are cover
    longer_than: timedelta = timedelta(0)


def gap_list(coverage: Coverage, wanted: Wanted) -> list[Gap]:
    """Return gaps: what is never covered first, then the longest."""
    session = coverage.session
    at, known_at = coverage.window.lower, coverage.known_at
    assert at is not None  # noqa: S101  # it is bounded
    units = unit_codes(session, at, known_at)
    own: Collection[int] | None = None
    if wanted.unit is not None:
        if wanted.unit not in units.values():
            raise NotFound("no-such-unit", code=wanted.unit)
        own = below(StoredRoster(session, Moment(at, known_at)), Reading(at), units, wanted.unit)
    found = [
        gap
        for layer in (layer_named(session, code) for code in wanted.layers or layer_codes(session))
        for gap in _of_layer(coverage, layer, units, own, wanted)
        if wanted.cause in (None, gap.cause) and gap.length > wanted.longer_than
    ]
    return sorted(found, key=place_in_list)


def place_in_list(gap: Gap) -> Key:
    """Return where a gap stands in a list."""
    shorter = timedelta(days=100_000) - gap.length
    return (
        "0" if gap.is_whole else "1",
        f"{shorter // timedelta(microseconds=1):022d}",
        gap.start.isoformat(),
        gap.layer,
        gap.step or "",
        gap.code,
        gap.cause,
    )


def totals(gaps: Sequence[Gap]) -> dict[Cause, timedelta]:
    """Return how long gaps are together, by cause; of several grids each counts."""
    return {cause: sum((one.length for one in gaps if one.cause == cause), timedelta()) for cause in CAUSES}


def _of_layer(
    coverage: Coverage, layer: Layer, units: Mapping[int, str], own: Collection[int] | None, wanted: Wanted
) -> Iterator[Gap]:
    grids = coverage.grids(layer)
    unit_of = dict(zip(grids.spans.subject.tolist(), grids.unit.tolist(), strict=True))
    if wanted.of in (None, "grids"):
        names = queries.codes(coverage.session, layer.id, coverage.window, coverage.known_at)
        whole = _lengths(grids)
        for grid, *told in _rows(coverage.gaps(layer)):
            if own is None or unit_of[grid] in own:
                yield _gap(layer.code, None, names[grid], units.get(unit_of[grid]), told, whole[grid])
    if wanted.of in (None, "units"):
        asked_us = _micros(coverage.window.upper) - _micros(coverage.window.lower)
        for step, gaps in coverage.gaps_of_units(layer, cover_alone=wanted.of is None).items():
            for unit, *told in _rows(gaps):
                if (own is None or unit in own) and unit in units:
                    yield _gap(layer.code, step, units[unit], units[unit], told, asked_us)


def _gap(layer: str, step: str | None, code: str, unit: str | None, told: Sequence[int], whole_us: int) -> Gap:
    start, end, cause = told
    first, last = (EPOCH + timedelta(microseconds=at) for at in (start, end))
    return Gap(layer, step, code, unit, CAUSES[cause], first, last, is_whole=end - start >= whole_us)


def _rows(gaps: Gaps) -> Iterator[tuple[int, ...]]:
    columns = (gaps.spans.subject, gaps.spans.start, gaps.spans.end, gaps.cause)
    return zip(*(one.tolist() for one in columns), strict=True)


def _lengths(grids: Grids) -> dict[int, int]:
    """Return how long each grid is there."""
    subject, number = np.unique(grids.spans.subject, return_inverse=True)
    length: Longs = np.zeros(len(subject), np.int64)
    np.add.at(length, number, grids.spans.length)
    return dict(zip(subject.tolist(), length.tolist(), strict=True))


def _micros(at: datetime | None) -> int:
    return 0 if at is None else (at - EPOCH) // timedelta(microseconds=1)
