"""What would mend a fault of a tiling, to be looked at before anybody does it. Pure.

Each way that comes into question is tried on the stored shapes, and what is proposed keeps a law: the fault is gone, no
other has come or grown, and grids that are not named stay bit for bit as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.errors import GeometryFault
from spatial.findings.model import Flaw
from spatial.geometry import SNAP_M, Floats, Geometries, Plane, area_m2
from spatial.grids.noding import only_areas
from spatial.grids.tiling import DUST_M2, TilingFinding, canonical, findings, stored

Way = Literal["given", "taken", "cut-off", "noded", "made-valid"]
Redrawing = tuple[Way, dict[int, BaseGeometry]]
BY_OUTLINE, HAIR_M = {"uncovered", "outside"}, 2 * SNAP_M
MOST_ROUNDS = 10
MOST_GRIDS = 50  # that a repair may touch: what spreads further is for a person to redraw


@dataclass(frozen=True)
class Redrawn:
    """A grid that a repair would change, with its shape in degrees before and after."""

    code: str
    before: BaseGeometry
    after: BaseGeometry
    area_before_m2: float
    area_after_m2: float


@dataclass(frozen=True)
class Repair:
    """How a fault would be mended.

    `given`: what belongs to none goes to a neighbour; `taken`: what several hold stays with one; `cut-off`: what lies
    outside is taken away; `noded`: borders that look shared get the same vertices; `made-valid`.
    """

    way: Way
    grids: tuple[Redrawn, ...]


def proposed(
    flaw: Flaw, codes: Sequence[str], shapes_deg: Geometries, plane: Plane, outline: BaseGeometry | None = None
) -> Repair | None:
    """Return the first way to mend a fault of a tiling that makes nothing worse; none where there is no such.

    `codes` and `shapes_deg` are the grids of the whole tiling as stored, `outline` is the area that it should cover.
    """
    shapes = np.asarray(shapes_deg, dtype=object)
    position = {code: place for place, code in enumerate(codes)}
    its = [position[code] for code in flaw.grids if code in position]
    for way, redrawn in _ways(flaw, its, codes, shapes, plane):
        after = _noded(shapes, redrawn, plane)
        if after and _mends(flaw, its, codes, shapes, after, outline):
            return Repair(way, tuple(_redrawn(codes[place], shapes[place], after[place]) for place in sorted(after)))
    return None


def _ways(
    flaw: Flaw, its: Sequence[int], codes: Sequence[str], shapes: Geometries, plane: Plane
) -> Iterator[Redrawing]:
    """Yield ways to mend a fault, the one that comes first into question first: by position, the shapes not yet noded.

    What is missing goes to the neighbour with the longest common border. What two hold stays with the smaller code, for
    by the boundary rule of look-ups that one answers for it already.
    """
    piece, what = flaw.shape, _what(flaw)
    if what == "invalid":
        mended = shapely.make_valid(shapes[list(its)], method="structure", keep_collapsed=False)
        yield "made-valid", dict(zip(its, only_areas(mended), strict=True))
    elif what == "unnoded":
        yield "noded", {place: shapes[place] for place in its}
    elif piece is None or shapely.get_dimensions(piece) < 2 or _is_hair(flaw):
        return
    elif what in {"gap", "uncovered"}:
        borders = {place: shapely.intersection(shapes[place], piece) for place in its}
        border_m = {place: round(plane.to_metres(border).length, 2) for place, border in borders.items()}
        for place in sorted(its, key=lambda place: (-border_m[place], codes[place])):
            if border_m[place] > 0:
                yield "given", {place: shapely.union(shapes[place], piece)}
    elif what == "overlap":
        for loser in sorted(its, key=lambda place: codes[place], reverse=True):
            winner = next(place for place in its if place != loser)
            yield "taken", {loser: shapely.difference(shapes[loser], shapes[winner])}
    elif what == "outside":
        reach = [place for place in its if shapely.intersection(shapes[place], piece).area > 0]
        yield "cut-off", {place: shapely.difference(shapes[place], piece) for place in reach}


def _noded(shapes: Geometries, redrawn: Mapping[int, BaseGeometry], plane: Plane) -> dict[int, BaseGeometry]:
    """Return all grids that change, by position, when some are redrawn and stored together with those around them.

    Where that moves a neighbour, those around it are taken in, too; none where it spreads too far, or a grid is lost.
    """
    drawn = shapes.copy()
    for place, shape in redrawn.items():
        drawn[place] = shape
    moved, tree = set(redrawn), shapely.STRtree(shapes)
    for _ in range(MOST_ROUNDS):
        group = np.array(sorted(moved | _touching(tree, shapes, moved) | _touching(tree, drawn, moved)))
        try:
            made = stored(only_areas(drawn[group]), plane)
        except GeometryFault:
            return {}
        if shapely.is_empty(made).any():
            return {}
        differs = shapely.to_wkb(made) != shapely.to_wkb(canonical(shapes[group]))
        changed = dict(zip(group[differs].tolist(), made[differs], strict=True))
        if changed.keys() <= moved:
            return changed
        moved |= changed.keys()
        if len(moved) > MOST_GRIDS:
            break
    return {}


def _touching(tree: shapely.STRtree, shapes: Geometries, places: set[int]) -> set[int]:
    found: set[int] = set(tree.query(shapes[sorted(places)], predicate="intersects")[1].tolist())
    return found


def _mends(
    flaw: Flaw,
    its: Sequence[int],
    codes: Sequence[str],
    shapes: Geometries,
    after: Mapping[int, BaseGeometry],
    outline: BaseGeometry | None,
) -> bool:
    """Whether a fault is gone once some grids are redrawn, and no other has come or grown.

    Without an outline only the grids around are looked at: nothing else can change.
    """
    group = np.arange(len(shapes))
    if outline is None:
        tree, near = shapely.STRtree(shapes), {*its, *after}
        for _ in range(2):
            near |= _touching(tree, shapes, near)
        group = np.array(sorted(near))
    redrawn = shapes.copy()
    for place, shape in after.items():
        redrawn[place] = shape
    names = [codes[place] for place in group.tolist()]
    before, then = (_told(names, drawn[group], outline) for drawn in (shapes, redrawn))
    is_gone = not any(_is_same(flaw, one) for one in then)
    return is_gone and all(_was_there(one, before) for one in then)


def _told(names: Sequence[str], shapes: Geometries, outline: BaseGeometry | None) -> list[TilingFinding]:
    """Return what is wrong with a tiling, but for hairs along its outline."""
    return [one for one in findings(names, shapes, outline) if not _is_hair(one)]


def _is_hair(one: Flaw | TilingFinding) -> bool:
    """Whether something is what rounding to 1 cm leaves along an outline, whose vertices are not those of the grids."""
    return _what(one) in BY_OUTLINE and bool(one.detail.get("width_m", 0.0) <= HAIR_M)


def _is_same(flaw: Flaw | TilingFinding, one: TilingFinding) -> bool:
    """Whether two faults are of one kind at one place; one may be a part of the other."""
    if _what(flaw) != _what(one):
        return False
    if flaw.shape is None or one.shape is None:
        return flaw.grids == one.grids
    shared = shapely.intersection(flaw.shape, one.shape)
    is_area = min(shapely.get_dimensions(flaw.shape), shapely.get_dimensions(one.shape)) == 2
    return bool(shared.area > 0 if is_area else shared.length > 0)  # neighbouring pieces share a border


def _was_there(one: TilingFinding, before: Sequence[TilingFinding]) -> bool:
    """Whether a fault was there before, as large at least; of detached parts the size does not matter."""
    same = [other for other in before if _is_same(other, one)]
    if one.kind == "disconnected":
        return any(other.grids == one.grids for other in same)
    is_by_outline = _what(one) in BY_OUTLINE
    slack_m2 = HAIR_M * 2 * (one.area_m2 or 0.0) / one.detail["width_m"] if is_by_outline else DUST_M2  # of its border
    return bool(same) and (one.area_m2 or 0.0) <= sum(other.area_m2 or 0.0 for other in same) + slack_m2


def _what(one: Flaw | TilingFinding) -> str:
    return str(one.detail.get("of", one.kind))


def _redrawn(code: str, before: BaseGeometry, after: BaseGeometry) -> Redrawn:
    sizes: Floats = area_m2(np.array([before, after], dtype=object))
    return Redrawn(code, before, after, float(sizes[0]), float(sizes[1]))
