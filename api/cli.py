"""The command line: `twingrid`. Verbs that change anything are dry runs unless `--commit`."""

import getpass
import math
import os
import signal
import sys
import threading
from datetime import timedelta
from typing import Annotated

import orjson
import typer
from rich.console import Console

import migrations
from api import serving
from api.imports import app_export, app_import
from api.lookup_out import answer_out
from api.lookup_text import show
from api.map_cli import app_map
from api.options import Lang
from api.places import read_place
from api.runtime import open_database
from api.worker import work
from maps.texts import LANGUAGES, say
from spatial import access
from spatial.db import Database
from spatial.errors import Fault, InputError, TwingridError, invalid
from spatial.lookup.ask import ask
from spatial.lookup.model import Answer, Question
from spatial.settings import settings
from spatial.time import now, parse_instant

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Twingrid 双网")
db = typer.Typer(no_args_is_help=True, help="The schema of the database.")
demo = typer.Typer(no_args_is_help=True, help="Generated data.")
token = typer.Typer(no_args_is_help=True, help="Who may call the service.")
app.add_typer(db, name="db")
app.add_typer(demo, name="demo")
app.add_typer(token, name="token")
app.add_typer(app_import, name="import")
app.add_typer(app_export, name="export")
app.add_typer(app_map, name="map")

console = Console(stderr=True)
NUMBERS_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}


def notice(text: str, **values: object) -> None:
    """Show a line about what is going on."""
    console.print(f"[dim]» {say(f'cli.{text}', settings().language, **values)}[/]")


@app.command()
def up() -> None:
    """Start PostGIS, load the demo where there is none, serve, work; Ctrl-C stops all of it."""
    serving.unwind_on_signals()
    with open_database(settings(), notice) as database:
        serving.prepare_demo(database, settings(), console)
        serving.run(database, settings(), notice, worker=True)


@app.command()
def serve() -> None:
    """Serve HTTP alone, without demo data and worker."""
    serving.unwind_on_signals()
    with open_database(settings(), notice) as database:
        serving.run(database, settings(), notice, worker=False)


@app.command()
def worker() -> None:
    """Run jobs alone, until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_database(settings(), notice) as database:
        notice("worker-started")
        work(database, stop)


@db.command()
def upgrade() -> None:
    """Bring the schema to today's."""
    with open_database(settings(), notice) as database:
        migrations.upgrade(database.engine)
        notice("schema-current")


@demo.command()
def load(seed: Annotated[int | None, typer.Option(help="another seed makes another town")] = None) -> None:
    """Load the generated town into an empty database."""
    chosen = settings() if seed is None else settings().model_copy(update={"seed": seed})
    with open_database(settings(), notice) as database:
        serving.load_demo(database, chosen, console)


@token.command()
def create(
    principal: Annotated[str, typer.Argument(help="name of a principal; it is added when there is none")],
    role: Annotated[str, typer.Option(help="role of a principal that is added")] = "viewer",
    days: Annotated[int, typer.Option(min=1, max=366, help="days until the token expires")] = 90,
) -> None:
    """Make a bearer token; it is shown this once."""
    with open_database(settings(), notice) as database, database.write() as session:
        actor, instant = access.operator(getpass.getuser()), now()
        if access.actor_named(session, principal) is None:
            access.add_principal(session, actor, principal, dict.fromkeys(LANGUAGES, principal), role, now=instant)
        expires = instant + timedelta(days=days)
        typer.echo(access.issue_token(session, actor, principal, "cli", now=instant, expires=expires))


@app.command(context_settings=NUMBERS_MAY_BE_NEGATIVE)
def lookup(
    lon: Annotated[str, typer.Argument(help="longitude, or x in --crs")],
    lat: Annotated[str, typer.Argument(help="latitude, or y in --crs")],
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    known_at: Annotated[str | None, typer.Option(help="answer as the system knew it then")] = None,
    crs: Annotated[str, typer.Option(help="EPSG code, WKT, PROJ string, gcj02 or bd09")] = "EPSG:4490",
    accuracy_m: Annotated[float, typer.Option(min=0, max=10_000, help="how well the place is known")] = 1.0,
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer; default all")] = None,
    lang: Lang = settings().language,
    as_json: Annotated[bool, typer.Option("--json", help="the body that GET /lookup sends")] = False,
) -> None:
    """Say whose a place is, who is responsible, who responds now, and how far the border is."""
    place = read_place(*_numbers(lon, lat), crs)
    instant = parse_instant(at, "at") if at else now()
    known = parse_instant(known_at, "known_at") if known_at else None
    question = Question(*place, instant, known, accuracy_m, tuple(layer) if layer else None)
    with open_database(settings(), notice) as database:
        out = answer_out(_ask(database, question), lang, phones=False)
    if as_json:
        typer.echo(orjson.dumps(out.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode())
    else:
        show(out, lang, settings().zone)


def _ask(database: Database, question: Question) -> Answer:
    if question.known_at is not None:
        if question.known_at > now():
            raise invalid("known_at", "known-at-in-future")
        database.settle(question.known_at)
    with database.read() as session:
        return ask(session, question)


def _numbers(lon: str, lat: str) -> tuple[float, float]:
    """Read two numbers that may be negative and must be finite; the faults of both at once."""
    found, faults = {}, []
    for where, text in (("lon", lon), ("lat", lat)):
        try:
            found[where] = float(text)
        except ValueError:
            faults.append(Fault(where, "not-a-number"))
        else:
            if not math.isfinite(found[where]):
                faults.append(Fault(where, "not-finite"))
    if faults:
        raise InputError(faults)
    return found["lon"], found["lat"]


def main() -> None:
    """Run the command line; what goes wrong on purpose is a sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        for fault in error.faults:
            told = say(f"fault.{fault.text}", settings().language, **fault.values)
            console.print(f"[red]{fault.where}[/]: {told}", highlight=False)
        sys.exit(2)
    except TwingridError as error:
        console.print(f"[red]{say(f'fault.{error.text}', settings().language, **error.values)}[/]", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
