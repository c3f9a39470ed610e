"""Units that a file names are found by their code at whatever time they are on record."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spatial.db import Database, open_version
from spatial.imports.grids.model import NewUnits
from tests.importing import FOUR, START, SUMMER, Write, counts, geojson_file, rows, take, told

AUTUMN = datetime(2025, 10, 1, tzinfo=UTC)
MAKE: dict[str, Any] = {"new_units": NewUnits("police", "station"), "unit": "unit", "unit_name": "label"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


def units(database: Database) -> list[Any]:
    """Return what is on record of units: code, name and span."""
    wanted = "SELECT code, name, lower(valid), upper(valid) FROM unit_version WHERE upper_inf(recorded) ORDER BY valid"
    return rows(database, wanted)


def end_units(database: Database, at: datetime, code: str | None = None) -> None:
    """End all units at an instant, or renumber them from it on."""
    with database.write() as session:
        times = {"at": at, "stamp": open_version(session, "areas"), "code": code}
        row = "unit_id, {}, name, kind, tstzrange({}), tstzrange(:stamp, NULL) FROM unit_version"
        columns = "INSERT INTO unit_version (unit_id, code, name, kind, valid, recorded) SELECT "
        old = "SELECT id FROM unit_version WHERE upper_inf(recorded)"
        ids = tuple(session.scalars(text(old)))
        closing = "UPDATE unit_version SET recorded = tstzrange(lower(recorded), :stamp) WHERE id IN :ids"
        session.execute(text(closing), {**times, "ids": ids})
        where = " WHERE id IN :ids"
        session.execute(text(columns + row.format("code", "lower(valid), :at") + where), {**times, "ids": ids})
        if code:
            session.execute(text(columns + row.format(":code", ":at, NULL") + where), {**times, "ids": ids})


def test_a_unit_that_begins_later_is_extended_back(empty_database: Database, write: Write) -> None:
    """An import from an earlier instant has its units in force from then on, the same units under the same names."""
    take(empty_database, write(FOUR, code=list("ABCD"), unit=["S1"] * 4, label=["一所"] * 4), effective=SUMMER, **MAKE)
    early = write(FOUR, code=list("ABCD"), unit=["S1", "S1", "S2", "S2"], label=["旧名", "旧名", "二所", "二所"])
    plan = take(empty_database, early, effective=START, **MAKE)
    assert (plan.new_units, plan.extended_units) == ({"S2": "二所"}, {"S1": "一所"})
    assert units(empty_database) == [("S1", "一所", START, SUMMER), ("S2", "二所", START, None),
                                     ("S1", "一所", SUMMER, None)]  # fmt: skip
    assert rows(empty_database, "SELECT count(*) FROM unit") == [(2,)]
    assert counts(take(empty_database, early, effective=START, **MAKE)) == {"same": 4}


def test_a_unit_that_has_ended_is_in_force_again(empty_database: Database, write: Write) -> None:
    """The code of a unit that has ended stands for that unit again, not for another."""
    file = write(FOUR, code=list("ABCD"), unit=["S1"] * 4, label=["一所"] * 4)
    take(empty_database, file, effective=START, **MAKE)
    end_units(empty_database, SUMMER)
    take(empty_database, file, effective=AUTUMN, **MAKE)
    assert units(empty_database) == [("S1", "一所", START, SUMMER), ("S1", "一所", AUTUMN, None)]
    assert rows(empty_database, "SELECT count(*) FROM unit") == [(1,)]


def test_a_renumbered_unit_is_named(empty_database: Database, write: Write) -> None:
    """The old code of a unit that has another by then is refused, and told which."""
    file = write(FOUR, code=list("ABCD"), unit=["S1"] * 4, label=["一所"] * 4)
    take(empty_database, file, effective=START, **MAKE)
    end_units(empty_database, SUMMER, code="S9")
    assert told(lambda: take(empty_database, file, effective=AUTUMN, **MAKE)) == [
        (f"row {row}, column unit", "unit-has-another-code") for row in (1, 2, 3, 4)
    ]
