"""All SQL of plans: the plan, the operations it stands on, and its draft about a place."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy import BigInteger, ColumnElement, and_, false, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.dialects.postgresql import insert as on_conflict
from sqlalchemy.orm import Session

from spatial.crs import Bounds
from spatial.db import stamps
from spatial.errors import Conflict, NotFound
from spatial.grids.units import among
from spatial.history import Moment, in_force
from spatial.overlaps import queries as counted
from spatial.overlaps.model import Counted
from spatial.redraw.draft import Base
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Held, Place
from spatial.redraw.passing import Points
from spatial.tables import (
    SRID,
    Assignment,
    Barrier,
    Grid,
    GridCell,
    GridVersion,
    Layer,
    Officer,
    Plan,
    PlanChange,
    PlanEvent,
    PlanMeasure,
    PlanOp,
    UnitVersion,
)
from spatial.time import Period

# the operations a plan stands on, from the one it stands at down to the base
CHAIN = text(
    "WITH RECURSIVE chain AS (SELECT n, parent FROM plan_op WHERE plan_id = :plan_id AND n = :head"
    " UNION ALL SELECT op.n, op.parent FROM chain JOIN plan_op AS op ON op.plan_id = :plan_id AND op.n = chain.parent)"
    " SELECT n FROM chain ORDER BY n"
)

# a unit, what is under it, and what these serve: `scope_of` says the same of grants
BELOW = text(
    "WITH RECURSIVE below AS (SELECT CAST(:unit_id AS bigint) AS id UNION"
    " SELECT CASE link.kind WHEN 'serves' THEN link.to_unit_id ELSE link.unit_id END"
    " FROM below JOIN unit_link AS link ON link.kind IN ('command', 'administers') AND link.to_unit_id = below.id"
    " OR link.kind = 'serves' AND link.unit_id = below.id"
    " WHERE link.valid @> CAST(:at AS timestamptz) AND link.recorded @> CAST(:known_at AS timestamptz))"
    " SELECT id FROM below"
)
COUNTS = ("addresses", "dwellings", "incidents", "handling_minutes")


def find(session: Session, plan_id: uuid.UUID, *, lock: bool = False) -> Plan:
    """Return a plan, or raise `NotFound`; with `lock`, nobody else changes it until the transaction ends."""
    wanted = select(Plan).where(Plan.id == plan_id).execution_options(populate_existing=True)
    plan = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if plan is None:
        raise NotFound("no-such-plan", id=str(plan_id))
    return plan


def require_revision(plan: Plan, revision: int | None) -> None:
    """Refuse to go on where somebody changed a plan since the revision that was seen; none: whatever it is."""
    if revision is not None and revision != plan.revision:
        raise Conflict("plan-moved-on", revision=revision, now=plan.revision)


def base_of(session: Session, plan: Plan) -> Base:
    """Return what a plan is over."""
    return Base(plan.base_at, stamps(session, {"areas": plan.base_version})["areas"])


def layers_of(session: Session) -> list[DraftLayer]:
    """Return all layers: what is redrawn in one may concern others."""
    wanted = select(Layer.id, Layer.code, Layer.kind, Layer.code_scheme, Layer.built_from_id, Layer.parent_layer_id)
    return [DraftLayer(*row) for row in session.execute(wanted.order_by(Layer.position, Layer.code))]


def layer_codes(session: Session) -> dict[int, str]:
    """Return the codes of all layers by their ids, in the order in which they are shown."""
    return {layer.id: layer.code for layer in layers_of(session)}


def tied_to(session: Session, layer_ids: Collection[int]) -> set[int]:
    """Return the layers that some are tied to, whether whoever asks sees them or not."""
    return set(session.scalars(select(func.tied_layers(literal(list(layer_ids), ARRAY(BigInteger))))))


def chain(session: Session, plan_id: uuid.UUID, head: int) -> list[int]:
    """Return the numbers of the operations that a plan stands on, the first one first."""
    return list(session.scalars(CHAIN, {"plan_id": plan_id, "head": head}))


def head_at(session: Session, plan_id: uuid.UUID, revision: int) -> int | None:
    """Return the operation that a plan stood at, at a revision; None where it never had that one."""
    wanted = select(PlanEvent.head).where(PlanEvent.plan_id == plan_id, PlanEvent.revision == revision)
    return session.scalar(wanted)


def units_named(session: Session, base: Base) -> dict[str, int]:
    """Return the ids of units by their codes, as of a base."""
    wanted = select(UnitVersion.code, UnitVersion.unit_id).where(in_force(UnitVersion, base.at, base.known_at))
    return {row[0]: row[1] for row in session.execute(wanted)}


def unit_code(session: Session, unit_id: int | None, base: Base) -> str | None:
    """Return the code of a unit, as of a base."""
    wanted = select(UnitVersion.code).where(
        UnitVersion.unit_id == unit_id, in_force(UnitVersion, base.at, base.known_at)
    )
    return session.scalar(wanted)


def codes_ever_of_others(session: Session, layer_id: int, codes: Collection[str], key: int | None) -> set[str]:
    """Return which codes were ever given to another grid of a layer."""
    version = GridVersion
    wanted = select(version.code).where(version.layer_id == layer_id, version.code.in_(codes))
    if key is not None:
        wanted = wanted.where(version.grid_id != key)
    return set(session.scalars(wanted))


def changing_after(session: Session, grid_ids: Collection[int], at: datetime) -> set[int]:
    """Return which grids change on record after an instant: themselves, or what they belong to as cells."""
    version, cell = GridVersion, GridCell
    found = set(session.scalars(select(version.grid_id).where(among(version.grid_id, grid_ids), _turns(version, at))))
    cells = select(cell.cell_id, cell.grid_id).where(
        among(cell.cell_id, grid_ids) | among(cell.grid_id, grid_ids), _turns(cell, at)
    )
    return found | {grid_id for row in session.execute(cells) for grid_id in row if grid_id in grid_ids}


def _turns(table: type[GridVersion] | type[GridCell], at: datetime) -> ColumnElement[bool]:
    """Return the condition that a row is known, and begins or ends after an instant."""
    begins: Any = func.lower(table.valid)
    ends_: Any = func.upper(table.valid)
    return and_(func.upper_inf(table.recorded), (begins > at) | (ends_ > at))


def add_op(session: Session, op: PlanOp, changes: Iterable[Change], holds: Mapping[Place, Held]) -> None:
    """Keep an operation with what it changes, and what the grids hold then."""
    session.add(op)
    session.flush()
    rows = [
        {
            "plan_id": op.plan_id,
            "n": op.n,
            "layer_id": change.place.layer_id,
            "key": change.place.key,
            "was": change.was and change.was.told,
            "was_shape": change.was and from_shape(change.was.shape, srid=SRID),
            "becomes": change.becomes and change.becomes.told,
            "shape": change.becomes and from_shape(change.becomes.shape, srid=SRID),
            "holds": _holds(holds[change.place]) if change.place in holds else None,
        }
        for change in changes
    ]
    if rows:
        session.execute(insert(PlanChange), rows)


def note(
    session: Session, plan: Plan, kind: str, by: str, at: datetime, detail: Mapping[str, Any] | None = None
) -> None:
    """Give a plan its next revision, and put on record what it is for."""
    plan.revision += 1
    session.execute(
        update(Plan)
        .where(Plan.id == plan.id)
        .values(revision=plan.revision, head=plan.head, state=plan.state)
        .execution_options(synchronize_session=False)
    )
    row = {"plan_id": plan.id, "revision": plan.revision, "head": plan.head, "kind": kind, "by": by, "at": at}
    session.execute(insert(PlanEvent).values(**row, detail=dict(detail or {})))


def holdings(
    session: Session, plan: Plan, ops: Sequence[int], teams: Collection[tuple[int, int | None]]
) -> dict[Place, tuple[int | None, Held]]:
    """Return what the grids of units in layers hold in a draft, with the unit of each."""
    measure, change = PlanMeasure, PlanChange
    layer_ids = {layer_id for layer_id, _unit_id in teams}
    last = select(change.layer_id, change.key, change.becomes["unit_id"], change.holds)
    once = distinct_on(change.layer_id, change.key)
    of_plan = last.where(change.plan_id == plan.id, among(change.n, ops), among(change.layer_id, layer_ids))
    changed = session.execute(of_plan.ext(once).order_by(change.layer_id, change.key, change.n.desc())).all()
    unit_ids = {unit_id for _layer_id, unit_id in teams if unit_id is not None}
    unowned = measure.unit_id.is_(None) if any(unit_id is None for _layer_id, unit_id in teams) else false()
    lying = (measure.addresses, measure.dwellings, measure.incidents, measure.handling_minutes)
    base = select(measure.layer_id, measure.grid_id, measure.unit_id, measure.officers, *lying).where(
        measure.plan_id == plan.id,
        measure.base_version == plan.base_version,
        measure.base_at == plan.base_at,
        among(measure.layer_id, layer_ids),
        among(measure.unit_id, unit_ids) | unowned,
    )
    found: dict[Place, tuple[int | None, Held]] = {}
    for row in session.execute(base):
        found[Place(row.layer_id, row.grid_id)] = row.unit_id, Held(Counted(*row[4:]), tuple(row.officers))
    for layer_id, key, unit_id, holds in changed:
        place = Place(layer_id, key)
        found.pop(place, None)
        if holds is not None:
            found[place] = unit_id, _held(holds)
    return {place: one for place, one in found.items() if (place.layer_id, one[0]) in teams}


def add_measures(session: Session, plan: Plan, rows: Iterable[tuple[int | None, Place, Held]]) -> None:
    """Put on record what grids hold before a plan."""
    named = {"plan_id": plan.id, "base_version": plan.base_version, "base_at": plan.base_at}
    made = [
        {**named, "layer_id": place.layer_id, "grid_id": place.key, "unit_id": unit_id, **_holds(held)}
        for unit_id, place, held in rows
    ]
    if made:
        session.execute(on_conflict(PlanMeasure).on_conflict_do_nothing(), made)


def points(session: Session, plan: Plan, within: Bounds | None) -> tuple[Points, Points]:
    """Return the addresses, and the incidents of the plan's period, that lie within bounds; none: all."""
    start, end = plan.counted.lower, plan.counted.upper
    assert start is not None and end is not None  # noqa: PT018, S101  # as `create` wrote it
    moment = Moment(plan.base_at, plan.created_at)
    incidents = counted.incidents(session, moment, Period(start, end), within)
    return Points(*counted.addresses(session, within)), Points(*incidents)


