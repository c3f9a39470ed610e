"""All SQL about what is found wrong with layers."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, any_, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import Text

from spatial.db import reach_in
from spatial.findings.model import Acknowledged, Beatless, Coded, Flaw
from spatial.grids.tiling import Severity
from spatial.history import Moment, in_force, known
from spatial.tables import (
    Acknowledgement,
    Assignment,
    Finding,
    Grid,
    GridVersion,
    Layer,
    Officer,
    OfficerVersion,
    Span,
    UnitVersion,
)


@dataclass(frozen=True)
class Recorded:
    """A finding on record, without what its grids say; over which span it stands, and since when the system knows."""

    flaw: Flaw
    valid: Span
    recorded: Span


def own_grids(session: Session, layer: Layer, moment: Moment) -> dict[int, Coded]:
    """Return the grids of a layer in force, each with the code of its unit, by id, in the order of codes.

    Of neighbours whose people whoever asks does not see, nothing is checked.
    """
    at, known_at = moment.at, moment.known_at
    named = (UnitVersion.unit_id == GridVersion.unit_id) & in_force(UnitVersion, at, known_at)
    columns = (GridVersion.code, GridVersion.name, UnitVersion.code, func.lower(GridVersion.valid))
    wanted = (
        select(GridVersion.grid_id, GridVersion.unit_id, *columns)
        .outerjoin(UnitVersion, named)
        .where(GridVersion.layer_id == layer.id, in_force(GridVersion, at, known_at))
        .order_by(GridVersion.code)
    )
    reach = reach_in(session)
    rows = session.execute(wanted)
    return {row[0]: Coded(*row[2:]) for row in rows if reach is None or reach.sees_people_of(row[1])}


def officers_of_grids(session: Session, layer: Layer, moment: Moment) -> dict[int, list[tuple[str, str]]]:
    """Return who holds each grid of a layer, and as what, by id."""
    held: dict[int, list[tuple[str, str]]] = defaultdict(list)
    assigned = (
        select(Assignment.grid_id, Officer.number, Assignment.role)
        .join(Officer, Officer.id == Assignment.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(Grid.layer_id == layer.id, in_force(Assignment, moment.at, moment.known_at))
        .order_by(Officer.number)
    )
    for grid_id, number, role in session.execute(assigned):
        held[grid_id].append((number, role))
    return held


def without_grid(session: Session, layer: Layer, moment: Moment) -> list[Beatless]:
    """Return officers who hold no grid, of kinds that lead grids of the layer, in units that have such grids."""
    at, known_at = moment.at, moment.known_at
    led = (
        select(OfficerVersion.kind)
        .join(Assignment, Assignment.officer_id == OfficerVersion.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(
            Grid.layer_id == layer.id,
            Assignment.role == "lead",
            in_force(Assignment, at, known_at),
            in_force(OfficerVersion, at, known_at),
        )
    )
    with_grids = select(GridVersion.unit_id).where(
        GridVersion.layer_id == layer.id, in_force(GridVersion, at, known_at)
    )
    holds = exists().where(Assignment.officer_id == OfficerVersion.officer_id, in_force(Assignment, at, known_at))
    wanted = (
        select(
            OfficerVersion.unit_id,
            Officer.number,
            OfficerVersion.kind,
            UnitVersion.code,
            func.lower(OfficerVersion.valid),
        )
        .join(OfficerVersion, OfficerVersion.officer_id == Officer.id)
        .outerjoin(UnitVersion, (UnitVersion.unit_id == OfficerVersion.unit_id) & in_force(UnitVersion, at, known_at))
        .where(
            in_force(OfficerVersion, at, known_at),
            OfficerVersion.kind.in_(led),
            OfficerVersion.unit_id.in_(with_grids),
            ~holds,
        )
        .order_by(Officer.number)
    )
    reach = reach_in(session)  # what officers of other units hold, who serve here for a while, is not seen
    rows = session.execute(wanted)
    return [Beatless(*row[1:]) for row in rows if reach is None or reach.sees_people_of(row[0])]


def recorded(session: Session, layer: Layer, moment: Moment, kinds: Collection[str]) -> list[Recorded]:
    """Return the findings of some kinds on record of a layer that stand at a moment."""
    wanted = (
        select(Finding, func.ST_AsBinary(Finding.geom).label("wkb"))
        .where(
            Finding.layer_id == layer.id,
            Finding.kind.in_(kinds),
            Finding.valid.op("@>")(moment.at),
            known(Finding, moment.known_at),
        )
        .order_by(Finding.id)
    )
    return [_recorded(row.Finding, row.wkb) for row in session.execute(wanted)]


def _recorded(one: Finding, wkb: memoryview | None) -> Recorded:
    shape = None if wkb is None else shapely.from_wkb(bytes(wkb))
    severity = cast("Severity", one.severity)
    told = (tuple(one.grids), (), (), one.area_m2, shape, None, dict(one.detail))
    return Recorded(Flaw(one.kind, severity, *told), one.valid, one.recorded)


def acknowledgements(session: Session, moment: Moment, keys: Collection[str]) -> dict[str, Acknowledged]:
    """Return who knows of some findings at a moment, by their keys."""
    table = Acknowledgement
    wanted = select(table.finding_key, table.reason, table.acknowledged_by, table.valid)
    rows = session.execute(wanted.where(_among(table.finding_key, keys), in_force(table, moment.at, moment.known_at)))
    return {row[0]: Acknowledged(*row[1:]) for row in rows}


def inner_points(session: Session, layer: str, codes: Iterable[str], moment: Moment) -> dict[str, BaseGeometry]:
    """Return a point inside of each of some grids of a layer, by code."""
    wanted = (
        select(GridVersion.code, func.ST_AsBinary(func.ST_PointOnSurface(GridVersion.geom)))
        .join(Layer, Layer.id == GridVersion.layer_id)
        .where(
            Layer.code == layer,
            _among(GridVersion.code, set(codes)),
            in_force(GridVersion, moment.at, moment.known_at),
        )
    )
    return {row[0]: shapely.from_wkb(bytes(row[1])) for row in session.execute(wanted)}


def _among(column: InstrumentedAttribute[Any], texts: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text is one of some; as an array, for which one statement serves any number."""
    return column == any_(literal(list(texts), ARRAY(Text)))
