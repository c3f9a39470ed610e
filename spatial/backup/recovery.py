"""Point-in-time recovery of the embedded PostGIS: a base backup, and its log of changes up to an instant.

<home>/restore/postgis/    where a cluster recovers; a leftover is cleared by the next
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from spatial import audit, wal_archive
from spatial.audit.check import chain_break
from spatial.backup import base, dump, manifest, queries
from spatial.backup.manifest import AuditHead, Manifest
from spatial.db import Database, make_engine
from spatial.errors import Busy, Conflict, SetupError, invalid
from spatial.local_postgis import LocalPostgis

ARCHIVED_WITHIN_S = 60
LOOKS_EVERY_S = 0.1


def require_reachable(found: Manifest, until: datetime | None, now: datetime) -> None:
    """Refuse an instant that lies before a base backup was complete, or in the future."""
    if until is not None and until < found.taken_at:
        raise invalid("until", "until-before-backup", taken_at=found.taken_at.isoformat())
    if until is not None and until > now:
        raise invalid("until", "until-in-future")


def drill(postgis: LocalPostgis, backup: Path, until: datetime | None) -> AuditHead | None:
    """Recover a base backup beside, check its audit, forget it; return the head of the audit that it ends with."""
    with _recovered(postgis, backup, until, archiving=False) as (_, database):
        return _head(database)


def recover(postgis: LocalPostgis, actor: str, backup: Path, until: datetime | None, *, now: datetime) -> Path:
    """Put the cluster back to an instant and return the folder of the replaced one.

    Nothing is replaced before the recovered cluster is complete and its audit checked; whenever it is killed, the next
    start finds the old cluster or the new one.
    Errors: `cluster-in-use`, `until-not-reached`, `audit-broken`.
    """
    found = manifest.read(backup, "base")
    replaced = _present_head(postgis)
    with postgis.alone():
        with _recovered(postgis, backup, until, archiving=True) as (made, database):
            told = {
                **dump.detail(found),
                "until": until.isoformat() if until else None,
                "replaced_audit_head": replaced.model_dump() if replaced else None,
            }
            with database.write() as session:
                audit.record(session, actor, "database.restore", f"backup/{backup.name}", told)
            database.engine.dispose()
            made.stop()
            shutil.rmtree(postgis.restored, ignore_errors=True)
            made.cluster.rename(postgis.restored)
        return _swap(postgis, now)


def _swap(postgis: LocalPostgis, now: datetime) -> Path:
    earlier = list(postgis.home.glob("cluster-before-*"))
    kept = postgis.home / f"cluster-before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    if postgis.cluster.exists():
        postgis.cluster.rename(kept)
    postgis.restored.rename(postgis.cluster)
    opened = os.open(postgis.home, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)
    for one in earlier:
        shutil.rmtree(one, ignore_errors=True)
    return kept


@contextmanager
def _recovered(
    postgis: LocalPostgis, backup: Path, until: datetime | None, *, archiving: bool
) -> Iterator[tuple[LocalPostgis, Database]]:
    """Yield a cluster beside that has recovered, and its database; both are gone at the end.

    With `archiving` it claims a timeline in the archive, so that what it writes is never taken for another's.
    """
    workspace = postgis.home / "restore"
    archive = postgis.archive
    with (postgis.home / "restoring").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("restore-running") from None
        made = LocalPostgis(workspace, wal_archive=archive if archiving else None)
        if workspace.exists():
            made.stop()  # what a killed recovery left running
        shutil.rmtree(workspace, ignore_errors=True)
        try:
            _unpack(postgis, made, backup, until, archive)
            _await_end(made, until)
            with _opened(made) as database:
                _require_sound(database)
                if archiving and archive:
                    _await_history(made, database, archive)
                yield made, database
        finally:
            made.stop()
            shutil.rmtree(workspace, ignore_errors=True)


def _unpack(
    postgis: LocalPostgis, made: LocalPostgis, backup: Path, until: datetime | None, archive: Path | None
) -> None:
    """Lay the files out, with what tells PostgreSQL to recover and how far; all of it belongs to the cluster's user."""
    cluster = made.data_dir / "postgis" / "cluster"
    (cluster / "pg_wal").mkdir(parents=True)
    for packed, where in ((base.FILES, cluster), (base.CHANGES, cluster / "pg_wal")):
        shutil.unpack_archive(backup / packed, where, "gztar")
    with (cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(wal_archive.RECOVERY)
        if until is not None:
            settings.write(f"recovery_target_time = '{until.astimezone(UTC).isoformat()}'\n")
    (cluster / "recovery.signal").touch()
    (cluster.parent / "restore").write_text(wal_archive.RESTORE)
    if archive is not None:
        (cluster.parent / "source").symlink_to(archive)
    cluster.chmod(0o700)
    if os.geteuid() == 0:
        for path in (made.data_dir, *made.data_dir.rglob("*")):
            os.chown(path, postgis.user.pw_uid, postgis.user.pw_gid, follow_symlinks=False)


def _await_end(made: LocalPostgis, until: datetime | None) -> None:
    """Start the cluster and wait until it has recovered and takes writes."""
    try:
        made.start()
        with _opened(made) as database:
            while _is_recovering(database):
                if not made.is_running():
                    raise made.fault("recovery", "")
                time.sleep(LOOKS_EVERY_S)
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                queries.forget_settings(connection, wal_archive.RECOVERY_SETTINGS)
    except SetupError as error:
        if wal_archive.NOT_REACHED in str(error.values.get("log")):
            raise invalid("until", "until-not-reached", until=until and until.isoformat()) from error
        raise


def _is_recovering(database: Database) -> bool:
    try:
        with database.read() as session:
            return queries.is_recovering(session.connection())
    except Busy:  # it takes connections no longer, or not yet
        return True


def _await_history(made: LocalPostgis, database: Database, archive: Path) -> None:
    """Wait until the new timeline is on record in the archive."""
    with database.read() as session:
        history = archive / f"{queries.timeline(session.connection())}.history.gz"
    deadline = time.monotonic() + ARCHIVED_WITHIN_S
    while not history.exists():
        if time.monotonic() > deadline:
            raise SetupError("wal-archive-not-writable", folder=str(archive), user=made.user.pw_name)
        time.sleep(LOOKS_EVERY_S)


def _require_sound(database: Database) -> None:
    with database.read() as session:
        if (broken := chain_break(session)) is not None:
            raise SetupError("audit-broken", row=broken.number)


def _present_head(postgis: LocalPostgis) -> AuditHead | None:
    """Return the head of the audit that is about to be replaced; None where the cluster does not even start."""
    with suppress(SetupError):
        if postgis.cluster.exists():
            postgis.start()
            with _opened(postgis) as database:
                return _head(database)
    return None


@contextmanager
def _opened(postgis: LocalPostgis) -> Iterator[Database]:
    database = Database(make_engine(postgis.url()))
    try:
        yield database
    finally:
        database.engine.dispose()


def _head(database: Database) -> AuditHead | None:
    with database.read() as session:
        return queries.audit_head(session.connection())
