"""Places told in words: house numbers, crossings, stakes, poles and names, in Chinese, pinyin and English."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from geoalchemy2.shape import from_shape
from shapely import LineString
from sqlalchemy import insert, text

from api.app import create_app
from spatial.db import Database
from spatial.errors import InputError
from spatial.geometry import distance_m
from spatial.places import Found, find, searchable, told
from spatial.settings import Settings
from spatial.tables import SRID, Address, Place, PlaceVersion, RoadEdge, RoadNode
from tests.access_world import Precinct
from tests.build import CELL, HOUR, LAT, LON, World, build, point
from tests.rows import AT, take
from tests.test_cli import run, url_of

NORTH, SOUTH = LAT + 0.6 * CELL, LAT + 0.4 * CELL  # the two sides of 人民路
ROAD = LAT + 0.5 * CELL


def at_number(number: int) -> tuple[float, float]:
    """Return where a house of 人民路 stands: even numbers in the north."""
    return LON + number * CELL / 20, SOUTH if number % 2 else NORTH


ADDRESSES = {
    **{f"双网街道人民路{n}号": at_number(n) for n in (2, 4, 8, 10, 16, 1, 3, 5)},
    "双网街道人民路10-1号": (LON + 0.51 * CELL, NORTH),
    "双网街道人民路12号院3号楼": (LON + 0.6 * CELL, NORTH + 0.1 * CELL),
    "双网街道人民路12号院5号楼": (LON + 0.62 * CELL, NORTH + 0.1 * CELL),
    "双网街道解放路7号": (LON + 1.2 * CELL, LAT + 0.2 * CELL),
    "双网街道柳河村21号": (LON + 0.1 * CELL, LAT + 0.9 * CELL),
    "望江公寓东门": (LON + 0.3 * CELL, LAT + 0.1 * CELL),
    "远山街道人民路2号": (LON + 9.2 * CELL, LAT + 0.2 * CELL),
    "远山街道秘密路7号": (LON + 9.5 * CELL, LAT + 0.5 * CELL),
    "秘密公寓西门": (LON + 9.4 * CELL, LAT + 0.4 * CELL),
}
PLACES: dict[str, tuple[str, tuple[float, float]]] = {
    "双网农贸市场": ("market", (LON + 0.2 * CELL, LAT + 0.2 * CELL)),
    "重庆饭店": ("building", (LON + 0.4 * CELL, LAT + 0.2 * CELL)),
    "西湖": ("site", (LON + 0.5 * CELL, LAT + 0.2 * CELL)),
    "人民路灯杆 012345": ("pole", (LON + 0.45 * CELL, LAT + 0.55 * CELL)),
    "监控杆 07": ("camera", (LON + 0.7 * CELL, LAT + 0.55 * CELL)),
    "G312 K123+000": ("stake", (LON, LAT + 3 * CELL)),
    "G312 K124+000": ("stake", (LON + 5 * CELL, LAT + 8 * CELL)),
    "秘密花园": ("estate", (LON + 9.3 * CELL, LAT + 0.3 * CELL)),
}
ROADS = {  # name: the nodes it runs through; 人民路 and 解放路 share one, G312 turns a corner
    "人民路": [(LON, ROAD), (LON + CELL, ROAD), (LON + 2 * CELL, ROAD)],
    "解放路": [(LON + CELL, LAT), (LON + CELL, ROAD), (LON + CELL, LAT + CELL)],
    "和平路": [(LON + 2 * CELL, LAT), (LON + 2 * CELL, LAT + CELL)],
    "沪霍线": [(LON, LAT + 3 * CELL), (LON + 5 * CELL, LAT + 3 * CELL), (LON + 5 * CELL, LAT + 8 * CELL)],
}


@pytest.fixture(scope="module")
def street(shared_precinct: Precinct) -> Precinct:
    """Return two stations with named streets, stakes, poles and places, some of them of the station far away."""
    build(shared_precinct.database, _lay_out, lambda world: searchable.everything(world.session))
    return shared_precinct


def _lay_out(world: World) -> None:
    session = world.session
    for n, (called, at) in enumerate(ADDRESSES.items()):
        house = {"code": f"N{n:03d}", "text": called, "point": from_shape(point(*at), srid=SRID), "dwellings": 1}
        session.execute(insert(Address).values(**house))
    times = {"valid": world.valid, "recorded": world._recorded("areas")}
    for n, (called, (klass, at)) in enumerate(PLACES.items()):
        place = session.execute(insert(Place).values(code=f"Q{n:03d}").returning(Place.id)).scalar_one()
        row = {"place_id": place, "name": called, "klass": klass, "point": from_shape(point(*at), srid=SRID)}
        session.execute(insert(PlaceVersion).values(**row, **times))
    nodes: dict[tuple[float, float], int] = {}
    for name, course in ROADS.items():
        for at in course:
            if at not in nodes:
                node = insert(RoadNode).values(point=from_shape(point(*at), srid=SRID)).returning(RoadNode.id)
                nodes[at] = session.execute(node).scalar_one()
        for n, (start, end) in enumerate(pairwise(course)):
            edge = {"code": f"{name}{n}", "klass": "street", "name": name}
            ends = {"from_node_id": nodes[start], "to_node_id": nodes[end]}
            line = from_shape(LineString([start, end]), srid=SRID)
            session.execute(insert(RoadEdge).values(**edge, **ends, geom=line))


@pytest.fixture
def asked(street: Precinct) -> Iterator[Callable[..., list[Found]]]:
    """Yield a way to ask, as somebody who sees everything."""
    with street.database.read() as session:
        yield lambda words, limit=10: find(session, words, limit)


Asked = Callable[..., list[Found]]


def off_m(one: Found, at: tuple[float, float]) -> float:
    """Return how far a found place is from where it should be."""
    return distance_m(one.lon, one.lat, *at)


# Addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["双网街道人民路10号", "双网街道人民路 10 号", "双网街道人民路１０号", "双网街道人民路十号",
     "双网街道人民路拾号", "双网街道人民路10"],
)  # fmt: skip
def test_a_house_number_is_found_however_it_is_written(asked: Asked, words: str) -> None:
    """Spaces, full-width digits, Chinese numerals, with 号 and without: the one house, and sure of it."""
    first = asked(words)[0]
    assert (first.kind, first.text, first.confidence) == ("address", "双网街道人民路10号", 1.0)
    assert off_m(first, ADDRESSES["双网街道人民路10号"]) < 0.1


@pytest.mark.parametrize(
    "words", ["人明路10号", "renminlu 10 hao", "10 Renmin Road", "No. 10, Renmin Rd", "renminlu10号", "人民録10号"]
)
def test_a_house_is_found_by_how_its_street_sounds(asked: Asked, words: str) -> None:
    """A character misheard, pinyin, and English forms come to the same house, less surely."""
    first = asked(words)[0]
    assert first.text == "双网街道人民路10号"
    assert 0.6 < first.confidence < 1


def test_a_street_of_two_towns_is_shared_between_them(asked: Asked) -> None:
    """Where two houses are called so each has half of the confidence, and says so; the town decides between them."""
    both = asked("人民路2号")
    assert [(one.text, one.confidence) for one in both] == [("双网街道人民路2号", 0.5), ("远山街道人民路2号", 0.5)]
    assert all(one.reasons[-1].values == {"n": 2} for one in both)
    first = asked("远山街道人民路2号")[0]
    assert (first.text, first.confidence) == ("远山街道人民路2号", 1.0)


def test_a_lacking_number_is_placed_between_its_neighbours_on_its_own_side(asked: Asked) -> None:
    """Number 6 lies between 4 and 8 in the north, less surely and less exactly than a house that is known."""
    (six,) = asked("双网街道人民路6号")
    assert (six.kind, six.text) == ("interpolated", "双网街道人民路6号")
    assert off_m(six, at_number(6)) < 0.5
    assert 0.5 <= six.confidence < 0.8
    assert six.accuracy_m >= 20
    assert [one.text for one in six.reasons] == ["name-same", "between-numbers"]


def test_beyond_the_last_number_and_across_the_street_little_is_known(asked: Asked) -> None:
    """Past the last number the place is beside it; a side without numbers near is told by the other."""
    (nine,) = asked("双网街道人民路9号")
    assert off_m(nine, at_number(5)) < 0.5
    assert (nine.confidence, nine.reasons[-1].text) == (0.5, "beyond-numbers")
    (hundred,) = asked("双网街道柳河村22号")
    assert (hundred.confidence, hundred.reasons[-1].text) == (0.5, "across")
    assert asked("双网街道人民路400号") == []


def test_buildings_and_additions_of_a_number_are_told_apart(asked: Asked) -> None:
    """10-1 is not 10, of a courtyard the building counts, and 幢, 栋 and 号楼 are one."""
    assert [one.text for one in asked("双网街道人民路10-1号", 1)] == ["双网街道人民路10-1号"]
    for words in ("双网街道人民路12号院5号楼", "双网街道人民路12号5幢", "双网街道人民路12号5栋"):
        first = asked(words)[0]
        assert (first.text, first.confidence) == ("双网街道人民路12号院5号楼", 1.0)
    assert [one.reasons[-2].text for one in asked("双网街道人民路12号")] == ["rest-differs"] * 2


def test_an_address_without_a_number_is_found_by_its_text(asked: Asked) -> None:
    """A gate or a block of flats is an address, too."""
    first = asked("望江公寓东门")[0]
    assert (first.kind, first.code, first.confidence) == ("address", "N013", 1.0)


def test_streets_that_are_named_in_english_are_read_alike(empty_database: Database) -> None:
    """Pine St and Pine Street are one, numbers between are placed, and a corner is where the two roads meet."""
    build(empty_database, lambda world: world.deployment(), _lay_out_in_english)
    with empty_database.read() as session:
        (house,) = find(session, "104 pine street")
        assert (house.text, house.confidence) == ("104 Pine St", 1.0)
        (between,) = find(session, "106 Pine St.")
        assert (between.kind, between.text) == ("interpolated", "106 Pine Street")
        for words in ("corner of 3rd Avenue and Pine Street", "Pine St & 3rd Ave", "Pine St at 3rd Ave"):
            (corner,) = find(session, words)
            assert (corner.kind, set(corner.text.split(" / "))) == ("crossing", {"Pine St", "3rd Ave"})


def _lay_out_in_english(world: World) -> None:
    session = world.session
    for n in (102, 104, 108):
        place = from_shape(point(LON + n * CELL / 1000, NORTH), srid=SRID)
        session.execute(insert(Address).values(code=f"P{n}", text=f"{n} Pine St", point=place, dwellings=1))
    ends = [(LON, ROAD), (LON + CELL, ROAD), (LON + CELL, LAT)]
    adding = insert(RoadNode).returning(RoadNode.id)
    nodes = [session.execute(adding.values(point=from_shape(point(*at), srid=SRID))).scalar_one() for at in ends]
    for n, name in enumerate(("Pine St", "3rd Ave")):
        line = from_shape(LineString(ends[n : n + 2]), srid=SRID)
        edge = {"code": name, "klass": "street", "name": name, "from_node_id": nodes[n], "to_node_id": nodes[n + 1]}
        session.execute(insert(RoadEdge).values(**edge, geom=line))
    searchable.everything(session)


# Crossings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["人民路与解放路交叉口", "解放路和人民路路口", "人民路/解放路", "人民路解放路口", "人民路&解放路",
     "双网街道人民路与解放路口",
     "corner of Renmin Road and Jiefang Road", "Jiefang Rd & Renmin Rd", "renminlu与jiefanglu路口", "人明路与解放路口"],
)  # fmt: skip
def test_a_crossing_is_where_both_roads_share_a_node(asked: Asked, words: str) -> None:
    """However the two roads are joined, in either order and language, it is the one node."""
    first = asked(words)[0]
    assert first.kind == "crossing"
    assert off_m(first, (LON + CELL, ROAD)) < 0.5


def test_names_with_the_word_for_and_are_read_whole(asked: Asked) -> None:
    """The 和 of 和平路 parts no roads; one passes over or ends unjoined, less surely; where none do, there is none."""
    first = asked("和平路和人民路交叉口")[0]
    assert (first.kind, first.text, first.reasons[-1].text) == ("crossing", "和平路 / 人民路", "roads-cross")
    assert off_m(first, (LON + 2 * CELL, ROAD)) < 0.5
    assert first.confidence < 0.9
    assert [one.kind for one in asked("和平路与解放路交叉口")] == []


# Stakes and poles -----------------------------------------------------------------------------------------------------


def test_a_stake_is_found_by_its_number(asked: Asked) -> None:
    """With the road and without it, in kilometres and metres or as on the stake."""
    for words in ("G312 K123+000", "G312国道K123", "g312k124", "K124+000处", "G312 124公里"):
        first = asked(words)[0]
        assert (first.kind, first.accuracy_m, first.confidence) == ("stake", 10, 1.0)


def test_between_stakes_the_place_lies_along_the_road(asked: Asked) -> None:
    """Half way from stake to stake is at the corner that the road turns, not on the straight line."""
    (half,) = asked("G312 K123+500")
    length = [distance_m(*start, *end) for start, end in pairwise(ROADS["沪霍线"])]
    along = (sum(length) / 2 - length[0]) / length[1]
    assert off_m(half, (LON + 5 * CELL, LAT + (3 + 5 * along) * CELL)) < 1
    assert (half.text, half.confidence) == ("G312 K123+500", 0.9)
    assert [one.text for one in half.reasons] == ["between-stakes"]
    assert asked("G312 K200+000") == []
    assert asked("G999 K123+000") == []


@pytest.mark.parametrize(
    "words", ["杆号 012345", "杆号12345", "灯杆12345", "12345号灯杆", "人民路灯杆 012345", "pole 12345"]
)
def test_a_pole_is_found_by_the_number_on_it(asked: Asked, words: str) -> None:
    """Leading noughts and the word for the pole are no matter."""
    first = asked(words)[0]
    assert (first.kind, first.text, first.confidence, first.accuracy_m) == ("pole", "人民路灯杆 012345", 1.0, 5)


def test_masts_are_found_by_number_and_no_other_number_is_meant(asked: Asked) -> None:
    """The mast 07 is not what somebody means who says 08."""
    assert asked("监控杆 7")[0].text == "监控杆 07"
    assert asked("监控杆 8") == []


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text", "least", "by"),
    [
        ("双网农贸市场", "双网农贸市场", 0.95, "name-same"),
        ("农贸市场", "双网农贸市场", 0.85, "name-alike"),
        ("双网街道双网农贸市场", "双网农贸市场", 0.8, "name-alike"),
        ("双网龙贸市场", "双网农贸市场", 0.75, "sounds-alike"),
        ("双网集贸市场", "双网农贸市场", 0.75, "sounds-alike"),
        ("shuangwangnongmaoshichang", "双网农贸市场", 0.85, "sounds-alike"),
        ("nongmao shichang", "双网农贸市场", 0.8, "sounds-alike"),
        ("swnmsc", "双网农贸市场", 0.6, "initials-alike"),
        ("chongqing fandian", "重庆饭店", 0.85, "sounds-alike"),
        ("西湖", "西湖", 0.95, "name-same"),
        ("xihu", "西湖", 0.85, "sounds-alike"),
    ],
)
def test_a_name_is_found_by_its_characters_its_sound_or_its_initials(
    asked: Asked, words: str, text: str, least: float, by: str
) -> None:
    """Part of a name, a wrong character, pinyin in the reading of its words, initials, two characters alone."""
    first = asked(words)[0]
    assert (first.kind, first.text, first.reasons[0].text) == ("place", text, by)
    assert first.confidence >= least


@pytest.mark.parametrize(
    "words",
    ["", " ", "%", "_", "%_%", "'; DROP TABLE place; --", "\\", "😀🚓", "号", "／", "(((((",
     "人" * 200, "9" * 200, "K" * 200, "与" * 200, "路" * 200, "路与" * 100, "a b " * 50],
)  # fmt: skip
def test_whatever_is_asked_nothing_breaks_and_nothing_is_meant(asked: Asked, words: str) -> None:
    """Wildcards and quotes of SQL, emoji, and the longest texts find nothing, and quickly."""
    assert asked(words) == []


def test_bounds_are_said_in_words(asked: Asked) -> None:
    """201 characters or eleven candidates are too many."""
    for call, where in ((lambda: asked("人" * 201), "text"), (lambda: asked("西湖", 11), "limit")):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.faults[0].where == where


def test_coordinates_among_words_come_first(street: Precinct) -> None:
    """A text that holds coordinates is these, and nothing else is looked for."""
    with street.database.read() as session:
        both = told(session, "30.3005, 120.2705")
        words = told(session, "西湖")
    assert both.written
    assert both.found == ()
    assert words.written is None
    assert words.found[0].text == "西湖"


# Who sees what --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "all_see"),
    [("远山街道秘密路7号", "address"), ("秘密公寓西门", "address"), ("秘密花园", "place"), ("mimihuayuan", "place")],
)
def test_a_station_finds_nothing_of_another(street: Precinct, client: TestClient, words: str, all_see: str) -> None:
    """What row-level security hides is not found, not by name, sound or number, nor as the neighbour of a number."""
    found = {}
    for who in ("dispatcher-whole", "dispatcher-unit", "dispatcher-layer"):
        reply = client.get("/places/find", params={"text": words}, headers=bearer(street, who))
        assert reply.status_code == 200, reply.text
        found[who] = [one["kind"] for one in reply.json()["items"]]
    assert found == {"dispatcher-whole": [all_see], "dispatcher-unit": [], "dispatcher-layer": [all_see]}


def test_what_a_station_does_not_see_is_not_counted_either(street: Precinct, client: TestClient) -> None:
    """Of two houses of one name a station sees its own, and is as sure of it as if there were no other."""
    items = [
        client.get("/places/find", params={"text": "人民路2号"}, headers=bearer(street, who)).json()["items"]
        for who in ("dispatcher-unit", "dispatcher-whole")
    ]
    assert [[one["confidence"] for one in each] for each in items] == [[1.0], [0.5, 0.5]]
    near = client.get("/places/find", params={"text": "远山街道秘密路9号"}, headers=bearer(street, "dispatcher-unit"))
    assert near.json()["items"] == []


def test_the_search_itself_holds_to_the_scope(street: Precinct) -> None:
    """The function that searches with the owner's rights gives a station nothing that its rules of rows hide."""
    with street.database.read() as session:
        scope = "set_config('role', 'twingrid_scoped', true), set_config('twingrid.units', '', true)"
        session.execute(text(f"SELECT {scope}"))
        asking = text("SELECT count(*) FROM places_sounding('mimihuayuan', NULL, now(), 10)")
        assert session.scalar(asking) == 0
        assert session.scalar(text("SELECT count(*) FROM house_number")) == 0
        assert session.scalar(text("SELECT count(*) FROM place_name")) == 0


