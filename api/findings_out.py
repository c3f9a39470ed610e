"""What is found wrong with a layer, as it is sent and as rows of a file."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from spatial.findings.model import Flaw


class FlawOut(BaseModel):
    """Something about a layer that a person should know."""

    kind: str
    severity: str
    grids: list[str]
    officers: list[str] = Field(description="numbers")
    owners: list[str] = Field(description="codes of the units whose grids or officers these are")
    area_m2: float | None
    lon: float | None = Field(description="of a place in it")
    lat: float | None
    since: datetime | None = Field(description="when the last of the grids became as it is")
    detail: dict[str, Any]


def flaw_out(flaw: Flaw) -> FlawOut:
    """Return a flaw as it is sent."""
    lon, lat = flaw.place or (None, None)
    return FlawOut(
        kind=flaw.kind,
        severity=flaw.severity,
        grids=list(flaw.grids),
        officers=list(flaw.officers),
        owners=list(flaw.owners),
        area_m2=None if flaw.area_m2 is None else round(flaw.area_m2, 4),
        lon=lon,
        lat=lat,
        since=flaw.since,
        detail=flaw.detail,
    )
