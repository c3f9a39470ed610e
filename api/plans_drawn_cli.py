"""`twingrid plan import`: a layer that was drawn anew, as in QGIS, becomes a plan."""

from pathlib import Path

from api.acting import calling
from api.console import notice, print_json
from api.faults import refuse_unprintable
from api.grids_asked import GridsAsked
from api.imports import faults_told
from api.imports_verbs import Run, verb
from api.plans_cli import say_dry
from api.plans_findings_cli import app_plan
from api.plans_out import done_out, plan_out
from api.plans_text import show_done, show_plan
from spatial.imports.files import Asked, opened
from spatial.imports.grids.drafting import draft_from
from spatial.imports.read import read_whole
from spatial.redraw import listing as lists
from spatial.settings import settings
from spatial.time import now

__all__ = ["app_plan"]


@verb(
    app_plan, "import", GridsAsked,
    "Make a plan of a layer that was drawn anew, as in QGIS: what it changes is found; a dry run unless --commit.",
)  # fmt: skip
def import_drawing(file: Path, asked: GridsAsked, run: Run) -> None:
    """Make a plan of a file, and tell what it changes or what is wrong."""
    with faults_told(run):
        wanted = asked.over(run.saved())
        drawing = asked.model_copy(update={"plan": asked.plan or file.stem})
        refuse_unprintable(plan=[drawing.plan or ""], plan_unit=[asked.plan_unit or ""])
        request = drawing.request(asked.since(), wanted)
        how = Asked(source_layer=asked.source_layer, geometry=asked.geometry)
        table = read_whole(opened(file, wanted, how, wants_shapes=True), wanted.drop)
        with calling("plans.edit", notice) as caller, caller.change(commit=run.commit) as session:
            assert request.drawing is not None  # noqa: S101  # it has a name
            made = draft_from(session, caller.actor, table, request, settings(), request.drawing)
            out = plan_out(lists.plan_row(session, made.plan, now()))
            done = done_out(made.done)
    if run.as_json:
        print_json(out.model_dump(mode="json") | {"done": done.model_dump(mode="json")})
    else:
        show_plan(out, [], run.lang, settings().zone)
        show_done(done, run.lang)
        say_dry(run.lang, commit=run.commit)
