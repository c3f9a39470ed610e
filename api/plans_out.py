"""Plans as they are sent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.shapes import Feature, SpanOut, feature, shape_geojson, span_out
from spatial.overlaps.model import Counted
from spatial.redraw.listing import OpRow, PlanRow
from spatial.redraw.measures import Balance, Balanced, Measure, Measured
from spatial.redraw.model import DraftGrid
from spatial.redraw.obstacles import Obstacle
from spatial.redraw.service import Done
from spatial.redraw.sheet import Notice
from spatial.tables import PlanEvent


class PlanOut(BaseModel):
    """A redrawing of one or several layers."""

    id: UUID
    name: str
    note: str
    layers: list[str] = Field(description="codes of the layers that it redraws")
    unit: str | None = Field(description="code of the unit whose grids alone it redraws; none: all")
    state: str = Field(
        description="draft, submitted, returned, approved, abandoned; once published scheduled, in_force or superseded"
    )
    revision: int = Field(description="what `If-Match` names")
    head: int = Field(description="number of the operation that it stands at; 0: the base")
    base_at: datetime
    base_version: int = Field(description="version of the areas that it is over")
    counted: SpanOut = Field(description="time whose incidents its measures count")
    created_by: str
    created_at: datetime
    document_number: str | None
    effective: datetime | None
    published_version: int | None = Field(description="version of the areas that it became")
    sha256: str | None = Field(description="of its manifest")
    reverts: UUID | None
    superseded_by: UUID | None


class OpOut(BaseModel):
    """An operation of a plan."""

    n: int
    parent: int = Field(description="the operation before it; 0: the base")
    kind: str
    body: dict[str, Any]
    made_by: str
    at: datetime
    is_on: bool = Field(description="whether the plan stands on it")
    grids: int = Field(description="how many it touched")


class EventOut(BaseModel):
    """Something that happened to a plan."""

    revision: int
    head: int
    kind: str
    by: str
    at: datetime
    detail: dict[str, Any]


class HeldOut(BaseModel):
    """What lies in an area."""

    model_config = ConfigDict(from_attributes=True)
    addresses: int
    dwellings: int
    incidents: int
    handling_minutes: float


class MeasureOut(BaseModel):
    """What a grid is and holds."""

    area_m2: float
    compactness: float = Field(description="4π area / perimeter² (Polsby and Popper): 1 for a circle")
    parts: int
    held: HeldOut
    officers: list[str] = Field(description="numbers of who is responsible")
    deviation: float | None = Field(description="work by officer against the unit's, less one; none: no work at all")


class MeasuredOut(BaseModel):
    """A grid that an operation touched, before and after; null where there is none then."""

    layer: str
    code: str
    before: MeasureOut | None
    after: MeasureOut | None


class BalanceOut(BaseModel):
    """How evenly the work of a unit is shared among its grids, by officer."""

    model_config = ConfigDict(from_attributes=True)
    grids: int
    worst_deviation: float
    variation: float = Field(description="coefficient of variation")
    gini: float


class BalancedOut(BaseModel):
    """The balance of a unit's grids in a layer, before and after."""

    layer: str
    unit: str | None
    before: BalanceOut | None
    after: BalanceOut | None


class NoticeOut(BaseModel):
    """Something that may be meant, and that an approver has to acknowledge if it stays."""

    layer: str
    kind: str
    grids: list[str]
    area_m2: float | None
    lon: float | None
    lat: float | None


class DoneOut(BaseModel):
    """What an operation did, or would do."""

    n: int = Field(description="number of the operation; 0: nothing was kept")
    revision: int
    grids: list[MeasuredOut]
    units: list[BalancedOut]
    findings: list[NoticeOut]


class ObstacleOut(BaseModel):
    """What keeps a plan from being published, or is to be acknowledged."""

    kind: str
    key: str = Field(description="what it is acknowledged by")
    layer: str
    grids: list[str]
    area_m2: float | None
    lon: float | None = Field(description="of a place in it")
    lat: float | None
    remedy: str | None = Field(description="an operation that may mend it, or rebase; none: draw it otherwise")
    values: dict[str, Any]


class ReviewOut(BaseModel):
    """What stands against a plan."""

    obstacles: list[ObstacleOut] = Field(description="each of them keeps it from being published")
    findings: list[ObstacleOut] = Field(description="what it makes so and may be meant: to be acknowledged")


class DraftGridOut(BaseModel):
    """A grid of a draft."""

    layer: str
    code: str
    name: str
    kind: str
    unit: str | None
    is_locked: bool
    was: str | None = Field(description="code before the plan; none: the plan makes it")
    side: str = Field(description="before or after")


