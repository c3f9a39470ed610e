"""The machine code of bulk look-ups: a raster over a layer, and the edges of each cell that borders cross.

Coordinates are in cells of the raster: column and row as whole numbers, the place within the cell behind the point. A
cell says one of three things: nobody's (`NOBODY`), all of it one grid's (its number), or, below both, that several
grids must be told apart, its candidates. It then has a reference point, of which it knows as bits the candidates that
hold it, and its edges, each with the bits of the candidates it bounds. On the way from the reference point to a place
each edge that is crossed flips its bits. Candidates are in the order of their codes: the lowest bit is the owner's.

Edges are kept relative to the reference point in single precision. That moves vertices by less than `NEAR` / 8, and no
place farther than `NEAR` from every edge changes sides by it; all nearer ones are left to GEOS (`ASK`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial.compiled import compiled
from spatial.geometry import Floats

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

NOBODY = -1
NEVER = int(np.iinfo(np.int64).min)
CLEAR, SEVERAL, ASK = 0, 1, 2  # what is known of a place: its only holder, the first of several, nothing
NEAR = 2e-6  # cells
APART = 4 * NEAR  # what edges are known to a cell though they only pass by
BESIDE = 0.5  # cells about a cell to which edges are cut
ROW_LINE = 0.5137  # where in a row the reference points are: no border is drawn along such a line on purpose
PLACES = np.array([0.4871, 0.2713, 0.7639, 0.0917, 0.9371, 0.3719, 0.6143, 0.1871, 0.8467])  # and in a column
FAR_ENOUGH = 1e-3
MOST_CANDIDATES = 32
COMPARED = 64  # edges of a cell up to which those that two grids share are made one
ROUNDING = 1e-12
AT_ONCE = 1024  # places


# One crossed cell lies in half a line of the processor's cache, one edge in a third: most of the time is spent waiting.
CELL = np.dtype(
    [
        ("first", np.uint32),  # of its edges
        ("edges", np.uint32),  # how many
        ("reference", np.float32),  # place in the column; not a number: none, GEOS must be asked
        ("inside", np.uint32),
        ("candidates", np.uint32),  # the first of them
        ("a", np.int32),  # the first three once more
        ("b", np.int32),
        ("c", np.int32),
    ]
)
EDGE = np.dtype([(name, np.float32) for name in ("ax", "ay", "bx", "by")] + [("flips", np.uint32)])


class Crossed(NamedTuple):
    """The cells that are not all one grid's, in an order of their own; edges from the reference point on."""

    cells: NDArray[np.void]
    edges: NDArray[np.void]
    candidates: Ints


@compiled
def build(xy: Floats, ring: Longs, grid: Ints, grids: int, columns: int, rows: int) -> tuple[Ints, Crossed]:
    """Return the raster, row by row, and its crossed cells: `NOBODY - 1 - n` stands for the n-th.

    `xy` (n, 2) are the vertices of closed rings, `ring` numbers the ring of each, `grid` (ascending with its code) is
    whose it is, below `grids`. Work and memory grow with the edges and the cells.
    """
    count = np.zeros(columns * rows + 1, np.int64)
    crossings = np.zeros(rows + 1, np.int64)
    for pass_ in range(2):
        if pass_ == 0:
            entries, cut_x, cut_grid = np.empty(0, np.int32), np.empty(0), np.empty(0, np.int32)
        else:
            _running(count)
            _running(crossings)
            entries = np.empty(count[-1], np.int32)
            cut_x, cut_grid = np.empty(crossings[-1]), np.empty(crossings[-1], np.int32)
        for one in range(len(ring) - 1):
            if ring[one] != ring[one + 1]:
                continue
            ax, ay, bx, by = xy[one, 0], xy[one, 1], xy[one + 1, 0], xy[one + 1, 1]
            low, high = min(ay, by), max(ay, by)
            first_row, last_row = max(int(np.floor(low - APART)), 0), min(int(np.floor(high + APART)), rows - 1)
            for row in range(first_row, last_row + 1):
                left, right = _span(ax, ay, bx, by, row - APART, row + 1 + APART)
                first = max(int(np.floor(left - APART)), 0)
                last = min(int(np.floor(right + APART)), columns - 1)
                for cell in range(row * columns + first, row * columns + last + 1):
                    if pass_ == 1:
                        entries[count[cell]] = one
                    count[cell] += 1
                line = row + ROW_LINE
                if (ay <= line) != (by <= line):
                    if pass_ == 1:
                        x = ax + (line - ay) / (by - ay) * (bx - ax)
                        cut_x[crossings[row]] = min(max(x, min(ax, bx)), max(ax, bx))
                        cut_grid[crossings[row]] = grid[one]
                    crossings[row] += 1
    return _cells(xy, grid, grids, columns, rows, entries, count, cut_x, cut_grid, crossings)


