"""Gaps as a list: of grids and of units, the loudest first, and what they come to by cause."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spatial.duty import queries
from spatial.duty.coverage import Coverage
from spatial.duty.model import CAUSES, Cause, Gaps
from spatial.duty.spans import instant, lengths
from spatial.errors import NotFound
from spatial.grids.listing import layer_codes, layer_named
from spatial.grids.queries import unit_codes
from spatial.grids.units import below
from spatial.history import Moment, Reading
from spatial.paging import Key
from spatial.roster.stored import StoredRoster
from spatial.tables import Layer


@dataclass(frozen=True)
class Gap:
    """When nobody covers a grid, or a step of its layer's chain finds nobody at a unit, and why.

    `step`: key of the step; none: of a grid, by all that is cover. `is_whole`: there is nobody in all that is asked of.
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
        for grid, told in _rows(coverage.gaps(layer), lengths(grids.spans)):
            if own is None or unit_of[grid] in own:
                yield Gap(layer.code, None, names[grid], units.get(unit_of[grid]), *told)
    if wanted.of in (None, "units"):
        for step, (asked, gaps) in coverage.gaps_of_units(layer, cover_alone=wanted.of is None).items():
            for unit, told in _rows(gaps, lengths(asked)):
                if (own is None or unit in own) and unit in units:
                    yield Gap(layer.code, step, units[unit], units[unit], *told)


def _rows(gaps: Gaps, asked_us: Mapping[int, int]) -> Iterator[tuple[int, tuple[Cause, datetime, datetime, bool]]]:
    """Yield gaps by the id of whose they are; `asked_us`: over how long something is asked of each."""
    never = {one for one, length in lengths(gaps.spans).items() if length >= asked_us[one]}
    columns = (gaps.spans.subject, gaps.spans.start, gaps.spans.end, gaps.cause)
    for one, start, end, cause in zip(*(column.tolist() for column in columns), strict=True):
        yield one, (CAUSES[cause], instant(start), instant(end), one in never)
