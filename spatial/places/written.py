"""Coordinates as people write and paste them: decimal degrees, minutes, seconds, map links, BeiDou grid codes."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, hypot, radians

import shapely

from spatial import crs as systems
from spatial.crs import Bounds
from spatial.errors import InputError, invalid
from spatial.geometry import DEGREE_DECIMALS
from spatial.places import beidou, links
from spatial.places.model import Form, Said, Written
from spatial.shifted import mainland

DEGREE_M = 111_320.0
FINEST_M = 1.0  # no writing is taken to be more exact
SEEN_SHIFTED = ("google", "apple")  # maps that are drawn shifted inside mainland China

MARKS = str.maketrans(
    {
        **dict.fromkeys("º˚", "°"), **dict.fromkeys("'’‘`´＇", "′"), **dict.fromkeys("\"”“″＂", "″"),
        **dict.fromkeys("，、；。", ","), **dict.fromkeys("：", ":"), **dict.fromkeys("−–—－", "-"),
    }
)  # fmt: skip
TOKEN = re.compile(
    r"""(?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<degree>°|度) | (?P<second>″|′′|秒) | (?P<minute>′|分)
      | (?P<axis>北纬|南纬|东经|西经|纬度|经度|latitude|longitude|lat|long|lng|lon|[NSEW])(?![a-z])
      | (?P<crs>gcj-?02|bd-?09|wgs-?84|cgcs-?2000|火星坐标|高德|百度)
      | (?P<filler>[\s,:;/|=()\[\]]+|坐标|位置|地点|和|and)""",
    re.IGNORECASE | re.VERBOSE,
)
AXES = {
    "北纬": ("lat", 1), "南纬": ("lat", -1), "东经": ("lon", 1), "西经": ("lon", -1),
    "n": ("lat", 1), "s": ("lat", -1), "e": ("lon", 1), "w": ("lon", -1), "纬度": ("lat", 0), "经度": ("lon", 0),
    "latitude": ("lat", 0), "lat": ("lat", 0), "longitude": ("lon", 0), "long": ("lon", 0), "lng": ("lon", 0),
    "lon": ("lon", 0),
}  # fmt: skip
NAMED_SYSTEMS = {
    "gcj02": "gcj02", "火星坐标": "gcj02", "高德": "gcj02", "bd09": "bd09", "百度": "bd09", "wgs84": systems.STORED,
    "cgcs2000": systems.STORED,
}  # fmt: skip
BEFORE_CODE = re.compile("^(?:北斗)?(?:网格)?(?:位置)?码?:?")
UNITS = {"degree": 1.0, "minute": 1 / 60, "second": 1 / 3600}
FORMS: dict[str, Form] = {"degree": "decimal", "minute": "minutes", "second": "seconds"}


@dataclass(frozen=True)
class Angle:
    """One number of degrees as it was written: which axis and hemisphere it names, and its finest unit."""

    degrees: float
    axis: str | None  # lon, lat
    step: float  # degrees: of its last digit
    unit: str


def read_written(text: str, extent: Bounds | None) -> Written | None:
    """Return the place that a text gives in coordinates; None where it holds none.

    `extent` is where places of the deployment lie, in degrees: it settles which of two numbers is the latitude.
    Nothing is asked of anybody: a link is read, not followed.
    Errors, at `text`: a link without coordinates, or of no map known here; a code that names no cell; an angle out of
    range; and `order-ambiguous`, where two readings remain.
    """
    if link := links.found_link(text):
        return _of_link(link)
    code = BEFORE_CODE.sub("", re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text).upper()))
    if beidou.is_shaped(code):
        cell = beidou.decode(code)
        return Written(*_rounded(*cell.centre), round(max(cell.accuracy_m, FINEST_M), 1), "beidou", systems.STORED)
    return _of_numbers(text, extent)


def _of_link(link: str) -> Written:
    pointed = links.pointed_at(link)
    step_lon, step_lat = (_step(number) for number in (pointed.x, pointed.y))
    lon, lat = float(pointed.x), float(pointed.y)
    accuracy_m = max(_accuracy_m(lat, step_lon, step_lat), pointed.uncertainty_m or 0)
    seen = Said("seen-shifted", {"provider": pointed.provider.title()})
    is_seen_shifted = pointed.provider in SEEN_SHIFTED and shapely.contains_xy(mainland(), lon, lat)
    form: Form = "geo-uri" if pointed.provider == "geo" else "link"
    return Written(
        *_stored(lon, lat, pointed.crs), accuracy_m, form, pointed.crs, pointed.provider,
        (seen,) if is_seen_shifted else (),
    )  # fmt: skip


def _of_numbers(text: str, extent: Bounds | None) -> Written | None:
    tokens = _tokens(text)
    if tokens is None:
        return None
    crs = next((NAMED_SYSTEMS[value.replace("-", "")] for kind, value in tokens if kind == "crs"), systems.STORED)
    angles = _angles([token for token in tokens if token[0] != "crs"])
    if angles is None:
        return None
    first, second = angles
    if first.axis == "lat" or second.axis == "lon":
        lon, lat = second, first
    elif first.axis == "lon" or second.axis == "lat":
        lon, lat = first, second
    else:
        lon, lat = _ordered(first, second, extent)
    accuracy_m = _accuracy_m(lat.degrees, lon.step, lat.step)
    finest = min(first, second, key=lambda one: UNITS[one.unit]).unit
    return Written(*_stored(lon.degrees, lat.degrees, crs), accuracy_m, FORMS[finest], crs)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Return the parts of a text that mean something, None where one of its parts is not of coordinates."""
    plain = unicodedata.normalize("NFKC", text.translate(MARKS)).translate(MARKS).lower().strip()
    found, at = [], 0
    while at < len(plain):
        token = TOKEN.match(plain, at)
        if token is None or (token[0][0] in "+-" and at and plain[at - 1].isdigit()):  # 12-3 is a house number
            return None
        kind = str(token.lastgroup)
        if kind != "filler":
            found.append((kind, token[0]))
        at = token.end()
    return found