@compiled
def _cells(  # noqa: C901  one pass, and no call for each cell
    xy: Floats,
    grid: Ints,
    grids: int,
    columns: int,
    rows: int,
    entries: Ints,
    ends: Longs,
    cut_x: Floats,
    cut_grid: Ints,
    cut_ends: Longs,
) -> tuple[Ints, Crossed]:
    """Go along the reference points of every row, and note at each which grids hold it."""
    raster = np.empty(columns * rows, np.int32)
    crossed, candidate_count, edge_count = 0, 0, 0
    cells, edges, candidates = np.empty(1024, CELL), np.empty(len(entries), EDGE), np.empty(1024, np.int32)
    holding, place_of = np.empty(grids + 1, np.int32), np.full(grids, -1, np.int32)
    for row in range(rows):
        holders = 0
        cut, cut_end = (cut_ends[row - 1] if row else 0), cut_ends[row]
        order = cut + np.argsort(cut_x[cut:cut_end])
        done = 0
        for column in range(columns):
            cell = row * columns + column
            begin, end = (ends[cell - 1] if cell else 0), ends[cell]
            at = PLACES[0] if begin == end else _reference(xy, entries[begin:end], column, row)
            line = column + abs(at)  # nowhere: anywhere in order
            while done < len(order) and cut_x[order[done]] < line:
                holders = _turned(cut_grid[order[done]], holding, place_of, holders)
                done += 1
            if begin == end and holders < 2:
                raster[cell] = holding[0] if holders else NOBODY
                continue
            raster[cell] = NOBODY - 1 - crossed
            if crossed == len(cells):
                cells = _longer(cells)
            if candidate_count + MOST_CANDIDATES > len(candidates):
                candidates = _longer(candidates)
            found = _candidates(grid, entries[begin:end], holding[:holders], candidates[candidate_count:])
            its = candidates[candidate_count : candidate_count + found]
            made = cells[crossed]
            made.first, made.reference, made.inside, made.candidates = edge_count, at, 0, candidate_count
            if at < 0 or found > MOST_CANDIDATES:
                made.reference, made.a, made.b, made.c, found = np.nan, 0, 0, 0, 0
            else:
                made.a, made.b, made.c = its[0], its[min(1, found - 1)], its[min(2, found - 1)]
                for one in holding[:holders]:
                    made.inside |= np.uint32(1) << np.uint32(np.searchsorted(its, one))
                first = edge_count
                for one in entries[begin:end]:
                    bit = np.uint32(1) << np.uint32(np.searchsorted(its, grid[one]))
                    edge_count = _add_edge(xy, one, column + made.reference, row, bit, edges, first, edge_count)
            made.edges = edge_count - made.first
            candidate_count += found
            crossed += 1
        for one in holding[:holders]:
            place_of[one] = -1
    return raster, Crossed(cells[:crossed].copy(), edges[:edge_count].copy(), candidates[:candidate_count].copy())


@compiled
def _turned(one: int, holding: Ints, place_of: Ints, holders: int) -> int:
    """Let a grid begin to hold, or hold no more; return how many do."""
    place = place_of[one]
    if place < 0:
        place_of[one], holding[holders] = holders, one
        return holders + 1
    last = holding[holders - 1]
    holding[place], place_of[last], place_of[one] = last, place, -1
    return holders - 1


