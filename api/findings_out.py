"""Findings as they are sent, and as rows of a file."""

from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel, Field

from api.shapes import Feature, SpanOut, shape_geojson, span_out
from spatial.findings.model import Acknowledged, Check, Found, Kind
from spatial.findings.repairs import Redrawn, Repair, Way
from spatial.grids.tiling import Severity


class AcknowledgedOut(BaseModel):
    """Who knows of a finding, and why it may stay so for a while."""

    reason: str
    by: str
    since: datetime
    until: datetime


class FindingOut(BaseModel):
    """Something about a layer that a person should know."""

    key: str = Field(description="its name, as long as it is the same: of these grids and people, at this place")
    layer: str
    check: Check = Field(description="which check tells of it")
    kind: Kind
    severity: Severity
    grids: list[str] = Field(description="codes")
    officers: list[str] = Field(description="numbers")
    owners: list[str] = Field(description="codes of the units whose grids or officers these are")
    other_layer: str | None = Field(description="the layer that it does not fit")
    others: list[str] = Field(description="codes of that layer's grids")
    area_m2: float | None
    lon: float | None = Field(description="of a place in it, or in the first of its grids")
    lat: float | None
    since: datetime | None = Field(description="when the last of the grids became as it is")
    stands: SpanOut | None = Field(description="from when until when; none: it was looked for at this instant alone")
    known_since: datetime | None = Field(description="when it came on record; none: it is not")
    acknowledged: AcknowledgedOut | None
    detail: dict[str, Any]


class RedrawnOut(BaseModel):
    """A grid that a repair would change; the shape of the feature is the one after it."""

    code: str
    before: dict[str, Any] = Field(description="its shape as it is, as GeoJSON")
    area_before_m2: float
    area_after_m2: float
    changed_m2: float


class RepairOut(BaseModel):
    """What would mend a fault of a tiling without making anything else worse; nothing of it is done."""

    way: Way = Field(
        description="given: to the neighbour with the longest common border; taken: from all but one that hold it; "
        "cut-off: what lies outside; noded: both borders get the same vertices; made-valid"
    )
    type: str = "FeatureCollection"
    features: list[Feature[RedrawnOut]]


class FindingDetails(FindingOut):
    """A finding with what would mend it."""

    repair: RepairOut | None = Field(description="none: nothing that is sure, or not all of the network is seen")


def finding_out(found: Found) -> FindingOut:
    """Return a finding as it is sent."""
    flaw, known = found.flaw, found.acknowledged
    lon, lat = flaw.place or (None, None)
    return FindingOut(
        key=found.key,
        layer=found.layer,
        check=found.check,
        kind=flaw.kind,
        severity=flaw.severity,
        grids=list(flaw.grids),
        officers=list(flaw.officers),
        owners=list(flaw.owners),
        other_layer=flaw.other,
        others=list(flaw.others),
        area_m2=None if flaw.area_m2 is None else round(flaw.area_m2, 4),
        lon=lon,
        lat=lat,
        since=flaw.since,
        stands=None if found.valid is None else span_out(found.valid),
        known_since=found.known_since,
        acknowledged=known and acknowledged_out(known),
        detail=flaw.detail,
    )


def acknowledged_out(known: Acknowledged) -> AcknowledgedOut:
    """Return an acknowledgement as it is sent."""
    first, last = cast("datetime", known.valid.lower), cast("datetime", known.valid.upper)
    return AcknowledgedOut(reason=known.reason, by=known.by, since=first, until=last)


def details_out(found: Found, repair: Repair | None) -> FindingDetails:
    """Return a finding and its repair as they are sent."""
    return FindingDetails(**finding_out(found).model_dump(), repair=repair and repair_out(repair))


def repair_out(repair: Repair) -> RepairOut:
    """Return a repair as it is sent."""
    redrawn: list[Feature[RedrawnOut]] = [
        Feature(id=one.code, geometry=shape_geojson(one.after), properties=_redrawn(one)) for one in repair.grids
    ]
    return RepairOut(way=repair.way, features=redrawn)


def _redrawn(one: Redrawn) -> RedrawnOut:
    return RedrawnOut(
        code=one.code,
        before=shape_geojson(one.before) or {},
        area_before_m2=round(one.area_before_m2, 4),
        area_after_m2=round(one.area_after_m2, 4),
        changed_m2=round(one.area_after_m2 - one.area_before_m2, 4),
    )