def plan_out(row: PlanRow) -> PlanOut:
    """Return a plan as it is sent."""
    plan = row.plan
    return PlanOut(
        id=plan.id,
        name=plan.name,
        note=plan.note,
        layers=list(row.layers),
        unit=row.unit,
        state=row.standing,
        revision=plan.revision,
        head=plan.head,
        base_at=plan.base_at,
        base_version=plan.base_version,
        counted=span_out(plan.counted),
        created_by=plan.created_by,
        created_at=plan.created_at,
        document_number=plan.document_number,
        effective=plan.effective,
        published_version=plan.published_version,
        sha256=plan.sha256,
        reverts=plan.reverts,
        superseded_by=plan.superseded_by,
    )


def op_out(row: OpRow) -> OpOut:
    """Return an operation as it is sent."""
    op = row.op
    return OpOut(
        n=op.n,
        parent=op.parent,
        kind=op.kind,
        body=op.body,
        made_by=op.made_by,
        at=op.at,
        is_on=row.is_on,
        grids=row.touched,
    )


def event_out(event: PlanEvent) -> EventOut:
    """Return what happened to a plan as it is sent."""
    return EventOut(
        revision=event.revision, head=event.head, kind=event.kind, by=event.by, at=event.at, detail=event.detail
    )


def done_out(done: Done) -> DoneOut:
    """Return what an operation does as it is sent."""
    layers, units = done.layers, done.units
    return DoneOut(
        n=done.n,
        revision=done.revision,
        grids=[_measured(one, layers) for one in done.measures.grids],
        units=[_balanced(one, layers, units) for one in done.measures.units],
        findings=[_notice(one, layers) for one in done.notices],
    )


def obstacle_out(one: Obstacle) -> ObstacleOut:
    """Return an obstacle as it is sent."""
    lon, lat = one.place or (None, None)
    return ObstacleOut(
        kind=one.kind,
        key=one.key,
        layer=one.layer,
        grids=list(one.grids),
        area_m2=one.area_m2,
        lon=lon,
        lat=lat,
        remedy=one.remedy,
        values=dict(one.values),
    )


def draft_grid_out(
    grid: DraftGrid, was: DraftGrid | None, side: str, layers: Mapping[int, str], units: Mapping[int, str]
) -> Feature[DraftGridOut]:
    """Return a grid of a draft as it is sent."""
    layer = layers[grid.place.layer_id]
    out = DraftGridOut(
        layer=layer,
        code=grid.code,
        name=grid.name,
        kind=grid.kind,
        unit=units.get(grid.unit_id) if grid.unit_id is not None else None,
        is_locked=grid.is_locked,
        was=None if was is None else was.code,
        side=side,
    )
    return feature(grid, lambda _: out, lambda one: f"{layer}/{one.code}/{side}", lambda one: shape_geojson(one.shape))


def counted_out(counted: Counted) -> HeldOut:
    """Return what lies in an area as it is sent."""
    return HeldOut.model_validate(counted)


def _measured(one: Measured, layers: Mapping[int, str]) -> MeasuredOut:
    return MeasuredOut(
        layer=layers[one.place.layer_id], code=one.code, before=_measure(one.before), after=_measure(one.after)
    )


def _measure(one: Measure | None) -> MeasureOut | None:
    if one is None:
        return None
    return MeasureOut(
        area_m2=round(one.area_m2, 2),
        compactness=round(one.compactness, 4),
        parts=one.parts,
        held=counted_out(one.held.counted),
        officers=list(one.held.officers),
        deviation=None if one.deviation is None else round(one.deviation, 4),
    )


def _balanced(one: Balanced, layers: Mapping[int, str], units: Mapping[int, str]) -> BalancedOut:
    unit = units.get(one.unit_id) if one.unit_id is not None else None
    return BalancedOut(layer=layers[one.layer_id], unit=unit, before=_balance(one.before), after=_balance(one.after))


def _balance(one: Balance | None) -> BalanceOut | None:
    return None if one is None else BalanceOut.model_validate(one)


def _notice(one: Notice, layers: Mapping[int, str]) -> NoticeOut:
    found = one.flaw
    lon, lat = found.place or (None, None)
    size = None if found.area_m2 is None else round(found.area_m2, 2)
    return NoticeOut(
        layer=layers[one.layer_id], kind=found.kind, grids=list(found.grids), area_m2=size, lon=lon, lat=lat
    )
