"""Coordinates as people write and paste them: one place, however it is written; nothing is asked of anybody."""

import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial.crs import to_stored_point
from spatial.errors import InputError
from spatial.geometry import distance_m
from spatial.places import baidu, beidou, read_written
from spatial.places.beidou import DEEPEST, LENGTHS

HANGZHOU = (119.8, 29.8, 120.8, 30.8)
LON, LAT = 120.2735, 30.3046  # in GCJ-02 120.2779730, 30.3021609; in BD-09 120.2845077, 30.3080141

SAME = {
    "decimal": (
        "30.3046, 120.2735", "120.2735 30.3046", "30.3046,120.2735", "120.2735，30.3046", "(120.2735, 30.3046)",
        "N30.3046 E120.2735", "30.3046N, 120.2735E", "120.2735° E, 30.3046° N", "30.3046°, 120.2735°",
        "北纬30.3046 东经120.2735", "东经120.2735°，北纬30.3046°", "北纬30.3046度，东经120.2735度。",
        "３０．３０４６，１２０．２７３５", "lat: 30.3046, lng: 120.2735", "经度120.2735 纬度30.3046",
        "坐标：120.2735,30.3046", "gcj02 120.2779730,30.3021609", "GCJ-02: 30.3021609, 120.2779730",
        "bd09 120.2845077 30.3080141", "WGS84 30.3046 120.2735",
    ),
    "seconds": (
        "30°18′16.56″N 120°16′24.6″E", "120°16'24.6\"E, 30°18'16.56\"N", "N 30°18'16.56'' E 120°16'24.6''",
        "30 18 16.56 N 120 16 24.6 E", "30 18 16.56, 120 16 24.6", "30度18分16.56秒 120度16分24.6秒",
        "北纬30°18′16.56″，东经120°16′24.6″", "东经120度16分24.6秒，北纬30度18分16.56秒", "30º18’16.56”N 120º16’24.6”E",
    ),
    "minutes": ("30°18.276′N 120°16.41′E", "N30 18.276 E120 16.41", "30度18.276分 120度16.41分"),
    "geo-uri": ("geo:30.3046,120.2735", "geo:30.3046,120.2735;u=35", "geo:0,0?q=30.3046,120.2735(here)"),
    "link": (
        "https://uri.amap.com/marker?position=120.2779730,30.3021609&name=x",
        "https://uri.amap.com/marker?position=120.2735,30.3046&coordinate=wgs84",
        "看这里 https://ditu.amap.com/regeo?lng=120.2779730&lat=30.3021609 快来",
        "https://wb.amap.com/?p=B0FFF,30.3021609,120.2779730,name,address",
        "uri.amap.com/navigation?to=120.2779730,30.3021609,name",
        "http://api.map.baidu.com/marker?location=30.3080141,120.2845077&title=x&output=html",
        "http://api.map.baidu.com/marker?location=30.3021609,120.2779730&coord_type=gcj02",
        "http://api.map.baidu.com/marker?location=30.3046,120.2735&coord_type=wgs84",
        "https://map.baidu.com/?latlng=30.3080141,120.2845077",
        "https://apis.map.qq.com/uri/v1/marker?marker=coord:30.3021609,120.2779730;title:x;addr:y&referer=z",
        "https://apis.map.qq.com/uri/v1/geocoder?coord=30.3046,120.2735&coord_type=1",
        "https://map.qq.com/?type=marker&pointx=120.2779730&pointy=30.3021609",
        "https://www.google.com/maps/@30.3046,120.2735,17z",
        "https://www.google.com/maps/place/x/@30.1,120.1,17z/data=!3m1!4b1!4m5!3m4!1s0x0:0x0!8m2!3d30.3046!4d120.2735",
        "https://maps.google.com/?q=30.3046,120.2735", "https://www.google.com/maps/search/?api=1&query=30.3046%2C120.2735",
        "https://www.google.com.hk/maps?ll=30.3046,120.2735&z=16",
        "https://www.openstreetmap.org/#map=17/30.3046/120.2735",
        "https://www.openstreetmap.org/?mlat=30.3046&mlon=120.2735#map=12/30.1/120.1",
        "https://maps.apple.com/?ll=30.3046,120.2735&q=x", "https://maps.apple.com/place?coordinate=30.3046,120.2735",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, texts in SAME.items() for text in texts])
def test_one_place_however_it_is_written(form: str, text: str) -> None:
    """Orders, hemispheres, marks, full-width signs, systems and links all come to the same place, within a metre."""
    read = read_written(text, HANGZHOU)
    assert read is not None
    assert distance_m(read.lon, read.lat, LON, LAT) < 1
    assert read.form == form


