"""The statements for a complete file: what it lacks ends, unless others rely on it or it is most of all there is."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from collections.abc import Iterator

from spatial.imports.compare import Comparison
from spatial.imports.model import Subject
from spatial.imports.stored import quoted, relation
from spatial.tables import Base

FEWEST = 20  # of which most may end only if somebody says so
MOST_SHARE = 0.5
SPANS = ("valid", "planned", "span")  # columns of when a row relies on another; rows without are of the past
STANDING = {"shift": "u.state <> 'cancelled'"}


def ending(comparison: Comparison) -> str:
    """Return the statement by which what is stored now, and of which no row of the file tells, ends."""
    fields = comparison.subject.fields
    names = "".join(f", {quoted(one.name)}" for one in fields)
    values = "".join(f", o.{quoted(one.name)}" for one in fields)
    return (
        f"INSERT INTO {comparison.changes} (old_id, thing_id, is_known, change, differs, effective, ending{names}) "
        f"SELECT o.id, o.thing_id, true, 'ended', '{{}}', :at, upper(o.valid){values} FROM {_in_scope(comparison)} "
        f"AND NOT EXISTS (SELECT 1 FROM {comparison.changes} d WHERE d.old_id = o.id) "
        f"AND NOT EXISTS (SELECT 1 FROM {comparison.changes} d WHERE {comparison.same('d', 'o')})"
    )


def ends_most(comparison: Comparison) -> str:
    """Return the statement that finds a file of which most of what is stored would end: it may have been cut short."""
    return (
        f"INSERT INTO import_faults SELECT NULL, NULL, NULL, 'complete-ends-most', "
        f"jsonb_build_object('count', e.count, 'of', s.count) "
        f"FROM (SELECT count(*) FROM {comparison.changes} d WHERE d.change = 'ended') e, "
        f"(SELECT count(*) FROM {_in_scope(comparison)}) s "
        f"WHERE s.count >= {FEWEST} AND e.count > {MOST_SHARE} * s.count"
    )


def comes_back(comparison: Comparison) -> str:
    """Return the query of how many things end of which a later version stands, and when the first of them is back."""
    return (
        f"SELECT count(DISTINCT d.old_id) AS count, min(lower(o.valid)) AS first FROM {comparison.changes} d "
        f"JOIN ({relation(comparison.subject)}) o ON {comparison.same('d', 'o')} AND lower(o.valid) > d.effective "
        f"WHERE d.change = 'ended'"
    )


def still_used(comparison: Comparison) -> Iterator[str]:
    """Yield the statements that find what would end while others rely on it."""
    subject = comparison.subject
    if subject.history == "records":
        return
    name = f"d.{quoted(subject.fields[0].name)}"
    for table, column in users(comparison):
        # rows of the same table that end with it do not keep it
        kept = f"AND NOT EXISTS (SELECT 1 FROM {comparison.changes} e WHERE e.change = 'ended' AND e.old_id = u.id)"
        told = f"jsonb_build_object('code', {name}, 'by', jsonb_build_object('say', 'rows.kept.{table}'))"
        yield (
            f"INSERT INTO import_faults SELECT NULL, NULL, NULL, 'still-used', {told} "
            f"FROM {comparison.changes} d WHERE d.change = 'ended' "
            f"AND EXISTS (SELECT 1 FROM {table} u WHERE u.{quoted(column)} = d.thing_id "
            f"AND {_meanwhile(table, subject)} {kept if table == subject.table else ''})"
        )


def users(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield the tables and columns that refer to what a subject is of."""
    subject = comparison.subject
    of = subject.thing.table if subject.thing else subject.table
    own = {(subject.table, subject.thing.column)} if subject.thing else set()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            refers = any(key.column.table.name == of for key in column.foreign_keys)
            if refers and (table.name, column.name) not in own and table.name not in subject.ends_with:
                yield table.name, column.name


def _meanwhile(table: str, subject: Subject) -> str:
    """Return SQL of whether a row `u` relies on what ends by the change `d`, from then on."""
    if subject.history == "plain":
        return "true"  # what is deleted cannot be referred to, even by what was
    columns = Base.metadata.tables[table].columns
    span = next((name for name in SPANS if name in columns), None)
    if span is None:
        return "false"
    known = "upper_inf(u.recorded)" if "recorded" in columns else "true"
    return f"{known} AND {STANDING.get(table, 'true')} AND u.{span} && tstzrange(d.effective, d.ending)"


def _in_scope(comparison: Comparison) -> str:
    """Return SQL of the stored rows `o` of which a complete file tells all."""
    subject = comparison.subject
    during = "true"
    if comparison.dates_versions:
        during = "o.valid @> :at"
    elif subject.begins:
        during = "lower(o.valid) >= :at"
    return f"({relation(subject)}) o WHERE {during} AND {subject.scope.format(changes=comparison.changes)}"
