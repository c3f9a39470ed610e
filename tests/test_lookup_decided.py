"""What decides beside the borders of grids: overrides, border cases that several share, and whose a matter is."""

from datetime import timedelta

import pytest
from shapely import MultiPolygon
from shapely.affinity import translate

from spatial.db import Database
from spatial.errors import NotFound
from spatial.lookup.model import Agency, LayerAnswer
from spatial.time import since
from tests.build import CELL, HOUR, LAT, LON, T0, World, cell, middle
from tests.test_lookup import Ids, answer, four_grids, make, police

METRE_LAT = CELL / 110.9  # degrees of latitude, nearly


def codes(found: LayerAnswer) -> list[str]:
    """Return the grids beyond the border."""
    return [one.grid.code for one in found.beyond]


def a_park(world: World, ids: Ids) -> None:
    """Lay out A B over C D; a park in the middle of the four is A's, but for its pond, which is D's."""
    four_grids(world, ids)
    park = translate(cell(0, 0), CELL / 2, CELL / 2)
    world.override(ids["A"], ids["layer"], "park", park, priority=2, document_number="2025-7")
    pond = translate(cell(0, 0), CELL * 0.6, CELL * 0.6).intersection(park)
    world.override(ids["D"], ids["layer"], "pond", MultiPolygon([pond]), priority=1, valid=since(T0, T0 + 2 * HOUR))


def test_an_override_decides_and_is_shown(empty_database: Database) -> None:
    """In the park the grid is A wherever the borders are; the answer names the decision and the grid of the place."""
    make(empty_database, a_park)
    found = police(empty_database, *middle(0.05, 0.05))
    assert found.override
    assert (found.status, found.grid and found.grid.code, found.plain and found.plain.code) == ("owned", "A", "C")
    assert (found.override.code, found.override.authority, found.override.document_number) == (
        "park",
        "bureau",
        "2025-7",
    )


def test_the_first_of_several_overrides_decides_while_it_is_in_force(empty_database: Database) -> None:
    """The pond's priority goes before the park's; when it is over, which was announced, the park's decides."""
    make(empty_database, a_park)
    place = middle(0.5, 0.5)
    found = answer(empty_database, *place, T0 + HOUR)
    assert (found.layers[0].grid and found.layers[0].grid.code, found.next_change_at) == ("D", T0 + 2 * HOUR)
    later = police(empty_database, *place, T0 + 2 * HOUR)
    assert (later.grid and later.grid.code, later.override and later.override.code) == ("A", "park")


def test_the_border_is_that_of_all_that_is_the_owners(empty_database: Database) -> None:
    """From A's own ground into its park there is no border; elsewhere the park's edge is one, seen from both sides."""
    make(empty_database, a_park)
    later = T0 + 3 * HOUR
    own = police(empty_database, *middle(0.2, 1), later)
    assert own.override is None
    assert own.edge_m == pytest.approx(0.3 * CELL * 96_300, rel=0.02)  # to B, though the park begins nearer
    inside = police(empty_database, LON + 0.7 * CELL, LAT + 0.5 * CELL + 5 * METRE_LAT, later)
    assert (inside.override and inside.override.code, codes(inside)) == ("park", ["C"])
    assert inside.edge_m == pytest.approx(5, rel=0.02)
    outside = police(empty_database, LON + 0.7 * CELL, LAT + 0.5 * CELL - 5 * METRE_LAT, later)
    assert (outside.override, outside.grid and outside.grid.code, codes(outside)) == (None, "C", ["A"])
    assert outside.edge_m == pytest.approx(5, rel=0.02)


