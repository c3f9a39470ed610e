"""The coverage of a deployment over a time, as far as a session reaches: read once, asked layer by layer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from spatial.db import reach_in
from spatial.duty import queries
from spatial.duty.cover import Pieces, pieces
from spatial.duty.gaps import gaps, gaps_of_units
from spatial.duty.model import (
    CAUSES,
    EVENTS,
    FORESEEN,
    NOBODY,
    SHIFT_KINDS,
    Cause,
    Chain,
    Filter,
    Gaps,
    Grids,
    Off,
    Posts,
    Redrawn,
)
from spatial.duty.spans import NONE, Spans, joined, merged, micros
from spatial.grids.units import UnitTree, unit_tree
from spatial.history import Moment, Reading
from spatial.roster import gather
from spatial.roster.hours import within
from spatial.roster.model import Step
from spatial.roster.source import SufficeRow
from spatial.roster.stored import StoredRoster
from spatial.tables import Layer
from spatial.tables.duty import OFFICER_KINDS
from spatial.time import EARLIEST, LATEST, Period

Steps = Sequence[tuple[Step, Mapping[int, int]]]  # with the unit that each leads to, by that of a grid


@dataclass(frozen=True)
class Asked:
    """The grids that are asked of in a layer; and the same while neither its chain nor the links of units change."""

    grids: Grids
    epochs: Sequence[tuple[Grids, Steps]]


AS_PLANNED: Sequence[Cause] = FORESEEN
AS_DONE: Sequence[Cause] = ("leave", *EVENTS)


class Coverage:
    """Who covers what over a period, as planned or as it was done; `zone`: of the hours of staffing rules."""

    def __init__(
        self, session: Session, period: Period, zone: ZoneInfo, *, planned: bool, known_at: datetime | None = None
    ) -> None:
        self.session, self.period, self.zone, self.known_at = session, period, zone, known_at
        self.planned = planned
        self._asked: dict[int, Asked] = {}

    @cached_property
    def pieces(self) -> Pieces:
        """When people are on their posts, and what took them off."""
        return pieces(self.posts, self.off, AS_PLANNED if self.planned else AS_DONE)

    @cached_property
    def off(self) -> Off:
        """What takes people off their posts."""
        return queries.off(self.session, self.period, self.known_at)

    @cached_property
    def posts(self) -> Posts:
        """Who is on which shift for what."""
        return queries.posts(self.session, self.period, self.known_at)

    @cached_property
    def _redrawn(self) -> Redrawn:
        return queries.redrawn(self.session, self.period)

    @cached_property
    def _suffices(self) -> Sequence[SufficeRow]:
        return StoredRoster(self.session, Moment(self.period.start, self.known_at)).suffices()

    def grids(self, layer: Layer) -> Grids:
        """Return the grids of a layer whose people are seen, with the unit of each."""
        return self._of(layer).grids

    def gaps(self, layer: Layer) -> Gaps:
        """Return when nobody covers grids of a layer, and why."""
        asked = self._of(layer)
        aided = self._aided(layer, asked.grids)
        return _together(
            gaps(its, _chain(steps), self.posts, self.pieces, aided=aided, redrawn=self._redrawn)
            for its, steps in asked.epochs
        )

    def gaps_of_units(self, layer: Layer, *, cover_alone: bool) -> dict[str, tuple[Spans, Gaps]]:
        """Return when the steps of a layer's chain that look for somebody at a unit find nobody, by step, and why.

        With the time over which they look. `cover_alone`: steps that are cover, and not desks that are open by day, or
        leaders who are called.
        """
        found: dict[str, list[tuple[Spans, Gaps]]] = {}
        for its, steps in self._of(layer).epochs:
            for step, leads in steps:
                if step.source == "unit_shift" and (step.is_cover or not cover_alone):
                    grid = np.flatnonzero(np.isin(its.unit, list(leads)))
                    unit = np.array([leads[one] for one in its.unit[grid].tolist()], np.int64)
                    asked = merged(replace(its.spans[grid], subject=unit))
                    made = gaps_of_units(asked, _filter(step), self.posts, self.pieces, is_cover=step.is_cover)
                    found.setdefault(step.key, []).append((asked, made))
        return {
            key: (merged(joined(asked for asked, _ in several)), _together(made for _, made in several))
            for key, several in found.items()
        }

    def _of(self, layer: Layer) -> Asked:
        """Return what is asked of a layer, read once."""
        if layer.id not in self._asked:
            grids, reach = queries.grids(self.session, layer.id, self.period, self.known_at), reach_in(self.session)
            if reach is not None and reach.units is not None:
                grids = grids[np.isin(grids.unit, list(reach.units))]
            turns = queries.turns(self.session, layer.id, self.period, self.known_at)
            ends = pairwise([self.period.start, *turns, self.period.end])
            epochs = ((start, _during(grids, Period(start, end))) for start, end in ends)
            told = [(its, self._steps(layer, its, start)) for start, its in epochs if len(its)]
            self._asked[layer.id] = Asked(grids, told)
        return self._asked[layer.id]

    def _steps(self, layer: Layer, grids: Grids, at: datetime) -> Steps:
        """Return the steps of a layer's chain at an instant, each with where it leads from the units of grids."""
        roster, reading = StoredRoster(self.session, Moment(at, self.known_at)), Reading(at)
        units = [unit for unit in np.unique(grids.unit).tolist() if unit != NOBODY]
        tree = unit_tree(roster, reading, units)
        chain = gather.chains(roster, reading, [layer.id]).get(layer.id, ())
        return [(step, _led(tree, units, step)) for step in chain]

    def _aided(self, layer: Layer, grids: Grids) -> Spans:
        """Return when auxiliaries suffice, by grid."""
        found = []
        for rule in self._suffices:
            meant = {
                "grid": grids.spans.subject == rule.subject_id,
                "unit": grids.unit == rule.subject_id,
                "layer": np.full(len(grids), layer.id == rule.subject_id),
            }[rule.kind]
            valid = Period(max(rule.since or EARLIEST, self.period.start), min(rule.until or LATEST, self.period.end))
            if meant.any() and valid.start < valid.end:
                found += [_during(grids[meant], hours).spans for hours in within(rule, valid, self.zone)]
        return merged(joined(found))


