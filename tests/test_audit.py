"""The audit: whatever anybody changes in it is found, by the number of the first row that does not hold."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.audit_keeper import keep_audit
from spatial import audit
from spatial.audit.anchors import anchors_file, drop_anchor
from spatial.audit.check import Verdict, check_audit
from spatial.audit.rules import Entry, Link, chain_start, first_break
from spatial.db import Database
from spatial.errors import Conflict, Denied
from spatial.postgresql import API, WORKER
from spatial.time import now
from tests.importing import rows

DETAILS: list[dict[str, Any]] = [{}, {"字": [1.5, None], "area_m2": 1e16, "b": 1e-7}, {"a": {"quote": '"\\\n'}}]


def fill(database: Database, count: int) -> None:
    """Add so many rows, several to a transaction."""
    with database.write() as session:
        for number in range(count):
            audit.record(session, f"ann{number % 3}", "test", f"thing/{number}", DETAILS[number % 3])


def forge(database: Database, *statements: str) -> None:
    """Do what a superuser can who switches all triggers off."""
    with database.write() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for sql in statements:
            session.execute(text(sql))


def checked(database: Database, data_dir: Path) -> Verdict:
    """Return what a check finds."""
    return check_audit(database, data_dir, lambda _share: None)


def found(database: Database, data_dir: Path) -> tuple[int, str] | None:
    """Return the number and kind of the first break."""
    broken = checked(database, data_dir).broken
    return (broken.number, broken.kind) if broken else None


# What the database refuses, and what a superuser can do to it ---------------------------------------------------------


REFUSED = [
    "UPDATE audit SET actor = 'nobody'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "UPDATE audit_head SET number = number - 1",
    "UPDATE audit_head SET chain = gen_random_uuid(), number = number + 1",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
    "INSERT INTO audit_head SELECT 2, chain, number, hash FROM audit_head",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_the_audit_is_append_only(empty_database: Database, tmp_path: Path, sql: str) -> None:
    """Rows can be neither changed nor deleted, the head goes only forward, and the chain holds."""
    fill(empty_database, 3)
    with pytest.raises((DBAPIError, Conflict)), empty_database.write() as session:
        session.execute(text(sql))
    assert checked(empty_database, tmp_path).holds
    assert checked(empty_database, tmp_path).head.number == 3


COPY = "INSERT INTO audit SELECT {}, at, actor, action, object, detail, {} FROM audit WHERE id = 6"
LINKED = COPY.format(7, "hash, audit_link(hash, 7, at, actor, action, object, detail)")
BY_EVE = "UPDATE audit SET actor = 'eve', hash = audit_link(previous_hash, id, at, 'eve', action, object, detail)"
SWAP = """UPDATE audit AS one
SET actor = other.actor, action = other.action, object = other.object, at = other.at, detail = other.detail
FROM audit AS other WHERE (one.id, other.id) IN ((2, 3), (3, 2))"""


@pytest.mark.parametrize(
    ("login", "sql"),
    [
        (API, "SELECT * FROM audit"),
        (API, "INSERT INTO audit SELECT * FROM audit"),
        (API, "SELECT chain_audit('[]')"),
        (API, "SELECT take_showings(gen_random_uuid(), '[]')"),
        (API, "UPDATE audit_head SET number = number + 1"),
        (WORKER, "SELECT * FROM audit"),
        (WORKER, "SELECT chain_audit('[]')"),
        (WORKER, "UPDATE audit_head SET number = number + 1"),
    ],
)
def test_who_adds_to_the_audit_can_do_nothing_else_to_it(
    empty_database: Database, tmp_path: Path, login: str, sql: str
) -> None:
    """The service and the worker put on record what is done; neither reads, dates or changes a row."""
    database = empty_database.as_login(login)
    fill(database, 2)
    drop_anchor(database, tmp_path, now())
    with pytest.raises(Denied), database.write() as session:
        session.execute(text(sql))
    database.engine.dispose()
    assert checked(empty_database, tmp_path).anchors == 1


FORGERIES = [
    ("UPDATE audit SET actor = 'eve' WHERE id = 3", (3, "changed")),
    ("UPDATE audit SET at = at + interval '1 microsecond' WHERE id = 1", (1, "changed")),
    ("UPDATE audit SET at = 'infinity' WHERE id = 2", (2, "changed")),
    ("UPDATE audit SET at = '4000-01-01 BC' WHERE id = 2", (2, "changed")),
    ("UPDATE audit SET detail = detail || '{\"x\": 1}' WHERE id = 6", (6, "changed")),
    ("UPDATE audit SET actor = actor || action, action = '' WHERE id = 4", (4, "changed")),
    ("UPDATE audit SET hash = sha256(hash) WHERE id = 5", (5, "changed")),
    ("UPDATE audit SET previous_hash = sha256(hash) WHERE id = 5", (5, "changed")),
    (f"{BY_EVE} WHERE id = 3", (4, "branch")),
    (f"{BY_EVE} WHERE id = 6", (6, "replaced")),
    (SWAP, (2, "changed")),
    ("UPDATE audit SET id = -id; UPDATE audit SET id = 7 + id", (1, "changed")),
    ("DELETE FROM audit WHERE id = 1", (1, "missing")),
    ("DELETE FROM audit WHERE id = 4", (4, "missing")),
    ("DELETE FROM audit WHERE id IN (5, 6)", (5, "missing")),
    ("DELETE FROM audit", (1, "missing")),
    (COPY.format(7, "previous_hash, hash"), (7, "changed")),
    (COPY.format(0, "previous_hash, hash"), (0, "inserted")),
    (LINKED, (7, "inserted")),
    ("ALTER TABLE audit DROP CONSTRAINT pk_audit; INSERT INTO audit SELECT * FROM audit WHERE id = 4", (4, "inserted")),
    ("UPDATE audit_head SET chain = gen_random_uuid()", (1, "branch")),
    ("UPDATE audit_head SET number = 9", (7, "missing")),
    ("UPDATE audit_head SET number = 4", (4, "replaced")),
    ("UPDATE audit_head SET hash = sha256(hash)", (6, "replaced")),
    ("DELETE FROM audit_head", (1, "branch")),
    ("DELETE FROM audit_head; DELETE FROM audit", (0, "replaced")),
]


@pytest.mark.parametrize(("sql", "broken"), FORGERIES)
def test_what_a_superuser_does_is_found(
    empty_database: Database, tmp_path: Path, sql: str, broken: tuple[int, str]
) -> None:
    """Rows changed, deleted, inserted, exchanged by a superuser are found, and the first of them is named."""
    fill(empty_database, 6)
    forge(empty_database, *sql.split("; "))
    assert found(empty_database, tmp_path) == broken


def test_what_a_superuser_cut_off_shows_as_soon_as_the_next_row_comes(empty_database: Database, tmp_path: Path) -> None:
    """The newest rows deleted are missed, and a row that is added afterwards does not close the gap."""
    fill(empty_database, 5)
    forge(empty_database, "DELETE FROM audit WHERE id > 3")
    assert found(empty_database, tmp_path) == (4, "missing")
    fill(empty_database, 2)
    assert found(empty_database, tmp_path) == (4, "missing")


REWOUND = (
    "DELETE FROM audit WHERE id > 3",
    "UPDATE audit_head SET (number, hash) = (SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1)",
)
REWRITTEN = """
DO $$
DECLARE
    one audit;
    before bytea := (SELECT sha256(uuid_send(chain)) FROM audit_head);
