"""What the overlaps of two layers say: how grids lie to one another, who shares what, what would join them. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from spatial.overlaps.model import (
    Counted,
    Counts,
    Embedded,
    Kind,
    Matrix,
    Misplaced,
    Move,
    Piece,
    Relation,
    Shared,
    Side,
    Snap,
    Thresholds,
)

NOTHING = Counted()
Weigh = Callable[[Piece, Counted], float]
WEIGHTS: Mapping[str, Weigh] = {
    "area": lambda piece, _: piece.area_m2,
    "addresses": lambda _, counted: counted.dwellings,
    "incidents": lambda _, counted: counted.incidents,
}


def relations(matrix: Matrix, thresholds: Thresholds) -> list[Relation]:
    """Return how each grid of the left layer lies to the right one, by code."""
    of_left, of_right = _by(matrix, lambda piece: piece.left), _by(matrix, lambda piece: piece.right)
    return [_relation(one, of_left[one.version_id], of_right, thresholds) for one in matrix.left]


def _relation(grid: Side, its: list[Piece], of_right: Mapping[int, list[Piece]], thresholds: Thresholds) -> Relation:
    meant = [one for one in its if not thresholds.is_sliver(one)]
    uncovered_m2 = max(grid.area_m2 - sum(one.area_m2 for one in its), 0.0)
    kind: Kind = "split"
    if not meant:
        kind = "orphan"
    elif uncovered_m2 < thresholds.area_m2:
        if all(_is_whole(one, of_right[one.right.version_id], thresholds) for one in meant):
            kind = "aligned"
        elif len(meant) == 1:
            kind = "contained"
    codes = tuple(one.right.code for one in sorted(meant, key=lambda one: -one.area_m2))
    return Relation(grid, kind, codes, uncovered_m2, sum(one.left_inside_m for one in its))


def _is_whole(piece: Piece, of_right: list[Piece], thresholds: Thresholds) -> bool:
    """Whether a piece is all of its right grid but for slivers."""
    uncovered_m2 = piece.right.area_m2 - sum(one.area_m2 for one in of_right)
    others = (one for one in of_right if one is not piece)
    return uncovered_m2 < thresholds.area_m2 and all(map(thresholds.is_sliver, others))


def shared_by_units(matrix: Matrix, counts: Counts, unit_of: Callable[[Side], int | None]) -> list[Shared]:
    """Return what units share by their grids; `unit_of` says which unit a grid counts for."""
    found: dict[tuple[int | None, int | None], list[Piece]] = defaultdict(list)
    for piece in matrix.pieces:
        found[unit_of(piece.left), unit_of(piece.right)].append(piece)
    return [
        Shared(
            left,
            right,
            sum(one.area_m2 for one in its),
            len(its),
            sum((counted_in(one, counts) for one in its), NOTHING),
        )
        for (left, right), its in found.items()
    ]


def snaps(
    matrix: Matrix,
    counts: Counts,
    officers: Mapping[int, Collection[int]],
    thresholds: Thresholds,
    weigh: Weigh = WEIGHTS["area"],
) -> list[Snap]:
    """Return, for each right grid that several left grids share, what it costs to give it whole to one of them.

    It goes to the one that has most of it already, by `weigh`; of equals, to the smallest code. Pieces too narrow to be
    meant move as well, but do not make a proposal of their own. `officers`: who is responsible, by left grid.
    """
    found = []
    for its in _by(matrix, lambda piece: piece.right).values():
        if sum(not thresholds.is_sliver(one) for one in its) < 2:
            continue
        weights = {one.left.grid_id: weigh(one, counted_in(one, counts)) for one in its}
        kept = min(its, key=lambda one: (-weights[one.left.grid_id], -one.area_m2, one.left.code))
        moves = tuple(Move(one, counted_in(one, counts)) for one in its if one is not kept)
        touched = {one for piece in its for one in officers.get(piece.left.grid_id, ())}
        found.append(Snap(kept.right, kept.left, moves, len(touched)))
    return sorted(found, key=lambda one: (-one.area_m2, one.grid.code))


def counted_in(piece: Piece, counts: Counts) -> Counted:
    """Return what lies in a piece."""
    return counts.get((piece.left.grid_id, piece.right.grid_id), NOTHING)


def embedded(matrix: Matrix, grids_of_cells: Mapping[int, int], thresholds: Thresholds) -> list[Embedded]:
    """Return the right grids, cells of the left layer, that are not whole in the grid they belong to, by code.

    `grids_of_cells`: the left grid of each cell, by ids.
    """
    of_cell, grids = _by(matrix, lambda piece: piece.right), {one.grid_id: one for one in matrix.left}
    found = []
    for cell in matrix.right:
        its = of_cell[cell.version_id]
        own_id = grids_of_cells.get(cell.grid_id)
        own = None if own_id is None else grids.get(own_id)
        strange = [one for one in its if one.left != own and not thresholds.is_sliver(one)]
        covered_m2 = sum(one.area_m2 for one in its)
        uncovered_m2 = max(cell.area_m2 - covered_m2, 0.0)
        strange_m2 = sum(one.area_m2 for one in strange)
        kind: Misplaced | None = None
        if own_id is None:
            kind = "homeless"
        elif strange:
            kind = "split" if any(one.left == own and not thresholds.is_sliver(one) for one in its) else "elsewhere"
        elif uncovered_m2 >= thresholds.area_m2:
            kind = "uncovered"
        if kind is not None:
            lies_in = tuple(one.left for one in sorted(its, key=lambda one: -one.area_m2))
            found.append(Embedded(kind, cell, own, lies_in, strange_m2 if strange else uncovered_m2 or cell.area_m2))
    return found


def _by(matrix: Matrix, side: Callable[[Piece], Side]) -> dict[int, list[Piece]]:
    """Return pieces by the version of a side."""
    found: dict[int, list[Piece]] = defaultdict(list)
    for piece in matrix.pieces:
        found[side(piece).version_id].append(piece)
    return found
