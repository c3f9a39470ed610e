"""Geometry of edits, in metres: cutting an area by a line, and letting a shared border run along another. Pure."""

from typing import NamedTuple

import numpy as np
import shapely
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring

from spatial.errors import Fault, GeometryFault
from spatial.geometry import Geometries

REACH_M = 5.0  # a line that ends so near to a border is meant to end on it
ASIDE_M = 0.001  # beside a border, to see who lies there
SHORTEST_M = 0.01


class Contact(NamedTuple):
    """Where a line meets a border: how far along the line, and the place on the border."""

    along: float
    place: Point


def faces(area: BaseGeometry, *lines: BaseGeometry) -> Geometries:
    """Return the pieces into which lines cut an area, each connected by edges."""
    noded = shapely.unary_union([area.boundary, *lines])
    made = shapely.get_parts(shapely.polygonize([noded]))
    inside: Geometries = made[shapely.contains_properly(area, shapely.point_on_surface(made))]
    return inside


def cut(area: BaseGeometry, line: BaseGeometry) -> tuple[Geometries, Geometries]:
    """Return the two pieces of the one part that a line cuts in two, and the parts beside it."""
    parts = shapely.get_parts(area)
    made = [faces(part, line) for part in parts]
    crossed = [n for n, pieces in enumerate(made) if len(pieces) > 1]
    if not crossed:
        raise _refused("line-does-not-cross")
    count = sum(len(made[n]) for n in crossed)
    if count > 2:
        raise _refused("line-cuts-into-many", pieces=count)
    return made[crossed[0]], np.delete(parts, crossed)


def shared_arcs(one: BaseGeometry, other: BaseGeometry) -> list[LineString]:
    """Return the borders that two areas share, each as one line."""
    met = shapely.get_parts(one.boundary & other.boundary)
    lines = met[shapely.length(met) > 0]
    return list(shapely.get_parts(shapely.line_merge(shapely.multilinestrings(lines)))) if len(lines) else []


def along(left: BaseGeometry, right: BaseGeometry, line: LineString) -> tuple[BaseGeometry, BaseGeometry]:
    """Return two neighbours whose border runs along a line, from where it meets that border or their outline, on."""
    arcs = shared_arcs(left, right)
    if not arcs:
        raise GeometryFault([Fault("grids", "not-neighbours")])
    arc = min(arcs, key=lambda one: one.distance(Point(line.coords[0])) + one.distance(Point(line.coords[-1])))
    whole = shapely.unary_union([left, right])
    border = _joined(arc, line, whole.boundary)
    if not shapely.covers(whole.buffer(SHORTEST_M), border):
        raise _refused("line-leaves-both")
    pieces = faces(whole, border, *(one for one in arcs if one is not arc))
    sides = _sides(pieces, border, is_left=_is_left(left, arc))
    lefts = [piece for n, piece in enumerate(pieces) if _goes_left(sides.get(n), piece, left, right)]
    rights = [piece for n, piece in enumerate(pieces) if not _goes_left(sides.get(n), piece, left, right)]
    if not lefts or not rights:
        raise _refused("line-does-not-divide")
    return shapely.union_all(lefts), shapely.union_all(rights)


def _joined(arc: LineString, line: LineString, outline: BaseGeometry) -> LineString:
    """Return the border as it will run: what stays of the arc, and the part of the line between its contacts."""
    on_arc, on_outline = _contacts(line, arc), _contacts(line, outline)
    if len(on_arc) > 1:
        return _spliced(arc, _part(line, on_arc[0], on_arc[-1]))
    if len(on_arc) == 1:
        ends = [one for one in on_outline if abs(one.along - on_arc[0].along) > SHORTEST_M]
        if not ends:
            raise _refused("line-does-not-reach")
        return _from_arc(arc, _part(line, on_arc[0], max(ends, key=lambda one: abs(one.along - on_arc[0].along))))
    if len(on_outline) < 2:
        raise _refused("line-does-not-reach")
    return _directed(_part(line, on_outline[0], on_outline[-1]), arc)


def _contacts(line: LineString, border: BaseGeometry) -> list[Contact]:
    """Return where a line meets a border, in the line's order; an end of it that comes near, too."""
    points = shapely.extract_unique_points(line & border)
    met = [Contact(line.project(point), point) for point in shapely.get_parts(points)]
    for at, end in ((0.0, line.coords[0]), (line.length, line.coords[-1])):
        end_at = Point(end)
        if end_at.distance(border) <= REACH_M and not any(abs(one.along - at) < REACH_M for one in met):
            met.append(Contact(at, shapely.shortest_line(border, end_at).interpolate(0)))
    return sorted(met, key=lambda one: one.along)


