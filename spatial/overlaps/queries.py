"""All SQL about what grids of different layers share."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, LargeBinary, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from spatial.geometry import Floats
from spatial.overlaps.model import Pieces, Shapes
from spatial.tables import SRID, GridShape, GridVersion, Overlap


def shapes_known_at(session: Session, stamp: datetime) -> Shapes:
    """Return the shapes of grid versions that became known at an instant."""
    return _shapes(session, func.lower(GridVersion.recorded) == stamp)


def shapes_near(session: Session, shapes: Shapes) -> Shapes:
    """Return the shapes of all layers, in force at any time as known now, within the bounds of some."""
    bounds = func.ST_MakeEnvelope(*shapely.total_bounds(shapes.shapes).tolist(), SRID)
    return _shapes(session, func.upper_inf(GridVersion.recorded), GridVersion.geom.op("&&")(bounds))


def is_measured(session: Session, shapes: Shapes) -> NDArray[np.bool_]:
    """Return which shapes are measured already."""
    known = set(session.scalars(select(GridShape.sha256).where(_among(GridShape.sha256, shapes.sha256.tolist()))))
    return np.array([one in known for one in shapes.sha256], bool)


def pairs_of(session: Session, shapes: Shapes) -> set[tuple[bytes, bytes]]:
    """Return the pairs on record in which one of some shapes is."""
    hashes = shapes.sha256.tolist()
    wanted = select(Overlap.left_sha256, Overlap.right_sha256).where(
        or_(_among(Overlap.left_sha256, hashes), _among(Overlap.right_sha256, hashes))
    )
    return {(row[0], row[1]) for row in session.execute(wanted)}


def add_shapes(session: Session, shapes: Shapes, area_m2: Floats, border_m: Floats) -> None:
    """Record what was measured of shapes."""
    sizes = zip(shapes.sha256.tolist(), area_m2.tolist(), border_m.tolist(), strict=True)
    _add(
        session, GridShape, ({"sha256": sha256, "area_m2": area, "border_m": long_m} for sha256, area, long_m in sizes)
    )


def add_overlaps(session: Session, left: Shapes, right: Shapes, found: Pieces) -> None:
    """Record what shapes share."""
    rows = zip(
        left.sha256[found.left].tolist(),
        right.sha256[found.right].tolist(),
        found.area_m2.tolist(),
        found.left_inside_m.tolist(),
        found.right_inside_m.tolist(),
        found.together_m.tolist(),
        strict=True,
    )
    names = ("left_sha256", "right_sha256", "area_m2", "left_inside_m", "right_inside_m", "together_m")
    _add(session, Overlap, (dict(zip(names, row, strict=True)) for row in rows))


def _among(column: InstrumentedAttribute[bytes], hashes: list[bytes]) -> ColumnElement[bool]:
    return column == any_(literal(hashes, ARRAY(LargeBinary)))


def _add(session: Session, table: type[GridShape] | type[Overlap], rows: Iterable[dict[str, object]]) -> None:
    made = list(rows)
    if made:
        session.execute(insert(table).on_conflict_do_nothing(), made)


def _shapes(session: Session, *conditions: ColumnElement[bool]) -> Shapes:
    version = GridVersion
    wanted = select(version.layer_id, version.shape_sha256, func.ST_AsBinary(version.geom).label("wkb"))
    once = distinct_on(version.layer_id, version.shape_sha256)
    in_order = wanted.where(*conditions).ext(once).order_by(version.layer_id, version.shape_sha256)
    rows = session.execute(in_order).all()
    return Shapes(
        np.array([row.layer_id for row in rows], np.int64),
        np.array([row.shape_sha256 for row in rows], dtype=object),
        np.asarray(shapely.from_wkb([bytes(row.wkb) for row in rows]), dtype=object),
    )
