"""Cases at the edge, each by itself: a grid, a station, and who is where."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from spatial.db import Database, open_version
from spatial.duty.coverage import Coverage
from spatial.duty.listing import Gap, Wanted, gap_list
from spatial.tables import StaffingRule
from spatial.time import Period, since
from tests.build import HOUR, T0, World, cell

DAY = timedelta(days=1)


class Post(World):
    """A grid of a station, whose layer takes shifts in the grid as cover, and the station's crew."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.deployment()
        self.police = self.layer("police")
        self.step(self.police, 1, "own", "grid_shift", shift_kinds=["grid", "patrol"])
        self.step(self.police, 2, "crew", "unit_shift", shift_kinds=["duty"])
        self.station = self.unit("S1")
        self.a = self.grid(self.police, "A", cell(0, 0), self.station)
        self.officers = iter([self.officer(f"{n:03}", self.station) for n in range(5)])

    def on(self, start: float, end: float, **more: Any) -> int:
        """Put somebody else on duty in the grid, from hour to hour."""
        where = {"grids": [self.a]} if "units" not in more else {}
        who = {} if {"team", "officer"} & more.keys() else {"officer": next(self.officers)}
        return self.shift(self.station, T0 + start * HOUR, T0 + end * HOUR, **(where | who | more))


@pytest.fixture
def post(empty_database: Database) -> Iterator[Post]:
    """Yield a world with nobody on duty."""
    with empty_database.trial() as session:
        yield Post(session)


def gaps(post: Post, *, end: datetime = T0 + DAY, planned: bool = False, zone: str = "Asia/Shanghai") -> list[Gap]:
    """Return the gaps of the grid over a day, the first one first."""
    coverage = Coverage(post.session, Period(T0, end), ZoneInfo(zone), planned=planned)
    return sorted(gap_list(coverage, Wanted(of="grids")), key=lambda gap: gap.start)


def told(found: list[Gap]) -> list[tuple[float, float, str]]:
    """Return gaps from hour to hour with their causes."""
    return [((gap.start - T0) / HOUR, (gap.end - T0) / HOUR, gap.cause) for gap in found]


def test_an_empty_roster_is_the_loudest(post: Post) -> None:
    """Nobody at all is one gap as long as what is asked of, and is told as such."""
    (gap,) = gaps(post)
    assert (gap.code, gap.cause, gap.length, gap.is_whole) == ("A", "unplanned", DAY, True)


def test_a_shift_lasts_past_midnight(post: Post) -> None:
    """One over night is one, and what is after it is a gap."""
    post.on(12, 30)
    assert told(gaps(post, end=T0 + 2 * DAY)) == [(0, 12, "unplanned"), (30, 48, "unplanned")]


def test_where_shifts_overlap_there_is_cover_once(post: Post) -> None:
    """At a handover two are there, and between two that meet there is no gap."""
    post.on(0, 9)
    post.on(8, 16)
    post.on(16, 24)
    assert gaps(post) == []


def test_a_patrol_inside_a_whole_day_of_duty_is_no_shift_more(post: Post) -> None:
    """The crew waits at the station all day, and is cover; whoever misses the whole misses its part."""
    officer = next(post.officers)
    whole = post.on(0, 24, officer=officer, kind="duty", units=[post.station])
    post.on(20, 24, officer=officer, kind="patrol", parent=whole)
    assert gaps(post) == []
    post.event(whole, "no_show", T0 + 18 * HOUR, T0 + 24 * HOUR)
    assert told(gaps(post)) == [(18, 24, "no_show")]


def test_leave_inside_a_shift_is_a_gap_of_its_length(post: Post) -> None:
    """Known beforehand, so planned as well as done."""
    officer = next(post.officers)
    post.on(0, 24, officer=officer)
    post.leave(officer, T0 + 9 * HOUR, T0 + 11 * HOUR, kind="training")
    assert told(gaps(post)) == told(gaps(post, planned=True)) == [(9, 11, "leave")]


def test_whoever_is_bound_elsewhere_was_planned(post: Post) -> None:
    """What comes up on the day is no gap of the plan."""
    shift = post.on(0, 24)
    post.event(shift, "committed", T0 + 3 * HOUR, T0 + 4 * HOUR)
    post.event(shift, "break", T0 + 12 * HOUR, T0 + 13 * HOUR)
    assert told(gaps(post, planned=True)) == [(12, 13, "break")]
    assert told(gaps(post)) == [(3, 4, "committed"), (12, 13, "break")]