def _part(line: LineString, first: Contact, last: Contact) -> LineString:
    """Return a line between two contacts, from the first one's place on its border to the last one's."""
    inner = substring(line, first.along, last.along).coords
    middle = [xy for xy in inner if min(Point(xy).distance(one.place) for one in (first, last)) > SHORTEST_M]
    return LineString([first.place.coords[0], *middle, last.place.coords[0]])


def _spliced(arc: LineString, part: LineString) -> LineString:
    """Return an arc with the stretch between the ends of a part replaced by it."""
    start, end = arc.project(Point(part.coords[0])), arc.project(Point(part.coords[-1]))
    if start > end:
        start, end, part = end, start, part.reverse()
    if arc.is_ring:
        between, around = substring(arc, start, end), _around(arc, start, end)
        if part.hausdorff_distance(around) < part.hausdorff_distance(between):
            return _chain(between, part.reverse())
    return _chain(substring(arc, 0, start), part, substring(arc, end, arc.length))


def _around(ring: LineString, start: float, end: float) -> LineString:
    """Return the stretch of a ring from `end` over its first vertex to `start`."""
    return _chain(substring(ring, end, ring.length), substring(ring, 0, start))


def _from_arc(arc: LineString, part: LineString) -> LineString:
    """Return an arc that goes on along a part, instead of to the end of the arc that is nearer to the part's end."""
    at, free = arc.project(Point(part.coords[0])), Point(part.coords[-1])
    if free.distance(Point(arc.coords[-1])) <= free.distance(Point(arc.coords[0])):
        return _chain(substring(arc, 0, at), part)
    return _chain(part.reverse(), substring(arc, at, arc.length))


def _directed(part: LineString, arc: LineString) -> LineString:
    """Return a part that runs as an arc does."""
    first, last = Point(arc.coords[0]), Point(arc.coords[-1])
    start, end = Point(part.coords[0]), Point(part.coords[-1])
    is_along = start.distance(first) + end.distance(last) <= start.distance(last) + end.distance(first)
    return part if is_along else part.reverse()


def _chain(*lines: BaseGeometry) -> LineString:
    """Return lines that follow one another as one; what has no length is left out."""
    coords = [xy for line in lines if line.length > 0 for xy in line.coords]
    kept = [xy for n, xy in enumerate(coords) if n == 0 or xy != coords[n - 1]]
    return LineString(kept)


def _is_left(area: BaseGeometry, arc: LineString) -> bool:
    """Whether an area lies left of a stretch of its border."""
    left, right = _beside(arc)
    return bool(shapely.contains_xy(area, left).sum() >= shapely.contains_xy(area, right).sum())


def _beside(line: LineString) -> tuple[Geometries, Geometries]:
    """Return places just left and just right of the middle of each edge of a line, as arrays of x, y."""
    xy = shapely.get_coordinates(line)
    step = np.diff(xy, axis=0)
    length = np.hypot(*step.T)
    long = length > SHORTEST_M
    middle, unit = (xy[:-1] + step / 2)[long], step[long] / length[long, np.newaxis]
    aside = np.column_stack([-unit[:, 1], unit[:, 0]]) * ASIDE_M
    return middle + aside, middle - aside


def _sides(pieces: Geometries, border: LineString, *, is_left: bool) -> dict[int, bool]:
    """Return of each piece along a border whether it is the left area's: the one that lies left where `is_left`."""
    found: dict[int, bool] = {}
    for places, side in zip(_beside(border), (is_left, not is_left), strict=True):
        _place, piece = shapely.STRtree(pieces).query(shapely.points(places), predicate="within")
        for n in set(piece.tolist()):
            if found.setdefault(n, side) != side:
                raise _refused("line-does-not-divide")
    return found


def _goes_left(side: bool | None, piece: BaseGeometry, left: BaseGeometry, right: BaseGeometry) -> bool:
    if side is not None:
        return side
    return bool((piece & left).area >= (piece & right).area)


def _refused(text: str, **values: object) -> GeometryFault:
    return GeometryFault([Fault("line", text, dict(values))])
