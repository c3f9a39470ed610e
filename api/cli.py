"""The command line: `twingrid`. Verbs that change anything are dry runs unless `--commit`."""

import os
import signal
import sys
import threading
from datetime import datetime
from importlib import import_module
from typing import Annotated, Any, Literal

import orjson
import typer
from pydantic import ValidationError
from rich.text import Text
from typer.core import TyperGroup

from api.console import console, notice, print_json
from api.faults import refuse_unprintable, refused
from api.options import DEFAULT_LANGUAGE, Lang, language
from maps.texts import say
from spatial.errors import InputError, TwingridError
from spatial.settings import Settings, settings
from spatial.time import now

# Verbs import what they need by themselves: all libraries together take seconds to import, and a look-up needs few.
LATER = {
    "audit": ("api.audit_cli", "app_audit"),
    "area": ("api.lookup_cli", "app_area"),
    "changes": ("api.lookup_cli", "app_changes"),
    "check": ("api.findings_cli", "app_check"),
    "import": ("api.imports_rows", "app_import"),
    "export": ("api.imports_rows", "app_export"),
    "geotag": ("api.geotag_cli", "app_geotag"),
    "jobs": ("api.jobs_cli", "app_jobs"),
    "map": ("api.map_cli", "app_map"),
    "overlaps": ("api.overlaps_cli", "app_overlaps"),
    "plan": ("api.plans_drawn_cli", "app_plan"),
    "duty": ("api.duty_cli", "app_duty"),
    "gis": ("api.gis_cli", "app_gis"),
    "db": ("api.db_cli", "app_db"),
    "principal": ("api.access_cli", "app_principal"),
    "token": ("api.access_cli", "app_token"),
}


