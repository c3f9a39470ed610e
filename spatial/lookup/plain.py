"""Look-ups that are plain: one grid of each layer holds the place, for good, and its border is far.

Most look-ups are. They are answered here by a few microseconds of machine code, as `ask` answers them; whatever is not
plain is left to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Floats, Plane
from spatial.lookup.bulk import EPOCH, EVER, bound_micros, micros
from spatial.lookup.bulk_kernel import Ints
from spatial.lookup.model import Beyond, Candidate, Inside
from spatial.lookup.placed import EDGE_TOLERANCE_M
from spatial.lookup.plain_kernel import SPECIAL, UNCLEAR, Borders, look
from spatial.lookup.rules import away_m
from spatial.lookup.source import LayerRow

MOST_FOUND = 64  # grids about a place
CELLS_PER_GRID = 4
SAME_M = 1e-6  # points of a border that are no farther apart are one
BENT = 0.01  # degrees: an edge so long bows by some centimetres in the plane
ROUND_ABOUT = 1e-8  # degrees, by which what is special may be a line or a point, too
HALF_A_MILLIMETRE = 1e-4  # of a millimetre: how near to it rounding might go one way here and another elsewhere


@dataclass(frozen=True)
class Plains:
    """The grids of all layers, in which plain places are found; immutable."""

    plane: Plane
    layers: int
    grids: Sequence[Candidate | None]  # None: no grid, but something that makes places about it not plain
    borders: Borders | None  # None: there is nothing

    @classmethod
    def of(
        cls,
        plane: Plane,
        layers: Sequence[LayerRow],
        grids: Iterable[Candidate],
        specials: Iterable[tuple[BaseGeometry, datetime | None]],
    ) -> Self:
        """Return the grids of layers ready to be looked up; time and memory grow with their vertices.

        `specials`: areas (degrees) about which, until when, no place is plain.
        """
        position = {layer.id: place for place, layer in enumerate(layers)}
        given, others = list(grids), list(specials)
        areas = shapely.buffer([shape for shape, _ in others], ROUND_ABOUT)
        shapes = np.array([*(one.shape for one in given), *areas], dtype=object)
        until = [one.until for one in given] + [end for _, end in others]
        since = [one.since for one in given] + [None] * len(others)
        borders = (
            None
            if len(shapes) == 0
            else _borders(
                plane,
                shapes,
                np.array([position[one.layer_id] for one in given] + [SPECIAL] * len(others), np.int32),
                np.array([bound_micros(one, -EVER) for one in since], np.int64),
                np.array([bound_micros(one, EVER) for one in until], np.int64),
            )
        )
        return cls(plane, len(layers), [*given, *[None] * len(others)], borders)

    def make_ready(self) -> None:
        """See that the machine code is there before anybody waits for it."""
        if self.borders is not None:
            self.find(float(self.borders.lon[0]), float(self.borders.lat[0]), EPOCH, 0.0)

    def find(self, lon: float, lat: float, at: datetime, accuracy_m: float) -> list[Inside] | None:
        """Return what each layer says of a place in stored degrees, in their order; None where that is not plain."""
        if self.borders is None:
            return None
        found = np.empty((self.layers + MOST_FOUND, 4))
        x, y = self.plane.metres_of(lon, lat)
        count = look(
            lon, lat, x, y, micros(at), EVER, accuracy_m, EDGE_TOLERANCE_M, self.borders, self.layers, found
        )  # fmt: skip
        if count == UNCLEAR:
            return None
        rows = found[:count].tolist()
        held: list[Inside] = []
        for own_x, own_y, _, number in rows[: self.layers]:
            own = self._grid(number)
            edge_m = away_m(self.plane, lon, lat, own_x, own_y)
            beyond = []
            for its_x, its_y, _, its_number in rows[self.layers :]:
                other = self._grid(its_number)
                if other.layer_id == own.layer_id:
                    is_same = abs(its_x - own_x) <= SAME_M and abs(its_y - own_y) <= SAME_M
                    its_m = edge_m if is_same else away_m(self.plane, lon, lat, its_x, its_y)
                    if its_m <= edge_m + EDGE_TOLERANCE_M:
                        beyond.append(Beyond(other.grid, its_m))
            if not all(map(_is_sure, (edge_m, *(one.distance_m for one in beyond)))):
                return None
            held.append(Inside(own, edge_m, sorted(beyond, key=_order) if len(beyond) > 1 else beyond))
        return held

    def _grid(self, number: float) -> Candidate:
        found = self.grids[int(number)]
        assert found is not None  # noqa: S101  what is none is never found
        return found


def _order(one: Beyond) -> tuple[float, str]:
    return one.distance_m, one.grid.code


def _is_sure(distance_m: float) -> bool:
    """Whether a distance is not so near half a millimetre that it might be rounded in another way elsewhere."""
    return abs(distance_m * 1000 % 1 - 0.5) > HALF_A_MILLIMETRE


def _borders(plane: Plane, shapes: np.ndarray, layer: Ints, since: np.ndarray, until: np.ndarray) -> Borders:
    parts, of_shape = shapely.get_parts(shapes, return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    lonlat, ring = shapely.get_coordinates(rings, return_index=True)
    of_vertex = of_shape[of_part][ring]
    is_edge = np.r_[ring[1:] == ring[:-1], False] if len(ring) else np.zeros(0, bool)
    xy = plane.metres(lonlat)
    first = np.searchsorted(of_vertex, np.arange(len(shapes) + 1))
    bounds = shapely.bounds(plane.to_metres(shapely.segmentize(shapes, BENT)))  # edges are straight in degrees alone
    frame, cell_first, in_cells = _cells(bounds)
    lon, lat = np.ascontiguousarray(lonlat.T)
    x, y = np.ascontiguousarray(xy.T)
    first = first.astype(np.int64)
    return Borders(lon, lat, x, y, is_edge, first, bounds, layer, since, until, frame, cell_first, in_cells)


def _cells(bounds: Floats) -> tuple[tuple[float, float, float, int, int], np.ndarray, Ints]:
    """Return a raster over some bounds (metres), and which of these come into each of its cells."""
    west, south = bounds[:, :2].min(axis=0)
    width, height = np.maximum(bounds[:, 2:].max(axis=0) - (west, south), 1.0)
    side = float(np.sqrt(width * height / (CELLS_PER_GRID * len(bounds))))
    columns, rows = int(width / side) + 1, int(height / side) + 1
    low = np.floor((bounds[:, :2] - (west, south)) / side).astype(np.int64)
    high = np.floor((bounds[:, 2:] - (west, south)) / side).astype(np.int64)
    across, up = (high - low + 1).T
    each = across * up
    of_bounds = np.repeat(np.arange(len(bounds)), each)
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    column = low[of_bounds, 0] + within % across[of_bounds]
    row = low[of_bounds, 1] + within // across[of_bounds]
    cell = row * columns + column
    order = np.argsort(cell, kind="stable")
    cell_first = np.searchsorted(cell[order], np.arange(columns * rows + 1)).astype(np.int64)
    return (float(west), float(south), 1 / side, columns, rows), cell_first, of_bounds[order].astype(np.int32)
