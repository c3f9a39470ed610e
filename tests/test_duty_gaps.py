"""When nobody is there: the same to the instant as whom a look-up names, for all grids and a whole time at once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shapely import Polygon
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from spatial.db import Database, open_version
from spatial.duty.coverage import Coverage
from spatial.duty.model import CAUSES, Gaps
from spatial.duty.spans import instant
from spatial.errors import Conflict
from spatial.geometry import Plane
from spatial.history import Moment
from spatial.lookup.duty import duties
from spatial.lookup.model import Candidate, GridRef
from spatial.lookup.stored import StoredFacts
from spatial.settings import ROOT
from spatial.tables import DutyEvent, GridVersion, Layer, Leave, Shift, StaffingRule, TeamMember
from spatial.time import Period, now, since
from tests.build import HOUR
from tests.test_snapshot import STATIONS, Planner, seeds

ZONE = ZoneInfo("Asia/Shanghai")
Found = dict[int, list[tuple[datetime, datetime, str]]]


def by_grid(found: Gaps) -> Found:
    """Return gaps by the id of the grid: from when until when, and why."""
    made: Found = {}
    rows = zip(
        *(one.tolist() for one in (found.spans.subject, found.spans.start, found.spans.end, found.cause)), strict=True
    )
    for grid, start, end, cause in rows:
        made.setdefault(grid, []).append((instant(start), instant(end), CAUSES[cause]))
    return made


class Busy(Planner):
    """A world with more ways to be covered, and more that goes wrong."""

    def fill(self) -> None:
        """Add to a world a chain of the other layer, shifts for other units, breaks, and parts of shifts."""
        super().fill()
        world, dice = self.world, self.dice
        other = self.session.scalars(select(Layer.id).where(Layer.code == "other")).one()
        world.step(other, 1, "squad", "grid_shift", teams_only=True, shift_kinds=["patrol"])
        kinds = dice.choice(([], ["community_officer"], ["auxiliary"]))
        world.step(other, 2, "bureau", "unit_shift", unit_path=["command"], officer_kinds=kinds)
        world.step(
            other, 3, "served", "unit_shift", unit_path=["serves"], shift_kinds=["desk"], cover=dice.random() < 0.5
        )
        officers = [
            world.officer(f"B{n}", self.units["B"], dice.choice(("duty_police", "auxiliary"))) for n in range(4)
        ]
        for officer in officers:
            begin, end = self.span(30)
            where = [self.units[dice.choice((*STATIONS, "B", "street"))]]
            kind = dice.choice(("duty", "desk", "leader", "grid"))
            whole = world.shift(self.units["B"], begin, end, officer=officer, kind=kind, units=where)
            if dice.random() < 0.5 and end - begin > 2 * HOUR:
                part = begin + HOUR, end - HOUR
                world.shift(self.units["B"], *part, officer=officer, kind="patrol", parent=whole, grids=self.grids[:2])
            if dice.random() < 0.6:
                what = dice.choice(("break", "no_show", "committed", "unreachable", "present"))
                world.event(whole, what, begin + HOUR / 2, begin + 2 * HOUR)
            if dice.random() < 0.3:
                with suppress(Conflict), self.session.begin_nested():
                    world.leave(officer, *self.span())
        if dice.random() < 0.5:
            rule: dict[str, Any] = {"code": "R2", "required": 1, "auxiliaries_suffice": True, "weekdays": 0b0110101}
            whom = dice.choice(({"layer_id": other}, {"unit_id": self.units["S1"]}))
            times = {"valid": since(*self.span()), "recorded": since(open_version(self.session, "duty"))}
            hours = {"minute_from": 1200, "minute_to": 1800}
            self.session.execute(insert(StaffingRule).values(**rule, **hours, **whom, **times))


def turning_points(session: Session, start: datetime, end: datetime) -> list[datetime]:
    """Return every instant of a time at which anything on record about rosters or grids begins or ends."""
    found = {start}
    for column in (
        Shift.planned,
        Shift.actual,
        Leave.valid,
        DutyEvent.span,
        GridVersion.valid,
        StaffingRule.valid,
        TeamMember.valid,
    ):
        rows = session.execute(select(func.lower(column), func.upper(column)))
        found |= {at for row in rows for at in row if at is not None}
    day = start.astimezone(ZONE).replace(hour=0, minute=0)
    found |= {day + n * HOUR for n in range(int((end - start) / HOUR) + 30)}  # of the hours of rules
    return sorted(at for at in found if start <= at < end)


@seeds(6)
def test_a_gap_is_when_a_look_up_names_nobody(empty_database: Database, seed: int) -> None:
    """In worlds made by dice, at every instant at which anything begins or ends, and in between."""
    hold(empty_database, seed)


@pytest.mark.proof
@seeds(20)
def test_a_gap_is_when_a_look_up_names_nobody_in_many_worlds(empty_database: Database, seed: int) -> None:
    """The same in more of them."""
    hold(empty_database, seed)


@dataclass
class Told:
    """A world made by dice, and the gaps of its layers over some days."""

    session: Session
    dice: Random
    period: Period
    found: dict[int, Found]  # by the id of the layer

    @property
    def layers(self) -> list[Layer]:
        """All layers."""
        return list(self.session.scalars(select(Layer)))

    def points(self, most: int) -> list[datetime]:
        """Return some of the instants at which anything begins or ends."""
        points = turning_points(self.session, *self.period)
        return self.dice.sample(points, min(len(points), most))


@contextmanager
def told(database: Database, seed: int) -> Iterator[Told]:
    """Yield a world, in a transaction that is taken back."""
    base = now().replace(minute=0, second=0, microsecond=0)
    with database.trial() as session:
        dice = Random(seed)
        Busy(session, dice, base).fill()
        period = Period(base - 20 * HOUR, base + 60 * HOUR)
        coverage = Coverage(session, period, ZONE, planned=False)
        found = {layer.id: by_grid(coverage.gaps(layer)) for layer in session.scalars(select(Layer)).all()}
        yield Told(session, dice, period, found)


def hold(empty_database: Database, seed: int) -> None:
    """Compare the gaps of a world with its look-ups."""
    with told(empty_database, seed) as world:
        for at in world.points(40):
            for when in (at, at + timedelta(seconds=1)):
                for layer in world.layers:
                    said = covered(world.session, layer, when, world.found[layer.id])
                    assert there(world.session, layer, when) == said, (layer.code, when)


TRUTH = text((ROOT / "benchmarks" / "theirs" / "gaps.sql").read_text(encoding="utf-8"))


@seeds(4)
def test_gaps_are_what_sql_says(empty_database: Database, seed: int) -> None:
    """From the same rows by multiranges: the same gaps to the microsecond, with the same causes."""
    hold_to_sql(empty_database, seed)


@pytest.mark.proof
@seeds(60)
def test_gaps_are_what_sql_says_in_many_worlds(empty_database: Database, seed: int) -> None:
    """The same in more of them."""
    hold_to_sql(empty_database, seed)


def hold_to_sql(empty_database: Database, seed: int) -> None:
    """Compare the gaps of a world with what SQL makes of it."""
    with told(empty_database, seed) as world:
        asked = {"start": world.period.start, "end": world.period.end, "zone": ZONE.key}
        for layer in world.layers:
            said: Found = {}
            for row in world.session.execute(TRUTH, asked | {"layer": layer.id}):
                said.setdefault(row.grid_id, []).append((row.start, row.end, row.cause))
            assert world.found[layer.id] == said


# what falls away last, first: what takes it out of a database, and the cause before it
BEFORE = {
    "committed": "DELETE FROM duty_event WHERE kind = 'unreachable'",
    "no_show": "DELETE FROM duty_event WHERE kind = 'committed'",
    "break": """UPDATE shift SET actual = range_merge(planned, actual) WHERE actual IS NOT NULL;
                DELETE FROM duty_event WHERE kind = 'no_show'""",
    "leave": "DELETE FROM duty_event WHERE kind = 'break'",
    "unplanned": "DELETE FROM leave",
}


@seeds(4)
def test_the_cause_is_the_first_that_leaves_nobody(empty_database: Database, seed: int) -> None:
    """Without what falls away later, a look-up names nobody just in the gaps whose causes are not of those."""
    hold_causes(empty_database, seed)


@pytest.mark.proof
@seeds(12)
def test_the_cause_is_the_first_that_leaves_nobody_in_many_worlds(empty_database: Database, seed: int) -> None:
    """The same in more of them."""
    hold_causes(empty_database, seed)


def hold_causes(empty_database: Database, seed: int) -> None:
    """Compare the causes of the gaps of a world with its look-ups while less and less is taken away."""
    with told(empty_database, seed) as world:
        session, points = world.session, world.points(12)
        session.execute(text("SET LOCAL session_replication_role = replica"))  # history is not deleted otherwise
        for cause, statement in BEFORE.items():
            session.execute(text(statement))
            left = CAUSES[: CAUSES.index(cause) + 1]
            for layer, at in ((layer, at) for layer in world.layers for at in points):
                found = world.found[layer.id]
                of_these = {grid: [one for one in its if one[2] in left] for grid, its in found.items()}
                assert there(session, layer, at) == covered(session, layer, at, of_these), (layer.code, at, cause)


def candidates(session: Session, layer: Layer, at: datetime) -> list[Candidate]:
    """Return the grids of a layer in force."""
    version = GridVersion
    wanted = select(version.grid_id, version.unit_id).where(
        version.layer_id == layer.id, version.valid.op("@>")(at), func.upper_inf(version.recorded)
    )
    nowhere, plane = Polygon(), Plane(120.0)
    return [
        Candidate(GridRef(row[0], "", "", "", None, None), layer.id, row[1], nowhere, plane)
        for row in session.execute(wanted)
    ]


def there(session: Session, layer: Layer, at: datetime) -> dict[int, bool]:
    """Return of each grid whether a look-up names anybody who covers it."""
    facts = StoredFacts(session, Moment(at))
    told = duties(facts, candidates(session, layer, at), at, ZONE, soon=False)
    return {grid: one.response is not None and one.response.covering is not None for grid, one in told.items()}


def covered(session: Session, layer: Layer, at: datetime, found: Found) -> dict[int, bool]:
    """Return of each grid whether an instant is in none of its gaps."""
    return {
        one.grid.id: not any(start <= at < end for start, end, _ in found.get(one.grid.id, []))
        for one in candidates(session, layer, at)
    }