def officers_of(session: Session, base: Base, layer_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return the numbers of who is responsible for each grid of layers, by its id."""
    numbers = func.array_agg(Officer.number.distinct())
    wanted = (
        select(Assignment.grid_id, numbers)
        .join(Officer, Officer.id == Assignment.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(among(Grid.layer_id, layer_ids), in_force(Assignment, base.at, None))
        .group_by(Assignment.grid_id)
    )
    return {row[0]: tuple(sorted(row[1])) for row in session.execute(wanted)}


def units_below(session: Session, unit_id: int | None, base: Base) -> set[int] | None:
    """Return a unit, all below it and all that these serve; none of no unit: all there are."""
    if unit_id is None:
        return None
    return set(session.scalars(BELOW, {"unit_id": unit_id, "at": base.at, "known_at": base.known_at}))


def newest_after(session: Session, plan_id: uuid.UUID, n: int) -> int | None:
    """Return the newest operation that followed one."""
    return session.scalar(select(func.max(PlanOp.n)).where(PlanOp.plan_id == plan_id, PlanOp.parent == n))


def told(grid: DraftGrid | None, units: Mapping[int, str]) -> dict[str, Any] | None:
    """Return a grid as it is told in a conflict, by public names."""
    if grid is None:
        return None
    shape = shapely.geometry.mapping(grid.shape)
    unit = units.get(grid.unit_id) if grid.unit_id is not None else None
    return {"code": grid.code, "name": grid.name, "kind": grid.kind, "unit": unit, "shape": shape}


def _holds(held: Held) -> dict[str, Any]:
    return {**asdict(held.counted), "officers": list(held.officers)}


def _held(holds: Mapping[str, Any]) -> Held:
    return Held(Counted(**{name: holds[name] for name in COUNTS}), tuple(holds["officers"]))


def was_rebased(session: Session, plan_id: uuid.UUID) -> bool:
    """Return whether a plan was ever put over another base."""
    wanted = select(PlanEvent.id).where(PlanEvent.plan_id == plan_id, PlanEvent.kind == "rebase").limit(1)
    return session.scalar(wanted) is not None


def barrier_codes(session: Session, plan: Plan) -> set[str]:
    """Return the codes of the barriers that there are, and of those that a plan stands on."""
    ops = chain(session, plan.id, plan.head)
    drawn = select(PlanOp.body["code"].astext).where(
        PlanOp.plan_id == plan.id, among(PlanOp.n, ops), PlanOp.kind == "barrier"
    )
    return set(session.scalars(select(Barrier.code))) | set(session.scalars(drawn))


def approval(session: Session, plan_id: uuid.UUID) -> dict[str, Any]:
    """Return what was said when a plan was approved last."""
    wanted = select(PlanEvent.detail).where(PlanEvent.plan_id == plan_id, PlanEvent.kind == "approved")
    return session.scalars(wanted.order_by(PlanEvent.revision.desc()).limit(1)).one()


def next_n(session: Session, plan_id: uuid.UUID) -> int:
    """Return the number of a plan's next operation."""
    return (session.scalar(select(func.max(PlanOp.n)).where(PlanOp.plan_id == plan_id)) or 0) + 1


def next_key(session: Session, plan_id: uuid.UUID) -> int:
    """Return the key of the next grid that a plan makes, below all it made before."""
    return min(session.scalar(select(func.min(PlanChange.key)).where(PlanChange.plan_id == plan_id)) or 0, 0) - 1


def barriers_of(session: Session, plan: Plan) -> list[dict[str, Any]]:
    """Return the barriers that a plan draws, as they were asked for."""
    ops = chain(session, plan.id, plan.head)
    wanted = select(PlanOp.body).where(PlanOp.plan_id == plan.id, among(PlanOp.n, ops), PlanOp.kind == "barrier")
    return list(session.scalars(wanted.order_by(PlanOp.n)))


def hands_of(session: Session, plan: Plan, talk: Collection[str]) -> set[str]:
    """Return who did anything to a plan that is not of some kinds."""
    wanted = select(PlanEvent.by).where(PlanEvent.plan_id == plan.id, PlanEvent.kind.not_in(talk))
    return set(session.scalars(wanted))
