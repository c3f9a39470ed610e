"""Rows of any subject in and out at the command line: `twingrid import officers roster.xlsx`, `twingrid export …`."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.imports import app_export, app_import
from api.imports_rows_text import outcome_out, show_outcome, teller
from api.options import DEFAULT_LANGUAGE, Lang
from api.runtime import open_database
from maps.texts import say
from spatial import access
from spatial.crs import STORED
from spatial.errors import Fault, InputError
from spatial.history import Moment
from spatial.imports.files import Asked, export_file, import_file
from spatial.imports.mapping import Mapping, read_mapping, write_mapping
from spatial.imports.model import Options, Subject
from spatial.imports.subjects import SUBJECTS
from spatial.imports.write import format_of
from spatial.incidents.rules import oldest_kept
from spatial.settings import settings
from spatial.time import now, parse_instant

SHEETS = ("csv", "xlsx")  # which cannot say what system their coordinates are in


def add_subjects(app_import: typer.Typer, app_export: typer.Typer) -> None:
    """Add a verb for each subject to `import` and to `export`."""
    for subject in SUBJECTS.values():
        _add_import(app_import, subject)
        _add_export(app_export, subject)


def _add_import(app: typer.Typer, subject: Subject) -> None:
    @app.command(subject.name, help=f"Take in {subject.name}: {', '.join(one.name for one in subject.fields)}.")
    def take(
        file: Annotated[Path, typer.Argument(help="CSV, Excel, Parquet, GeoJSON, GeoPackage, Shapefile, FlatGeobuf")],
        mapped: Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN; default: by name")] = None,
        given: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for all rows")] = None,
        drop: Annotated[list[str] | None, typer.Option(help="column to leave out")] = None,
        drop_others: Annotated[bool, typer.Option("--drop-others", help="leave out all columns not known")] = False,
        mapping: Annotated[Path | None, typer.Option(help="saved mapping (TOML)")] = None,
        save_mapping: Annotated[Path | None, typer.Option(help="save the mapping of this run")] = None,
        effective: Annotated[str | None, typer.Option(help="RFC 3339 instant from which it holds; default now")] = None,
        complete: Annotated[bool, typer.Option("--complete", help="what the file lacks ends")] = False,
        end_most: Annotated[bool, typer.Option("--end-most", help="even if that is most of all there is")] = False,
        source_crs: Annotated[str | None, typer.Option(help="EPSG code, WKT, PROJ string, gcj02 or bd09")] = None,
        source_layer: Annotated[str | None, typer.Option(help="layer or sheet, where the file has several")] = None,
        geometry: Annotated[str | None, typer.Option(help="column with shapes as WKT or hexadecimal WKB")] = None,
        timezone: Annotated[
            str | None, typer.Option("--timezone", help="IANA zone of local times; default: the deployment's")
        ] = None,
        encoding: Annotated[str | None, typer.Option(help="of text, such as GB18030")] = None,
        dates: Annotated[Literal["dmy", "mdy", "ymd"] | None, typer.Option(help="order of 03/04/2025")] = None,
        faults: Annotated[Path | None, typer.Option(help="write all faults to this CSV")] = None,
        annotated: Annotated[Path | None, typer.Option(help="write a copy that says what becomes of each row")] = None,
        as_is: Annotated[
            bool, typer.Option("--as-is", help="the places are right, though they look displaced")
        ] = False,
        commit: Annotated[bool, typer.Option("--commit", help="write; without it this is a dry run")] = False,
        lang: Lang = DEFAULT_LANGUAGE,
        as_json: Annotated[bool, typer.Option("--json", help="the whole outcome, for programs")] = False,
    ) -> None:
        wanted = _mapping(mapping, mapped or (), given or (), drop or (), drop_others=drop_others)
        wanted = replace(
            wanted,
            source_crs=source_crs or wanted.source_crs,
            encoding=encoding or wanted.encoding,
            dates=dates or wanted.dates,
            timezone=timezone or wanted.timezone,
        )
        options = Options(
            effective=parse_instant(effective, "effective") if effective else now(),
            zone=settings().zone,
            complete=complete,
            may_end_most=end_most,
            repair_limit=settings().repair_limit,
            oldest=oldest_kept(now(), settings().incident_retention_days, settings().zone),
            as_is=as_is,
        )
        asked = Asked(commit, source_layer, geometry, faults, annotated)
        with open_database(settings()) as database, _progress() as bar:
            task = bar.add_task(say("rows.reading", lang), total=1.0)
            outcome = import_file(
                database,
                access.operator(getpass.getuser()),
                subject,
                file,
                wanted,
                options,
                asked,
                tell=teller(lang),
                progress=lambda share, what: bar.update(task, completed=share, description=say(f"rows.{what}", lang)),
            )
        if save_mapping:
            write_mapping(save_mapping, replace(wanted, columns=dict(outcome.columns)))
        if as_json:
            told = outcome_out(outcome, lang, committed=commit)
            typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        else:
            show_outcome(Console(), outcome, file.name, lang, committed=commit)
        if outcome.fault_count:
            sys.exit(2)


def _add_export(app: typer.Typer, subject: Subject) -> None:
    @app.command(subject.name, help=f"Write {subject.name} to a file that an import takes as the same.")
    def write(
        output: Annotated[Path, typer.Option("--output", "-o", help=".csv .xlsx .parquet .geojson .gpkg .zip .fgb")],
        at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
        known_at: Annotated[str | None, typer.Option(help="as the system knew it then")] = None,
        fmt: Annotated[str | None, typer.Option("--format", help="default: from the name")] = None,
        crs: Annotated[str, typer.Option(help="EPSG code, WKT or PROJ string")] = STORED,
        lang: Lang = DEFAULT_LANGUAGE,
    ) -> None:
        moment = Moment(
            parse_instant(at, "at") if at else now(), parse_instant(known_at, "known_at") if known_at else None
        )
        chosen = format_of(output, fmt)
        with open_database(settings()) as database:
            actor = access.operator(getpass.getuser())
            shifted = settings().output_gcj02
            count = export_file(database, actor, subject, moment, output, chosen, crs=crs, allow_shifted=shifted)
        console = Console(stderr=True)
        console.print(say("rows.written", lang, subject=subject.name, count=count, file=str(output)), highlight=False)
        if subject.shape and chosen in SHEETS:
            console.print(say("rows.without-crs", lang, crs=crs), highlight=False)


def _mapping(
    saved: Path | None, mapped: Sequence[str], given: Sequence[str], drop: Sequence[str], *, drop_others: bool
) -> Mapping:
    """Return the saved mapping, with what the options say over it."""
    found = read_mapping(saved) if saved else Mapping()
    faults: list[Fault] = []
    columns, constants = _pairs("map", mapped, faults), _pairs("set", given, faults)
    if faults:
        raise InputError(faults)
    return replace(
        found,
        columns={name: one for name, one in found.columns.items() if name not in constants} | columns,
        constants={**found.constants, **constants},
        drop=(*found.drop, *drop),
        drop_others=drop_others or found.drop_others,
    )


def _pairs(option: str, told: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    found = {}
    for one in told:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            faults.append(Fault(option, "option-malformed", {"value": one}))
        found[name] = value
    return found


def _progress() -> Progress:
    """Return a bar on the terminal; of a file that does not say how many rows it has, the time it takes."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


add_subjects(app_import, app_export)