def _angles(tokens: Sequence[tuple[str, str]]) -> tuple[Angle, Angle] | None:
    """Return the two angles that some tokens spell; None where they spell none, or only bare whole numbers."""
    kinds = [kind for kind, _ in tokens]
    groups = _groups(tokens)
    if len(groups) != 2 or not ({"axis", "degree"} & set(kinds) or any("." in value for _, value in tokens)):
        return None
    first, second = (_angle(group) for group in groups)
    if first is None or second is None or (first.axis and first.axis == second.axis):
        return None
    return first, second


def _groups(tokens: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Return the tokens of each angle: parted by the words of axes, else by the marks of degrees, else in halves."""
    kinds = [kind for kind, _ in tokens]
    if "axis" in kinds:
        leads = kinds[0] == "axis"
        starts = [n for n, kind in enumerate(kinds) if kind == "axis" and not (n and kinds[n - 1] == "axis")]
        if not leads:  # the word stands behind its angle
            ends = [n + 1 for n, kind in enumerate(kinds) if kind == "axis"]
            starts = [0, *(end for end in ends if end < len(kinds))]
    elif "degree" in kinds:
        starts = [n - 1 for n, kind in enumerate(kinds) if kind == "degree"]
    else:
        starts = [0, len(kinds) // 2] if len(kinds) in (2, 4, 6) else []
    if not starts or starts[0] != 0:
        return []
    return [list(tokens[start:end]) for start, end in zip(starts, [*starts[1:], len(kinds)], strict=True)]


def _angle(tokens: Sequence[tuple[str, str]]) -> Angle | None:
    """Return the angle of some tokens: numbers of falling units, each with its mark or none; None where they are not.

    All but the last are whole, minutes and seconds are below 60, and only degrees have a sign.
    """
    words = [AXES[value] for kind, value in tokens if kind == "axis"]
    axis = next((word[0] for word in words), None)
    sign = next((word[1] for word in words if word[1]), 1)
    numbers = [value for kind, value in tokens if kind == "number"]
    rest = [token for token in tokens if token[0] != "axis"]
    units = list(UNITS)[: len(numbers)]
    expected = [kind for unit in units for kind in ("number", unit)]
    kinds = [kind for kind, _ in rest]
    is_bare = kinds == ["number"] * len(numbers)
    if not numbers or len(numbers) > len(UNITS) or not (is_bare or kinds in (expected, expected[:-1])):
        return None
    if any("." in one for one in numbers[:-1]) or any(one[0] in "+-" or float(one) >= 60 for one in numbers[1:]):
        return None
    degrees = sum(abs(float(number)) * UNITS[unit] for number, unit in zip(numbers, units, strict=True))
    sign = -sign if numbers[0].startswith("-") else sign
    return Angle(sign * degrees, axis, _step(numbers[-1]) * UNITS[units[-1]], units[-1])


def _ordered(first: Angle, second: Angle, extent: Bounds | None) -> tuple[Angle, Angle]:
    """Return which angle is the longitude and which the latitude, or raise where it may be either."""
    readings = [(lon, lat) for lon, lat in ((first, second), (second, first)) if abs(lat.degrees) <= 90]
    if len(readings) == 2 and extent:
        west, south, east, north = extent
        near = [one for one in readings if west <= one[0].degrees <= east and south <= one[1].degrees <= north]
        readings = near if len(near) == 1 else readings
    if not readings:
        raise invalid("text", "neither-latitude", first=first.degrees, second=second.degrees)
    if len(readings) == 2 and first.degrees != second.degrees:
        raise invalid("text", "order-ambiguous", first=first.degrees, second=second.degrees)
    return readings[0]


def _stored(lon: float, lat: float, crs: str) -> tuple[float, float]:
    if faults := systems.degree_faults(lon, lat):
        raise InputError([replace(fault, where="text") for fault in faults])
    return _rounded(*(systems.to_stored_point(lon, lat, crs) if systems.is_shifted(crs) else (lon, lat)))


def _rounded(lon: float, lat: float) -> tuple[float, float]:
    return round(lon, DEGREE_DECIMALS), round(lat, DEGREE_DECIMALS)


def _step(number: str) -> float:
    """Return what one more in the last digit of a number would be."""
    return float(10 ** -len(number.partition(".")[2]))


def _accuracy_m(lat: float, step_lon: float, step_lat: float) -> float:
    """Return how far the place may be that the writing was rounded from, at least a metre."""
    reach = hypot(step_lon * cos(radians(min(abs(lat), 90))), step_lat) / 2 * DEGREE_M
    return round(max(reach, FINEST_M), 1)
