"""What is known already of where things are, against which an import is held."""

from collections.abc import Collection
from datetime import datetime

import numpy as np
from geoalchemy2.shape import to_shape
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from spatial.geometry import Geometries
from spatial.grids import queries
from spatial.history import in_force
from spatial.imports.grids.model import PlannedGrid
from spatial.tables import Layer, UnitVersion


def known_places(session: Session, grids: Collection[PlannedGrid], at: datetime) -> tuple[Geometries, Geometries]:
    """Return the shapes of grids, and what is on record of the same: the grid itself, or a unit of its code or name."""
    names = {name for grid in grids for name in (grid.code, grid.name)}
    unit = select(UnitVersion.code, UnitVersion.name, UnitVersion.geom).where(
        in_force(UnitVersion, at, None),
        UnitVersion.geom.is_not(None),
        or_(UnitVersion.code.in_(names), UnitVersion.name.in_(names)),
    )
    outlines = {}
    for code, name, geom in session.execute(unit):
        if geom is not None:
            outlines[name] = outlines[code] = to_shape(geom)
    pairs = [
        (grid.shape, grid.old.shape if grid.old else outlines.get(grid.code, outlines.get(grid.name))) for grid in grids
    ]
    found = [pair for pair in pairs if pair[1] is not None]
    return _shapes([shape for shape, _ in found]), _shapes([known for _, known in found])


def other_tiling(session: Session, layer: str, at: datetime) -> Geometries:
    """Return the grids in force of the first other layer that tiles the area; none where there is none."""
    others = select(Layer).where(Layer.kind == "tiling", Layer.code != layer).order_by(Layer.position, Layer.code)
    for other in session.scalars(others):
        if records := queries.records_in_force(session, other.id, at):
            return queries.shapes_of(records)
    return _shapes([])


def _shapes(shapes: Collection[object]) -> Geometries:
    made = np.empty(len(shapes), dtype=object)
    made[:] = list(shapes)
    return made
