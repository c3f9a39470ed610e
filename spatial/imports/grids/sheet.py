"""Grids as rows of a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from spatial.grids.queries import GridRecord, shapes_of
from spatial.imports.read import Chunk
from spatial.imports.write import Table, kind_of


def sheet(layer: str, grids: Sequence[GridRecord], unit_codes: Mapping[int, str]) -> Table:
    """Return the columns that describe grids: code, name, kind, unit, then the attributes that imports kept."""
    columns: dict[str, list[Any]] = {
        "code": [grid.code for grid in grids],
        "name": [grid.name for grid in grids],
        "kind": [grid.kind for grid in grids],
        "unit": [unit_codes.get(grid.unit_id) if grid.unit_id is not None else None for grid in grids],
    }
    for name in sorted({name for grid in grids for name in grid.attributes}):
        columns[name if name not in columns else f"{name}_"] = [grid.attributes.get(name) for grid in grids]
    kinds = {name: kind_of(values) for name, values in columns.items()}
    chunks = [Chunk(range(1, len(grids) + 1), columns, shapes_of(grids))]
    return Table(layer, kinds, chunks if grids else [], "MultiPolygon")
