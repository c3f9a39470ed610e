"""What is measured of pairs of areas, and the shapes that it is measured of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatial.geometry import Floats, Geometries

Longs = NDArray[np.int64]
Hashes = NDArray[np.object_]  # of bytes


@dataclass(frozen=True)
class Pieces:
    """The pieces that left and right areas share, and what bounds them: one row for each pair that shares one.

    `left`, `right`: positions, in ascending order; `area_m2`: authalic on GRS80, edges straight in longitude and
    latitude. The border of a piece, in metres along the same edges, is the sum of three: `left_inside_m` of the left
    area's border inside of the right one, `right_inside_m` the reverse, `together_m` where both run on with both areas
    on the same side. Along `against_m` they lie on either side.
    """

    left: Longs
    right: Longs
    area_m2: Floats
    left_inside_m: Floats
    right_inside_m: Floats
    together_m: Floats
    against_m: Floats


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
