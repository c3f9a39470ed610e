"""Coordinates in and out of other systems land where they should, and what cannot be converted well is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from spatial import crs, shifted
from spatial.errors import InputError, SetupError
from spatial.geometry import GRS80, Floats
from spatial.settings import settings

XUZHOU, JIUBAO = (117.2841, 34.2058), (120.2735, 30.3046)
OUTSIDE = {
    "Hong Kong": (114.1694, 22.3193),
    "Sheung Shui": (114.128, 22.502),
    "Macau": (113.5439, 22.1987),
    "Taipa": (113.556, 22.156),
    "Taipei": (121.5654, 25.033),
    "Kinmen": (118.32, 24.43),
    "Seoul": (126.978, 37.5665),
    "Hanoi": (105.8342, 21.0278),
    "Ulaanbaatar": (106.9, 47.9),
    "Seattle": (-122.33, 47.6),
}
INSIDE = {
    "Futian": (114.055, 22.53),
    "Shekou": (113.915, 22.482),
    "Gongbei": (113.548, 22.222),
    "Xiamen": (118.09, 24.48),
    "Dandong": (124.39, 40.12),
    "Kashgar": (75.99, 39.47),
    "Sanya": (109.5, 18.25),
}


def one(*place: float) -> Floats:
    return np.array([place], dtype=np.float64)


def metres_between(these: Floats, those: Floats) -> Floats:
    return np.asarray(GRS80.inv(these[:, 0], these[:, 1], those[:, 0], those[:, 1])[2])


def fault_of(call: InputError) -> tuple[str, str]:
    return call.faults[0].where, call.faults[0].text


@pytest.mark.parametrize(
    ("place", "code", "x", "y"),
    [
        (XUZHOU, "EPSG:4548", 526183.092, 3786526.145),
        (XUZHOU, "4527", 39526183.092, 3786526.145),
        (JIUBAO, "EPSG:4549", 526308.085, 3353911.519),
    ],
)
def test_gauss_kruger(place: tuple[float, float], code: str, x: float, y: float) -> None:
    """CGCS2000 3° Gauss–Krüger agrees with published coordinates to a millimetre, both ways."""
    assert np.abs(crs.from_stored(one(*place), code) - [x, y]).max() < 0.001
    assert metres_between(crs.to_stored(one(x, y), code), one(*place))[0] < 0.001


@pytest.mark.parametrize("dialect", ["WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"])
def test_cgcs2000_without_its_code(dialect: str) -> None:
    """A WKT that names CGCS2000 without an EPSG code converts as CGCS2000, not over WGS 84."""
    wkt = CRS(4548).to_wkt(dialect)
    assert metres_between(crs.to_stored(one(526183.092, 3786526.145), wkt), one(*XUZHOU))[0] < 0.001


@pytest.mark.parametrize("same", ["EPSG:4490", "4490", "EPSG:4326", "OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84"])
def test_identity(same: str) -> None:
    """Degrees of CGCS2000 and WGS 84 are taken bit for bit, longitude first."""
    assert crs.to_stored(one(*XUZHOU), same).tolist() == [list(XUZHOU)]
    assert crs.from_stored(one(*XUZHOU), same).tolist() == [list(XUZHOU)]


def test_british_grid_is_not_moved_by_a_ballpark() -> None:
    """The British grid comes out within a few metres of the Ordnance Survey's worked example, not 100 m off."""
    assert metres_between(crs.to_stored(one(651409.903, 313177.270), "27700"), one(1.716052, 52.657979))[0] < 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EPSG:2327", "crs-without-way"),  # Xi'an 80: PROJ knows only a ballpark
        ("+proj=longlat +ellps=bessel +nadgrids=absent.gsb +type=crs", "crs-grid-missing"),
        ("EPSG:999999", "unknown-crs"),
        ("Xuzhou local", "unknown-crs"),
        ("", "unknown-crs"),
        ("EPSG:4479", "unknown-crs"),  # geocentric
        ("'; DROP TABLE grid; --", "unknown-crs"),
        ("x" * 100_000, "unknown-crs"),
    ],
)
def test_refused_systems(name: str, text: str) -> None:
    """What is unknown, or has no good way to WGS 84, is refused at `crs`."""
    with pytest.raises(InputError) as caught:
        crs.to_stored(one(*XUZHOU), name)
    assert fault_of(caught.value) == ("crs", text)


