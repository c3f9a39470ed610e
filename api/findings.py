"""`/findings`: everything known to be wrong at a moment, what would mend it, and who knows of it."""

from pathlib import Path as File
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from api.asking import PlainText
from api.deps import Actor, AppSettings, AskedMoment, InstantText, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.findings_asked import Narrowed, checks_seen, limits_of, read_until, record_export, writing
from api.findings_out import AcknowledgedOut, FindingDetails, FindingOut, acknowledged_out, details_out, finding_out
from api.overlaps import MEDIA, Format
from api.sent_files import sent_file
from api.shapes import Feature, FeatureCollection, features, shape_geojson
from spatial.findings import acknowledging
from spatial.findings.acknowledging import LONGEST, LONGEST_REASON
from spatial.findings.findings import Findings, place_in_list
from spatial.findings.model import KEY_DIGITS, Check, Found, Kind
from spatial.grids.tiling import Severity
from spatial.history import Moment
from spatial.paging import Paged, page_of
from spatial.tables import LONGEST_CODE
from spatial.time import now

router = APIRouter(tags=["findings"])
READS = "areas.read"
Key = Annotated[
    str,
    Path(pattern=f"^[0-9a-f]{{{KEY_DIGITS}}}$", description="key of a finding", examples=["0" * KEY_DIGITS]),
]
Layer = Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a layer; default all")]
Unit = Annotated[
    str | None, Query(max_length=LONGEST_CODE, description="code of a unit: its grids, and those of units below it")
]
OfKind = Annotated[Kind | None, Query(description="one kind alone, such as gap")]
OfSeverity = Annotated[Severity | None, Query(description="one alone; the list begins with the worst")]
OfCheck = Annotated[
    Check | None,
    Query(
        description="tiling: shapes; codes; roster: vacancies; parent: beyond or across the layer above; alignment: "
        "networks that do not fit; dwellings: more than the setting says"
    ),
]
IsAcknowledged = Annotated[Literal["yes", "no"] | None, Query(description="acknowledged ones alone, or the others")]


def narrowed(
    layer: Layer = None,
    unit: Unit = None,
    kind: OfKind = None,
    severity: OfSeverity = None,
    check: OfCheck = None,
    acknowledged: IsAcknowledged = None,
) -> Narrowed:
    """Return what narrows a list of findings."""
    return Narrowed(layer, unit, kind, severity, check, acknowledged)


Asked = Annotated[Narrowed, Depends(narrowed)]


class AcknowledgementIn(BaseModel):
    """Why a finding may stay as it is, and until when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"reason": "待河道确权后一并调整", "until": "2025-09-01T00:00:00+08:00"}},
    )

    reason: Annotated[PlainText, Field(min_length=1, max_length=LONGEST_REASON)]
    until: InstantText = Field(description=f"RFC 3339, in the future, {LONGEST.days} days ahead at most")


@router.get(
    "/findings",
    summary="Everything known to be wrong",
    responses=problem_responses(404),
    dependencies=[needs(READS)],
)
def findings(
    session: ReadSession,
    actor: Actor,
    moment: AskedMoment,
    config: AppSettings,
    page: Page,
    asked: Asked,
) -> FeatureCollection[FindingOut]:
    """Return what stands at the instant, the worst first: of shapes, codes, rosters, and of how layers fit.

    Faults of shapes are those on record, which every change of a grid and every check writes anew; all else is looked
    for now. Who may not see rosters is not told of vacancies.
    """
    there = Findings(session, moment, limits_of(config))
    chosen = page_of(there.found(asked.wanted(actor, READS)), place_in_list, page)
    shown = Paged(there.placed(chosen.rows), chosen.next_after)
    return features(shown, finding_out, _key, _geometry)


@router.get(
    "/findings/file",
    summary="The findings as a file",
    response_class=FileResponse,
    responses={200: {"content": {media: {} for media in MEDIA.values()}}, **problem_responses(404)},
    dependencies=[needs("exports")],
)
def file(
    session: WriteSession,
    actor: Actor,
    moment: AskedMoment,
    config: AppSettings,
    asked: Asked,
    fmt: Annotated[Format, Query(alias="format", description="with places as shapes, or a table")] = "csv",
) -> FileResponse:
    """Return the whole list, with the places in GeoJSON and GeoPackage; who took it away is on record."""
    there = Findings(session, moment, limits_of(config))
    found = there.placed(there.found(asked.wanted(actor, "exports")))

    def write(path: File) -> None:
        with writing(found, path, fmt):
            record_export(session, actor.name, moment, fmt, len(found), asked.told)

    return sent_file(f"findings.{fmt}", MEDIA[fmt], write)


@router.get(
    "/findings/{key}",
    summary="One finding, and what would mend it",
    responses=problem_responses(404),
    dependencies=[needs(READS)],
)
def finding(
    session: ReadSession, actor: Actor, moment: AskedMoment, config: AppSettings, key: Key
) -> Feature[FindingDetails]:
    """Return a finding that stands at the instant; of a tiling, with the shapes of the grids before and after a repair.

    Nothing is repaired by asking. A repair is told where one makes nothing else worse, to who sees the whole network.
    """
    there = Findings(session, moment, limits_of(config))
    (found,) = there.placed([there.named(key, checks_seen(actor, None, READS))])
    repair = there.repair(found)
    return Feature(id=found.key, geometry=_geometry(found), properties=details_out(found, repair))


@router.post(
    "/findings/{key}/acknowledge",
    summary="Say why a finding may stay as it is for a while",
    status_code=201,
    responses=problem_responses(404, 409),
    dependencies=[needs("findings.acknowledge")],
)
def acknowledge(
    session: WriteSession, actor: Actor, config: AppSettings, key: Key, told: AcknowledgementIn
) -> Feature[FindingOut]:
    """Put a reason and an end on record; the finding stays listed, and is marked so until then.

    The duty officer does so for findings of rosters alone. What was acknowledged before is so by these words from now.
    """
    instant = now()
    until = read_until(told.reason, told.until, instant, "body.")
    there = Findings(session, Moment(instant), limits_of(config))
    (found,) = there.placed([there.named(key)])
    made = acknowledging.acknowledge(session, actor, found, told.reason, until, now=instant)
    return Feature(id=key, geometry=_geometry(found), properties=finding_out(found.known_of(made)))


@router.delete(
    "/findings/{key}/acknowledge",
    summary="Withdraw what was said of a finding",
    responses=problem_responses(404),
    dependencies=[needs("findings.acknowledge")],
)
def withdraw(session: WriteSession, actor: Actor, key: Key) -> AcknowledgedOut:
    """End an acknowledgement now, and return what it said; that it was there stays on record."""
    return acknowledged_out(acknowledging.withdraw(session, actor, key, now=now()))


def _key(found: Found) -> str:
    return found.key


def _geometry(found: Found) -> dict[str, object] | None:
    return shape_geojson(found.flaw.shape)
