"""What is wrong with a draft, by all checks, over HTTP."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session

from api.deps import Actor, AppSettings, Page, ReadSession, needs
from api.errors import problem_responses
from api.findings import Asked
from api.findings_asked import Narrowed, limits_of
from api.findings_out import FindingOut, finding_out
from api.plans import PlanId
from api.shapes import FeatureCollection, features, shape_geojson
from spatial.access import Actor as Asker
from spatial.errors import invalid
from spatial.findings.findings import place_in_list
from spatial.findings.model import Limits
from spatial.paging import Paged, page_of
from spatial.redraw import queries
from spatial.redraw.judging import Judged, Judging

router = APIRouter(tags=["plans"], dependencies=[needs("plans.read")])
IsAdded = Annotated[Literal["yes", "no"] | None, Query(description="those alone that the plan adds, or the others")]


class DraftFindingOut(FindingOut):
    """Something about a draft that a person should know."""

    is_added: bool = Field(description="the plan makes it so, or larger than it was")


def judged(
    session: Session, plan_id: UUID, actor: Asker, asked: Narrowed, added: str | None, limits: Limits
) -> tuple[Judging, list[Judged]]:
    """Return the findings of a draft that somebody may be told of, without places, and where they were found."""
    plan = queries.find(session, plan_id)
    codes = queries.layer_codes(session)
    if asked.layer is not None and asked.layer not in {codes.get(one) for one in plan.layers}:
        raise invalid("layer", "layer-not-redrawn", layer=asked.layer)
    there = Judging(session, plan, limits)
    found = there.judged(asked.wanted(actor, "plans.read"))
    return there, [one for one in found if added is None or one.is_added == (added == "yes")]


@router.get(
    "/plans/{plan_id}/findings",
    summary="Everything that would be wrong with a draft",
    responses=problem_responses(404),
)
def findings(
    session: ReadSession,
    actor: Actor,
    config: AppSettings,
    plan_id: PlanId,
    page: Page,
    asked: Asked,
    added: IsAdded = None,
) -> FeatureCollection[DraftFindingOut]:
    """Return what the checks find of the plan's layers where it stands, the worst first: as `/findings` would tell it.

    What the plan adds and is more than information an approver has to acknowledge: `/plans/{plan_id}/review` has it.
    """
    there, found = judged(session, plan_id, actor, asked, added, limits_of(config))
    chosen = page_of(found, lambda one: place_in_list(one.found), page)
    shown = Paged(there.placed(chosen.rows), chosen.next_after)
    return features(shown, draft_finding_out, _key, _geometry)


def draft_finding_out(one: Judged) -> DraftFindingOut:
    """Return a finding of a draft as it is sent."""
    return DraftFindingOut(**finding_out(one.found).model_dump(), is_added=one.is_added)


def _key(one: Judged) -> str:
    return one.found.key


def _geometry(one: Judged) -> dict[str, object] | None:
    return shape_geojson(one.found.flaw.shape)
