"""The overrides in force about a place, in the order in which they decide. Pure."""

from dataclasses import dataclass, replace

from shapely.geometry.base import BaseGeometry

from spatial.history import Reading, is_over
from spatial.lookup.model import Candidate, OverrideRef
from spatial.lookup.source import LayerRow, Source


@dataclass(frozen=True)
class Decided:
    """An override, and its grid with the override's area for a shape."""

    ref: OverrideRef
    area: Candidate


def in_force(source: Source, reading: Reading, layer: LayerRow, area: BaseGeometry) -> list[Decided]:
    """Return the overrides of a layer in force about an area in degrees, the one that decides before others first.

    An override of a grid that is over, or of which whoever asks sees nothing, is none.
    """
    found = [row for row in source.overrides(layer.id, area) if not is_over(row, reading.at)]
    if not found:
        return []
    versions = list(source.versions_of({row.grid_id for row in found}))
    there = {one.grid.id for one in versions if not is_over(one, reading.at)}
    grids = {one.grid.id: one for one in reading.current(versions)}
    rows = reading.current(row for row in found if row.grid_id in there)
    decided = [Decided(row.ref, replace(grids[row.grid_id], shape=row.shape)) for row in rows if row.grid_id in grids]
    return sorted(decided, key=lambda one: (one.ref.priority, one.ref.code))