def test_nothing_is_asked_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are read with the network refused, and those that would have to be followed are refused in words."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    monkeypatch.setattr(socket, "socket", None)
    for text in SAME["link"]:
        assert read_written(text, None)
    for short in (
        "https://surl.amap.com/6Yx", "https://j.map.baidu.com/a1/b", "https://maps.app.goo.gl/x", "https://goo.gl/maps/x",
        "https://osm.org/go/0EEQjE--", "https://uri.amap.com/marker?name=x", "geo:here",
    ):  # fmt: skip
        assert told(short) == ["link-without-place"]
    assert told("https://example.com/?ll=30.3046,120.2735") == ["link-unknown"]


def test_each_map_is_read_in_its_own_system() -> None:
    """What a link means is of its provider: a shifted one of Chinese maps, WGS 84 elsewhere; others are refused."""
    systems = {
        "https://uri.amap.com/marker?position=120.1,30.1": "gcj02",
        "https://api.map.baidu.com/marker?location=30.1,120.1": "bd09",
        "https://map.baidu.com/@13387634.44,3523553.07,17z": "bd09",
        "https://apis.map.qq.com/uri/v1/marker?marker=coord:30.1,120.1;title:x": "gcj02",
        "https://www.google.com/maps/@30.1,120.1,9z": "EPSG:4326",
        "https://www.openstreetmap.org/#map=9/30.1/120.1": "EPSG:4326",
    }
    assert {link: read.source_crs for link in systems if (read := read_written(link, None))} == systems
    assert told("https://api.map.baidu.com/marker?location=30.1,120.1&coord_type=cgcs") == ["link-crs-unknown"]
    assert told("geo:30.1,120.1;crs=epsg:27700") == ["geo-uri-crs"]


def test_a_map_that_is_drawn_shifted_is_read_with_caution() -> None:
    """A point picked on Google's or Apple's map of mainland China may be off; elsewhere nothing is said."""
    china, abroad = (
        read_written(f"https://www.google.com/maps/@{at},17z", None) for at in ("30.3,120.27", "47.6,-122.3")
    )
    assert china
    assert abroad
    assert [one.text for one in china.cautions] == ["seen-shifted"]
    assert abroad.cautions == ()


def test_metres_of_baidu_are_degrees_of_bd09() -> None:
    """Known pairs of bd09mc and bd09: the same to some metres; in China the larger number is the easting."""
    lon, lat = baidu.degrees(12958160.97, 4825923.77)  # Tiananmen as Baidu's own examples have it
    assert distance_m(lon, lat, 116.404, 39.915) < 150
    read = read_written("http://api.map.baidu.com/marker?location=4825923.77,12958160.97&coord_type=bd09mc", None)
    assert read
    assert distance_m(read.lon, read.lat, *to_stored_point(lon, lat, "bd09")) < 1
    assert told("https://map.baidu.com/@99999999999,1,17z") == ["baidu-metres-outside"]


@pytest.mark.parametrize(
    "text",
    ["", "人民路12号", "12-3", "12 3", "G312 K123+450", "杆号 12345", "rml", "120", "1.5", "30.1,120.2,5.5", "😀",
     "30°18′ 人民路", "3.5路", "30°70′N 120°10′E", "N30.1 N120.2", "%", "N50J475"],
)  # fmt: skip
def test_what_is_not_coordinates_is_left_to_the_words(text: str) -> None:
    """House numbers, stakes, codes and angles that cannot be are none: somebody else may know what they mean."""
    assert read_written(text, HANGZHOU) is None


def test_two_latitudes_are_told_apart_by_where_the_city_is() -> None:
    """Where both numbers may be latitudes the deployment's outline decides, else the two readings are named."""
    urumqi = (86.8, 43.1, 88.4, 44.4)
    for text in ("43.8256, 87.6168", "87.6168 43.8256"):
        read = read_written(text, urumqi)
        assert read
        assert (read.lon, read.lat) == (87.6168, 43.8256)
        for extent in (None, HANGZHOU):
            with pytest.raises(InputError) as caught:
                read_written(text, extent)
            (fault,) = caught.value.faults
            assert (fault.where, fault.text) == ("text", "order-ambiguous")
            assert {fault.values["first"], fault.values["second"]} == {43.8256, 87.6168}
    assert told("95.5, 120.5") == ["neither-latitude"]
    assert told("N95.5 E120.5") == ["latitude-out-of-range"]
    west = read_written("-122.3351 47.6080", None)
    assert west
    assert (west.lon, west.lat) == (-122.3351, 47.608)


