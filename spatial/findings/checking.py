"""Looking for what is wrong with a layer: its tiling, codes and people, and how it lies to others."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select

from spatial.findings.model import Coded, Flaw, Held, Limits
from spatial.findings.rules import (
    alignment_flaws,
    cell_flaws,
    code_flaws,
    dwelling_flaws,
    latest,
    parent_flaws,
    roster_flaws,
)
from spatial.findings.state import State
from spatial.geometry import Geometries
from spatial.grids.noding import only_areas
from spatial.grids.tiling import findings
from spatial.overlaps.rules import relations
from spatial.tables import Layer


def tiling(state: State, layer: Layer, limits: Limits) -> list[Flaw]:
    """Return what is wrong with the shapes of a layer: of a tiling, against the layer that it should cover, too."""
    if layer.kind != "tiling":
        return []
    grids, outline = state.network(layer), outline_of(state, layer)
    found = [Flaw.of(one) for one in findings(grids.codes, grids.shapes, outline, limits.gap_area_m2)]
    coded = named(state, layer)
    return [
        replace(flaw, owners=owners_of(flaw, coded), since=latest(coded[code] for code in flaw.grids if code in coded))
        for flaw in found
    ]


def outline_of(state: State, layer: Layer) -> BaseGeometry | None:
    """Return the area that a layer's grids should cover together; none where that is not said."""
    above = _above(state, layer)
    around = None if above is None else state.network(above).shapes
    return None if around is None or len(around) == 0 else shapely.union_all(around)


def _above(state: State, layer: Layer) -> Layer | None:
    return None if layer.parent_layer_id is None else state.session.get(Layer, layer.parent_layer_id)


def named(state: State, layer: Layer) -> dict[str, Coded]:
    """Return the grids of a layer whose people are seen, by code."""
    return {one.code: one for one in state.coded(layer).values()}


def owners_of(flaw: Flaw, grids: Mapping[str, Coded]) -> tuple[str, ...]:
    """Return the units of the grids that a flaw concerns."""
    units = (grids[code].unit for code in flaw.grids if code in grids)
    return tuple(sorted({unit for unit in units if unit is not None}))


def codes(state: State, layer: Layer, _limits: Limits) -> list[Flaw]:
    """Return what is wrong with the codes and names of a layer's grids."""
    return code_flaws(layer.code_scheme, list(state.coded(layer).values()))


def roster(state: State, layer: Layer, _limits: Limits) -> list[Flaw]:
    """Return which grids of a layer nobody holds or leads, and which officers lead several or hold none."""
    held = state.officers(layer)
    of_grids = [Held(grid, tuple(held.get(grid_id, ()))) for grid_id, grid in state.coded(layer).items()]
    return roster_flaws(of_grids, state.beatless(layer))


def parent(state: State, layer: Layer, limits: Limits) -> list[Flaw]:
    """Return which grids of a layer lie beyond the layer above it, or across the borders of that."""
    above = _above(state, layer)
    if above is None:
        return []
    told = (relations(state.pair(layer, above).matrix, limits.pieces), named(state, layer), above.code)
    found = parent_flaws(*told, is_tiling=layer.kind == "tiling", least_m2=limits.pieces.area_m2)
    beyond = {one.grids[0] for one in found if one.kind == "outside-parent"}
    if not beyond:
        return found
    grids, area = state.network(layer), outline_of(state, layer)
    shapes = dict(zip(grids.codes, grids.shapes.tolist(), strict=True))
    outside = {code: _areas(shapes[code] if area is None else shapes[code] - area) for code in beyond}
    return [replace(one, shape=outside[one.grids[0]]) if one.kind == "outside-parent" else one for one in found]


def _areas(shape: BaseGeometry) -> BaseGeometry:
    made: Geometries = only_areas(np.array([shape], dtype=object))
    area: BaseGeometry = made[0]
    return area


def alignment(state: State, layer: Layer, _limits: Limits) -> list[Flaw]:
    """Return how a tiling does not fit the others: that of its cells if it has one, else those drawn apart from it."""
    if layer.kind != "tiling":
        return []
    coded = named(state, layer)
    found: list[Flaw] = []
    tilings = select(Layer).where(Layer.kind == "tiling").order_by(Layer.position, Layer.code)
    for other in state.session.scalars(tilings):
        if layer.id in {other.id, other.built_from_id, other.parent_layer_id} or other.id == layer.parent_layer_id:
            continue
        both = state.pair(layer, other)
        if other.id == layer.built_from_id:
            found += cell_flaws(both.embedded(), coded, other.code)
        elif both.matrix.left and both.matrix.right:
            found += alignment_flaws(both.relations(), both.matrix, coded, other.code)
    return found


def dwellings(state: State, layer: Layer, limits: Limits) -> list[Flaw]:
    """Return which grids have more dwellings than the deployment wants them to have."""
    most = limits.most_dwellings.get(layer.code)
    return [] if most is None else dwelling_flaws(state.dwellings(layer), named(state, layer), most)


Look = Callable[[State, Layer, Limits], list[Flaw]]
LOOKS: Mapping[str, Look] = {
    "tiling": tiling,
    "codes": codes,
    "roster": roster,
    "parent": parent,
    "alignment": alignment,
    "dwellings": dwellings,
}