@compiled
def find(
    x: Floats,
    y: Floats,
    frame: tuple[float, float, float, float, int, int],
    raster: Ints,
    crossed: Crossed,
    at: Longs,
    since: Longs,
    until: Longs,
    owner: Ints,
    known: NDArray[np.uint8],
) -> None:
    """Write who holds each place, and how far that is known: `CLEAR`, `SEVERAL` or `ASK`.

    `frame` is west, south, cells per degree east and north, columns, rows. Grids hold from `since` until before
    `until`; `at` is one instant for each place, or of length one; of length zero all grids hold.
    """
    waiting, of_cell = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.int64)
    us, vs = np.empty(AT_ONCE), np.empty(AT_ONCE)
    for start in range(0, len(x), AT_ONCE):
        stop = min(start + AT_ONCE, len(x))
        count = _located(x, y, start, stop, frame, raster, owner, known, waiting, of_cell, us, vs)
        # what one place waits for is fetched for all of them at once
        ahead = np.uint32(0)
        for number in range(count):
            ahead ^= crossed.cells[of_cell[number]].first
        for number in range(count):
            first = crossed.cells[of_cell[number]].first
            if first < len(crossed.edges):
                ahead ^= crossed.edges[first].flips
        if count:
            owner[waiting[0]] = np.int32(ahead & np.uint32(1))  # or it would not be fetched at all
        for number in range(count):
            place = waiting[number]
            instant = at[0 if len(at) == 1 else place] if len(at) else NEVER
            found = _first(crossed, of_cell[number], us[number], vs[number], instant, since, until)
            owner[place], known[place] = found
        if len(at):
            for place in range(start, stop):
                one, instant = owner[place], at[0 if len(at) == 1 else place]
                if one != NOBODY and not since[one] <= instant < until[one]:
                    owner[place] = NOBODY


@compiled
def _located(
    x: Floats,
    y: Floats,
    start: int,
    stop: int,
    frame: tuple[float, float, float, float, int, int],
    raster: Ints,
    owner: Ints,
    known: NDArray[np.uint8],
    waiting: Longs,
    of_cell: Longs,
    us: Floats,
    vs: Floats,
) -> int:
    """Write the owners of places whose cell is all one grid's; list the others with their cell, and the place in it."""
    west, south, per_x, per_y, columns, rows = frame
    count = 0
    for place in range(start, stop):
        u, v = (x[place] - west) * per_x, (y[place] - south) * per_y
        is_within = 0 <= u < columns and 0 <= v < rows
        column, row = (int(u), int(v)) if is_within else (0, 0)
        cell = raster[row * columns + column] if is_within else NOBODY
        owner[place], known[place] = max(cell, NOBODY), CLEAR
        waiting[count], of_cell[count], us[count], vs[count] = place, NOBODY - 1 - cell, u - column, v - row
        count += cell < NOBODY
    return count


@compiled
def _first(
    crossed: Crossed, number: int, u: float, v: float, instant: int, since: Longs, until: Longs
) -> tuple[int, int]:
    """Return the first of the candidates of a cell that hold a place in it, and how far that is known."""
    cell = crossed.cells[number]
    if np.isnan(cell.reference):
        return NOBODY, ASK
    bits, is_near = _bits(crossed, cell, u - cell.reference, v - ROW_LINE)
    if is_near:
        return NOBODY, ASK
    if instant == NEVER and bits & (bits - np.uint32(1)) == 0 and bits < np.uint32(8):
        return (cell.a if bits == 1 else cell.b if bits == 2 else cell.c if bits else NOBODY), CLEAR
    owner, candidate = NOBODY, np.int64(cell.candidates)
    while bits:
        if bits & np.uint32(1):
            one = crossed.candidates[candidate]
            if instant == NEVER or since[one] <= instant < until[one]:
                if owner != NOBODY:
                    return owner, SEVERAL
                owner = one
        bits >>= np.uint32(1)
        candidate += 1
    return owner, CLEAR


@compiled
def _bits(crossed: Crossed, cell: Any, px: float, py: float) -> tuple[np.uint32, bool]:
    """Return which candidates hold a place, seen from the cell's reference point; or that it is near an edge."""
    bits = cell.inside
    first = np.int64(cell.first)
    for edge in crossed.edges[first : first + np.int64(cell.edges)]:
        ax, ay, bx, by = np.float64(edge.ax), np.float64(edge.ay), np.float64(edge.bx), np.float64(edge.by)
        dx, dy = bx - ax, by - ay
        side = dx * (py - ay) - dy * (px - ax)
        if (
            abs(side) <= NEAR * (abs(dx) + abs(dy))
            and min(ax, bx) - NEAR <= px <= max(ax, bx) + NEAR
            and min(ay, by) - NEAR <= py <= max(ay, by) + NEAR
        ):
            return bits, True
        if (px * ay - py * ax > 0) != (px * by - py * bx > 0):
            other = dy * ax - dx * ay
            if abs(side) <= ROUNDING or abs(other) <= ROUNDING:
                return bits, True
            if (side > 0) != (other > 0):
                bits ^= edge.flips
    return bits, False


