"""Layers and grids: what is in force, what was, who is next door."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from api.deps import Actor, AskedMoment, Language, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.jobs import JobOut, job_out
from api.shapes import Feature, FeatureCollection, SpanOut, features, shape_geojson, span_out
from spatial import audit, jobs
from spatial.grids import listing
from spatial.paging import Paged
from spatial.tables import LONGEST_CODE
from spatial.time import now

router = APIRouter(tags=["grids"], dependencies=[needs("areas.read")])
LayerCode = Annotated[str, Path(max_length=LONGEST_CODE, description="code of a layer", examples=["police"])]
GridCode = Annotated[str, Path(max_length=LONGEST_CODE, description="code of a grid")]


class LayerDetails(BaseModel):
    """A network of grids."""

    code: str
    title: str
    kind: str = Field(description="tiling: each place has one owner; free: grids may overlap and leave gaps")
    visibility: str
    code_scheme: str
    parent: str | None
    built_from: str | None = Field(description="embed mode: the layer whose grids this one's are unions of")
    grids: int


class GridDetails(BaseModel):
    """A grid over the span in which it was so."""

    layer: str
    code: str
    name: str
    kind: str
    unit: str | None
    unit_name: str | None
    area_m2: float = Field(description="authalic, GRS80")
    in_force: SpanOut
    attributes: dict[str, Any]


class NeighbourDetails(GridDetails):
    """A grid that touches another, and along how much border; 0: at a corner."""

    border_m: float


@router.get("/layers", summary="The networks of grids", responses=problem_responses())
def layers(session: ReadSession, moment: AskedMoment, lang: Language) -> list[LayerDetails]:
    """Return all layers in their order of display."""
    return [_layer(row, lang) for row in listing.layer_rows(session, moment)]


@router.post(
    "/layers/{layer}/check",
    summary="Look for faults in a layer, as a job",
    status_code=202,
    responses=problem_responses(404),
    dependencies=[needs("tilings.check")],
)
def check(session: WriteSession, actor: Actor, response: Response, layer: LayerCode) -> JobOut:
    """Queue a check of the layer's tiling as it is in force; what it finds is listed by `/findings`."""
    listing.layer_named(session, layer)
    job_id = jobs.enqueue(
        session, "check-tiling", {"layer": layer, "asked_by": actor.name}, actor=actor.name, now=now()
    )
    audit.record(session, actor.name, "job.enqueue", f"job/{job_id}", {"kind": "check-tiling", "layer": layer})
    response.headers["Location"] = f"/jobs/{job_id}"
    return job_out(jobs.find(session, job_id))


@router.get("/grids/{layer}", summary="The grids of a layer", responses=problem_responses(404))
def grids(
    session: ReadSession,
    moment: AskedMoment,
    page: Page,
    layer: LayerCode,
    unit: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of the grids' unit")] = None,
    code: Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a grid")] = None,
) -> FeatureCollection[GridDetails]:
    """Return the grids in force, by code, as GeoJSON."""
    named = listing.layer_named(session, layer)
    found = listing.grid_rows(session, named, moment, page, code=code, unit=unit)
    return features(found, lambda row: _details(row, layer), _code, _geometry)


@router.get("/grids/{layer}/{code:path}/versions", summary="A grid's history", responses=problem_responses(404))
def versions(
    session: ReadSession, moment: AskedMoment, layer: LayerCode, code: GridCode
) -> FeatureCollection[GridDetails]:
    """Return every version of the grid, oldest first, whatever its code was."""
    rows = listing.version_rows(session, listing.layer_named(session, layer), code, moment)
    return features(Paged(rows, None), lambda row: _details(row, layer), _code, _geometry)


@router.get("/grids/{layer}/{code:path}/neighbours", summary="The grids next door", responses=problem_responses(404))
def neighbours(
    session: ReadSession, moment: AskedMoment, layer: LayerCode, code: GridCode
) -> FeatureCollection[NeighbourDetails]:
    """Return the grids of the layer that touch this one, with the length of the common border."""
    named = listing.layer_named(session, layer)
    listing.grid_named(session, named, code, moment)
    rows = listing.neighbour_rows(session, named, code, moment)
    return features(
        Paged(rows, None),
        lambda row: _neighbour(row, layer),
        lambda row: _code(row.grid),
        lambda row: _geometry(row.grid),
    )


@router.get("/grids/{layer}/{code:path}", summary="One grid", responses=problem_responses(404))
def grid(session: ReadSession, moment: AskedMoment, layer: LayerCode, code: GridCode) -> Feature[GridDetails]:
    """Return a grid in force by its code, which may hold a slash.

    Its sub-addresses stand above and are tried first; a code that ends like one is found by `/grids/{layer}?code=`.
    """
    row = listing.grid_named(session, listing.layer_named(session, layer), code, moment)
    return Feature(id=code, geometry=_geometry(row), properties=_details(row, layer))


def _layer(row: Any, lang: str) -> LayerDetails:
    layer = row.Layer
    return LayerDetails(
        code=layer.code,
        title=layer.title[lang],
        kind=layer.kind,
        visibility=layer.visibility,
        code_scheme=layer.code_scheme,
        parent=row.parent,
        built_from=row.built_from,
        grids=row.grids,
    )


def _details(row: listing.GridRow, layer: str) -> GridDetails:
    version = row.version
    return GridDetails(
        layer=layer,
        code=version.code,
        name=version.name,
        kind=version.kind,
        unit=row.unit,
        unit_name=row.unit_name,
        area_m2=round(row.area_m2, 2),
        in_force=span_out(version.valid),
        attributes=version.attributes,
    )


def _neighbour(row: listing.NeighbourRow, layer: str) -> NeighbourDetails:
    return NeighbourDetails(**_details(row.grid, layer).model_dump(), border_m=round(row.border_m, 2))


def _code(row: listing.GridRow) -> str:
    return row.version.code


def _geometry(row: listing.GridRow) -> dict[str, Any] | None:
    return shape_geojson(row.shape)
