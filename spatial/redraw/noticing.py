"""What an operation makes so of codes, people and addresses of grids, from what it changes alone. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import shapely

from spatial.findings.model import Coded, Flaw, Held, Limits
from spatial.findings.rules import code_flaws, dwelling_flaws, is_more, roster_flaws
from spatial.redraw.measures import Measure, Measured, Measures
from spatial.redraw.model import Change, DraftGrid, DraftLayer
from spatial.redraw.sheet import Notice

Units = Mapping[int, str]  # codes by id


def of_grids(
    changes: Sequence[Change], measures: Measures, layers: Mapping[int, DraftLayer], units: Units, limits: Limits
) -> list[Notice]:
    """Return what is wrong with grids after an operation and was not before, of those whose measures are told."""
    measured = {one.place: one for one in measures.grids}
    return [
        Notice(change.place.layer_id, replace(flaw, shape=shapely.point_on_surface(change.becomes.shape)))
        for change in changes
        if change.becomes is not None and change.place in measured
        for flaw in _added(change, measured[change.place], layers[change.place.layer_id], units, limits)
    ]


def _added(change: Change, measured: Measured, layer: DraftLayer, units: Units, limits: Limits) -> Iterator[Flaw]:
    """Yield what is wrong with one grid and was not before."""
    before, after = (
        [] if grid is None else list(_flaws(grid, measure, layer, units, limits))
        for grid, measure in ((change.was, measured.before), (change.becomes, measured.after))
    )
    yield from (one for one in after if is_more(one, (was for was in before if was.kind == one.kind)))


def _flaws(grid: DraftGrid, measure: Measure | None, layer: DraftLayer, units: Units, limits: Limits) -> Iterator[Flaw]:
    """Yield what is wrong with one grid by itself."""
    unit = None if grid.unit_id is None else units.get(grid.unit_id)
    coded = Coded(grid.code, grid.name, unit, None)
    yield from code_flaws(layer.code_scheme, [coded])
    if measure is None:
        return
    if not measure.held.officers:
        yield from roster_flaws([Held(coded, ())], ())
    most = limits.most_dwellings.get(layer.code)
    if most is not None:
        yield from dwelling_flaws({grid.code: measure.held.counted.dwellings}, {grid.code: coded}, most)
