"""A base backup: all files of the embedded PostGIS, from which its log of changes leads to any later instant."""

from pathlib import Path

from spatial.backup import dump, folder, manifest, queries
from spatial.backup.manifest import Manifest
from spatial.db import Database
from spatial.settings import VERSION

FILES, CHANGES = "base.tar.gz", "pg_wal.tar.gz"


def take(database: Database, actor: str, target: Path) -> Manifest:
    """Copy the server's files into the folder `target` while it runs, and put that on record.

    `taken_at` is the end of the copying: the first instant that can be reached from it.
    Errors: those of `folder.whole`, `postgresql-client-missing`, `backup-failed`.
    """
    with folder.whole(target) as half:
        with database.read() as session:
            major = queries.server_major(session.connection())
        how = ["--format=tar", "--gzip", "--compress=1", "--wal-method=stream", "--checkpoint=fast"]
        dump.run_client("pg_basebackup", database.engine.url, major, *how, f"--pgdata={half}")
        with database.read() as session:
            connection = session.connection()
            found = Manifest(
                kind="base",
                product=VERSION,
                taken_at=queries.instant(connection),
                postgresql=major,
                postgis=queries.postgis_version(connection),
                schema_revision=queries.schema_revision(connection),
                versions=queries.versions(connection),
                audit_head=queries.audit_head(connection),
            )
        manifest.write(half, found)
    dump.put_on_record(database, actor, "database.backup", target, found)
    return found
