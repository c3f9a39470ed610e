"""The database of a deployment on the command line: `twingrid db backup | verify | restore | upgrade`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.console import notice, operator_name, print_json
from api.options import DEFAULT_LANGUAGE, Lang
from spatial.errors import invalid
from spatial.settings import settings
from spatial.time import now, parse_instant

app_db = typer.Typer(no_args_is_help=True, help="The database: its schema, its backups.")

Backup = Annotated[Path, typer.Argument(help="folder that `twingrid db backup` wrote")]


@app_db.command()
def upgrade(
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="back up first what holds data")] = True,
) -> None:
    """Bring the schema to today's: backup, change, proof; what fails leaves everything as it was."""
    import migrations
    from api import upgrade as upgrading
    from api.runtime import open_database

    with open_database(settings(), notice, migrate=False) as database:
        if migrations.pending(database.engine):
            upgrading.upgrade(database, settings(), notice, backup=backup)
        notice("schema-current")


@app_db.command()
def backup(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder to write, or to write in; default DATA_DIR/backups")
    ] = None,
    physical: Annotated[
        bool, typer.Option("--physical", help="all files of the embedded PostGIS, to recover any later instant from")
    ] = False,
) -> None:
    """Copy the database into a folder, as of one instant, while the service goes on."""
    from api.runtime import embedded, open_database
    from spatial.backup import base, dump, folder

    target = folder.target(output, settings().data_dir, now())
    if physical:
        embedded(settings())
    with open_database(settings(), notice, migrate=False) as database:
        (base if physical else dump).take(database, operator_name(), target)
    notice("backed-up", path=str(target))


@app_db.command()
def verify(
    backup: Backup,
    drill: Annotated[bool, typer.Option("--drill", help="restore it beside, compare, and drop that again")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="the manifest")] = False,
) -> None:
    """Check that a backup is as it was written; with --drill, that it can be restored and holds what it says."""
    from api.db_text import show_manifest
    from spatial.backup import manifest

    found = manifest.read(backup)
    if drill:
        _drill(backup, found.kind)
    if as_json:
        body = {**found.model_dump(mode="json"), "content": found.content, "drilled": drill}
        print_json(body)
    else:
        show_manifest(found, lang, settings().zone)
        notice(f"backup-{'drilled' if drill else 'whole'}", path=str(backup))


@app_db.command()
def restore(
    backup: Backup,
    until: Annotated[
        str | None,
        typer.Option(help="RFC 3339 instant that a --physical backup is taken to; default as far as it goes"),
    ] = None,
    commit: Annotated[bool, typer.Option("--commit", help="in earnest; without it, say what would change")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Replace the database by a backup; what was replaced is kept under another name."""
    from spatial.backup import manifest

    if manifest.read(backup).kind == "base":
        _recover(backup, parse_instant(until, "until") if until else None, lang, commit=commit)
    elif until is not None:
        raise invalid("until", "backup-is-dump", path=str(backup))
    else:
        _restore(backup, lang, commit=commit)


def _drill(backup: Path, kind: str) -> None:
    import migrations
    from api.runtime import embedded, open_database
    from spatial.backup import recovery
    from spatial.backup import restore as restoring

    if kind == "base":
        recovery.drill(embedded(settings(), notice), backup, None)
    else:
        with open_database(settings(), notice, migrate=False) as database:
            restoring.drill(database, operator_name(), backup, migrations.revisions())


def _restore(backup: Path, lang: str, *, commit: bool) -> None:
    import migrations
    from api import upgrade as upgrading
    from api.db_text import show_change
    from api.runtime import open_database
    from spatial.backup import restore as restoring

    with open_database(settings(), notice, migrate=False) as database:
        change = restoring.compare(database, backup, migrations.revisions())
        show_change(change, lang, settings().zone)
        if not commit:
            notice("restore-dry-run")
            return
        kept = restoring.restore(database, operator_name(), backup, change, migrate=upgrading.migrate, now=now())
    notice("restored", path=str(backup), kept=kept)


def _recover(backup: Path, until: datetime | None, lang: str, *, commit: bool) -> None:
    from api.db_text import show_manifest
    from api.runtime import embedded
    from spatial.backup import manifest, recovery

    found = manifest.read(backup)
    show_manifest(found, lang, settings().zone)
    recovery.require_reachable(found, until, now())
    postgis = embedded(settings(), notice)
    if not commit:
        notice("restore-dry-run")
        return
    kept = recovery.recover(postgis, operator_name(), backup, until, now=now())
    notice("recovered", path=str(backup), kept=str(kept))
