"""The facts of a look-up as a snapshot holds them, and as far as whoever asks sees: the only reader of snapshots."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Plane
from spatial.grids.units import Link, UnitNamed
from spatial.history import Lasting, begun, is_over
from spatial.lookup.area import AreaAnswer, AreaQuestion, shares
from spatial.lookup.ask import ask, layer_answer
from spatial.lookup.duty import duties
from spatial.lookup.model import Answer, Candidate, Inside, LayerAnswer, Question, Receipt
from spatial.lookup.placed import Placed
from spatial.lookup.receipt import basis_of
from spatial.lookup.rules import Spot
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import GridTable, Snapshot, of_ids
from spatial.lookup.source import (
    CategoryRow,
    FaultRow,
    GridDuty,
    LayerRow,
    NeighbourRow,
    OverrideRow,
    ResponsibilityRow,
)
from spatial.roster.source import (
    AbsenceRow,
    AssignmentRow,
    AwayRow,
    CoverRow,
    MemberRow,
    OfficerRow,
    StepRow,
    SufficeRow,
    TeamRow,
)
from spatial.settings import settings

ALL = Sight()
Version = tuple[int, datetime | None]  # of a grid: its id, and since when it is as it is


class PlainAnswer(NamedTuple):
    """The answer of a plain place; apart from it its layers, and what these do not say: how far their borders are."""

    answer: Answer
    layers: Sequence[LayerAnswer]
    held: Sequence[Inside]


@dataclass(frozen=True)
class View:
    """A snapshot as somebody sees it, and what was worked out for them: the duty of grids, with its first instant.

    `insides`: what is said of plain places in a grid, with the duty that it says.
    """

    snapshot: Snapshot
    sight: Sight
    duties: dict[Version, tuple[datetime, GridDuty]] = field(default_factory=dict)
    insides: dict[Version, tuple[GridDuty, LayerAnswer]] = field(default_factory=dict)

    @cached_property
    def basis(self) -> str:
        """The digest of what has no history."""
        areas = self.snapshot.areas
        layers = (row for row in areas.layers if self.sight.has_layer(row.id))
        return basis_of(areas.plane, layers, areas.categories, areas.responsibilities)

    def answer(self, question: Question, now: datetime) -> Answer:
        """Return what every layer asked for says of a place, at an instant that the snapshot holds."""
        return ask(MemoryFacts(self, question.at, now), question)

    def plain_answer(self, question: Question, now: datetime) -> PlainAnswer | None:
        """Return the same of a plain place, asked for in all layers by who sees all of them; None where it is not."""
        if self.sight != ALL or question.layers is not None or question.category is not None:
            return None
        held = self.snapshot.areas.plains.find(question.lon, question.lat, question.at, question.accuracy_m)
        if held is None:
            return None
        facts = MemoryFacts(self, question.at, now)
        duties = [facts.duty_of(one.grid) for one in held]
        rows = zip(self.snapshot.areas.layers, held, duties, strict=True)
        layers = [self._inside(layer, one.grid, duty) for layer, one, duty in rows]
        changes = [one.next_change for one in duties if one.next_change is not None]
        receipt = Receipt(facts.versions, facts.basis)
        return PlainAnswer(Answer(question, (), None, min(changes, default=None), receipt), layers, held)

    def _inside(self, layer: LayerRow, grid: Candidate, duty: GridDuty) -> LayerAnswer:
        """Return what a layer says of plain places in a grid, one and the same for all as long as it is true."""
        key = grid.grid.id, grid.since
        known = self.insides.get(key)
        if known is None or known[0] is not duty:
            known = duty, layer_answer(Placed(layer, "owned", grid), (), {grid.grid.id: duty}, 0.0)
            self.insides[key] = known
        return known[1]

    def area_shares(self, question: AreaQuestion, now: datetime) -> AreaAnswer:
        """Return which grids an area may belong to, at an instant that the snapshot holds."""
        return shares(MemoryFacts(self, question.at, now), question)


class MemoryFacts:
    """Facts as of an instant, as far as is seen now."""

    def __init__(self, view: View, at: datetime, now: datetime) -> None:
        self._areas, self._duty = view.snapshot.areas, view.snapshot.duty
        self._sight, self._worked_out = view.sight, view.duties
        self._at, self._now = at, now
        self.versions: Mapping[str, int] = view.snapshot.versions
        self.basis = view.basis

    # Areas ------------------------------------------------------------------------------------------------------------

    @property
    def plane(self) -> Plane:
        """The deployment's plane."""
        return self._areas.plane

    def layers(self) -> list[LayerRow]:
        """Return all layers in their order."""
        return [row for row in self._areas.layers if self._sight.has_layer(row.id)]

    def holding(self, spot: Spot) -> Iterator[Candidate]:
        """Return the grids of all layers that contain a place or touch it."""
        for table in self._areas.grids.values():
            yield from self._seen(table, table.tree.query(spot.point, predicate="intersects"))

    def about(self, layer_id: int, area: BaseGeometry) -> Iterable[Candidate]:
        """Return the grids of a layer that come into an area in degrees."""
        table = self._areas.grids.get(layer_id)
        if table is None:
            return ()
        return self._seen(table, table.tree.query(area, predicate="intersects"))

    def nearest(self, spot: Spot, layer_id: int) -> Candidate | None:
        """Return the grid in force that is nearest in degrees: a first guess at the nearest in metres."""
        table = self._areas.grids.get(layer_id)
        if table is None:
            return None
        first = table.grids[int(table.tree.nearest(spot.point))]
        if _in_force(first, self._at) and self._sees(first):
            return first
        others = [one for one in table.grids if _in_force(one, self._at) and self._sees(one)]
        away = shapely.distance(np.array([one.shape for one in others], dtype=object), spot.point)
        return others[int(np.argmin(away))] if others else None

    def next_redraw(self, layer_id: int) -> datetime | None:
        """Return when the next grid of a layer begins or ends."""
        table = self._areas.grids.get(layer_id)
        if table is None:
            return None
        if self._sight.units is None:
            return table.next_redraw(self._at)
        bounds = (bound for one in table.grids if self._sees(one) for bound in (one.since, one.until))
        return min((bound for bound in bounds if bound is not None and bound > self._at), default=None)

    def versions_of(self, grid_ids: Collection[int]) -> list[Candidate]:
        """Return some grids as they are and will be."""
        tables = self._areas.grids.values()
        return [one for table in tables for one in of_ids(table.by_grid, grid_ids) if self._sees(one)]

    def overrides(self, layer_id: int, area: BaseGeometry) -> list[OverrideRow]:
        """Return the overrides of a layer that come into an area in degrees."""
        if not self._areas.overrides:
            return []
        there = np.sort(self._areas.override_tree.query(area, predicate="intersects"))
        return [row for row in (self._areas.overrides[place] for place in there) if row.layer_id == layer_id]

    def categories(self) -> Sequence[CategoryRow]:
        """Return all categories of matters."""
        return self._areas.categories

    def responsibilities(self) -> Sequence[ResponsibilityRow]:
        """Return which kinds of units answer for which categories."""
        return self._areas.responsibilities

    def faults(self, spot: Spot) -> list[FaultRow]:
        """Return the recorded gaps and overlaps in which a place lies."""
        there = np.sort(self._areas.fault_tree.query(spot.point, predicate="intersects"))
        return [self._areas.faults[place] for place in there if self._sees_fault(place)]

    def hidden_layers(self, spot: Spot) -> Collection[int]:
        """Return the layers in which a place lies in a grid that whoever asks does not see."""
        if self._sight.units is None:
            return ()
        hidden = set()
        for layer_id, table in self._areas.grids.items():
            decided = self._decided(spot, layer_id, table)
            there = (table.grids[place] for place in table.tree.query(spot.point, predicate="intersects"))
            holders = [one for one in there if _in_force(one, self._at)] if decided is None else [decided]
            if any(not self.shows(one) for one in holders):
                hidden.add(layer_id)
        return hidden

    def _decided(self, spot: Spot, layer_id: int, table: GridTable) -> Candidate | None:
        """Return the grid, seen or not, that an override gives a place to."""
        there = self._areas.override_tree.query(spot.point, predicate="intersects")
        rows = [row for row in (self._areas.overrides[place] for place in there) if row.layer_id == layer_id]
        grids = {
            row: one
            for row in rows
            if _in_force(row, self._at)
            for one in table.by_grid.get(row.grid_id, ())
            if _in_force(one, self._at)
        }
        first = min(grids, key=lambda row: (row.ref.priority, row.ref.code), default=None)
        return None if first is None else grids[first]

    def sees_people_of(self, unit_id: int | None) -> bool:
        """Whether whoever asks sees the people of a unit: of neighbours only the grids are seen."""
        return self._sight.owns(unit_id)

    def neighbours(self, grid_ids: Collection[int]) -> Iterator[NeighbourRow]:
        """Return the grids that touch some grids, as these are then."""
        for table in self._areas.grids.values():
            for grid in of_ids(table.by_grid, grid_ids):
                if _in_force(grid, self._at) and self._sees(grid):
                    for other in self._seen(table, table.tree.query(grid.shape, predicate="intersects")):
                        if other.grid.id != grid.grid.id:
                            yield NeighbourRow(grid.grid.id, other.grid.id, other.unit_id, other.since, other.until)

    def units(self, ids: Collection[int]) -> list[UnitNamed]:
        """Return what some units are called."""
        return [row for row in of_ids(self._areas.units, ids) if self._sight.names(row.unit.id)]

    def links(self, ids: Collection[int]) -> list[Link]:
        """Return the links of some units up the tree, and those of the units that serve them, by unit."""
        names = self._sight.names
        return [row for row in of_ids(self._areas.links, ids) if names(row.unit_id) and names(row.to_unit_id)]

    def steps(self, layer_ids: Collection[int]) -> list[StepRow]:
        """Return the chains of response of some layers, step by step."""
        return [row for row in of_ids(self._areas.steps, layer_ids) if self._sight.has_layer(row.step.layer_id)]

    # Duty -------------------------------------------------------------------------------------------------------------

    def officers(self, ids: Collection[int]) -> list[OfficerRow]:
        """Return some officers."""
        return [row for row in of_ids(self._duty.officers, ids) if self._sight.knows(row.id, row.unit_id)]

    def teams(self, ids: Collection[int]) -> list[TeamRow]:
        """Return some teams."""
        return [row for row in of_ids(self._duty.teams, ids) if self._sight.owns(row.unit_id)]

    def members(self, team_ids: Collection[int]) -> list[MemberRow]:
        """Return who is in some teams."""
        return [row for row in of_ids(self._duty.members, team_ids) if self._sees_member(row)]

    def leaves(self, officer_ids: Collection[int]) -> list[AwayRow]:
        """Return the leaves of some officers while they are seen."""
        return [row for row in of_ids(self._duty.leaves, officer_ids) if self._sees_away(row)]

    def absences(self, shift_ids: Collection[int]) -> list[AbsenceRow]:
        """Return the absences from some shifts."""
        return [row for row in of_ids(self._duty.absences, shift_ids) if self._sight.owns(row.of_unit_id)]

    def assignments(self, grid_ids: Collection[int]) -> list[AssignmentRow]:
        """Return who is responsible for some grids."""
        return [row for row in of_ids(self._duty.assignments, grid_ids) if self._sees_held(row)]

    def covers(self, grid_ids: Collection[int], unit_ids: Collection[int], until: datetime) -> list[CoverRow]:
        """Return what covers some grids or units and begins by an instant, by shift."""
        rows = (*of_ids(self._duty.on_grids, grid_ids), *of_ids(self._duty.on_units, unit_ids))
        return [row for row in rows if begun(row, until) and self._sight.owns(row.of_unit_id)]

    def first_cover(self, grid_ids: Collection[int], unit_ids: Collection[int], after: datetime) -> datetime | None:
        """Return when the first cover of some grids or units begins that begins after an instant."""
        duty, owns = self._duty, self._sight.owns
        held = (*of_ids(duty.on_grids, grid_ids), *of_ids(duty.on_units, unit_ids))
        later = (*of_ids(duty.first_on_grids, grid_ids), *of_ids(duty.first_on_units, unit_ids))
        starts = [row.since for row in held if row.since and row.since > after and owns(row.of_unit_id)]
        return min((*starts, *(row.start for row in later if owns(row.of_unit_id))), default=None)

    def suffices(self) -> Sequence[SufficeRow]:
        """Return the rules by which auxiliaries suffice; those of other people's grids are of no account."""
        return self._duty.suffices

    def duties(self, grids: Sequence[Candidate], *, soon: bool = True) -> dict[int, GridDuty]:
        """Return whose some grids are and who is there, by grid; `soon`: and when that changes."""
        if not soon:
            return duties(self, grids, self._at, settings().zone, soon=False)
        return {one.grid.id: self.duty_of(one) for one in grids}

    def duty_of(self, grid: Candidate) -> GridDuty:
        """Return what was worked out for a grid at another instant, if nothing changes between the two."""
        key = (grid.grid.id, grid.since)
        known = self._worked_out.get(key)
        if known is not None and known[0] <= self._at and not _changed(known[1], self._at):
            return known[1]
        (duty,) = duties(self, [grid], self._at, settings().zone).values()
        self._worked_out[key] = (self._at, duty)
        return duty

    # Sight ------------------------------------------------------------------------------------------------------------

    def _seen(self, table: GridTable, places: Iterable[int]) -> Iterator[Candidate]:
        return (one for one in (table.grids[place] for place in places) if self._sees(one))

    def _sees(self, grid: Candidate) -> bool:
        return self._sight.has_layer(grid.layer_id) and self.shows(grid)

    def shows(self, grid: Candidate) -> bool:
        """Whether a grid is of their units, of the rim about them, or of a layer that is published."""
        sight = self._sight
        return sight.owns(grid.unit_id) or grid.grid.id in sight.rim or grid.layer_id in self._public

    @cached_property
    def _public(self) -> frozenset[int]:
        return frozenset(row.id for row in self._areas.layers if row.is_public)

    def _sees_fault(self, place: int) -> bool:
        """Whether a gap or an overlap touches one of their grids, as these are now."""
        return self._sight.has_layer(self._areas.faults[place].layer_id) and self._sight.owns_any(
            one.unit_id
            for table in self._areas.grids.values()
            for one in self._now_at(table, self._areas.fault_tree.geometries[place])
        )

    def _now_at(self, table: GridTable, shape: BaseGeometry) -> Iterator[Candidate]:
        there = (table.grids[place] for place in table.tree.query(shape, predicate="intersects"))
        return (one for one in there if _in_force(one, self._now))

    def _sees_held(self, held: AssignmentRow) -> bool:
        """Whether a responsibility is for a grid while it is one of theirs."""
        grids = (one for table in self._areas.grids.values() for one in table.by_grid.get(held.grid_id, ()))
        return self._sight.owns_any(one.unit_id for one in grids if _meet(one, held))

    def _sees_member(self, member: MemberRow) -> bool:
        """Whether somebody is in a team while it is one of theirs."""
        teams = self._duty.teams.get(member.team_id, ())
        return self._sight.owns_any(team.unit_id for team in teams if _meet(team, member))

    def _sees_away(self, away: AwayRow) -> bool:
        """Whether an officer is on leave while seen."""
        officers = self._duty.officers.get(away.officer_id, ())
        return any(self._sight.knows(one.id, one.unit_id) for one in officers if _meet(one, away))


def _in_force(row: Lasting, at: datetime) -> bool:
    return begun(row, at) and not is_over(row, at)


def _changed(duty: GridDuty, at: datetime) -> bool:
    return duty.next_change is not None and duty.next_change <= at


def _meet(one: Lasting, other: Lasting) -> bool:
    """Whether two rows share any time."""
    begins = other.until is None or one.since is None or one.since < other.until
    return begins and (one.until is None or other.since is None or other.since < one.until)
