"""How sure it is that words mean a place, and where a place lies that is not in a table itself.

Confidence is a product: **likeness** of what was asked and what is called so (1: the same; see `likeness`), times the
**surety** of the kind (`SURE`), times 0.9 for each part of an address that differs, times 0.6 for a street that is only
alike where another is called just so; shared among all that come out equal elsewhere, for of three streets of one name
each is meant by one caller in three.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import DEGREE_DECIMALS, Plane, distance_m
from spatial.places.model import Found, Kind, Said

LEAST_LIKENESS = 0.6
SOUNDS = 0.95  # of what is written alike is what sounds alike
INITIALS = 0.7
PART_DIFFERS = 0.9
OTHER_NUMBER = 0.6
OTHER_STREET = 0.6  # alike, where there is one of just the name
SHORTEST_PIECE = 2
NUMBER = re.compile(r"[1-9]\d*")
SURE: dict[Kind, float] = {
    "address": 1.0, "stake": 1.0, "pole": 1.0, "crossing": 0.95, "place": 0.95, "interpolated": 0.8,
}  # fmt: skip
BEYOND = 0.5  # surety beyond the last known number, or with a neighbour on one side only
FAR_NUMBERS = 100  # apart: neighbours that say no more of what lies between
FAR_M = 1000.0
AT_HOUSE_M, IN_ESTATE_M, AT_CROSSING_M, AT_STAKE_M, AT_POLE_M, AT_PLACE_M = 20.0, 60.0, 25.0, 10.0, 5.0, 50.0
ONE_CROSSING_M = 60.0
LARGE = {"estate": 150.0, "campus": 300.0, "market": 100.0, "logistics_park": 300.0, "site": 100.0}
ON_ROAD_M = 60.0
BETWEEN_STAKES = 0.05  # of the distance between two stakes: how wrong a place between them may be

Place = tuple[float, float]  # longitude, latitude


@dataclass(frozen=True)
class Spoken:
    """A name as it is written in one way, and how it sounds."""

    plain: str
    sound: str
    run: str | None = None  # what may be a run of initials


@dataclass(frozen=True)
class Likeness:
    """How alike two names are, and by what."""

    degree: float
    by: str  # name-same, name-alike, sounds-alike, initials-alike


def likeness(asked: str, called: str) -> float:
    """Return which share of `asked` is found in `called` in its order; a tenth less where much more is called so."""
    if not asked or not called:
        return 0.0
    least = SHORTEST_PIECE if asked.isascii() else 1  # single letters are found anywhere
    blocks = SequenceMatcher(None, asked, called, autojunk=False).get_matching_blocks()
    found = sum(block.size for block in blocks if block.size >= least)
    return found / len(asked) * (0.9 + 0.1 * min(1.0, len(asked) / len(called)))


@lru_cache(maxsize=4096)  # streets of one name lie in many towns
def alike(asked: Spoken, plain: str, sound: str, initials: str) -> Likeness:
    """Return how alike a name is to what was asked: by its characters, its pinyin, or its initials.

    Numbers are no matter of more or less: a name without one that was asked for is another name.
    """
    ways = [
        Likeness(likeness(asked.plain, plain), "name-same" if asked.plain == plain else "name-alike"),
        Likeness(SOUNDS * likeness(asked.sound, sound), "sounds-alike"),
    ]
    if asked.run and asked.run in initials:
        ways.append(Likeness(INITIALS * (0.9 + 0.1 * len(asked.run) / len(initials)), "initials-alike"))
    best = max(ways, key=lambda one: one.degree)
    is_other = not set(NUMBER.findall(asked.plain)) <= set(NUMBER.findall(plain))
    return Likeness(best.degree * OTHER_NUMBER, best.by) if is_other else best


@dataclass(frozen=True)
class Numbered:
    """A house number along a street, and where it is."""

    number: int
    place: Place


@dataclass(frozen=True)
class Between:
    """Where a number lies that no table has, how sure that is, and why."""

    place: Place
    accuracy_m: float
    sure: float
    reason: Said


def between_numbers(asked: int, lower: Numbered | None, higher: Numbered | None) -> Between | None:
    """Return where a number lies by its neighbours on the same side of the street; None where they are too far.

    Between two, in proportion to the numbers; surety falls from 0.8 to 0.5 as they come further apart. With one alone,
    beside it.
    """
    if lower and higher:
        apart, length_m = higher.number - lower.number, distance_m(*lower.place, *higher.place)
        if apart > FAR_NUMBERS or length_m > FAR_M:
            return None
        share = (asked - lower.number) / apart
        sure = SURE["interpolated"] - (SURE["interpolated"] - BEYOND) * apart / FAR_NUMBERS
        reason = Said("between-numbers", {"lower": lower.number, "higher": higher.number})
        return Between(_towards(lower.place, higher.place, share), max(length_m / 2, AT_HOUSE_M), sure, reason)
    nearest = lower or higher
    if nearest is None or abs(asked - nearest.number) > FAR_NUMBERS / 5:
        return None
    accuracy_m = AT_HOUSE_M * (1 + abs(asked - nearest.number) / 2)
    return Between(nearest.place, accuracy_m, BEYOND, Said("beyond-numbers", {"nearest": nearest.number}))


def across_the_street(asked: int, lower: Numbered | None, higher: Numbered | None) -> Between | None:
    """Return where a number lies by its neighbours on the other side, of a street where this one has none near."""
    placed = between_numbers(asked, lower, higher)
    if placed is None:
        return None
    numbers = [one.number for one in (lower, higher) if one]
    return Between(
        placed.place, placed.accuracy_m + AT_HOUSE_M, min(placed.sure, BEYOND), Said("across", {"numbers": numbers})
    )


def between_stakes(
    at_m: int, lower: Numbered, higher: Numbered, roads: Sequence[BaseGeometry], plane: Plane
) -> tuple[Place, float]:
    """Return the place between two stakes and how far it may be off: along a road that passes both, else straight."""
    share = (at_m - lower.number) / (higher.number - lower.number)
    straight = _towards(lower.place, higher.place, share)
    apart_m = distance_m(*lower.place, *higher.place)
    accuracy_m = AT_STAKE_M + BETWEEN_STAKES * apart_m
    ends = shapely.points(plane.metres(np.array([lower.place, higher.place])))
    merged = shapely.line_merge(shapely.multilinestrings(list(roads))) if roads else None
    for line in shapely.get_parts(merged) if merged else ():
        course = plane.to_metres(line)
        if (shapely.distance(course, ends) <= ON_ROAD_M).all():
            start, end = shapely.line_locate_point(course, ends)
            here = shapely.line_interpolate_point(course, start + share * (end - start))
            ((lon, lat),) = plane.degrees(shapely.get_coordinates(here))
            return (float(lon), float(lat)), accuracy_m
    return straight, accuracy_m + apart_m / 10


def crossings(nodes: Iterable[Place]) -> list[tuple[Place, float]]:
    """Return the crossings that some nodes are of: those within 60 m are one, amid them, with how far they spread."""
    groups: list[list[Place]] = []
    for node in sorted(nodes):
        group = next((one for one in groups if distance_m(*one[0], *node) <= ONE_CROSSING_M), None)
        if group is None:
            groups.append([node])
        else:
            group.append(node)
    found = []
    for group in groups:
        lon, lat = (float(value) for value in np.mean(group, axis=0))
        spread_m = max(distance_m(lon, lat, *node) for node in group)
        found.append(((lon, lat), AT_CROSSING_M + spread_m))
    return found


def ranked(found: Iterable[Found], limit: int) -> list[Found]:
    """Return the surest, one for each place, with the confidence shared among those that come out equal elsewhere."""
    best: dict[tuple[str, str], Found] = {}
    for one in found:
        key = (one.code or "", "" if one.code else f"{one.kind} {one.lon:.6f} {one.lat:.6f}")
        if key not in best or best[key].confidence < one.confidence:
            best[key] = one
    equal = Counter(round(one.confidence, 3) for one in best.values())
    shared = [_shared(one, equal[round(one.confidence, 3)]) for one in best.values()]
    order = sorted(shared, key=lambda one: (-one[0], one[1].text, one[1].code or "", one[1].lon, one[1].lat))
    return [one for _, one in order[:limit]]


def _shared(one: Found, n: int) -> tuple[float, Found]:
    """Return the confidence before sharing, by which is ranked, and what is left of it."""
    reasons = (*one.reasons, Said("shared", {"n": n})) if n > 1 else one.reasons
    return one.confidence, replace(
        one,
        lon=round(one.lon, DEGREE_DECIMALS),
        lat=round(one.lat, DEGREE_DECIMALS),
        accuracy_m=round(one.accuracy_m, 1),
        confidence=round(one.confidence / n, 3),
        reasons=reasons,
    )


def _towards(start: Place, end: Place, share: float) -> Place:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
