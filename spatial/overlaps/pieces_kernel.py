"""The machine code of overlaps: what two polygons share, from their edges alone, without drawing the piece.

Coordinates are whole numbers of the last decimal that is stored, so that whether edges cross, touch or run together is
decided exactly. The border of a piece consists of what each polygon's border has inside of the other, and of what runs
along both with both on the same side. Green's theorem then gives the area: each such stretch adds ∫ (q − q₀) dλ, as
`spatial.geometry.area_m2` has it.

The edges of a polygon lie in horizontal strips, so that an edge is compared with its surroundings only, and a place is
found inside or outside by the edges at its height.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial.compiled import compiled
from spatial.geometry import AUTHALIC, GRS80, NODES, WEIGHTS, Floats
from spatial.overlaps.model import Longs

UNIT = 1e-9  # degrees
CERTAIN = 2.0**60  # a difference of products that is as large in floating point has its sign, exact or not
EDGES_PER_STRIP = 4
MOST_ENTRIES = 8  # in strips, for each edge of an area
AREA, LEFT_INSIDE, RIGHT_INSIDE, TOGETHER = range(4)  # m², then metres: what is measured of a pair
MEASURES = 4
_A, _E2 = float(GRS80.a), float(GRS80.es)

EDGE = np.dtype(
    [
        ("ax", np.int64),
        ("ay", np.int64),
        ("bx", np.int64),
        ("by", np.int64),
        ("width", np.float64),  # radians of longitude
        ("swept", np.float64),  # m² between the edge and the southernmost parallel of its area
        ("metres", np.float64),
        ("goes_on", np.bool_),  # begins where the edge before it ends
    ]
)
DRAWN_AREA = np.dtype(
    [
        ("first", np.int64),  # edge, and the one after its last
        ("end", np.int64),
        ("part", np.int64),  # the first of its parts, and the one after its last
        ("parts_end", np.int64),
        ("west", np.int64),
        ("south", np.int64),
        ("east", np.int64),
        ("north", np.int64),
        ("strip", np.int64),  # the first of its strips, from the south up
        ("height", np.int64),  # of each of them
        ("level", np.float64),  # the authalic function of its southernmost parallel
    ]
)
PART = np.dtype(
    [
        ("first", np.int64),  # edge
        ("end", np.int64),
        ("swept", np.float64),  # m², below zero
        ("metres", np.float64),
    ]
)
SIDE = np.dtype([(name, np.int64) for name in ("ax", "ay", "bx", "by")])


class Drawn(NamedTuple):
    """Areas by their edges, of each one after the other, with its inside to the left of each.

    Strip s holds the edges `sides[begin[s]:begin[s + 1]]`.
    """

    areas: NDArray[np.void]
    parts: NDArray[np.void]
    edges: NDArray[np.void]
    begin: Longs
    sides: NDArray[np.void]


@compiled
def prepare(
    areas: NDArray[np.void], parts: NDArray[np.void], edges: NDArray[np.void]
) -> tuple[Longs, NDArray[np.void]]:
    """Write what edges sweep, and lay them into strips; work and memory grow with the edges."""
    count = 0
    for area in areas:
        area.level = _q(np.sin(np.radians(area.south * UNIT)))
        area.strip, area.height = count, _height(area, edges[area.first : area.end])
        count += (area.north - area.south) // area.height + 1
    begin = np.zeros(count + 2, np.int64)
    sides = np.empty(0, SIDE)
    for is_second in (False, True):
        for area in areas:
            for edge in edges[area.first : area.end]:
                if not is_second:
                    edge.width, edge.swept, edge.metres = _swept(edge, 0.0, 1.0, area.level)
                bottom = area.strip + (min(edge.ay, edge.by) - area.south) // area.height
                top = area.strip + (max(edge.ay, edge.by) - area.south) // area.height
                for strip in range(bottom, top + 1):
                    if is_second:
                        side = sides[begin[strip + 1]]
                        side.ax, side.ay, side.bx, side.by = edge.ax, edge.ay, edge.bx, edge.by
                        begin[strip + 1] += 1
                    else:
                        begin[strip + 2] += 1
        if not is_second:
            begin = np.cumsum(begin)
            sides = np.empty(begin[-1], SIDE)
    _sum_up(parts, edges)
    return begin[:-1], sides


@compiled
def _height(area: Any, edges: NDArray[np.void]) -> int:
    """Return how high the strips of an area are: few edges in each, but no edge in too many on the whole."""
    height: int = (area.north - area.south) // max(len(edges) // EDGES_PER_STRIP, 1) + 1
    while True:
        entries = 0
        for edge in edges:
            entries += abs(edge.by - edge.ay) // height + 1
        if entries <= MOST_ENTRIES * len(edges):
            return height
        height *= 2


@compiled
def _sum_up(parts: NDArray[np.void], edges: NDArray[np.void]) -> None:
    for part in parts:
        for edge in edges[part.first : part.end]:
            part.swept += edge.swept
            part.metres += edge.metres


@compiled
def measure(left: Drawn, right: Drawn, one: Longs, other: Longs) -> Floats:
    """Return what pairs of areas share: a row of `MEASURES` each; `one` and `other` number the areas of a pair.

    What is found of a pair depends on nothing but the two areas, to the last bit.
    """
    found = np.zeros((len(one), MEASURES))
    cuts = np.empty(64)
    l_areas, _, l_edges, l_begin, l_sides = left
    r_areas, r_parts, r_edges, r_begin, r_sides = right
    for pair in range(len(one)):
        p, g = l_areas[one[pair]], r_areas[other[pair]]
        if p.west > g.east or g.west > p.east or p.south > g.north or g.south > p.north:
            continue
        its, level = found[pair], max(p.level, g.level)
        cuts = _walk(l_edges[p.first : p.end], p, g, r_begin, r_sides, level, its, LEFT_INSIDE, cuts)
        if its[LEFT_INSIDE] == 0:
            cuts = _fit(r_parts[g.part : g.parts_end], r_edges, p, l_begin, l_sides, its, cuts)
        else:
            cuts = _walk(r_edges[g.first : g.end], g, p, l_begin, l_sides, level, its, RIGHT_INSIDE, cuts)
        its[AREA] = max(-its[AREA], 0.0)
    return found


@compiled
def _walk(
    edges: NDArray[np.void],
    area: Any,
    other: Any,
    begin: Longs,
    sides: NDArray[np.void],
    level: float,
    found: Floats,
    inside: int,
    cuts: Floats,
) -> Floats:
    """Go along the border of an area, and add up what of it is inside of another, or, for the left one, along it.

    `level`: the authalic function of the parallel from which areas count, the same for both.
    """
    base = level - area.level
    is_known, is_inside = False, False
    for edge in edges:
        if (
            max(edge.ax, edge.bx) < other.west
            or min(edge.ax, edge.bx) > other.east
            or max(edge.ay, edge.by) < other.south
            or min(edge.ay, edge.by) > other.north
        ):
            is_known = False
            continue
        near = _near(edge, other, begin, sides)
        count, is_along, cuts = _contacts(edge, near, cuts)
        if count == 2:  # the other's border is nowhere near
            if not (is_known and edge.goes_on):
                is_inside, is_known = _holds(edge, 0.5, other, begin, sides), True
            if is_inside:
                _add(edge, 0.0, 1.0, area.level, base, found, inside)
            continue
        is_known = False
        count = _sorted(cuts, count)
        for n in range(count - 1):
            start, end = cuts[n], cuts[n + 1]
            middle = (start + end) / 2
            runs = _runs_along(edge, middle, near) if is_along else 0
            if runs != 0:
                if runs > 0 and inside == LEFT_INSIDE:
                    _add(edge, start, end, area.level, base, found, TOGETHER)
            elif _holds(edge, middle, other, begin, sides):
                _add(edge, start, end, area.level, base, found, inside)
    return cuts


@compiled
def _fit(
    parts: NDArray[np.void],
    edges: NDArray[np.void],
    other: Any,
    begin: Longs,
    sides: NDArray[np.void],
    found: Floats,
    cuts: Floats,
) -> Floats:
    """Add up the parts of an area that another holds: all of a part or nothing, where the border comes into none."""
    found[AREA] = 0.0
    metres = 0.0
    for part in parts:
        edge = edges[part.first]
        near = _near(edge, other, begin, sides)
        count, _, cuts = _contacts(edge, near, cuts)
        _sorted(cuts, count)
        middle = cuts[1] / 2
        runs = _runs_along(edge, middle, near)
        if runs > 0 or (runs == 0 and _holds(edge, middle, other, begin, sides)):
            found[AREA] += part.swept
            metres += part.metres
    found[RIGHT_INSIDE] = max(metres - found[TOGETHER], 0.0)
    return cuts


@compiled
def _near(edge: Any, other: Any, begin: Longs, sides: NDArray[np.void]) -> NDArray[np.void]:
    """Return the edges of an area, some of them more than once, that lie at the height of an edge."""
    low, high = max(min(edge.ay, edge.by), other.south), min(max(edge.ay, edge.by), other.north)
    if low > high:
        return sides[:0]
    first = other.strip + (low - other.south) // other.height
    last = other.strip + (high - other.south) // other.height
    return sides[begin[first] : begin[last + 1]]


@compiled
def _contacts(edge: Any, near: NDArray[np.void], cuts: Floats) -> tuple[int, bool, Floats]:
    """List 0, 1 and where along an edge others meet it, those along it with both ends; tell whether any is along it."""
    count, is_along = 2, False
    cuts[0], cuts[1] = 0.0, 1.0
    ax, ay, bx, by = edge.ax, edge.ay, edge.bx, edge.by
    west, east, south, north = min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)
    for side in near:
        cx, cy, dx, dy = side.ax, side.ay, side.bx, side.by
        if max(cx, dx) < west or min(cx, dx) > east or max(cy, dy) < south or min(cy, dy) > north:
            continue
        c, d = _turn(ax, ay, bx, by, cx, cy), _turn(ax, ay, bx, by, dx, dy)
        if (c > 0 and d > 0) or (c < 0 and d < 0):
            continue
        if count + 2 > len(cuts):
            longer = np.empty(2 * len(cuts))
            longer[: len(cuts)] = cuts
            cuts = longer
        if c == 0 and d == 0:
            cuts[count] = min(max(_along(ax, ay, bx, by, cx, cy), 0.0), 1.0)
            cuts[count + 1] = min(max(_along(ax, ay, bx, by, dx, dy), 0.0), 1.0)
            count, is_along = count + 2, True
            continue
        a, b = _turn(cx, cy, dx, dy, ax, ay), _turn(cx, cy, dx, dy, bx, by)
        if (a > 0 and b > 0) or (a < 0 and b < 0):
            continue
        if c == 0:  # the same place as along any other edge that ends there, to the last bit
            cuts[count] = min(max(_along(ax, ay, bx, by, cx, cy), 0.0), 1.0)
        elif d == 0:
            cuts[count] = min(max(_along(ax, ay, bx, by, dx, dy), 0.0), 1.0)
        else:
            cuts[count] = a / (a - b)
        count += 1
    return count, is_along, cuts


@compiled
def _sorted(cuts: Floats, count: int) -> int:
    """Put cuts in order, each once; the first two are 0 and 1. Return how many there are then."""
    found = 2
    for n in range(2, count):
        cut, place = cuts[n], found - 1
        while cuts[place] > cut:
            place -= 1
        if cuts[place] == cut:
            continue
        for later in range(found, place + 1, -1):
            cuts[later] = cuts[later - 1]
        cuts[place + 1] = cut
        found += 1
    return found


@compiled
def _runs_along(edge: Any, middle: float, near: NDArray[np.void]) -> int:
    """Return 1 where an edge runs along another in its direction, −1 against it, 0 along none."""
    ax, ay, bx, by = edge.ax, edge.ay, edge.bx, edge.by
    for side in near:
        cx, cy, dx, dy = side.ax, side.ay, side.bx, side.by
        if _turn(ax, ay, bx, by, cx, cy) != 0 or _turn(ax, ay, bx, by, dx, dy) != 0:
            continue
        c, d = _along(ax, ay, bx, by, cx, cy), _along(ax, ay, bx, by, dx, dy)
        if min(c, d) < middle < max(c, d):
            return 1 if c < d else -1
    return 0


@compiled
def _holds(edge: Any, middle: float, other: Any, begin: Longs, sides: NDArray[np.void]) -> bool:
    """Whether an area holds a place along an edge, which is on none of its own."""
    ax, ay, bx, by = edge.ax, edge.ay, edge.bx, edge.by
    up = middle * (by - ay)  # from the edge's beginning: heights above the equator leave no digits for it
    floor = ay + np.int64(np.floor(up))
    if floor < other.south or floor > other.north:
        return False
    strip = other.strip + (floor - other.south) // other.height
    is_inside = False
    for side in sides[begin[strip] : begin[strip + 1]]:
        if (side.ay - ay <= up) == (side.by - ay <= up):
            continue
        a = _turn(side.ax, side.ay, side.bx, side.by, ax, ay)
        b = _turn(side.ax, side.ay, side.bx, side.by, bx, by)
        if ((1 - middle) * a + middle * b > 0) == (side.by > side.ay):
            is_inside = not is_inside
    return is_inside


@compiled
def _turn(ax: int, ay: int, bx: int, by: int, x: int, y: int) -> float:
    """Return twice the area of a triangle, with the sign of its turn and exactly zero where it has none.

    Products of two differences need up to 76 bits. Where their difference is small, arithmetic that wraps around at 64
    bits has it exactly; where it is large, floating point cannot mistake its sign.
    """
    u, v, s, t = bx - ax, by - ay, x - ax, y - ay
    rough = np.float64(u) * np.float64(t) - np.float64(v) * np.float64(s)
    if abs(rough) > CERTAIN:
        return rough
    return np.float64(u * t - v * s)


@compiled
def _along(ax: int, ay: int, bx: int, by: int, x: int, y: int) -> float:
    """Return where along an edge, from 0 to 1, a place of its line is."""
    u, v = bx - ax, by - ay
    if abs(u) > abs(v):
        return np.float64(x - ax) / np.float64(u)
    return np.float64(y - ay) / np.float64(v)


@compiled
def _add(edge: Any, start: float, end: float, level: float, base: float, found: Floats, what: int) -> None:
    """Add the stretch of an edge to the metres of what it is, and to the area."""
    width, swept, metres = edge.width, edge.swept, edge.metres
    if end - start < 1:
        width, swept, metres = _swept(edge, start, end, level)
    found[what] += metres
    found[AREA] += swept - width * base * _A * _A / 2


@compiled
def _swept(edge: Any, start: float, end: float, level: float) -> tuple[float, float, float]:
    """Return the radians of longitude that the stretch of an edge sweeps, the m² down to a level, and its metres."""
    width = np.radians((end - start) * (edge.bx - edge.ax) * UNIT)
    half = (end - start) * (edge.by - edge.ay) * UNIT / 2
    middle = (edge.ay + (start + end) / 2 * (edge.by - edge.ay)) * UNIT
    q, metres, rise = 0.0, 0.0, 2 * np.radians(half)
    for n in range(len(NODES)):
        sin = np.sin(np.radians(middle + NODES[n] * half))
        bulge = 1 - _E2 * sin * sin
        east, north = width * np.sqrt((1 - sin * sin) / bulge), rise * (1 - _E2) / (bulge * np.sqrt(bulge))
        metres += WEIGHTS[n] * np.sqrt(east * east + north * north)
        q += WEIGHTS[n] * (_q(sin) - level)
    return width, width * q / 2 * _A * _A / 2, metres / 2 * _A


@compiled
def _q(sin: float) -> float:
    """Return the authalic function of the sine of a latitude."""
    q = 0.0
    for k in range(len(AUTHALIC) - 1, -1, -1):
        q = q * sin * sin + AUTHALIC[k]
    return q * sin
