"""Reads the shapes back that a page of the map carries, or a drawing that is not yet in a page."""

import string
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.grids.display import UNITS_PER_DEGREE, Drawing, Integers

VALUE = {digit: value for value, digit in enumerate(string.ascii_letters + string.digits + "-_")}


def decode(text: str) -> list[int]:
    """Return the whole numbers of a text."""
    numbers, number, shift = [], 0, 0
    for digit in map(VALUE.__getitem__, text):
        number |= (digit & 31) << shift
        shift += 5
        if digit & 32 == 0:
            numbers.append(-(number + 1 >> 1) if number & 1 else number >> 1)
            number = shift = 0
    return numbers


def layers_of(data: Any) -> list[list[BaseGeometry]]:
    """Return the shapes in the data of a page, by layer."""
    points = np.array(decode(data["arcs"]["steps"]), dtype=np.int64).reshape(-1, 2).cumsum(axis=0)
    arcs = [points[start:end] for start, end in pairwise(accumulate(decode(data["arcs"]["lengths"]), initial=0))]
    return [shapes_of(Drawing(arcs, _rings(decode(layer["rings"])))) for layer in data["layers"]]


def _rings(numbers: list[int]) -> list[list[list[int]]]:
    stream = iter(numbers)
    return [[[next(stream) for _ in range(next(stream))] for _ in range(rings)] for rings in stream]


def shapes_of(drawn: Drawing) -> list[BaseGeometry]:
    """Return the shapes of a drawing in degrees, filled as they are on the screen: even–odd."""
    return [reduce(shapely.symmetric_difference, (_area(ring, drawn.arcs) for ring in shape)) for shape in drawn.rings]


def _area(ring: Sequence[int], arcs: Sequence[Integers]) -> BaseGeometry:
    along = [arcs[step >> 1][::-1] if step & 1 else arcs[step >> 1] for step in ring]
    for before, after in pairwise([*along, along[0]]):
        assert (before[-1] == after[0]).all()
    area = shapely.polygons(np.concatenate(along) / UNITS_PER_DEGREE)
    return area if area.is_valid else shapely.make_valid(area)
