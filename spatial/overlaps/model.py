"""What is measured of pairs of areas, and what is said of two layers by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatial.geometry import Floats, Geometries

Longs = NDArray[np.int64]
Hashes = NDArray[np.object_]  # of bytes
Kind = Literal["aligned", "contained", "split", "orphan"]
Misplaced = Literal["split", "elsewhere", "uncovered", "homeless"]


@dataclass(frozen=True)
class Pieces:
    """The pieces that left and right areas share, and what bounds them: one row for each pair that shares one.

    `left`, `right`: positions, in ascending order; `area_m2`: authalic on GRS80, edges straight in longitude and
    latitude. The border of a piece, in metres along the same edges, is the sum of three: `left_inside_m` of the left
    area's border inside of the right one, `right_inside_m` the reverse, `together_m` where both run on with both areas
    on the same side.
    """

    left: Longs
    right: Longs
    area_m2: Floats
    left_inside_m: Floats
    right_inside_m: Floats
    together_m: Floats


@dataclass(frozen=True)
class Shapes:
    """Distinct shapes of layers, in degrees, with what each is known by."""

    layer_id: Longs
    sha256: Hashes
    shapes: Geometries

    def __len__(self) -> int:
        return len(self.sha256)

    def __getitem__(self, chosen: NDArray[np.bool_] | Longs) -> "Shapes":
        return Shapes(self.layer_id[chosen], self.sha256[chosen], self.shapes[chosen])


@dataclass(frozen=True)
class Side:
    """A grid in force, and the size of its shape."""

    version_id: int
    grid_id: int
    code: str
    name: str
    unit_id: int | None
    area_m2: float


@dataclass(frozen=True)
class Counted:
    """What lies in a piece: addresses with their dwellings, a period's incidents with the minutes they usually take."""

    addresses: int = 0
    dwellings: int = 0
    incidents: int = 0
    handling_minutes: float = 0.0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.addresses + other.addresses,
            self.dwellings + other.dwellings,
            self.incidents + other.incidents,
            self.handling_minutes + other.handling_minutes,
        )

    def __sub__(self, other: "Counted") -> "Counted":
        return Counted(
            self.addresses - other.addresses,
            self.dwellings - other.dwellings,
            self.incidents - other.incidents,
            self.handling_minutes - other.handling_minutes,
        )


Counts = Mapping[tuple[int, int], Counted]  # of pieces, by the ids of their grids


@dataclass(frozen=True)
class Piece:
    """What a grid of one layer and a grid of another share."""

    left: Side
    right: Side
    area_m2: float
    left_inside_m: float
    right_inside_m: float
    together_m: float

    @property
    def left_share(self) -> float:
        """The piece as a share of the left grid."""
        return self.area_m2 / self.left.area_m2

    @property
    def right_share(self) -> float:
        """The piece as a share of the right grid."""
        return self.area_m2 / self.right.area_m2

    def turned(self) -> "Piece":
        """Return the same from the other side."""
        return Piece(self.right, self.left, self.area_m2, self.right_inside_m, self.left_inside_m, self.together_m)

    @property
    def width_m(self) -> float:
        """Its mean width: twice its area by its border."""
        return 2 * self.area_m2 / (self.left_inside_m + self.right_inside_m + self.together_m)


@dataclass(frozen=True)
class Matrix:
    """The grids in force of two layers, and what each pair shares, by the codes of both."""

    left: tuple[Side, ...]
    right: tuple[Side, ...]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Thresholds:
    """A piece is a sliver where it is narrower, or smaller, than this: drawing, not a division of the city."""

    width_m: float = 2.0
    area_m2: float = 1.0

    def is_sliver(self, piece: Piece) -> bool:
        """Whether a piece is too narrow or too small to be meant."""
        return piece.area_m2 < self.area_m2 or piece.width_m < self.width_m


@dataclass(frozen=True)
class Relation:
    """How a grid lies to another layer; slivers do not count, but for the border.

    `aligned`: it is one whole grid of the other layer, or several; `contained`: part of one; `split`: part of several,
    or partly of none; `orphan`: of none at all. `misfit_m` is how much of its border runs inside of the other's grids.
    """

    grid: Side
    kind: Kind
    others: tuple[str, ...]  # codes, the largest share first
    uncovered_m2: float
    misfit_m: float


@dataclass(frozen=True)
class Embedded:
    """A cell of a layer built from cells that is not whole in the grid that it belongs to.

    `split`: several grids share it; `elsewhere`: it lies in other grids than its own; `uncovered`: partly or wholly in
    none; `homeless`: it belongs to none.
    """

    kind: Misplaced
    cell: Side
    belongs_to: Side | None
    lies_in: tuple[Side, ...]
    area_m2: float


@dataclass(frozen=True)
class Shared:
    """What the grids of one unit share with those of another."""

    left_unit_id: int | None
    right_unit_id: int | None
    area_m2: float
    pieces: int
    counted: Counted


@dataclass(frozen=True)
class Move:
    """A piece that would change hands."""

    piece: Piece
    counted: Counted


@dataclass(frozen=True)
class Snap:
    """A grid that several of the other layer share, and what it costs to give it to one of them, `to`, whole."""

    grid: Side
    to: Side
    moves: tuple[Move, ...]
    officers: int  # whose grids change

    @property
    def area_m2(self) -> float:
        """All that would change hands."""
        return sum(move.piece.area_m2 for move in self.moves)

    @property
    def counted(self) -> Counted:
        """All that lies in it."""
        return sum((move.counted for move in self.moves), Counted())
