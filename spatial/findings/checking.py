"""Looking for what is wrong with a layer at any moment: its tiling, codes and people, and how it lies to others."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select
from sqlalchemy.orm import Session

from spatial.findings import queries
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
from spatial.geometry import Geometries
from spatial.grids.noding import only_areas
from spatial.grids.queries import records_in_force, shapes_of
from spatial.grids.tiling import findings
from spatial.history import Moment
from spatial.overlaps import queries as overlaps
from spatial.overlaps.overlaps import Overlaps
from spatial.overlaps.rules import relations
from spatial.tables import Layer


def tiling(session: Session, layer: Layer, moment: Moment, limits: Limits) -> list[Flaw]:
    """Return what is wrong with the shapes of a layer: of a tiling, against the layer that it should cover, too."""
    if layer.kind != "tiling":
        return []
    grids = records_in_force(session, layer.id, moment.at, moment.known_at)
    names, outline = [grid.code for grid in grids], outline_of(session, layer, moment)
    found = [
        Flaw(one.kind, one.severity, one.grids, area_m2=one.area_m2, shape=one.shape, detail=one.detail)
        for one in findings(names, shapes_of(grids), outline, limits.gap_area_m2)
    ]
    coded = {one.code: one for one in queries.own_grids(session, layer, moment).values()}
    return [
        replace(flaw, owners=owners_of(flaw, coded), since=latest(coded[code] for code in flaw.grids if code in coded))
        for flaw in found
    ]


def outline_of(session: Session, layer: Layer, moment: Moment) -> BaseGeometry | None:
    """Return the area that a layer's grids should cover together; none where that is not said."""
    if layer.parent_layer_id is None:
        return None
    around = records_in_force(session, layer.parent_layer_id, moment.at, moment.known_at)
    return shapely.union_all(shapes_of(around)) if around else None


def owners_of(flaw: Flaw, grids: Mapping[str, Coded]) -> tuple[str, ...]:
    """Return the units of the grids that a flaw concerns."""
    units = (grids[code].unit for code in flaw.grids if code in grids)
    return tuple(sorted({unit for unit in units if unit is not None}))


def codes(session: Session, layer: Layer, moment: Moment, _limits: Limits) -> list[Flaw]:
    """Return what is wrong with the codes and names of a layer's grids."""
    return code_flaws(layer.code_scheme, list(queries.own_grids(session, layer, moment).values()))


def roster(session: Session, layer: Layer, moment: Moment, _limits: Limits) -> list[Flaw]:
    """Return which grids of a layer nobody holds or leads, and which officers lead several or hold none."""
    held = queries.officers_of_grids(session, layer, moment)
    grids = queries.own_grids(session, layer, moment)
    of_grids = [Held(grid, tuple(held.get(grid_id, ()))) for grid_id, grid in grids.items()]
    return roster_flaws(of_grids, queries.without_grid(session, layer, moment))


def parent(session: Session, layer: Layer, moment: Moment, limits: Limits) -> list[Flaw]:
    """Return which grids of a layer lie beyond the layer above it, or across the borders of that."""
    above = session.get(Layer, layer.parent_layer_id) if layer.parent_layer_id is not None else None
    if above is None:
        return []
    coded = {one.code: one for one in queries.own_grids(session, layer, moment).values()}
    matrix = overlaps.matrix(session, layer, above, moment)
    told = (relations(matrix, limits.pieces), coded, above.code)
    found = parent_flaws(*told, is_tiling=layer.kind == "tiling", least_m2=limits.pieces.area_m2)
    beyond = {one.grids[0] for one in found if one.kind == "outside-parent"}
    if not beyond:
        return found
    area = outline_of(session, layer, moment)
    shapes = {one.code: one.shape for one in records_in_force(session, layer.id, moment.at, moment.known_at)}
    outside = {code: _areas(shapes[code] if area is None else shapes[code] - area) for code in beyond}
    return [replace(one, shape=outside[one.grids[0]]) if one.kind == "outside-parent" else one for one in found]


def _areas(shape: BaseGeometry) -> BaseGeometry:
    made: Geometries = only_areas(np.array([shape], dtype=object))
    area: BaseGeometry = made[0]
    return area


def alignment(session: Session, layer: Layer, moment: Moment, limits: Limits) -> list[Flaw]:
    """Return how a tiling does not fit the others: that of its cells if it has one, else those drawn apart from it."""
    if layer.kind != "tiling":
        return []
    coded = {one.code: one for one in queries.own_grids(session, layer, moment).values()}
    found: list[Flaw] = []
    for other in session.scalars(select(Layer).where(Layer.kind == "tiling").order_by(Layer.position, Layer.code)):
        if layer.id in {other.id, other.built_from_id, other.parent_layer_id} or other.id == layer.parent_layer_id:
            continue
        both = Overlaps(session, moment, limits.pieces, layer.code, other.code)
        if other.id == layer.built_from_id:
            found += cell_flaws(both.embedded(), coded, other.code)
        elif both.matrix.left and both.matrix.right:
            found += alignment_flaws(both.relations(), both.matrix, coded, other.code)
    return found


def dwellings(session: Session, layer: Layer, moment: Moment, limits: Limits) -> list[Flaw]:
    """Return which grids have more dwellings than the deployment wants them to have; addresses are those of today."""
    most = limits.most_dwellings.get(layer.code)
    if most is None:
        return []
    grids = records_in_force(session, layer.id, moment.at, moment.known_at)
    places, weights = overlaps.addresses(session, None)
    points: Geometries = np.asarray(shapely.points(places), dtype=object)
    grid, place = shapely.STRtree(points).query(shapes_of(grids), predicate="intersects")
    owner = np.full(len(places), len(grids))  # on a border the smallest code owns a place, and grids are in that order
    np.minimum.at(owner, place, grid)
    sums = np.bincount(owner, weights, minlength=len(grids))
    coded = {one.code: one for one in queries.own_grids(session, layer, moment).values()}
    return dwelling_flaws({one.code: round(sums[n]) for n, one in enumerate(grids)}, coded, most)


Look = Callable[[Session, Layer, Moment, Limits], list[Flaw]]
LOOKS: Mapping[str, Look] = {
    "tiling": tiling,
    "codes": codes,
    "roster": roster,
    "parent": parent,
    "alignment": alignment,
    "dwellings": dwellings,
}
