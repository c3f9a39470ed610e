"""Everything that look-ups of the coming days stand on, held in memory, as of one state of PostGIS. Immutable."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeVar

from shapely import STRtree
from sqlalchemy.orm import Session

from spatial.geometry import Plane
from spatial.grids.units import Link, UnitNamed
from spatial.history import Moment
from spatial.lookup.duty import SOON
from spatial.lookup.model import Candidate
from spatial.lookup.source import CategoryRow, FaultRow, LayerRow, OverrideRow, ResponsibilityRow
from spatial.lookup.stored import StoredFacts, versions
from spatial.roster.source import (
    AbsenceRow,
    AssignmentRow,
    AwayRow,
    CoverRow,
    FirstCover,
    MemberRow,
    OfficerRow,
    StepRow,
    SufficeRow,
    TeamRow,
)

if TYPE_CHECKING:
    from spatial.lookup.plain import Plains

BEFORE, AFTER = timedelta(hours=12), timedelta(days=4)  # the days held: of questions, and of the shifts they look at

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


@dataclass(frozen=True)
class GridTable:
    """The grids of one layer, in force or to come, and where they are."""

    grids: Sequence[Candidate]
    by_grid: Mapping[int, Sequence[Candidate]]
    tree: STRtree
    redraws: Sequence[datetime]  # when any begins or ends, in order

    @classmethod
    def of(cls, grids: Sequence[Candidate]) -> Self:
        """Return the grids of one layer with their indexes."""
        bounds = {bound for one in grids for bound in (one.since, one.until) if bound is not None}
        return cls(grids, by_key(grids, lambda one: one.grid.id), STRtree([one.shape for one in grids]), sorted(bounds))

    def next_redraw(self, at: datetime) -> datetime | None:
        """Return when the next grid begins or ends after an instant."""
        place = bisect_right(self.redraws, at)
        return self.redraws[place] if place < len(self.redraws) else None


@dataclass(frozen=True)
class Areas:
    """Layers, grids, overrides, units, chains of response, recorded faults, and who answers for which matters."""

    plane: Plane
    layers: Sequence[LayerRow]
    grids: Mapping[int, GridTable]  # by layer
    overrides: Sequence[OverrideRow]
    override_tree: STRtree
    faults: Sequence[FaultRow]
    fault_tree: STRtree
    units: Mapping[int, Sequence[UnitNamed]]
    links: Mapping[int, Sequence[Link]]  # by the unit that `Units.links` finds them for
    steps: Mapping[int, Sequence[StepRow]]  # by layer
    categories: Sequence[CategoryRow]
    responsibilities: Sequence[ResponsibilityRow]

    @cached_property
    def plains(self) -> "Plains":
        """The same ready for plain places."""
        from spatial.lookup.plain import Plains  # with what compiles it: no verb of the command line waits for that

        grids = [one for table in self.grids.values() for one in table.grids]
        overrides = [(row.shape, row.until) for row in self.overrides]
        faults = [(shape, row.until) for row, shape in zip(self.faults, self.fault_tree.geometries, strict=True)]
        return Plains.of(self.plane, self.layers, grids, overrides + faults)

    @classmethod
    def read(cls, facts: StoredFacts) -> Self:
        """Read all of them."""
        faults, overrides = facts.all_faults(), facts.all_overrides()
        of_layers = by_key(facts.all_grids(), lambda one: one.layer_id)
        return cls(
            plane=facts.plane,
            layers=facts.layers(),
            grids={layer_id: GridTable.of(grids) for layer_id, grids in of_layers.items()},
            overrides=overrides,
            override_tree=STRtree([row.shape for row in overrides]),
            faults=[row for row, _ in faults],
            fault_tree=STRtree([shape for _, shape in faults]),
            units=by_key(facts.units(None), lambda row: row.unit.id),
            links=facts.all_links(),
            steps=by_key(facts.steps(None), lambda row: row.step.layer_id),
            categories=facts.categories(),
            responsibilities=facts.responsibilities(),
        )


@dataclass(frozen=True)
class Duty:
    """Officers, teams, who is responsible, and the shifts of some days."""

    officers: Mapping[int, Sequence[OfficerRow]]
    teams: Mapping[int, Sequence[TeamRow]]
    members: Mapping[int, Sequence[MemberRow]]  # by team
    leaves: Mapping[int, Sequence[AwayRow]]  # by officer
    absences: Mapping[int, Sequence[AbsenceRow]]  # by shift
    assignments: Mapping[int, Sequence[AssignmentRow]]  # by grid
    on_grids: Mapping[int, Sequence[CoverRow]]
    on_units: Mapping[int, Sequence[CoverRow]]
    first_on_grids: Mapping[int, Sequence[FirstCover]]  # after the days held
    first_on_units: Mapping[int, Sequence[FirstCover]]
    suffices: Sequence[SufficeRow]

    @classmethod
    def read(cls, facts: StoredFacts, until: datetime) -> Self:
        """Read all of them, and the shifts that begin by an instant."""
        covers, firsts = facts.covers(None, None, until), facts.first_covers(None, None, until)
        return cls(
            officers=by_key(facts.officers(None), lambda row: row.id),
            teams=by_key(facts.teams(None), lambda row: row.id),
            members=by_key(facts.members(None), lambda row: row.team_id),
            leaves=by_key(facts.leaves(None), lambda row: row.officer_id),
            absences=by_key(facts.absences(None), lambda row: row.shift_id),
            assignments=by_key(facts.assignments(None), lambda row: row.grid_id),
            on_grids=by_key(covers, lambda row: row.grid_id),
            on_units=by_key(covers, lambda row: row.unit_id),
            first_on_grids=by_key(firsts, lambda row: row.grid_id),
            first_on_units=by_key(firsts, lambda row: row.unit_id),
            suffices=facts.suffices(),
        )


@dataclass(frozen=True)
class Snapshot:
    """One state of areas and duty, for questions of the days `[since, until - SOON]`."""

    areas: Areas
    duty: Duty
    versions: Mapping[str, int]
    since: datetime
    until: datetime

    @classmethod
    def read(cls, session: Session, now: datetime, before: Self | None = None) -> Self:
        """Read a snapshot for the days about an instant; of the one before, what did not change since is kept."""
        found = versions(session)
        kept = before if before and before.lasts(now) else None
        if kept and kept.versions == found:
            return kept
        since, until = (kept.since, kept.until) if kept else (now - BEFORE, now + AFTER)
        facts = StoredFacts(session, Moment(since))
        has_areas, has_duty = (before is not None and before.versions[one] == found[one] for one in ("areas", "duty"))
        areas = before.areas if before and has_areas else Areas.read(facts)
        duty = kept.duty if kept and has_duty else Duty.read(facts, until)
        return cls(areas, duty, found, since, until)

    def lasts(self, now: datetime) -> bool:
        """Whether it answers for the present and for a day to come."""
        return self.holds(now) and self.holds(now + timedelta(days=1))

    def holds(self, at: datetime) -> bool:
        """Whether it answers for an instant."""
        return self.since <= at <= self.until - SOON


def by_key(rows: Iterable[Row], key: Callable[[Row], Key | None]) -> dict[Key, list[Row]]:
    """Return rows by a key, each in the order it came; without those that have none."""
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        its_key = key(row)
        if its_key is not None:
            found[its_key].append(row)
    return dict(found)


def of_ids(rows: Mapping[int, Sequence[Row]], ids: Collection[int]) -> list[Row]:
    """Return the rows of some ids."""
    return [row for one in ids for row in rows.get(one, ())]