def test_a_shift_that_began_late_is_a_no_show_until_then(post: Post) -> None:
    """What was done stands against what was planned."""
    shift = post.on(0, 24, actual=since(T0 + HOUR, T0 + DAY))
    post.cover(shift, post.a, T0, T0 + HOUR)
    assert told(gaps(post)) == [(0, 1, "no_show")]
    assert gaps(post, planned=True) == []


def test_a_team_is_there_while_one_of_it_is(post: Post) -> None:
    """It is gone when the last of its members is on leave."""
    one, other = next(post.officers), next(post.officers)
    post.on(0, 24, team=post.team("T", post.station, [one, other]), kind="patrol")
    post.leave(one, T0 + 6 * HOUR, T0 + 12 * HOUR)
    assert gaps(post) == []
    post.leave(other, T0 + 10 * HOUR, T0 + 20 * HOUR)
    assert told(gaps(post)) == [(10, 12, "leave")]


def test_auxiliaries_alone_are_no_cover_unless_a_rule_says_so(post: Post) -> None:
    """By the hours of the deployment's zone, overnight if need be."""
    post.on(0, 24, officer=post.officer("aux", post.station, kind="auxiliary"))
    assert told(gaps(post)) == [(0, 24, "unplanned")]
    rule = {"code": "R", "grid_id": post.a, "required": 1, "auxiliaries_suffice": True}
    hours = {"minute_from": 22 * 60, "minute_to": 30 * 60}  # in Shanghai: from 14:00 to 22:00 UTC
    times = {"valid": post.valid, "recorded": since(open_version(post.session, "duty"))}
    post.session.execute(insert(StaffingRule).values(**rule, **hours, **times))
    assert told(gaps(post)) == [(0, 14, "unplanned"), (22, 24, "unplanned")]


def test_several_grids_of_one_shift_are_covered_each(post: Post) -> None:
    """A joint post or an officer of several grids is one head, and cover of each."""
    b = post.grid(post.police, "B", cell(1, 0), post.station)
    post.shift(post.station, T0, T0 + DAY, officer=next(post.officers), grids=[post.a, b])
    assert gaps(post) == []


def test_secondment_leaves_the_origin(post: Post) -> None:
    """Whoever is lent elsewhere is away here."""
    officer = next(post.officers)
    post.on(0, 24, officer=officer)
    post.leave(officer, T0 - DAY, T0 + 2 * DAY, kind="secondment")
    (gap,) = gaps(post)
    assert (gap.cause, gap.is_whole) == ("leave", True)


def test_what_is_never_covered_for_several_reasons_is_never_covered(post: Post) -> None:
    """Half of the day on leave, half not on the roster: each part is told as a part of that."""
    officer = next(post.officers)
    post.on(0, 12, officer=officer)
    post.leave(officer, T0, T0 + DAY)
    assert [(gap.cause, gap.is_whole) for gap in gaps(post)] == [("leave", True), ("unplanned", True)]


@pytest.mark.parametrize(("zone", "start"), [("Asia/Shanghai", 14.0), ("Europe/Berlin", 21.0), ("UTC", 22.0)])
def test_hours_are_of_the_zone(post: Post, zone: str, start: float) -> None:
    """The same rule begins at another instant elsewhere."""
    post.on(0, 24, officer=post.officer("aux", post.station, kind="auxiliary"))
    rule = {"code": "R", "layer_id": post.police, "required": 1, "auxiliaries_suffice": True}
    times = {"valid": post.valid, "recorded": since(open_version(post.session, "duty"))}
    post.session.execute(insert(StaffingRule).values(**rule, minute_from=22 * 60, minute_to=24 * 60, **times))
    assert told(gaps(post, zone=zone))[0] == (0, start, "unplanned")


def test_a_grid_that_begins_within_the_time_is_asked_of_from_then(post: Post) -> None:
    """Nobody is missed where there is no grid yet."""
    post.on(0, 24)
    post.grid(post.police, "N", cell(2, 0), post.station, valid=since(T0 + 18 * HOUR))
    (gap,) = gaps(post)
    assert (gap.code, gap.start, gap.is_whole) == ("N", T0 + 18 * HOUR, True)
