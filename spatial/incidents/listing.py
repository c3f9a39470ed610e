"""Incidents as a list, in pages, newest last."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from spatial.history import Moment, known
from spatial.paging import Page, Paged, by_time, paged
from spatial.tables import Category, Incident, IncidentKey, Source


def incident_rows(
    session: Session,
    moment: Moment,
    page: Page,
    *,
    start: datetime,
    end: datetime,
    category: str | None = None,
    source: str | None = None,
) -> Paged[Row[Any]]:
    """Return a page of the incidents reported within `[start, end)`, in the order of their reporting."""
    wanted = (
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
        .where(Incident.at >= start, Incident.at < end, known(Incident, moment.known_at))
    )
    if category is not None:
        wanted = wanted.where(Category.code == category)
    if source is not None:
        wanted = wanted.where(Source.code == source)
    return paged(session, wanted, by_time(Incident.at, Incident.id), page)
