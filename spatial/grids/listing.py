"""Layers, grids, their versions and neighbours, as lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from spatial.errors import NotFound
from spatial.geometry import area_m2
from spatial.grids.queries import find_layer
from spatial.history import Moment, in_force, known
from spatial.paging import Page, Paged, paged
from spatial.tables import GridVersion, Layer, Unit, UnitVersion


@dataclass(frozen=True)
class GridRow:
    """A version of a grid, with its unit as it is called at the moment asked for."""

    version: GridVersion
    unit: str | None
    unit_name: str | None
    shape: BaseGeometry
    area_m2: float


@dataclass(frozen=True)
class NeighbourRow:
    """A grid that touches another, and along how many metres of border (0: at a corner)."""

    grid: GridRow
    border_m: float


def is_empty(session: Session) -> bool:
    """Return whether nothing has been loaded yet: no layer, no unit."""
    return not session.scalar(select(exists(select(Layer.id)) | exists(select(Unit.id))))


def layer_rows(session: Session, moment: Moment) -> Sequence[Row[Any]]:
    """Return all layers in their order of display, with the number of grids in force and the layers related."""
    parent, cells = aliased(Layer), aliased(Layer)
    count = (
        select(func.count())
        .where(GridVersion.layer_id == Layer.id, in_force(GridVersion, moment.at, moment.known_at))
        .scalar_subquery()
    )
    wanted = (
        select(Layer, parent.code.label("parent"), cells.code.label("built_from"), count.label("grids"))
        .outerjoin(parent, parent.id == Layer.parent_layer_id)
        .outerjoin(cells, cells.id == Layer.built_from_id)
        .order_by(Layer.position, Layer.code)
    )
    return session.execute(wanted).all()


def layer_codes(session: Session) -> list[str]:
    """Return the codes of all layers."""
    return list(session.scalars(select(Layer.code).order_by(Layer.position, Layer.code)))


def layer_named(session: Session, code: str) -> Layer:
    """Return a layer by code, or raise `NotFound`."""
    layer = find_layer(session, code)
    if layer is None:
        raise NotFound("no-such-layer", layer=code)
    return layer


def grid_rows(
    session: Session, layer: Layer, moment: Moment, page: Page, *, code: str | None = None, unit: str | None = None
) -> Paged[GridRow]:
    """Return a page of a layer's grids in force, by code."""
    wanted = _versions(moment).where(
        GridVersion.layer_id == layer.id, in_force(GridVersion, moment.at, moment.known_at)
    )
    if code is not None:
        wanted = wanted.where(GridVersion.code == code)
    if unit is not None:
        wanted = wanted.where(UnitVersion.code == unit)
    found = paged(session, wanted, GridVersion.code, page)
    return Paged(_grid_rows(found.rows), found.next_after)


def grid_named(session: Session, layer: Layer, code: str, moment: Moment) -> GridRow:
    """Return a grid in force by code, or raise `NotFound`."""
    found = grid_rows(session, layer, moment, Page(1, None), code=code).rows
    if not found:
        raise NotFound("no-such-grid", layer=layer.code, code=code)
    return found[0]


def version_rows(session: Session, layer: Layer, code: str, moment: Moment) -> list[GridRow]:
    """Return every version of the grid that ever had a code, oldest first, as known at the moment."""
    named = select(GridVersion.grid_id).where(GridVersion.layer_id == layer.id, GridVersion.code == code)
    wanted = _versions(moment).where(GridVersion.grid_id.in_(named), known(GridVersion, moment.known_at))
    found = session.execute(wanted.order_by(GridVersion.valid)).all()
    if not found:
        raise NotFound("no-such-grid", layer=layer.code, code=code)
    return _grid_rows(found)


def neighbour_rows(session: Session, layer: Layer, code: str, moment: Moment) -> list[NeighbourRow]:
    """Return the grids that touch a grid, by code."""
    here = aliased(GridVersion)
    border = func.ST_Intersection(func.ST_Boundary(here.geom), func.ST_Boundary(GridVersion.geom))
    length = func.ST_Length(func.geography(func.ST_SetSRID(func.ST_CollectionExtract(border, 2), 4326)))
    wanted = (
        _versions(moment)
        .add_columns(length.label("border_m"))
        .join(here, (here.layer_id == GridVersion.layer_id) & func.ST_Intersects(here.geom, GridVersion.geom))
        .where(
            here.layer_id == layer.id,
            here.code == code,
            here.grid_id != GridVersion.grid_id,
            in_force(here, moment.at, moment.known_at),
            in_force(GridVersion, moment.at, moment.known_at),
        )
        .order_by(GridVersion.code)
    )
    rows = session.execute(wanted).all()
    borders = (row.border_m for row in rows)
    return [NeighbourRow(grid, border_m) for grid, border_m in zip(_grid_rows(rows), borders, strict=True)]


def _versions(moment: Moment) -> Select[*tuple[Any, ...]]:
    """Return a select of grid versions with shape and unit, the unit as it is called at the moment."""
    named = (UnitVersion.unit_id == GridVersion.unit_id) & in_force(UnitVersion, moment.at, moment.known_at)
    return select(
        GridVersion,
        UnitVersion.code.label("unit"),
        UnitVersion.name.label("unit_name"),
        func.ST_AsBinary(GridVersion.geom).label("wkb"),
    ).outerjoin(UnitVersion, named)


def _grid_rows(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[GridRow]:
    shapes = shapely.from_wkb(np.array([bytes(row.wkb) for row in rows], dtype=object))
    return [
        GridRow(row.GridVersion, row.unit, row.unit_name, shape, float(area))
        for row, shape, area in zip(rows, shapes, area_m2(shapes), strict=True)
    ]
