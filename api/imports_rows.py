"""Rows of any subject in and out at the command line: `twingrid import officers roster.xlsx`, `twingrid export …`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.acting import calling
from api.console import print_json
from api.imports import app_export, app_import
from api.imports_asked import RowsAsked
from api.imports_rows_text import outcome_out, show_outcome, teller
from api.imports_verbs import Run, verb
from api.options import DEFAULT_LANGUAGE, Lang
from maps.texts import say
from spatial.crs import STORED
from spatial.history import Moment
from spatial.imports.files import Asked, export_file, import_file
from spatial.imports.mapping import write_mapping
from spatial.imports.model import Subject
from spatial.imports.subjects import SUBJECTS
from spatial.imports.write import format_of
from spatial.settings import settings
from spatial.time import now, parse_instant

CHANGES_KEPT = 1000  # told one by one to programs
SHEETS = ("csv", "xlsx")  # which cannot say what system their coordinates are in


def add_subjects(app_import: typer.Typer, app_export: typer.Typer) -> None:
    """Add a verb for each subject to `import` and to `export`."""
    for subject in SUBJECTS.values():
        _add_import(app_import, subject)
        _add_export(app_export, subject)


def _add_import(app: typer.Typer, subject: Subject) -> None:
    @verb(app, subject.name, RowsAsked, f"Take in {subject.name}: {', '.join(one.name for one in subject.fields)}.")
    def take(file: Path, asked: RowsAsked, run: Run) -> None:
        wanted = asked.over(run.saved())
        with calling("imports") as caller, _progress() as bar:
            task = bar.add_task(say("rows.reading", run.lang), total=1.0)
            outcome = import_file(
                caller.database,
                caller.actor,
                subject,
                file,
                wanted,
                asked.options(asked.since(), settings(), shown=CHANGES_KEPT),
                Asked(run.commit, asked.source_layer, asked.geometry, run.faults, run.annotated),
                tell=teller(run.lang),
                progress=lambda share, what: bar.update(
                    task, completed=share, description=say(f"rows.{what}", run.lang)
                ),
            )
        if run.save_mapping:
            write_mapping(run.save_mapping, replace(wanted, columns=dict(outcome.columns)))
        if run.as_json:
            told = outcome_out(outcome, run.lang, committed=run.commit)
            print_json(told)
        else:
            show_outcome(Console(), outcome, file.name, run.lang, committed=run.commit)
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
        shifted = settings().output_gcj02
        with calling("exports") as caller:
            actor = caller.actor
            count = export_file(caller.database, actor, subject, moment, output, chosen, crs=crs, allow_shifted=shifted)
        console = Console(stderr=True)
        console.print(say("rows.written", lang, subject=subject.name, count=count, file=str(output)), highlight=False)
        if subject.shape and chosen in SHEETS:
            console.print(say("rows.without-crs", lang, crs=crs), highlight=False)


def _progress() -> Progress:
    """Return a bar on the terminal; of a file that does not say how many rows it has, the time it takes."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


add_subjects(app_import, app_export)
