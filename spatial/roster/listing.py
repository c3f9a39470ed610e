"""The roster as lists, in pages."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, true
from sqlalchemy.orm import Session

from spatial.db import reach_in
from spatial.grids.units import among
from spatial.history import Moment, in_force, known
from spatial.paging import Page, Paged, by_time, paged
from spatial.tables import (
    Assignment,
    GridVersion,
    Layer,
    Officer,
    OfficerVersion,
    Place,
    Shift,
    Team,
    TeamMember,
    TeamVersion,
    UnitVersion,
)
from spatial.tables.duty import Cover


def officer_rows(
    session: Session, moment: Moment, page: Page, *, number: str | None = None, unit: str | None = None
) -> Paged[Row[Any]]:
    """Return a page of officers by number."""
    wanted = (
        select(Officer.number, OfficerVersion, UnitVersion.code.label("unit"), UnitVersion.name.label("unit_name"))
        .join(OfficerVersion, OfficerVersion.officer_id == Officer.id)
        .outerjoin(UnitVersion, (UnitVersion.unit_id == OfficerVersion.unit_id) & _now(UnitVersion, moment))
        .where(_now(OfficerVersion, moment))
    )
    if number is not None:
        wanted = wanted.where(Officer.number == number)
    if unit is not None:
        wanted = wanted.where(UnitVersion.code == unit)
    return paged(session, wanted, Officer.number, page)


def team_rows(
    session: Session, moment: Moment, page: Page, *, code: str | None = None, unit: str | None = None
) -> Paged[Row[Any]]:
    """Return a page of teams by code, each with the numbers of its members."""
    members = (
        select(func.array_agg(Officer.number))
        .join(TeamMember, TeamMember.officer_id == Officer.id)
        .where(TeamMember.team_id == Team.id, _now(TeamMember, moment))
        .scalar_subquery()
    )
    wanted = (
        select(Team.code, TeamVersion, UnitVersion.code.label("unit"), members.label("members"))
        .join(TeamVersion, TeamVersion.team_id == Team.id)
        .outerjoin(UnitVersion, (UnitVersion.unit_id == TeamVersion.unit_id) & _now(UnitVersion, moment))
        .where(_now(TeamVersion, moment))
    )
    if code is not None:
        wanted = wanted.where(Team.code == code)
    if unit is not None:
        wanted = wanted.where(UnitVersion.code == unit)
    return paged(session, wanted, Team.code, page)


def assignment_rows(
    session: Session, moment: Moment, page: Page, *, layer: str | None = None, officer: str | None = None
) -> Paged[Row[Any]]:
    """Return a page of assignments: officer, grid and role."""
    # no code holds a tab, and it sorts before all that a code can hold
    key = func.concat_ws("\t", Layer.code, GridVersion.code, Officer.number)
    wanted = (
        select(
            Layer.code.label("layer"),
            GridVersion.code.label("grid"),
            Officer.number.label("officer"),
            Assignment.role,
            Assignment.valid,
        )
        .join(GridVersion, GridVersion.grid_id == Assignment.grid_id)
        .join(Layer, Layer.id == GridVersion.layer_id)
        .join(Officer, Officer.id == Assignment.officer_id)
        .where(_now(Assignment, moment), _now(GridVersion, moment))
    )
    reach = reach_in(session)
    if reach is not None and reach.units is not None:  # of neighbours only the grids are seen
        wanted = wanted.where(among(GridVersion.unit_id, reach.units))
    if layer is not None:
        wanted = wanted.where(Layer.code == layer)
    if officer is not None:
        wanted = wanted.where(Officer.number == officer)
    return paged(session, wanted, key.collate("C"), page)


def shift_rows(
    session: Session,
    moment: Moment,
    page: Page,
    *,
    start: datetime,
    end: datetime,
    unit: str | None = None,
    officer: str | None = None,
) -> Paged[Row[Any]]:
    """Return a page of the shifts that touch `[start, end)`, by their starts, with what each covers."""
    covers = (
        select(
            func.array_agg(GridVersion.code).filter(GridVersion.code.is_not(None)).label("grids"),
            func.array_agg(UnitVersion.code).filter(UnitVersion.code.is_not(None)).label("units"),
            func.array_agg(Place.code).filter(Place.code.is_not(None)).label("places"),
        )
        .select_from(Cover)
        .outerjoin(GridVersion, (GridVersion.grid_id == Cover.grid_id) & _now(GridVersion, moment))
        .outerjoin(UnitVersion, (UnitVersion.unit_id == Cover.unit_id) & _now(UnitVersion, moment))
        .outerjoin(Place, Place.id == Cover.place_id)
        .where(Cover.shift_id == Shift.id, known(Cover, moment.known_at))
        .lateral("covers")
    )
    rostered = select(UnitVersion.unit_id, UnitVersion.code).where(_now(UnitVersion, moment)).subquery("rostered")
    wanted = (
        select(Shift, Officer.number.label("officer"), Team.code.label("team"), rostered.c.code.label("unit"))
        .add_columns(covers.c.grids, covers.c.units, covers.c.places)
        .outerjoin(rostered, rostered.c.unit_id == Shift.unit_id)
        .outerjoin(Officer, Officer.id == Shift.officer_id)
        .outerjoin(Team, Team.id == Shift.team_id)
        .join(covers, true())
        .where(Shift.planned.op("&&")(func.tstzrange(start, end)), known(Shift, moment.known_at))
    )
    if unit is not None:
        wanted = wanted.where(rostered.c.code == unit)
    if officer is not None:
        wanted = wanted.where(Officer.number == officer)
    return paged(session, wanted, by_time(func.lower(Shift.planned), Shift.uuid), page)


def _now(table: Any, moment: Moment) -> Any:
    return in_force(table, moment.at, moment.known_at)
