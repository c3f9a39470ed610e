"""Putting a dump back: into a database beside, compared with its manifest, then swapped by one rename.

twingrid_restoring        what a restore or a drill fills; a leftover is dropped by the next
twingrid_before_<time>    what the last restore replaced
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from spatial import audit
from spatial.backup import dump, manifest, queries
from spatial.backup.manifest import AuditHead, Manifest, content_hash
from spatial.db import Database, make_engine
from spatial.errors import Conflict, SetupError, invalid

MAINTENANCE = "postgres"
SCRATCH = "_restoring"
REPLACED = "_before_"
ENDING_S = 3.0  # a session ends a moment after its connection
IN_USE, NOT_ALLOWED = "55006", "42501"


@dataclass(frozen=True)
class Change:
    """What a restore replaces by what."""

    backup: Manifest
    versions: dict[str, int]  # of what is replaced
    audit_head: AuditHead | None
    rows: dict[str, tuple[int, int]]  # table: now, then; where they differ
    is_same: bool
    kept: str | None = None  # the database that was replaced, once it was


def compare(database: Database, backup: Path, revisions: Collection[str]) -> Change:
    """Return what restoring a backup would change, having checked that it is whole and can be restored here.

    `revisions` are those of the schema that this product knows.
    """
    found = manifest.read(backup, "dump")
    with database.read() as session:
        connection = session.connection()
        require_readable(found, queries.server_major(connection), revisions)
        present = queries.table_contents(connection)
        rows = {name: (_rows(present, name), _rows(found.tables, name)) for name in sorted({*present, *found.tables})}
        return Change(
            found,
            queries.versions(connection),
            queries.audit_head(connection),
            {name: both for name, both in rows.items() if both[0] != both[1]},
            content_hash(present) == found.content,
        )


def require_readable(found: Manifest, server_major: int, revisions: Collection[str]) -> None:
    """Refuse a backup of a newer product, or of a newer PostgreSQL than the one it is to be restored to."""
    if found.schema_revision not in revisions:
        raise invalid("backup", "backup-of-newer-product", product=found.product, revision=found.schema_revision)
    if found.postgresql > server_major:
        raise invalid("backup", "backup-of-newer-postgresql", major=found.postgresql, here=server_major)


def drill(database: Database, actor: str, backup: Path, revisions: Collection[str]) -> Manifest:
    """Restore a backup into a database beside, compare it with its manifest, drop it, and put that on record.

    Errors: those of `manifest.read`, `restored-otherwise`.
    """
    found = manifest.read(backup, "dump")
    with database.read() as session:
        require_readable(found, queries.server_major(session.connection()), revisions)
    with _beside(database, found) as (_, scratch):
        _fill(scratch, backup, found)
    dump.put_on_record(database, actor, "database.drill", backup, found)
    return found


def restore(
    database: Database, actor: str, backup: Path, change: Change, *, migrate: Callable[[Engine], None], now: datetime
) -> str:
    """Replace a database by a backup and return the name under which the replaced one is kept.

    Whenever it is killed there is the old database or the new one: both renames are one transaction.
    Errors: `database-in-use`, `restored-otherwise`, `restore-not-allowed`, and those of `migrate`.
    """
    name = str(database.engine.url.database)
    with _beside(database, change.backup) as (server, scratch):
        _require_alone(server, database, name)
        _fill(scratch, backup, change.backup)
        migrate(scratch.engine)
        _put_on_record(scratch, actor, backup, change)
        with scratch.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            queries.analyse(connection)
        scratch.engine.dispose()
        earlier = queries.databases_like(server, name + REPLACED)
        kept = f"{name}{REPLACED}{now.astimezone(UTC):%Y%m%dt%H%M%S}"
        _require_alone(server, database, name)
        _swap(database.engine, str(scratch.engine.url.database), name, kept)
        for one in earlier:
            queries.drop_database(server, one)
    return kept


@contextmanager
def _beside(database: Database, found: Manifest) -> Iterator[tuple[Connection, Database]]:
    """Yield the server and an empty database of it, which is dropped at the end unless it has another name by then."""
    url = database.engine.url
    scratch_name = f"{url.database}{SCRATCH}"
    maintenance = make_engine(url.set(database=MAINTENANCE).render_as_string(hide_password=False))
    scratch = Database(make_engine(url.set(database=scratch_name).render_as_string(hide_password=False)))
    try:
        with _refusals(), maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            if not queries.take_turn(server, str(url.database)):
                raise Conflict("restore-running")
            queries.drop_database(server, scratch_name)
            if found.standing:
                queries.ensure_roles(server, found.standing.roles)
            queries.create_database(server, scratch_name, str(url.database))
            try:
                if found.standing:
                    queries.stand(server, scratch_name, found.standing)
                yield server, scratch
            finally:
                scratch.engine.dispose()
                queries.drop_database(server, scratch_name)
    finally:
        maintenance.dispose()


def _fill(scratch: Database, backup: Path, found: Manifest) -> None:
    """Load a dump and hold what came of it against the manifest."""
    with scratch.engine.connect() as connection:
        major = queries.server_major(connection)
    dump.load(scratch.engine.url, major, found, backup)
    with scratch.read() as session:
        restored = queries.table_contents(session.connection())
    tables = sorted(name for name in {*restored, *found.tables} if restored.get(name) != found.tables.get(name))
    if tables:
        raise SetupError("restored-otherwise", path=str(backup), tables=tables)


def _put_on_record(scratch: Database, actor: str, backup: Path, change: Change) -> None:
    """Add to the restored audit what was restored, and the head of the chain that was replaced."""
    head = change.audit_head.model_dump() if change.audit_head else None
    with scratch.write() as session:
        told = {**dump.detail(change.backup), "replaced_audit_head": head, "replaced_versions": change.versions}
        audit.record(session, actor, "database.restore", f"backup/{backup.name}", told)


def _require_alone(server: Connection, database: Database, name: str) -> None:
    """Close our own connections, and raise `Conflict` unless everybody else's are closed, too, or close shortly."""
    database.engine.dispose()
    deadline = time.monotonic() + ENDING_S
    while others := queries.other_sessions(server, name):
        if time.monotonic() > deadline:
            raise Conflict("database-in-use", sessions=len(others), names=sorted(set(others)))
        time.sleep(0.05)


def _swap(engine: Engine, scratch: str, name: str, kept: str) -> None:
    maintenance = make_engine(engine.url.set(database=MAINTENANCE).render_as_string(hide_password=False))
    try:
        with maintenance.begin() as connection:
            queries.rename_database(connection, name, kept)
            queries.rename_database(connection, scratch, name)
    finally:
        maintenance.dispose()


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what the server does not let us do."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "pgcode", None)
        if code == IN_USE:
            raise Conflict("database-in-use", sessions=1, names=[]) from error
        if code == NOT_ALLOWED:
            raise SetupError("restore-not-allowed") from error
        raise


def _rows(tables: dict[str, manifest.TableContent], name: str) -> int:
    return tables[name].rows if name in tables else 0
