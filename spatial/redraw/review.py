"""Review of plans: submitted, returned or approved by somebody else, or given up."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.errors import Conflict, Denied, Fault, InputError, invalid
from spatial.findings.model import Limits
from spatial.redraw import queries
from spatial.redraw.draft import Base
from spatial.redraw.judging import Judging
from spatial.redraw.model import Standing
from spatial.redraw.obstacles import Obstacle, obstacles, require_free
from spatial.redraw.whole import Whole
from spatial.tables import Plan

TALK = ("comment", "approved", "returned", "abandoned", "published")


@dataclass(frozen=True)
class Correction:
    """Why a plan may come into force in the past, and at which instant."""

    reason: str
    effective: datetime

    @property
    def told(self) -> dict[str, str]:
        """It as it is kept with the approval."""
        return {"reason": self.reason, "effective": self.effective.isoformat()}


@dataclass(frozen=True)
class Review:
    """What keeps a plan from being published, and what an approver is to know of."""

    obstacles: tuple[Obstacle, ...]
    findings: tuple[Obstacle, ...]  # faults that may be meant, each with a key to acknowledge it by


def review(session: Session, plan: Plan, *, effective: datetime, limits: Limits) -> Review:
    """Return what stands against a plan if it came into force at an instant."""
    against = obstacles(Whole(session, plan, Base(effective, None)))
    return Review(tuple(against), tuple(Judging(session, plan, limits).added()))


def submit(session: Session, actor: Actor, plan_id: uuid.UUID, *, revision: int | None, now: datetime) -> Plan:
    """Hand a plan in for approval, unless something keeps it from being published."""
    plan = _in_state(session, plan_id, ("draft", "returned"), revision)
    require_free(Whole(session, plan, Base(max(now, plan.base_at), None)))
    return _move(session, plan, "submitted", actor, now, {})


def give_back(
    session: Session, actor: Actor, plan_id: uuid.UUID, reason: str, *, revision: int | None, now: datetime
) -> Plan:
    """Return a plan to its planners, saying why."""
    plan = _in_state(session, plan_id, ("submitted", "approved"), revision)
    plan.document_number = None
    return _move(session, plan, "returned", actor, now, {"reason": reason})


def approve(
    session: Session,
    actor: Actor,
    plan_id: uuid.UUID,
    document_number: str,
    *,
    acknowledged: frozenset[str] = frozenset(),
    correction: Correction | None = None,
    limits: Limits,
    revision: int | None,
    now: datetime,
) -> Plan:
    """Approve a plan under a document's number; who made any of it, or handed it in, may not.

    `acknowledged`: keys of the findings that it adds; all of them must be. `correction`: from when it may come into
    force in the past, and why; what would stand against it then is told now.
    """
    plan = _in_state(session, plan_id, ("submitted",), revision)
    if actor.name in {plan.created_by, *queries.hands_of(session, plan, TALK)}:  # who chose what it stands on, too
        raise Denied("own-plan")
    if correction is not None:
        if correction.effective >= now:
            raise invalid("correction.effective", "correction-not-in-past")
        require_free(Whole(session, plan, Base(correction.effective, None)))
    unknown = [one for one in Judging(session, plan, limits).added() if one.key not in acknowledged]
    if unknown:
        raise Conflict("findings-not-acknowledged", [one.told for one in unknown], count=len(unknown))
    if not document_number.strip():
        raise InputError([Fault("document_number", "value-missing")])
    plan.document_number = document_number.strip()
    detail: dict[str, Any] = {"document_number": plan.document_number, "acknowledged": sorted(acknowledged)}
    if correction is not None:
        detail["correction"] = correction.told
    return _move(session, plan, "approved", actor, now, detail)


def abandon(session: Session, actor: Actor, plan_id: uuid.UUID, *, revision: int | None, now: datetime) -> Plan:
    """Give a plan up that is not published."""
    plan = _in_state(session, plan_id, ("draft", "submitted", "returned", "approved"), revision)
    return _move(session, plan, "abandoned", actor, now, {})


def standing(plan: Plan, now: datetime) -> Standing:
    """Return how it stands with a plan: of a published one, whether it is in force yet, or still."""
    if plan.state != "published" or plan.effective is None:
        return cast("Standing", plan.state)
    if plan.superseded_by is not None:
        return "superseded"
    return "scheduled" if now < plan.effective else "in_force"


def _in_state(session: Session, plan_id: uuid.UUID, states: tuple[str, ...], revision: int | None) -> Plan:
    plan = queries.find(session, plan_id, lock=True)
    if plan.state not in states:
        raise Conflict("plan-in-other-state", state=plan.state, needed=list(states))
    queries.require_revision(plan, revision)
    return plan


def _move(session: Session, plan: Plan, state: str, actor: Actor, now: datetime, detail: dict[str, Any]) -> Plan:
    plan.state = state
    session.flush()
    queries.note(session, plan, state, actor.name, now, detail)
    audit.record(session, actor.name, f"plan.{state}", f"plan/{plan.id}", {"revision": plan.revision, **detail})
    return plan
