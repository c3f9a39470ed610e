"""Imports of rows: what a file would do, and doing it in one transaction."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from io import StringIO
from typing import Any, cast

import numpy as np
import orjson
import psycopg2.extensions
import shapely
from sqlalchemy import Result, text
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import hold_domain, open_version
from spatial.errors import Fault, InputError
from spatial.grids import about
from spatial.grids.queries import surroundings
from spatial.imports.apply import hears, writes
from spatial.imports.cells import escaped
from spatial.imports.columns import Reader, fault_of
from spatial.imports.compare import Comparison
from spatial.imports.complete import comes_back, ending, ends_most, still_used
from spatial.imports.displaced import displaced_pairs
from spatial.imports.grids.service import displacement
from spatial.imports.located import Frame, system_faults
from spatial.imports.mapping import Mapping, Matched, matched
from spatial.imports.model import CHANGES, Change, Options, Outcome, RowChange, RowFault, Subject
from spatial.imports.read import Source, unconfirmed
from spatial.imports.read.rows import MOST_FAULTS
from spatial.imports.refused import change_faults, marking, marking_all
from spatial.imports.stored import bound, key_fields, quoted, shown
from spatial.personal import PERSONAL_FAULTS, unsaid
from spatial.places import searchable

Progress = Callable[[float, str], None]
ROWS_A_CHUNK = 50_000
MOST_NOTES = 1000
READING, WRITING = 0.3, 0.5  # share of the whole that is done after reading, and before writing


class Import:
    """One import in the caller's transaction: rows are staged, compared, and written when asked to.

    Nothing of it is left when the transaction ends, but what `write` wrote.
    """

    def __init__(self, session: Session, subject: Subject, options: Options) -> None:
        self.session, self.subject, self.options = session, subject, options
        self.rows = 0
        self.notes: list[RowFault] = []
        self.more_notes = 0

    def stage(self, source: Source, mapping: Mapping, progress: Progress) -> None:
        """Read all rows of a file into the session's table of staged rows, and note all that is wrong with them."""
        found = matched(self.subject, source.columns, mapping)
        frame, misplaced = self._frame(source, found)
        self.reader = reader = Reader(self.subject, found, self.options, frame, source)
        self.matched = reader.matched
        if source.has_shapes and not reader.has_lonlat and {"lon", "lat"} & set(self.matched.columns):
            self.notes.append(RowFault(None, None, "shapes-before-columns"))
        asked = frozenset(self.matched.asked)
        self.comparison = Comparison(self.subject, asked, reader.has_places, reader.unread)
        self._prepare()
        self._note(map(fault_of, (*self.matched.faults, *misplaced)))
        columns = ", ".join(map(quoted, reader.columns))
        for chunk in source.chunks():
            read = reader.read(chunk)
            self._copy(f"{self.comparison.rows} ({columns})", read.lines)
            self._note(read.faults)
            kept = read.notes[: max(MOST_NOTES - len(self.notes), 0)]
            self.notes += kept
            self.more_notes += len(read.notes) - len(kept)
            self.rows += len(chunk)
            progress(READING * self.rows / source.count if source.count else 0.0, "reading")
        # once shapes are seen, they may turn out to lie nowhere
        self.comparison = replace(self.comparison, has_shapes=reader.has_places, unread=reader.unread)
        self._note([fault_of(fault) for fault in (*unconfirmed(source.encoding), *source.faults)])
        self.notes += [fault_of(note) for note in source.notes]

    def lock(self) -> None:
        """Hold the lock of the domain, so that what is found cannot change before it is written."""
        hold_domain(self.session, self.subject.domain)

    def compare(self) -> None:
        """Say of each staged row what becomes of it, and find everything that may not be."""
        comparison = self.comparison
        if self.rows > ROWS_A_CHUNK:
            self.session.execute(text(f"ANALYZE {comparison.rows}"))
        for statement in comparison.reference_faults():
            self._do(statement)
        self._do(comparison.comparing())
        if not comparison.is_keyed:
            self._do(marking_all(comparison))
            self._hush()
            return
        for statement in comparison.following():
            self._do(statement)
        if self.options.complete:
            self._end()
        if self.rows > ROWS_A_CHUNK:
            self.session.execute(text(f"ANALYZE {comparison.changes}"))
        for statement in (marking(comparison), *change_faults(comparison), marking(comparison)):
            self._do(statement)
        self._hush()
        if comparison.has_shapes and self.subject.history != "records" and not self.options.as_is:
            self._note(self._displaced())

    def _end(self) -> None:
        """End what the file lacks, as far as that may be."""
        comparison = self.comparison
        ended = self._do(ending(comparison)).rowcount  # type: ignore[attr-defined]  # of an INSERT there is one
        if ended and not self.rows:
            self._note([RowFault(None, "complete", "complete-without-rows")])
        for statement in still_used(comparison):
            self._do(statement)
        if not self.options.may_end_most:
            self._do(ends_most(comparison))
        back = self._do(comes_back(comparison)).mappings().one()
        if back["count"]:
            values = {"count": back["count"], "first": back["first"].isoformat()}
            self.notes.append(RowFault(None, None, "ended-comes-back", values))

    def _hush(self) -> None:
        """Leave out every other fault of a column that tells of people: it would repeat its values."""
        columns = self.reader.told_personal
        fields = [name for name, column in self.matched.columns.items() if column in columns]
        if columns:
            told = """DELETE FROM import_faults
                      WHERE NOT text = ANY (:personal) AND ("column" = ANY (:columns) OR field = ANY (:fields))"""
            self._do(told, personal=list(PERSONAL_FAULTS), columns=list(columns), fields=fields)

    def _displaced(self) -> list[RowFault]:
        """Return a fault where what has moved has moved as places in a shifted system do."""
        moved = self._do(self.comparison.moved()).all()
        told, stored = (
            np.asarray(shapely.from_wkb([bytes(pair[side]) for pair in moved]), dtype=object) for side in (0, 1)
        )
        found = displaced_pairs(told, stored)
        return [] if found is None else [fault_of(displacement(found))]

    def write(self, actor: Actor, told: dict[str, Any]) -> None:
        """Write what changes, as one version of the domain, and put it on record."""
        stamp = open_version(self.session, self.subject.domain)
        for statement in writes(self.comparison):
            self._do(statement, stamp=stamp)
        if make_searchable := searchable.OF.get(self.subject.name):
            make_searchable(self.session)
        detail = {"effective": self.options.effective.isoformat(), "rows": self.counts, **told}
        audit.record(self.session, actor.name, f"import-{self.subject.name}", f"domain {self.subject.domain}", detail)

    def hear(self) -> None:
        """Put on record that the rows have arrived."""
        for statement in hears(self.comparison):
            self._do(statement)

    @cached_property
    def counts(self) -> dict[Change, int]:
        """How many rows become what."""
        found = self.session.execute(
            text(f"SELECT change, count(*) FROM {self.comparison.changes} GROUP BY change")  # noqa: S608  our own names
        )
        return dict.fromkeys(CHANGES, 0) | {cast("Change", change): number for change, number in found}

    @cached_property
    def fault_count(self) -> int:
        """How many faults there are."""
        return int(self.session.scalar(text("SELECT count(*) FROM import_faults")) or 0)

    @cached_property
    def fault_kinds(self) -> set[str]:
        """What kinds of faults there are."""
        return set(self.session.scalars(text("SELECT DISTINCT text FROM import_faults")))

    @property
    def columns_read(self) -> frozenset[str]:
        """The columns that were taken."""
        return frozenset(self.matched.columns.values())

    @property
    def tells_of_people(self) -> bool:
        """Whether something was refused because it tells of single people."""
        return not self.fault_kinds.isdisjoint(PERSONAL_FAULTS)

    @property
    def writes(self) -> bool:
        """Whether anything is to be written."""
        return not self.fault_count and any(self.counts[one] for one in ("new", "changed", "ended"))

    @property
    def leaves_something(self) -> bool:
        """Whether a commit would leave anything: what it writes, or that the rows have arrived."""
        return self.writes or (bool(self.subject.hears) and self.rows > 0 and not self.fault_count)

    def outcome(self) -> Outcome:
        """Return what the import does, as far as it is known by now."""
        return Outcome(
            subject=self.subject.name,
            rows=self.rows,
            counts=self.counts,
            changes=list(self.changes(self.options.shown)),
            faults=list(self.faults(MOST_FAULTS)),
            fault_count=self.fault_count,
            columns=dict(self.matched.columns),
            dropped=self.matched.dropped,
            notes=tuple(self.notes),
            more_notes=self.more_notes,
        )

    def faults(self, most: int | None = None) -> Iterator[RowFault]:
        """Yield the faults in the order of the rows."""
        rows = self.session.execute(
            text(
                'SELECT row, field, "column", text, "values" FROM import_faults ORDER BY row NULLS FIRST, 3, 2 LIMIT :n'
            )
            .bindparams(n=most)
            .execution_options(yield_per=ROWS_A_CHUNK)
        )
        for row in rows:
            column = row.column or self.matched.columns.get(row.field, row.field)
            yield RowFault(row.row, column, row.text, unsaid(row.values))

    def changes(self, most: int | None = None, *, but_same: bool = True) -> Iterator[RowChange]:
        """Yield what becomes of the rows, in their order; those that end come last."""
        told = "change <> 'same'" if but_same else "true"
        rows = f"SELECT * FROM {self.comparison.changes} WHERE {told} ORDER BY row NULLS LAST LIMIT :n"  # noqa: S608  our own names
        names = key_fields(self.subject, self.comparison.key)
        columns, joins = shown(self.subject, rows, "x.effective")
        found = self.session.execute(
            text(f"SELECT x.row AS import_row, x.change, x.differs, {columns} {joins} ORDER BY x.row NULLS LAST")
            .bindparams(n=most)
            .execution_options(yield_per=ROWS_A_CHUNK)
        )
        for row in found.mappings():
            key = tuple("" if row[name] is None else str(unsaid(row[name])) for name in names)
            yield RowChange(row["import_row"], row["change"], key, tuple(row["differs"]))

    def _prepare(self) -> None:
        for statement in self.comparison.tables():
            self._do(statement)
        for table in (self.comparison.rows, self.comparison.changes, "import_faults"):
            self._do(f"DELETE FROM {table}")  # noqa: S608  our own names; of an import before in this transaction

    def _frame(self, source: Source, found: Matched) -> tuple[Frame, list[Fault]]:
        """Return where places may lie, and what is wrong with their system, which must be told where there are any."""
        limit, crs = self.options.repair_limit, self.options.source_crs or source.crs
        faults = system_faults(crs)
        self.crs = None if faults else crs
        if not (self.subject.shape and (source.has_shapes or "lon" in found.columns)):
            return Frame(None, None, limit), []
        plane = about.plane(self.session)
        within = None if self.options.as_is else surroundings(self.session, self.options.effective)
        return Frame(self.crs, plane.lon_0 if plane else None, limit, within), faults

    def _note(self, faults: Iterable[RowFault]) -> None:
        lines = []
        for one in faults:
            values = orjson.dumps(one.values, default=str).decode()
            cells = (None if one.row is None else str(one.row), one.column, one.text, values)
            lines.append("\t".join(r"\N" if cell is None else escaped(cell) for cell in cells))
        if lines:
            self._copy('import_faults (row, "column", text, "values")', "\n".join(lines) + "\n")

    def _copy(self, into: str, lines: str) -> None:
        if lines:
            cursor = cast("psycopg2.extensions.cursor", self.session.connection().connection.cursor())
            cursor.copy_expert(f"COPY {into} FROM STDIN", StringIO(lines))

    def _do(self, statement: str, **values: Any) -> Result[Any]:
        known = {"at": self.options.effective, "oldest": self.options.oldest, **values}
        return self.session.execute(bound(statement, known))


def no_progress(_share: float, _what: str) -> None:
    """Say nothing of the progress."""


def take_rows(
    session: Session,
    actor: Actor,
    subject: Subject,
    source: Source,
    mapping: Mapping,
    options: Options,
    *,
    commit: bool,
    told: dict[str, Any] | None = None,
    progress: Progress = no_progress,
) -> Import:
    """Take rows in within the caller's transaction, and return the import; with faults nothing is written.

    Any `Source` will do, of a file or in memory. The caller ends the transaction. Without `commit` all is found out
    and nothing written, and nobody who writes at the same time has to wait.
    """
    actor.require(*subject.roles)
    if options.complete and not subject.can_end:
        raise InputError([Fault("complete", "never-complete", {"subject": subject.name})])
    one = Import(session, subject, options)
    one.stage(source, mapping, progress)
    progress(READING, "comparing")
    if commit:
        one.lock()
    one.compare()
    if commit and one.writes:
        progress(WRITING, "writing")
        one.write(actor, {"file": source.file, **(told or {})})
    if commit and one.leaves_something:
        one.hear()
    return one
