"""Loading a whole city, against plain INSERTs of a sample of its rows."""

from collections.abc import Iterator

import fixtures
from benchmarks.case import Case
from benchmarks.town import ANCHOR, TABLES, counts, empty, insert, rows_of
from spatial.db import Database
from spatial.local_postgis import LocalPostgis

FIRST = 4000
DAY = "tstzrange('2025-03-05 00:00+00', '2025-03-06 00:00+00')"
SHIFTS = f"officer_id <= {FIRST} AND parent_shift IS NULL AND planned && {DAY}"
SAMPLE = {
    "layer": "true", "unit": "true", "unit_version": "true", "source": "true", "category": "true",
    "grid": f"id <= {FIRST}", "grid_version": f"grid_id <= {FIRST}",
    "grid_area": f"version_id IN (SELECT id FROM grid_version WHERE grid_id <= {FIRST})", "address": f"id <= {FIRST}",
    "officer": f"id <= {FIRST}", "officer_version": f"officer_id <= {FIRST}", "shift": SHIFTS,
    "cover": f"unit_id IS NOT NULL AND shift_id IN (SELECT id FROM shift WHERE {SHIFTS})",
    "incident_key": f"id <= {FIRST}", "incident": f"incident_key_id <= {FIRST}",
}  # fmt: skip
ROUNDS = 3


def load(database: Database) -> dict[str, int]:
    """Load the city, and return the number of rows of every table."""
    fixtures.load(database, size="city", seed=1, anchor=ANCHOR, truth_file=None, progress=lambda *_: None)
    return counts(database)


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case: databases are made beforehand, so that only the loading is timed."""
    source = empty(postgis)
    expected = load(source)
    rows = {table.name: rows_of(source, table, SAMPLE.get(table.name, "false")) for table in TABLES}
    sample = {name: len(of_table) for name, of_table in rows.items()}
    spare = iter([empty(postgis) for _ in range(2 * (ROUNDS + 1))])

    def theirs() -> dict[str, int]:
        database = next(spare)
        insert(database, rows)
        return counts(database)

    yield Case(
        "load the city, generation included", lambda: load(next(spare)), theirs,
        "INSERT row by row of a sample of rows already made", 1.0, sum(expected.values()), "rows",
        same=lambda ours, theirs: (ours, theirs) == (expected, sample), their_work=sum(sample.values()), rounds=ROUNDS,
    )  # fmt: skip
