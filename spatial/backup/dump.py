"""A dump: pg_dump's copy of one database, taken while others go on writing, and what it holds at that instant."""

import os
import subprocess
from pathlib import Path

import psycopg2.extensions
from sqlalchemy import URL

from spatial import audit
from spatial.backup import folder, manifest, queries
from spatial.backup.manifest import Manifest
from spatial.db import Database
from spatial.errors import Conflict, SetupError
from spatial.postgresql import find_client
from spatial.settings import VERSION

FILE = "database.dump"
LAST_LINES = 12


def take(database: Database, actor: str, target: Path) -> Manifest:
    """Back a database up into the folder `target`, as it was at one instant, and put that on record.

    Errors: `nothing-to-back-up`, those of `folder.whole`, `postgresql-client-missing`, `backup-failed`.
    """
    with folder.whole(target) as half:
        with database.read() as session:
            connection = session.connection()
            snapshot, taken_at = queries.export_snapshot(connection)
            if (revision := queries.schema_revision(connection)) is None:
                raise Conflict("nothing-to-back-up")
            found = Manifest(
                kind="dump",
                product=VERSION,
                taken_at=taken_at,
                postgresql=queries.server_major(connection),
                postgis=queries.postgis_version(connection),
                schema_revision=revision,
                versions=queries.versions(connection),
                audit_head=queries.audit_head(connection),
                tables=queries.table_contents(connection),
                standing=queries.standing(connection),
            )
            _dump(database.engine.url, found.postgresql, snapshot, half / FILE)
        manifest.write(half, found)
    put_on_record(database, actor, "database.backup", target, found)
    return found


def put_on_record(database: Database, actor: str, action: str, backup: Path, found: Manifest) -> None:
    """Add a row to the audit on what was done with a backup."""
    with database.write() as session:
        audit.record(session, actor, action, f"backup/{backup.name}", detail(found))


def detail(found: Manifest) -> dict[str, object]:
    """Return what the audit keeps of a backup: enough to tell it from every other."""
    head = found.audit_head.model_dump() if found.audit_head else None
    content = found.content if found.tables else None
    return {"taken_at": found.taken_at.isoformat(), "content": content, "audit_head": head, "kind": found.kind}


def load(url: URL, server_major: int, found: Manifest, backup: Path) -> None:
    """Fill an empty database from a dump.

    Objects belong to whoever restores, unless the dumped ones had several owners.
    """
    owners = found.standing.owners if found.standing else ()
    options = ["--exit-on-error", f"--jobs={min(os.cpu_count() or 1, 4)}", *(["--no-owner"] if len(owners) < 2 else [])]
    run_client("pg_restore", url, server_major, *options, str(backup / FILE))


def _dump(url: URL, server_major: int, snapshot: str, file: Path) -> None:
    left_out = ["--no-tablespaces", "--no-publications", "--no-subscriptions"]
    options = ["--format=custom", f"--snapshot={snapshot}", f"--file={file}", *left_out]
    run_client("pg_dump", url, server_major, *options)


def run_client(program: str, url: URL, server_major: int, *arguments: str) -> None:
    """Run a client program of PostgreSQL on a database; a password travels in its environment, where no list shows it.

    Errors: `postgresql-client-missing`, `backup-failed` with the program's last words.
    """
    words = dict(url.set(drivername="postgresql+psycopg2").get_dialect()().create_connect_args(url)[1])
    password = {"PGPASSWORD": str(words.pop("password"))} if "password" in words else {}
    command = [
        str(find_client(program, server_major)),
        f"--dbname={psycopg2.extensions.make_dsn(**words)}",
        "--no-password",
        *arguments,
    ]
    done = subprocess.run(
        command, env=os.environ | password, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
        raise SetupError("backup-failed", program=program, said=said)
