"""Incidents as a list, in pages, newest last; one incident, and all that was ever known of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, func, select, text
from sqlalchemy.orm import Session, aliased

from spatial.crs import Bounds
from spatial.errors import NotFound
from spatial.history import Moment, in_force, known
from spatial.paging import Page, Paged, by_time, paged
from spatial.tables import SRID, Category, GridVersion, Incident, IncidentKey, Layer, Source


@dataclass(frozen=True)
class Wanted:
    """Which incidents: reported within `[start, end)`, and each other thing only where it is named."""

    start: datetime
    end: datetime
    source: str | None = None
    category: str | None = None  # with all below it
    within: Bounds | None = None
    layer: str | None = None  # of the grid
    grid: str | None = None  # as in force at the moment


def incident_rows(session: Session, moment: Moment, page: Page, wanted: Wanted) -> Paged[Row[Any]]:
    """Return a page of incidents, in the order of their reporting."""
    rows = _incidents().where(
        Incident.at >= wanted.start, Incident.at < wanted.end, known(Incident, moment.known_at), *_filters(wanted)
    )
    if wanted.layer is not None and wanted.grid is not None:
        rows = rows.where(_owned_by(wanted.layer, wanted.grid, moment))
    return paged(session, rows, by_time(Incident.at, Incident.id), page)


def incident_as_known(session: Session, source: str, external_id: str, known_at: datetime | None) -> Row[Any]:
    """Return an incident as it is known, or was at `known_at`; `NotFound` where it was not."""
    named = _incidents().where(Source.code == source, IncidentKey.external_id == external_id)
    found = session.execute(named.where(known(Incident, known_at))).one_or_none()
    if found is None:
        raise NotFound("no-such-incident", source=source, external_id=external_id)
    return found


def incident_versions(session: Session, source: str, external_id: str) -> Sequence[Row[Any]]:
    """Return all that was ever known of an incident, earliest first, or raise `NotFound`."""
    named = _incidents().where(Source.code == source, IncidentKey.external_id == external_id)
    found = session.execute(named.order_by(func.lower(Incident.recorded))).all()
    if not found:
        raise NotFound("no-such-incident", source=source, external_id=external_id)
    return found


def _incidents() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Source.code.label("source"),
            IncidentKey.external_id,
            Category.code.label("category"),
            Category.police_matter,
            Category.priority,
            Incident,
            func.ST_X(Incident.point).label("lon"),
            func.ST_Y(Incident.point).label("lat"),
        )
        .join(IncidentKey, IncidentKey.id == Incident.incident_key_id)
        .join(Source, Source.id == IncidentKey.source_id)
        .join(Category, Category.id == Incident.category_id)
    )


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.source is not None:
        found.append(Source.code == wanted.source)
    if wanted.category is not None:
        found.append(Incident.category_id.in_(_subtree(wanted.category)))
    if wanted.within is not None:
        box = func.ST_MakeEnvelope(*wanted.within, SRID)
        found.append(func.ST_Intersects(Incident.point, box))
    return found


def _subtree(category: str) -> Select[tuple[int]]:
    """Return a category with all below it."""
    top = select(Category.id).where(Category.code == category).cte("below", recursive=True)
    below = top.union(select(Category.id).join(top, Category.parent_id == top.c.id))
    return select(below.c.id)


def _owned_by(layer: str, grid: str, moment: Moment) -> ColumnElement[bool]:
    """Return the condition that a grid owns an incident's place: on a border the grid with the smallest code does."""
    other = aliased(GridVersion)
    shares = (
        other.layer_id == GridVersion.layer_id,
        other.code < GridVersion.code,
        in_force(other, moment.at, moment.known_at),
        func.ST_Intersects(other.geom, Incident.point),
    )
    return exists(
        select(text("1"))
        .select_from(GridVersion)
        .join(Layer, Layer.id == GridVersion.layer_id)
        .where(
            Layer.code == layer,
            GridVersion.code == grid,
            in_force(GridVersion, moment.at, moment.known_at),
            func.ST_Intersects(GridVersion.geom, Incident.point),
            ~exists(select(text("1")).select_from(other).where(*shares).correlate(GridVersion, Incident)),
        )
        .correlate(Incident)
    )
