"""`twingrid audit` and `twingrid check audit`: reading the audit, taking it along, and whether it holds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from api.acting import calling
from api.audit import audit_out, span_asked
from api.audit_text import show_rows, verdict_out, verdict_text
from api.console import print_json
from api.deps import page_after
from api.options import DEFAULT_LANGUAGE, Lang
from api.runtime import open_database
from api.shapes import listing
from maps.texts import say
from spatial.audit.check import Progress, check_audit
from spatial.audit.export import check_export, write_export
from spatial.audit.listing import Wanted, audit_rows
from spatial.errors import invalid
from spatial.settings import settings
from spatial.signing import public_pem, read_public_key, signing_key
from spatial.time import now

HELP_AUDIT, HELP_CHECK = "What was done, by whom.", "Whether what is stored is as it should be."
app_audit = typer.Typer(no_args_is_help=True, help=HELP_AUDIT)
app_check = typer.Typer(no_args_is_help=True, help=HELP_CHECK)
From = Annotated[str | None, typer.Option("--from", help="RFC 3339 instant; what happened then or later")]
Until = Annotated[str | None, typer.Option("--until", help="RFC 3339 instant; what happened before")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@app_audit.command("list")
def list_rows(
    actor: Annotated[str | None, typer.Option(help="who; 'demo-*' is whoever begins so")] = None,
    object_: Annotated[str | None, typer.Option("--object", help="on what; 'officers/*' is what begins so")] = None,
    action: Annotated[str | None, typer.Option(help="what was done, such as denied")] = None,
    start: From = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="rows in one page")] = 100,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """List what was done, newest first."""
    span = span_asked(start, until)
    wanted = Wanted(actor, object_, action, span.lower, span.upper)
    with calling("audit") as caller, caller.read() as session:
        found = listing(audit_rows(session, page_after(limit, cursor), wanted), audit_out)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_rows(found, lang, settings().zone)


@app_audit.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write, one row in JSON a line")],
    start: From = None,
    until: Until = None,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Write the audit to a file that is signed; who does so is on record first."""
    span = span_asked(start, until)
    with calling("audit") as caller, _bar(say("audit.exporting", lang)) as progress:
        who = (caller.database, settings().data_dir, caller.actor.name)
        count = write_export(*who, span, output, now=now(), progress=progress)
    typer.echo(say("audit.exported", lang, count=count, file=str(output)))


@app_audit.command()
def key() -> None:
    """Print the public key with which exports are checked elsewhere."""
    typer.echo(public_pem(signing_key(settings().data_dir)), nl=False)


@app_check.callback(help=HELP_CHECK)
def verbs() -> None:
    """Keep `audit` a verb of its own, although it is the only one yet."""


@app_check.command("audit")
def check(
    file: Annotated[Path | None, typer.Argument(help="an exported file; default: the audit of this database")] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key", help="PEM file of the public key; default: of this installation")
    ] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Follow the chain from its first row to its last, and name the first that does not hold; exit code 1 if one."""
    with _bar(say("audit.checking", lang)) as progress:
        if file is not None:
            public = read_public_key(key_file) if key_file else signing_key(settings().data_dir).public_key()
            verdict = check_export(file, public, progress)
        elif key_file is not None:
            raise invalid("key", "key-without-file")
        else:
            with open_database(settings()) as database:
                verdict = check_audit(database, settings().data_dir, progress)
    if as_json:
        print_json(verdict_out(verdict, lang))
    else:
        typer.echo(verdict_text(verdict, lang, settings().zone))
    if not verdict.holds:
        sys.exit(1)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """Show on the terminal how far something is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)
