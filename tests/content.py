"""What a database holds, as one hash: equal for equal content, whatever the ids, the order, the time of recording."""

import hashlib
from collections.abc import Collection

from sqlalchemy import Column, Table, text

from spatial.db import Database
from spatial.tables import Base

AUDIT = ("audit", "audit_head")  # grow with whatever is done, a backup too
LOGS = {*AUDIT, "audit_spool", "dataset_version", "job"}  # tables about what was done, not about the city
STAMPS = {  # set by the clock, by chance, or kept by rules
    *("recorded", "recorded_at", "installed_at", "granted_at", "current_id", "role_grant.uuid", "token.uuid"),
}
NAMED_BY = {"grid": "grid_version", "unit": "unit_version"}  # whose codes stand in their versions


def content_hash(
    database: Database, tables: Collection[str] | None = None, without: Collection[str] = frozenset()
) -> str:
    """Return a hash of the rows of some tables, by default all but the logs.

    A reference counts as what it refers to, so that two loads which number their rows differently are equal. Columns
    named in `without`, as `column` or `table.column`, do not count, nor do the instants at which rows were recorded;
    that a row was closed does.
    """
    told = []
    with database.engine.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table in Base.metadata.sorted_tables:
            if table.name not in LOGS:
                connection.execute(text(_hashing(table, STAMPS | set(without))))
                summed = text(f"SELECT count(*) || ' ' || coalesce(sum(hash::numeric), 0) FROM h_{table.name}")
                told.append((table.name, connection.scalar(summed)))
        connection.rollback()
    counted = [one for one in told if tables is None or one[0] in tables]
    return hashlib.sha256(repr(sorted(counted)).encode()).hexdigest()


def _hashing(table: Table, left_out: Collection[str]) -> str:
    """Return SQL that makes the temporary table h_<table>(id, hash) of a table's rows."""
    number = "t.id" if "id" in table.columns else "NULL::bigint"
    row, joins, above = ["true"], "", f"nullif({number}, {number})"
    for column in table.columns:
        if column.name == "id" or {column.name, f"{table.name}.{column.name}"} & set(left_out):
            continue
        referred = _referred(column)
        if referred is None:
            row.append(f't."{column.name}"')
        elif referred == table.name:
            above = f"t.{column.name}"
        elif referred:
            row.append(f"of_{column.name}.hash")
            joins += f" LEFT JOIN h_{referred} of_{column.name} ON of_{column.name}.id = t.{column.name}"
    if "recorded" in table.columns:
        row.append("upper_inf(t.recorded)")
    if versions := NAMED_BY.get(table.name):
        codes = "string_agg(DISTINCT code, ' ' ORDER BY code) AS codes"
        row.append("named.codes")
        joins += f" LEFT JOIN (SELECT {table.name}_id, {codes} FROM {versions} GROUP BY 1) named"
        joins += f" ON named.{table.name}_id = t.id"
    hashed = f"hashtextextended(ROW({', '.join(row)})::text, 0)"
    plain = f"SELECT {number} AS id, {above} AS above, {hashed} AS hash FROM {table.name} t {joins}"
    return f"""
        CREATE TEMP TABLE h_{table.name} ON COMMIT DROP AS WITH plain AS MATERIALIZED ({plain})
        SELECT plain.id, hashtextextended(ROW(plain.hash, whole.hash)::text, 0) AS hash
        FROM plain LEFT JOIN plain AS whole ON whole.id = plain.above"""


def _referred(column: Column[object]) -> str | None:
    """Return the table whose row a column refers to; "" where another column of the same reference does so."""
    if not column.foreign_keys:
        return None
    return next((key.column.table.name for key in column.foreign_keys if key.column.name == "id"), "")
