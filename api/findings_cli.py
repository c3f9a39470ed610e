"""`twingrid check tiling`, `codes` and `roster`: what is wrong with a layer at any moment."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from api.acting import calling
from api.audit_cli import AsJson, app_check
from api.faults import refuse_unprintable
from api.findings_out import FlawOut, flaw_out
from api.instants import read_moment
from api.options import DEFAULT_LANGUAGE, Lang
from api.sheets import WITHOUT_SHAPES, sheet
from maps.texts import say
from spatial import audit
from spatial.findings import checking
from spatial.findings.model import Flaw, shapes_of
from spatial.grids.listing import layer_codes, layer_named
from spatial.history import Moment
from spatial.imports.write import format_of, write_rows
from spatial.settings import settings
from spatial.tables import Layer

MOST = 50  # rows on a terminal
WORST = ("fault", "warning", "info")
STYLES = {"fault": "red", "warning": "yellow", "info": "dim"}
Check = Callable[[Session, Layer, Moment], list[Flaw]]
OfLayer = Annotated[list[str] | None, typer.Option("--layer", help="code of a layer; default all")]
At = Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")]
KnownAt = Annotated[str | None, typer.Option(help="answer as the system knew it then")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="write them all: .csv .xlsx .geojson .gpkg .parquet")
]


def _verb(name: str, check: Check, permission: str, about: str) -> None:
    """Add a verb that looks for what one check finds."""

    @app_check.command(name, help=f"Look for {about}; with faults the exit code is 1.")
    def look(
        layer: OfLayer = None,
        at: At = None,
        known_at: KnownAt = None,
        output: Output = None,
        lang: Lang = DEFAULT_LANGUAGE,
        as_json: AsJson = False,
    ) -> None:
        _check(check, permission, name, layer, read_moment(at, known_at), output, lang, as_json=as_json)


def _check(
    check: Check,
    permission: str,
    name: str,
    layers: list[str] | None,
    moment: Moment,
    output: Path | None,
    lang: str,
    *,
    as_json: bool,
) -> None:
    refuse_unprintable(layer=layers or [])
    fmt = None if output is None else format_of(output, None)
    with (
        calling(permission if output is None else "exports") as caller,
        caller.read(moment.known_at) as session,
    ):
        chosen = [layer_named(session, code) for code in layers or layer_codes(session)]
        flaws = sorted(
            (flaw for layer in chosen for flaw in check(session, layer, moment)),
            key=lambda one: (WORST.index(one.severity), one.kind, one.grids, one.officers),
        )
        told = [flaw_out(one) for one in flaws]
        if output is not None and fmt is not None:
            shapes = shapes_of(flaws) if fmt not in WITHOUT_SHAPES else None
            table = sheet(f"check-{name}", FlawOut, told, shapes, "Unknown")
            with write_rows(output, table, fmt), caller.database.write() as writer:
                detail = {"at": moment.at.isoformat(), "format": fmt, "rows": len(told)}
                audit.record(writer, caller.actor.name, f"export-{name}", "findings", detail)
    if as_json:
        body = [one.model_dump(mode="json") for one in told]
        typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
    else:
        show_flaws(told, lang, settings().zone)
    if any(one.severity == "fault" for one in told):
        sys.exit(1)


def show_flaws(flaws: Sequence[FlawOut], lang: str, zone: ZoneInfo) -> None:
    """Print the first flaws as a table, the worst first, and under it how many there are in all."""
    console = Console()
    if not flaws:
        console.print(say("finding.none", lang))
        return
    heads = ("severity", "kind", "grids", "officers", "owners", "area", "place", "since")
    table = Table(*(say(f"finding.head.{head}", lang) for head in heads))
    for one in flaws[:MOST]:
        table.add_row(
            Text(say(f"finding.severity.{one.severity}", lang), style=STYLES[one.severity]),
            Text(say(f"finding.kind.{one.kind}", lang)),
            Text(" ".join(one.grids)),
            Text(" ".join(one.officers)),
            Text(" ".join(one.owners)),
            Text("" if one.area_m2 is None else f"{one.area_m2:,.2f}"),
            Text("" if one.lon is None else f"{one.lon:.6f} {one.lat:.6f}"),
            Text(f"{one.since.astimezone(zone):%Y-%m-%d}" if one.since else ""),
        )
    console.print(table)
    key = "all" if len(flaws) <= MOST else "first"
    console.print(Text(say(f"finding.{key}", lang, shown=min(MOST, len(flaws)), count=len(flaws)), style="dim"))


_verb("tiling", checking.tiling, "areas.read", "gaps, overlaps, slivers and all else that is wrong with shapes")
_verb("codes", checking.codes, "areas.read", "codes outside their scheme or of other units, and names given twice")
_verb("roster", checking.roster, "duty.read", "grids that nobody holds or leads, and officers without a grid")
