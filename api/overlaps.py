"""`/overlaps`: what police grids and governance grids share, who shares with whom, and what would join them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.deps import Actor, AppSettings, AskedMoment, InstantText, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.grids import GridCode, LayerCode
from api.overlaps_asked import Asked, What, piece_key, read_period, rows
from api.overlaps_asked import Weigh as Weighs
from api.overlaps_out import EmbeddedOut, OverlapOut, RelationOut, SharedOut, SnapOut, overlap_out
from api.sent_files import sent_file
from api.shapes import FeatureCollection, Listing, features, listing, shape_geojson
from api.sheets import WITHOUT_SHAPES, sheet
from spatial import audit
from spatial.history import Moment
from spatial.imports.write import write_rows
from spatial.overlaps.model import Thresholds
from spatial.overlaps.overlaps import Overlaps
from spatial.paging import Paged, page_of
from spatial.settings import Settings
from spatial.tables import LONGEST_CODE

router = APIRouter(tags=["overlaps"])
READING = [needs("areas.read")]
Format = Literal["csv", "xlsx", "geojson", "gpkg"]
MEDIA = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
}
OUT: dict[What, type[BaseModel]] = {
    "pieces": OverlapOut,
    "relations": RelationOut,
    "units": SharedOut,
    "snaps": SnapOut,
    "cells": EmbeddedOut,
}
Layer = Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a layer; default the first tiling")]
With = Annotated[
    str | None, Query(alias="with", max_length=LONGEST_CODE, description="code of another; default the next tiling")
]
Code = Annotated[str | None, Query(max_length=LONGEST_CODE, description="code of a grid of the layer")]
Unit = Annotated[
    str | None, Query(max_length=LONGEST_CODE, description="code of a unit: its grids, and those of units below it")
]
Start = Annotated[
    InstantText | None, Query(description="RFC 3339; incidents from here on are counted; default a year before `end`")
]
End = Annotated[
    InstantText | None, Query(description="RFC 3339; and before; default `at`, with a `start` a year after it")
]
Counts = Annotated[bool, Query(description="with what lies in each piece")]
Weigh = Annotated[Weighs, Query(description="of what a grid keeps the most when it goes to one whole")]


def two_layers(
    session: ReadSession, moment: AskedMoment, config: AppSettings, layer: Layer = None, other: With = None
) -> Overlaps:
    """Return the overlaps of two layers, as far as whoever asks reaches."""
    return overlaps_of(session, moment, config, layer, other)


Found = Annotated[Overlaps, Depends(two_layers, scope="function")]


def overlaps_of(session: Session, moment: Moment, config: Settings, layer: str | None, other: str | None) -> Overlaps:
    """Return the overlaps of two layers, with the deployment's idea of a sliver."""
    return Overlaps(session, moment, Thresholds(config.sliver_width_m, config.sliver_area_m2), layer, other)


@router.get(
    "/overlaps", summary="What the grids of two layers share", responses=problem_responses(404), dependencies=READING
)
def overlaps(
    found: Found,
    page: Page,
    code: Code = None,
    unit: Unit = None,
    start: Start = None,
    end: End = None,
    counts: Counts = True,
) -> Listing[OverlapOut]:
    """Return a row for each pair of grids in force that share an area, by the codes of both.

    Shares, what lies in the piece, and how much of either border runs inside of the other grid.
    """
    period = read_period(start, end, found.moment.at)
    chosen = page_of(found.pieces(code, unit), piece_key, page)
    counted = found.counts(period, chosen.rows) if counts else {}
    return listing(chosen, lambda piece: overlap_out(found, piece, counted))


@router.get(
    "/overlaps/relations",
    summary="How the grids of a layer lie to those of another",
    responses=problem_responses(404),
    dependencies=READING,
)
def relations(found: Found, page: Page) -> Listing[RelationOut]:
    """Return a row for each grid of the layer: aligned, contained, split or orphan, and its misfit border."""
    return _listed(found, "relations", Asked(read_period(None, None, found.moment.at)), page)


@router.get(
    "/overlaps/units",
    summary="Which station shares what with which street",
    responses=problem_responses(404),
    dependencies=READING,
)
def units(found: Found, page: Page, start: Start = None, end: End = None) -> Listing[SharedOut]:
    """Return what the grids of one unit share with those of another, with all that lies in it."""
    return _listed(found, "units", Asked(read_period(start, end, found.moment.at)), page)