def test_named_local_grid() -> None:
    """A local grid given as a PROJ string with its shift to WGS 84 is taken."""
    local = "+proj=tmerc +lon_0=117 +x_0=500000 +ellps=krass +towgs84=15.8,-154.4,-82.3,0,0,0,0 +type=crs"
    there = crs.from_stored(one(*XUZHOU), local)
    assert metres_between(crs.to_stored(there, local), one(*XUZHOU))[0] < 0.001


def test_outside_its_system() -> None:
    """Positions far from where a system is used, as an easting with a zone too many, are refused with their number."""
    with pytest.raises(InputError) as caught:
        crs.to_stored(np.array([[39526183.1, 3786526.1], [526183.1, 3786526.1]]), "4548")
    assert fault_of(caught.value) == ("crs", "outside-crs")
    assert caught.value.faults[0].values["count"] == 1
    with pytest.raises(InputError) as elsewhere:  # Beijing 1954, of a place in Seattle
        crs.to_stored(np.array([[-122.33, 47.6]]), "EPSG:4214")
    assert fault_of(elsewhere.value) == ("crs", "outside-crs")


def test_published_shifted_positions(realdata: Path) -> None:
    """All 332 published cities come out within a metre in GCJ-02 and BD-09, and back."""
    cities = json.loads((realdata / "coord-vectors" / "gcoord_china_cities.json").read_text(encoding="utf-8"))
    wgs84, gcj02, bd09 = (
        np.array([city["coords"][system] for city in cities], float) for system in ("WGS84", "GCJ02", "BD09")
    )
    assert len(cities) == 664
    for name, published in (("gcj02", gcj02), ("bd09", bd09)):
        assert metres_between(crs.from_stored(wgs84, name, allow_shifted=True), published).max() < 1
        assert metres_between(crs.to_stored(published, name), wgs84).max() < 1


@pytest.mark.parametrize(
    ("place", "gcj02", "bd09"),
    [
        (XUZHOU, (117.2898534, 34.2045101), (117.2964464, 34.2102080)),
        (JIUBAO, (120.2779730, 30.3021609), (120.2845077, 30.3080141)),
    ],
)
def test_the_usual_formula(place: tuple[float, float], gcj02: tuple[float, float], bd09: tuple[float, float]) -> None:
    """The shift is the usual formula's to all 7 decimals published."""
    assert np.abs(shifted.to_gcj02(one(*place)) - gcj02).max() < 1e-7
    assert np.abs(shifted.to_bd09(one(*place)) - bd09).max() < 1e-7


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_shift_outside_mainland_china(name: str) -> None:
    """Hong Kong, Macau, Taipei, Seoul and Hanoi stay untouched, both ways."""
    place = one(*OUTSIDE[name])
    for convert in (shifted.to_gcj02, shifted.to_bd09, shifted.from_gcj02, shifted.from_bd09):
        assert (convert(place) == place).all()


@pytest.mark.parametrize("name", INSIDE)
def test_shift_up_to_the_border(name: str) -> None:
    """Cities at the very border of mainland China are shifted."""
    place = one(*INSIDE[name])
    assert 200 < metres_between(shifted.to_gcj02(place), place)[0] < 800


@given(st.floats(100, 118), st.floats(25, 40))
def test_inverse_closes(lon: float, lat: float) -> None:
    """Shifting and unshifting returns to within 1e-9°."""
    place = one(lon, lat)
    assert np.abs(shifted.from_gcj02(shifted.to_gcj02(place)) - place).max() < 1e-9
    assert np.abs(shifted.from_bd09(shifted.to_bd09(place)) - place).max() < 1e-9


def test_shifted_output_needs_permission() -> None:
    """Coordinates go out in GCJ-02 only where that is allowed; they always come in."""
    with pytest.raises(InputError) as caught:
        crs.from_stored(one(*XUZHOU), "GCJ-02")
    assert fault_of(caught.value) == ("crs", "crs-output-not-allowed")
    crs.to_stored(one(*XUZHOU), "GCJ-02")


