"""Gaps that were planted are found with their causes, and no others."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from fastapi.testclient import TestClient

from spatial.access import operator
from spatial.db import Database
from spatial.duty.coverage import Coverage
from spatial.duty.listing import Gap, Wanted, gap_list, place_in_list
from spatial.redraw import operations as asked
from spatial.redraw import queries, service
from spatial.redraw.draft import Draft
from spatial.time import Period, now
from tests.conftest import TEST_DATA, City
from tests.test_redraw_findings import bring_into_force

ZONE = ZoneInfo("Asia/Shanghai")
ClientAs = Callable[..., TestClient]


@pytest.fixture(scope="module")
def truth(town: Database) -> dict[str, Any]:
    """Return what was planted in the town."""
    found: dict[str, Any] = orjson.loads((TEST_DATA / "truth.json").read_bytes())
    return found


def span_of(one: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the ends of a planted fact."""
    return datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["until"])


def gaps(database: Database, first: datetime, last: datetime, wanted: Wanted, *, planned: bool = False) -> list[Gap]:
    """Return the gaps of a time."""
    with database.read() as session:
        return list(gap_list(Coverage(session, Period(first, last), ZONE, planned=planned), wanted))


def test_the_towns_gaps_are_found(town: Database, truth: dict[str, Any]) -> None:
    """A grid that nobody ever has, an area without its squad by night, an hour without any crew at the station."""
    first, last = span_of(truth["rosters"])
    kinds = ("nobody-ever", "no-squad", "no-crew")
    ever, night, hole = (next(one for one in truth["gaps"] if one["kind"] == kind) for kind in kinds)
    found = gaps(town, first, last, Wanted(["governance"], of="grids"))
    (never,) = [one for one in found if one.is_whole]
    assert ([never.code], never.cause) == (ever["governance"], "unplanned")
    begin, end = span_of(night)
    others = [one for one in found if not one.is_whole]
    assert sorted(one.code for one in others) == night["governance"]
    assert {one.cause for one in others} == {"unplanned"}
    assert all(begin <= one.start < one.end == end for one in others), "from when the workers go home"
    police = gaps(town, first, last, Wanted(["police"], of="grids"))
    assert {(one.start, one.end, one.cause) for one in police} == {(*span_of(hole), "unplanned")}
    assert sorted(one.code for one in police) == sorted(night["police"])
    (crew,) = [one for one in gaps(town, first, last, Wanted(["police"], of="units")) if one.step == "duty-crew"]
    assert (crew.code, crew.cause, crew.start, crew.end) == (hole["unit"], "unplanned", *span_of(hole))


def test_the_list_is_in_order(town: Database, truth: dict[str, Any]) -> None:
    """Never covered first, then the longest, each at its place once; a slice is what single places are."""
    first, last = span_of(truth["rosters"])
    for wanted in (Wanted(), Wanted(of="units"), Wanted(["governance"], longer_than=timedelta(hours=12))):
        found = gaps(town, first, last, wanted)
        keys = [place_in_list(one) for one in found]
        assert keys == sorted(set(keys))
        assert all(one.length > wanted.longer_than for one in found)
    with town.read() as session:
        listed = gap_list(Coverage(session, Period(first, last), ZONE, planned=False), Wanted(of="units"))
        assert listed[10:14] == [listed[n] for n in range(10, 14)]
        assert sum(listed.totals.values(), timedelta()) == sum((one.length for one in listed), timedelta())


def test_they_are_told_over_http(town: Database, truth: dict[str, Any], client_as: ClientAs) -> None:
    """The loudest first, page by page, with what all of them come to by cause; planned ones know of no no-show."""
    duty = client_as(town, "duty_officer")
    first, last = span_of(truth["rosters"])
    asked = {"start": first.isoformat(), "end": (first + timedelta(days=20)).isoformat(), "limit": 40}
    listed: list[Any] = []
    body = duty.get("/coverage/gaps", params=asked).json()
    total = body["count"]
    while True:
        listed += body["items"]
        if body["next"] is None:
            break
        body = duty.get("/coverage/gaps", params=asked | {"cursor": body["next"]}).json()
    assert len(listed) == total
    assert listed[0]["is_whole"]
    hours: dict[str, float] = {}
    for one in listed:
        hours[one["cause"]] = hours.get(one["cause"], 0.0) + one["hours"]
    assert hours == pytest.approx(body["hours_by_cause"], abs=0.1)
    planned = duty.get("/coverage/gaps", params=asked | {"view": "planned"}).json()
    assert set(planned["hours_by_cause"]) <= {"unplanned", "redraw", "leave", "break"}
    assert duty.get("/coverage/gaps", params={"start": last.isoformat(), "end": first.isoformat()}).status_code == 400
    assert duty.get("/coverage/gaps", params={"unit": "nobody's"}).status_code == 404


def test_what_a_redraw_leaves_behind_is_told_as_such(town_copy: Database, truth: dict[str, Any]) -> None:
    """A piece cut off a grid while its worker is there is without them till the end of the shift; then unplanned."""
    night = next(one for one in truth["gaps"] if one["kind"] == "no-squad")
    at, end = span_of(night)
    with town_copy.trial() as session:
        plan = service.create(session, operator("a"), "draft", ["police", "governance"], at=at, now=now())
        layer = next(one for one in queries.layers_of(session) if one.code == "governance")
        draft = Draft(session, plan.id, queries.base_of(session, plan), [])
        one = next(grid for grid in draft.of_layer(layer.id) if grid.code == night["governance"][0])
        west, south, east, north = one.shape.bounds
        line = [(west - 1e-3, (south + north) / 2), (east + 1e-3, (south + north) / 2)]
        op = asked.Split(layer="governance", grid=one.code, line=line, code="339901001001900")
        service.edit(session, operator("a"), plan.id, op, revision=None, now=now())
        bring_into_force(session, plan, at)
        period = Period(at - timedelta(hours=3), end)
        found = gap_list(Coverage(session, period, ZONE, planned=False), Wanted(["governance"], of="grids"))
        (left, after) = sorted((gap for gap in found if gap.code == op.code), key=lambda gap: gap.start)
        assert (left.cause, left.start, left.end) == ("redraw", at, at + timedelta(hours=1))
        assert (after.cause, after.start, after.end) == ("unplanned", left.end, end)
        assert [gap.start for gap in found if gap.code == one.code] == [left.end], "whose worker is still there"


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_a_citys_gaps_are_found_with_their_causes_and_no_other(city_of: Callable[[int], City], seed: int) -> None:
    """Of the crews of stations; leaders and desks are there at every instant."""
    database, truth = city_of(seed)
    first, last = span_of(truth["rosters"]) if "rosters" in truth else within(truth)
    found: set[tuple[Any, ...]] = set()
    while first < last:
        until = min(first + timedelta(days=14), last)
        for one in gaps(database, first, until, Wanted(["police"], of="units")):
            found.add((one.code, one.step, one.cause, one.start, one.end))
        first = until
    assert found == {(one["unit"], "duty-crew", one["cause"], *span_of(one)) for one in truth["gaps"]}


def within(truth: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the time that the planted gaps lie in, with a day before and after."""
    spans = [span_of(one) for one in truth["gaps"]]
    return min(start for start, _ in spans) - timedelta(days=1), max(end for _, end in spans) + timedelta(days=1)
