"""`twingrid changes` and `twingrid area`: what changes at a place, and whose an area may be."""

from typing import Annotated, Any

import orjson
import typer

from api.acting import calling
from api.area_text import show_area
from api.changes_text import show_changes
from api.console import notice
from api.instants import read_moment
from api.lookup_area import area_out
from api.lookup_changes import changes_out, read_span
from api.options import DEFAULT_LANGUAGE, Lang
from api.places import read_numbers, read_place
from spatial.crs import STORED
from spatial.lookup import stored
from spatial.lookup.area import LONGEST_RADIUS_M, SHORTEST_RADIUS_M, AreaQuestion, circle
from spatial.lookup.changes import changes as changes_of
from spatial.lookup.model import Question
from spatial.settings import settings

CHANGES, AREA = "Who and what changes at a place, and when.", "Whose may a place be that is known by a circle alone."
NEGATIVE = {"ignore_unknown_options": True}

app_changes = typer.Typer(help=CHANGES)
app_area = typer.Typer(help=AREA)

Lon = Annotated[str, typer.Argument(help="longitude, or x in --crs")]
Lat = Annotated[str, typer.Argument(help="latitude, or y in --crs")]
Crs = Annotated[str, typer.Option(help="EPSG code, WKT, PROJ string, gcj02 or bd09")]
KnownAt = Annotated[str | None, typer.Option(help="answer as the system knew it then")]
Layer = Annotated[list[str] | None, typer.Option(help="code of a layer; default all")]
Json = Annotated[bool, typer.Option("--json", help="the body that the service sends")]


@app_changes.command(help=CHANGES, context_settings=NEGATIVE)
def changes(
    lon: Lon,
    lat: Lat,
    start: Annotated[str | None, typer.Option("--from", help="RFC 3339 instant; default now")] = None,
    end: Annotated[str | None, typer.Option("--to", help="RFC 3339 instant; default a day later")] = None,
    known_at: KnownAt = None,
    crs: Crs = STORED,
    accuracy_m: Annotated[float, typer.Option(min=0, max=200, help="how well the place is known")] = 1.0,
    layer: Layer = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Json = False,
) -> None:
    """Say how it is at a place, and each change until an instant."""
    place = read_place(*read_numbers(lon, lat), crs)
    begin, until, known_then = read_span(start, end, known_at)
    layers = tuple(layer) if layer else None
    with calling("look-up", notice) as caller, caller.read(known_then) as session:
        found = changes_of(
            lambda at: stored.answer(session, Question(*place, at, known_then, accuracy_m, layers)), begin, until
        )
    if as_json:
        _print(changes_out(found, until, lang, phones=False))
    else:
        show_changes(found, until, lang, settings().zone)


@app_area.command(help=AREA, context_settings=NEGATIVE)
def area(
    lon: Lon,
    lat: Lat,
    radius_m: Annotated[float, typer.Argument(min=SHORTEST_RADIUS_M, max=LONGEST_RADIUS_M, help="geodesic, in metres")],
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    known_at: KnownAt = None,
    crs: Crs = STORED,
    layer: Layer = None,
    most: Annotated[int, typer.Option(min=1, max=100, help="candidates of each layer that are told")] = 20,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Json = False,
) -> None:
    """Say which grids a circle comes into, with their shares of its area and who answers there."""
    place = read_place(*read_numbers(lon, lat), crs)
    moment, layers = read_moment(at, known_at), tuple(layer) if layer else None
    question = AreaQuestion(circle(*place, radius_m), moment.at, moment.known_at, layers, most)
    with calling("look-up", notice) as caller, caller.read(moment.known_at) as session:
        found = area_out(stored.area_shares(session, question), lang, phones=False)
    if as_json:
        _print(found)
    else:
        show_area(found, lang)


def _print(body: Any) -> None:
    typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