BEGIN
    FOR one IN SELECT * FROM audit ORDER BY id LOOP
        one.actor := CASE one.id WHEN 2 THEN 'eve' ELSE one.actor END;
        UPDATE audit SET actor = one.actor, previous_hash = before,
            hash = audit_link(before, id, at, one.actor, action, object, detail)
            WHERE id = one.id RETURNING hash INTO before;
    END LOOP;
    UPDATE audit_head SET hash = before;
END $$
"""


def test_who_rewrites_the_head_too_is_found_by_an_anchor(empty_database: Database, tmp_path: Path) -> None:
    """A chain whose end is cut off together with its head, or that is made anew, holds by itself, but no anchor."""
    fill(empty_database, 5)
    drop_anchor(empty_database, tmp_path, now())
    assert checked(empty_database, tmp_path).holds
    forge(empty_database, *REWOUND)
    assert found(empty_database, tmp_path) == (4, "missing")
    assert found(empty_database, tmp_path / "elsewhere") is None, "what nobody has anchored can be hidden"
    fill(empty_database, 2)
    assert found(empty_database, tmp_path) == (5, "replaced")


def test_a_chain_made_anew_is_found_by_an_anchor(empty_database: Database, tmp_path: Path) -> None:
    """All hashes made anew after one row was changed: the first anchor after it tells."""
    for count in (1, 2, 1):
        fill(empty_database, count)
        drop_anchor(empty_database, tmp_path, now())
    forge(empty_database, REWRITTEN)
    assert found(empty_database, tmp_path / "elsewhere") is None
    assert found(empty_database, tmp_path) == (3, "replaced")


def test_another_chain_in_its_place_is_found_by_an_anchor(empty_database: Database, tmp_path: Path) -> None:
    """A chain under a new name, with all its hashes made of that, is held against the anchors of the one before it."""
    fill(empty_database, 3)
    drop_anchor(empty_database, tmp_path, now())
    forge(empty_database, "UPDATE audit_head SET chain = gen_random_uuid()", REWRITTEN)
    assert found(empty_database, tmp_path / "elsewhere") is None
    assert found(empty_database, tmp_path) == (3, "replaced")
    forge(empty_database, "DELETE FROM audit", "UPDATE audit_head SET number = 0, hash = sha256(uuid_send(chain))")
    assert found(empty_database, tmp_path) == (1, "missing")


def test_an_anchor_is_dropped_when_the_head_has_moved(empty_database: Database, tmp_path: Path) -> None:
    """No line for an empty audit, none for a head that stands; a line that was torn by a kill is written anew."""
    drop_anchor(empty_database, tmp_path, now())
    path = anchors_file(tmp_path)
    assert path.read_bytes() == b""
    fill(empty_database, 1)
    for _ in range(2):
        drop_anchor(empty_database, tmp_path, now())
    (line,) = path.read_bytes().splitlines()
    path.write_bytes(line[:-9])
    assert checked(empty_database, tmp_path).holds
    drop_anchor(empty_database, tmp_path, now())
    assert checked(empty_database, tmp_path).anchors == 1
    assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*") if file.is_file()} == {0o600}


def test_a_forged_anchor_is_told(empty_database: Database, tmp_path: Path) -> None:
    """A line of the anchors that this installation has not signed is named by its number."""
    for _ in range(3):
        fill(empty_database, 1)
        drop_anchor(empty_database, tmp_path, now())
    path = anchors_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":9'))
    verdict = checked(empty_database, tmp_path)
    assert (verdict.broken, verdict.forged_anchors, verdict.anchors, verdict.holds) == (None, (2,), 2, False)


def test_an_audit_of_another_database_has_other_anchors(
    empty_database: Database, town_copy: Database, tmp_path: Path
) -> None:
    """Two databases that are run over one data folder are not taken for one another."""
    fill(empty_database, 2)
    for database in (empty_database, town_copy, empty_database):
        drop_anchor(database, tmp_path, now())
    assert checked(empty_database, tmp_path).holds
    assert checked(town_copy, tmp_path).holds
    assert rows(empty_database, "SELECT chain FROM audit_head") != rows(town_copy, "SELECT chain FROM audit_head")


# The law, for any chain -----------------------------------------------------------------------------------------------


def chained(bodies: list[tuple[str, str]]) -> tuple[Link, list[Entry]]:
    """Return a chain of rows."""
    start = before = chain_start(UUID(int=7))
    made = []
    for number, (actor, detail) in enumerate(bodies, start=1):
        bare = Entry(number, number * 1_000_000, actor, "act", "thing", detail, before.hash, b"")
        made.append(replace(bare, hash=bare.proper_hash()))
        before = Link(number, made[-1].hash or b"")
    return start, made


def head_of(start: Link, entries: list[Entry]) -> Link:
    """Return the head of a chain."""
    return Link(entries[-1].number, entries[-1].hash or b"") if entries else start


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
chains = st.lists(st.tuples(words, words), min_size=1, max_size=12)
FIELDS = ("actor", "action", "object", "detail", "at_us", "previous_hash", "hash")


@settings(deadline=None)
@given(chains, st.data())
def test_any_single_forgery_is_found_with_its_number(bodies: list[tuple[str, str]], data: st.DataObject) -> None:
    """One row changed in any field, deleted, added or moved, anywhere: the first row that does not hold is named."""
    start, whole = chained(bodies)
    head = head_of(start, whole)
    assert first_break(whole, start, head, iter([head])) is None
    place = data.draw(st.integers(0, len(whole) - 1))
    forged, number = list(whole), place + 1
    match data.draw(st.sampled_from(["change", "delete", "insert", "move"])):
        case "change":
            name = data.draw(st.sampled_from(FIELDS))
            old = getattr(whole[place], name)
            other = (
                None
                if data.draw(st.booleans())
                else old + 1
                if name == "at_us"
                else old + type(old)(b"x" if isinstance(old, bytes) else "x")
            )
            forged[place] = replace(whole[place], **{name: other})
        case "delete":
            del forged[place]
        case "insert":
            forged.insert(place + 1, whole[place])
        case "move":
            target = data.draw(st.integers(0, len(whole) - 1))
            forged.insert(target, forged.pop(place))
            if forged == whole:
                return
            number = 1 + next(n for n, (one, other) in enumerate(zip(forged, whole, strict=True)) if one != other)
    broken = first_break(iter(forged), start, head)
    assert broken is not None
    assert broken.number == number


@settings(deadline=None)
@given(chains, st.data())
def test_a_chain_made_anew_from_any_row_is_found_by_the_next_anchor(
    bodies: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Whoever makes all hashes and the head anew is found at the first anchor from there on; without one, not."""
    start, whole = chained(bodies)
    place = data.draw(st.integers(0, len(whole) - 1))
    _, forged = chained([*bodies[:place], (bodies[place][0] + "x", ""), *bodies[place + 1 :]])
    anchored = sorted(data.draw(st.sets(st.integers(0, len(whole) - 1))))
    anchors = [Link(whole[n].number, whole[n].hash or b"") for n in anchored]
    broken = first_break(forged, start, head_of(start, forged), anchors)
    after = [n + 1 for n in anchored if n >= place]
    assert (broken and (broken.number, broken.kind)) == ((after[0], "replaced") if after else None)