@compiled
def _running(count: Longs) -> None:
    """Turn counts into where each one's part begins."""
    total = np.int64(0)
    for index in range(len(count)):
        total, count[index] = total + count[index], total


@compiled
def _span(ax: float, ay: float, bx: float, by: float, low: float, high: float) -> tuple[float, float]:
    """Return the least and the greatest x of an edge between two heights."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    start, end = ax, bx
    if ay < low:
        start = ax + (low - ay) / (by - ay) * (bx - ax)
    if by > high:
        end = ax + (high - ay) / (by - ay) * (bx - ax)
    return min(start, end), max(start, end)


@compiled
def _reference(xy: Floats, its: Ints, column: int, row: int) -> float:
    """Return where in a column the reference point is: far enough from every edge, or as far as can be; −1: nowhere."""
    best, best_away = -1.0, 2 * APART
    for candidate in PLACES:
        at = np.float64(np.float32(candidate))
        x, y, away = column + at, row + ROW_LINE, np.inf
        for one in its:
            ax, ay = xy[one, 0] - x, xy[one, 1] - y
            dx, dy = xy[one + 1, 0] - x - ax, xy[one + 1, 1] - y - ay
            length = dx * dx + dy * dy
            along = 0.0 if length == 0 else min(max(-(ax * dx + ay * dy) / length, 0.0), 1.0)
            away = min(away, np.hypot(ax + along * dx, ay + along * dy))
        if away > best_away:
            best, best_away = at, away
        if away > FAR_ENOUGH:
            break
    return best


@compiled
def _candidates(grid: Ints, its: Ints, holding: Ints, found: Ints) -> int:
    """Write the grids that have edges in a cell or hold its reference point, in order; return how many there are."""
    count = 0
    for number in range(len(its) + len(holding)):
        one = grid[its[number]] if number < len(its) else holding[number - len(its)]
        place = np.searchsorted(found[:count], one)
        if place < count and found[place] == one:
            continue
        if count == MOST_CANDIDATES:
            return MOST_CANDIDATES + 1
        for other in range(count, place, -1):
            found[other] = found[other - 1]
        found[place] = one
        count += 1
    return count


@compiled
def _add_edge(
    xy: Floats,
    one: int,
    x: float,
    row: int,
    bit: np.uint32,
    edges: NDArray[np.void],
    first: int,
    count: int,
) -> int:
    """Add an edge to those of a cell, cut to its surroundings; one that is there already bounds one more grid."""
    y = row + ROW_LINE
    ax, ay, bx, by = xy[one, 0], xy[one, 1], xy[one + 1, 0], xy[one + 1, 1]
    if (ax, ay) > (bx, by):
        ax, ay, bx, by = bx, by, ax, ay
    west, south = np.floor(x) - BESIDE, row - BESIDE
    start, end = 0.0, 1.0
    for origin, step, least in ((ax, bx - ax, west), (ay, by - ay, south)):
        if step != 0:
            near, far = (least - origin) / step, (least + 1 + 2 * BESIDE - origin) / step
            start, end = max(start, min(near, far)), min(end, max(near, far))
    dx, dy = bx - ax, by - ay
    if end < 1:
        bx, by = ax + end * dx, ay + end * dy
    if start > 0:
        ax, ay = ax + start * dx, ay + start * dy
    ax, ay, bx, by = np.float32(ax - x), np.float32(ay - y), np.float32(bx - x), np.float32(by - y)
    if count - first < COMPARED:
        for its in edges[first:count]:
            if its.ax == ax and its.ay == ay and its.bx == bx and its.by == by:
                its.flips ^= bit
                return count
    made = edges[count]
    made.ax, made.ay, made.bx, made.by, made.flips = ax, ay, bx, by, bit
    return count + 1


@compiled
def _longer(array):  # type: ignore[no-untyped-def]  # of any kind
    """Return an array of twice the length with the same at its beginning."""
    made = np.zeros(2 * len(array), array.dtype)
    made[: len(array)] = array
    return made
