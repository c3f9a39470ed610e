"""Whole layers as of an instant, for those who change, check or export them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from spatial.crs import Bounds
from spatial.geometry import Geometries, Plane
from spatial.history import in_force, known
from spatial.tables import Deployment, Finding, GridVersion, Layer, Span, UnitVersion


@dataclass(frozen=True)
class GridState:
    """A grid version: what it says, over which span, with its shape in degrees."""

    version_id: int
    grid_id: int
    code: str
    name: str
    kind: str
    unit_id: int | None
    attributes: dict[str, Any]
    valid: Span
    shape: BaseGeometry


@dataclass(frozen=True)
class FindingState:
    """A recorded finding that stands now."""

    id: int
    kind: str
    severity: str
    grids: tuple[str, ...]
    detail: dict[str, Any]
    valid: Span
    shape: BaseGeometry | None


def layer_of(session: Session, code: str) -> Layer | None:
    """Return a layer by code; None when there is none."""
    return session.scalars(select(Layer).where(Layer.code == code)).one_or_none()


def grids_in_force(session: Session, layer_id: int, at: datetime, known_at: datetime | None = None) -> list[GridState]:
    """Return the grids of a layer in bytewise order of code."""
    return _states(session, GridVersion.layer_id == layer_id, in_force(GridVersion, at, known_at))


def next_starts(session: Session, layer_id: int, after: datetime) -> dict[int, datetime]:
    """Return, by grid, when its next version begins, of those that have one that begins after an instant."""
    start: Any = func.lower(GridVersion.valid)
    wanted = (
        select(GridVersion.grid_id, func.min(start))
        .where(GridVersion.layer_id == layer_id, known(GridVersion, None), start > after)
        .group_by(GridVersion.grid_id)
    )
    return {row[0]: row[1] for row in session.execute(wanted)}


def grid_ids(session: Session, layer_id: int) -> dict[str, int]:
    """Return the grid of every code that the layer ever gave."""
    rows = session.execute(select(GridVersion.code, GridVersion.grid_id).where(GridVersion.layer_id == layer_id))
    return {row[0]: row[1] for row in rows}


def unit_ids(session: Session, at: datetime) -> dict[str, int]:
    """Return the units in force by code."""
    rows = session.execute(select(UnitVersion.code, UnitVersion.unit_id).where(in_force(UnitVersion, at, None)))
    return {row[0]: row[1] for row in rows}


def unit_codes(session: Session, at: datetime, known_at: datetime | None = None) -> dict[int, str]:
    """Return the codes of the units in force by id."""
    rows = session.execute(select(UnitVersion.unit_id, UnitVersion.code).where(in_force(UnitVersion, at, known_at)))
    return {row[0]: row[1] for row in rows}


def plane(session: Session) -> Plane | None:
    """Return the deployment's plane; None before anything is loaded."""
    lon_0 = session.scalar(select(Deployment.lon_0))
    return None if lon_0 is None else Plane(lon_0)


def extent(session: Session, at: datetime) -> Bounds | None:
    """Return the bounds of all grids in force, in degrees; None when there are none."""
    box = select(func.ST_Extent(GridVersion.geom).label("box")).where(in_force(GridVersion, at, None)).subquery()
    corners = [getattr(func, name)(box.c.box) for name in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")]
    west, south, east, north = session.execute(select(*corners)).one()
    return None if west is None else (west, south, east, north)


def next_change(session: Session, layer_id: int, after: datetime) -> datetime | None:
    """Return the first instant after another at which a version of the layer begins or ends."""
    ends = [getattr(func, name)(GridVersion.valid) for name in ("lower", "upper")]
    firsts = [func.min(end).filter(end > after) for end in ends]
    found: datetime | None = session.scalar(
        select(func.least(*firsts)).where(GridVersion.layer_id == layer_id, known(GridVersion, None))
    )
    return found


def standing_findings(session: Session, layer_id: int, at: datetime, kinds: Collection[str]) -> list[FindingState]:
    """Return the findings of some kinds that stand at an instant, as known now."""
    wanted = select(Finding, func.ST_AsBinary(Finding.geom).label("wkb")).where(
        Finding.layer_id == layer_id,
        Finding.kind.in_(kinds),
        Finding.valid.op("@>")(at),
        known(Finding, None),
    )
    return [
        FindingState(
            row.Finding.id,
            row.Finding.kind,
            row.Finding.severity,
            tuple(row.Finding.grids),
            row.Finding.detail,
            row.Finding.valid,
            None if row.wkb is None else shapely.from_wkb(bytes(row.wkb)),
        )
        for row in session.execute(wanted)
    ]


def shapes_of(states: Collection[GridState]) -> Geometries:
    """Return the shapes of grid versions as one array."""
    shapes = np.empty(len(states), dtype=object)
    shapes[:] = [state.shape for state in states]
    return shapes


def _states(session: Session, *conditions: ColumnElement[bool]) -> list[GridState]:
    version = GridVersion
    wanted = (
        select(
            version.id,
            version.grid_id,
            version.code,
            version.name,
            version.kind,
            version.unit_id,
            version.attributes,
            version.valid,
            func.ST_AsBinary(version.geom).label("wkb"),
        )
        .where(*conditions)
        .order_by(version.code)
    )
    rows = session.execute(wanted).all()
    shapes = shapely.from_wkb([bytes(row.wkb) for row in rows])
    return [
        GridState(row.id, row.grid_id, row.code, row.name, row.kind, row.unit_id, row.attributes, row.valid, shape)
        for row, shape in zip(rows, shapes, strict=True)
    ]
