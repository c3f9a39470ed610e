"""Files in and out at the command line: `twingrid import grids`, `twingrid export grids`."""

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
from rich.console import Console

from api.grids_asked import GridsAsked
from api.imports_rows_text import teller
from api.imports_text import plan_out, show_plan
from api.options import DEFAULT_LANGUAGE, Lang
from api.runtime import open_database
from maps.texts import say
from spatial import access
from spatial.crs import STORED
from spatial.errors import Fault, InputError
from spatial.history import Moment
from spatial.imports.annotated import write_faults
from spatial.imports.columns import fault_of
from spatial.imports.grids.model import Plan, Request, UnitTree
from spatial.imports.grids.service import commit_import, dry_run, export_layer, refusals
from spatial.imports.mapping import Mapping, read_mapping
from spatial.imports.read import SourceTable, read_file
from spatial.imports.write import format_of
from spatial.settings import settings
from spatial.time import now, parse_instant

app_import = typer.Typer(no_args_is_help=True, help="Files in.")
app_export = typer.Typer(no_args_is_help=True, help="Files out.")

FAULTS_SHOWN = 200
AsJson = Annotated[bool, typer.Option("--json", help="the whole plan, for programs")]


@app_import.callback()
def _import() -> None:
    """Files in."""


@app_export.callback()
def _export() -> None:
    """Files out."""


@app_import.command("grids")
def import_grids(
    file: Annotated[
        Path, typer.Argument(help="GeoJSON, GeoPackage, Shapefile, FlatGeobuf, Parquet, CSV, Excel; zipped")
    ],
    layer: Annotated[str, typer.Option(help="code of the layer")],
    code: Annotated[str | None, typer.Option(help="column with the code of each grid; default: code")] = None,
    name: Annotated[str | None, typer.Option(help="column with its name; default: the code")] = None,
    unit: Annotated[str | None, typer.Option(help="column with the code of its unit")] = None,
    unit_name: Annotated[str | None, typer.Option(help="column with the unit's name, for --create-units")] = None,
    grid_kind: Annotated[str | None, typer.Option(help="column with regular, dedicated or micro")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="further column to keep; others are left out")] = None,
    effective: Annotated[str | None, typer.Option(help="RFC 3339 instant from which it holds; default now")] = None,
    complete: Annotated[bool, typer.Option("--complete", help="grids that the file lacks end")] = False,
    source_crs: Annotated[
        str | None, typer.Option(help="EPSG code, WKT, PROJ string, gcj02, bd09 or a local grid's name")
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="the shapes are right, though they look displaced")] = False,
    source_layer: Annotated[
        str | None, typer.Option(help="layer, sheet or member of the file, where it has several")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="of the text where the file does not say it: utf-8, gb18030")
    ] = None,
    geometry: Annotated[str | None, typer.Option(help="column with shapes as WKT, in CSV or Excel")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="column not to read at all, such as one about people")] = None,
    mapping: Annotated[Path | None, typer.Option(help="saved mapping (TOML); options go over what it says")] = None,
    create_layer: Annotated[bool, typer.Option("--create-layer", help="make the layer")] = False,
    kind: Annotated[Literal["tiling", "free"], typer.Option(help="free: grids may overlap")] = "tiling",
    title: Annotated[str | None, typer.Option(help="title of a layer that is made")] = None,
    title_en: Annotated[str | None, typer.Option(help="its English title; default: the title")] = None,
    code_scheme: Annotated[str, typer.Option(help="free, unit15 or a regular expression")] = "free",
    chain: Annotated[
        Literal["police", "governance", "none"] | None,
        typer.Option(help="whom to call, for a layer that is made; default: as the layer's code says"),
    ] = None,
    within: Annotated[str | None, typer.Option(help="layer whose area a layer that is made should cover")] = None,
    public: Annotated[bool, typer.Option("--public", help="a layer that is made may be shown to all")] = False,
    create_units: Annotated[bool, typer.Option("--create-units", help="make units whose codes are not known")] = False,
    unit_kind: Annotated[str | None, typer.Option(help="kind of units that are made")] = None,
    unit_tree: Annotated[UnitTree | None, typer.Option(help="their tree; default: that of the layer")] = None,
    faults: Annotated[Path | None, typer.Option(help="write all faults to this CSV")] = None,
    commit: Annotated[bool, typer.Option("--commit", help="write; without it this is a dry run")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Take in the grids of a layer; a dry run unless --commit. Bad input is told in full, and nothing is written."""
    saved = read_mapping(mapping) if mapping else Mapping()
    columns = {"code": code, "name": name, "unit": unit, "unit_name": unit_name, "grid_kind": grid_kind}
    asked = GridsAsked(
        layer=layer, **_columns(columns, saved), keep=keep or [], complete=complete,
        source_crs=source_crs or saved.source_crs, as_is=as_is, create_layer=create_layer, kind=kind, title=title,
        title_en=title_en, code_scheme=code_scheme, chain=chain, within=within, public=public,
        create_units=create_units, unit_kind=unit_kind, unit_tree=unit_tree,
    )  # fmt: skip
    encoding = encoding or saved.encoding
    unread = [*saved.drop, *(drop or ())]
    request = asked.request(parse_instant(effective, "effective") if effective else now())
    with _faults_written(faults, lang):
        with Console(stderr=True).status(say("import.working", lang)):
            read = read_file(file, source_layer=source_layer, encoding=encoding, geometry=geometry, drop=unread)
            plan = _planned(read, request, commit=commit)
        if as_json:
            typer.echo(orjson.dumps(plan_out(plan, committed=commit), option=orjson.OPT_INDENT_2).decode())
        else:
            show_plan(Console(), plan, file.name, lang, committed=commit)
        if refused := refusals(plan):  # of a dry run, which leaves as writing would
            raise InputError(refused)


@contextmanager
def _faults_written(path: Path | None, lang: str) -> Iterator[None]:
    """Write all faults to a file where one is asked for; of very many tell the first ones, and how many there are."""
    found: Sequence[Fault] = ()
    try:
        yield
    except InputError as error:
        found = error.faults
        if len(found) > FAULTS_SHOWN:
            more = Fault("file", "more-faults", {"count": len(found) - FAULTS_SHOWN})
            raise InputError([*found[:FAULTS_SHOWN], more]) from None
        raise
    finally:
        if path is not None:
            write_faults(path, map(fault_of, found), teller(lang))


def _columns(asked: dict[str, str | None], saved: Mapping) -> dict[str, str]:
    """Return which column says what: as the options say, else as a saved mapping does, which may say no more here."""
    unknown = [name for name in (*saved.columns, *saved.constants, *saved.values) if name not in asked]
    if unknown or saved.constants or saved.values:
        names = unknown or [*saved.constants, *saved.values]
        raise InputError([Fault(f"mapping {name}", "field-unknown", {"known": list(asked)}) for name in names])
    found = {name: column or saved.columns.get(name) for name, column in asked.items()}
    return {name: column for name, column in found.items() if column is not None}


def _planned(table: SourceTable, request: Request, *, commit: bool) -> Plan:
    """Return what the import did or, without `commit`, would do."""
    with open_database(settings()) as database:
        if commit:
            return commit_import(database, access.operator(getpass.getuser()), table, request, settings())
        with database.read() as session:
            return dry_run(session, table, request, settings())


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
    with open_database(settings()) as database:
        actor = access.operator(getpass.getuser())
        count = export_layer(database, actor, layer, moment, output, chosen, crs=crs, settings=settings())
    Console(stderr=True).print(say("export.written", lang, count=count, file=str(output)), highlight=False)
