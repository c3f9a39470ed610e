"""Located events, as GeoJSON: lists, one as it is known, all that was ever known of one."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.deps import AskedMoment, InstantText, Page, ReadSession, needs
from api.duty import End, window
from api.errors import problem_responses
from api.shapes import Feature, FeatureCollection, SpanOut, feature, features, span_out
from spatial.crs import Bounds
from spatial.errors import invalid
from spatial.incidents.listing import Wanted, incident_as_known, incident_rows, incident_versions
from spatial.incidents.rules import LONGEST_ID
from spatial.tables import LONGEST_CODE

router = APIRouter(tags=["incidents"], dependencies=[needs("incidents.read")])
SourceCode = Annotated[str, Path(max_length=LONGEST_CODE, description="code of a source", examples=["110"])]
ExternalId = Annotated[str, Path(max_length=LONGEST_ID, description="the source's own number of the incident")]


class IncidentDetails(BaseModel):
    """What, when, where; never who."""

    source: str
    external_id: str
    category: str
    police_matter: bool
    priority: int
    reported_at: datetime
    between: SpanOut | None = Field(description="when it happened, where only an interval is known")
    dispatched_at: datetime | None
    arrived_at: datetime | None
    closed_at: datetime | None
    precision_m: float | None
    masked_text: str | None


class IncidentVersion(IncidentDetails):
    """What was known of an incident, over the span in which it was."""

    known: SpanOut


class Versions(BaseModel):
    """All that was ever known of an incident, earliest first."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Feature[IncidentVersion]]


@router.get("/incidents", summary="Events reported within a window", responses=problem_responses())
def incidents(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    start: Annotated[InstantText | None, Query(description="RFC 3339; default 24 h before `at`")] = None,
    end: End = None,
    category: Annotated[
        str | None, Query(max_length=LONGEST_CODE, description="code of a kind of matter, with all below")
    ] = None,
    source: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a source")] = None,
    bbox: Annotated[
        str | None, Query(max_length=200, description="west,south,east,north", examples=["117.1,34.2,117.3,34.3"])
    ] = None,
    grid: Annotated[
        str | None,
        Query(
            max_length=2 * LONGEST_CODE + 1,
            description="layer/code of a grid, as in force at `at`",
            examples=["police/SW-JG-09"],
        ),
    ] = None,
) -> FeatureCollection[IncidentDetails]:
    """Return the incidents reported in `[start, end)`, in the order of their reporting, as GeoJSON."""
    first, last = window(start, end, moment.at - timedelta(days=1))
    layer, code = _grid(grid)
    wanted = Wanted(first, last, source, category, _box(bbox), layer, code)
    return features(incident_rows(session, moment, page, wanted), _details, _name, _point)


@router.get(
    "/incidents/{source}/{external_id:path}/versions",
    summary="All that was ever known of an event",
    responses=problem_responses(404),
)
def versions(session: ReadSession, source: SourceCode, external_id: ExternalId) -> Versions:
    """Return every version of an incident with the span in which it was what the system knew, earliest first."""
    rows = incident_versions(session, source, external_id)
    return Versions(features=[feature(row, _version, _name, _point) for row in rows])


@router.get(
    "/incidents/{source}/{external_id:path}", summary="An event as it is known", responses=problem_responses(404)
)
def incident(
    session: ReadSession, moment: AskedMoment, source: SourceCode, external_id: ExternalId
) -> Feature[IncidentDetails]:
    """Return an incident as it is known now, or was at `known_at`."""
    return feature(incident_as_known(session, source, external_id, moment.known_at), _details, _name, _point)


def _box(text: str | None) -> Bounds | None:
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise invalid("bbox", "bbox-malformed") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise invalid("bbox", "bbox-malformed")
    return west, south, east, north


def _grid(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    layer, slash, code = text.partition("/")
    if not slash:
        raise invalid("grid", "grid-name-malformed")
    return layer, code


def _version(row: Any) -> IncidentVersion:
    return IncidentVersion(**_details(row).model_dump(), known=span_out(row.Incident.recorded))


def _details(row: Any) -> IncidentDetails:
    stored = row.Incident
    return IncidentDetails(
        source=row.source,
        external_id=row.external_id,
        category=row.category,
        police_matter=row.police_matter,
        priority=row.priority,
        reported_at=stored.at,
        between=span_out(stored.span) if stored.span else None,
        dispatched_at=stored.dispatched_at,
        arrived_at=stored.arrived_at,
        closed_at=stored.closed_at,
        precision_m=stored.precision_m,
        masked_text=stored.masked_text,
    )


def _name(row: Any) -> str:
    return f"{row.source}/{row.external_id}"


def _point(row: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [row.lon, row.lat]}
