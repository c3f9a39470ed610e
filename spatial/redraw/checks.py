"""What an edit may not do to a tiling: tear it, fold it, or move what it covers. Pure."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from spatial.errors import Fault, GeometryFault
from spatial.findings.rules import is_more
from spatial.geometry import Plane, point_inside
from spatial.grids.tiling import DUST_M2, TilingFinding, findings
from spatial.redraw.model import DraftGrid, shapes_of
from spatial.redraw.rim import ROUNDED_DEGREES, Edge, Vertex, rim

NEVER = ("invalid", "overlap", "gap", "unnoded", "sliver")
RIM_MOVES_M = 0.015  # a vertex new on the rim lies on the grid of 1 cm, and so up to this far from the old edge


def require_sound(
    layer: str, before: Sequence[DraftGrid], after: Sequence[DraftGrid], plane: Plane, *, moves_union: bool = False
) -> list[TilingFinding]:
    """Refuse an edit that makes faults of a tiling, telling each with its grids, its size and a place in it.

    Returns what is to be said of it all the same, as `noticed` does.
    """
    found = findings_of(before), findings_of(after)
    new = added_faults(*found)
    if new:
        raise GeometryFault([_fault(layer, one) for one in new])
    if not moves_union:
        _require_same_cover(layer, before, after, plane)
    return noticed(*found)


def noticed(before: Sequence[TilingFinding], after: Sequence[TilingFinding]) -> list[TilingFinding]:
    """Return what is to be said of a tiling after an edit and was not before: it may be meant."""
    known: dict[tuple[str, tuple[str, ...]], list[TilingFinding]] = defaultdict(list)
    for one in before:
        known[one.kind, one.grids].append(one)
    return [one for one in after if _kind(one) not in NEVER and is_more(one, known[one.kind, one.grids])]


def added_faults(before: Sequence[TilingFinding], after: Sequence[TilingFinding]) -> list[TilingFinding]:
    """Return the faults after an edit that were not there before, or not as large."""
    known = {kind: _cover([one for one in before if _kind(one) == kind]) for kind in NEVER}
    added = []
    for one in after:
        kind = _kind(one)
        if kind not in NEVER:
            continue
        if one.shape is None or one.area_m2 is None:
            if not any(_kind(old) == kind and old.grids == one.grids for old in before):
                added.append(one)
        elif one.shape.difference(known[kind].buffer(ROUNDED_DEGREES)).area > one.shape.area * DUST_M2 / one.area_m2:
            added.append(one)
    return added


def _kind(one: TilingFinding) -> str:
    """Return what a finding is, whatever its size."""
    return str(one.detail["of"]) if one.kind == "sliver" else one.kind


def _cover(found: Sequence[TilingFinding]) -> BaseGeometry:
    shapes = [one.shape for one in found if one.shape is not None]
    return shapely.union_all(shapes) if shapes else shapely.MultiPolygon()


def findings_of(grids: Sequence[DraftGrid]) -> list[TilingFinding]:
    """Return the findings of a tiling as a draft has it."""
    return findings([grid.code for grid in grids], shapes_of(grids))


def _fault(layer: str, one: TilingFinding) -> Fault:
    values: dict[str, object] = {"layer": layer, "grids": list(one.grids)}
    if one.area_m2 is not None:
        values["area_m2"] = round(one.area_m2, 4)
    if one.place is not None:
        values |= dict(zip(("lon", "lat"), one.place, strict=True))
    return Fault("operation", f"edit-makes-{_kind(one)}", values)


def cover_moved(before: Sequence[DraftGrid], after: Sequence[DraftGrid], plane: Plane) -> BaseGeometry:
    """Return, in metres, what a layer covers before and not after, or the reverse, where that is more than rounding.

    The rim alone does not tell: edges may change hands among the same vertices.
    """
    shapes = [shapes_of(grids) for grids in (before, after)]
    was, now = (rim(one) for one in shapes)
    if was == now:
        return shapely.MultiPolygon()
    wholes = [plane.to_metres(shapely.union_all(one)) for one in shapes]
    edges = plane.to_metres(shapely.multilinestrings([list(edge) for edge in sorted(was ^ now)]))
    return (wholes[0] ^ wholes[1]) - edges.buffer(RIM_MOVES_M)


def _require_same_cover(layer: str, before: Sequence[DraftGrid], after: Sequence[DraftGrid], plane: Plane) -> None:
    """Refuse an edit after which a layer covers more or less than before, by more than rounding."""
    was, now = (rim(shapes_of(grids)) for grids in (before, after))
    if was == now:
        return
    far = _off(now - was, was, plane) or _off(was - now, now, plane)
    if far is None:
        moved = cover_moved(before, after, plane)
        far = point_inside(plane.to_degrees(moved)) if moved.area > DUST_M2 else None
    if far is not None:
        lon, lat = far
        raise GeometryFault(
            [Fault("operation", "edit-moves-rim", {"layer": layer, "lon": round(lon, 7), "lat": round(lat, 7)})]
        )


def _off(edges: Collection[Edge], others: Collection[Edge], plane: Plane) -> Vertex | None:
    """Return a vertex of some edges, in degrees, that lies off all others; None where each lies on one."""
    vertices = sorted({vertex for edge in edges for vertex in edge})
    if not vertices or not others:
        return vertices[0] if vertices else None
    lines = plane.to_metres(shapely.linestrings(sorted(others)))
    points = plane.to_metres(shapely.points(vertices))
    _, off = shapely.STRtree(lines).query_nearest(points, return_distance=True, all_matches=False)
    return vertices[int(off.argmax())] if off.max() > RIM_MOVES_M else None
