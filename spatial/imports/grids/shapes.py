"""From a file's shapes to stored ones: checked, converted, mended, noded. Pure; every fault at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from spatial import crs as systems
from spatial.errors import Fault, GeometryFault
from spatial.geometry import Floats, Geometries, Plane
from spatial.grids.tiling import canonical, densified, node, repaired, rounded
from spatial.imports import located
from spatial.imports.cells import FaultyCell
from spatial.imports.grids.model import Entry, LayerKind, Repair

Counts = NDArray[np.int64]
AREAS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class Mended:
    """The shapes of grids, each for itself: in degrees as the file has them, in metres without what was invalid.

    `changed` is by how many m² each was mended.
    """

    degrees: Geometries
    metres: Geometries
    changed: Floats
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class Taken:
    """Shapes as they will be stored, of the file's grids and of those that stay, and what was mended."""

    shapes: Geometries
    kept: Geometries
    repairs: tuple[Repair, ...]


def usable(
    shapes: Geometries, numbers: Sequence[int], crs: str, lon_0: float | None, within: systems.Bounds | None
) -> tuple[Geometries, list[Fault]]:
    """Return the shapes that can be taken, None for each other, and what is wrong: of each row the first thing.

    Without a system none can be placed, though each is looked at. Coordinates that only make sense with their axes
    swapped are one fault.
    """
    faulty = _without_area(shapes)
    found = shapes.copy()
    found[list(faulty)] = None
    whole = located.system_faults(crs)
    xy, owner = shapely.get_coordinates(found, return_index=True)
    if not whole and len(xy):
        if systems.axes_swapped(xy, crs) or (within and systems.axes_swapped(xy, crs, within)):
            whole = [Fault("geometry", "axes-swapped", {"x": float(xy[0, 0]), "y": float(xy[0, 1])})]
        else:
            frame = located.Frame(crs, lon_0, 0.0)
            faulty |= located.place_faults(frame.degrees(xy), owner, frame)
    found[slice(None) if whole else list(faulty)] = None
    told = (Fault(f"row {numbers[row]}, geometry", faulty[row].text, faulty[row].values) for row in sorted(faulty))
    return found, [*whole, *told]


def _without_area(shapes: Geometries) -> dict[int, FaultyCell]:
    """Return what is wrong with each row without a usable area: none, empty, of another type, NaN or infinite."""
    faults = {}
    types = shapely.get_type_id(shapes)
    flat, owner = shapely.get_coordinates(shapes, return_index=True)
    endless = np.bincount(owner[~np.isfinite(flat).all(axis=1)], minlength=len(shapes)) > 0
    for row, (kind, empty) in enumerate(zip(types, shapely.is_empty(shapes) | shapely.is_missing(shapes), strict=True)):
        if empty:
            faults[row] = FaultyCell("geometry-missing")
        elif kind not in AREAS:
            faults[row] = FaultyCell("geometry-not-an-area", found=shapely.GeometryType(kind).name.title())
        elif endless[row]:
            faults[row] = FaultyCell("not-finite")
    return faults


def plane_of(shapes: Geometries, crs: str) -> Plane:
    """Return the plane about the middle of some shapes."""
    lonlat = systems.inbound(crs)(shapely.get_coordinates(shapes))
    return Plane.around(float((lonlat[:, 0].min() + lonlat[:, 0].max()) / 2))


def mended(
    entries: Sequence[Entry], source: Geometries, *, crs: str, plane: Plane, repair_limit: float
) -> tuple[Mended, list[Fault]]:
    """Return each entry's shape, mended, and a fault where that changes more than `repair_limit` of its area."""
    convert = systems.inbound(crs)
    joined, repairs = _joined(entries, source)
    dense = densified(joined, lambda xy: plane.metres(convert(xy)))
    degrees = shapely.transform(dense, convert)
    metres, changed = repaired(plane.to_metres(degrees))
    repairs += _mended(entries, joined, changed)
    return Mended(degrees, metres, changed, tuple(repairs)), _too_large(entries, metres, changed, repair_limit)


