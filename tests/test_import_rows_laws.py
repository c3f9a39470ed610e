"""Laws of importing rows: what was exported is the same, a second import writes nothing, a copied city is that city."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from spatial.db import Database
from spatial.imports.subjects import SUBJECTS
from spatial.overlaps.service import keep
from tests.rows import AT, counts, faults, rows, stored, take, versions_of

IN_ORDER = (
    "layers", "units", "links", "categories", "responsibilities", "sources", "places", "addresses", "barriers", "roads",
    "officers", "teams", "assignments", "leave", "rules", "shifts", "overrides", "incidents",
)  # fmt: skip
LONG_AGO = AT - timedelta(days=3000)


def test_every_subject_is_in_the_order() -> None:
    """No subject is left out of these laws."""
    assert set(IN_ORDER) == set(SUBJECTS)


@pytest.mark.parametrize("subject", IN_ORDER)
def test_what_was_exported_is_taken_as_the_same(town: Database, subject: str) -> None:
    """An import of an export finds every row the same, and nothing missing."""
    source = stored(town, subject)
    outcome = take(town, subject, source, commit=False, complete=SUBJECTS[subject].can_end)
    assert (counts(outcome), faults(outcome)) == ({"same": len(rows(source))} if rows(source) else {}, [])


def copy_grids(town: Database, empty: Database) -> None:
    """Copy the grids of a town; they have an import of their own."""
    wanted = "SELECT g.id, l.code, v.code, v.name, v.kind, u.code, v.geom::text FROM grid_version v "
    wanted += "JOIN grid g ON g.id = v.grid_id JOIN layer l ON l.id = g.layer_id "
    wanted += "LEFT JOIN unit_version u ON u.unit_id = v.unit_id AND u.valid @> :at "
    wanted += "WHERE upper_inf(v.recorded) AND v.valid @> :at"
    with town.read() as session:
        found = [tuple(row) for row in session.execute(text(wanted), {"at": AT})]
    with empty.write() as session:
        stamp = session.scalar(text("SELECT open_version('areas')"))
        for number, (_, layer, code, name, kind, unit, geom) in enumerate(found, 1):
            session.execute(
                text("INSERT INTO grid (layer_id) SELECT id FROM layer WHERE code = :layer"), {"layer": layer}
            )
            session.execute(
                text(
                    "INSERT INTO grid_version (grid_id, layer_id, code, name, kind, unit_id, geom, valid, recorded) "
                    "SELECT :grid, l.id, :code, :name, :kind, (SELECT unit_id FROM unit_version WHERE code = :unit), "
                    "CAST(:geom AS geometry), tstzrange(:since, NULL), tstzrange(:stamp, NULL) "
                    "FROM layer l WHERE l.code = :layer"
                ),
                {"grid": number, "layer": layer, "code": code, "name": name, "kind": kind, "unit": unit, "geom": geom,
                 "since": LONG_AGO, "stamp": stamp},
            )  # fmt: skip
        keep(session, stamp)


@pytest.mark.proof
def test_a_town_taken_in_subject_by_subject_is_the_same_town(town: Database, empty_database: Database) -> None:
    """Every export of the copy is the export of the town, and a second import writes nothing at all."""
    for subject in IN_ORDER:
        source = stored(town, subject)
        outcome = take(empty_database, subject, source, at=LONG_AGO)
        expected = {"new": len(rows(source))} if rows(source) else {}
        assert (counts(outcome), faults(outcome)) == (expected, []), subject
        if subject == "units":
            copy_grids(town, empty_database)
    for subject in IN_ORDER:
        assert rows(stored(empty_database, subject)) == rows(stored(town, subject)), subject
    before = versions_of(empty_database)
    for subject in IN_ORDER:
        again = take(empty_database, subject, stored(town, subject), complete=SUBJECTS[subject].can_end)
        assert set(counts(again)) <= {"same"}, (subject, again.changes[:3])
    assert versions_of(empty_database) == before
