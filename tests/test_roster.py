"""Who responds for a grid, as a chain of steps says: decisions alone, without a database."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial.grids.units import UnitRef, UnitTree
from spatial.roster.chains import STANDARD, steps_of
from spatial.roster.model import OfficerRef, OnShift, Response, Step, TeamRef
from spatial.roster.rules import Facts, Subject, respond
from tests.build import HOUR, T0

UNIT_OF = {1: 11, 2: 11, 3: 12, 4: None}  # four grids, of two stations and of none
STATIONS = {unit: UnitRef(unit, f"S{unit}", "station", "station", {}) for unit in (11, 12)}
NEIGHBOURS = {1: (2, 3), 2: (1,), 3: (1, 4), 4: (3,)}
AT_UNITS = {"police": {"duty", "standby", "desk", "leader"}, "governance": {"desk"}}  # kinds that wait there
KINDS = ("grid", "duty", "standby", "leader", "patrol", "desk")
POLICE_KINDS = ("community_officer", "duty_police", "auxiliary", "grid_worker")

ends = st.none() | st.integers(1, 8).map(lambda hours: T0 + hours * HOUR)


@st.composite
def shifts(draw: st.DrawFn) -> list[OnShift]:
    """Return officers and teams on duty, each covering some grids and units until some time."""
    made = []
    for number in range(draw(st.integers(0, 5))):
        officer = OfficerRef(number, f"{number:03d}", "x", draw(st.sampled_from(POLICE_KINDS)), None, None)
        team = TeamRef(number, f"T{number}", "x", "squad", "x", None, None, None, (officer,))
        grids = draw(st.dictionaries(st.sampled_from([1, 2, 3, 4]), ends, max_size=2))
        units = draw(st.dictionaries(st.sampled_from([11, 12]), ends, max_size=2))
        who = draw(st.sampled_from([officer, team]))
        made.append(OnShift(number, draw(st.sampled_from(KINDS)), who, draw(ends), grids, units))
    return made


def response(layer: str, grid_id: int, on_shift: list[OnShift]) -> Response:
    """Follow the standard chain of a layer for a grid."""
    chain = [_step(row) for row in steps_of(layer)]
    beside = {one: UNIT_OF[one] for one in NEIGHBOURS[grid_id]}
    facts = Facts(UnitTree(STATIONS, {}, {}), {}, on_shift, frozenset())
    return respond(chain, Subject(grid_id, 1, UNIT_OF[grid_id], beside), facts)


def _step(row: dict[str, Any]) -> Step:
    sets = {name: frozenset(row[name]) for name in ("shift_kinds", "roles", "officer_kinds")}
    return Step(layer_id=1, **{**row, **sets, "unit_path": tuple(row["unit_path"])})


def spelled_out(one: OnShift, layer: str) -> OnShift:
    """Return a shift that names each grid of the units it covers instead of them, unless its kind waits there."""
    if one.kind in AT_UNITS[layer]:
        return one
    covered: dict[int, list[datetime | None]] = {grid: [end] for grid, end in one.grids.items()}
    for grid, unit in UNIT_OF.items():
        if unit in one.units:
            covered.setdefault(grid, []).append(one.units[unit])
    last = {grid: None if None in found else max(filter(None, found)) for grid, found in covered.items()}
    return replace(one, grids=last, units={})


@pytest.mark.parametrize("layer", sorted(STANDARD))
@given(on_shift=shifts(), grid_id=st.sampled_from([1, 2, 3, 4]))
def test_covering_a_unit_is_covering_each_of_its_grids(layer: str, on_shift: list[OnShift], grid_id: int) -> None:
    """A shift that covers a station answers as if it named all of its grids; who waits at the station does not."""
    assert response(layer, grid_id, on_shift) == response(layer, grid_id, [spelled_out(one, layer) for one in on_shift])


@pytest.mark.parametrize("layer", sorted(STANDARD))
@given(on_shift=shifts(), grid_id=st.sampled_from([1, 2, 3, 4]))
def test_who_covers_a_unit_alone_is_told_as_of_the_grid_or_of_the_unit(
    layer: str, on_shift: list[OnShift], grid_id: int
) -> None:
    """Nobody who covers units alone is told both as out in the grid and as waiting at the unit."""
    of_units = [replace(one, grids={}) for one in on_shift]
    told: dict[str, set[Any]] = {"grid_shift": set(), "unit_shift": set()}
    for outcome in response(layer, grid_id, of_units).steps:
        told.get(outcome.step.source, set()).update(str(one.who) for one in outcome.responders)
    assert told["grid_shift"].isdisjoint(told["unit_shift"])
