"""Whose is this place, who answers now, when does that change."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon
from sqlalchemy import text

from spatial.db import Database, open_version
from spatial.errors import NotFound
from spatial.geometry import GRS80
from spatial.history import Moment
from spatial.lookup import stored
from spatial.lookup.memory import View
from spatial.lookup.model import Answer, LayerAnswer, Question
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Snapshot
from spatial.overlaps.service import keep
from spatial.time import now, since
from tests.build import CELL, HOUR, LAT, LON, T0, World, build, cell, middle

DAY = timedelta(days=1)
Ids = dict[str, int]


def make(database: Database, fill: Callable[[World, Ids], None]) -> Ids:
    """Build a world and return its ids by name."""
    ids: Ids = {}
    build(database, lambda world: fill(world, ids))
    return ids


def answer(database: Database, lon: float, lat: float, at: datetime = T0 + HOUR, **more: Any) -> Answer:
    """Ask PostGIS of a place, and see that memory says the same."""
    question = Question(lon, lat, at, **more)
    with database.read() as session:
        found = stored.answer(session, question)
        if question.known_at is None:
            assert View(Snapshot.read(session, at), Sight()).answer(question, at) == found
        return found


def police(database: Database, lon: float, lat: float, at: datetime = T0 + HOUR, **more: Any) -> LayerAnswer:
    """Ask of a place and return what the layer `police` says."""
    return next(one for one in answer(database, lon, lat, at, **more).layers if one.layer == "police")


def four_grids(world: World, ids: Ids) -> None:
    """Lay out A B over C D, each a cell, under one station."""
    world.deployment()
    ids["layer"] = world.layer("police")
    ids["station"] = world.unit("S1", contacts={"desk": "command room", "phone": "0571-0000-0100"})
    for code, column, row in (("A", 0, 1), ("B", 1, 1), ("C", 0, 0), ("D", 1, 0)):
        ids[code] = world.grid(ids["layer"], code, cell(column, row), ids["station"])


# The boundary rule --------------------------------------------------------------------------------------------------


def test_a_place_inside_has_one_owner_and_knows_its_border(empty_database: Database) -> None:
    """Inside a grid: that grid owns it, and the nearest border and who is beyond it are named."""
    make(empty_database, four_grids)
    lon, lat = middle(0, 0)
    said = police(empty_database, lon + 0.4 * CELL, lat)
    assert said.grid is not None
    assert (said.status, said.grid.code, said.on_boundary, said.near_border) == ("owned", "C", False, False)
    east = GRS80.inv(lon + 0.4 * CELL, lat, lon + 0.5 * CELL, lat)[2]
    assert said.edge_m == pytest.approx(east, abs=0.002)
    assert [other.grid.code for other in said.beyond] == ["D"]
    assert [unit.code for unit in said.units] == ["S1"]


@pytest.mark.parametrize(
    ("column", "row", "owner", "others"),
    [(0.5, 0, "C", ["D"]), (0, 0.5, "A", ["C"]), (0.5, 0.5, "A", ["B", "C", "D"]), (1.5, 1, "B", [])],
)
def test_on_a_border_the_smallest_code_owns(
    empty_database: Database, column: float, row: float, owner: str, others: list[str]
) -> None:
    """On the border of several grids the bytewise smallest code owns the place; the others are named."""
    make(empty_database, four_grids)
    lon, lat = middle(column, row)
    said = police(empty_database, round(lon, 9), round(lat, 9))
    assert said.grid is not None
    assert (said.grid.code, said.on_boundary, said.edge_m) == (owner, True, 0.0)
    assert [other.grid.code for other in said.beyond] == others
    assert said.near_border


def test_codes_are_compared_byte_by_byte(empty_database: Database) -> None:
    """Upper case comes before lower case, digits before letters, and Chinese last, whatever the locale."""

    def fill(world: World, ids: Ids) -> None:
        world.deployment()
        ids["layer"] = world.layer("police")
        for column, code in enumerate(("格", "b", "B", "10", "9")):
            world.grid(ids["layer"], code, cell(column, 0))

    make(empty_database, fill)
    owners = [police(empty_database, round(LON + column * CELL, 9), LAT + CELL / 2).grid for column in range(1, 5)]
    assert [owner and owner.code for owner in owners] == ["b", "B", "10", "10"]


def test_near_a_border_means_within_the_callers_accuracy(empty_database: Database) -> None:
    """The same place is a border case for a caller who knows it to 20 m, and not for one who knows it to 5 m."""
    make(empty_database, four_grids)
    lon, lat = middle(0, 0)
    asked = lon + 0.4 * CELL  # 9.6 m from the border with D
    assert not police(empty_database, asked, lat, accuracy_m=5).near_border
    wide = police(empty_database, asked, lat, accuracy_m=20)
    assert wide.near_border
    assert [other.grid.code for other in wide.beyond] == ["D"]


def test_in_an_overlap_the_smallest_code_owns_and_it_is_said(empty_database: Database) -> None:
    """Where two grids of a tiling overlap, the answer is given and flagged; where a free layer's do, it is no fault."""

    def fill(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        world.grid(ids["layer"], "E", cell(1, 0, 2))
        free = world.layer("search", kind="free", position=2)
        world.grid(free, "X", cell(0, 0, 2))
        world.grid(free, "Y", cell(1, 0, 2))

    make(empty_database, fill)
    tiling, free = answer(empty_database, *middle(1, 0)).layers
    assert tiling.grid is not None
    assert free.grid is not None
    assert (tiling.status, tiling.grid.code) == ("overlap", "D")
    assert (tiling.beyond[0].grid.code, tiling.beyond[0].overlaps) == ("E", True)
    assert (free.status, free.grid.code) == ("owned", "X")


def test_outside_the_nearest_grid_is_named_with_its_distance(empty_database: Database) -> None:
    """Outside every grid nobody owns the place; the nearest grid is named, by metres and not by degrees."""
    make(empty_database, four_grids)
    lon, lat = LON + 2.5 * CELL, LAT + 0.5 * CELL
    said = police(empty_database, lon, lat)
    away = GRS80.inv(lon, lat, LON + 2 * CELL, lat)[2]
    assert (said.status, said.grid) == ("outside", None)
    assert said.beyond[0].grid.code == "D"
    assert said.beyond[0].distance_m == pytest.approx(away, abs=0.002)
    assert said.response is None


def test_in_a_gap_the_nearest_grid_answers_and_it_is_said(empty_database: Database) -> None:
    """A place in a recorded hole of the tiling is answered by the nearest grid, flagged as a gap with its area."""

    def fill(world: World, ids: Ids) -> None:
        world.deployment()
        ids["layer"] = world.layer("police")
        ring = cell(0, 0, 3, 3).difference(cell(1, 1))
        world.grid(ids["layer"], "R", MultiPolygon([ring]))
        world.session.execute(
            text(
                "INSERT INTO finding (layer_id, kind, severity, geom, area_m2, valid, recorded) VALUES "
                "(:layer, 'gap', 'fault', ST_GeomFromText(:shape, 4490), 9500, '[2020-01-01,)', '[2020-01-01,)')"
            ),
            {"layer": ids["layer"], "shape": cell(1, 1).wkt},
        )

    make(empty_database, fill)
    said = police(empty_database, *middle(1, 1))
    assert said.grid is not None
    assert said.finding is not None
    assert (said.status, said.grid.code, said.finding["area_m2"]) == ("gap", "R", 9500)


def test_an_empty_deployment_says_so(empty_database: Database) -> None:
    """Without layers there is nothing to answer; a layer without grids says that it is empty."""
    assert answer(empty_database, LON, LAT).layers == ()
    make(empty_database, lambda world, ids: ids.update(layer=world.layer("police")))
    assert police(empty_database, LON, LAT).status == "empty"


def test_an_unknown_layer_is_refused_by_name(empty_database: Database) -> None:
    """Asking a layer that does not exist names it."""
    make(empty_database, four_grids)
    with pytest.raises(NotFound, match="traffic"):
        answer(empty_database, LON, LAT, layers=("police", "traffic"))


# Who answers --------------------------------------------------------------------------------------------------------


def staffed(world: World, ids: Ids) -> None:
    """Four grids, a chain of five steps, an officer and a squad on A, a duty crew, a leader, a branch."""
    four_grids(world, ids)
    layer, station = ids["layer"], ids["station"]
    police_kinds = ["community_officer", "duty_police"]
    world.step(layer, 1, "own-officer", "grid_shift", officer_kinds=police_kinds)
    world.step(layer, 2, "squad", "grid_shift", teams_only=True)
    world.step(layer, 3, "duty-crew", "unit_shift", shift_kinds=["duty", "standby"], officer_kinds=police_kinds)
    world.step(layer, 4, "next-squad", "neighbour_shift", cover=False, teams_only=True)
    world.step(layer, 5, "branch", "unit_desk", cover=False, unit_path=["command"])
    ids["branch"] = world.unit("BR", kind="branch", contacts={"desk": "branch desk", "phone": "0571-0000-0200"})
    world.link(station, ids["branch"], "command")
    for number, kind in (
        ("001", "community_officer"),
        ("002", "duty_police"),
        ("003", "auxiliary"),
        ("004", "enforcement"),
    ):
        ids[number] = world.officer(number, station, kind)
    ids["squad"] = world.team("SQ1", station, [ids["004"]])
    world.assign(ids["001"], ids["A"])


def outcomes(said: LayerAnswer) -> dict[str, str]:
    """Return the outcome of every step of a chain."""
    assert said.response is not None
    return {one.step.key: one.reason for one in said.response.steps}


def test_nobody_on_duty_is_said(empty_database: Database) -> None:
    """With an empty roster nobody covers the grid, the responsible officer is still named, and the desk is given."""
    make(empty_database, staffed)
    said = police(empty_database, *middle(0, 1))
    assert not said.on_duty
    assert [held.officer.number for held in said.responsible] == ["001"]
    assert outcomes(said) == {
        "own-officer": "nobody-on-shift",
        "squad": "nobody-on-shift",
        "duty-crew": "nobody-on-shift",
        "next-squad": "nobody-on-shift",
        "branch": "desk",
    }
    assert said.response is not None
    assert said.response.first is not None
    assert said.response.first.step.key == "branch"


def test_the_chain_is_followed_in_its_order(empty_database: Database) -> None:
    """Own officer first, then the squad, then the station's crew; each is named with the end of its shift."""
    ids = make(empty_database, staffed)
    end = T0 + 8 * HOUR

    def roster(world: World) -> None:
        world.shift(ids["station"], T0, end, officer=ids["002"], kind="duty", units=[ids["station"]])
        world.shift(ids["station"], T0, end, team=ids["squad"], kind="patrol", grids=[ids["A"]])
        world.shift(ids["station"], T0, T0 + 4 * HOUR, officer=ids["001"], grids=[ids["A"]])

    build(empty_database, roster)
    said = police(empty_database, *middle(0, 1))
    assert said.response is not None
    assert said.response.covering is not None
    assert said.response.covering.step.key == "own-officer"
    assert said.response.covering.responders[0].until == T0 + 4 * HOUR
    later = police(empty_database, *middle(0, 1), at=T0 + 5 * HOUR)
    assert later.response is not None
    assert later.response.covering is not None
    assert later.response.covering.step.key == "squad"
    beside = outcomes(police(empty_database, *middle(1, 1)))
    assert beside == {
        "own-officer": "nobody-on-shift", "squad": "nobody-on-shift", "duty-crew": "on-duty",
        "next-squad": "on-duty", "branch": "desk",
    }  # fmt: skip


def test_a_squad_that_covers_a_station_covers_its_grids(empty_database: Database) -> None:
    """A patrol of the whole station is out in each of its grids, and beside those of others; a crew waits there."""

    def fill(world: World, ids: Ids) -> None:
        staffed(world, ids)
        ids["E"] = world.grid(ids["layer"], "E", cell(2, 1), world.unit("S2"))
        world.shift(ids["station"], T0, T0 + 8 * HOUR, officer=ids["002"], kind="duty", units=[ids["station"]])
        world.shift(ids["station"], T0, T0 + 3 * HOUR, team=ids["squad"], kind="patrol", units=[ids["station"]])

    make(empty_database, fill)
    for column, row in ((0, 1), (1, 0)):
        said = police(empty_database, *middle(column, row))
        assert outcomes(said) == {
            "own-officer": "nobody-on-shift", "squad": "on-duty", "duty-crew": "on-duty",
            "next-squad": "nobody-on-shift", "branch": "desk",
        }  # fmt: skip
        assert said.response is not None
        assert said.response.covering is not None
        assert said.response.covering.responders[0].until == T0 + 3 * HOUR
    beside = answer(empty_database, *middle(2, 1))
    assert outcomes(beside.layers[0])["next-squad"] == "on-duty"
    assert outcomes(beside.layers[0])["squad"] == "nobody-on-shift"
    assert beside.next_change_at == T0 + 3 * HOUR
    with empty_database.read() as session:
        found = {one.grid.code: one.response.covering for one in stored.grid_states(session, Moment(T0 + HOUR))}
    assert {code: covering and covering.step.key for code, covering in found.items()} == {
        **dict.fromkeys("ABCD", "squad"), "E": None,
    }  # fmt: skip


def test_auxiliaries_alone_are_no_police_cover_unless_a_rule_says_so(empty_database: Database) -> None:
    """A crew of auxiliaries does not cover a police grid; under a staffing rule that lets them suffice it does."""
    ids = make(empty_database, staffed)
    span = (T0, T0 + 8 * HOUR)
    build(
        empty_database,
        lambda w: w.shift(ids["station"], *span, officer=ids["003"], kind="duty", units=[ids["station"]]),
    )
    said = police(empty_database, *middle(0, 1))
    assert (said.on_duty, outcomes(said)["duty-crew"]) == (False, "auxiliaries-alone")

    def crew_of_auxiliaries(world: World) -> None:
        team = world.team("AUX", ids["station"], [ids["003b"]])
        world.shift(ids["station"], *span, team=team, kind="patrol", grids=[ids["A"]])

    build(empty_database, lambda w: ids.update({"003b": w.officer("003b", ids["station"], "auxiliary")}))
    build(empty_database, crew_of_auxiliaries)
    said = police(empty_database, *middle(0, 1))
    assert (said.on_duty, outcomes(said)["squad"]) == (False, "auxiliaries-alone")

    def rule(world: World) -> None:
        world.session.execute(
            text(
                "INSERT INTO staffing_rule (code, layer_id, required, auxiliaries_suffice, weekdays, minute_from, "
                "minute_to, valid, recorded) VALUES ('R1', :layer, 1, true, 1, 600, 720, '[2020-01-01,)', "
                "tstzrange(:recorded, NULL))"
            ),
            {"layer": ids["layer"], "recorded": open_version(world.session, "duty")},
        )

    build(empty_database, rule)  # on Mondays from ten to twelve; T0 is eight in the morning of a Monday in Shanghai
    on = [police(empty_database, *middle(0, 1), at=T0 + hours * HOUR).on_duty for hours in (1, 2, 3, 4)]
    assert on == [False, True, True, False]
    assert answer(empty_database, *middle(0, 1), at=T0 + HOUR).next_change_at == T0 + 2 * HOUR


def test_leave_and_no_show_take_an_officer_off_duty(empty_database: Database) -> None:
    """An officer on leave, or who did not show up, is not on duty; a leave to come ends `until`."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        ids["shift"] = world.shift(ids["station"], T0, T0 + 8 * HOUR, officer=ids["001"], grids=[ids["A"]])
        world.leave(ids["001"], T0 + 2 * HOUR, T0 + 3 * HOUR)
        world.event(ids["shift"], "no_show", T0 + 5 * HOUR, T0 + 6 * HOUR)

    build(empty_database, roster)
    place = middle(0, 1)
    first = police(empty_database, *place, at=T0 + HOUR)
    assert first.response is not None
    assert first.response.covering is not None
    assert first.response.covering.responders[0].until == T0 + 2 * HOUR
    on = [police(empty_database, *place, at=T0 + (hours + 0.5) * HOUR).on_duty for hours in range(9)]
    assert on == [True, True, False, True, True, False, True, True, False]
    away = police(empty_database, *place, at=T0 + 2.5 * HOUR)
    assert away.responsible[0].away == "sick"


def test_who_is_absent_from_a_shift_is_absent_from_its_parts(empty_database: Database) -> None:
    """A patrol inside a 24-hour duty covers nothing while the officer is committed elsewhere."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        whole = world.shift(ids["station"], T0, T0 + DAY, officer=ids["002"], kind="duty")
        part = {"officer": ids["002"], "kind": "patrol", "parent": whole, "grids": [ids["A"]]}
        world.shift(ids["station"], T0 + HOUR, T0 + 3 * HOUR, **part)
        world.event(whole, "committed", T0 + 2 * HOUR, T0 + 4 * HOUR)

    build(empty_database, roster)
    on = [police(empty_database, *middle(0, 1), at=T0 + (hours + 0.5) * HOUR).on_duty for hours in range(4)]
    assert on == [False, True, False, False]
    said = police(empty_database, *middle(0, 1), at=T0 + 1.5 * HOUR)
    assert said.response is not None
    assert said.response.covering is not None
    assert said.response.covering.responders[0].until == T0 + 2 * HOUR


def test_until_is_the_end_of_cover_here_and_not_elsewhere(empty_database: Database) -> None:
    """Where one shift covers this grid until two and another until noon, `until` is two."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        shift = world.shift(ids["station"], T0, T0 + 12 * HOUR, officer=ids["001"], grids=[ids["B"]])
        world.cover(shift, ids["A"], T0, T0 + 2 * HOUR)

    build(empty_database, roster)
    said = answer(empty_database, *middle(0, 1))
    response = said.layers[0].response
    assert response is not None
    assert response.covering is not None
    assert response.covering.responders[0].until == T0 + 2 * HOUR == said.next_change_at


def test_a_team_is_there_until_its_last_member_leaves(empty_database: Database) -> None:
    """Of two members one goes on leave at two and one at four: the team is on duty until four."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        team = world.team("SQ2", ids["station"], [ids["001"], ids["002"]])
        world.leave(ids["001"], T0 + 2 * HOUR, T0 + DAY)
        world.leave(ids["002"], T0 + 4 * HOUR, T0 + DAY)
        world.shift(ids["station"], T0, T0 + 8 * HOUR, team=team, kind="patrol", grids=[ids["A"]])

    build(empty_database, roster)
    response = police(empty_database, *middle(0, 1)).response
    assert response is not None
    assert response.covering is not None
    assert response.covering.responders[0].until == T0 + 4 * HOUR
    on = [police(empty_database, *middle(0, 1), at=T0 + (hours + 0.5) * HOUR).on_duty for hours in range(6)]
    assert on == [True] * 4 + [False] * 2


def test_an_officer_whose_unit_has_ended_is_still_responsible(empty_database: Database) -> None:
    """A lead whose unit is no longer in force is named without a unit, not left out."""
    ids: Ids = {}

    def fill(world: World) -> None:
        staffed(world, ids)
        gone = world.unit("GONE", valid=since(T0 - 300 * DAY, T0 - 200 * DAY))
        world.assign(world.officer("900", gone), ids["B"])

    build(empty_database, fill)
    (held,) = police(empty_database, *middle(1, 1)).responsible
    assert (held.officer.number, held.officer.unit) == ("900", None)


def test_overtime_counts_and_an_early_end_too(empty_database: Database) -> None:
    """What actually happened decides, not what was planned, as far as the cover reaches."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        late = since(T0 + HOUR, T0 + 5 * HOUR)
        world.shift(ids["station"], T0, T0 + 4 * HOUR, officer=ids["001"], actual=late, grids=[ids["A"]])

    build(empty_database, roster)
    on = [police(empty_database, *middle(0, 1), at=T0 + (hours + 0.5) * HOUR).on_duty for hours in range(6)]
    assert on == [False, True, True, True, True, False]


def test_every_change_is_announced(empty_database: Database) -> None:
    """Stepping from one `next_change_at` to the next passes every instant at which the answer is another."""
    ids = make(empty_database, staffed)

    def roster(world: World) -> None:
        world.shift(ids["station"], T0 + HOUR, T0 + 9 * HOUR, officer=ids["001"], grids=[ids["A"]])
        world.shift(ids["station"], T0, T0 + DAY, officer=ids["002"], kind="duty", units=[ids["station"]])
        world.leave(ids["001"], T0 + 3 * HOUR, T0 + 5 * HOUR)
        world.assign(ids["002"], ids["A"], "deputy", valid=since(T0 + 7 * HOUR))

    build(empty_database, roster)
    at, changes = T0 - HOUR, []
    while (change := answer(empty_database, *middle(0, 1), at=at).next_change_at) is not None:
        changes.append((change - T0) / HOUR)
        at = change
    assert changes == [0, 1, 3, 5, 7, 9, 24]

    def said(hours: float) -> tuple[LayerAnswer, ...]:
        return answer(empty_database, *middle(0, 1), at=T0 + hours * HOUR).layers

    bounds = [-1.0, *changes, 30.0]
    for start, end in pairwise(bounds):
        assert said(start) == said((start + end) / 2) == said(end - 0.001), "in between nothing changes"


def test_a_redraw_to_come_is_announced(empty_database: Database) -> None:
    """When a border is to move next week, the answer says until when it holds."""
    ids: Ids = {}

    def fill(world: World) -> None:
        world.deployment()
        ids["layer"] = world.layer("police")
        noon = T0 + 7 * DAY
        ids["A"] = world.grid(ids["layer"], "A", cell(0, 0), valid=since(T0 - DAY, noon))
        world.version(ids["A"], ids["layer"], "A", cell(0, 0, 2), valid=since(noon))
        ids["B"] = world.grid(ids["layer"], "B", cell(1, 0, 2), valid=since(T0 - DAY, noon))
        world.version(ids["B"], ids["layer"], "B", cell(2, 0), valid=since(noon))

    build(empty_database, fill)
    before = answer(empty_database, *middle(1, 0), at=T0)
    assert before.next_change_at == T0 + 7 * DAY
    owners = [police(empty_database, *middle(1, 0), at=T0 + days * DAY).grid for days in (0, 7)]
    assert [owner and owner.code for owner in owners] == ["B", "A"]


def test_a_later_correction_does_not_reach_back_into_what_was_announced(empty_database: Database) -> None:
    """Asked as known before a grid was moved beside one to come, the answer announces nothing of that one."""
    ids: Ids = {}

    def fill(world: World) -> None:
        world.deployment()
        ids["layer"] = world.layer("police")
        ids["A"] = world.grid(ids["layer"], "A", cell(0, 0))
        world.grid(ids["layer"], "F", cell(5, 0), valid=since(T0 + 7 * DAY))
        world.step(ids["layer"], 1, "next-squad", "neighbour_shift", cover=False, teams_only=True)

    build(empty_database, fill)
    known_at = now()
    before = answer(empty_database, *middle(0, 0), known_at=known_at)
    assert before.next_change_at is None

    def correct(world: World) -> None:
        stamp = open_version(world.session, "areas")
        close = text("UPDATE grid_version SET recorded = tstzrange(lower(recorded), :stamp) WHERE code = 'A'")
        world.session.execute(close, {"stamp": stamp})
        world.version(ids["A"], ids["layer"], "A", cell(0, 0, 5))

    build(empty_database, correct)
    assert answer(empty_database, *middle(0, 0)).next_change_at == T0 + 7 * DAY
    assert answer(empty_database, *middle(0, 0), known_at=known_at) == before


def test_all_grids_at_once_agree_with_one_place_at_a_time(empty_database: Database) -> None:
    """The duty state of every grid is what a look-up in its middle says."""
    ids = make(empty_database, staffed)
    span = (T0, T0 + 8 * HOUR)
    build(
        empty_database,
        lambda w: w.shift(ids["station"], *span, officer=ids["001"], grids=[ids["A"]]),
        lambda w: w.shift(ids["station"], *span, team=ids["squad"], kind="patrol", grids=[ids["C"]]),
    )
    with empty_database.read() as session:
        found = stored.grid_states(session, Moment(T0 + HOUR))
    assert [(one.grid.code, one.on_duty) for one in found] == [("A", True), ("B", False), ("C", True), ("D", False)]
    for one in found:
        inside = one.shape.representative_point()
        said = police(empty_database, inside.x, inside.y)
        assert said.response == one.response
        assert said.responsible == one.responsible


# Laws ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_interior_point_has_exactly_one_owner(town: Database, data: st.DataObject) -> None:
    """Any point inside the town's tiling has one owner per layer, the same that PostGIS finds by ST_Covers."""
    with town.read() as session:
        west, south, east, north = session.execute(
            text(
                "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM (SELECT ST_Extent(geom) e FROM gis_grids) x"
            )
        ).one()
        lon, lat = data.draw(st.floats(west, east)), data.draw(st.floats(south, north))
        at = datetime(2025, 3, 5, 2, tzinfo=UTC)
        said = stored.answer(session, Question(lon, lat, at))
        for one in said.layers:
            owners = session.scalars(
                text(
                    "SELECT v.code FROM grid_version v JOIN layer l ON l.id = v.layer_id WHERE l.code = :layer "
                    "AND v.valid @> CAST(:at AS timestamptz) AND upper_inf(v.recorded) "
                    'AND ST_Covers(v.geom, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)) ORDER BY v.code COLLATE "C"'
                ),
                {"layer": one.layer, "at": at, "lon": lon, "lat": lat},
            ).all()
            assert (one.grid.code if one.grid else None) == (owners[0] if owners else None)
            assert one.status == ("owned" if owners else "outside")
            assert len(owners) == 1 or one.on_boundary or not owners


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5))
def test_what_was_known_stays_answerable(empty_database: Database, moves: list[tuple[int, int]]) -> None:
    """Whatever is corrected later, asking with an old `known_at` gives the old answer to the letter."""
    codes = [uuid_code(index) for index in range(4)]
    ids: Ids = {}

    def fill(world: World) -> None:
        layer = world.layer(uuid_code(99))
        ids["layer"] = layer
        ids["station"] = world.unit(uuid_code(98))
        world.step(layer, 1, "own-officer", "grid_shift")
        for column, code in enumerate(codes):
            ids[code] = world.grid(layer, code, cell(column, 0))

    build(empty_database, fill)
    with empty_database.read() as session:
        layer = session.scalars(text("SELECT code FROM layer WHERE id = :id"), {"id": ids["layer"]}).one()
    asked = [(middle(column, 0), column) for column in range(4)]
    remembered: list[tuple[datetime, list[Answer]]] = []

    def all_answers(known_at: datetime) -> list[Answer]:
        empty_database.settle(known_at)
        return [answer(empty_database, *place, known_at=known_at, layers=(layer,)) for place, _ in asked]

    for first, second in moves:
        remembered.append(((known_at := now()), all_answers(known_at)))
        with empty_database.write() as session:
            stamp = open_version(session, "areas")
            rostered = World(session)
            officer = rostered.officer(uuid_code(7), ids["station"])
            rostered.shift(ids["station"], T0, T0 + 2 * HOUR, officer=officer, grids=[ids[codes[first]]])
            swap = (codes[first], codes[second])
            close = text(
                "UPDATE grid_version SET recorded = tstzrange(lower(recorded), :stamp) WHERE upper_inf(recorded) "
                "AND grid_id = ANY(:ids) RETURNING grid_id, layer_id, code, name, ST_AsText(geom) AS shape, valid"
            )
            rows = session.execute(close, {"stamp": stamp, "ids": [ids[code] for code in set(swap)]}).all()
            shapes = [row.shape for row in rows]
            for row, shape in zip(rows, reversed(shapes), strict=True):
                session.execute(
                    text(
                        "INSERT INTO grid_version (grid_id, layer_id, code, name, geom, valid, recorded) VALUES "
                        "(:grid, :layer, :code, :name, ST_GeomFromText(:shape, 4490), :valid, tstzrange(:stamp, NULL))"
                    ),
                    {"grid": row.grid_id, "layer": row.layer_id, "code": row.code, "name": row.name,
                     "shape": shape, "valid": row.valid, "stamp": stamp},
                )  # fmt: skip
            keep(session, stamp)
    for known_at, then in remembered:
        assert all_answers(known_at) == then


_counter = iter(range(10**9))


def uuid_code(index: int) -> str:
    """Return a code that no other example of this run used."""
    return f"G{next(_counter):08d}-{index}"


@given(lon=st.floats(73, 135), lat=st.floats(18, 53), bearing=st.floats(0, 360), away=st.floats(0.01, 5000))
def test_distances_are_geodesic(lon: float, lat: float, bearing: float, away: float) -> None:
    """The distance to a far point equals the geodesic one, to a millimetre within 100 m and 1e-6 beyond."""
    from spatial.geometry import Plane
    from spatial.lookup.rules import Spot, reach_m

    there = GRS80.fwd(lon, lat, bearing, away)[:2]
    plane = Plane.around(lon)
    (measured,) = reach_m(Spot(lon, lat, plane), [plane.to_metres(shapely.Point(there))])
    assert measured == pytest.approx(away, abs=1e-3, rel=1e-6)
