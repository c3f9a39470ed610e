"""The statements that find what may not be among changes: things told twice, rivals, what the database would refuse."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from collections.abc import Iterator

from spatial.imports.compare import Comparison
from spatial.imports.model import Exclusion
from spatial.imports.stored import key_sql, quoted, relation


def marking(comparison: Comparison) -> str:
    """Return the statement that marks the rows in which a fault was found so far."""
    return f"UPDATE {comparison.changes} d SET change = 'faulty' FROM import_faults f WHERE f.row = d.row"


def marking_all(comparison: Comparison) -> str:
    """Return the statement that marks every row, where nothing says which is which."""
    return f"UPDATE {comparison.changes} SET change = 'faulty'"


def change_faults(comparison: Comparison) -> Iterator[str]:
    """Yield the statements that find what may not be: keys given twice, rows without what new ones need, rivals.

    Rows that are faulty already are not looked at: what is wrong with them would be told twice in other words.
    """
    subject, changes = comparison.subject, comparison.changes
    if comparison.dates_versions:
        yield (
            f"INSERT INTO import_faults SELECT d.row, 'until', NULL, 'ends-before-start', '{{}}' FROM {changes} d "
            f"WHERE d.row IS NOT NULL AND d.ending <= d.effective"
        )
    yield _duplicates(comparison)
    for one in subject.fields:
        is_said = one.name in comparison.asked | comparison.unread or one.name in comparison.key
        if one.required and one.default is None and not is_said:
            yield (
                f"INSERT INTO import_faults SELECT NULL, '{one.name}', NULL, 'needed-for-new', "
                f"jsonb_build_object('field', '{one.name}', 'count', count(*), 'row', min(row)) "
                f"FROM {changes} d WHERE change = 'new' HAVING count(*) > 0"
            )
    if subject.shape and subject.shape_required and not comparison.has_shapes and "shape" not in comparison.unread:
        yield (
            f"INSERT INTO import_faults SELECT NULL, NULL, NULL, 'shapes-needed', "
            f"jsonb_build_object('count', count(*), 'row', min(row)) "
            f"FROM {changes} d WHERE change = 'new' HAVING count(*) > 0"
        )
    for exclusion in subject.exclusions:
        yield _rivals(comparison, exclusion)
    for check in subject.checks:
        yield (
            f"INSERT INTO import_faults SELECT f.row, f.field, NULL, '{check.fault}', f.values "
            f"FROM ({check.sql.format(changes=changes)}) f "
            f"JOIN {changes} c ON c.row = f.row AND c.change <> 'faulty'"
        )


def _duplicates(comparison: Comparison) -> str:
    parts = key_sql(comparison.subject, comparison.key, "d")
    key, complete = ", ".join(parts), " AND ".join(f"{one} IS NOT NULL" for one in parts)
    fields = comparison.subject.by_name
    told = next((name for name in comparison.key if name in fields), comparison.subject.fields[0].name)
    return (
        f"INSERT INTO import_faults SELECT q.row, '{told}', NULL, 'row-repeated', "
        f"jsonb_build_object('row', q.first) FROM (SELECT d.row, min(d.row) OVER (PARTITION BY {key}) AS first "
        f"FROM {comparison.changes} d WHERE d.row IS NOT NULL AND {complete}) q WHERE q.row > q.first"
    )


def _rivals(comparison: Comparison, exclusion: Exclusion) -> str:
    """Return the statement that finds rows which would hold at one time with another, of the file or stored."""
    subject = comparison.subject
    named = ", ".join(quoted(one.name) for one in subject.fields)
    begins, ends = quoted(subject.begins or "effective"), quoted(subject.ends or "ending")
    same = " AND ".join(f"a.{quoted(name)} = b.{quoted(name)}" for name in exclusion.fields)
    pairs = zip(key_sql(subject, comparison.key, "a"), key_sql(subject, comparison.key, "b"), strict=True)
    one_thing = " AND ".join(f"{one} IS NOT DISTINCT FROM {other}" for one, other in pairs)
    return (
        f"WITH x AS MATERIALIZED (SELECT * FROM (SELECT d.row, {named}, "
        f"CASE WHEN d.{ends} <= d.{begins} THEN NULL ELSE tstzrange(d.{begins}, d.{ends}) END AS span "
        f"FROM {comparison.changes} d WHERE d.change NOT IN ('ended', 'faulty') "
        f"UNION ALL {_remaining(comparison)}) x WHERE {exclusion.where}) "
        f"INSERT INTO import_faults SELECT DISTINCT ON (a.row) a.row, '{exclusion.fields[-1]}', NULL, "
        f"'{exclusion.fault}' || CASE WHEN b.row IS NULL THEN '' ELSE '-row' END, "
        f"CASE WHEN b.row IS NULL THEN '{{}}' ELSE jsonb_build_object('row', b.row) END "
        f"FROM x a JOIN x b ON {same} AND a.span && b.span AND (b.row IS NULL OR b.row < a.row) "
        f"WHERE a.row IS NOT NULL AND NOT ({one_thing}) ORDER BY a.row, b.row"
    )


def _remaining(comparison: Comparison) -> str:
    """Return SQL of the stored rows with the span that will be left of each: what changes or ends held until then."""
    named = ", ".join(f"o.{quoted(one.name)}" for one in comparison.subject.fields)
    left = "tstzrange(lower(o.valid), d.effective)" if comparison.dates_versions else "NULL"
    return (
        f"SELECT NULL, {named}, CASE WHEN d.change IN ('changed', 'ended') THEN {left} ELSE o.valid END "
        f"FROM ({relation(comparison.subject)}) o LEFT JOIN {comparison.changes} d ON d.old_id = o.id "
        f"WHERE d.change IS DISTINCT FROM 'faulty'"
    )
