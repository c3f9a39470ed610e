"""`twingrid plan`, the verbs of review and publication."""

import sys
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from api.acting import Caller, calling
from api.console import notice, print_json
from api.faults import refuse_unprintable
from api.findings_asked import limits_of
from api.options import DEFAULT_LANGUAGE, Lang
from api.plan_jobs import queue_publication
from api.plans_cli import AsJson, Commit, PlanId, Revision, app_plan, change_plan, say_dry
from api.plans_review import review_out
from api.plans_text import show_review
from maps.texts import say
from spatial.errors import invalid
from spatial.redraw import queries, review
from spatial.redraw.reverting import revert as take_back
from spatial.settings import settings
from spatial.tables import Plan
from spatial.time import now, parse_instant

__all__ = ["app_plan"]


@app_plan.command("review")
def review_(
    plan_id: PlanId,
    effective: Annotated[str | None, typer.Option(help="if it came into force then; default now")] = None,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Say what keeps a plan from being published, and what is to be acknowledged; with obstacles the exit code is 1."""
    at = now() if effective is None else parse_instant(effective, "effective")
    with calling("plans.read", notice) as caller, caller.read() as session:
        out = review_out(
            review.review(session, queries.find(session, plan_id), effective=at, limits=limits_of(settings()))
        )
    if as_json:
        print_json(out.model_dump(mode="json"))
    else:
        show_review(out, lang)
    if out.obstacles:
        sys.exit(1)


@app_plan.command()
def submit(plan_id: PlanId, revision: Revision = None, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Hand a plan in for approval."""

    def hand_in(session: Session, caller: Caller) -> Plan:
        return review.submit(session, caller.actor, plan_id, revision=revision, now=now())

    change_plan("plans.edit", hand_in, lang, commit=commit)


@app_plan.command("return")
def give_back(
    plan_id: PlanId,
    reason: Annotated[str, typer.Option(help="why")],
    revision: Revision = None,
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Return a plan to its planners."""
    refuse_unprintable(reason=[reason])

    def give(session: Session, caller: Caller) -> Plan:
        return review.give_back(session, caller.actor, plan_id, reason, revision=revision, now=now())

    change_plan("plans.decide", give, lang, commit=commit)


@app_plan.command()
def approve(
    plan_id: PlanId,
    document_number: Annotated[str, typer.Option("--document", help="文号: the number of the document")],
    acknowledge: Annotated[list[str] | None, typer.Option(help="key of a finding that is meant")] = None,
    correction: Annotated[str | None, typer.Option(help="why it may come into force in the past")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="RFC 3339: the past instant of the correction")] = None,
    revision: Revision = None,
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Approve a plan that others made, under a document's number."""
    refuse_unprintable(document=[document_number], acknowledge=acknowledge or [], correction=[correction or ""])
    corrected = _correction(correction, from_)

    def decide(session: Session, caller: Caller) -> Plan:
        return review.approve(
            session,
            caller.actor,
            plan_id,
            document_number,
            acknowledged=frozenset(acknowledge or ()),
            correction=corrected,
            limits=limits_of(settings()),
            revision=revision,
            now=now(),
        )

    change_plan("plans.decide", decide, lang, commit=commit)


def _correction(reason: str | None, from_: str | None) -> review.Correction | None:
    """Return a correction that was asked for: why and from when, or neither."""
    if (reason is None) != (from_ is None):
        raise invalid("from" if from_ is None else "correction", "correction-incomplete")
    return None if reason is None or from_ is None else review.Correction(reason, parse_instant(from_, "from"))


@app_plan.command()
def abandon(plan_id: PlanId, revision: Revision = None, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Give a plan up."""

    def give_up(session: Session, caller: Caller) -> Plan:
        return review.abandon(session, caller.actor, plan_id, revision=revision, now=now())

    change_plan("plans.edit", give_up, lang, commit=commit)


@app_plan.command()
def publish(
    plan_id: PlanId,
    effective: Annotated[str, typer.Option(help="RFC 3339 instant from which it is in force")],
    commit: Commit = False,
    lang: Lang = DEFAULT_LANGUAGE,
) -> None:
    """Queue the publication of an approved plan; a worker does it, as one transaction."""
    at = parse_instant(effective, "effective")
    with calling("plans.decide", notice) as caller, caller.change(commit=commit) as session:
        job_id = queue_publication(session, caller.actor, plan_id, at, now())
    typer.echo(say("plan.queued", lang, job=str(job_id)))
    say_dry(lang, commit=commit)


@app_plan.command()
def revert(plan_id: PlanId, name: str, commit: Commit = False, lang: Lang = DEFAULT_LANGUAGE) -> None:
    """Make a plan that takes a published one back."""
    refuse_unprintable(name=[name])

    def back(session: Session, caller: Caller) -> Plan:
        return take_back(session, caller.actor, plan_id, name, now=now())

    change_plan("plans.edit", back, lang, commit=commit)
