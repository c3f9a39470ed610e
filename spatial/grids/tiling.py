"""Tilings: how shapes become what is stored, and what is wrong with a set of them.

Validity is decided on stored degrees: every polygon valid, shared borders bit for bit equal, no two grids overlapping,
no hole inside, and, where an outline is given, nothing left uncovered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import GRS80, Floats, Geometries, Plane, area_m2, point_inside, round_degrees
from spatial.grids.noding import Rings, densified, node, only_areas

__all__ = [
    "TILING_KINDS",
    "Identity",
    "TilingFinding",
    "canonical",
    "densified",
    "findings",
    "identity",
    "node",
    "repaired",
    "rounded",
    "stored",
]

Severity = Literal["info", "warning", "fault"]
Identity = tuple[str, tuple[str, ...], bytes]
TILING_KINDS = ("invalid", "overlap", "gap", "uncovered", "outside", "sliver", "unnoded", "disconnected")
REPORTED_M2 = 1.0  # smaller gaps and overlaps are slivers, told for information, where no setting says otherwise
DUST_M2 = 1e-4  # what cutting shapes leaves behind, a square centimetre
HAIR_DEGREES = 2e-8  # about 2 mm: noded vertices stay 5 mm off, so a gap as narrow lies between borders not noded


@dataclass(frozen=True)
class TilingFinding:
    """Something about a tiling that a person should know, with the grids concerned, its place in degrees and size.

    `kind`: `invalid`, `overlap`, `gap` (a hole inside), `uncovered` and `outside` (of a given outline), `sliver` (an
    overlap or gap too small to matter; `detail["of"]` says which), `unnoded` (borders that look shared but are not),
    `disconnected` (detached parts, which may be right).
    """

    kind: str
    severity: Severity
    grids: tuple[str, ...]
    area_m2: float | None = None
    shape: BaseGeometry | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[float, float] | None:
        """Longitude and latitude of a place in it, to 1 cm."""
        return None if self.shape is None else point_inside(self.shape)


def identity(kind: str, grids: tuple[str, ...], shape: BaseGeometry | None) -> Identity:
    """Return what makes two findings the same: kind, grids and place."""
    return kind, grids, b"" if shape is None else shapely.to_wkb(shapely.normalize(shape))


def stored(shapes_deg: Geometries, plane: Plane) -> Geometries:
    """Return shapes in degrees as a tiling stores them: noded together, snapped to 1 cm, rounded, in canonical order.

    Shapes must be valid. What is already stored so comes back bit for bit. A shape too thin to keep comes back empty.
    """
    shapes_m = plane.to_metres(densified(shapes_deg, plane.metres))
    return canonical(plane.to_degrees(node(shapes_m)))


def rounded(shapes_deg: Geometries) -> Geometries:
    """Return valid shapes in degrees as a layer that is no tiling stores them: each for itself, rounded, in order."""
    shapes = canonical(round_degrees(shapes_deg))
    for _ in range(10):
        broken = ~shapely.is_valid(shapes)
        if not broken.any():
            break
        mended = shapely.make_valid(shapes[broken], method="structure", keep_collapsed=False)
        shapes[broken] = canonical(round_degrees(only_areas(mended)))
    return shapes


def canonical(shapes: Geometries) -> Geometries:
    """Return multipolygons whose parts, rings and starting vertices have one order, shells anticlockwise."""
    return shapely.orient_polygons(shapely.normalize(only_areas(shapes)))


def repaired(shapes_m: Geometries) -> tuple[Geometries, Floats]:
    """Return valid multipolygons, and the m² by which each one's area had to change.

    The area before is what the rings say: a bow-tie whose lobes turn against each other counts them against each other.
    """
    valid = shapely.is_valid(shapes_m)
    mended = only_areas(shapes_m)
    mended[~valid] = only_areas(shapely.make_valid(shapes_m[~valid], method="structure", keep_collapsed=False))
    changed = np.where(valid, 0.0, np.abs(shapely.area(mended) - shapely.area(shapes_m)))
    return mended, changed


def findings(
    codes: Sequence[str],
    shapes_deg: Geometries,
    outline: BaseGeometry | None = None,
    reported_m2: float = REPORTED_M2,
) -> list[TilingFinding]:
    """Return what is wrong with a tiling in stored degrees; `outline` is the area that it should cover.

    What is missing or held twice is a sliver below `reported_m2`.
    """
    shapes = np.asarray(shapes_deg, dtype=object)
    names = np.asarray(codes, dtype=object)
    if len(shapes) == 0:
        return [] if outline is None else list(_beyond(names, shapes, shapely.MultiPolygon(), outline, reported_m2))
    mismatched = shapely.coverage_invalid_edges(shapes, gap_width=HAIR_DEGREES)
    suspect = {index: mismatched[index] for index in np.flatnonzero(~shapely.is_empty(mismatched)).tolist()}
    overlaps = list(_overlaps(names, shapes, list(suspect), reported_m2))
    union = shapely.union_all(shapes) if suspect else shapely.coverage_union_all(shapes)
    found = [TilingFinding("invalid", "fault", (name,)) for name in names[~shapely.is_valid(shapes)]]
    found += overlaps
    found += _unnoded(names, suspect, overlaps)
    found += _gaps(names, shapes, union, reported_m2)
    if outline is not None:
        found += _beyond(names, shapes, union, outline, reported_m2)
    found += _disconnected(names, shapes)
    return found


def _overlaps(names: Geometries, shapes: Geometries, suspect: list[int], reported_m2: float) -> Iterator[TilingFinding]:
    one, other = shapely.STRtree(shapes).query(shapes[suspect], predicate="intersects")
    pairs = np.unique(np.sort(np.column_stack([np.asarray(suspect, int)[one], other]), axis=1), axis=0)
    one, other = pairs[pairs[:, 0] != pairs[:, 1]].T
    pieces = only_areas(shapely.intersection(shapes[one], shapes[other]))
    sizes = area_m2(pieces)
    for first, second, piece, size in zip(names[one], names[other], pieces, sizes, strict=True):
        if size > DUST_M2:
            yield _piece("overlap", tuple(sorted((first, second))), piece, size, reported_m2)


def _unnoded(
    names: Geometries, suspect: dict[int, BaseGeometry], overlaps: Sequence[TilingFinding]
) -> Iterator[TilingFinding]:
    explained = {name for overlap in overlaps for name in overlap.grids}
    for index, lines in suspect.items():
        if names[index] not in explained:
            yield TilingFinding("unnoded", "fault", (names[index],), shape=lines)


def _gaps(names: Geometries, shapes: Geometries, union: BaseGeometry, reported_m2: float) -> Iterator[TilingFinding]:
    parts = shapely.get_parts(union)
    rings, part = shapely.get_rings(parts, return_index=True)
    holes = shapely.polygons(rings[np.concatenate([[False], part[1:] == part[:-1]])])
    if len(parts) > 1:  # a hole may hold a grid that touches nothing
        holes = shapely.get_parts(only_areas(shapely.difference(holes, union)))
    return _pieces("gap", names, shapes, holes, reported_m2)


def _beyond(
    names: Geometries, shapes: Geometries, union: BaseGeometry, outline: BaseGeometry, reported_m2: float
) -> Iterator[TilingFinding]:
    if _outer_edges(shapes) == _outer_edges(np.array([outline])):
        return
    for kind, area in (("uncovered", outline - union), ("outside", union - outline)):
        yield from _pieces(kind, names, shapes, shapely.get_parts(only_areas(np.array([area]))[0]), reported_m2)


def _outer_edges(shapes: Geometries) -> set[tuple[float, ...]]:
    """Return the edges that only one shape uses."""
    edges = Rings.of(shapes).edges()
    once = np.bincount(edges.number, minlength=len(edges.low)) == 1
    return set(map(tuple, np.column_stack([edges.a, edges.b])[once].tolist()))


def _disconnected(names: Geometries, shapes: Geometries) -> Iterator[TilingFinding]:
    """Tell of parts that no edge connects; valid multipolygons have no other."""
    for index in np.flatnonzero(shapely.get_num_geometries(shapes) > 1):
        parts = shapely.get_parts(shapes[index])
        sizes = area_m2(parts)
        detached = shapely.MultiPolygon(list(np.delete(parts, sizes.argmax())))
        size = float(sizes.sum() - sizes.max())
        yield TilingFinding("disconnected", "info", (names[index],), size, detached, {"parts": len(parts)})


def _pieces(
    kind: str, names: Geometries, shapes: Geometries, pieces: Geometries, reported_m2: float
) -> Iterator[TilingFinding]:
    """Tell of pieces with the grids that touch each."""
    piece, touching = shapely.STRtree(shapes).query(pieces, predicate="intersects")
    sizes = area_m2(pieces) if len(pieces) else ()
    for index, size in enumerate(sizes):
        if size > DUST_M2:
            yield _piece(kind, tuple(sorted(names[touching[piece == index]])), pieces[index], size, reported_m2)


def _piece(kind: str, grids: tuple[str, ...], piece: BaseGeometry, size_m2: float, reported_m2: float) -> TilingFinding:
    detail = {"width_m": round(float(2 * size_m2 / GRS80.geometry_length(piece.boundary)), 3)}
    if size_m2 < reported_m2:
        return TilingFinding("sliver", "info", grids, float(size_m2), piece, {"of": kind, **detail})
    return TilingFinding(kind, "fault", grids, float(size_m2), piece, detail)