def test_the_hash_of_a_row_can_be_made_by_anybody(empty_database: Database) -> None:
    """A row is bound by the SHA-256 of what is written down of it: anybody can follow the chain with ten lines."""
    fill(empty_database, 1)
    ((at_us, told, previous, stored, chain),) = rows(
        empty_database,
        "SELECT (extract(epoch FROM at) * 1000000)::bigint, detail::text, previous_hash, audit.hash, chain"
        " FROM audit, audit_head",
    )
    parts = [part.encode() for part in ("ann0", "test", "thing/0", told)]
    body = b"".join([(1).to_bytes(8), at_us.to_bytes(8), *(len(part).to_bytes(4) + part for part in parts)])
    assert bytes(previous) == hashlib.sha256(chain.bytes).digest()
    assert bytes(stored) == hashlib.sha256(bytes(previous) + body).digest()


def test_the_worker_anchors_the_head(empty_database: Database, tmp_path: Path) -> None:
    """What was recorded while a worker ran is anchored at the latest when it stops."""
    stop = threading.Event()
    keeper = threading.Thread(target=keep_audit, args=(empty_database, tmp_path, stop))
    keeper.start()
    fill(empty_database, 5)
    stop.set()
    keeper.join(30)
    assert checked(empty_database, tmp_path).anchors == 1
    forge(empty_database, *REWOUND)
    assert found(empty_database, tmp_path) == (4, "missing")
