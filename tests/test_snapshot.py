"""What is held in memory answers like PostGIS, for everybody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from geoalchemy2.shape import from_shape
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from spatial.access import Actor, Grant
from spatial.access.scopes import reach_of
from spatial.db import Database, Reach, open_version
from spatial.errors import Conflict
from spatial.lookup import stored
from spatial.lookup.area import AreaQuestion, circle
from spatial.lookup.memory import View
from spatial.lookup.model import Question
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import AFTER, Snapshot
from spatial.tables import SRID, Finding, Layer, StaffingRule
from spatial.time import now, since
from tests.build import HOUR, World, build, cell, middle
from tests.plain import hold_plain

COLUMNS = 6
STATIONS = ("S1", "S2", "S3")


@contextmanager
def reaching(session: Session, reach: Reach | None) -> Iterator[None]:
    """Let what is asked inside see no more than somebody of a reach."""
    session.info["reach"] = reach
    if reach is not None:
        for name, value in reach.said.items():
            session.execute(select(func.set_config(name, value, True)))
    try:
        yield
    finally:
        session.execute(text("RESET ROLE"))
        session.info["reach"] = None


class Planner:
    """Fills a world by dice: who belongs to whom, who serves when, what is redrawn, what goes wrong."""

    def __init__(self, session: Session, dice: Random, base: datetime) -> None:
        self.world = World(session)
        self.session = session
        self.dice = dice
        self.base = base
        self.units: dict[str, int] = {}
        self.grids: list[int] = []
        self.layer_of: dict[int, int] = {}

    def hour(self) -> datetime:
        """Return an instant about the base."""
        return self.base + self.dice.randrange(-30, 90) * HOUR

    def span(self, longest_h: int = 40) -> tuple[datetime, datetime]:
        """Return a span about the base."""
        begin = self.hour()
        return begin, begin + self.dice.randrange(1, longest_h) * HOUR

    def fill(self) -> None:
        """Make layers, units, grids, people, shifts."""
        world, dice = self.world, self.dice
        world.deployment()
        police, other = world.layer("police"), world.layer("other", position=2)
        self.session.execute(Layer.__table__.update().values(visibility="internal"))
        if dice.random() < 0.3:
            self.session.execute(Layer.__table__.update().where(Layer.id == other).values(visibility="public"))
        world.step(police, 1, "own", "grid_shift")
        world.step(police, 2, "station", "unit_shift", unit_path=[])
        world.step(police, 3, "beside", "neighbour_shift", cover=False)
        world.step(police, 4, "desk", "unit_desk", cover=False)
        self._units()
        for layer, rows in ((police, 2), (other, 1)):
            for column in range(COLUMNS):
                for row in range(rows):
                    unit = self.units[dice.choice(STATIONS)] if dice.random() < 0.95 else None
                    self._grid(layer, f"{layer}-{column}{row}", column, row, unit)
        self._faults(police)
        for n in range(dice.randrange(6)):
            self._override((police, other), f"override-{n}")
        theft = world.category("theft", world.category("crime"))
        for kind, role in (("station", "lead"), ("street", "joint"), ("bureau", "joint")):
            world.answers_for(theft, kind, role, hours=2)
        self._people()

    def _units(self) -> None:
        world, dice = self.world, self.dice
        self.units["B"] = world.unit("B", kind="bureau")
        self.units["street"] = world.unit("street", kind="street", tree="governance")
        for station in STATIONS:
            self.units[station] = world.unit(station, contacts={"desk": station, "phone": "0571-0000-0100"})
            world.link(self.units[station], self.units["B"], "command")
        for station in dice.sample(STATIONS, 2):
            world.link(self.units[station], self.units["street"], "serves")

    def _grid(self, layer: int, code: str, column: int, row: int, unit: int | None) -> None:
        """Make a grid; now and then one that changes its unit, ends, or lies askew."""
        shape = cell(column, row, width=self.dice.choice((1, 1, 1, 1, 2)))
        change = self.hour() if self.dice.random() < 0.4 else None
        grid = self.world.grid(layer, code, shape, unit, valid=since(self.world.valid.lower, change))
        if change and self.dice.random() < 0.8:
            after = self.units[self.dice.choice(STATIONS)]
            self.world.version(grid, layer, code, cell(column, row), after, valid=since(change))
        self.grids.append(grid)
        self.layer_of[grid] = layer

    def _override(self, layers: tuple[int, int], code: str) -> None:
        """Give an area to some grid for some time: now and then one across borders, or outside of everything."""
        dice = self.dice
        layer = dice.choice(layers)
        grid = dice.choice([grid for grid in self.grids if self.layer_of[grid] == layer])
        column, row = dice.uniform(-1, COLUMNS - 1), dice.choice((-0.4, 0.3, 0.0))
        valid = self.world.valid if dice.random() < 0.5 else since(*self.span(90))
        times = {"valid": valid, "priority": dice.choice((1, 2))}
        self.world.override(grid, layer, code, shifted(column, row), **times)

    def _faults(self, layer: int) -> None:
        for n in range(self.dice.randrange(3)):
            shape = from_shape(cell(self.dice.randrange(-1, COLUMNS), self.dice.randrange(3)), srid=SRID)
            row = {
                "kind": self.dice.choice(("gap", "overlap")),
                "area_m2": 5.0 + n,
                "grids": ["x"],
                "severity": "fault",
            }
            times = {"valid": since(*self.span()), "recorded": since(open_version(self.session, "areas"))}
            self.session.execute(insert(Finding).values(layer_id=layer, geom=shape, **row, **times))

    def _people(self) -> None:
        world, dice = self.world, self.dice
        officers = {
            world.officer(
                f"{n:03}", self.units[dice.choice(STATIONS)], kind=dice.choice(("community_officer", "auxiliary"))
            ): n
            for n in range(8)
        }
        people = list(officers)
        teams = [world.team(f"T{n}", self.units[dice.choice(STATIONS)], dice.sample(people, 2)) for n in range(2)]
        for officer in people[:6]:
            begin, end = self.span(80)
            role = dice.choice(("deputy", "assist"))
            world.assign(officer, dice.choice(self.grids), role, valid=since(begin, dice.choice((None, end))))
            if dice.random() < 0.4:
                world.leave(officer, *self.span())
        for _ in range(14):
            with suppress(Conflict), self.session.begin_nested():  # nobody is on two shifts at once
                self._shift(people, teams)
        if dice.random() < 0.5:
            rule = {"code": "R", "required": 1, "auxiliaries_suffice": True, "minute_from": 600, "minute_to": 1200}
            times = {"valid": since(*self.span()), "recorded": since(open_version(self.session, "duty"))}
            self.session.execute(insert(StaffingRule).values(grid_id=dice.choice(self.grids), **rule, **times))

    def _shift(self, people: list[int], teams: list[int]) -> None:
        world, dice = self.world, self.dice
        who: dict[str, Any] = (
            {"officer": dice.choice(people)} if dice.random() < 0.7 else {"team": dice.choice(teams), "kind": "patrol"}
        )
        where: dict[str, Any] = (
            {"grids": dice.sample(self.grids, 2)}
            if dice.random() < 0.7
            else {"units": [self.units[dice.choice((*STATIONS, "street"))]]}
        )
        begin, end = self.span(14)
        actual = since(begin + HOUR, end + HOUR) if dice.random() < 0.2 else None
        shift = world.shift(self.units[dice.choice(STATIONS)], begin, end, actual=actual, **who, **where)
        if dice.random() < 0.3:
            world.event(shift, dice.choice(("no_show", "committed", "present")), begin, begin + 3 * HOUR)


def shifted(column: float, row: float) -> BaseGeometry:
    """Return a cell that need not lie where cells do."""
    (lon, lat), (lon_0, lat_0) = middle(column, row), middle(0, 0)
    return translate(cell(0, 0), lon - lon_0, lat - lat_0)


def reaches(session: Session, units: dict[str, int]) -> list[Reach | None]:
    """Return how far some people reach: over all, one layer, a station, a street, two stations in one layer."""
    grants = (
        (Grant("viewer"),),
        (Grant("viewer", layers=("other",)),),
        (Grant("viewer", units["S1"]),),
        (Grant("viewer", units["street"]),),
        (Grant("viewer", units["S1"], ("police",)), Grant("viewer", units["S2"], ("police",))),
    )
    return [reach_of(session, Actor("somebody", {}, one), "look-up") for one in grants]


def seeds(most: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of a law of so many worlds; a seed that is smaller makes no smaller world."""
    health = [HealthCheck.function_scoped_fixture]
    how = settings(max_examples=most, deadline=None, suppress_health_check=health, phases=[Phase.generate])
    return lambda law: how(given(seed=st.integers(0, 2**32))(law))


