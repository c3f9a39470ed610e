"""What places and addresses are called, made searchable: written beside them, in the transaction that writes them."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import psycopg2.extensions
from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial.places.sound import sound_and_initials
from spatial.places.words import MASTS, POLES, STAKES, Street, house_of, plain, sign_of, stake_of, street_of

ROWS_A_CHUNK = 50_000
ESCAPES = str.maketrans({"\\": "\\\\", "\t": " ", "\n": " ", "\r": " "})
Key = tuple[str, str]  # of a street: within, name


def places(session: Session) -> None:
    """Make the places searchable that are not yet, and forget what they were called before."""
    session.execute(
        text("""
            DELETE FROM place_name n USING place_version v
            WHERE v.id = n.place_version_id AND NOT upper_inf(v.recorded)""")
    )
    rows = session.execute(
        text("""
            SELECT v.id, v.name, v.class AS klass, p.code FROM place_version v JOIN place p ON p.id = v.place_id
            WHERE upper_inf(v.recorded) AND NOT EXISTS (SELECT FROM place_name n WHERE n.place_version_id = v.id)
            ORDER BY v.id""")
    ).all()
    _copy(session, "place_name (place_version_id, pinyin, initials, line, at_m, sign)", (
        (row.id, *_called(row.name, row.klass, row.code)) for row in rows
    ))  # fmt: skip


def addresses(session: Session) -> None:
    """Make the addresses searchable that are not yet."""
    rows = session.execute(
        text("""
            SELECT a.id, a.text FROM address a
            WHERE NOT EXISTS (SELECT FROM house_number h WHERE h.address_id = a.id)
              AND NOT EXISTS (SELECT FROM place_name n WHERE n.address_id = a.id) ORDER BY a.id""")
    ).all()
    for chunk in _chunks(rows):
        read = [(row.id, row.text, house_of(row.text)) for row in chunk]
        ids = _streets(session, {(house.within, house.street.name): house.street for _, _, house in read if house})
        _copy(session, "house_number (address_id, street_id, number, suffix, rest)", (
            (id_, ids[house.within, house.street.name], house.number, house.suffix, house.rest)
            for id_, _, house in read if house
        ))  # fmt: skip
        _copy(session, "place_name (address_id, pinyin, initials)", (
            (id_, *sound_and_initials(plain(told))) for id_, told, house in read if house is None
        ))  # fmt: skip


def roads(session: Session) -> None:
    """Make the roads searchable as they are now named."""
    named = session.scalars(text("SELECT DISTINCT name FROM road_edge WHERE name IS NOT NULL ORDER BY name"))
    of: dict[Street, list[str]] = {}
    for name in named:
        if (street := street_of(name)).name:
            of.setdefault(street, []).append(name)
    session.execute(text("UPDATE street SET roads = '{}' WHERE roads <> '{}'"))
    ids = _streets(session, {("", street.name): street for street in of})
    values = [{"id": ids["", street.name], "roads": names} for street, names in of.items()]
    if values:
        session.execute(text("UPDATE street SET roads = :roads WHERE id = :id"), values)


def everything(session: Session) -> None:
    """Make all searchable that is not yet."""
    for part in (places, addresses, roads):
        part(session)


OF: dict[str, Callable[[Session], None]] = {"places": places, "addresses": addresses, "roads": roads}  # by subject


def _called(name: str, klass: str, code: str) -> tuple[str | None, ...]:
    """Return pinyin, initials, line, metres and sign of a place; what has a number alone is looked for by that."""
    told = plain(name)
    if klass in STAKES and (stake := stake_of(name) or stake_of(code)):
        return None, None, stake.line, str(stake.at_m), None
    if klass in POLES:
        return None, None, None, None, sign_of(name) or sign_of(code)
    return *sound_and_initials(told), None, None, (sign_of(name) or None) if klass in MASTS else None


def _streets(session: Session, wanted: Mapping[Key, Street]) -> dict[Key, int]:
    """Return the ids of streets, adding those that are not there yet."""
    streets = sorted(wanted)
    if not streets:
        return {}
    columns = {"within": [within for within, _ in streets], "name": [name for _, name in streets]}
    sounds = [_sounds(wanted[key]) for key in streets]
    session.execute(
        text("""
            INSERT INTO street (within, name, pinyin, initials)
            SELECT * FROM unnest(
                CAST(:within AS text[]), CAST(:name AS text[]), CAST(:pinyin AS text[]), CAST(:initials AS text[]))
            ON CONFLICT (within, name) DO NOTHING"""),
        {**columns, "pinyin": [one for one, _ in sounds], "initials": [one for _, one in sounds]},
    )
    found = session.execute(
        text("""
            SELECT s.id, s.within, s.name FROM street s
            JOIN unnest(CAST(:within AS text[]), CAST(:name AS text[])) AS w (within, name)
              ON w.within = s.within AND w.name = s.name"""),
        columns,
    )
    return {(row.within, row.name): row.id for row in found}


def _sounds(street: Street) -> tuple[str, str]:
    """Return the pinyin of a street and its initials; of one that is named in English, those of its words."""
    if street.sound is None:
        return sound_and_initials(street.name)
    return street.sound, "".join(word[0] for word in street.name.split())


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + ROWS_A_CHUNK] for start in range(0, len(rows), ROWS_A_CHUNK))


def _copy(session: Session, into: str, rows: Iterable[Sequence[Any]]) -> None:
    lines = "".join(
        "\t".join(r"\N" if value is None else str(value).translate(ESCAPES) for value in row) + "\n" for row in rows
    )
    if lines:
        cursor = cast("psycopg2.extensions.cursor", session.connection().connection.cursor())
        cursor.copy_expert(f"COPY {into} FROM STDIN", io.StringIO(lines))
