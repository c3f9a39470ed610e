"""The hash by which tests compare what two databases hold."""

from sqlalchemy import text

import fixtures
from spatial.db import Database
from tests.conftest import ANCHOR
from tests.content import content_hash


def load(database: Database, seed: int = 1) -> None:
    fixtures.load(database, seed=seed, anchor=ANCHOR, truth_file=None, progress=lambda _share, _text: None)


def test_equal_content_has_an_equal_hash_whatever_the_ids(town: Database, empty_database: Database) -> None:
    """A town loaded later, after other rows took its ids, is the same town."""
    with empty_database.write() as session:
        session.execute(text("INSERT INTO road_node (point) VALUES (ST_SetSRID(ST_MakePoint(120, 30), 4490))"))
        session.execute(text("DELETE FROM road_node"))
        session.execute(text("INSERT INTO source (code, title) VALUES ('x', '{}')"))
    load(empty_database)
    assert content_hash(empty_database) != content_hash(town)
    with empty_database.write() as session:
        session.execute(text("DELETE FROM source WHERE code = 'x'"))
    assert content_hash(empty_database) == content_hash(town)


def test_any_change_shows(town: Database, town_copy: Database) -> None:
    """A text, a reference and a closed row count; a column or table that is left out does not."""
    before = content_hash(town)
    assert content_hash(town_copy) == before
    with town_copy.write() as session:
        session.execute(text("UPDATE address SET dwellings = dwellings + 1 WHERE id = 5"))
    assert content_hash(town_copy) != before
    assert content_hash(town_copy, without={"address.dwellings"}) == content_hash(town, without={"address.dwellings"})
    assert content_hash(town_copy, tables={"shift"}) == content_hash(town, tables={"shift"})
    with town_copy.write() as session:
        session.execute(text("UPDATE address SET dwellings = dwellings - 1 WHERE id = 5"))
        session.execute(text("UPDATE road_edge SET to_node_id = from_node_id WHERE id = 7"))
    assert content_hash(town_copy) != before


def test_a_reference_to_another_unit_shows(town_copy: Database) -> None:
    """Units of one tree are told apart by their codes."""
    with town_copy.write() as session:
        session.execute(text("UPDATE role_grant SET unit_id = (SELECT min(id) FROM unit)"))
    before = content_hash(town_copy, tables={"role_grant"})
    with town_copy.write() as session:
        session.execute(text("UPDATE role_grant SET unit_id = (SELECT max(id) FROM unit)"))
    assert content_hash(town_copy, tables={"role_grant"}) != before