@router.get(
    "/overlaps/snaps",
    summary="What it costs to have the borders of a layer follow those of another",
    responses=problem_responses(404),
    dependencies=[needs("duty.read")],
)
def snaps(found: Found, page: Page, start: Start = None, end: End = None, weigh: Weigh = "area") -> Listing[SnapOut]:
    """Return, for each grid of the other layer that several grids share, what giving it to one of them would move.

    By area, the largest first; with the addresses, the incidents and the officers concerned.
    """
    return _listed(found, "snaps", Asked(read_period(start, end, found.moment.at), weigh=weigh), page)


@router.get(
    "/overlaps/cells",
    summary="Cells that are not whole in the grid they belong to",
    responses=problem_responses(404),
    dependencies=READING,
)
def cells(found: Found, page: Page) -> Listing[EmbeddedOut]:
    """Return where grids of a layer that is built from another's are not the unions of these."""
    return _listed(found, "cells", Asked(read_period(None, None, found.moment.at)), page)


@router.get(
    "/overlaps/file",
    summary="The overlaps of two layers as a file",
    response_class=FileResponse,
    responses={200: {"content": {media: {} for media in MEDIA.values()}}, **problem_responses(404)},
    dependencies=[needs("exports")],
)
def file(
    session: WriteSession,
    actor: Actor,
    moment: AskedMoment,
    config: AppSettings,
    layer: Layer = None,
    other: With = None,
    what: Annotated[What, Query(description="which list")] = "pieces",
    fmt: Annotated[Format, Query(alias="format", description="with the shapes of pieces, or a table")] = "csv",
    code: Code = None,
    unit: Unit = None,
    start: Start = None,
    end: End = None,
    weigh: Annotated[Weighs | None, Query(description="of snaps: of what a grid keeps the most; default area")] = None,
) -> FileResponse:
    """Return a whole list, with the shapes of the pieces in GeoJSON and GeoPackage."""
    found = overlaps_of(session, moment, config, layer, other)
    asked = Asked(read_period(start, end, moment.at), code, unit, weigh=weigh)

    def write(path: Path) -> None:
        with writing(found, what, asked, path, fmt):
            record_export(session, actor.name, found, what, asked, fmt)

    return sent_file(f"overlaps-{what}.{fmt}", MEDIA[fmt], write)


@router.get(
    "/grids/{layer}/{code:path}/overlaps",
    summary="What a grid shares with those of another layer",
    responses=problem_responses(404),
    dependencies=READING,
)
def grid_overlaps(
    session: ReadSession,
    moment: AskedMoment,
    config: AppSettings,
    layer: LayerCode,
    code: GridCode,
    other: With = None,
    start: Start = None,
    end: End = None,
    counts: Counts = True,
) -> FeatureCollection[OverlapOut]:
    """Return the pieces of a grid, by the codes of the others, as GeoJSON."""
    found = overlaps_of(session, moment, config, layer, other)
    told, shapes = rows(found, "pieces", Asked(read_period(start, end, moment.at), code, None, counts))
    drawn = list(zip(told, () if shapes is None else shapes, strict=True))
    return features(
        Paged(drawn, None),
        lambda one: one[0].out,
        lambda one: one[0].out.other.code,
        lambda one: shape_geojson(one[1]),
    )


@contextmanager
def writing(found: Overlaps, what: What, asked: Asked, path: Path, fmt: str) -> Iterator[int]:
    """Write a whole list for a file that appears when the block ends well, and yield how many rows there are."""
    told, shapes = rows(found, what, asked, shapes=fmt not in WITHOUT_SHAPES)
    with write_rows(path, sheet(f"overlaps-{what}", OUT[what], [row.out for row in told], shapes), fmt):
        yield len(told)


def record_export(session: Session, actor: str, found: Overlaps, what: What, asked: Asked, fmt: str) -> None:
    """Put on record who took a list away."""
    known_at = found.moment.known_at
    detail = {
        "at": found.moment.at.isoformat(),
        "known_at": known_at.isoformat() if known_at else None,
        "with": found.other.code,
        "what": what,
        "format": fmt,
        **asked.told,
    }
    audit.record(session, actor, "export-overlaps", f"layer {found.layer.code}", detail)


def _listed(found: Overlaps, what: What, asked: Asked, page: Page) -> Listing[Any]:
    told, _ = rows(found, what, asked)
    return listing(page_of(told, lambda row: row.key, page), lambda row: row.out)
