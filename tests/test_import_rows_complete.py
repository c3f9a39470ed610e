"""What a complete file lacks ends: only that, and only where nothing else relies on it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from shapely import LineString

from api.imports_rows_text import teller
from spatial.db import Database
from tests.build import World, build, cell
from tests.rows import counts, faults, rows, source_of, stored, take, versions_of

MAY, JUNE, JULY, AUGUST = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8))


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with three stations; the first has a grid and an officer."""

    def fill(world: World) -> None:
        world.deployment()
        first, *_ = [world.unit(code) for code in ("S1", "S2", "S3")]
        world.grid(world.layer("police"), "A", cell(0, 0), first)
        world.officer("001", first)

    build(empty_database, fill)
    return empty_database


def officers(*numbers: str, name: str = "甲", **columns: Any) -> dict[str, Any]:
    count = len(numbers)
    usual = {
        "number": list(numbers), "name": [name] * count, "kind": ["duty_police"] * count, "unit": ["S1"] * count,
    }  # fmt: skip
    return usual | {column: [value] * count for column, value in columns.items()}


def units(*codes: str) -> dict[str, Any]:
    count = len(codes)
    return {
        "code": list(codes), "name": list(codes), "kind": ["station"] * count, "tree": ["police"] * count,
    }  # fmt: skip


def test_what_is_listed_since_long_ago_does_not_end(small: Database) -> None:
    """A row that speaks of an earlier version is about the same officer: what holds now goes on."""
    take(small, "officers", officers("001", "009"), at=MAY)
    take(small, "officers", officers("009", name="乙"), at=JULY)
    outcome = take(small, "officers", officers("001", "009", **{"from": MAY.isoformat()}), at=AUGUST, complete=True)
    assert counts(outcome) == {"same": 2}
    assert [row[:2] for row in rows(stored(small, "officers", AUGUST))] == [("001", "甲"), ("009", "乙")]


def test_a_complete_file_has_rows(small: Database) -> None:
    """A head alone is a mistake, not the end of everybody."""
    empty: dict[str, Any] = {name: [] for name in officers()}
    assert faults(take(small, "officers", source_of(empty), complete=True)) == [
        (None, "complete", "complete-without-rows"),
    ]


def test_the_end_of_most_is_confirmed(small: Database) -> None:
    """A file that was cut short ends nothing until somebody says that most of what is stored is to end."""
    numbers = [f"1{n:02d}" for n in range(30)]
    take(small, "officers", officers("001", *numbers), at=MAY)
    before = versions_of(small)
    cut = officers("001", *numbers[:5])
    assert faults(take(small, "officers", cut, at=JUNE, complete=True)) == [(None, None, "complete-ends-most")]
    assert versions_of(small) == before
    assert counts(take(small, "officers", cut, at=JUNE, complete=True, may_end_most=True)) == {"same": 6, "ended": 25}


def test_who_comes_back_later_is_told(small: Database) -> None:
    """A change on record for later stands: whoever ends now is there again from then on, and the import says so."""
    take(small, "officers", officers("001", "009"), at=MAY)
    take(small, "officers", officers("009", name="丙"), at=AUGUST)
    outcome = take(small, "officers", officers("001"), at=JULY, complete=True)
    assert counts(outcome) == {"same": 1, "ended": 1}
    assert [(note.text, note.values["count"]) for note in outcome.notes] == [("ended-comes-back", 1)]


def test_a_road_that_cannot_be_drawn_is_not_missing(small: Database) -> None:
    """A row that is left out for its line is in the file all the same."""
    lines = [LineString([(120.27, 30.3), (120.28, 30.3)]), LineString([(120.27, 30.31), (120.28, 30.31)])]
    two = {"code": ["r1", "r2"], "class": ["arterial"] * 2}
    take(small, "roads", source_of(two, lines))
    point = LineString([(120.27, 30.31), (120.27, 30.31)])
    outcome = take(small, "roads", source_of(two, [lines[0], point]), complete=True)
    assert (counts(outcome), [note.text for note in outcome.notes]) == ({"same": 2}, ["line-without-length"])
    assert counts(take(small, "roads", source_of({"code": ["r3"], "class": ["arterial"]}, [point]))) == {}


def test_a_unit_that_is_still_named_does_not_end(small: Database) -> None:
    """Officers and grids keep the station they belong to; the one nobody names ends."""
    outcome = take(small, "units", units("S2"), at=AUGUST, complete=True)
    assert {(fault.text, fault.values["code"]) for fault in outcome.faults} == {("still-used", "S1")}
    told = {lang: {teller(lang).fault(fault) for fault in outcome.faults} for lang in ("en", "zh-CN")}
    assert told["en"] == {
        f"“S1” is not in the file but is still referred to by {by}, so it cannot be deleted."
        for by in ("officers", "grids")
    }
    assert told["zh-CN"] == {f"“S1”不在文件中，但仍被{by}引用，不能删除。" for by in ("人员", "网格")}
    outcome = take(small, "units", units("S1", "S2"), at=AUGUST, complete=True)
    assert (faults(outcome), outcome.counts["ended"]) == ([], 1)


def test_a_team_ends_with_its_members(small: Database) -> None:
    """Who belongs to a team does not keep it."""
    team = {
        "code": ["T1", "T2"],
        "name": ["队"] * 2,
        "kind": ["squad"] * 2,
        "call_sign": ["泰山"] * 2,
        "unit": ["S1"] * 2,
    }
    take(small, "teams", team | {"members": ["001", None]}, at=MAY)
    rest = {name: values[1:] for name, values in team.items()}
    assert counts(take(small, "teams", rest, at=JUNE, complete=True)) == {"same": 1, "ended": 1}
