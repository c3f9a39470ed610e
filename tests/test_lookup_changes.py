"""What changes at a place, and when: complete, in order, and in sentences."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from spatial.db import Database, open_version
from spatial.history import cut
from spatial.lookup import stored
from spatial.lookup.changes import Changes, aspects, changes
from spatial.lookup.model import Question
from spatial.tables import GridVersion
from spatial.time import now, since
from tests.access_world import Precinct
from tests.build import HOUR, T0, World, build, cell, middle
from tests.test_lookup import Ids, four_grids, make
from tests.test_lookup_receipts import asking, client

__all__ = ["client"]


def a_day(world: World, ids: Ids) -> None:
    """Let A have an officer from two to ten, on leave an hour before noon."""
    four_grids(world, ids)
    world.step(ids["layer"], 1, "own", "grid_shift")
    officer = world.officer("001", ids["station"])
    world.assign(officer, ids["A"])
    world.shift(ids["station"], T0 + 2 * HOUR, T0 + 10 * HOUR, officer=officer, grids=[ids["A"]])
    world.leave(officer, T0 + 11 * HOUR, T0 + 12 * HOUR)
    ids["other"] = world.unit("S2")


def handed_over(world: World, ids: Ids) -> None:
    """Give A to the other unit from six on."""
    held = world.session.scalars(select(GridVersion.id).where(GridVersion.grid_id == ids["A"])).all()
    cut(world.session, GridVersion, held, since(T0 + 6 * HOUR), open_version(world.session, "areas"))
    world.version(ids["A"], ids["layer"], "A", cell(0, 1), ids["other"], valid=since(T0 + 6 * HOUR))


def make_a_day(database: Database) -> None:
    """Store both."""
    ids = make(database, a_day)
    build(database, lambda world: handed_over(world, ids))


def found(database: Database, begin: datetime, end: datetime) -> Changes:
    """Return what changes in the middle of A."""
    with database.read() as session:
        return changes(lambda at: stored.answer(session, Question(*middle(0, 1), at)), begin, end)


def test_every_change_is_told_once_and_in_order(empty_database: Database) -> None:
    """With what it is of: who is on duty, whose the grid is, who is away."""
    make_a_day(empty_database)
    told = found(empty_database, T0, T0 + 24 * HOUR)
    assert [(round((one.at - T0) / HOUR), set(one.what)) for one in told.rows] == [
        (2, {"on_duty", "responders"}),
        (6, {"units"}),
        (10, {"on_duty", "responders"}),
        (11, {"responsible"}),
        (12, {"responsible"}),
    ]
    assert told.until == T0 + 24 * HOUR
    assert [one.after.units[0].code for one in told.rows if "units" in one.what] == ["S2"]


def test_between_two_changes_nothing_changes(empty_database: Database) -> None:
    """Each minute of the day says what the changes say."""
    make_a_day(empty_database)
    told = found(empty_database, T0, T0 + 24 * HOUR)
    states = [(T0, aspects(told.first.layers[0])), *((one.at, aspects(one.after)) for one in told.rows)]
    with empty_database.read() as session:
        for minute in range(0, 24 * 60, 7):
            at = T0 + timedelta(minutes=minute)
            layer = stored.answer(session, Question(*middle(0, 1), at)).layers[0]
            expected = [state for begin, state in states if begin <= at][-1]
            assert aspects(layer) == expected, at


def test_over_http_and_the_rest_is_asked_for(
    precinct: Precinct, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where very much changes the first part is told, and from when to ask on; both parts are the whole."""
    lon, lat = middle(0, 0)
    begin = now() - HOUR
    span = {"from": begin.isoformat(), "to": (begin + 5 * HOUR).isoformat()}

    def fill(world: World, ids: Ids) -> None:
        for n in range(4):
            start = begin + timedelta(minutes=30 + 60 * n)
            ids_ = precinct.ids
            world.shift(ids_["S1"], start, start + HOUR / 2, officer=ids_["officer-S1"], grids=[ids_["A"]])

    make(precinct.database, fill)

    def ask(**more: Any) -> dict[str, Any]:
        said = client.get("/lookup/changes", params={"lon": lon, "lat": lat, **span, **more}, headers=asking(precinct))
        assert said.status_code == 200, said.text
        body: dict[str, Any] = said.json()
        return body

    whole = ask()
    assert len({one["at"] for one in whole["changes"]}) == 8
    assert whole["next"] is None
    assert all(one["told"] for one in whole["changes"])
    monkeypatch.setattr("spatial.lookup.changes.MOST_ASKED", 4)
    first = ask()
    assert first["next"] is not None
    rest, parts = first, list(first["changes"])
    while rest["next"]:
        rest = ask(**{"from": rest["next"]})
        parts += [*rest["changes"]]
    assert {one["at"] for one in parts} < {one["at"] for one in whole["changes"]}
    assert rest["until"] == whole["until"]


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "to"),
        ({"from": "tomorrow"}, "from"),
        ({"known_at": "2100-01-01T00:00:00Z"}, "known_at"),
        ({"start": "2026-01-01T00:00:00Z"}, "start"),
    ],
)
def test_what_is_no_span_is_refused(precinct: Precinct, client: TestClient, params: dict[str, str], where: str) -> None:
    """With the parameter at fault."""
    lon, lat = middle(0, 0)
    refused = client.get("/lookup/changes", params={"lon": lon, "lat": lat, **params}, headers=asking(precinct))
    assert (refused.status_code, refused.json()["faults"][0]["where"]) == (400, where), refused.text