def _chain(steps: Steps) -> Chain:
    """Return what covers the grids of a layer."""
    at_units = [(step, leads) for step, leads in steps if step.source == "unit_shift"]
    return Chain(
        [_filter(step) for step, _ in steps if step.source == "grid_shift" and step.is_cover],
        [_filter(step) for step, _ in at_units],
        [(_filter(step), leads) for step, leads in at_units if step.is_cover],
    )


def _led(tree: UnitTree, units: Iterable[int], step: Step) -> dict[int, int]:
    """Return the units that a step leads to from some."""
    reached = ((unit, tree.follow(unit, step.unit_path)) for unit in units)
    return {unit: led.id for unit, led in reached if led is not None}


def _filter(step: Step) -> Filter:
    shifts = tuple(sorted(map(SHIFT_KINDS.index, step.shift_kinds)))
    return Filter(shifts, step.teams_only, tuple(sorted(map(OFFICER_KINDS.index, step.officer_kinds))))


def _during(grids: Grids, period: Period) -> Grids:
    """Return grids as they are in a period."""
    spans = grids.spans.cut_to(*map(micros, period))
    return Grids(spans, grids.unit)[spans.length > 0]


def _together(several: Iterable[Gaps]) -> Gaps:
    """Return the gaps of epochs that follow one another: what goes on from one to the next is one gap."""
    given = list(several)
    if not given:
        return Gaps(NONE, NONE.subject)
    kinds = len(CAUSES)
    whole = merged(joined(replace(one.spans, subject=one.spans.subject * kinds + one.cause) for one in given))
    spans, cause = replace(whole, subject=whole.subject // kinds), whole.subject % kinds
    order = np.lexsort((spans.start, spans.subject))
    return Gaps(spans, cause)[order]
