"""The grids of a draft: the base, and over it what the operations made of some of them."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from spatial.crs import Bounds
from spatial.grids.units import among
from spatial.history import in_force
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Place
from spatial.tables import (
    SRID,
    GridCell,
    GridVersion,
    PlanChange,
)


@dataclass(frozen=True)
class Base:
    """What a plan's grids are before it: in force at an instant, as known with a version of `areas`."""

    at: datetime
    known_at: datetime | None  # none: as known now


def changes_on(session: Session, plan_id: uuid.UUID, ops: Sequence[int]) -> dict[Place, Change]:
    """Return what the operations of a chain change, all of them together: by grid the base's state and the last."""
    changed = _changed(session, plan_id, ops)
    first = _changed(session, plan_id, ops, first=True)
    return {place: Change(first[place].was, last.becomes) for place, last in changed.items()}


def touched_by(session: Session, plan_id: uuid.UUID, ops: Collection[int]) -> set[Place]:
    """Return the grids that operations touch."""
    change = PlanChange
    wanted = select(change.layer_id, change.key).where(change.plan_id == plan_id, among(change.n, ops))
    return {Place(*row) for row in session.execute(wanted)}


class Draft:
    """The grids of a plan's draft where it stands, read as they are asked for."""

    def __init__(self, session: Session, plan_id: uuid.UUID, base: Base, ops: Sequence[int]) -> None:
        self._session, self._plan_id, self._base, self._ops = session, plan_id, base, ops
        self._changed: dict[Place, DraftGrid | None] | None = None

    @property
    def changed(self) -> Mapping[Place, DraftGrid | None]:
        """The grids that are other than in the base; none of one that the draft ends."""
        if self._changed is None:
            last = _changed(self._session, self._plan_id, self._ops)
            self._changed = {place: change.becomes for place, change in last.items()}
        return self._changed

    def named(self, layer_id: int, codes: Collection[str]) -> list[DraftGrid]:
        """Return grids of a layer by their codes; those that are not there are not found."""
        base = _grids(self._session, self._base, GridVersion.layer_id == layer_id, GridVersion.code.in_(codes))
        return [grid for grid in self._overlaid(base) if grid.place.layer_id == layer_id and grid.code in codes]

    def within(self, layer_ids: Collection[int], bounds: Bounds) -> list[DraftGrid]:
        """Return the grids of layers whose bounds meet some."""
        box = func.ST_MakeEnvelope(*bounds, SRID)
        base = _grids(self._session, self._base, among(GridVersion.layer_id, layer_ids), GridVersion.geom.op("&&")(box))
        west, south, east, north = bounds
        found = []
        for grid in self._overlaid(base):
            w, s, e, n = grid.shape.bounds
            if grid.place.layer_id in layer_ids and w <= east and e >= west and s <= north and n >= south:
                found.append(grid)
        return found

    def cells_of(self, layer: DraftLayer, keys: Collection[int]) -> list[DraftGrid]:
        """Return the cells that grids of a layer built from cells have."""
        held = (
            select(GridCell.cell_id)
            .where(
                GridCell.layer_id == layer.id,
                among(GridCell.grid_id, keys),
                in_force(GridCell, self._base.at, self._base.known_at),
            )
            .scalar_subquery()
        )
        base = _grids(self._session, self._base, GridVersion.grid_id.in_(held))
        return [grid for grid in self._overlaid(base) if grid.holders.get(layer.id) in keys]

    def of_places(self, places: Collection[Place]) -> list[DraftGrid]:
        """Return some grids."""
        base = _grids(self._session, self._base, among(GridVersion.grid_id, {place.key for place in places}))
        return [grid for grid in self._overlaid(base) if grid.place in places]

    def of_layer(self, layer_id: int) -> list[DraftGrid]:
        """Return all grids of a layer."""
        base = _grids(self._session, self._base, GridVersion.layer_id == layer_id)
        return [grid for grid in self._overlaid(base) if grid.place.layer_id == layer_id]

    def _overlaid(self, base: Iterable[DraftGrid]) -> list[DraftGrid]:
        """Return grids of the base as the draft has them, and all that the draft changed."""
        kept = [grid for grid in base if grid.place not in self.changed]
        return kept + [grid for grid in self.changed.values() if grid is not None]


def _changed(session: Session, plan_id: uuid.UUID, ops: Sequence[int], *, first: bool = False) -> dict[Place, Change]:
    """Return the last change of each grid by operations, or the first one."""
    change = PlanChange
    wanted = select(
        change.layer_id,
        change.key,
        change.was,
        func.ST_AsBinary(change.was_shape).label("was_wkb"),
        change.becomes,
        func.ST_AsBinary(change.shape).label("wkb"),
    ).where(change.plan_id == plan_id, among(change.n, ops))
    order = change.n.asc() if first else change.n.desc()
    once = distinct_on(change.layer_id, change.key)
    rows = session.execute(wanted.ext(once).order_by(change.layer_id, change.key, order)).all()
    was, becomes = (_shapes([getattr(row, name) for row in rows]) for name in ("was_wkb", "wkb"))
    return {
        Place(row.layer_id, row.key): Change(
            _state(Place(row.layer_id, row.key), row.was, was[n]),
            _state(Place(row.layer_id, row.key), row.becomes, becomes[n]),
        )
        for n, row in enumerate(rows)
    }


def _state(place: Place, told: Mapping[str, Any] | None, shape: BaseGeometry | None) -> DraftGrid | None:
    return None if told is None or shape is None else DraftGrid.of(place, told, shape)


def _shapes(found: Sequence[Any]) -> Any:
    return shapely.from_wkb(np.array([None if one is None else bytes(one) for one in found], dtype=object))


def _grids(session: Session, base: Base, *conditions: ColumnElement[bool]) -> list[DraftGrid]:
    """Return grids of the base, with what they belong to as cells."""
    version, cell = GridVersion, GridCell
    holders = (
        select(func.jsonb_object_agg(cell.layer_id, cell.grid_id))
        .where(cell.cell_id == version.grid_id, in_force(cell, base.at, base.known_at))
        .scalar_subquery()
    )
    wanted = select(
        version.layer_id,
        version.grid_id,
        version.code,
        version.name,
        version.kind,
        version.unit_id,
        version.attributes,
        func.ST_AsBinary(version.geom).label("wkb"),
        holders.label("holders"),
    ).where(in_force(version, base.at, base.known_at), *conditions)
    rows = session.execute(wanted.order_by(version.layer_id, version.code)).all()
    shapes = _shapes([row.wkb for row in rows])
    return [
        DraftGrid(
            Place(row.layer_id, row.grid_id),
            row.code,
            row.name,
            row.kind,
            row.unit_id,
            row.attributes,
            shape,
            {int(layer_id): key for layer_id, key in (row.holders or {}).items()},
        )
        for row, shape in zip(rows, shapes, strict=True)
    ]