# Faces ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(street: Precinct, served_precinct: Database) -> Iterator[TestClient]:
    """Yield a client of the service."""
    with TestClient(create_app(served_precinct, Settings(language="en")), "http://service") as client:
        yield client


def bearer(street: Precinct, name: str) -> dict[str, str]:
    """Return the headers of a principal."""
    return {"Authorization": f"Bearer {street.tokens[name]}"}


def test_the_answer_says_what_was_found_and_why(street: Precinct, client: TestClient) -> None:
    """Coordinates, places with their reasons, or a hint: in both languages."""
    headers = bearer(street, "dispatcher-whole")

    def asked(words: str, lang: str) -> Any:
        return client.get("/places/find", params={"text": words, "lang": lang, "limit": 3}, headers=headers).json()

    written = asked("geo:30.3005,120.2705", "en")
    assert (written["written"]["form"], written["items"], written["hint"]) == ("geo-uri", [], None)
    found = asked("双网街道人民路6号", "zh-CN")
    assert found["items"][0]["reasons"] == ["名称一致。", "在 4 号与 8 号之间推算。"]
    assert "pinyin" in asked("无此处所", "en")["hint"]
    assert "拼音" in asked("无此处所", "zh-CN")["hint"]
    for words in ("https://surl.amap.com/x", "86.1, 43.8"):
        assert asked(words, "en")["faults"][0]["where"] == "text"


