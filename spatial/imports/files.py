"""Files of rows in and out: one transaction for what is written, and a file that is there whole or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.audit.spool import SHOWN
from spatial.crs import STORED
from spatial.db import Database
from spatial.errors import invalid
from spatial.history import Moment
from spatial.imports.annotated import Tell, write_annotated, write_faults
from spatial.imports.exported import stored_chunks
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options, Outcome, ShapeKind, Subject
from spatial.imports.read import Chunk, Source, open_source
from spatial.imports.service import Progress, no_progress, take_rows
from spatial.imports.stored import WRITTEN_AS
from spatial.imports.subjects import SUBJECTS
from spatial.imports.write import ShapeType, Table, write_rows
from spatial.time import zone_named

SHAPES: dict[ShapeKind, ShapeType] = {
    "point": "Point", "line": "LineString", "lines": "MultiLineString", "area": "MultiPolygon",
}  # fmt: skip
WORK_MEMORY = "128MB"  # for the sorts and joins of one import
SHAPE_COLUMN = "geometry"


@dataclass(frozen=True)
class Asked:
    """What else is wanted of a file, and of its import."""

    commit: bool = False
    source_layer: str | None = None
    geometry: str | None = None  # the column with shapes as text
    faults_file: Path | None = None
    annotated_file: Path | None = None


def subject_named(name: str) -> Subject:
    """Return a subject, or raise an `InputError`."""
    if name not in SUBJECTS:
        raise invalid("subject", "subject-unknown", known=list(SUBJECTS))
    return SUBJECTS[name]


def import_file(
    database: Database,
    actor: Actor,
    subject: Subject,
    path: Path,
    mapping: Mapping,
    options: Options,
    asked: Asked,
    *,
    tell: Tell,
    progress: Progress = no_progress,
) -> Outcome:
    """Take in a file of rows, or say what that would do; with a fault nothing is written at all."""
    source = opened(path, mapping, asked, wants_shapes=subject.shape is not None)
    options = with_mapping(options, mapping)
    with database.write() if asked.commit else database.trial() as session:
        unbounded(session)
        one = take_rows(session, actor, subject, source, mapping, options, commit=asked.commit, progress=progress)
        if asked.faults_file:
            write_faults(asked.faults_file, one.faults(), tell)
        if asked.annotated_file:
            write_annotated(asked.annotated_file, one, source, tell)
        return one.outcome()


def opened(path: Path, mapping: Mapping, asked: Asked, *, wants_shapes: bool) -> Source:
    """Return the rows of a file, with shapes from a column of texts where they are wanted."""
    source = open_source(path, source_layer=asked.source_layer, encoding=mapping.encoding, drop=mapping.drop)
    geometry = asked.geometry
    if geometry is None and wants_shapes and not source.has_shapes and SHAPE_COLUMN in source.columns:
        geometry = SHAPE_COLUMN
    if geometry is None:
        return source
    return open_source(
        path, source_layer=asked.source_layer, encoding=mapping.encoding, drop=mapping.drop, geometry=geometry
    )


def with_mapping(options: Options, mapping: Mapping) -> Options:
    """Return how a file is taken, with what a saved mapping says of it."""
    zone = zone_named(mapping.timezone, "mapping timezone") if mapping.timezone else options.zone
    return replace(
        options, zone=zone, source_crs=options.source_crs or mapping.source_crs, dates=options.dates or mapping.dates
    )


def unbounded(session: Session) -> None:
    """Let the statements of this transaction take the time and memory that a whole file needs."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    session.execute(text(f"SET LOCAL work_mem = '{WORK_MEMORY}'"))


def export_file(
    database: Database,
    actor: Actor,
    subject: Subject,
    moment: Moment,
    path: Path,
    fmt: str,
    *,
    crs: str = STORED,
    allow_shifted: bool = False,
) -> int:
    """Write what is stored of a subject to a file that an import takes as the same; return the number of rows.

    The file only appears once the audit holds who took it. Phones of officers are left out of it unless the actor may
    see them, and then that is on record.
    """
    actor.granted("exports")
    phones = actor.sees_phones("duty.read")
    kinds = {one.name: WRITTEN_AS[one.kind] for one in subject.fields if phones or not one.is_phone}
    shows_phones = any(one.is_phone and one.name in kinds for one in subject.fields)
    if moment.known_at is not None:
        database.settle(moment.known_at)
    count = 0

    def counted(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        nonlocal count
        for chunk in chunks:
            count += len(chunk)
            yield replace(chunk, columns={name: chunk.columns[name] for name in kinds})

    shape = SHAPES[subject.shape] if subject.shape else None
    with database.read() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        table = Table(subject.name, kinds, counted(stored_chunks(session, subject, moment)), shape)
        with write_rows(path, table, fmt, crs=crs, allow_shifted=allow_shifted), database.write() as writing:
            known_at = moment.known_at.isoformat() if moment.known_at else None
            detail = {"at": moment.at.isoformat(), "known_at": known_at, "crs": crs, "format": fmt, "rows": count}
            audit.record(writing, actor.name, f"export-{subject.name}", f"domain {subject.domain}", detail)
            if shows_phones:
                audit.record(writing, actor.name, SHOWN, f"export/{subject.name}", {"rows": count})
    return count
