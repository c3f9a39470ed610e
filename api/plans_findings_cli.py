"""`twingrid plan findings`: what would be wrong with a draft."""

import sys
from typing import Annotated

import typer

from api.acting import calling
from api.console import notice, print_json
from api.faults import refuse_unprintable
from api.findings_asked import Narrowed, limits_of
from api.findings_text import show_findings
from api.options import DEFAULT_LANGUAGE, Lang
from api.plans_cli import AsJson, PlanId
from api.plans_findings import draft_finding_out, judged
from api.plans_review_cli import app_plan
from spatial.findings.model import Check
from spatial.settings import settings

__all__ = ["app_plan"]


@app_plan.command()
def findings(
    plan_id: PlanId,
    layer: Annotated[str | None, typer.Option(help="code of a layer of the plan; default all of them")] = None,
    check: Annotated[Check | None, typer.Option(help="of one check alone")] = None,
    added: Annotated[bool, typer.Option("--added", help="those alone that the plan adds or makes larger")] = False,
    lang: Lang = DEFAULT_LANGUAGE,
    as_json: AsJson = False,
) -> None:
    """Say what the checks find of a draft; with faults that the plan adds the exit code is 1."""
    refuse_unprintable(layer=[layer or ""])
    asked, limits = Narrowed(layer, check=check), limits_of(settings())
    with calling("plans.read", notice) as caller, caller.read() as session:
        there, found = judged(session, plan_id, caller.actor, asked, "yes" if added else None, limits)
        told = [draft_finding_out(one) for one in there.placed(found)]
    if as_json:
        print_json([one.model_dump(mode="json") for one in told])
    else:
        show_findings(told, lang, settings().zone, {one.key for one in told if one.is_added})
    if any(one.severity == "fault" and one.is_added for one in told):
        sys.exit(1)
