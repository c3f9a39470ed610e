"""The machine code of plain look-ups: of one place, the grid of each layer that holds it, and who is beyond its border.

It decides nothing that is not plain: a place so near a border that rounding might matter, in no grid of a layer or in
several, or near anything that is no grid in force for good is left to `ask` (`UNCLEAR`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial.compiled import compiled
from spatial.geometry import Floats
from spatial.lookup.bulk_kernel import Ints, Longs

UNCLEAR = -1
NOBODY = -1.0
AWAY, OWNER = 2, 3  # columns of what is found
OUTSIDE, INSIDE, MAYBE = 0, 1, 2
SPECIAL = -1  # the layer of what is no grid: an area of an override, a recorded gap or overlap
SAFE_DEGREES = 1e-9  # of a border, in longitude: what is stored is rounded to this
TOLERANCE, TOLERANCE_M = 1.01, 0.1  # by how much a distance in the plane may be longer than a geodesic one
CORNER = 1.5  # times as far as their sides are the corners of the boxes in which `ask` looks about a place, at most


class Borders(NamedTuple):
    """All grids with their borders, and a raster of cells in the plane with the grids whose bounds come into each."""

    lon: Floats  # of the vertices of closed rings, in degrees
    lat: Floats
    x: Floats  # the same in the plane, in metres
    y: Floats
    is_edge: NDArray[np.bool_]  # whether an edge leads from a vertex to the next
    first: Longs  # vertex of each grid, and one more
    bounds: Floats  # (grids, 4) in metres
    layer: Ints  # position of its layer; `SPECIAL`
    since: Longs  # microseconds
    until: Longs
    frame: tuple[float, float, float, int, int]  # west, south and cells per metre; columns, rows
    cell_first: Longs  # of each cell among `in_cells`, and one more
    in_cells: Ints


@compiled
def look(
    lon: float, lat: float, x: float, y: float, at: int, ever: int, least_m: float, more_m: float,
    borders: Borders, layers: int, found: Floats,
) -> int:  # fmt: skip
    """Write the owner of a place in each layer with the nearest point of its border, then all who are beyond.

    `least_m`: how near no border must be; `more_m`: farther than the border that one looks for others. A row of
    `found` is x, y of the nearest point and how far it is, in the plane, and the number of the grid. Returns how many
    rows there are, the owners of all layers first; or `UNCLEAR`.
    """
    found[:layers, OWNER] = NOBODY
    if not _own(lon, lat, x, y, at, ever, borders, found):
        return UNCLEAR
    farthest = 0.0
    for layer in range(layers):
        if found[layer, OWNER] == NOBODY:
            return UNCLEAR
        _nearest(borders, int(found[layer, OWNER]), x, y, found[layer])
        if found[layer, AWAY] <= _longest(least_m):
            return UNCLEAR
        farthest = max(farthest, found[layer, AWAY])
    return _others(x, y, at, ever, least_m, more_m, farthest, borders, layers, found)


@compiled
def _own(
    lon: float, lat: float, x: float, y: float, at: int, ever: int, borders: Borders, found: Floats
) -> bool:  # fmt: skip
    """Write the only grid of each layer that holds a place; return whether that is clear."""
    west, south, per_m, columns, rows = borders.frame
    column, row = int(np.floor((x - west) * per_m)), int(np.floor((y - south) * per_m))
    if not (0 <= column < columns and 0 <= row < rows):
        return False
    cell = row * columns + column
    for number in range(borders.cell_first[cell], borders.cell_first[cell + 1]):
        one = borders.in_cells[number]
        if borders.until[one] <= at or _away(borders.bounds[one], x, y) > 0:
            continue
        held = _holds(borders, one, lon, lat)
        if held == OUTSIDE:
            continue
        if held == MAYBE or _is_special(borders, one, at, ever) or found[borders.layer[one], OWNER] != NOBODY:
            return False
        found[borders.layer[one], OWNER] = one
    return True


@compiled
def _others(
    x: float, y: float, at: int, ever: int, least_m: float, more_m: float, farthest: float,
    borders: Borders, layers: int, found: Floats,
) -> int:  # fmt: skip
    """Write who is beyond the border of each layer's owner, and return how many rows that makes; or `UNCLEAR`."""
    west, south, per_m, columns, rows = borders.frame
    count, reach = layers, _longest(farthest + more_m) * CORNER
    left, right = max(int((x - reach - west) * per_m), 0), min(int((x + reach - west) * per_m), columns - 1)
    low, high = max(int((y - reach - south) * per_m), 0), min(int((y + reach - south) * per_m), rows - 1)
    for row in range(low, high + 1):
        first, last = borders.cell_first[row * columns + left], borders.cell_first[row * columns + right + 1]
        for number in range(first, last):
            one = borders.in_cells[number]
            layer = borders.layer[one]
            if borders.until[one] <= at or (layer != SPECIAL and one == found[layer, OWNER]):
                continue
            is_special = _is_special(borders, one, at, ever)
            within = reach if is_special else _longest(found[layer, AWAY] + more_m)
            if _away(borders.bounds[one], x, y) > within or _is_there(found, layers, count, one):
                continue
            if count == len(found):
                return UNCLEAR
            _nearest(borders, one, x, y, found[count])
            if found[count, AWAY] <= within:
                if is_special or found[count, AWAY] <= _longest(least_m):
                    return UNCLEAR
                found[count, OWNER] = one
                count += 1
    return count


