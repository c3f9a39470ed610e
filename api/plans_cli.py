"""`twingrid plan`: drafts of a redrawing on the command line. Whatever changes one is a dry run without --commit."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.acting import Caller, calling
from api.console import notice, print_json
from api.faults import refuse_unprintable, refused
from api.findings_asked import limits_of
from api.options import DEFAULT_LANGUAGE, Lang
from api.plans_difference import What, record_export, rows, writing
from api.plans_out import done_out, event_out, op_out, plan_out
from api.plans_text import show_difference, show_done, show_plan, show_plans
from maps.texts import say
from spatial.errors import InputError, invalid
from spatial.paging import Page
from spatial.redraw import listing as lists
from spatial.redraw import queries, service
from spatial.redraw.difference import Difference
from spatial.redraw.operations import OPERATIONS, Operation, texts_of
from spatial.settings import settings
from spatial.tables import Plan
from spatial.time import now, parse_instant

app_plan = typer.Typer(no_args_is_help=True, help="Drafts of a redrawing: working one out, review, publication.")
PlanId = Annotated[UUID, typer.Argument(help="id of a plan")]
Commit = Annotated[bool, typer.Option("--commit", help="do it; without, only say what would be done")]
AsJson = Annotated[bool, typer.Option("--json", help="the body that the service sends")]
Revision = Annotated[int | None, typer.Option(help="the revision seen; refused where others changed the same since")]
MOST = 1000


@app_plan.command("list")
def list_(lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """List the oldest thousand plans."""
    with calling("plans.read", notice) as caller, caller.read() as session:
        out = [plan_out(row) for row in lists.plan_rows(session, Page(MOST, None), now()).rows]
    if as_json:
        print_json({"items": [one.model_dump(mode="json") for one in out], "next": None})
    else:
        show_plans(out, lang, settings().zone)


@app_plan.command()
def show(plan_id: PlanId, lang: Lang = DEFAULT_LANGUAGE, as_json: AsJson = False) -> None:
    """Show a plan with its operations and what happened to it."""
    with calling("plans.read", notice) as caller, caller.read() as session:
        plan = queries.find(session, plan_id)
        out = plan_out(lists.plan_row(session, plan, now()))
        ops = [op_out(row) for row in lists.op_rows(session, plan)]
        events = [event_out(one) for one in lists.event_rows(session, plan_id)]
    if as_json:
        listed = {"ops": [one.model_dump(mode="json") for one in ops]}
        listed["history"] = [one.model_dump(mode="json") for one in events]
        print_json(out.model_dump(mode="json") | listed)
    else:
        show_plan(out, ops, lang, settings().zone)


@app_plan.command()
def new(
    name: str,
    layer: Annotated[list[str], typer.Option(help="code of a layer to redraw; several times for several")],
    unit: Annotated[str | None, typer.Option(help="redraw the grids of this unit alone")] = None,
    at: Annotated[str | None, typer.Option(help="over what is in force at this RFC 3339 instant; default now")] = None,
    note: Annotated[str, typer.Option(help="what it is about")] = "",
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Make a plan over what is in force."""
    refuse_unprintable(name=[name], layer=layer, unit=[unit or ""], note=[note])
    present = now()
    when = present if at is None else parse_instant(at, "at")

    def make(session: Session, caller: Caller) -> Plan:
        return service.create(session, caller.actor, name, layer, note=note, unit=unit, at=when, now=present)

    change_plan("plans.edit", make, lang, commit=commit, as_json=as_json)


