"""What is stored, in the words of files: the relations that imports compare with and exports write.

SQL is put together from the specifications of subjects, which are ours; what a user gave is always bound.
"""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text

from spatial.imports.model import Field, Kind, Subject
from spatial.imports.references import REFERENCES
from spatial.imports.write import Kind as Written
from spatial.tables import Base

TYPES: dict[Kind, str] = {
    "text": "text", "prose": "text", "code": "text", "choice": "text", "int": "bigint", "number": "float8",
    "bool": "boolean", "instant": "timestamptz", "duration": "interval", "clock": "bigint", "list": "text[]",
    "uuid": "uuid",
}  # fmt: skip


WRITTEN_AS: dict[Kind, Written] = {
    "text": "text", "prose": "text", "code": "text", "choice": "text", "int": "integer", "number": "number",
    "bool": "bool", "instant": "instant", "duration": "text", "clock": "text", "list": "text", "uuid": "text",
}  # fmt: skip


class Known:
    """What `{known}` means in a specification: a row known now or, of an export, then; `{known:m}` of another alias."""

    def __init__(self, then: bool = False) -> None:
        self.then = then

    def __format__(self, alias: str) -> str:
        alias = alias or "r"
        return f"{alias}.recorded @> CAST(:known_at AS timestamptz)" if self.then else f"upper_inf({alias}.recorded)"


NOW = Known()


def bound(statement: str, values: Mapping[str, Any]) -> TextClause:
    """Return a statement with the values that it names; it need not name all of them."""
    made = text(statement)
    return made.bindparams(**{name: values[name] for name in made.compile().params})


def quoted(name: str) -> str:
    """Return a name of ours as SQL writes it; some are words of SQL."""
    return f'"{name}"'


def resolved_type(field: Field) -> str:
    """Return the type of a field once codes are ids."""
    if field.refers is None:
        return TYPES[field.kind]
    return REFERENCES[field.refers].id_type + ("[]" if field.kind == "list" else "")


def has_recorded(subject: Subject) -> bool:
    """Return whether the rows of a subject have a history."""
    return "recorded" in Base.metadata.tables[subject.table].columns


def relation(subject: Subject, known: Known = NOW, *, extra: str = "true") -> str:
    """Return SQL of the stored rows: id, thing_id, the fields with ids for codes, geom, valid, moment."""
    thing = f"v.{subject.thing.column}" if subject.thing else "v.id" if subject.history == "plain" else "NULL::bigint"
    fields = [f"{one.reads.format(known=known)} AS {quoted(one.name)}" for one in subject.fields]
    shape = [f"{subject.shape_read or f'v.{subject.shape_column}'} AS geom"] if subject.shape else []
    whole = "'(,)'::tstzrange"
    valid = f"v.{subject.span}" if subject.history == "versions" or subject.begins else whole
    recorded = format(known, "v") if has_recorded(subject) else "true"
    columns = ["v.id", f"{thing} AS thing_id", *fields, *shape, f"{valid} AS valid", f"{subject.moment} AS moment"]
    return f"SELECT {', '.join(columns)} FROM {subject.source} WHERE {recorded} AND {subject.stays} AND {extra}"


def reference(name: str, known: Known = NOW) -> str:
    """Return SQL of what may be referred to: id, code, shown, valid."""
    return REFERENCES[name].rows.format(known=known)


def shown(subject: Subject, rows: str, moment: str, known: Known = NOW) -> tuple[str, str]:
    """Return SQL of the columns and of the FROM that give rows (with ids, as `x`) the codes that files have."""
    lists = [one for one in subject.fields if one.kind == "list" and one.refers]
    columns, joins = [], [f"FROM ({_with_lists(lists, rows, moment, known)}) x"]
    for one in subject.fields:
        name, alias = quoted(one.name), quoted(f"r_{one.name}")
        if one.refers is None:
            columns.append(f"x.{name}")
        elif one in lists:
            columns.append(f"x.{alias} AS {name}")
        else:
            columns.append(f"{alias}.shown AS {name}")
            joins.append(
                f"LEFT JOIN ({reference(one.refers, known)}) {alias} "
                f"ON {alias}.id = x.{name} AND {alias}.valid @> {moment}"
            )
    return ", ".join(columns), " ".join(joins)


def _with_lists(lists: Sequence[Field], rows: str, moment: str, known: Known) -> str:
    """Return SQL of rows with the codes of their lists beside the ids; all rows at once, for there may be a million."""
    if not lists:
        return rows
    codes = [
        f"""LEFT JOIN (
            SELECT x.shown_row, array_agg(r.shown ORDER BY r.shown) AS {quoted(f"r_{one.name}")}
            FROM numbered x CROSS JOIN unnest(x.{quoted(one.name)}) AS one
            JOIN ({reference(one.refers or "", known)}) r ON r.id = one AND r.valid @> {moment}
            GROUP BY x.shown_row) l_{one.name} USING (shown_row)"""
        for one in lists
    ]
    return f"""WITH numbered AS MATERIALIZED (SELECT q.*, row_number() OVER () AS shown_row FROM ({rows}) q)
               SELECT * FROM numbered {" ".join(codes)}"""


def key_sql(subject: Subject, key: Iterable[str], alias: str) -> list[str]:
    """Return SQL of what names a row, over the ids of an alias."""
    columns = {one.name: f"{alias}.{quoted(one.name)}" for one in subject.fields}
    return [subject.computed[name].format(**columns) if name in subject.computed else columns[name] for name in key]


def key_fields(subject: Subject, key: Sequence[str]) -> list[str]:
    """Return the fields that a person knows a row by."""
    return [one.name for one in subject.fields if one.name in key] or [subject.fields[0].name]
