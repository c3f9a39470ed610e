"""The statements that write what an import changes: set by set, each row with the instant it becomes known (:stamp)."""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from collections.abc import Iterator

from spatial.imports.compare import Comparison
from spatial.imports.model import Subject
from spatial.imports.stored import NOW, has_recorded, quoted
from spatial.tables import Base

MADE = "d.change IN ('new', 'changed')"
GONE = "d.change IN ('changed', 'ended')"


def writes(comparison: Comparison) -> Iterator[str]:
    """Yield the statements, in their order."""
    subject, changes = comparison.subject, comparison.changes
    if subject.apply is not None:
        yield from _filled(subject.apply, changes)
    elif subject.history == "plain":
        yield from _plain(subject, changes)
    else:
        yield from _dated(subject, changes)
    yield from _filled(subject.after, changes)


def hears(comparison: Comparison) -> Iterator[str]:
    """Yield the statements that put on record that rows have arrived, whatever becomes of them."""
    return _filled(comparison.subject.hears, comparison.changes)


def written(subject: Subject) -> dict[str, str]:
    """Return the columns of a subject's table and SQL of what is written, over the change `d` and the old row `o`."""
    columns = {one.kept_in: f"d.{quoted(one.name)}" for one in subject.fields if one.kept_in}
    shape = {subject.shape_column: "d.geom"} if subject.shape else {}
    return {**columns, **shape, **subject.more}


def _filled(statements: tuple[str, ...], changes: str) -> Iterator[str]:
    return (statement.format(changes=changes, known=NOW) for statement in statements)


def _plain(subject: Subject, changes: str) -> Iterator[str]:
    columns = written(subject)
    names = ", ".join(map(quoted, columns))
    assigned = ", ".join(f"{quoted(name)} = {value}" for name, value in columns.items())
    yield f"DELETE FROM {subject.table} v USING {changes} d WHERE v.id = d.old_id AND d.change = 'ended'"
    yield f"UPDATE {subject.table} o SET {assigned} FROM {changes} d WHERE o.id = d.old_id AND d.change = 'changed'"
    yield (
        f"INSERT INTO {subject.table} (id, {names}) OVERRIDING SYSTEM VALUE SELECT d.thing_id, "
        f"{', '.join(columns.values())} FROM {changes} d WHERE d.change = 'new' ORDER BY d.row"
    )


def _dated(subject: Subject, changes: str) -> Iterator[str]:
    """Yield the writes of rows with a history: what is no longer so is closed, what remains of it is known anew."""
    table, thing = subject.table, subject.thing
    if thing:
        columns = ", ".join(map(quoted, thing.written))
        yield (
            f"INSERT INTO {thing.table} (id, {columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT d.thing_id, {', '.join(thing.written.values())} FROM {changes} d "
            f"WHERE d.change = 'new' AND NOT d.is_known ORDER BY d.row"
        )
    if has_recorded(subject):
        yield (
            f"UPDATE {table} v SET recorded = tstzrange(lower(v.recorded), :stamp) FROM {changes} d "
            f"WHERE v.id = d.old_id AND {GONE}"
        )
    values = {"recorded": "tstzrange(:stamp, NULL)", **written(subject)}
    if subject.history == "records":
        values["id"] = "d.new_id"
    if thing:
        values[thing.column] = "d.thing_id"
    if subject.history == "versions":
        kept = [column.name for column in Base.metadata.tables[table].columns if column.name != "id"]
        before = {"valid": "tstzrange(lower(v.valid), d.effective)", "recorded": values["recorded"]}
        yield (
            f"INSERT INTO {table} ({', '.join(map(quoted, kept))}) "
            f"SELECT {', '.join(before.get(name, f'v.{quoted(name)}') for name in kept)} "
            f"FROM {table} v JOIN {changes} d ON d.old_id = v.id AND {GONE} "
            f"WHERE lower_inf(v.valid) OR lower(v.valid) < d.effective"
        )
        values["valid"] = "tstzrange(d.effective, d.ending)"
    yield (
        f"INSERT INTO {table} ({', '.join(map(quoted, values))}) OVERRIDING SYSTEM VALUE "
        f"SELECT {', '.join(values.values())} "
        f"FROM {changes} d LEFT JOIN {table} o ON o.id = d.old_id WHERE {MADE} ORDER BY d.row"
    )