def taken(entries: Sequence[Entry], shapes: Mended, kept: Geometries, *, plane: Plane, kind: LayerKind) -> Taken:
    """Return each entry's shape as it will be stored, noded with the kept ones (in degrees) where the layer tiles.

    A shape that vanishes by it is a `GeometryFault`.
    """
    repairs = list(shapes.repairs)
    if kind == "free":
        broken = shapes.changed != 0
        degrees = shapes.degrees.copy()
        degrees[broken] = plane.to_degrees(shapes.metres[broken])
        made, stay = rounded(degrees), kept
    else:
        noded = node(np.concatenate([shapes.metres, plane.to_metres(kept)]))
        stored = canonical(plane.to_degrees(noded))
        made, stay = stored[: len(entries)], stored[len(entries) :]
        repairs += _collapsed(entries, shapes.metres, noded[: len(entries)])
    _require_whole(entries, made)
    return Taken(made, stay, tuple(sorted(repairs, key=lambda repair: repair.code)))


def _joined(entries: Sequence[Entry], source: Geometries) -> tuple[Geometries, list[Repair]]:
    """Return one multipolygon for each entry, of the distinct shapes of its rows."""
    joined = np.empty(len(entries), dtype=object)
    repairs = []
    for index, entry in enumerate(entries):
        shapes = source[np.asarray(entry.indexes)]
        if len(shapes) > 1:
            distinct = np.unique(shapely.to_wkb(shapely.normalize(shapes)), return_index=True)[1]
            if len(distinct) < len(shapes):
                repeated = len(shapes) - len(distinct)
                repairs.append(Repair(entry.code, entry.rows, "duplicate-feature", repeated, 0.0))
            shapes = shapes[np.sort(distinct)]
        joined[index] = shapely.MultiPolygon(list(shapely.get_parts(shapes)))
    return joined, repairs


def _mended(entries: Sequence[Entry], joined: Geometries, changed: Floats) -> list[Repair]:
    repairs = [
        Repair(entry.code, entry.rows, "duplicate-vertices", int(count), 0.0)
        for entry, count in zip(entries, _repeated_vertices(joined), strict=True)
        if count > 0
    ]
    return repairs + [
        Repair(entry.code, entry.rows, "made-valid", 1, float(area_m2))
        for entry, area_m2 in zip(entries, changed, strict=True)
        if area_m2 > 0
    ]


def _collapsed(entries: Sequence[Entry], before: Geometries, after: Geometries) -> list[Repair]:
    """Tell of parts and holes that were thinner than the 1 cm grid."""
    lost = _ring_counts(before) - _ring_counts(after)
    shrunk = np.abs(shapely.area(before) - shapely.area(after))
    return [
        Repair(entry.code, entry.rows, "collapsed", int(count), float(area_m2))
        for entry, count, area_m2 in zip(entries, lost, shrunk, strict=True)
        if count > 0
    ]


def _repeated_vertices(shapes: Geometries) -> Counts:
    """Return how many vertices of each shape repeat the one before."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    repeats = (xy[1:] == xy[:-1]).all(axis=1) & (ring[1:] == ring[:-1])
    return np.bincount(owner[part[ring[1:][repeats]]], minlength=len(shapes))


def _ring_counts(shapes: Geometries) -> Counts:
    parts, owner = shapely.get_parts(shapes, return_index=True)
    return np.bincount(owner, 1 + shapely.get_num_interior_rings(parts), minlength=len(shapes)).astype(np.int64)


def _too_large(entries: Sequence[Entry], mended: Geometries, changed: Floats, limit: float) -> list[Fault]:
    return [
        _fault(entry, "repair-too-large", changed_m2=round(float(change), 1), share=_percent(change, area), limit=limit)
        for entry, change, area in zip(entries, changed, shapely.area(mended), strict=True)
        if change > limit * area
    ]


def _require_whole(entries: Sequence[Entry], made: Geometries) -> None:
    """Raise a `GeometryFault` of the shapes that vanished, or that rounding left invalid."""
    faults = [_fault(entry, "shape-vanishes") for entry in _chosen(entries, shapely.is_empty(made))]
    faults += [_fault(entry, "shape-stays-invalid") for entry in _chosen(entries, ~shapely.is_valid(made))]
    if faults:
        raise GeometryFault(faults)


def _chosen(entries: Sequence[Entry], is_chosen: NDArray[np.bool_]) -> list[Entry]:
    return [entry for entry, chosen in zip(entries, is_chosen, strict=True) if chosen]


def _percent(change: float, area: float) -> float:
    return round(float(100 * change / area), 2) if area > 0 else 100.0


def _fault(entry: Entry, text: str, **values: float) -> Fault:
    rows = ", ".join(str(row) for row in entry.rows)
    return Fault(f"row{'s' if len(entry.rows) > 1 else ''} {rows}, geometry", text, {"code": entry.code, **values})
