"""Places of rows as they are stored: converted, rounded, of the kind that their table holds. Pure; vectorised."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from spatial import crs as systems
from spatial.errors import invalid
from spatial.geometry import DEGREE_DECIMALS, Floats, Geometries, area_m2, round_degrees
from spatial.grids.noding import only_areas
from spatial.grids.tiling import canonical, rounded
from spatial.imports.cells import FaultyCell, Reading
from spatial.imports.model import ShapeKind
from spatial.tables import SRID

FARTHEST_DEGREES = 5.0  # from the deployment's meridian; no city is as wide
FAR = 1.0  # degrees beyond the outermost grids: some 100 km
KINDS: dict[ShapeKind, tuple[GeometryType, GeometryType]] = {
    "point": (GeometryType.POINT, GeometryType.MULTIPOINT),
    "line": (GeometryType.LINESTRING, GeometryType.MULTILINESTRING),
    "lines": (GeometryType.LINESTRING, GeometryType.MULTILINESTRING),
    "area": (GeometryType.POLYGON, GeometryType.MULTIPOLYGON),
}


@dataclass(frozen=True)
class Frame:
    """Where the rows may lie: the file's system, about the deployment's meridian and its grids where they are known."""

    crs: str
    lon_0: float | None
    repair_limit: float
    grids: systems.Bounds | None = None

    def degrees(self, xy: Floats) -> Floats:
        """Return stored degrees, rounded; what the system cannot place is infinite."""
        return np.round(systems.inbound(self.crs)(xy), DEGREE_DECIMALS)


@dataclass(frozen=True)
class Located:
    """Stored shapes; by position in the chunk what is wrong with some, and the m² by which others were mended.

    Lines without length are nothing at all: their rows are to be left out.
    """

    shapes: Geometries
    faults: dict[int, FaultyCell]
    mended: dict[int, float]
    nothing: frozenset[int] = frozenset()

    def as_text(self) -> list[str | None]:
        """Return the shapes as COPY reads them."""
        hexed = shapely.to_wkb(shapely.set_srid(self.shapes, SRID), hex=True, include_srid=True)
        texts: list[str | None] = hexed.tolist()
        return texts


def points(lon: Sequence[Any], lat: Sequence[Any], read: tuple[Reading, Reading], frame: Frame) -> Located:
    """Return points from two columns; a row with one coordinate alone is a fault, with none it has no place."""
    faults: dict[int, FaultyCell] = {}
    xy = np.column_stack([_numbers(values, one, faults) for values, one in zip((lon, lat), read, strict=True)])
    given = ~np.isnan(xy)
    for index in np.flatnonzero(given[:, 0] != given[:, 1]).tolist():
        faults.setdefault(index, FaultyCell("coordinate-alone"))
    usable = given.all(axis=1)
    shapes = np.full(len(xy), None, dtype=object)
    lonlat = frame.degrees(xy[usable])
    shapes[usable] = shapely.points(np.where(np.isfinite(lonlat), lonlat, 0))
    where = np.flatnonzero(usable)
    for index, fault in _place_faults(lonlat, np.arange(len(lonlat)), xy[usable], frame).items():
        faults.setdefault(int(where[index]), fault)
    return _without(shapes, faults, {})


def shapes(given: Geometries, kind: ShapeKind, frame: Frame) -> Located:
    """Return the shapes of features as a table of that kind stores them."""
    faults: dict[int, FaultyCell] = {}
    given = shapely.force_2d(given)
    given[shapely.is_empty(given)] = None
    single, multi = KINDS[kind]
    types = shapely.get_type_id(given)
    for index in np.flatnonzero((types != single) & (types != multi) & ~shapely.is_missing(given)).tolist():
        faults[index] = FaultyCell("shape-of-another-kind", found=GeometryType(types[index]).name.lower(), wanted=kind)
    if kind in ("point", "line"):
        several = (types == multi) & (np.asarray(shapely.get_num_geometries(given)) > 1)
        for index in np.flatnonzero(several).tolist():
            faults[index] = FaultyCell("shape-in-parts", count=int(shapely.get_num_geometries(given[index])))
        given = np.where(types == multi, shapely.get_geometry(given, 0), given)
    xy, owner = shapely.get_coordinates(given, return_index=True)
    lonlat = frame.degrees(xy)
    for index, fault in _place_faults(lonlat, owner, xy, frame).items():
        faults.setdefault(index, fault)
    inside = np.isfinite(lonlat).all(axis=1, keepdims=True)
    placed = shapely.set_coordinates(given.copy(), np.where(inside, lonlat, 0))
    placed[list(faults)] = None
    if kind == "lines":
        placed = _as_lines(placed)
    if kind != "area":
        short = np.asarray(shapely.length(placed)) == 0 if kind != "point" else np.zeros(len(placed), dtype=bool)
        return replace(_without(placed, faults, {}), nothing=frozenset(np.flatnonzero(short).tolist()))
    return _areas(placed, faults, frame)


def require_axes(xy: Floats, crs: str) -> None:
    """Raise an `InputError` where coordinates make sense with their axes swapped only."""
    if len(xy) and systems.axes_swapped(xy, crs):
        raise invalid("geometry", "axes-swapped", x=float(xy[0, 0]), y=float(xy[0, 1]))


def _areas(placed: Geometries, faults: dict[int, FaultyCell], frame: Frame) -> Located:
    """Return areas as they are stored, mended where little of them changes by it."""
    mended: dict[int, float] = {}
    present = ~np.asarray(shapely.is_missing(placed))
    for index in np.flatnonzero(present & ~np.asarray(shapely.is_valid(placed))).tolist():
        before = placed[index]
        whole = shapely.make_valid(before, method="structure", keep_collapsed=False)
        placed[index] = only_areas(np.array([whole], dtype=object))[0]
        size, was = (float(area_m2(np.array([one], dtype=object))[0]) for one in (placed[index], before))
        changed = abs(size - abs(was))
        if size == 0 or changed > frame.repair_limit * size:
            reason = shapely.is_valid_reason(before)
            faults.setdefault(index, FaultyCell("shape-not-mended", reason=reason, area_m2=round(changed, 2)))
            placed[index] = None
        else:
            mended[index] = changed
    present = ~np.asarray(shapely.is_missing(placed))
    if present.any():
        placed[present] = rounded(canonical(round_degrees(placed[present])))
    return _without(placed, faults, mended)


def _as_lines(given: Geometries) -> Geometries:
    """Return lines as multilines."""
    single = shapely.get_type_id(given) == GeometryType.LINESTRING
    made = given.copy()
    if single.any():
        made[single] = shapely.multilinestrings(given[single], indices=np.arange(int(single.sum())))
    return made


def _place_faults(lonlat: Floats, owner: NDArray[Any], xy: Floats, frame: Frame) -> dict[int, FaultyCell]:
    """Return the first thing wrong with each row whose place is nowhere, off Earth, or far from the deployment."""
    lost = np.asarray(~np.isfinite(lonlat).all(axis=1))
    off_lon, off_lat = np.abs(lonlat[:, 0]) > 180, np.abs(lonlat[:, 1]) > 90
    far = np.zeros(len(lonlat), dtype=bool)
    if frame.lon_0 is not None:
        far = np.abs(lonlat[:, 0] - frame.lon_0) > FARTHEST_DEGREES
    beyond = np.zeros(len(lonlat), dtype=bool)
    if frame.grids is not None:
        west, south, east, north = frame.grids
        low, high = (west - FAR, south - FAR), (east + FAR, north + FAR)
        beyond = np.asarray(((lonlat < low) | (lonlat > high)).any(axis=1))
    faults: dict[int, FaultyCell] = {}
    for at in np.flatnonzero(lost | off_lon | off_lat | far | beyond).tolist():
        if lost[at]:
            fault = FaultyCell("outside-crs", crs=frame.crs[:80], count=1)
        elif off_lon[at]:
            fault = FaultyCell("longitude-out-of-range", value=float(xy[at, 0]))
        elif off_lat[at]:
            fault = FaultyCell("latitude-out-of-range", value=float(xy[at, 1]))
        elif far[at]:
            fault = FaultyCell("far-from-deployment", lon=float(lonlat[at, 0]))
        else:
            fault = FaultyCell("far-from-grids", lon=float(lonlat[at, 0]), lat=float(lonlat[at, 1]))
        faults.setdefault(int(owner[at]), fault)
    return faults


def _without(placed: Geometries, faults: dict[int, FaultyCell], mended: dict[int, float]) -> Located:
    if faults:
        placed[list(faults)] = None
    return Located(placed, faults, mended)


def _numbers(values: Sequence[Any], read: Reading, faults: dict[int, FaultyCell]) -> Floats:
    """Return a column as numbers, NaN where it is empty; all at once where all are numbers."""
    if None not in values:
        try:
            found = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            pass
        else:
            if np.isfinite(found).all():
                return found
    found = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        try:
            text = read(value)
        except FaultyCell as fault:
            faults.setdefault(index, fault)
        else:
            found[index] = np.nan if text is None else float(text)
    return found