@seeds(12)
def test_memory_answers_like_postgis_for_everybody(empty_database: Database, seed: int) -> None:
    """Whatever the areas and rosters, who asks, where and for when: memory and PostGIS say the same to the letter."""
    hold(empty_database, seed)


@pytest.mark.proof
@seeds(80)
def test_memory_answers_like_postgis_in_many_worlds(empty_database: Database, seed: int) -> None:
    """The same in more of them."""
    hold(empty_database, seed)


def hold(empty_database: Database, seed: int) -> None:
    """Compare memory with PostGIS in one world."""
    dice, present = Random(seed), now()
    base = present.replace(minute=0, second=0, microsecond=0)
    with empty_database.trial() as session:
        planner = Planner(session, dice, base)
        planner.fill()
        snapshot = Snapshot.read(session, present)
        for reach in reaches(session, planner.units):
            view = View(snapshot, Sight.of(reach))
            instants = sorted(present + timedelta(minutes=dice.randrange(-700, 47 * 60)) for _ in range(4))
            for at in (present, *instants):
                place = middle(dice.uniform(-1, COLUMNS), dice.choice((-0.5, 0.2, 0.5, 1.1)))
                question = Question(*place, at, accuracy_m=dice.choice((1.0, 60.0, 150.0)), category="theft")
                with reaching(session, reach):
                    assert view.answer(question, present) == stored.answer(session, question)
                    area = AreaQuestion(circle(*place, dice.uniform(5, 300)), at, most=3)
                    assert view.area_shares(area, present) == stored.area_shares(session, area)
                hold_plain(view, replace(question, category=None), present)


def test_what_did_not_change_is_kept(empty_database: Database) -> None:
    """A newer snapshot reads again the domains that have a newer version, and shifts once its days run out."""
    present = now()

    def read(at: datetime, before: Snapshot | None = None) -> Snapshot:
        with empty_database.read() as session:
            return Snapshot.read(session, at, before)

    build(empty_database, lambda world: world.deployment())
    first = read(present)
    assert read(present + HOUR, first) is first
    build(empty_database, lambda world: world.unit("S1"))
    second = read(present + HOUR, first)
    assert (second.areas is first.areas, second.duty is first.duty) == (False, True)
    build(empty_database, lambda world: world.officer("001", 1))
    third = read(present + HOUR, second)
    assert (third.areas is second.areas, third.duty is second.duty) == (True, False)
    later = read(present + AFTER, third)
    assert (later.areas is third.areas, later.duty is third.duty) == (True, False)
    assert later.holds(present + AFTER)
    assert not third.holds(present + AFTER)
