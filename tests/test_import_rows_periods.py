"""Rows that say from when and until when they hold."""

from datetime import UTC, datetime
from typing import Any

import pytest

from spatial.db import Database
from tests.build import World, build, cell
from tests.rows import counts, faults, rows, stored, take

MAY, JUNE, JULY, AUGUST, SEPTEMBER = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8, 9))


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with a station, a grid and three officers."""

    def fill(world: World) -> None:
        world.deployment()
        unit = world.unit("S1")
        world.grid(world.layer("police"), "A", cell(0, 0), unit)
        for number in ("001", "002", "003"):
            world.officer(number, unit)

    build(empty_database, fill)
    return empty_database


def officer(name: str = "甲", **columns: Any) -> dict[str, Any]:
    told = {"number": "009", "name": name, "kind": "duty_police", "unit": "S1"} | columns
    return {column: [value] for column, value in told.items()}


def until(at: datetime) -> dict[str, str]:
    return {"until": at.isoformat()}


def since(at: datetime) -> dict[str, str]:
    return {"from": at.isoformat()}


def names(database: Database, *moments: datetime) -> list[str]:
    """Return what officer 009 is called at some moments."""
    found = [[row[1] for row in rows(stored(database, "officers", at)) if row[0] == "009"] for at in moments]
    return ["".join(one) for one in found]


def test_a_later_end_extends_what_is_stored(small: Database) -> None:
    """What was to end in July and is told to end in September does, and telling it again changes nothing."""
    take(small, "officers", officer(**until(JULY)), at=MAY)
    outcome = take(small, "officers", officer(**until(SEPTEMBER)), at=JUNE)
    assert (counts(outcome), outcome.changes[0].differs) == ({"changed": 1}, ("until",))
    assert names(small, JULY, AUGUST, SEPTEMBER) == ["甲", "甲", ""]
    assert counts(take(small, "officers", officer(**until(SEPTEMBER)), at=JUNE)) == {"same": 1}


def test_nothing_is_extended_beyond_the_next_change_on_record(small: Database) -> None:
    """The change of August stands; up to it nothing differs."""
    take(small, "officers", officer(), at=MAY)
    take(small, "officers", officer("乙"), at=AUGUST)
    assert counts(take(small, "officers", officer(**until(SEPTEMBER)), at=JUNE)) == {"same": 1}
    assert names(small, JUNE, AUGUST, SEPTEMBER) == ["甲", "乙", "乙"]


@pytest.mark.parametrize("end", [MAY, JUNE])
def test_a_row_ends_after_it_begins(small: Database, end: datetime) -> None:
    """An end before the start, or at it, is a fault of that row: of a new one and of one that is known."""
    wrong = [(2, "until", "ends-before-start")]
    assert faults(take(small, "officers", officer(**since(JUNE), **until(end)), at=MAY)) == wrong
    take(small, "officers", officer(), at=MAY)
    assert faults(take(small, "officers", officer("乙", **until(end)), at=JUNE)) == wrong


def assigned(officers: list[str], roles: list[str], **columns: Any) -> dict[str, Any]:
    count = len(officers)
    return {"officer": officers, "layer": ["police"] * count, "grid": ["A"] * count, "role": roles, **columns}


def test_what_remains_of_a_changed_row_is_a_rival_too(small: Database) -> None:
    """Whoever leads until July cannot be joined by another lead in June."""
    take(small, "assignments", assigned(["001"], ["lead"]), at=MAY)
    both = assigned(["001", "002"], ["assist", "lead"], **{"from": [JULY.isoformat(), JUNE.isoformat()]})
    assert faults(take(small, "assignments", both, at=AUGUST)) == [(3, "grid", "two-leads")]
    ended = assigned(["002"], ["lead"], **{"from": [JUNE.isoformat()]})
    outcome = take(small, "assignments", ended, at=AUGUST, complete=True)
    assert faults(outcome) == [(2, "grid", "two-leads")]


def test_the_members_of_a_team_hold_from_one_instant(small: Database) -> None:
    """Members have a history of their own, so a row of a team does not say by itself from when it holds."""
    team = {
        "code": ["T"],
        "name": ["队"],
        "kind": ["squad"],
        "call_sign": ["泰山"],
        "unit": ["S1"],
        "from": ["2025-06-01"],
    }
    assert faults(take(small, "teams", team, at=MAY)) == [(None, "from", "column-unknown")]


def test_a_cancelled_shift_is_not_meant_where_another_one_stands(small: Database) -> None:
    """A roster without the numbers of shifts means the one that is planned; without another, the cancelled one."""
    shift = {
        "shift": ["7f6b2e1c-0000-4000-8000-000000000001"], "officer": ["001"], "kind": ["duty"], "unit": ["S1"],
        "start": ["2025-05-01T08:00:00+08:00"], "end": ["2025-05-01T18:00:00+08:00"],
    }  # fmt: skip
    unnamed = {name: values for name, values in shift.items() if name != "shift"}
    take(small, "shifts", shift | {"state": ["cancelled"]}, at=MAY)
    assert counts(take(small, "shifts", unnamed, at=MAY)) == {"same": 1}
    other = shift | {"shift": ["7f6b2e1c-0000-4000-8000-000000000002"], "state": ["planned"]}
    take(small, "shifts", other, at=MAY)
    outcome = take(small, "shifts", unnamed | {"end": ["2025-05-01T20:00:00+08:00"]}, at=MAY)
    assert counts(outcome) == {"changed": 1}
    states = sorted((row[9], row[6].hour) for row in rows(stored(small, "shifts", MAY)))
    assert states == [("cancelled", 10), ("planned", 12)]