@pytest.mark.parametrize(
    ("points", "system", "extent", "swapped"),
    [
        (one(34.2, 117.3), "4490", None, True),
        (one(47.6, -122.3), "4326", None, True),
        (one(117.3, 34.2), "4490", None, False),
        (one(181, 40), "4326", None, False),
        (one(30.3, 60.2), "4326", (60.0, 30.0, 61.0, 31.0), True),
        (one(30.3, 60.2), "4326", None, False),
        (one(3786526, 526183), "4548", None, True),  # northing first, as surveyors write
        (one(526183, 3786526), "4548", None, False),
    ],
)
def test_swapped_axes(points: Floats, system: str, extent: crs.Bounds | None, *, swapped: bool) -> None:
    """Coordinates that only make sense the other way round are recognised."""
    assert crs.axes_swapped(points, system, extent) is swapped


# A city's own grid ----------------------------------------------------------------------------------------------------

OF_CITY = """
["徐州城建"]
crs = "+proj=tmerc +lon_0=117 +x_0=500000 +ellps=GRS80 +towgs84=0,0,0 +type=crs"
easting_m = 500012.345
northing_m = 3700000.5
rotation_arcsec = 5400
scale = 1.0000021
control = [{{ x = {x}, y = {y}, lon = 117.2841, lat = 34.2058 }}]

["plain"]
crs = "EPSG:4548"
"""


@pytest.fixture
def of_city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a way to name local grids."""
    path = tmp_path / "grids.toml"

    def name(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("TWINGRID_LOCAL_GRIDS", str(path))
        settings.cache_clear()

    yield name
    settings.cache_clear()


def local_place() -> tuple[float, float]:
    """Return Xuzhou in the local grid, worked out by hand: shifted back, scaled back, turned back by 1.5°."""
    east, north = crs.from_stored(one(*XUZHOU), "EPSG:4548")[0] - (500012.345, 3700000.5)
    x, y = east / 1.0000021, north / 1.0000021
    cos, sin = np.cos(np.radians(1.5)), np.sin(np.radians(1.5))
    return float(x * cos + y * sin), float(y * cos - x * sin)


def test_named_local_grids(of_city: Callable[[str], None]) -> None:
    """A grid named in the settings' file converts by its four parameters, both ways, to a millimetre."""
    x, y = local_place()
    of_city(OF_CITY.format(x=x, y=y))
    assert metres_between(crs.to_stored(one(x, y), "徐州城建"), one(*XUZHOU))[0] < 0.001
    assert np.abs(crs.from_stored(one(*XUZHOU), "徐州城建") - [x, y]).max() < 0.001
    assert np.abs(crs.from_stored(one(*XUZHOU), "plain") - [526183.092, 3786526.145]).max() < 0.001
    assert (crs.described("徐州城建"), crs.described("gcj02")) == (None, None)
    assert crs.described("plain") == CRS("EPSG:4548")
    with pytest.raises(InputError) as caught:
        crs.to_stored(one(x, y), "徐州市")
    assert fault_of(caught.value) == ("crs", "unknown-crs")


def test_a_local_grid_that_misses_its_control_points(of_city: Callable[[str], None]) -> None:
    """Where the axes of the parameters were mixed up, the control point tells."""
    x, y = local_place()
    of_city(OF_CITY.format(x=y, y=x))
    with pytest.raises(InputError) as caught:
        crs.to_stored(one(x, y), "徐州城建")
    assert fault_of(caught.value) == ("crs", "local-grid-misses")


@pytest.mark.parametrize(
    "text", ["[", "[a]\nx = 1", '[a]\ncrs = "EPSG:4548"\nscale = 0', '[a]\ncrs = "EPSG:4548"\ncontrol = [{ x = 1 }]']
)
def test_files_of_local_grids_that_are_wrong(of_city: Callable[[str], None], text: str) -> None:
    """A file that cannot be understood is the operator's to mend, and says where."""
    of_city(text)
    with pytest.raises(SetupError) as caught:
        crs.to_stored(one(*XUZHOU), "a")
    assert caught.value.text == "local-grids-malformed"
