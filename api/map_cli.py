"""`twingrid map`: maps as files that need nothing but a browser."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from api.acting import calling
from api.options import DEFAULT_LANGUAGE, Lang
from api.pages import draw_grids, record_map
from api.plans_page import draw_plan
from maps.offline import OfflineMap
from maps.texts import say
from spatial.errors import invalid
from spatial.history import Moment
from spatial.settings import settings
from spatial.time import now, parse_instant

HELP = "Maps as files that need nothing but a browser."

app_map = typer.Typer(no_args_is_help=True, help=HELP)


@app_map.command()
def grids(
    output: Annotated[Path, typer.Option("-o", "--output", help="the file to write")] = Path("map.html"),
    at: Annotated[str | None, typer.Option(help="RFC 3339 instant; default now")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="code of a layer; default all")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Write the map of the grids with the state of duty."""
    moment = Moment(parse_instant(at, "at") if at else now())
    with calling("duty.read") as caller:
        with caller.read() as session:
            page = draw_grids(session, moment, layer, lang, settings())
        record_map(caller.database, caller.actor.name, moment, layer)
    _write(page, output, lang)


@app_map.command()
def plan(
    plan_id: Annotated[UUID, typer.Argument(help="id of a plan")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the file to write")] = Path("plan.html"),
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Write the map of a plan, before and after."""
    with calling("plans.read") as caller:
        with caller.read() as session:
            page, moment = draw_plan(session, plan_id, lang, settings())
        record_map(caller.database, caller.actor.name, moment, None, "maps/plan", {"plan": str(plan_id)})
    _write(page, output, lang)


def _write(page: OfflineMap, output: Path, lang: str) -> None:
    try:
        size = output.write_text(page.html(), "utf-8")
    except OSError as error:
        raise invalid("output", "cannot-write", path=str(output), reason=error.strerror) from None
    typer.echo(say("cli.map-written", lang, path=str(output), kib=size // 1024))