def test_the_writing_says_how_exact_it_is() -> None:
    """The last digit bounds the place: half of it each way, and never less than a metre; a geo: link says it itself."""
    exact = {"30.3046,120.2735": 7.4, "30.30,120.27": 735.4, "30.304612,120.273512": 1.0, "30°18′N 120°16′E": 1226.0}
    for text, metres in exact.items():
        read = read_written(text, HANGZHOU)
        assert read
        assert read.accuracy_m == pytest.approx(metres, rel=0.01)
    uncertain = read_written("geo:30.304612,120.273512;u=35", None)
    assert uncertain
    assert uncertain.accuracy_m == 35


# BeiDou grid codes ----------------------------------------------------------------------------------------------------

VECTORS = {
    "N50J47539B825534": (116 + 18 / 60 + 45.37 / 3600, 39 + 59 / 60 + 35.38 / 3600, 8),
    "N50J47539B8255346152": (116 + 18 / 60 + 45.37 / 3600, 39 + 59 / 60 + 35.38 / 3600, 10),
    "N50J475493E": (116 + 19 / 60 + 14.3184 / 3600, 39 + 59 / 60 + 56.1444 / 3600, 5),
    "N50J475491E": (116 + 19 / 60 + 5.9808 / 3600, 39 + 59 / 60 + 59.7012 / 3600, 5),
}


@pytest.mark.parametrize(("code", "place"), VECTORS.items())
def test_the_standards_own_codes(code: str, place: tuple[float, float, int]) -> None:
    """The published codes name the cells of the published places, in both directions."""
    lon, lat, level = place
    assert beidou.encode(lon, lat, level) == code
    read = read_written(f"北斗网格码：{code.lower()}", None)
    assert read
    assert read.form == "beidou"
    assert distance_m(read.lon, read.lat, lon, lat) <= read.accuracy_m


@given(st.floats(0, 179.999), st.floats(0, 87.999), st.integers(1, DEEPEST))
def test_a_code_names_the_cell_that_a_place_lies_in(lon: float, lat: float, level: int) -> None:
    """Encoded and decoded, a place is in the cell, and the cell's middle has the same code; at each of ten levels."""
    code = beidou.encode(lon, lat, level)
    cell = beidou.decode(code)
    assert len(code) == LENGTHS[level - 1]
    assert beidou.encode(*cell.centre, level) == code
    slack = 1e-9  # what is stored to nine decimals may lie on a border
    assert cell.west - slack <= lon <= cell.west + cell.width + slack
    assert cell.south - slack <= lat <= cell.south + cell.height + slack


@pytest.mark.parametrize(
    "code", ["N50J47539FF25534", "N50J4753AB825534", "N50J47539B82553", "N50J47939B8", "N61J47539B8", "S50J47539B8"]
)
def test_a_code_that_names_no_cell_is_refused(code: str) -> None:
    """A digit beyond its level, a wrong length, a zone or hemisphere that this does not read."""
    assert told(code) == ["beidou-malformed"]


@given(st.floats(73, 135), st.floats(18, 53), st.sampled_from(("seconds", "minutes")), st.booleans())
def test_degrees_minutes_and_seconds_come_back(lon: float, lat: float, form: str, is_lon_first: bool) -> None:
    """What is written in degrees and minutes, or seconds too, is read as the place that it was written from."""

    def spelt(value: float, letter: str) -> str:
        tenths = round(value * (36_000_000 if form == "seconds" else 60_000_000))
        if form == "minutes":
            degrees, minutes = divmod(tenths, 60_000_000)
            return f"{degrees}°{minutes / 1e6:09.6f}′{letter}"
        degrees, rest = divmod(tenths, 36_000_000)
        minutes, seconds = divmod(rest, 600_000)
        return f"{degrees}°{minutes:02d}′{seconds / 1e4:07.4f}″{letter}"

    parts = [spelt(lon, "E"), spelt(lat, "N")]
    read = read_written(" ".join(parts if is_lon_first else reversed(parts)), None)
    assert read
    assert read.form == form
    assert (read.lon, read.lat) == (pytest.approx(lon, abs=2e-8), pytest.approx(lat, abs=2e-8))


@given(st.text(max_size=200))
def test_any_text_is_read_or_left_or_refused_in_words(text: str) -> None:
    """No text at all breaks the reading."""
    with suppress(InputError):
        read = read_written(text, HANGZHOU)
        assert read is None or (-180 <= read.lon <= 180 and -90 <= read.lat <= 90)


def told(text: str) -> list[str]:
    """Return for which faults a text is refused."""
    with pytest.raises(InputError) as caught:
        read_written(text, None)
    return [fault.text for fault in caught.value.faults]