@compiled
def _is_special(borders: Borders, one: int, at: int, ever: int) -> bool:
    """Whether something is no grid, or none that is in force for good."""
    return bool(borders.layer[one] == SPECIAL or borders.since[one] > at or borders.until[one] != ever)


@compiled
def _longest(metres: float) -> float:
    """Return how far in the plane something may be that is so far away."""
    return metres * TOLERANCE + TOLERANCE_M


@compiled
def _is_there(found: Floats, first: int, last: int, one: int) -> bool:
    for number in range(first, last):  # noqa: SIM110  as machine code has it
        if found[number, OWNER] == one:
            return True
    return False


@compiled
def _away(bounds: Floats, x: float, y: float) -> float:
    """Return how far a place is outside some bounds along either axis; 0 within."""
    return float(max(bounds[0] - x, x - bounds[2], bounds[1] - y, y - bounds[3], 0.0))


@compiled
def _holds(borders: Borders, one: int, lon: float, lat: float) -> int:
    """Return whether a place is `INSIDE` a grid, `OUTSIDE`, or near enough to its border for rounding to decide."""
    held = OUTSIDE
    for at in range(borders.first[one], borders.first[one + 1]):
        if not borders.is_edge[at]:
            continue
        ax, ay, bx, by = borders.lon[at], borders.lat[at], borders.lon[at + 1], borders.lat[at + 1]
        if (ay > lat) != (by > lat):
            crossing = ax + (lat - ay) / (by - ay) * (bx - ax)
            if abs(crossing - lon) <= SAFE_DEGREES:
                return MAYBE
            if crossing > lon:
                held = INSIDE - held
        elif ay == lat and by == lat and min(ax, bx) <= lon <= max(ax, bx):
            return MAYBE
    return held


@compiled
def _nearest(borders: Borders, one: int, x: float, y: float, foot: Floats) -> None:
    """Write the point of a grid's border that is nearest to a place, and how far it is, in the plane."""
    best = np.inf
    for at in range(borders.first[one], borders.first[one + 1]):
        if not borders.is_edge[at]:
            continue
        ax, ay, bx, by = borders.x[at], borders.y[at], borders.x[at + 1], borders.y[at + 1]
        aside, above = max(min(ax, bx) - x, x - max(ax, bx), 0.0), max(min(ay, by) - y, y - max(ay, by), 0.0)
        if aside * aside + above * above >= best:
            continue
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        along = 0.0 if length == 0 else min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
        there_x, there_y = ax + along * dx, ay + along * dy
        away = (there_x - x) * (there_x - x) + (there_y - y) * (there_y - y)
        if away < best:
            best, foot[0], foot[1] = away, there_x, there_y
    foot[AWAY] = np.sqrt(best)
