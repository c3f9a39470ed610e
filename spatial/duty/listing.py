"""Gaps as a list: of grids and of units, the loudest first, and what they come to by cause."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, overload

import numpy as np

from spatial.duty import queries
from spatial.duty.coverage import Coverage
from spatial.duty.model import CAUSES, Cause, Gaps
from spatial.duty.spans import MICROSECOND, NONE, Flags, Longs, Spans, instant, joined, lengths
from spatial.errors import NotFound
from spatial.grids.listing import layer_codes, layer_named
from spatial.grids.queries import unit_codes
from spatial.grids.units import below
from spatial.history import Moment, Reading
from spatial.paging import Key
from spatial.roster.stored import StoredRoster
from spatial.tables import Layer

Whose = Mapping[int, tuple[str, str | None]]  # codes of grids or units, and of the units they are of, by id


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


@dataclass(frozen=True)
class Block:
    """Gaps of one kind of a layer, with the code and the unit of whose they are."""

    layer: str
    step: str | None
    gaps: Gaps
    whose: Whose
    is_whole: Flags

    def only(self, wanted: Wanted) -> "Block":
        """Return those of a cause and a length."""
        chosen = self.gaps.spans.length > wanted.longer_than // MICROSECOND
        if wanted.cause is not None:
            chosen &= self.gaps.cause == CAUSES.index(wanted.cause)
        return replace(self, gaps=self.gaps[chosen], is_whole=self.is_whole[chosen])

    def gap(self, row: int) -> Gap:
        """Return one of them."""
        spans, cause = self.gaps.spans, CAUSES[self.gaps.cause[row]]
        code, unit = self.whose[int(spans.subject[row])]
        start, end = instant(int(spans.start[row])), instant(int(spans.end[row]))
        return Gap(self.layer, self.step, code, unit, cause, start, end, is_whole=bool(self.is_whole[row]))


class GapList(Sequence[Gap]):
    """Gaps in the order of `place_in_list`, each made when it is asked for: a city has hundreds of thousands."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        given = list(blocks)
        self._blocks = given
        block = np.repeat(np.arange(len(given)), [len(one.gaps) for one in given])
        row = np.concatenate([NONE.subject, *(np.arange(len(one.gaps)) for one in given)])
        self._cause = np.concatenate([NONE.subject, *(one.gaps.cause for one in given)])
        self._spans = joined(one.gaps.spans for one in given)
        named = [one.whose[subject][0] for one in given for subject in one.gaps.spans.subject.tolist()]
        whole = np.concatenate([np.empty(0, bool), *(one.is_whole for one in given)])
        kinds = _ranks([(one.layer, one.step or "") for one in given])[block]
        causes = _ranks(CAUSES)[self._cause]
        order = np.lexsort((causes, _ranks(named), kinds, self._spans.start, -self._spans.length, ~whole))
        self._places = np.column_stack([block, row])[order]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Gap: ...

    @overload
    def __getitem__(self, place: slice) -> list[Gap]: ...

    def __getitem__(self, place: int | slice) -> Gap | list[Gap]:
        if isinstance(place, slice):
            return [self._blocks[block].gap(row) for block, row in self._places[place].tolist()]
        block, row = self._places[place]
        found: Gap = self._blocks[int(block)].gap(int(row))
        return found

    @property
    def totals(self) -> dict[Cause, timedelta]:
        """How long gaps are together, by cause; of several grids each counts."""
        sums = [int(self._spans.length[self._cause == n].sum()) for n in range(len(CAUSES))]
        return {cause: us * MICROSECOND for cause, us in zip(CAUSES, sums, strict=True)}


def _ranks(words: Sequence[Any]) -> Longs:
    """Return where each word stands among all in their order."""
    number = {word: n for n, word in enumerate(sorted(set(words)))}
    return np.array([number[word] for word in words], np.int64)


def gap_list(coverage: Coverage, wanted: Wanted) -> GapList:
    """Return gaps: what is never covered first, then the longest."""
    session, at, known_at = coverage.session, coverage.period.start, coverage.known_at
    units = unit_codes(session, at, known_at)
    own: Collection[int] | None = None
    if wanted.unit is not None:
        if wanted.unit not in units.values():
            raise NotFound("no-such-unit", code=wanted.unit)
        own = below(StoredRoster(session, Moment(at, known_at)), Reading(at), units, wanted.unit)
    layers = [layer_named(session, code) for code in wanted.layers or layer_codes(session)]
    return GapList(
        block.only(wanted) for layer in layers for block in _of_layer(coverage, layer, units, own, wanted.of)
    )


def place_in_list(gap: Gap) -> Key:
    """Return where a gap stands in a list."""
    shorter = timedelta(days=100_000) - gap.length
    return (
        "0" if gap.is_whole else "1",
        f"{shorter // MICROSECOND:022d}",
        gap.start.isoformat(),
        gap.layer,
        gap.step or "",
        gap.code,
        gap.cause,
    )


def _of_layer(
    coverage: Coverage, layer: Layer, units: Mapping[int, str], own: Collection[int] | None, of: str | None
) -> Iterator[Block]:
    if of in (None, "grids"):
        grids = coverage.grids(layer)
        codes = queries.codes(coverage.session, layer.id, coverage.period, coverage.known_at)
        of_grids = zip(grids.spans.subject.tolist(), grids.unit.tolist(), strict=True)
        whose = {grid: (codes[grid], units.get(unit)) for grid, unit in of_grids if own is None or unit in own}
        yield _block(layer.code, None, coverage.gaps(layer), whose, grids.spans)
    if of in (None, "units"):
        whose = {unit: (code, code) for unit, code in units.items() if own is None or unit in own}
        for step, (asked, gaps) in coverage.gaps_of_units(layer, cover_alone=of is None).items():
            yield _block(layer.code, step, gaps, whose, asked)


def _block(layer: str, step: str | None, gaps: Gaps, whose: Whose, asked: Spans) -> Block:
    """Return the gaps of those who are named; `asked`: over which time something is asked of each."""
    asked_us = lengths(asked)
    never = [one for one, length in lengths(gaps.spans).items() if length >= asked_us[one]]
    its = gaps[np.isin(gaps.spans.subject, list(whose))]
    return Block(layer, step, its, whose, np.isin(its.spans.subject, never))
