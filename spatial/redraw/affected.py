"""All SQL about what lies in grids and hangs on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from spatial import tables as t
from spatial.crs import Bounds
from spatial.geometry import Floats
from spatial.grids.units import among
from spatial.history import in_force, known


@dataclass(frozen=True)
class Address:
    """An address that is numbered."""

    code: str
    text: str
    dwellings: int


@dataclass(frozen=True)
class Incident:
    """An incident that is not closed."""

    source: str
    external_id: str
    category: str
    reported_at: datetime


@dataclass(frozen=True)
class Place:
    """A station, post, mast or building."""

    code: str
    name: str
    klass: str


@dataclass(frozen=True)
class Officer:
    """An officer by number, name and unit."""

    number: str
    name: str | None
    unit: str | None


@dataclass(frozen=True)
class Assignment:
    """Who is responsible for a grid."""

    grid_id: int
    officer: Officer
    role: str


@dataclass(frozen=True)
class Shift:
    """A shift that covers a grid over a span; of an officer or a team."""

    grid_id: int
    uuid: UUID
    kind: str
    officer: str | None
    team: str | None
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Rule:
    """A staffing rule or an override, by code."""

    grid_id: int
    code: str


def addresses(session: Session, within: Bounds, _at: datetime) -> tuple[Sequence[Address], Floats]:
    """Return the addresses within bounds, and where they are."""
    table = t.Address
    wanted = select(table.code, table.text, table.dwellings, *_lonlat(table.point)).where(_within(table.point, within))
    return _placed(Address, session.execute(wanted.order_by(table.code)).all())


def open_incidents(session: Session, within: Bounds, _at: datetime) -> tuple[Sequence[Incident], Floats]:
    """Return the incidents within bounds that are not closed, and where they are."""
    table = t.Incident
    wanted = (
        select(t.Source.code, t.IncidentKey.external_id, t.Category.code, table.at, *_lonlat(table.point))
        .join(t.IncidentKey, t.IncidentKey.id == table.incident_key_id)
        .join(t.Source, t.Source.id == t.IncidentKey.source_id)
        .join(t.Category, t.Category.id == table.category_id)
        .where(_within(table.point, within), known(table, None), table.closed_at.is_(None))
        .order_by(t.Source.code, t.IncidentKey.external_id)
    )
    return _placed(Incident, session.execute(wanted).all())


def places(session: Session, within: Bounds, at: datetime) -> tuple[Sequence[Place], Floats]:
    """Return the places within bounds at an instant, and where they are."""
    table = t.PlaceVersion
    wanted = (
        select(t.Place.code, table.name, table.klass, *_lonlat(table.point))
        .join(t.Place, t.Place.id == table.place_id)
        .where(_within(table.point, within), in_force(table, at, None))
        .order_by(t.Place.code)
    )
    return _placed(Place, session.execute(wanted).all())


def assignments(session: Session, grid_ids: Collection[int], at: datetime) -> list[Assignment]:
    """Return who is responsible for grids from an instant on."""
    table, version = t.Assignment, t.OfficerVersion
    wanted = (
        select(table.grid_id, t.Officer.number, version.name, t.UnitVersion.code, table.role)
        .join(t.Officer, t.Officer.id == table.officer_id)
        .outerjoin(version, (version.officer_id == table.officer_id) & in_force(version, at, None))
        .outerjoin(t.UnitVersion, (t.UnitVersion.unit_id == version.unit_id) & in_force(t.UnitVersion, at, None))
        .where(among(table.grid_id, grid_ids), _goes_on(table, "valid", at))
        .order_by(t.Officer.number, table.grid_id)
    )
    return [Assignment(row[0], Officer(*row[1:4]), row[4]) for row in session.execute(wanted)]


def shifts(session: Session, grid_ids: Collection[int], at: datetime) -> list[Shift]:
    """Return the shifts that cover grids after an instant, that are not cancelled."""
    table: Any = t.Shift
    team = select(t.Team.code).where(t.Team.id == table.team_id).scalar_subquery()
    officer = select(t.Officer.number).where(t.Officer.id == table.officer_id).scalar_subquery()
    wanted = (
        select(
            t.Cover.grid_id,
            table.uuid,
            table.kind,
            officer,
            team,
            func.lower(t.Cover.span),
            func.upper(t.Cover.span),
        )
        .join(t.Shift, t.Shift.id == t.Cover.shift_id)
        .where(among(t.Cover.grid_id, grid_ids), _goes_on(t.Cover, "span", at), known(t.Shift, None))
        .where(table.state != "cancelled")
        .order_by(func.lower(t.Cover.span), table.uuid)
    )
    return [Shift(*row) for row in session.execute(wanted)]


def rules(session: Session, grid_ids: Collection[int], at: datetime) -> list[Rule]:
    """Return the staffing rules of grids from an instant on."""
    return _coded(session, t.StaffingRule, grid_ids, at)


def overrides(session: Session, grid_ids: Collection[int], at: datetime) -> list[Rule]:
    """Return the overrides in favour of grids from an instant on."""
    return _coded(session, t.Override, grid_ids, at)


def _coded(
    session: Session, table: type[t.StaffingRule] | type[t.Override], grid_ids: Collection[int], at: datetime
) -> list[Rule]:
    columns: Any = table
    wanted = select(columns.grid_id, columns.code).where(among(columns.grid_id, grid_ids), _goes_on(table, "valid", at))
    return [Rule(*row) for row in session.execute(wanted.order_by(columns.code))]


def _goes_on(table: Any, span: str, at: datetime) -> ColumnElement[bool]:
    return and_(getattr(table, span).op("&&")(func.tstzrange(at, None)), known(table, None))


def _within(point: Any, within: Bounds) -> ColumnElement[bool]:
    found: ColumnElement[bool] = point.op("&&")(func.ST_MakeEnvelope(*within, t.SRID))
    return found


def _lonlat(point: Any) -> tuple[Any, Any]:
    return func.ST_X(point), func.ST_Y(point)


def _placed(of: Any, rows: Sequence[Any]) -> tuple[Any, Floats]:
    lonlat = np.array([tuple(row[-2:]) for row in rows], np.float64).reshape(-1, 2)
    return [of(*row[:-2]) for row in rows], lonlat
