"""Whole layers as of an instant, for those who change, check or export them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from spatial.crs import Bounds
from spatial.geometry import Geometries
from spatial.grids.standing import Piece
from spatial.grids.tiling import Identity, identity
from spatial.history import in_force, known
from spatial.tables import Finding, GridCell, GridVersion, Layer, Span, UnitVersion

# How far beyond the outermost grids a place may lie: some 50 km. A motorway, a search or help for a neighbour leads so
# far; and half a degree at most lets a wrong figure of whole degrees be noticed from the middle of a city as well.
NEAR_DEGREES = 0.5


@dataclass(frozen=True)
class GridRecord:
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
class UnitRecord:
    """A unit version: its code and name over a span."""

    version_id: int
    unit_id: int
    code: str
    name: str
    valid: Span


@dataclass(frozen=True)
class FindingRecord:
    """A recorded finding: what makes it itself, and over which span it stands."""

    id: int
    identity: Identity
    valid: Span


def find_layer(session: Session, code: str) -> Layer | None:
    """Return a layer by code; None when there is none."""
    return session.scalars(select(Layer).where(Layer.code == code)).one_or_none()


def records_in_force(
    session: Session, layer_id: int, at: datetime, known_at: datetime | None = None
) -> list[GridRecord]:
    """Return the grids of a layer in bytewise order of code."""
    return _records(session, GridVersion.layer_id == layer_id, in_force(GridVersion, at, known_at))


def records_after(session: Session, layer_id: int, at: datetime) -> list[GridRecord]:
    """Return the versions on record that begin after an instant, earliest first."""
    begins: Any = func.lower(GridVersion.valid)
    later = _records(session, GridVersion.layer_id == layer_id, known(GridVersion, None), begins > at)
    return sorted(later, key=lambda record: record.valid.lower or at)


def cells_used(session: Session, layer_id: int, start: datetime) -> dict[str, dict[int, list[Span]]]:
    """Return, by code of the layers built from a layer's grids, which of these they use from `start` on, and when."""
    wanted = (
        select(Layer.code, GridCell.cell_id, GridCell.valid)
        .join(GridCell, GridCell.layer_id == Layer.id)
        .where(
            Layer.built_from_id == layer_id,
            known(GridCell, None),
            GridCell.valid.op("&&")(func.tstzrange(start, None)),
        )
    )
    used: dict[str, dict[int, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for code, cell_id, valid in session.execute(wanted):
        used[code][cell_id].append(valid)
    return used


def grid_ids(session: Session, layer_id: int) -> dict[str, int]:
    """Return the grid of every code that the layer ever gave."""
    rows = session.execute(select(GridVersion.code, GridVersion.grid_id).where(GridVersion.layer_id == layer_id))
    return {row[0]: row[1] for row in rows}


def unit_records(session: Session) -> list[UnitRecord]:
    """Return the versions of all units at all times, earliest first."""
    version = UnitVersion
    wanted = select(version.id, version.unit_id, version.code, version.name, version.valid)
    rows = session.execute(wanted.where(known(version, None)).order_by(version.valid, version.code))
    return [UnitRecord(*row) for row in rows]


def unit_codes(session: Session, at: datetime, known_at: datetime | None = None) -> dict[int, str]:
    """Return the codes of the units in force by id."""
    rows = session.execute(select(UnitVersion.unit_id, UnitVersion.code).where(in_force(UnitVersion, at, known_at)))
    return {row[0]: row[1] for row in rows}


def surroundings(session: Session, at: datetime) -> Bounds | None:
    """Return the bounds in degrees within which places of this deployment lie; None where there are no grids."""
    box = select(func.ST_Extent(GridVersion.geom).label("box")).where(in_force(GridVersion, at, None)).subquery()
    corners = [getattr(func, name)(box.c.box) for name in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")]
    west, south, east, north = session.execute(select(*corners)).one()
    if west is None:
        return None
    return west - NEAR_DEGREES, south - NEAR_DEGREES, east + NEAR_DEGREES, north + NEAR_DEGREES


def findings_from(session: Session, layer_id: int, start: datetime, kinds: Collection[str]) -> list[FindingRecord]:
    """Return the findings of some kinds on record that stand at or after an instant, earliest first."""
    wanted = (
        select(Finding, func.ST_AsBinary(Finding.geom).label("wkb"))
        .where(
            Finding.layer_id == layer_id,
            Finding.kind.in_(kinds),
            Finding.valid.op("&&")(func.tstzrange(start, None)),
            known(Finding, None),
        )
        .order_by(Finding.valid)
    )
    found = [(row.Finding, row.wkb) for row in session.execute(wanted)]
    shapes = [None if wkb is None else shapely.from_wkb(bytes(wkb)) for _, wkb in found]
    return [
        FindingRecord(one.id, identity(one.kind, tuple(one.grids), shape), one.valid)
        for (one, _), shape in zip(found, shapes, strict=True)
    ]


def shapes_of(records: Collection[GridRecord]) -> Geometries:
    """Return the shapes of grid versions as one array."""
    shapes = np.empty(len(records), dtype=object)
    shapes[:] = [record.shape for record in records]
    return shapes


def pieces_from(session: Session, layer_id: int | None, at: datetime) -> tuple[Piece, ...]:
    """Return what a layer holds from an instant on; of no layer, nothing."""
    if layer_id is None:
        return ()
    return tuple(pieces_of(records_in_force(session, layer_id, at) + records_after(session, layer_id, at)))


def tilings_within(session: Session, layer_id: int) -> list[Layer]:
    """Return the tilings whose grids should cover a layer's grids together."""
    inner = select(Layer).where(Layer.parent_layer_id == layer_id, Layer.kind == "tiling")
    return list(session.scalars(inner.order_by(Layer.position, Layer.code)))


def pieces_of(records: Iterable[GridRecord]) -> list[Piece]:
    """Return grid versions as what findings are decided from."""
    return [Piece(record.code, record.shape, record.valid) for record in records]


def _records(session: Session, *conditions: ColumnElement[bool]) -> list[GridRecord]:
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
        GridRecord(row.id, row.grid_id, row.code, row.name, row.kind, row.unit_id, row.attributes, row.valid, shape)
        for row, shape in zip(rows, shapes, strict=True)
    ]
