"""What an import changes holds from its effective instant on; what was known before stays known."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from spatial.db import Database, open_version
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options
from spatial.imports.service import take_rows
from spatial.imports.subjects import SUBJECTS
from spatial.time import now
from tests.build import World, build, cell
from tests.rows import ACTOR, AT, ZONE, counts, faults, rows, source_of, stored, take, versions_of

MAY, JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6, 7))


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with two stations and a grid."""

    def fill(world: World) -> None:
        world.deployment()
        for code in ("S1", "S2"):
            unit = world.unit(code)
        world.grid(world.layer("police"), "A", cell(0, 0), unit)

    build(empty_database, fill)
    return empty_database


def officer(name: str, unit: str = "S1", number: str = "001") -> dict[str, Any]:
    return {"number": [number], "name": [name], "kind": ["duty_police"], "unit": [unit]}


def names(database: Database, at: datetime, known_at: datetime | None = None) -> list[str]:
    return [row[1] for row in rows(stored(database, "officers", at, known_at))]


def test_a_change_holds_from_its_instant_until_the_next_on_record(small: Database) -> None:
    """A name of June that comes after one of July is known holds for June alone."""
    take(small, "officers", officer("甲"), at=MAY)
    take(small, "officers", officer("丙"), at=JULY)
    before = now()
    take(small, "officers", officer("乙"), at=JUNE)
    moments = (MAY - timedelta(1), MAY, JUNE, JULY - timedelta(seconds=1), JULY)
    assert [names(small, at) for at in moments] == [[], ["甲"], ["乙"], ["乙"], ["丙"]]
    assert names(small, JUNE, known_at=before) == ["甲"]


def test_a_row_may_say_itself_from_when_and_until_when_it_holds(small: Database) -> None:
    """`from` goes before the effective instant of the file; after `until` there is nothing."""
    june = {"from": ["2025-06-01T00:00:00Z"], "until": ["2025-07-01T00:00:00Z"]}
    take(small, "officers", officer("甲") | june, at=MAY)
    assert [names(small, at) for at in (MAY, JUNE, JULY)] == [[], ["甲"], []]
    again = take(small, "officers", officer("甲") | {"until": ["2025-07-01T00:00:00Z"]}, at=JUNE)
    assert counts(again) == {"same": 1}


def test_what_a_complete_file_lacks_ends_and_may_come_back(small: Database) -> None:
    """An officer who is missing from the whole list is gone from then on; in a later list it is the same one."""
    first, second = officer("甲"), officer("乙", number="002")
    both = {name: [*first[name], *second[name]] for name in first}
    take(small, "officers", both, at=MAY)
    outcome = take(small, "officers", officer("甲"), at=JUNE, complete=True)
    assert counts(outcome) == {"same": 1, "ended": 1}
    assert [one.key for one in outcome.changes] == [("002",)]
    assert [names(small, at) for at in (MAY, JUNE)] == [["甲", "乙"], ["甲"]]
    assert counts(take(small, "officers", both, at=JULY)) == {"same": 1, "new": 1}
    with small.read() as session:
        assert session.scalar(text("SELECT count(*) FROM officer")) == 2


def test_a_dry_run_says_the_same_and_writes_nothing(small: Database) -> None:
    """What would happen is what then happens."""
    before = versions_of(small)
    dry = take(small, "officers", officer("甲"), commit=False)
    assert versions_of(small) == before
    wet = take(small, "officers", officer("甲"))
    assert (counts(dry), dry.changes) == (counts(wet), wet.changes)
    assert len(versions_of(small)) == len(before) + 1


def test_a_dry_run_lets_others_write(small: Database) -> None:
    """While somebody looks at what a file would do, duty goes on being recorded."""
    with small.trial() as trying:
        options = Options(AT, ZONE)
        take_rows(trying, ACTOR, SUBJECTS["officers"], source_of(officer("甲")), Mapping(), options, commit=False)
        with small.write() as session:
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
            open_version(session, "duty")


def test_members_come_and_go_with_the_team(small: Database) -> None:
    """A team's members are those of its latest list; who left was in it before."""
    for number in ("001", "002", "003"):
        take(small, "officers", officer(number, number=number), at=MAY)
    team = {"code": ["T"], "name": ["一队"], "kind": ["squad"], "call_sign": ["泰山"], "unit": ["S1"]}
    take(small, "teams", team | {"members": ["001;002"]}, at=MAY)
    outcome = take(small, "teams", team | {"members": ["002、003"]}, at=JUNE)
    assert outcome.changes[0].differs == ("members",)
    listed = [rows(stored(small, "teams", at))[0][-1] for at in (MAY, JUNE)]
    assert listed == ["001;002", "002;003"]
    take(small, "teams", team, at=JULY)
    assert rows(stored(small, "teams", JULY))[0][-1] == "002;003"