def test_the_command_line_finds_the_same(street: Precinct, client: TestClient, tmp_path: Path) -> None:
    """`twingrid find --json` prints the body of `GET /places/find`; without it, a person can read it."""
    settings = {"TWINGRID_DATABASE_URL": url_of(street.database), "TWINGRID_DATA_DIR": str(tmp_path)}
    printed = run("find", "人民路与解放路口", "--json", "--lang", "en", **settings)
    params = {"text": "人民路与解放路口", "lang": "en"}
    body = client.get("/places/find", params=params, headers=bearer(street, "dispatcher-whole")).json()
    assert orjson.loads(printed.stdout) == body
    assert "crossing" in run("find", "人民路与解放路口", "--lang", "en", COLUMNS="200", **settings).stdout
    refused = run("find", "https://surl.amap.com/x", "--lang", "en", **settings)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("text: This link (surl.amap.com) holds no coordinates")


# Written with what they are of ----------------------------------------------------------------------------------------


def test_what_is_imported_is_found_and_what_is_gone_is_not(empty_database: Database) -> None:
    """An import makes addresses, places and roads searchable in its own transaction, and their new names with it."""
    build(empty_database, lambda world: world.deployment())

    def found(words: str) -> list[str]:
        with empty_database.read() as session:
            return [one.text for one in find(session, words)]

    def houses(**called: str) -> dict[str, list[str]]:
        n = len(called)
        return {
            "code": list(called), "text": list(called.values()), "dwellings": ["1"] * n,
            "lon": [str(LON)] * n, "lat": [str(LAT)] * n,
        }  # fmt: skip

    take(empty_database, "addresses", houses(H1="东山路1号", H2="东山公寓"))
    assert (found("东山路1号"), found("东山公寓")) == (["东山路1号"], ["东山公寓"])
    take(empty_database, "addresses", houses(H1="西山路1号", H2="西山公寓"))
    assert (found("西山路1号"), found("西山公寓"), found("东山路1号")) == (["西山路1号"], ["西山公寓"], [])
    take(empty_database, "addresses", houses(H2="西山公寓"), complete=True, may_end_most=True)
    assert found("西山路1号") == []

    def mast(called: str, klass: str) -> dict[str, list[str]]:
        return {"code": ["M1"], "name": [called], "class": [klass], "lon": [str(LON)], "lat": [str(LAT)]}

    take(empty_database, "places", mast("S203 K5+000", "里程桩"))
    assert found("S203 K5") == ["S203 K5+000"]
    take(empty_database, "places", mast("西湖亭", "site"), at=AT + HOUR)
    assert (found("S203 K5"), found("xihuting")) == ([], ["西湖亭"])


