"""`twingrid duty`: where nobody is on duty."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from api.acting import calling
from api.console import notice, print_json
from api.coverage import Of, View, gaps_out
from api.duty import window
from api.duty_text import show_gaps
from api.faults import refuse_unprintable
from api.instants import read_moment
from api.options import DEFAULT_LANGUAGE, Lang
from spatial.duty.coverage import Coverage
from spatial.duty.listing import Wanted, gap_list
from spatial.duty.model import Cause
from spatial.paging import Page
from spatial.settings import settings
from spatial.time import Period

app_duty = typer.Typer(no_args_is_help=True, help="Rosters: is anybody there?")
EVERYTHING = 2**31


@app_duty.callback()
def duty() -> None:
    """Let verbs follow."""


@app_duty.command()
def gaps(
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer; default all")] = None,
    unit: Annotated[str | None, typer.Option(help="a unit, its grids, and those of units below it")] = None,
    start: Annotated[str | None, typer.Option(help="RFC 3339; default now")] = None,
    end: Annotated[str | None, typer.Option(help="RFC 3339; default 24 h after the start, at most 31 d")] = None,
    view: Annotated[View, typer.Option(help="planned: roster, leave, breaks; done: as it came")] = "done",
    of: Annotated[Of | None, typer.Option(help="grids; units, leaders and desks, too; default grids and crews")] = None,
    cause: Annotated[Cause | None, typer.Option(help="one alone")] = None,
    longer_than_min: Annotated[int, typer.Option(min=0, help="longer than so many minutes")] = 0,
    known_at: Annotated[str | None, typer.Option(help="answer as the system knew it then")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: Annotated[bool, typer.Option("--json", help="print the answer as JSON")] = False,
) -> None:
    """Say when nobody covers grids, or units are without crew; with gaps the exit code is 1."""
    refuse_unprintable(layer=layer or [], unit=[unit or ""])
    moment = read_moment(None, known_at)
    period = Period(*window(start, end, moment.at))
    wanted = Wanted(layer or [], unit, cause, of, timedelta(minutes=longer_than_min))
    with calling("duty.read", notice) as caller, caller.read(moment.known_at) as session:
        zone = settings().zone
        coverage = Coverage(session, period, zone, planned=view == "planned", known_at=moment.known_at)
        out = gaps_out(coverage, gap_list(coverage, wanted), Page(EVERYTHING, None))
    if as_json:
        print_json(out.model_dump(mode="json"))
    else:
        show_gaps(out, lang, zone)
    if out.count:
        sys.exit(1)
