"""The statements that compare staged rows with what is stored, and find what the database would refuse.

A staged row is in `import_rows_<subject>` as the file says it (alias `s`); what becomes of it, with ids for codes and
with what the file does not say filled in, is in `import_changes_<subject>` (alias `d`); faults are in `import_faults`.
"""
# ruff: noqa: S608  # every name in these statements is one of our own specifications

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from spatial.imports.mapping import key_faults, key_of
from spatial.imports.model import Field, Subject
from spatial.imports.stored import TYPES, key_sql, quoted, reference, relation, resolved_type
from spatial.tables import SRID

MOST_MOVED = 2000  # enough to see whether all have moved alike
TEXTS = ("text", "prose", "code", "choice")
FAULTS = """CREATE TEMP TABLE IF NOT EXISTS import_faults
    (row bigint, field text, "column" text, text text NOT NULL, "values" jsonb NOT NULL) ON COMMIT DELETE ROWS"""


@dataclass(frozen=True)
class Comparison:
    """The statements for one subject and what a file says of it: fields asked, shapes or none, what is not readable."""

    subject: Subject
    asked: frozenset[str]
    has_shapes: bool
    unread: frozenset[str] = frozenset()  # fields, or the shape: nothing more is said of what they lack

    @property
    def rows(self) -> str:
        """The table of staged rows."""
        return f"import_rows_{self.subject.name}"

    @property
    def changes(self) -> str:
        """The table of what becomes of them."""
        return f"import_changes_{self.subject.name}"

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What names a row."""
        return key_of(self.subject, self.asked)

    @property
    def is_keyed(self) -> bool:
        """Whether the file says what names its rows; else nothing can be said of what becomes of them."""
        return not key_faults(self.subject, self.asked)

    @property
    def dates_versions(self) -> bool:
        """Whether rows hold from an instant on until the next change on record."""
        return self.subject.history == "versions"

    # Tables

    def tables(self) -> Iterator[str]:
        """Yield the statements that make the temporary tables of this session, once."""
        shape = f", geom geometry(Geometry, {SRID})" if self.subject.shape else ""
        drawn = ", is_left_out boolean NOT NULL" if self.subject.shape else ""
        times = ', "from" timestamptz, until timestamptz' if self.dates_versions else ""
        staged = "".join(f", {quoted(one.name)} {TYPES[one.kind]}" for one in self.subject.fields)
        made = "".join(f", {quoted(one.name)} {resolved_type(one)}" for one in self.subject.fields)
        kept = "ON COMMIT DELETE ROWS"
        yield FAULTS
        yield f"CREATE TEMP TABLE IF NOT EXISTS {self.rows} (row bigint NOT NULL{staged}{times}{shape}{drawn}) {kept}"
        yield (
            f"CREATE TEMP TABLE IF NOT EXISTS {self.changes} (row bigint, old_id bigint, new_id bigint, "
            f"thing_id bigint, is_known boolean, change text, differs text[], effective timestamptz, "
            f"ending timestamptz{made}{shape}) {kept}"
        )

    # Faults of references

    def reference_faults(self) -> Iterator[str]:
        """Yield the statements that find codes which nothing has at that time."""
        for one in self.subject.fields:
            if one.refers is None or one.name not in self.asked:
                continue
            code, unnest = self._lookup(one), ""
            if one.kind == "list":
                code, unnest = 'one COLLATE "C"', f"CROSS JOIN unnest(s.{quoted(one.name)}) AS one"
            within = ""
            if one.refers == self.subject.known_as:
                within = f"AND NOT EXISTS (SELECT 1 FROM {self.rows} p WHERE {self._own_code('p')} = {code})"
            yield (
                f"INSERT INTO import_faults SELECT s.row, '{one.name}', NULL, '{one.refers}-not-known', "
                f"jsonb_build_object('value', {code}) FROM {self.rows} s {unnest} WHERE {code} IS NOT NULL "
                f"AND NOT EXISTS (SELECT 1 FROM ({reference(one.refers)}) r "
                f"WHERE r.code = {code} AND r.valid @> {self._effective}) {within}"
            )

    def _lookup(self, one: Field) -> str:
        return f'({one.lookup or f"s.{quoted(one.name)}::text"}) COLLATE "C"'

    def _own_code(self, alias: str) -> str:
        return f'{alias}.{quoted(self.subject.key[0])}::text COLLATE "C"'

    @property
    def _effective(self) -> str:
        if self.dates_versions:
            return 'coalesce(s."from", :at)'
        begins = self.subject.begins
        return f"coalesce(s.{quoted(begins)}, :at)" if begins else ":at"

    # Changes

    def comparing(self) -> str:
        """Return the statement that says of each staged row what becomes of it."""
        fields = self.subject.fields
        names = "".join(f", {quoted(one.name)}" for one in fields)
        values = "".join(f", {self._wanted(one)}" for one in fields)
        shape, shaped = ("", "")
        if self.subject.shape:
            shape, shaped = ", geom", ", s.geom" if self.has_shapes else ", o.geom"
        thing = "coalesce(t.id, nextval('{0}'))" if self.subject.thing else "coalesce(o.thing_id, nextval('{0}'))"
        table = self.subject.thing.table if self.subject.thing else self.subject.table
        made = thing.format(f"{table}_id_seq") if self.subject.thing or self.subject.history == "plain" else "NULL"
        # rows that others refer to have their ids before they are written
        new = f"nextval('{self.subject.table}_id_seq')" if self.subject.history == "records" else "NULL::bigint"
        # a row whose line is nothing adds and changes nothing, but it is there
        left_out, there = (
            ("s.is_left_out", "NOT s.is_left_out OR o.id IS NOT NULL") if self.subject.shape else ("false", "true")
        )
        known = "t.id IS NOT NULL" if self.subject.thing else "o.id IS NOT NULL"
        ending = "NULL"
        if self.dates_versions:
            ending = "coalesce(s.until, upper(o.valid))"  # at most: `following` looks for the next change on record
        return (
            f"INSERT INTO {self.changes} (row, old_id, new_id, thing_id, is_known, change, differs, effective, ending"
            f"{names}{shape}) SELECT s.row, o.id, {new}, {made}, {known}, CASE WHEN o.id IS NULL THEN 'new' "
            f"WHEN w.differs = '{{}}' THEN 'same' ELSE 'changed' END, w.differs, {self._effective}, {ending}"
            f"{values}{shaped} FROM {self.rows} s {self._joins()} CROSS JOIN LATERAL "
            f"(SELECT CASE WHEN {left_out} THEN '{{}}' ELSE array_remove(ARRAY[{self._differs()}]::text[], NULL) END "
            f"AS differs) w WHERE {there}"
        )

    def _joins(self) -> str:
        joins = []
        for one in self.subject.fields:
            if one.refers is None or one.name not in self.asked:
                continue
            alias, rows = quoted(f"r_{one.name}"), reference(one.refers)
            if one.kind == "list":
                joins.append(
                    f"LEFT JOIN (SELECT s.row, array_agg(DISTINCT r.id ORDER BY r.id) AS id FROM {self.rows} s "
                    f"CROSS JOIN unnest(s.{quoted(one.name)}) AS one JOIN ({rows}) r "
                    f'ON r.code = one COLLATE "C" AND r.valid @> {self._effective} GROUP BY s.row) {alias} '
                    f"ON {alias}.row = s.row"
                )
            else:
                joins.append(
                    f"LEFT JOIN ({rows}) {alias} ON {alias}.code = {self._lookup(one)} "
                    f"AND {alias}.valid @> {self._effective}"
                )
        during = f" AND o.valid @> {self._effective}" if self.dates_versions else ""
        if self.subject.thing:
            same = " AND ".join(f"t.{quoted(name)} = {self._value(self.subject.by_name[name])}" for name in self.key)
            joins.append(f"LEFT JOIN ({self.subject.thing.found}) t ON {same}")
            joins.append(f"LEFT JOIN ({relation(self.subject)}) o ON o.thing_id = t.id{during}")
        else:
            ours = {one.name: self._value(one) for one in self.subject.fields}
            computed = self.subject.computed
            mine = [computed[name].format(**ours) if name in computed else ours[name] for name in self.key]
            pairs = zip(key_sql(self.subject, self.key, "o"), mine, strict=True)
            same = " AND ".join(f"{stored} = {staged}" for stored, staged in pairs)
            joins.append(f"LEFT JOIN ({self._meant()}) o ON {same}{during}")
        return " ".join(joins)

    def _meant(self) -> str:
        """Return SQL of the stored rows that a file can mean: by another key than the first, one of each."""
        stored = relation(self.subject)
        if self.subject.rather is None or self.key == self.subject.key:
            return stored
        key = ", ".join(key_sql(self.subject, self.key, "o"))
        return f"SELECT DISTINCT ON ({key}) o.* FROM ({stored}) o ORDER BY {key}, {self.subject.rather}, o.id DESC"

    def _value(self, one: Field) -> str:
        """Return SQL of what a file says of a field, as an id where it is a code."""
        if one.refers is not None:
            return f"{quoted(f'r_{one.name}')}.id" if one.name in self.asked else f"NULL::{resolved_type(one)}"
        staged = f"s.{quoted(one.name)}" + (' COLLATE "C"' if one.kind in TEXTS else "")
        return f"({staged})"

    def _wanted(self, one: Field) -> str:
        """Return SQL of a field as it will be: what is not asked stays as it is stored."""
        filled = f"coalesce({self._value(one)}, {one.default})" if one.default else self._value(one)
        return (
            filled if one.name in self.asked else f"CASE WHEN o.id IS NULL THEN {filled} ELSE o.{quoted(one.name)} END"
        )

    def _differs(self) -> str:
        told = []
        for one in self.subject.fields:
            if one.name not in self.asked or one.name in self.key:
                continue
            differs = f"{self._wanted(one)} IS DISTINCT FROM o.{quoted(one.name)}"
            if one.refers and one.refers == self.subject.known_as:  # a row of the same file, that has no id yet
                differs += f" OR s.{quoted(one.name)} IS NOT NULL AND {self._value(one)} IS NULL"
            told.append(f"CASE WHEN {differs} THEN '{one.name}' END")
        if self.has_shapes:
            differs = "s.geom IS DISTINCT FROM o.geom"
            if self.subject.shape in ("area", "lines"):  # the same shape may begin at another vertex
                differs += " AND ST_Normalize(s.geom) IS DISTINCT FROM ST_Normalize(o.geom)"
            told.append(f"CASE WHEN {differs} THEN 'shape' END")
        if self.dates_versions:
            told.append("CASE WHEN s.until IS NOT NULL AND s.until IS DISTINCT FROM upper(o.valid) THEN 'until' END")
        return ", ".join(told) or "NULL"

    def moved(self) -> str:
        """Return the query of where things lie by the file and as they are stored, of some that have moved."""
        return (
            f"SELECT ST_AsBinary(d.geom), ST_AsBinary(o.geom) FROM {self.changes} d "
            f"JOIN ({relation(self.subject)}) o ON o.id = d.old_id WHERE d.change = 'changed' "
            f"AND 'shape' = ANY (d.differs) AND d.geom IS NOT NULL AND o.geom IS NOT NULL LIMIT {MOST_MOVED}"
        )

    def following(self) -> Iterator[str]:
        """Yield what is known only once all rows are compared: their references to each other, their next changes."""
        for one in self.subject.fields:
            if one.refers and one.refers == self.subject.known_as and one.name in self.asked:
                own = f"p.{quoted(self.subject.key[0])}" if self.subject.history == "records" else "p.thing_id"
                yield (
                    f"UPDATE {self.changes} d SET {quoted(one.name)} = {own} FROM {self.rows} s, {self.changes} p "
                    f"WHERE s.row = d.row AND d.{quoted(one.name)} IS NULL "
                    f"AND {self._own_code('p')} = {self._lookup(one)}"
                )
        if self.dates_versions:
            same = self.same("d", "n")
            yield (
                f"UPDATE {self.changes} d SET ending = least(d.ending, q.at) FROM "
                f"(SELECT d.row, min(lower(n.valid)) AS at FROM {self.changes} d "
                f"JOIN ({relation(self.subject)}) n ON {same} AND lower(n.valid) > d.effective "
                f"GROUP BY d.row) q WHERE q.row = d.row"
            )
            rest = "array_remove(d.differs, 'until')"
            yield (
                f"UPDATE {self.changes} d SET differs = {rest}, "
                f"change = CASE WHEN {rest} = '{{}}' THEN 'same' ELSE d.change END "
                f"FROM ({relation(self.subject)}) o "
                f"WHERE o.id = d.old_id AND d.ending IS NOT DISTINCT FROM upper(o.valid)"
            )

    def same(self, change: str, stored: str) -> str:
        """Return SQL of whether a change and a stored row are of one thing, whatever their times."""
        if self.subject.thing:
            return f"{change}.thing_id = {stored}.thing_id"
        sides = (key_sql(self.subject, self.key, alias) for alias in (change, stored))
        return " AND ".join(f"{one} = {other}" for one, other in zip(*sides, strict=True))