def test_a_file_that_is_refused_leaves_nothing_to_be_found(empty_database: Database) -> None:
    """A dry run makes nothing searchable."""
    build(empty_database, lambda world: world.deployment())
    row = {"code": ["H1"], "text": ["东山路1号"], "dwellings": ["1"], "lon": [str(LON)], "lat": [str(LAT)]}
    take(empty_database, "addresses", row, commit=False)
    with empty_database.read() as session:
        assert find(session, "东山路1号") == []
        assert session.scalar(text("SELECT count(*) FROM street")) == 0


def test_the_generated_town_is_found(town: Database) -> None:
    """Houses, stakes, poles and crossings of the demo are found by what they are called."""
    with town.read() as session:
        sample = "SELECT name FROM place_version WHERE class = '{}' ORDER BY id LIMIT 1 OFFSET 3"
        stake, pole = (session.scalar(text(sample.format(klass))) for klass in ("stake", "pole"))
        houses = session.scalars(text("SELECT text FROM address ORDER BY id LIMIT 5 OFFSET 700")).all()
        assert stake
        assert pole
        for called, kind in ((stake, "stake"), (pole, "pole"), *((one, "address") for one in houses)):
            first = find(session, called)[0]
            assert (first.text, first.kind, first.confidence) == (called, kind, 1.0)
        one, other = session.execute(CROSSING).one()
        assert find(session, f"{one}与{other}交叉口")[0].kind == "crossing"


CROSSING = text("""
    SELECT a.name, b.name FROM road_edge a JOIN road_edge b ON b.from_node_id = a.to_node_id AND b.name > a.name
    WHERE a.class = 'secondary' AND b.class = 'secondary' ORDER BY a.id, b.id LIMIT 1""")
