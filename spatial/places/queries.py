"""The SQL of what is found by words. Who is limited sees what row-level security shows, by every way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from spatial.places.rules import FAR_NUMBERS, Numbered, Place, Spoken
from spatial.places.words import Stake

MOST_STREETS, MOST_PLACES, MOST_NODES = 300, 200, 200
NEAR_STAKES_M = 5000
NEAR_DEGREES = 0.0002  # some twenty metres


@dataclass(frozen=True)
class StreetRow:
    """A street or road, and the names of road edges that are it."""

    id: int
    within: str
    name: str
    pinyin: str
    initials: str
    roads: tuple[str, ...]


def streets_like(session: Session, asked: Spoken) -> list[StreetRow]:
    """Return streets that sound alike, the nearest first."""
    rows = session.execute(
        text("SELECT id, within, name, pinyin, initials, roads FROM streets_sounding(:sound, :run, :most)"),
        {"sound": asked.sound, "run": asked.run, "most": MOST_STREETS},
    )
    return [StreetRow(row.id, row.within, row.name, row.pinyin, row.initials, tuple(row.roads)) for row in rows]


def houses(session: Session, street_ids: Sequence[int], number: int) -> Sequence[Row[Any]]:
    """Return the addresses of a number in some streets."""
    return session.execute(
        text("""
            SELECT h.street_id, h.suffix, h.rest, a.code, a.text, ST_X(a.point) AS lon, ST_Y(a.point) AS lat
            FROM house_number h JOIN address a ON a.id = h.address_id
            WHERE h.street_id = ANY (:streets) AND h.number = :number ORDER BY a.code"""),
        {"streets": list(street_ids), "number": number},
    ).all()


@dataclass(frozen=True)
class Beside:
    """The next numbers below and above one in a street: of its own side, and of the one across."""

    own: tuple[Numbered | None, Numbered | None]
    across: tuple[Numbered | None, Numbered | None]


def numbers_beside(session: Session, street_ids: Sequence[int], number: int) -> dict[int, Beside]:
    """Return what is next to a number in some streets, at most 100 away."""
    rows = session.execute(
        text("""
            SELECT DISTINCT ON (h.street_id, is_own, is_above) h.street_id, h.number, h.number > :number AS is_above,
                   h.number % 2 = :number % 2 AS is_own, ST_X(a.point) AS lon, ST_Y(a.point) AS lat
            FROM house_number h JOIN address a ON a.id = h.address_id
            WHERE h.street_id = ANY (:streets) AND h.number BETWEEN :number - :far AND :number + :far
              AND h.number <> :number
            ORDER BY h.street_id, is_own, is_above, abs(h.number - :number), a.id"""),
        {"streets": list(street_ids), "number": number, "far": FAR_NUMBERS},
    )
    found = {(row.street_id, row.is_own, row.is_above): Numbered(row.number, (row.lon, row.lat)) for row in rows}
    sides = {
        (street, is_own): (found.get((street, is_own, False)), found.get((street, is_own, True)))
        for street in street_ids
        for is_own in (True, False)
    }
    return {street: Beside(sides[street, True], sides[street, False]) for street in street_ids}


def shared_nodes(session: Session, one: Sequence[str], other: Sequence[str]) -> list[Place]:
    """Return where edges of one road and of another end at the same node."""
    ends = """SELECT from_node_id AS id FROM road_edge WHERE name = ANY ({names})
              UNION SELECT to_node_id FROM road_edge WHERE name = ANY ({names})"""
    rows = session.execute(
        text(f"""
            SELECT ST_X(n.point) AS lon, ST_Y(n.point) AS lat FROM road_node n
            WHERE n.id IN ({ends.format(names=":one")}) AND n.id IN ({ends.format(names=":other")})
            ORDER BY n.id LIMIT :most"""),  # noqa: S608  two parameters of our own
        {"one": list(one), "other": list(other), "most": MOST_NODES},
    )
    return [(row.lon, row.lat) for row in rows]


def passings(session: Session, one: Sequence[str], other: Sequence[str]) -> list[Place]:
    """Return where lines of one road and of another pass each other, or come within some metres, without a node."""
    rows = session.execute(
        text("""
            SELECT ST_X(near) AS lon, ST_Y(near) AS lat FROM (
                SELECT ST_ClosestPoint(a.geom, b.geom) AS near FROM road_edge a
                JOIN road_edge b ON ST_DWithin(a.geom, b.geom, :near) AND b.name = ANY (:other)
                WHERE a.name = ANY (:one) ORDER BY a.id, b.id LIMIT :most) AS passing"""),
        {"one": list(one), "other": list(other), "near": NEAR_DEGREES, "most": MOST_NODES},
    )
    return [(row.lon, row.lat) for row in rows]


PLACES = """
    SELECT n.id, coalesce(p.code, a.code) AS code, coalesce(v.name, a.text) AS name, v.class AS klass, n.pinyin,
           n.initials, n.line, n.at_m, ST_X(coalesce(v.point, a.point)) AS lon, ST_Y(coalesce(v.point, a.point)) AS lat
    FROM place_name n
    LEFT JOIN place_version v ON v.id = n.place_version_id AND v.valid @> :at AND upper_inf(v.recorded)
    LEFT JOIN place p ON p.id = v.place_id
    LEFT JOIN address a ON a.id = n.address_id
    WHERE num_nonnulls(v.id, a.id) = 1 AND """


def places_like(session: Session, asked: Spoken, at: datetime) -> Sequence[Row[Any]]:
    """Return places whose names sound alike."""
    values = {"sound": asked.sound, "run": asked.run, "at": at, "most": MOST_PLACES}
    sounding = "n.id = ANY (ARRAY(SELECT places_sounding(:sound, :run, :at, :most)))"  # else all rows are asked for
    return session.execute(text(PLACES + sounding), values).all()


def poles(session: Session, sign: str, at: datetime) -> Sequence[Row[Any]]:
    """Return the poles with a number on them."""
    return session.execute(text(f"{PLACES} n.sign = :sign ORDER BY n.id LIMIT 20"), {"sign": sign, "at": at}).all()


def lines(session: Session) -> list[str]:
    """Return the roads that have stakes."""
    return list(session.scalars(text("SELECT DISTINCT line FROM place_name WHERE line IS NOT NULL ORDER BY line")))


def stakes_around(session: Session, asked: Stake, at: datetime) -> tuple[Row[Any] | None, Row[Any] | None]:
    """Return the last stake up to a place on a line and the first from it on, within 5 km; the same one at a stake."""
    found = []
    for condition, order in (("n.at_m BETWEEN :far AND :at_m", "DESC"), ("n.at_m BETWEEN :at_m AND :far", "ASC")):
        far = asked.at_m + (NEAR_STAKES_M if order == "ASC" else -NEAR_STAKES_M)
        found.append(
            session.execute(
                text(f"{PLACES} n.line = :line AND {condition} ORDER BY n.at_m {order}, n.id LIMIT 1"),
                {"line": asked.line, "at_m": asked.at_m, "far": far, "at": at},
            ).one_or_none()
        )
    return found[0], found[1]


def road_past(session: Session, start: Place, end: Place) -> list[BaseGeometry]:
    """Return the edges of the road that passes nearest to both places, in the direction of its lines, in degrees."""
    rows = session.scalars(
        text("""
            WITH near AS (
                SELECT name, row_number() OVER (ORDER BY sum(away)) AS nth FROM (
                    SELECT e.name, n.end, min(e.geom <-> n.point) AS away FROM road_edge e
                    JOIN (VALUES (0, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)),
                                 (1, ST_SetSRID(ST_MakePoint(:end_lon, :end_lat), 4490))) AS n ("end", point)
                      ON ST_DWithin(e.geom, n.point, 0.001)
                    WHERE e.name IS NOT NULL GROUP BY e.name, n.end) AS seen
                GROUP BY name HAVING count(*) = 2)
            SELECT ST_AsBinary(e.geom) FROM road_edge e JOIN near ON near.name = e.name AND near.nth = 1
            WHERE NOT e.is_backward"""),
        {"lon": start[0], "lat": start[1], "end_lon": end[0], "end_lat": end[1]},
    )
    return [shapely.from_wkb(bytes(wkb)) for wkb in rows]
