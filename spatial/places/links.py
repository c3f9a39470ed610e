"""Links to maps as people paste them: whose map, which of its parameters hold the place, in which system.

A link is read, never followed: one that carries no coordinates is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from spatial.errors import invalid
from spatial.places import baidu

WGS84, GCJ02, BD09 = "EPSG:4326", "gcj02", "bd09"
NUMBER = r"(-?\d+(?:\.\d+)?)"
PAIR = re.compile(rf"^\s*(?:[^\d:,-]*:)?\s*{NUMBER}\s*,\s*{NUMBER}(?![\d.])")
ENDS = r"\s<>\"'，。；（）【】"  # what no link goes on through
LINK = re.compile(rf"(?:https?://|geo:)[^{ENDS}]+|(?<![\w.])(?:[\w-]+\.)+(?:com|cn|org|gl)/[^{ENDS}]*", re.IGNORECASE)


@dataclass(frozen=True)
class Pointed:
    """What a link points at: two numbers as texts, for their decimals, in which order and system."""

    x: str
    y: str
    crs: str
    provider: str
    uncertainty_m: float | None = None


@dataclass(frozen=True)
class Parts:
    """The parts of a link: its path, the parameters of query and fragment, and all of it as text."""

    path: str
    query: Mapping[str, str]
    fragment: str
    whole: str


Reader = Callable[[Parts], Iterator[Pointed]]


def found_link(text: str) -> str | None:
    """Return the first link in a text, None where there is none."""
    found = LINK.search(text)
    return found[0].rstrip(".,;)") if found else None


def pointed_at(link: str) -> Pointed:
    """Return what a link points at.

    Errors, at `text`: `link-unknown` of a host whose links are not known here, `link-without-place` of one that carries
    no coordinates, as short links do.
    """
    if link.lower().startswith("geo:"):
        return _geo(link)
    split = urlsplit(link if "://" in link else f"https://{link}")
    host = (split.hostname or "").removeprefix("www.")
    query = dict(parse_qsl(split.query)) | dict(parse_qsl(split.fragment))
    parts = Parts(unquote(split.path), query, split.fragment, unquote(link))
    for hosts, read in MAPS:
        if re.fullmatch(hosts, host):
            first = next(read(parts), None)
            if first is None:
                raise invalid("text", "link-without-place", host=host)
            return first
    raise invalid("text", "link-without-place" if re.fullmatch(SHORT, host) else "link-unknown", host=host)


def _geo(link: str) -> Pointed:
    """Read a geo: URI (RFC 5870), with Android's `?q=lat,lng(label)`."""
    where, _, asked = link[4:].partition("?")
    place, *parameters = where.split(";")
    said = {name.lower(): value for name, _, value in (one.partition("=") for one in parameters)}
    if said.get("crs", "wgs84").lower() != "wgs84":
        raise invalid("text", "geo-uri-crs", crs=said["crs"])
    pair = PAIR.match(dict(parse_qsl(asked)).get("q", "")) or PAIR.match(place)
    if pair is None:
        raise invalid("text", "link-without-place", host="geo:")
    uncertainty = re.fullmatch(r"\d+(?:\.\d+)?", said.get("u", ""))
    return Pointed(pair[2], pair[1], WGS84, "geo", float(uncertainty[0]) if uncertainty else None)


def _lat_lng(parts: Parts, crs: str, provider: str, *names: str) -> Iterator[Pointed]:
    """Yield what some parameters hold as `latitude,longitude`."""
    for name in names:
        if pair := PAIR.match(parts.query.get(name, "")):
            yield Pointed(pair[2], pair[1], crs, provider)


def _lng_lat(parts: Parts, crs: str, provider: str, *names: str) -> Iterator[Pointed]:
    for name in names:
        if pair := PAIR.match(parts.query.get(name, "")):
            yield Pointed(pair[1], pair[2], crs, provider)


def _apart(parts: Parts, crs: str, provider: str, lon: str, lat: str) -> Iterator[Pointed]:
    """Yield what two parameters hold, one each."""
    x, y = (parts.query.get(name, "") for name in (lon, lat))
    if re.fullmatch(NUMBER, x) and re.fullmatch(NUMBER, y):
        yield Pointed(x, y, crs, provider)


