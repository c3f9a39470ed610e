"""Whose an area is: a place that is known by a circle or an outline alone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial import crs as systems
from spatial.errors import Fault, InputError, TooLarge
from spatial.geometry import GRS80, Geometries, area_m2, round_degrees
from spatial.grids.units import UnitRef
from spatial.history import Reading
from spatial.lookup import rules
from spatial.lookup.ask import chosen
from spatial.lookup.decided import in_force
from spatial.lookup.model import Candidate, GridRef, Receipt
from spatial.lookup.source import GridDuty, LayerRow, Source
from spatial.roster.model import Assigned, Response, Texts

CORNERS = 180  # of a circle: its area is 0.02 % short
SHORTEST_RADIUS_M, LONGEST_RADIUS_M = 0.1, 50_000.0
SMALLEST_M2, LARGEST_M2 = 1e-4, 10_000e6
MOST_VERTICES = 10_000
EPSILON = 1e-9  # of an area: what more is owned twice


@dataclass(frozen=True)
class AreaQuestion:
    """An area (CGCS2000 degrees), the two instants, the layers (none: all), and how many candidates of each to tell."""

    area: BaseGeometry
    at: datetime
    known_at: datetime | None = None
    layers: tuple[str, ...] | None = None
    most: int = 20

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of its middle."""
        middle = shapely.centroid(self.area)
        return middle.x, middle.y


@dataclass(frozen=True)
class Share:
    """A grid's part of an area, whose it is and who answers there."""

    grid: GridRef
    area_m2: float
    share: float
    units: tuple[UnitRef, ...]
    responsible: tuple[Assigned, ...]
    response: Response | None  # none: its people are not shown to whoever asks


@dataclass(frozen=True)
class AreaLayer:
    """What one layer says of an area: candidates, the likeliest first.

    `free_share`: what is in no grid that whoever asks sees. In a layer that is no tiling shares may sum to more than 1.
    """

    layer: str
    title: Texts
    shares: tuple[Share, ...]
    others: int  # candidates that are not told
    others_share: float
    free_share: float


@dataclass(frozen=True)
class AreaAnswer:
    """What all layers say of an area."""

    question: AreaQuestion
    area_m2: float
    layers: tuple[AreaLayer, ...]
    next_change_at: datetime | None
    receipt: Receipt


def circle(lon: float, lat: float, radius_m: float) -> BaseGeometry:
    """Return a circle of geodesic radius, in degrees."""
    bearings = np.linspace(0.0, 360.0, CORNERS, endpoint=False)
    x, y, _ = GRS80.fwd(np.full(CORNERS, lon), np.full(CORNERS, lat), bearings, np.full(CORNERS, radius_m))
    return round_degrees(shapely.Polygon(np.column_stack((x, y))))


def read_area(geojson: str, crs: str) -> BaseGeometry:
    """Return stored degrees of a GeoJSON area in any CRS; errors: `_require_fit`, else at `crs`."""
    try:
        area = shapely.force_2d(shapely.from_geojson(geojson))
    except shapely.GEOSException:
        raise InputError([Fault("coordinates", "not-an-area")]) from None
    if systems.is_in_degrees(crs) and not area.is_empty:
        west, south, east, north = area.bounds
        if faults := [*systems.degree_faults(west, south), *systems.degree_faults(east, north)]:
            raise InputError(faults[:1])
    stored = round_degrees(shapely.transform(area, lambda points: systems.to_stored(points, crs)))
    _require_fit(stored)
    return stored


def _require_fit(area: BaseGeometry) -> None:
    """Raise `InputError` where an area is none, and `TooLarge` where it is more than one place can be."""
    if area.geom_type not in {"Polygon", "MultiPolygon"} or area.is_empty:
        raise InputError([Fault("coordinates", "not-an-area")])
    if shapely.get_num_coordinates(area) > MOST_VERTICES:
        raise TooLarge([Fault("coordinates", "area-too-detailed", {"most": MOST_VERTICES})])
    if not area.is_valid:
        raise InputError([Fault("coordinates", "area-not-valid", {"reason": shapely.is_valid_reason(area)})])
    size_m2 = float(area_m2(np.array([area]))[0])
    if size_m2 < SMALLEST_M2:
        raise InputError([Fault("coordinates", "not-an-area")])
    if size_m2 > LARGEST_M2:
        raise TooLarge([Fault("coordinates", "area-too-large", {"most_km2": round(LARGEST_M2 / 1e6)})])


