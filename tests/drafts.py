"""Drafts without a database: small tilings to edit, drawn at random or by hand."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Geometries, Plane
from spatial.grids.tiling import canonical, stored
from spatial.redraw import operations as asked
from spatial.redraw.edits import perform
from spatial.redraw.model import Change, DraftGrid, DraftLayer, Place
from spatial.redraw.sheet import Sheet

PLANE = Plane(120.0)
EAST, NORTH = 26_000.0, 3_354_000.0  # metres, somewhere by 120.27° E, 30.3° N
CELLS = DraftLayer(1, "cells", "tiling", "free")
POLICE = DraftLayer(2, "police", "tiling", "free", built_from_id=1)
UNITS = {"A": 1, "B": 2}


def drawn(shapes_m: Sequence[BaseGeometry]) -> Geometries:
    """Return areas in metres about the origin of the tests, as a tiling of degrees stores them."""
    placed = shapely.transform(np.array(shapes_m, dtype=object), lambda xy: xy + np.array([EAST, NORTH]))
    return stored(canonical(PLANE.to_degrees(placed)), PLANE)


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Return where a place in metres about the origin of the tests is."""
    return PLANE.degrees_of(EAST + x, NORTH + y)


def voronoi(seed: int, count: int, side_m: float = 900.0) -> Geometries:
    """Return a tiling of a square by the Voronoi cells of random places."""
    places = np.random.default_rng(seed).uniform(0, side_m, (count, 2))
    square = shapely.box(0, 0, side_m, side_m)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(places), extend_to=square))
    return drawn([cell & square for cell in cells])


def grids_of(shapes: Iterable[BaseGeometry], layer_id: int = 1, **more: Any) -> list[DraftGrid]:
    """Return grids c1, c2 … of unit A."""
    return [
        DraftGrid(Place(layer_id, n), f"c{n}", f"cell {n}", "regular", 1, {}, shape, **more)
        for n, shape in enumerate(shapes, 1)
    ]


def edited(
    grids: Sequence[DraftGrid], op: asked.Operation, layers: Sequence[DraftLayer] = (CELLS,), **how: Any
) -> tuple[list[DraftGrid], list[Change]]:
    """Return grids after an operation, and what it changed."""
    lowest = min((grid.place.key for grid in grids), default=0)
    how = {"editable": [layer.id for layer in layers], "next_key": min(lowest, 0) - 1, **how}
    sheet = Sheet(PLANE, layers, grids, **how)
    perform(sheet, op, UNITS)
    changes = list(sheet.settle().changes)
    return applied(grids, changes), changes


def applied(grids: Sequence[DraftGrid], changes: Sequence[Change]) -> list[DraftGrid]:
    """Return grids after changes."""
    after = {grid.place: grid for grid in grids}
    for change in changes:
        after.pop(change.place, None)
        if change.becomes is not None:
            after[change.place] = change.becomes
    return [after[place] for place in sorted(after)]


def shapes(grids: Iterable[DraftGrid], layer_id: int = 1) -> Geometries:
    """Return the shapes of the grids of a layer."""
    return np.array([grid.shape for grid in grids if grid.place.layer_id == layer_id], dtype=object)


def metres(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape in metres."""
    return PLANE.to_metres(shape)