def test_a_parent_is_changed_not_added(small: Database) -> None:
    """A unit has one commander at a time: another one takes its place."""
    branches = {"code": ["B1", "B2"], "name": ["甲", "乙"], "kind": ["branch"] * 2, "tree": ["police"] * 2}
    take(small, "units", branches, at=MAY)
    take(small, "links", {"unit": ["S1"], "to": ["B1"], "kind": ["command"]}, at=MAY)
    outcome = take(small, "links", {"unit": ["S1"], "to": ["B2"], "kind": ["command"]}, at=JUNE)
    assert (counts(outcome), outcome.changes[0].differs) == ({"changed": 1}, ("to",))
    assert [rows(stored(small, "links", at))[0][1] for at in (MAY, JUNE)] == ["B1", "B2"]


def test_an_incident_is_corrected_by_a_new_version(small: Database) -> None:
    """The same number of the same source is the same incident; what was known before its correction stays known."""
    noise = {"code": ["noise"], "title": ["噪声"], "police_matter": ["否"], "priority": [4], "handling_minutes": [30]}
    take(small, "categories", noise)
    take(small, "sources", {"code": ["110"], "title": ["接警"], "expected_interval": ["1h"]})
    two = {
        "source": ["110", "110"], "external_id": ["a", "b"], "category": ["noise"] * 2,
        "lon": [120.27] * 2, "lat": [30.3] * 2, "at": ["2025-03-03 08:00", "2025-04-03 08:00"],
    }  # fmt: skip
    assert counts(take(small, "incidents", source_of(two))) == {"new": 2}
    before, known = now(), versions_of(small)
    assert counts(take(small, "incidents", source_of(two))) == {"same": 2}
    assert versions_of(small) == known
    moved = two | {"at": ["2025-03-03 08:00", "2025-05-03 08:00"]}
    outcome = take(small, "incidents", source_of(moved))
    assert (counts(outcome), outcome.changes[0].differs) == ({"same": 1, "changed": 1}, ("at",))
    months = [[row[3].month for row in rows(stored(small, "incidents", AT, when))] for when in (before, None)]
    assert months == [[3, 4], [3, 5]]


FOREVER = 10**6


def test_a_complete_roster_is_complete_for_its_units_and_days(small: Database) -> None:
    """Of the shifts that a station's week lacks those of that week and station end, no others."""
    for number, unit in (("001", "S1"), ("002", "S2")):
        take(small, "officers", officer(number, unit, number), at=MAY)
    days = [f"2025-06-0{day}" for day in (2, 3, 4, 9)]
    shifts = {
        "officer": ["001"] * 4 + ["002"], "kind": ["duty"] * 5, "unit": ["S1"] * 4 + ["S2"],
        "start": [f"{day} 08:00" for day in (*days, days[1])], "end": [f"{day} 20:00" for day in (*days, days[1])],
    }  # fmt: skip
    take(small, "shifts", shifts, at=MAY)
    week = {name: [values[0], values[2]] for name, values in shifts.items()}
    outcome = take(small, "shifts", week, at=MAY, complete=True)
    assert counts(outcome) == {"same": 2, "ended": 1}
    assert len(rows(stored(small, "shifts"))) == 4


NAMES = st.sampled_from(["甲", "乙", "丙"])
STEPS = st.lists(
    st.tuples(
        st.integers(0, 8),  # days from May
        st.dictionaries(st.sampled_from(["001", "002"]), st.tuples(NAMES, st.sampled_from(["S1", "S2"])), min_size=1),
        st.booleans(),  # the whole list
    ),
    min_size=1,
    max_size=6,
)


LETTERS = str.maketrans("0123456789", "ghijklmnop")  # a number without digits: none reads as a phone
Version = tuple[int, int, Any]  # from a day until a day: what holds


def told(versions: list[Version], day: int, value: Any) -> list[Version]:
    """Return the versions of one thing once it is told that a value (None: nothing) holds from a day on."""
    here = next((one for one in versions if one[0] <= day < one[1]), None)
    if (here[2] if here else None) == value:
        return versions
    kept = [one for one in versions if one is not here]
    end = here[1] if here else min((one[0] for one in versions if one[0] > day), default=FOREVER)
    if here and here[0] < day:
        kept.append((here[0], day, here[2]))
    return kept if value is None else [*kept, (day, end, value)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_order_of_imports_gives_the_history_that_it_tells(small: Database, steps: list[Any]) -> None:
    """Imports of any days in any order: on every day there is who was said to be there."""
    model: dict[str, list[Version]] = {}
    mark = uuid4().hex.translate(LETTERS)  # officers of this example
    for day, listed, complete in steps:
        columns = {
            "number": [mark + number for number in listed], "name": [name for name, _ in listed.values()],
            "kind": ["duty_police"] * len(listed), "unit": [unit for _, unit in listed.values()],
        }  # fmt: skip
        outcome = take(
            small, "officers", columns, at=MAY + timedelta(days=day), complete=complete,
            may_end_most=True,  # those of all examples before, too
        )  # fmt: skip
        assert faults(outcome) == []
        for number in {*model, *listed} if complete else listed:
            model[number] = told(model.get(number, []), day, listed.get(number))
    for when in range(10):
        there = {
            row[0].removeprefix(mark): (row[1], row[3])
            for row in rows(stored(small, "officers", MAY + timedelta(days=when)))
            if row[0].startswith(mark)
        }
        expected = {
            number: value for number, versions in model.items() for start, end, value in versions if start <= when < end
        }
        assert there == expected, when
