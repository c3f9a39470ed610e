"""Files in and out at the command line: `twingrid import grids`, `twingrid export grids`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.acting import calling
from api.console import print_json
from api.grids_asked import GridsAsked
from api.imports_rows_text import teller
from api.imports_text import plan_out, show_plan
from api.imports_verbs import Run, verb
from api.options import DEFAULT_LANGUAGE, Lang
from maps.texts import say
from spatial.crs import STORED
from spatial.errors import Fault, InputError
from spatial.history import Moment
from spatial.imports.annotated import write_annotated, write_faults
from spatial.imports.columns import in_order
from spatial.imports.files import Asked, opened
from spatial.imports.grids.became import Became
from spatial.imports.grids.drafting import take_grids
from spatial.imports.grids.model import Plan, Request
from spatial.imports.grids.service import export_layer
from spatial.imports.mapping import write_mapping
from spatial.imports.read import SourceTable, read_whole
from spatial.imports.write import format_of
from spatial.settings import settings
from spatial.time import now, parse_instant

app_import = typer.Typer(no_args_is_help=True, help="Files in.")
app_export = typer.Typer(no_args_is_help=True, help="Files out.")

FAULTS_SHOWN = 200


@app_import.callback()
def _import() -> None:
    """Files in."""


@app_export.callback()
def _export() -> None:
    """Files out."""


@verb(
    app_import, "grids", GridsAsked,
    "Take in the grids of a layer; a dry run unless --commit. Bad input is told in full, and nothing is written.",
)  # fmt: skip
def import_grids(file: Path, asked: GridsAsked, run: Run) -> None:
    """Take in the grids of a layer, and tell what became of them or what is wrong."""
    with faults_told(run):
        wanted = asked.over(run.saved())
        request = asked.request(asked.since(), wanted)
        with Console(stderr=True).status(say("import.working", run.lang)):
            how = Asked(source_layer=asked.source_layer, geometry=asked.geometry)
            source = opened(file, wanted, how, wants_shapes=True)
            became = _became(read_whole(source, wanted.drop), request, commit=run.commit)
        if run.annotated:
            write_annotated(run.annotated, became, source, teller(run.lang))
        if run.save_mapping:
            write_mapping(run.save_mapping, replace(wanted, columns=dict(request.columns.named)))
        if became.plan and not (run.commit and became.found):
            _show(became.plan, file.name, run)
        if became.found:  # of a dry run too, which leaves as writing would
            raise InputError(became.found)


def _show(plan: Plan, file: str, run: Run) -> None:
    if run.as_json:
        told = plan_out(plan, committed=run.commit)
        print_json(told)
    else:
        show_plan(Console(), plan, file, run.lang, committed=run.commit)


@contextmanager
def faults_told(run: Run) -> Iterator[None]:
    """Write all faults to a file where one is asked for; of very many tell the first ones, and how many there are."""
    found: Sequence[Fault] = ()
    try:
        yield
    except InputError as error:
        found = error.faults
        more = [Fault("file", "more-faults", {"count": len(found) - FAULTS_SHOWN})]
        raise InputError([*found[:FAULTS_SHOWN], *(more if len(found) > FAULTS_SHOWN else ())]) from None
    finally:
        if run.faults is not None:
            write_faults(run.faults, in_order(found), teller(run.lang))


def _became(table: SourceTable, request: Request, *, commit: bool) -> Became:
    """Return what the import did or, without `commit`, would do."""
    with calling("imports") as caller, caller.change(commit=commit) as session:
        return take_grids(session, caller.actor, table, request, settings(), commit=commit)


@app_export.command("grids")
def export_grids(
    layer: Annotated[str, typer.Option(help="code of the layer")],
    output: Annotated[Path, typer.Option("--output", "-o", help="file to write, of the kind that its name says")],
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    known_at: Annotated[str | None, typer.Option(help="as the system knew it then")] = None,
    fmt: Annotated[
        str | None, typer.Option("--format", help="geojson, gpkg, shp, fgb, csv, xlsx, parquet; default: from the name")
    ] = None,
    crs: Annotated[str, typer.Option(help="EPSG code, WKT or PROJ string")] = STORED,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Write the grids of a layer to a file that an import reads back unchanged."""
    moment = Moment(parse_instant(at, "at") if at else now(), parse_instant(known_at, "known_at") if known_at else None)
    chosen = format_of(output, fmt)
    with calling("exports") as caller:
        count = export_layer(caller.database, caller.actor, layer, moment, output, chosen, crs=crs, settings=settings())
    Console(stderr=True).print(say("export.written", lang, count=count, file=str(output)), highlight=False)
