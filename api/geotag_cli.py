"""`twingrid geotag IN OUT`: whose the place of each row of a file is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from api.acting import calling
from api.console import console, notice, print_json
from api.faults import refuse_unprintable
from api.instants import read_moment
from api.options import DEFAULT_LANGUAGE, Lang
from maps.texts import say
from spatial.errors import invalid
from spatial.geotag.model import COLUMNS, Asked, Outcome, Progress
from spatial.geotag.service import FORMATS
from spatial.geotag.service import geotag as tag_file
from spatial.time import now

HELP = "Say of each row of a file whose its place is, and write the file again with that."

app_geotag = typer.Typer(help=HELP)


@app_geotag.command(help=HELP)
def geotag(
    source: Annotated[Path, typer.Argument(help=f"{' '.join(FORMATS)}; text also as .gz, .zst, .bz2")],
    target: Annotated[Path, typer.Argument(help="the file to write, of the same format")],
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer; default all")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help=f"what to add, of each layer: {' '.join(COLUMNS)}; default grid, status")
    ] = None,
    x: Annotated[str | None, typer.Option(help="column of longitude or x; default by its name")] = None,
    y: Annotated[str | None, typer.Option(help="column of latitude or y; default by its name")] = None,
    crs: Annotated[
        str | None, typer.Option(help="EPSG code, WKT, PROJ string, gcj02 or bd09; default what the file says")
    ] = None,
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    at_column: Annotated[str | None, typer.Option(help="column with the instant of each row")] = None,
    known_at: Annotated[str | None, typer.Option(help="answer as the system knew it then")] = None,
    accuracy_m: Annotated[float, typer.Option(min=0, max=10_000, help="how well places are known")] = 1.0,
    on_invalid: Annotated[
        Literal["raise", "skip", "flag"],
        typer.Option(help="rows without a usable place: write nothing, leave them out, or say so in a column"),
    ] = "raise",
    prefix: Annotated[str, typer.Option(help="what the names of added columns begin with")] = "",
    encoding: Annotated[str | None, typer.Option(help="of text; default UTF-8")] = None,
    source_layer: Annotated[str | None, typer.Option(help="layer of a GeoPackage")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file that is there")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="what was done, for programs")] = False,
) -> None:
    """Tag a file."""
    options = {"x": x, "y": y, "crs": crs, "at_column": at_column, "prefix": prefix, "source_layer": source_layer}
    given = {name: [text] for name, text in options.items() if text is not None}
    refuse_unprintable(layer=layer or [], column=column or [], **given)
    if at is not None and at_column is not None:
        raise invalid("at", "geotag-two-times")
    moment = read_moment(at, known_at)
    asked = Asked(
        layers=tuple(layer) if layer else None,
        columns=tuple(dict.fromkeys(column)) if column else Asked.columns,
        at=moment.at if at else None,
        at_column=at_column,
        known_at=moment.known_at,
        x=x,
        y=y,
        crs=crs,
        accuracy_m=accuracy_m,
        on_invalid=on_invalid,
        prefix=prefix,
        encoding=encoding,
        source_layer=source_layer,
    )
    with calling("look-up", notice) as caller, _bar(say("cli.geotagging", lang)) as progress:
        done = tag_file(
            caller.database, caller.reach, source, target, asked, now=now(), overwrite=overwrite, progress=progress
        )
    if as_json:
        told = {"rows": done.rows, "invalid": done.invalid, "resumed": done.resumed}
        print_json(told)
    else:
        _show(done, target, lang)


def _show(done: Outcome, target: Path, lang: str) -> None:
    if done.resumed:
        console.print(say("cli.geotag-resumed", lang, rows=done.resumed), highlight=False, markup=False)
    told = say("cli.geotagged", lang, path=str(target), rows=done.rows, invalid=done.invalid)
    console.print(told, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """Show on the terminal how far the file is, and how long the rest will take."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)
