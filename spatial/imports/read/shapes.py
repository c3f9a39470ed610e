"""Shapes from their texts or bytes; every one that cannot be read is told."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from spatial.errors import Fault, InputError
from spatial.geometry import Geometries


def read_shapes(
    parse: Callable[..., Any], texts: Sequence[Any], numbers: Sequence[int]
) -> tuple[Geometries, NDArray[np.bool_], list[Fault]]:
    """Return shapes in two dimensions, which rows are sound, and a fault with the reason for each other row."""
    shapes = np.asarray(parse(np.array(texts, dtype=object), on_invalid="ignore"), dtype=object)
    sound = np.ones(len(shapes), bool)
    faults = []
    for index in np.flatnonzero(shapely.is_missing(shapes)).tolist():
        if texts[index] is not None:
            try:
                parse(texts[index])
            except (shapely.GEOSException, TypeError) as error:
                reason = str(error).rpartition("Exception: ")[2][:120]
                faults.append(Fault(f"row {numbers[index]}, geometry", "geometry-unreadable", {"reason": reason}))
                sound[index] = False
    return shapely.force_2d(shapes), sound, faults


def parsed(parse: Callable[..., Any], texts: Sequence[Any]) -> Geometries:
    """Return the shapes of all rows, counted from 1; an `InputError` tells those that cannot be read."""
    shapes, _, faults = read_shapes(parse, texts, range(1, len(texts) + 1))
    if faults:
        raise InputError(faults)
    return shapes
