"""The page of imports, for people."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.deps import Actor, AppSettings, Language, ReadSession, needs
from api.errors import problem_responses
from api.import_jobs import GRIDS, roles_for
from api.imports_http import COMMIT, TRY, report
from api.pages import page_answer
from maps.imports import Sent, imports_page
from spatial import jobs
from spatial.access import Actor as Actor_
from spatial.grids.about import synthetic_label
from spatial.imports.subjects import SUBJECTS
from spatial.tables import Job

router = APIRouter(tags=["pages"], dependencies=[needs("imports")], default_response_class=HTMLResponse)
MOST_SENT = 30


@router.get("/imports", summary="The page of imports", responses=problem_responses(404))
def page(
    session: ReadSession,
    actor: Actor,
    config: AppSettings,
    lang: Language,
    import_id: Annotated[uuid.UUID | None, Query(alias="id", description="import to look at")] = None,
) -> HTMLResponse:
    """Return a form to send a file with, the report of an import, and what was sent lately."""
    shown = None if import_id is None else report(import_id, session, actor, lang)
    html = imports_page(
        lang=lang,
        zone=config.zone,
        subjects=_importable(actor),
        sent=_sent(session, actor),
        shown=shown.model_dump() if shown else None,
        synthetic=synthetic_label(session, lang),
    )
    return page_answer(html, lang)


def _importable(actor: Actor_) -> list[str]:
    return [name for name in (GRIDS, *SUBJECTS) if not actor.roles.isdisjoint(roles_for(name))]


def _sent(session: Session, actor: Actor_) -> list[Sent]:
    """Return what was sent lately of subjects that the actor may import, newest first."""
    found = []
    for tried in jobs.newest(session, TRY, MOST_SENT):
        if tried.params["subject"] not in _importable(actor):
            continue
        done = jobs.newest_with(session, COMMIT, "import_id", str(tried.id))
        found.append(
            Sent(
                id=str(tried.id),
                subject=tried.params["subject"],
                file=tried.params["file"],
                sent_by=tried.created_by,
                sent_at=tried.created_at,
                state=_standing(tried, done),
                is_committed=done is not None,
            )
        )
    return found


def _standing(tried: Job, done: Job | None) -> str:
    """Return how far an import is; a dry run that is done may have found faults."""
    if done is None and tried.state == "done" and (tried.result or {}).get("fault_count"):
        return "faulty"
    return (done or tried).state
