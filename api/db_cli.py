"""The database of a deployment on the command line: `twingrid db backup | verify | restore | upgrade`."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from api.console import notice, operator_name
from api.options import DEFAULT_LANGUAGE, Lang
from spatial.settings import settings
from spatial.time import now

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
) -> None:
    """Copy the database into a folder, as of one instant, while the service goes on."""
    from api.runtime import open_database
    from spatial.backup import dump, folder

    target = folder.target(output, settings().data_dir, now())
    with open_database(settings(), notice, migrate=False) as database:
        dump.take(database, operator_name(), target)
    notice("backed-up", path=str(target))


@app_db.command()
def verify(
    backup: Backup,
    drill: Annotated[bool, typer.Option("--drill", help="restore it beside, compare, and drop that again")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="the manifest")] = False,
) -> None:
    """Check that a backup is as it was written; with --drill, that it can be restored and holds the same rows."""
    import migrations
    from api.db_text import show_manifest
    from api.runtime import open_database
    from spatial.backup import manifest, restore

    found = manifest.read(backup)
    if drill:
        with open_database(settings(), notice, migrate=False) as database:
            restore.drill(database, operator_name(), backup, migrations.revisions())
    if as_json:
        body = {**found.model_dump(mode="json"), "content": found.content, "drilled": drill}
        typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
    else:
        show_manifest(found, lang, settings().zone)
        notice("backup-drilled" if drill else "backup-whole", path=str(backup))


@app_db.command()
def restore(
    backup: Backup,
    commit: Annotated[bool, typer.Option("--commit", help="in earnest; without it, say what would change")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Replace the database by a backup; what was replaced is kept under another name."""
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