def _amap(parts: Parts) -> Iterator[Pointed]:
    crs = WGS84 if parts.query.get("coordinate", parts.query.get("dev")) in ("wgs84", "1") else GCJ02
    yield from _lng_lat(parts, crs, "amap", "position", "lnglat", "to", "dest", "center")
    yield from _lat_lng(parts, crs, "amap", "q")
    yield from _apart(parts, crs, "amap", "lng", "lat")
    yield from _apart(parts, crs, "amap", "lon", "lat")
    yield from _apart(parts, crs, "amap", "dlon", "dlat")
    if place := re.match(rf"[^,]*,{NUMBER},{NUMBER}(?:,|$)", parts.query.get("p", "")):  # id, latitude, longitude, name
        yield Pointed(place[2], place[1], crs, "amap")


BAIDU_TYPES = {"bd09ll": BD09, "bd09": BD09, "gcj02": GCJ02, "gcj02ll": GCJ02, "wgs84": WGS84, "wgs84ll": WGS84}


def _baidu(parts: Parts) -> Iterator[Pointed]:
    told = parts.query.get("coord_type", "bd09ll").lower()
    names = ("location", "latlng", "destination", "center")
    if told == "bd09mc":
        for one in _lat_lng(parts, BD09, "baidu", *names):
            yield _of_metres(one.x, one.y)
    elif told in BAIDU_TYPES:
        yield from _lat_lng(parts, BAIDU_TYPES[told], "baidu", *names)
    else:
        raise invalid("text", "link-crs-unknown", crs=told)
    if pair := re.search(rf"@{NUMBER},{NUMBER}", parts.whole) or PAIR.match(parts.query.get("c", "")):
        yield _of_metres(pair[1], pair[2])


def _of_metres(x_m: str, y_m: str) -> Pointed:
    """Return degrees of Baidu's metres; in China the easting is always the larger, whichever comes first."""
    east, north = sorted((float(x_m), float(y_m)), reverse=True)
    lon, lat = baidu.degrees(east, north)
    decimals = 5 if "." in x_m + y_m else 4  # of degrees, for centimetres and for metres
    return Pointed(f"{lon:.{decimals + 1}f}", f"{lat:.{decimals + 1}f}", BD09, "baidu")


def _tencent(parts: Parts) -> Iterator[Pointed]:
    crs = WGS84 if parts.query.get("coord_type") == "1" else GCJ02
    if marked := re.search(rf"coord:\s*{NUMBER}\s*,\s*{NUMBER}", parts.query.get("marker", "")):
        yield Pointed(marked[2], marked[1], crs, "tencent")
    yield from _lat_lng(parts, crs, "tencent", "coord", "tocoord", "center", "location")
    yield from _apart(parts, crs, "tencent", "pointx", "pointy")


def _google(parts: Parts) -> Iterator[Pointed]:
    if pin := re.search(rf"!3d{NUMBER}!4d{NUMBER}", parts.whole):
        yield Pointed(pin[2], pin[1], WGS84, "google")
    yield from _lat_lng(parts, WGS84, "google", "q", "query", "destination", "daddr", "ll", "center", "viewpoint")
    for place in re.finditer(rf"(?:@|/place/|/search/|/dir//)\+?{NUMBER},[+ ]?{NUMBER}", parts.whole):
        yield Pointed(place[2], place[1], WGS84, "google")


def _openstreetmap(parts: Parts) -> Iterator[Pointed]:
    yield from _apart(parts, WGS84, "openstreetmap", "mlon", "mlat")
    if view := re.search(rf"map=\d+(?:\.\d+)?/{NUMBER}/{NUMBER}", parts.fragment):
        yield Pointed(view[2], view[1], WGS84, "openstreetmap")
    yield from _apart(parts, WGS84, "openstreetmap", "lon", "lat")


def _apple(parts: Parts) -> Iterator[Pointed]:
    yield from _lat_lng(parts, WGS84, "apple", "ll", "coordinate", "q", "daddr", "center", "sll")


MAPS: tuple[tuple[str, Reader], ...] = (
    (r"(?:\w+\.)?amap\.com|(?:\w+\.)?gaode\.com", _amap),
    (r"(?:\w+\.)?map\.baidu\.com", _baidu),
    (r"(?:\w+\.)?map\.qq\.com", _tencent),
    (r"(?:maps\.)?google\.(?:com?\.)?\w{2,3}", _google),
    (r"openstreetmap\.org|osm\.org", _openstreetmap),
    (r"maps\.apple\.com", _apple),
)
SHORT = r"maps\.app\.goo\.gl|goo\.gl|maps\.apple|url\.cn|\w*\.?url\.cn|dwz\.cn|t\.cn|bit\.ly"
