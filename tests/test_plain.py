"""Plain places: answered by machine code, as they are without it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely

from spatial.db import Database
from spatial.geometry import Floats
from spatial.lookup.memory import View
from spatial.lookup.model import Question
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Snapshot
from spatial.time import since
from tests.build import T0, World, build, cell, middle
from tests.conftest import City
from tests.places import along, spread
from tests.plain import hold_plain
from tests.test_seattle import seattle  # noqa: F401  a fixture

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
METRES = 1e-5  # about as many degrees


def whole(database: Database, at: datetime = AT) -> View:
    with database.read() as session:
        return View(Snapshot.read(session, at), Sight())


def places_in(view: View, count: int) -> tuple[Floats, Floats]:
    """Return places all over, and as many up to some metres from vertices and the middles of edges."""
    rng = np.random.default_rng(1)
    shapes = np.array([one.shape for table in view.snapshot.areas.grids.values() for one in table.grids], dtype=object)
    lon, lat = spread(rng, shapes, count)
    on_lon, on_lat = along(shapes)
    some = rng.integers(0, len(on_lon), count)
    off = rng.choice([0.1, 1, 3, 10], (2, count)) * rng.uniform(-METRES, METRES, (2, count))
    return np.concatenate([lon, on_lon[some] + off[0]]), np.concatenate([lat, on_lat[some] + off[1]])


def plain_among(view: View, count: int, at: datetime = AT) -> tuple[int, int]:
    """See that plain places are answered like others; return how many are, all over and near borders."""
    lon, lat = places_in(view, count)
    is_plain = [hold_plain(view, Question(x, y, at), at) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
    return sum(is_plain[:count]), sum(is_plain[count:])


def test_in_the_town_most_places_are_plain(town: Database) -> None:
    """Of places all over, inside and outside, most inside are; near borders some are, and all are answered alike."""
    view = whole(town)
    lon, lat = places_in(view, 1500)
    owned = [all(one.status == "owned" for one in view.answer(Question(x, y, AT), AT).layers)
             for x, y in zip(lon[:1500].tolist(), lat[:1500].tolist(), strict=True)]  # fmt: skip
    inside, near = plain_among(view, 1500)
    assert inside > 0.95 * sum(owned)
    assert 0 < near < 1500


def test_what_is_kept_of_a_grid_is_not_told_for_longer_than_it_is_true(town: Database) -> None:
    """Hour by hour over two days, and back again: who is on duty is who is on duty then."""
    view = whole(town)
    lon, lat = places_in(view, 40)
    for hours in (*range(47), 30, 10, -5):
        at = AT + timedelta(hours=hours)
        held = [hold_plain(view, Question(x, y, at), AT) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
        assert sum(held) > 10


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_in_the_city(city_of: Any, seed: int) -> None:
    """The same in a whole city."""
    made: City = city_of(seed)
    inside, near = plain_among(whole(made[0]), 6000)
    assert min(inside, near) > 500


@pytest.mark.proof
def test_in_seattle(seattle: Any) -> None:  # noqa: F811  the fixture
    """Real beats, with long edges and slivers: in some layers nobody's is much, and then nothing is plain."""
    plain_among(whole(seattle), 3000)


def small(world: World) -> None:
    """Two grids side by side."""
    world.deployment()
    layer = world.layer("police")
    for column in range(2):
        world.grid(layer, "AB"[column], cell(column, 0), world.unit(f"S{column}"))


@pytest.mark.parametrize(
    ("east", "is_plain"), [(0.5, True), (0.9999, False), (1.0, False), (-0.1, False), (2.1, False), (50.0, False)]
)
def test_what_is_near_a_border_or_outside_is_not_plain(empty_database: Database, east: float, is_plain: bool) -> None:
    build(empty_database, small)
    assert hold_plain(whole(empty_database), Question(*middle(east - 0.5, 0), AT), AT) is is_plain


def test_what_is_decided_otherwise_nearby_is_not_plain(empty_database: Database) -> None:
    """About an override, as far as the nearest border is, nothing is plain."""

    def fill(world: World) -> None:
        small(world)
        world.override(1, 1, "O", shapely.MultiPolygon([shapely.Point(middle(1.4, 0.4)).buffer(10 * METRES)]))

    build(empty_database, fill)
    view = whole(empty_database)
    found = [hold_plain(view, Question(*middle(east, 0), AT), AT) for east in (-0.4, 0.0, 1.0)]
    assert found == [True, True, False]
    assert not hold_plain(view, Question(*middle(1.4, 0.4), AT), AT)


def test_what_is_near_a_grid_that_lies_over_another_is_not_plain(empty_database: Database) -> None:
    """In a layer that may overlap: half a metre from a venue inside a large grid, that is far from its own border."""

    def fill(world: World) -> None:
        world.deployment()
        layer = world.layer("free", kind="free")
        world.grid(layer, "A", cell(0, 0, width=10, height=10), world.unit("S"))
        world.grid(layer, "B", cell(5, 5), world.unit("V"))

    build(empty_database, fill)
    view = whole(empty_database)
    found = [hold_plain(view, Question(*middle(column, 5), AT), AT) for column in (3, 4.495, 4.4, 5)]
    assert found == [True, False, True, False]


def test_a_layer_that_is_redrawn_later(empty_database: Database) -> None:
    """Of a grid that ends it is told when: about it nothing is plain until it is over."""

    def fill(world: World) -> None:
        small(world)
        layer = world.layer("other", position=2)
        for column, end in ((0, T0 + timedelta(days=1)), (1, None)):
            world.grid(layer, f"O{column}", cell(column, 0), 1, valid=since(T0, end))

    build(empty_database, fill)
    view = whole(empty_database, T0)
    assert not hold_plain(view, Question(*middle(0, 0), T0), T0)


def test_nothing_is_plain_where_there_is_nothing(empty_database: Database) -> None:
    build(empty_database, lambda world: world.deployment())
    assert not hold_plain(whole(empty_database), Question(120.27, 30.3, AT), AT)


def test_who_sees_a_part_sees_nothing_plainly(town: Database) -> None:
    """It is for whoever sees all: of a part, neighbours are to be left out."""
    view = whole(town)
    place = next(
        (x, y) for x, y in zip(*(one.tolist() for one in places_in(view, 200)), strict=True)
        if hold_plain(view, Question(x, y, AT), AT)
    )  # fmt: skip
    part = View(view.snapshot, Sight(units=frozenset({1}), named=frozenset({1})))
    assert part.plain_answer(Question(*place, AT), AT) is None