class Verbs(TyperGroup):
    """The verbs, of which those in `LATER` are loaded when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the verb that is called."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in LATER:
            module, verbs = LATER[name]
            command = typer.main.get_command(getattr(import_module(module), verbs))
        return name, command, rest


app = typer.Typer(
    cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Twingrid 双网"
)
demo = typer.Typer(no_args_is_help=True, help="Generated data.")
app.add_typer(demo, name="demo")
app.add_typer(typer.Typer(help="Who and what changes at a place, and when."), name="changes")
app.add_typer(typer.Typer(help="Whose may a place be that is known by a circle alone."), name="area")
app.add_typer(typer.Typer(help="Who may come in, and what they may do."), name="principal")
app.add_typer(typer.Typer(help="Bearer tokens of principals."), name="token")
app.add_typer(typer.Typer(help="What was done, by whom."), name="audit")
app.add_typer(typer.Typer(help="Whether what is stored is as it should be."), name="check")
app.add_typer(typer.Typer(help="Files in."), name="import")
app.add_typer(typer.Typer(help="Files out."), name="export")
app.add_typer(typer.Typer(help="Whose the place of each row of a file is."), name="geotag")
app.add_typer(typer.Typer(help="What the grids of two layers share."), name="overlaps")
app.add_typer(typer.Typer(help="Rosters: is anybody there?"), name="duty")
app.add_typer(typer.Typer(help="Drafts of a redrawing: working one out, review, publication."), name="plan")
app.add_typer(typer.Typer(help="Logins of the database for a GIS."), name="gis")
app.add_typer(typer.Typer(help="Long work."), name="jobs")
app.add_typer(typer.Typer(help="Maps as files that need nothing but a browser."), name="map")
app.add_typer(typer.Typer(help="The database: its schema, its backups."), name="db")

NUMBERS_MAY_BE_NEGATIVE = {"ignore_unknown_options": True}


@app.command()
def up() -> None:
    """Start PostGIS, load the demo where there is none, serve, work; Ctrl-C stops all of it."""
    from api import logs, serving
    from api.runtime import open_database

    logs.install(settings())
    serving.unwind_on_signals()
    with open_database(settings(), notice, keep=True) as database:
        serving.prepare_demo(database, settings(), console)
        serving.run(database, settings(), notice, worker=True)


@app.command()
def serve() -> None:
    """Serve HTTP alone, without demo data and worker."""
    from api import logs, serving
    from api.runtime import open_database

    logs.install(settings())
    serving.unwind_on_signals()
    with open_database(settings(), notice, keep=True) as database:
        serving.run(database, settings(), notice, worker=False)


@app.command()
def worker() -> None:
    """Run jobs alone, until Ctrl-C or SIGTERM."""
    from api import logs
    from api.runtime import open_database
    from api.tracing import tracing
    from api.worker import work
    from spatial.postgresql import WORKER

    logs.install(settings())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_database(settings(), notice, keep=True) as database, tracing(settings()) as traces:
        notice("worker-started")
        work(database.as_login(WORKER), stop, traces)


@demo.command()
def load(
    size: Annotated[Literal["town", "city"] | None, typer.Option(help="default TWINGRID_SIZE")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="another seed makes another town or city")] = None,
    anchor: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Monday that the rosters are about; default this week's"),
    ] = None,
    scale: Annotated[int, typer.Option(min=1, help="how often the city's grids lie side by side, to study growth")] = 1,
) -> None:
    """Load the generated town or city into an empty database."""
    from api import serving
    from api.runtime import open_database

    chosen = settings() if seed is None else settings().model_copy(update={"seed": seed})
    with open_database(settings(), notice) as database:
        serving.load_demo(
            database,
            chosen,
            console,
            size=size or ("town" if chosen.size == "none" else chosen.size),
            anchor=anchor and anchor.date(),
            scale=scale,
        )


@app.command(context_settings=NUMBERS_MAY_BE_NEGATIVE)
def lookup(
    place: Annotated[str, typer.Argument(help="longitude, or x in --crs; or the place in words, alone")],
    lat: Annotated[str | None, typer.Argument(help="latitude, or y in --crs")] = None,
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    known_at: Annotated[str | None, typer.Option(help="answer as the system knew it then")] = None,
    crs: Annotated[str, typer.Option(help="EPSG code, WKT, PROJ string, gcj02 or bd09")] = "EPSG:4490",
    accuracy_m: Annotated[
        float | None,
        typer.Option(min=0, max=10_000, help="how well the place is known; default 1, or as the words tell"),
    ] = None,
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer; default all")] = None,
    category: Annotated[str | None, typer.Option(help="code of the matter: who answers for it")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="the body that GET /lookup sends")] = False,
) -> None:
    """Say whose a place is, who is responsible, who responds now, and how far the border is."""
    from api.acting import calling
    from api.asked_place import EXACTLY_M, AskedPlace, place_told
    from api.instants import read_moment
    from api.lookup_out import answer_out
    from api.lookup_text import show
    from api.places import read_numbers, read_place
    from api.shapes import of_model
    from spatial.lookup.model import Question
    from spatial.lookup.stored import answer

    refuse_unprintable(place=[place], crs=[crs], layer=layer or [], category=[category] if category else [])
    numbers = read_place(*read_numbers(place, lat), crs) if lat is not None else None
    moment = read_moment(at, known_at)
    with calling("look-up", notice) as caller, caller.read(moment.known_at) as session:
        if numbers is None:
            asked = place_told(session, place, moment, accuracy_m)
        else:
            asked = AskedPlace(*numbers, EXACTLY_M if accuracy_m is None else accuracy_m)
        layers = tuple(layer) if layer else None
        question = Question(asked.lon, asked.lat, moment.at, moment.known_at, asked.accuracy_m, layers, category)
        out = answer_out(answer(session, question), lang, phones=False, told=asked.told)
    if as_json:
        typer.echo(orjson.dumps(out, of_model, orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
    else:
        show(out, lang, settings().zone)


@app.command()
def sources(
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="the body that GET /sources sends")] = False,
) -> None:
    """Say which sources of events are late or silent."""
    from api.acting import calling
    from api.sources import source_out
    from api.sources_text import show_sources
    from spatial.incidents.sources import source_rows

    with calling("sources.read", notice) as caller, caller.read() as session:
        found = [source_out(row, now(), lang) for row in source_rows(session)]
    if as_json:
        body = {"items": [one.model_dump(mode="json") for one in found], "next": None}
        print_json(body)
    else:
        show_sources(found, lang, settings().zone)


@app.command()
def find(
    text: Annotated[str, typer.Argument(help="address, crossing, stake, pole, name, coordinates, or a link to a map")],
    limit: Annotated[int, typer.Option(min=1, max=10, help="candidates at most")] = 10,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="the body that GET /places/find sends")] = False,
) -> None:
    """Say where a place is that is told in words."""
    from api.acting import calling
    from api.places_out import told_out
    from api.places_text import show_places
    from spatial.places import told

    refuse_unprintable(text=[text])
    with calling("look-up", notice) as caller, caller.read() as session:
        found = told_out(told(session, text, limit), lang)
    if as_json:
        body = found.model_dump(mode="json", by_alias=True)
        print_json(body)
    else:
        show_places(found, lang)


def main() -> None:
    """Run the command line; what goes wrong on purpose is a sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        for fault in error.faults:
            _complain(say(f"fault.{fault.text}", language(), **fault.values), fault.where)
        sys.exit(2)
    except TwingridError as error:
        _complain(say(f"fault.{error.text}", language(), **error.values))
        sys.exit(2)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        for one in error.errors():
            _complain(_setting_fault(dict(one)))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _setting_fault(error: dict[str, Any]) -> str:
    setting = f"TWINGRID_{error['loc'][0].upper()}"
    fault = refused(error, setting)
    reason = say(f"fault.{fault.text}", language(), **fault.values)
    return say("fault.setting-malformed", language(), setting=setting, value=error["input"], reason=reason)


def _complain(told: str, where: str = "") -> None:
    """Print a sentence as it is: what a user gave is text, and no markup."""
    parts = [(where, "red"), f": {told}"] if where else [(told, "red")]
    console.print(Text.assemble(*parts), soft_wrap=True)