@app_plan.command()
def edit(
    plan_id: PlanId,
    operation: Annotated[
        str,
        typer.Argument(
            help='JSON, such as {"kind": "merge", "layer": "police", "grids": ["A", "B"], "into": "A"}; or @FILE'
        ),
    ],
    revision: Revision = None,
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Perform an operation, and say what it does to the grids; the service's /docs list all of them."""
    op = _operation(operation)
    with calling("plans.edit", notice) as caller, caller.change(commit=commit) as session:
        limits = limits_of(settings())
        done = service.edit(session, caller.actor, plan_id, op, revision=revision, now=now(), limits=limits)
        out = done_out(done)
    if as_json:
        print_json(out.model_dump(mode="json"))
    else:
        show_done(out, lang)
        say_dry(lang, commit=commit)


@app_plan.command()
def undo(plan_id: PlanId, revision: Revision = None, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Take the last operation back."""

    def step(session: Session, caller: Caller) -> Plan:
        return service.undo(session, caller.actor, plan_id, revision=revision, now=now())

    change_plan("plans.edit", step, lang, commit=commit)


@app_plan.command()
def redo(plan_id: PlanId, revision: Revision = None, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Do again what was undone."""

    def step(session: Session, caller: Caller) -> Plan:
        return service.redo(session, caller.actor, plan_id, revision=revision, now=now())

    change_plan("plans.edit", step, lang, commit=commit)


@app_plan.command()
def goto(
    plan_id: PlanId,
    n: Annotated[int, typer.Argument(help="number of an operation; 0: the base")],
    revision: Revision = None,
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Let a plan stand at any of its operations."""

    def go(session: Session, caller: Caller) -> Plan:
        return service.go_to(session, caller.actor, plan_id, n, revision=revision, now=now())

    change_plan("plans.edit", go, lang, commit=commit)


@app_plan.command()
def rebase(
    plan_id: PlanId,
    at: Annotated[str | None, typer.Option(help="over what is in force at this RFC 3339 instant; default now")] = None,
    revision: Revision = None,
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Put a plan over what is in force by now."""
    present = now()
    when = present if at is None else parse_instant(at, "at")

    def step(session: Session, caller: Caller) -> Plan:
        return service.rebase(session, caller.actor, plan_id, at=when, revision=revision, now=present)

    change_plan("plans.edit", step, lang, commit=commit)


@app_plan.command()
def difference(
    plan_id: PlanId,
    what: Annotated[What, typer.Argument(help="which list; officers: what to hand over, by officer")] = "grids",
    at: Annotated[str | None, typer.Option(help="shifts and people from this RFC 3339 instant on")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write all lists to this workbook: .xlsx")
    ] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """List who and what a plan affects."""
    if output is not None and output.suffix.lower() != ".xlsx":
        raise invalid("output", "export-suffix-unknown", file=output.name, known=".xlsx")
    with calling("exports" if output else "plans.read", notice) as caller, caller.read() as session:
        plan = queries.find(session, plan_id)
        since = (plan.effective or now()) if at is None else parse_instant(at, "at")
        found = Difference(session, plan, since)
        if output is not None:
            with writing(found, output, lang), caller.database.write() as writer:
                record_export(writer, caller.actor.name, plan_id)
            return
        told = rows(found, what)
    if as_json:
        print_json([one.model_dump(mode="json") for one in told])
    else:
        show_difference(what, told, lang)


def change_plan(
    permission: str,
    change: Callable[[Session, Caller], Plan],
    lang: str,
    *,
    commit: bool,
    as_json: bool = False,
) -> None:
    """Change a plan, or try to, and show it."""
    with calling(permission, notice) as caller, caller.change(commit=commit) as session:
        plan = change(session, caller)
        out = plan_out(lists.plan_row(session, plan, now()))
        ops = [op_out(row) for row in lists.op_rows(session, plan)]
    if as_json:
        print_json(out.model_dump(mode="json"))
    else:
        show_plan(out, ops, lang, settings().zone)
        say_dry(lang, commit=commit)


def _operation(told: str) -> Operation:
    """Return an operation from JSON, or from a file of it."""
    if told.startswith("@"):
        path = Path(told[1:])
        if not path.is_file():
            raise invalid("operation", "file-missing", file=str(path))
        told = path.read_text(encoding="utf-8")
    try:
        op = OPERATIONS.validate_json(told)
    except ValidationError as error:
        found = [refused(one, ".".join(map(str, one["loc"])) or "operation") for one in error.errors()]
        raise InputError(found) from None
    refuse_unprintable(**texts_of(op))
    return op


def say_dry(lang: str, *, commit: bool) -> None:
    """Say that nothing was done, where nothing was."""
    if not commit:
        typer.echo(say("plan.dry", lang))