def shares(source: Source, question: AreaQuestion) -> AreaAnswer:
    """Return which grids an area may belong to and to which part, by the borders of grids and by overrides."""
    reading = Reading(question.at)
    whole_m2 = float(area_m2(np.array([question.area]))[0])
    shapely.prepare(question.area)
    found = [_layer(source, reading, layer, question, whole_m2) for layer in chosen(source, question.layers)]
    duties = source.duties([grid for _, parts, _ in found for grid, _ in parts[: question.most]])
    for duty in duties.values():
        reading.note(duty.next_change)
    layers = tuple(
        AreaLayer(
            layer=layer.code,
            title=layer.title,
            shares=tuple(
                _share(grid, its_m2, whole_m2, duties[grid.grid.id]) for grid, its_m2 in parts[: question.most]
            ),
            others=len(parts[question.most :]),
            others_share=sum(its_m2 for _, its_m2 in parts[question.most :]) / whole_m2,
            free_share=free_m2 / whole_m2,
        )
        for layer, parts, free_m2 in found
    )
    return AreaAnswer(question, whole_m2, layers, reading.next_change, Receipt(source.versions, source.basis))


def _share(grid: Candidate, its_m2: float, whole_m2: float, duty: GridDuty) -> Share:
    return Share(grid.grid, its_m2, its_m2 / whole_m2, duty.units, duty.responsible, duty.response)


def _layer(
    source: Source, reading: Reading, layer: LayerRow, question: AreaQuestion, whole_m2: float
) -> tuple[LayerRow, list[tuple[Candidate, float]], float]:
    """Return the grids of a layer in an area with their square metres, most first, and those of none."""
    about = sorted(reading.current(source.about(layer.id, question.area)), key=lambda one: one.grid.code)
    overrides = [one.area for one in in_force(source, reading, layer, question.area)]
    pieces = rules.pieces(about, overrides) if overrides else about
    parts = _parts(question.area, [one.shape for one in pieces])
    sizes_m2 = area_m2(parts) if len(parts) else np.zeros(0)
    if layer.kind == "tiling" and sizes_m2.sum() > whole_m2 * (1 + EPSILON):
        parts = _apart(parts)
        sizes_m2 = area_m2(parts)
    of_grid: dict[int, tuple[Candidate, float]] = {}
    for piece, its_m2 in zip(pieces, sizes_m2, strict=True):
        _, before_m2 = of_grid.get(piece.grid.id, (piece, 0.0))
        of_grid[piece.grid.id] = piece, before_m2 + float(its_m2)
    found = sorted(
        ((grid, its_m2) for grid, its_m2 in of_grid.values() if its_m2 > 0), key=lambda one: (-one[1], one[0].grid.code)
    )
    covered_m2 = float(area_m2(np.array([shapely.union_all(parts)]))[0]) if len(parts) else 0.0
    return layer, found, max(whole_m2 - covered_m2, 0.0)


def _parts(area: BaseGeometry, shapes: Sequence[BaseGeometry]) -> Geometries:
    """Return what of each shape is in an area: most are in it wholly, and need not be cut."""
    found = np.array(shapes, dtype=object)
    if len(found):
        cut = ~shapely.contains_properly(area, found)
        found[cut] = shapely.intersection(found[cut], area)
    return found


def _apart(parts: Geometries) -> Geometries:
    """Return faulty overlaps cut off all but the first that has them."""
    found = parts.copy()
    taken: BaseGeometry = shapely.Polygon()
    for place, part in enumerate(parts):
        found[place] = part.difference(taken)
        taken = taken.union(part)
    return found