def test_an_override_outside_of_all_grids_decides_there(empty_database: Database) -> None:
    """A bridge across a river that no grid holds is somebody's all the same."""

    def a_bridge(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        world.override(ids["B"], ids["layer"], "bridge", cell(3, 0))

    make(empty_database, a_bridge)
    found = police(empty_database, *middle(3, 0))
    assert (found.status, found.grid and found.grid.code, found.plain) == ("owned", "B", None)
    near = police(empty_database, *middle(2.9, 0.9))
    assert (near.status, near.grid, codes(near)[0]) == ("outside", None, "B")


def test_an_override_of_a_grid_that_is_over_is_none(empty_database: Database) -> None:
    """Once its grid is dissolved an override gives nothing to anybody."""

    def dissolved(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        gone = world.grid(ids["layer"], "Z", cell(5, 5), valid=since(T0 - HOUR, T0 + HOUR))
        world.override(gone, ids["layer"], "kiosk", cell(0, 0))

    make(empty_database, dissolved)
    before = answer(empty_database, *middle(0, 0), T0)
    assert (before.layers[0].grid and before.layers[0].grid.code, before.next_change_at) == ("Z", T0 + HOUR)
    after = police(empty_database, *middle(0, 0), T0 + HOUR)
    assert (after.grid and after.grid.code, after.override) == ("C", None)


def test_a_border_case_names_all_parties_with_who_answers_there(empty_database: Database) -> None:
    """Two metres from B and known to three, the place is A's and B's together: each with its units and its chain."""

    def staffed(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        world.step(ids["layer"], 1, "own", "grid_shift")
        for code in "AB":
            ids[f"officer {code}"] = world.officer(code, ids["station"])
            world.assign(ids[f"officer {code}"], ids[code])
        world.shift(ids["station"], T0, T0 + 8 * HOUR, officer=ids["officer B"], grids=[ids["B"]])

    make(empty_database, staffed)
    place = (LON + CELL - 2 / 96_300, LAT + 1.5 * CELL)
    alone = police(empty_database, *place, accuracy_m=1)
    assert (alone.near_border, alone.joint) == (False, ())
    shared = police(empty_database, *place, accuracy_m=3)
    owner, other = shared.joint
    assert (owner.grid, owner.distance_m) == (shared.grid, 0.0)
    assert owner.response
    assert other.response
    assert (bool(owner.response.covering), bool(other.response.covering)) == (False, True)
    assert (other.grid.code, [unit.code for unit in other.units]) == ("B", ["S1"])
    assert other.distance_m == pytest.approx(2, rel=0.02)
    assert [held.officer.number for held in other.responsible] == ["B"]


def test_a_change_for_any_party_is_announced(empty_database: Database) -> None:
    """When the neighbour's shift ends the answer to a border case changes, and that is said."""

    def staffed(world: World, ids: Ids) -> None:
        four_grids(world, ids)
        world.step(ids["layer"], 1, "own", "grid_shift")
        officer = world.officer("B", ids["station"])
        world.shift(ids["station"], T0, T0 + 3 * HOUR, officer=officer, grids=[ids["B"]])

    make(empty_database, staffed)
    place = (LON + CELL - 2 / 96_300, LAT + 1.5 * CELL)
    assert answer(empty_database, *place, accuracy_m=1).next_change_at is None
    assert answer(empty_database, *place, accuracy_m=3).next_change_at == T0 + 3 * HOUR


def matters(world: World, ids: Ids) -> None:
    """Lay out four grids whose station answers for thefts and, with the bureau, for those of vehicles."""
    four_grids(world, ids)
    world.link(ids["station"], world.unit("B", kind="bureau"), "command")
    crime = world.category("crime")
    theft = world.category("theft", crime, priority=2)
    world.category("theft-of-a-bicycle", theft)
    vehicle = world.category("theft-of-a-vehicle", theft)
    noise = world.category("noise", police_matter=False)
    world.answers_for(theft, "station", hours=24)
    world.answers_for(vehicle, "bureau", "joint", hours=48)
    world.answers_for(vehicle, "station")
    world.answers_for(noise, "street")


def agencies(database: Database, category: str) -> list[tuple[str, list[str], timedelta | None]]:
    """Return who answers for a matter in the first grid."""
    found = answer(database, *middle(0, 0), category=category).matter
    assert found

    def told(one: Agency) -> tuple[str, list[str], timedelta | None]:
        return one.role, [unit.code for unit in one.units], one.deadline

    return [told(one) for one in found.agencies]


def test_a_matter_has_its_agencies_at_the_place(empty_database: Database) -> None:
    """Those of its own category, else of the nearest above; a kind of unit that is not there is named without one."""
    make(empty_database, matters)
    assert agencies(empty_database, "theft") == [("lead", ["S1"], timedelta(hours=24))]
    assert agencies(empty_database, "theft-of-a-bicycle") == agencies(empty_database, "theft")
    vehicle = [("lead", ["S1"], None), ("joint", ["B"], timedelta(hours=48))]
    assert agencies(empty_database, "theft-of-a-vehicle") == vehicle
    assert agencies(empty_database, "noise") == [("lead", [], None)]
    assert agencies(empty_database, "crime") == []
    theft = answer(empty_database, *middle(0, 0), category="theft").matter
    assert theft
    assert (theft.police_matter, theft.priority, theft.handling_minutes) == (True, 2, 30)


def test_an_unknown_category_is_refused_by_name(empty_database: Database) -> None:
    """With its code."""
    make(empty_database, matters)
    with pytest.raises(NotFound) as refused:
        answer(empty_database, *middle(0, 0), category="weather")
    assert refused.value.values == {"category": "weather"}
