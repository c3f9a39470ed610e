"""Publication of plans as jobs: queued once it is clear that it can be tried, done by a worker."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from spatial import access, audit, jobs
from spatial.access import Actor
from spatial.errors import Conflict, Denied
from spatial.jobs import Progress
from spatial.redraw import queries
from spatial.redraw.publishing import publish, require_timely
from spatial.settings import settings
from spatial.time import now

PUBLISH = "publish-plan"
FIRST = 10  # priority: before what nobody waits for


def queue_publication(session: Session, actor: Actor, plan_id: UUID, effective: datetime, at: datetime) -> UUID:
    """Queue the publication of an approved plan, and return the job's name."""
    plan = queries.find(session, plan_id)
    if plan.state != "approved":
        raise Conflict("plan-in-other-state", state=plan.state, needed=["approved"])
    require_timely(session, plan, effective, at)
    params = {
        "plan_id": str(plan_id),
        "revision": plan.revision,
        "effective": effective.isoformat(),
        "asked_by": actor.name,
        "asked_at": at.isoformat(),
    }
    job_id = jobs.enqueue(session, PUBLISH, params, actor=actor.name, now=at, priority=FIRST)
    audit.record(session, actor.name, "job.enqueue", f"job/{job_id}", {"kind": PUBLISH, "plan": str(plan_id)})
    return job_id


def publish_plan(session: Session, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Bring an approved plan into force, if whoever asked for it still may."""
    actor = _actor(session, params["asked_by"])
    progress(0.1, params["plan_id"])
    plan_id, effective = UUID(params["plan_id"]), datetime.fromisoformat(params["effective"])
    done = publish(
        session,
        actor,
        plan_id,
        effective,
        now=now(),
        asked_at=datetime.fromisoformat(params["asked_at"]),
        revision=params["revision"],
        reported_m2=settings().gap_area_m2,
    )
    told = {"plan": params["plan_id"], "sha256": done.plan.sha256, "grids": done.changed, "lineage": done.lineage}
    return told | {"handed_on": asdict(done.handed)}


def _actor(session: Session, name: str) -> Actor:
    """Return who asked, with what they may do now: a principal, or the operator of this machine."""
    actor = access.operator(name.removeprefix("local:")) if name.startswith("local:") else None
    actor = actor or access.actor_named(session, name)
    if actor is None:
        raise Denied("no-such-principal", name=name)
    actor.granted("plans.decide")
    return actor
