"""The map of a plan: before and after."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.deps import AppSettings, AskedBy, Database, Language, ReadSession, needs
from api.errors import problem_responses
from api.headers import policy_of_file
from api.pages import page_answer, record_map
from maps.offline import OfflineMap
from maps.plans import plan_map
from spatial.grids.about import synthetic_label
from spatial.grids.listing import layer_rows
from spatial.history import Moment
from spatial.redraw import queries
from spatial.redraw.difference import Difference
from spatial.redraw.review import standing
from spatial.settings import Settings
from spatial.time import now

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse, dependencies=[needs("plans.read")])


@router.get("/maps/plan", summary="A plan before and after, with a swipe", responses=problem_responses(404))
def plan_page(
    session: ReadSession,
    database: Database,
    asking: AskedBy,
    config: AppSettings,
    lang: Language,
    plan_id: Annotated[UUID, Query(description="id of a plan")],
) -> HTMLResponse:
    """Return one self-contained page: both states on a map, and the list of what changes."""
    page, moment = draw_plan(session, plan_id, lang, config)
    session.close()  # before the record is made: a request holds one connection
    record_map(database, asking.actor.name, moment, None, "maps/plan", {"plan": str(plan_id)})
    html = page.html()
    return page_answer(html, lang, policy_of_file(page.policy(html)))


def draw_plan(session: Session, plan_id: UUID, lang: str, config: Settings) -> tuple[OfflineMap, Moment]:
    """Return the map of a plan, and the moment that it is over: for a page, or for a file."""
    plan = queries.find(session, plan_id)
    moment = Moment(plan.base_at)
    page = plan_map(
        Difference(session, plan, plan.effective or now()),
        standing(plan, now()),
        zone=config.zone,
        lang=lang,
        titles={row.Layer.code: row.Layer.title for row in layer_rows(session, moment)},
        synthetic=synthetic_label(session, lang),
        base_map_url=config.base_map_url,
    )
    return page, moment
