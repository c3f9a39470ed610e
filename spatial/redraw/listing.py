"""Plans, their operations and history, what is published: as lists."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from spatial.grids.queries import unit_codes
from spatial.paging import Page, Paged, by_time, paged
from spatial.redraw import queries
from spatial.redraw.draft import changes_on
from spatial.redraw.model import DraftGrid, Place
from spatial.redraw.review import standing
from spatial.tables import Plan, PlanChange, PlanEvent, PlanOp


@dataclass(frozen=True)
class PlanRow:
    """A plan with the codes of its unit and layers, and how it stands with it."""

    plan: Plan
    layers: tuple[str, ...]
    unit: str | None
    standing: str


@dataclass(frozen=True)
class OpRow:
    """An operation, whether the plan stands on it, and how many grids it touched."""

    op: PlanOp
    is_on: bool
    touched: int


def plan_rows(session: Session, page: Page, now: datetime, *, state: str | None = None) -> Paged[PlanRow]:
    """Return a page of the plans, oldest first."""
    wanted = select(Plan)
    if state is not None:
        wanted = wanted.where(Plan.state == state)
    found = paged(session, wanted, by_time(Plan.created_at, cast(Plan.id, Text)), page)
    names = _names(session, now)
    return Paged([_row(row.Plan, names, now) for row in found.rows], found.next_after)


def plan_row(session: Session, plan: Plan, now: datetime) -> PlanRow:
    """Return a plan as it is shown."""
    return _row(plan, _names(session, now), now)


def _names(session: Session, now: datetime) -> tuple[dict[int, str], dict[int, str]]:
    """Return the codes of layers and of units, by their ids."""
    return queries.layer_codes(session), unit_codes(session, now)


def _row(plan: Plan, names: tuple[dict[int, str], dict[int, str]], now: datetime) -> PlanRow:
    layers, units = names
    unit = None if plan.unit_id is None else units.get(plan.unit_id)
    return PlanRow(plan, tuple(layers[one] for one in plan.layers if one in layers), unit, standing(plan, now))


def op_rows(session: Session, plan: Plan) -> list[OpRow]:
    """Return all operations of a plan, the first one first."""
    on = set(queries.chain(session, plan.id, plan.head))
    touched = (
        select(func.count())
        .where(PlanChange.plan_id == PlanOp.plan_id, PlanChange.n == PlanOp.n)
        .correlate(PlanOp)
        .scalar_subquery()
    )
    wanted = select(PlanOp, touched.label("touched")).where(PlanOp.plan_id == plan.id).order_by(PlanOp.n)
    return [OpRow(row.PlanOp, row.PlanOp.n in on, row.touched) for row in session.execute(wanted)]


def event_rows(session: Session, plan_id: uuid.UUID) -> Sequence[PlanEvent]:
    """Return what happened to a plan, the first thing first."""
    wanted = select(PlanEvent).where(PlanEvent.plan_id == plan_id).order_by(PlanEvent.revision)
    return session.scalars(wanted).all()


def draft_grids(session: Session, plan: Plan) -> Mapping[Place, tuple[DraftGrid | None, DraftGrid | None]]:
    """Return the grids that a plan changes where it stands: each before and after."""
    changes = changes_on(session, plan.id, queries.chain(session, plan.id, plan.head))
    return {place: (one.was, one.becomes) for place, one in changes.items() if one.was or one.becomes}


def published_rows(session: Session, page: Page, *, after: int | None = None) -> Paged[Plan]:
    """Return a page of what was published, in the order in which it was, after a version of `areas`."""
    wanted = select(Plan).where(Plan.state == "published")
    if after is not None:
        wanted = wanted.where(Plan.published_version > after)
    key = func.lpad(cast(Plan.published_version, Text), 19, "0").collate("C")
    found = paged(session, wanted, key, page)
    return Paged([row.Plan for row in found.rows], found.next_after)
