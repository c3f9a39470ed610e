"""All SQL about what grids of different layers share."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, LargeBinary, Select, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from spatial.crs import Bounds
from spatial.geometry import Floats
from spatial.grids.units import among
from spatial.history import Moment, in_force, known
from spatial.overlaps.model import Longs, Matrix, Piece, Pieces, Shapes, Side
from spatial.tables import (
    SRID,
    Address,
    Assignment,
    Category,
    Grid,
    GridArea,
    GridCell,
    GridVersion,
    Incident,
    Layer,
    Overlap,
)
from spatial.time import Period

_MEASURED = (Overlap.area_m2, Overlap.left_inside_m, Overlap.right_inside_m, Overlap.together_m)


def versions_known_at(session: Session, stamp: datetime) -> tuple[Longs, Shapes]:
    """Return the grid versions that became known at an instant, by id, and their shapes."""
    version = GridVersion
    wanted = select(version.id, version.layer_id, version.shape_sha256, func.ST_AsBinary(version.geom).label("wkb"))
    rows = session.execute(wanted.where(func.lower(version.recorded) == stamp).order_by(version.id)).all()
    return np.array([row.id for row in rows], np.int64), _as_shapes(rows)


def shapes_near(session: Session, shapes: Shapes) -> Shapes:
    """Return the shapes of all layers, in force at any time as known now, within the bounds of some."""
    bounds = func.ST_MakeEnvelope(*shapely.total_bounds(shapes.shapes).tolist(), SRID)
    return _shapes(session, func.upper_inf(GridVersion.recorded), GridVersion.geom.op("&&")(bounds))


def pairs_of(session: Session, shapes: Shapes) -> set[tuple[bytes, bytes]]:
    """Return the pairs on record in which one of some shapes is."""
    hashes = shapes.sha256.tolist()
    wanted = select(Overlap.left_sha256, Overlap.right_sha256).where(
        or_(_any_of(Overlap.left_sha256, hashes), _any_of(Overlap.right_sha256, hashes))
    )
    return {(row[0], row[1]) for row in session.execute(wanted)}


def add_areas(session: Session, version_ids: Longs, area_m2: Floats) -> None:
    """Record how large grid versions are."""
    rows = zip(version_ids.tolist(), area_m2.tolist(), strict=True)
    _add(session, GridArea, ({"version_id": version_id, "area_m2": area} for version_id, area in rows))


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


def sides(session: Session, layer_id: int, moment: Moment) -> list[Side]:
    """Return the grids of a layer in force, with the sizes of their shapes, by code."""
    version = GridVersion
    wanted = (
        select(
            version.id,
            version.grid_id,
            version.code,
            version.name,
            version.unit_id,
            GridArea.area_m2,
        )
        .join(GridArea, GridArea.version_id == version.id)
        .where(version.layer_id == layer_id, in_force(version, moment.at, moment.known_at))
        .order_by(version.code)
    )
    return [Side(*row) for row in session.execute(wanted)]


def matrix(session: Session, layer: Layer, other: Layer, moment: Moment) -> Matrix:
    """Return what the grids in force of two layers share."""
    is_turned = layer.id > other.id  # on record, what was there first is on the left
    first, second = (other, layer) if is_turned else (layer, other)
    left, right = sides(session, first.id, moment), sides(session, second.id, moment)
    one, two = aliased(GridVersion), aliased(GridVersion)
    wanted = (
        select(one.id, two.id, *_MEASURED)
        .join(one, one.shape_sha256 == Overlap.left_sha256)
        .join(two, two.shape_sha256 == Overlap.right_sha256)
        .where(
            one.layer_id == first.id,
            two.layer_id == second.id,
            in_force(one, moment.at, moment.known_at),
            in_force(two, moment.at, moment.known_at),
        )
    )
    side = {one.version_id: one for one in (*left, *right)}
    found = [Piece(side[row[0]], side[row[1]], *row[2:]) for row in session.execute(wanted)]
    if is_turned:
        left, right, found = right, left, [piece.turned() for piece in found]
    ordered = sorted(found, key=lambda piece: (piece.left.code, piece.right.code))
    return Matrix(tuple(left), tuple(right), tuple(ordered))


def addresses(session: Session, within: Bounds | None) -> tuple[Floats, Floats]:
    """Return longitude and latitude of addresses, and the dwellings at each."""
    return _points(session, Address.point, Address.dwellings, within, select())


def incidents(session: Session, moment: Moment, period: Period, within: Bounds | None) -> tuple[Floats, Floats]:
    """Return longitude and latitude of the incidents of a period, and the minutes that each usually takes."""
    reported = (Incident.at >= period.start, Incident.at < period.end, known(Incident, moment.known_at))
    wanted = select().join_from(Incident, Category, Category.id == Incident.category_id).where(*reported)
    return _points(session, Incident.point, Category.handling_minutes, within, wanted)


def officers_of(session: Session, layer_id: int, moment: Moment) -> dict[int, set[int]]:
    """Return who is responsible for each grid of a layer, by id."""
    wanted = (
        select(Assignment.grid_id, Assignment.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(Grid.layer_id == layer_id, in_force(Assignment, moment.at, moment.known_at))
    )
    found: dict[int, set[int]] = defaultdict(set)
    for grid_id, officer_id in session.execute(wanted):
        found[grid_id].add(officer_id)
    return found


def grids_of_cells(session: Session, layer_id: int, moment: Moment) -> dict[int, int]:
    """Return the grid of each cell of a layer built from cells, by ids."""
    wanted = select(GridCell.cell_id, GridCell.grid_id).where(
        GridCell.layer_id == layer_id, in_force(GridCell, moment.at, moment.known_at)
    )
    return {row[0]: row[1] for row in session.execute(wanted)}


def shapes_of(session: Session, version_ids: Iterable[int]) -> dict[int, BaseGeometry]:
    """Return the shapes of grid versions, in degrees, by id."""
    wanted = select(GridVersion.id, func.ST_AsBinary(GridVersion.geom)).where(among(GridVersion.id, set(version_ids)))
    rows = session.execute(wanted).all()
    return dict(zip((row[0] for row in rows), shapely.from_wkb([bytes(row[1]) for row in rows]), strict=True))


def _points(
    session: Session, point: Any, weight: Any, within: Bounds | None, wanted: Select[*tuple[Any, ...]]
) -> tuple[Floats, Floats]:
    made = wanted.add_columns(func.ST_X(point), func.ST_Y(point), weight)
    if within is not None:
        made = made.where(point.op("&&")(func.ST_MakeEnvelope(*within, SRID)))
    rows = np.array([tuple(row) for row in session.execute(made)], np.float64).reshape(-1, 3)
    return np.ascontiguousarray(rows[:, :2]), rows[:, 2]


def _any_of(column: InstrumentedAttribute[bytes], hashes: list[bytes]) -> ColumnElement[bool]:
    return column == any_(literal(hashes, ARRAY(LargeBinary)))


def _add(session: Session, table: type[GridArea] | type[Overlap], rows: Iterable[dict[str, object]]) -> None:
    made = list(rows)
    if made:
        session.execute(insert(table).on_conflict_do_nothing(), made)


def _shapes(session: Session, *conditions: ColumnElement[bool]) -> Shapes:
    version = GridVersion
    wanted = select(version.layer_id, version.shape_sha256, func.ST_AsBinary(version.geom).label("wkb"))
    once = distinct_on(version.layer_id, version.shape_sha256)
    in_order = wanted.where(*conditions).ext(once).order_by(version.layer_id, version.shape_sha256)
    return _as_shapes(session.execute(in_order).all())


def _as_shapes(rows: Sequence[Any]) -> Shapes:
    return Shapes(
        np.array([row.layer_id for row in rows], np.int64),
        np.array([row.shape_sha256 for row in rows], dtype=object),
        np.asarray(shapely.from_wkb([bytes(row.wkb) for row in rows]), dtype=object),
    )
