"""Places found by words, in the tables of this deployment alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from spatial.errors import invalid
from spatial.geometry import Plane
from spatial.grids import about
from spatial.grids.queries import surroundings
from spatial.places import queries, rules
from spatial.places.model import Found, Said, Told
from spatial.places.queries import StreetRow
from spatial.places.rules import LEAST_LIKENESS, SURE, Likeness, Numbered, Spoken
from spatial.places.sound import run_of, sound
from spatial.places.words import Crossing, House, Name, Pole, Stake, Street, parted, plain, readings, stake_named
from spatial.places.written import read_written
from spatial.time import now

LONGEST = 200  # characters of a text
MOST = 10  # candidates
MOST_STREETS = 100  # of alike names, in which a number is looked for
MOST_BETWEEN = 20  # of these, in which it is placed between its neighbours
SURE_ENOUGH = 0.85  # to look for nothing that is only called so
NEARLY_BEST = 0.95  # of the best likeness: which streets may be meant

Scored = tuple[StreetRow, Likeness]


def find(session: Session, text: str, limit: int = MOST, *, at: datetime | None = None) -> list[Found]:
    """Return the places that a text in words may mean, the surest first; none where nothing is alike.

    House numbers, crossings, kilometre stakes, poles and names, as they are called at `at` (none: now), in Chinese,
    pinyin or English. Errors: `text-too-long` at `text`, `not-so-many` at `limit`.
    """
    _bounded(text, limit)
    asking, found = _Asking(session, at or now()), list[Found]()
    for reading in readings(text):
        if isinstance(reading, Name) and any(one.confidence >= SURE_ENOUGH for one in found):
            break  # what was read more particularly is meant
        found += asking.found(reading)
    return rules.ranked(found, limit)


def told(session: Session, text: str, limit: int = MOST, *, at: datetime | None = None) -> Told:
    """Return the coordinates that a text holds, or else what is found by its words; errors of both."""
    instant = at or now()
    _bounded(text, limit)
    written = read_written(text, surroundings(session, instant))
    return Told(written, () if written else tuple(find(session, text, limit, at=instant)))


def _bounded(text: str, limit: int) -> None:
    if len(text) > LONGEST:
        raise invalid("text", "text-too-long", limit=LONGEST)
    if not 1 <= limit <= MOST:
        raise invalid("limit", "not-so-many", most=MOST)


class _Asking:
    """One question, of what is called so at one instant."""

    def __init__(self, session: Session, at: datetime) -> None:
        self.session, self.at = session, at

    def found(self, reading: House | Crossing | Stake | Pole | Name) -> Iterator[Found]:
        """Yield what a reading of the text finds."""
        match reading:
            case House():
                yield from self._house(reading)
            case Crossing():
                yield from self._crossing(reading)
            case Stake():
                yield from self._stake(reading)
            case Pole():
                yield from self._pole(reading)
            case Name():
                yield from self._name(reading)

    def _streets(self, street: Street, within: str = "") -> list[Scored]:
        """Return streets alike enough, the most alike first."""
        asked, name = _spoken(street), street.name
        rows = queries.streets_like(self.session, asked)
        is_known = any(row.name == name for row in rows)
        scored = []
        for row in rows:
            like = rules.alike(asked, row.name, row.pinyin, row.initials)
            if within:
                like = Likeness(like.degree * (0.85 + 0.15 * rules.likeness(within, row.within)), like.by)
            if like.degree < LEAST_LIKENESS:
                continue
            if is_known and row.name != name:
                like = Likeness(like.degree * rules.OTHER_STREET, like.by)
            scored.append((row, like))
        return sorted(scored, key=lambda one: -one[1].degree)

    def _house(self, asked: House) -> Iterator[Found]:
        streets = self._streets(asked.street, asked.within)[:MOST_STREETS]
        of = {street.id: (street, like) for street, like in streets}
        there: dict[int, float] = {}
        for row in queries.houses(self.session, list(of), asked.number):
            like = of[row.street_id][1]
            confidence, reasons = like.degree * SURE["address"], [_by(like, asked.street, of[row.street_id][0])]
            accuracy_m = rules.AT_HOUSE_M
            if asked.suffix != row.suffix:
                confidence, reasons = confidence * rules.PART_DIFFERS, [*reasons, Said("suffix-differs")]
            if asked.rest != row.rest:
                confidence, reasons = confidence * rules.PART_DIFFERS, [*reasons, Said("rest-differs")]
                accuracy_m = rules.IN_ESTATE_M
            there[row.street_id] = like.degree
            yield Found("address", row.text, row.lon, row.lat, accuracy_m, confidence, tuple(reasons), row.code)
        best = max([NEARLY_BEST * streets[0][1].degree, *there.values()]) if streets else 0.0
        lacking = [
            one for one in streets[:MOST_BETWEEN]
            if one[0].id not in there and (one[1].degree > best or (not there and one[1].degree >= best))
        ]  # fmt: skip
        beside = queries.numbers_beside(self.session, [street.id for street, _ in lacking], asked.number)
        for street, like in lacking:
            own, across = beside[street.id].own, beside[street.id].across
            placed = rules.between_numbers(asked.number, *own) or rules.across_the_street(asked.number, *across)
            if placed:
                is_english = street.name.isascii() and " " in street.name
                named = Street(street.name, street.pinyin if is_english else None)
                said = replace(asked, within=street.within, street=named).text
                reasons = [_by(like, asked.street, street), placed.reason]
                confidence = like.degree * placed.sure
                yield Found("interpolated", said, *placed.place, placed.accuracy_m, confidence, tuple(reasons))

    def _crossing(self, asked: Crossing) -> Iterator[Found]:
        sides = [self._roads(road) for road in (asked.one, asked.other)]
        if not all(sides):
            return
        (one, other), likes = ([side[0][0] for side in sides], [side[0][1] for side in sides])
        names = [[name for street, _ in side for name in street.roads] for side in sides]
        if set(names[0]) & set(names[1]):
            return
        confidence, by = min(like.degree for like in likes) * SURE["crossing"], "roads-meet"
        places = queries.shared_nodes(self.session, *names)
        if not places:
            confidence, by = confidence * rules.PART_DIFFERS, "roads-cross"
            places = queries.passings(self.session, *names)
        called = {"one": one.roads[0], "other": other.roads[0]}
        reasons = (_by(likes[0], asked.one, one), _by(likes[1], asked.other, other), Said(by, called))
        for place, accuracy_m in rules.crossings(places):
            yield Found("crossing", f"{one.roads[0]} / {other.roads[0]}", *place, accuracy_m, confidence, reasons)

    def _roads(self, road: Street) -> list[Scored]:
        """Return the roads most like one."""
        found = [(street, like) for street, like in self._streets(road) if street.roads]
        return [one for one in found if one[1].degree >= NEARLY_BEST * found[0][1].degree]

    def _stake(self, asked: Stake) -> Iterator[Found]:
        for line, degree in self._lines(asked.line):
            lower, higher = queries.stakes_around(self.session, Stake(line, asked.at_m), self.at)
            if lower is None or higher is None:
                continue
            if lower.at_m == higher.at_m:
                confidence, reasons = degree * SURE["stake"], (Said("at-stake", {"stake": lower.name}),)
                place, accuracy_m, code, klass = (lower.lon, lower.lat), rules.AT_STAKE_M, lower.code, lower.klass
                called = lower.name
            else:
                start, end = (Numbered(row.at_m, (row.lon, row.lat)) for row in (lower, higher))
                roads = queries.road_past(self.session, start.place, end.place)
                plane = about.plane(self.session) or Plane.around(lower.lon)
                place, accuracy_m = rules.between_stakes(asked.at_m, start, end, roads, plane)
                confidence = degree * rules.PART_DIFFERS * SURE["stake"]
                reasons = (Said("between-stakes", {"lower": lower.name, "higher": higher.name}),)
                called = stake_named(lower.name, asked.at_m)
                code = klass = None
            yield Found("stake", called, *place, accuracy_m, confidence, reasons, code, klass)

    def _lines(self, asked: str) -> list[tuple[str, float]]:
        """Return the measured roads that may be meant, and how alike they are; all of them where none is named."""
        known = queries.lines(self.session)
        if asked in known:
            return [(asked, 1.0)]
        spoken = _spoken(Street(asked))
        degrees = [(line, rules.alike(spoken, line, sound(line), "").degree if asked else 1.0) for line in known]
        return [one for one in degrees if one[1] >= LEAST_LIKENESS]

    def _pole(self, asked: Pole) -> Iterator[Found]:
        for row in queries.poles(self.session, asked.sign, self.at):
            said = (Said("on-pole", {"sign": asked.sign.upper()}),)
            accuracy_m = rules.AT_POLE_M
            yield Found("pole", row.name, row.lon, row.lat, accuracy_m, SURE["pole"], said, row.code, row.klass)

    def _name(self, asked: Name) -> Iterator[Found]:
        spoken = _spoken(Street(asked.name))
        bare = parted(asked.name)[1]  # 双网街道农贸市场 may be called 农贸市场
        for row in queries.places_like(self.session, spoken, self.at):
            called = plain(row.name)
            like = rules.alike(spoken, called, row.pinyin, row.initials)
            if bare != asked.name and rules.likeness(bare, called) * rules.PART_DIFFERS > like.degree:
                like = Likeness(rules.likeness(bare, called) * rules.PART_DIFFERS, "name-alike")
            if like.degree < LEAST_LIKENESS:
                continue
            sure = SURE["address"] if row.klass is None else SURE["place"]
            accuracy_m = rules.LARGE.get(row.klass, rules.AT_PLACE_M)
            said = (Said(like.by, {"asked": asked.name, "called": row.name}),)
            yield Found(
                "address" if row.klass is None else "place", row.name, row.lon, row.lat, accuracy_m,
                like.degree * sure, said, row.code, row.klass,
            )  # fmt: skip


def _spoken(street: Street) -> Spoken:
    """Return how a name is compared."""
    if street.sound is not None:
        return Spoken(street.name, street.sound)
    return Spoken(street.name, sound(street.name), run_of(street.name))


def _by(like: Likeness, asked: Street, street: StreetRow) -> Said:
    return Said(like.by, {"asked": asked.name, "called": street.name})
