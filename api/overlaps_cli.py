"""`twingrid overlaps`: what the grids of two layers share, on a terminal, as JSON or as a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.acting import calling
from api.console import notice, print_json
from api.faults import refuse_unprintable
from api.instants import read_moment
from api.options import DEFAULT_LANGUAGE, Lang
from api.overlaps import overlaps_of, record_export, writing
from api.overlaps_asked import Asked, Weigh, What, read_period, rows
from api.overlaps_text import show_rows
from maps.texts import say
from spatial.imports.write import format_of
from spatial.settings import settings

OVERLAPS = "What the grids of two layers share."
app_overlaps = typer.Typer(help=OVERLAPS)


@app_overlaps.command(help=OVERLAPS)
def overlaps(
    what: Annotated[
        What,
        typer.Argument(
            help="pieces: each pair of grids; relations: how each grid lies; units: station and street; snaps: what "
            "following the other's borders costs; cells: whether grids are the unions of their cells"
        ),
    ] = "relations",
    layer: Annotated[str | None, typer.Option(help="code of a layer; default the first tiling")] = None,
    other: Annotated[str | None, typer.Option("--with", help="code of another; default the next tiling")] = None,
    code: Annotated[str | None, typer.Option(help="pieces of one grid of the layer")] = None,
    unit: Annotated[str | None, typer.Option(help="pieces of a unit's grids, and of those of units below it")] = None,
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    known_at: Annotated[str | None, typer.Option(help="answer as the system knew it then")] = None,
    start: Annotated[str | None, typer.Option("--from", help="incidents from here on; default a year before")] = None,
    end: Annotated[str | None, typer.Option("--to", help="and before; default --at, or a year after --from")] = None,
    weigh: Annotated[Weigh | None, typer.Option(help="of snaps: of what a grid keeps the most; default area")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write them all: .csv .xlsx .geojson .gpkg .parquet .fgb .zip")
    ] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="all rows, for programs")] = False,
) -> None:
    """Say what the grids of two layers share, and what of it."""
    given = {"layer": layer, "with": other, "code": code, "unit": unit}
    refuse_unprintable(**{name: [value] for name, value in given.items() if value})
    moment = read_moment(at, known_at)
    asked = Asked(read_period(start, end, moment.at), code, unit, weigh=weigh)
    fmt = None if output is None else format_of(output, None)
    permission = "exports" if output else "duty.read" if what == "snaps" else "areas.read"
    with calling(permission, notice) as caller, caller.read(moment.known_at) as session:
        found = overlaps_of(session, moment, settings(), layer, other)
        if output is not None and fmt is not None:
            with writing(found, what, asked, output, fmt) as count, caller.database.write() as writer:
                record_export(writer, caller.actor.name, found, what, asked, fmt)
            Console(stderr=True).print(say("overlap.written", lang, count=count, file=str(output)), highlight=False)
            return
        told = [row.out for row in rows(found, what, asked, shapes=False)[0]]
    if as_json:
        body = [one.model_dump(mode="json", by_alias=True) for one in told]
        print_json(body)
    else:
        show_rows(what, told, lang)
