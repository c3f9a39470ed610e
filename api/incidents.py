"""Located events, as GeoJSON."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.deps import AskedMoment, InstantText, Page, ReadSession, SignedIn
from api.duty import window
from api.errors import problem_responses
from api.shapes import FeatureCollection, features
from spatial.incidents.listing import incident_rows

router = APIRouter(tags=["incidents"], dependencies=[SignedIn])


class IncidentDetails(BaseModel):
    """What, when, where; never who."""

    source: str
    external_id: str
    category: str
    police_matter: bool
    priority: int
    reported_at: datetime
    dispatched_at: datetime | None
    arrived_at: datetime | None
    closed_at: datetime | None
    precision_m: float | None
    masked_text: str | None


@router.get("/incidents", summary="Events reported within a window", responses=problem_responses())
def incidents(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    start: Annotated[InstantText | None, Query(description="RFC 3339; default 24 h before `at`")] = None,
    end: Annotated[
        InstantText | None, Query(description="RFC 3339; default 24 h after the start, at most 31 d")
    ] = None,
    category: Annotated[str | None, Query(max_length=100, description="code of a kind of matter")] = None,
    source: Annotated[str | None, Query(max_length=100, description="code of a feed")] = None,
) -> FeatureCollection[IncidentDetails]:
    """Return the incidents reported in `[start, end)`, in the order of their reporting, as GeoJSON."""
    first, last = window(start, end, moment.at - timedelta(days=1))
    found = incident_rows(session, moment, page, start=first, end=last, category=category, source=source)
    return features(found, _details, _name, _point)


def _details(row: Any) -> IncidentDetails:
    incident = row.Incident
    return IncidentDetails(
        source=row.source,
        external_id=row.external_id,
        category=row.category,
        police_matter=row.police_matter,
        priority=row.priority,
        reported_at=incident.at,
        dispatched_at=incident.dispatched_at,
        arrived_at=incident.arrived_at,
        closed_at=incident.closed_at,
        precision_m=incident.precision_m,
        masked_text=incident.masked_text,
    )


def _name(row: Any) -> str:
    return f"{row.source}/{row.external_id}"


def _point(row: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [row.lon, row.lat]}
