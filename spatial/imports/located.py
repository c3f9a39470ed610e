"""Places of rows as they are stored: converted, rounded, of the kind that their table holds. Pure; vectorised."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from spatial import crs as systems
from spatial.errors import Fault, InputError
from spatial.geometry import DEGREE_DECIMALS, Floats, Geometries, area_m2, round_degrees
from spatial.grids.noding import only_areas
from spatial.grids.tiling import canonical, rounded
from spatial.imports.cells import FaultyCell, Reading
from spatial.imports.model import ShapeKind

FARTHEST_DEGREES = 5.0  # from the deployment's meridian; no city is as wide
MOST_LON, MOST_LAT = 180, 90
KINDS: dict[ShapeKind, tuple[GeometryType, GeometryType]] = {
    "point": (GeometryType.POINT, GeometryType.MULTIPOINT),
    "line": (GeometryType.LINESTRING, GeometryType.MULTILINESTRING),
    "lines": (GeometryType.LINESTRING, GeometryType.MULTILINESTRING),
    "area": (GeometryType.POLYGON, GeometryType.MULTIPOLYGON),
}


@dataclass(frozen=True)
class Frame:
    """Where the rows may lie: the file's system, about the deployment's meridian, within its surroundings if known.

    Without a system nothing can be placed, and only that is looked at which needs none.
    """

    crs: str | None
    lon_0: float | None
    repair_limit: float
    within: systems.Bounds | None = None

    def degrees(self, xy: Floats) -> Floats:
        """Return stored degrees, rounded; what the system cannot place is infinite."""
        return np.round(systems.inbound(self.crs or "")(xy), DEGREE_DECIMALS)


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
        """Return the shapes as COPY reads them; the column knows their system."""
        texts: list[str | None] = shapely.to_wkb(self.shapes, hex=True).tolist()
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
    if frame.crs is None:
        return Located(shapes, faults, {})
    lonlat = frame.degrees(xy[usable])
    shapes[usable] = shapely.points(np.where(np.isfinite(lonlat), lonlat, 0))
    where = np.flatnonzero(usable)
    for index, fault in place_faults(lonlat, np.arange(len(lonlat)), frame).items():
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
    if frame.crs is None:
        return Located(np.full(len(given), None, dtype=object), faults, {})
    xy, owner = shapely.get_coordinates(given, return_index=True)
    lonlat = frame.degrees(xy)
    for index, fault in place_faults(lonlat, owner, frame).items():
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


def system_faults(crs: str | None) -> list[Fault]:
    """Return what is wrong with the system that a file declares, or that is named for it."""
    if not crs:
        return [Fault("source-crs", "crs-undeclared")]
    try:
        systems.inbound(crs)
    except InputError as error:
        return list(error.faults)
    return []


def place_faults(lonlat: Floats, owner: NDArray[Any], frame: Frame) -> dict[int, FaultyCell]:
    """Return the worst thing wrong with each row that lies nowhere, off Earth, or far from the deployment.

    `owner` says of each place, in stored degrees, which row it is of.
    """
    lon, lat = lonlat.T
    lost = np.asarray(~np.isfinite(lonlat).all(axis=1))
    far, beyond = np.zeros((2, len(lonlat)), dtype=bool)
    if frame.lon_0 is not None:
        far = np.abs(lon - frame.lon_0) > FARTHEST_DEGREES
    if frame.within is not None:
        beyond = np.asarray(((lonlat < frame.within[:2]) | (lonlat > frame.within[2:])).any(axis=1))
    counts = np.bincount(owner[lost]) if lost.any() else ()
    faults: dict[int, FaultyCell] = {}
    for kind, wrong in (
        ("outside-crs", lost),
        ("longitude-out-of-range", np.abs(lon) > MOST_LON),
        ("latitude-out-of-range", np.abs(lat) > MOST_LAT),
        ("far-from-deployment", far),
        ("far-from-grids", beyond),
    ):
        for at in np.flatnonzero(wrong).tolist():
            row = int(owner[at])
            if row in faults:
                continue
            match kind:
                case "outside-crs":
                    faults[row] = FaultyCell(kind, crs=(frame.crs or "")[:80], count=int(counts[row]))
                case "longitude-out-of-range":
                    faults[row] = FaultyCell(kind, value=float(lon[at]))
                case "latitude-out-of-range":
                    faults[row] = FaultyCell(kind, value=float(lat[at]))
                case _:
                    faults[row] = FaultyCell(kind, lon=float(lon[at]), lat=float(lat[at]))
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
