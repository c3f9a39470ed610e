"""Organisations and their outlines."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from api.deps import AskedMoment, Page, ReadSession, needs
from api.errors import problem_responses
from api.shapes import Feature, FeatureCollection, SpanOut, features, shape_geojson, span_out
from spatial import paging
from spatial.errors import NotFound
from spatial.grids.units import UnitRow, unit_rows
from spatial.tables import LONGEST_CODE

router = APIRouter(tags=["units"], dependencies=[needs("areas.read")])


class UnitDetails(BaseModel):
    """A unit as of an instant."""

    code: str
    name: str
    tree: str
    kind: str
    parent: str | None
    contacts: dict[str, str]
    in_force: SpanOut


@router.get("/units", summary="Organisations, by code", responses=problem_responses())
def units(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    kind: Annotated[str | None, Query(max_length=40, description="station, community, agency …")] = None,
) -> FeatureCollection[UnitDetails]:
    """Return units with their outlines, as GeoJSON; a unit without an outline has a null geometry."""
    return features(unit_rows(session, moment, page, kind=kind), _details, _code, _geometry)


@router.get("/units/{code:path}", summary="One organisation", responses=problem_responses(404))
def unit(
    session: ReadSession,
    moment: AskedMoment,
    code: Annotated[str, Path(max_length=LONGEST_CODE, description="code of a unit")],
) -> Feature[UnitDetails]:
    """Return a unit by its code."""
    found = unit_rows(session, moment, paging.Page(1, None), code=code).rows
    if not found:
        raise NotFound("no-such-unit", code=code)
    return Feature(id=code, geometry=_geometry(found[0]), properties=_details(found[0]))


def _details(row: UnitRow) -> UnitDetails:
    version = row.version
    return UnitDetails(
        code=version.code,
        name=version.name,
        tree=row.tree,
        kind=version.kind,
        parent=row.parent,
        contacts=version.contacts,
        in_force=span_out(version.valid),
    )


def _code(row: UnitRow) -> str:
    return row.version.code


def _geometry(row: UnitRow) -> dict[str, Any] | None:
    return shape_geojson(row.shape)
