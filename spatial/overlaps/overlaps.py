"""What two layers share at a moment, as far as a session reaches: the questions that planners ask of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from spatial.errors import NotFound, invalid
from spatial.geometry import Geometries
from spatial.grids.listing import layer_named
from spatial.grids.noding import only_areas
from spatial.grids.units import UnitRef, UnitTree, unit_tree
from spatial.history import Moment, Reading
from spatial.lookup.stored import StoredFacts
from spatial.overlaps import queries, rules
from spatial.overlaps.counting import counts
from spatial.overlaps.model import (
    Counts,
    Embedded,
    Matrix,
    Piece,
    Relation,
    Shared,
    Side,
    Snap,
    Thresholds,
)
from spatial.tables import Layer
from spatial.time import Period

HALLS = ("station", "street")  # kinds of units that people mean when they ask who shares what


class Overlaps:
    """The overlaps of two layers; without names, of the first two tilings in their order of display."""

    def __init__(
        self,
        session: Session,
        moment: Moment,
        thresholds: Thresholds,
        layer: str | None = None,
        other: str | None = None,
    ) -> None:
        self.session = session
        self.moment = moment
        self.thresholds = thresholds
        self.facts = StoredFacts(session, moment)
        self.layer, self.other = self._layers(layer, other)
        self._drawn: dict[int, BaseGeometry] = {}  # shapes read so far, by the ids of versions

    def _layers(self, layer: str | None, other: str | None) -> tuple[Layer, Layer]:
        tilings = [one.code for one in self.facts.layers() if one.kind == "tiling" and one.code not in {layer, other}]
        found = [
            layer_named(self.session, code) for code in (layer or self._next(tilings), other or self._next(tilings))
        ]
        if found[0].id == found[1].id:
            raise invalid("with", "same-layer", layer=found[0].code)
        return found[0], found[1]

    def _next(self, tilings: list[str]) -> str:
        if not tilings:
            raise NotFound("no-two-layers")
        return tilings.pop(0)

    @cached_property
    def matrix(self) -> Matrix:
        """The grids of both, and what each pair shares."""
        return queries.matrix(self.session, self.layer, self.other, self.moment)

    @cached_property
    def grids_of_cells(self) -> Mapping[int, int]:
        """The grid of each cell of a layer built from cells, by ids."""
        return queries.grids_of_cells(self.session, self.layer.id, self.moment)

    @cached_property
    def tree(self) -> UnitTree:
        """The units of the grids, and all above them."""
        grids = (*self.matrix.left, *self.matrix.right)
        return unit_tree(self.facts, Reading(self.moment.at), {one.unit_id for one in grids if one.unit_id is not None})

    def unit(self, unit_id: int | None) -> UnitRef | None:
        """Return a unit of a grid, or one above it."""
        return None if unit_id is None else self.tree.units.get(unit_id)

    def pieces(self, code: str | None = None, unit: str | None = None) -> list[Piece]:
        """Return what is shared, by the codes of both; of one grid, or of the grids of a unit and of those below it."""
        found: Sequence[Piece] = self.matrix.pieces
        if code is not None:
            if all(one.code != code for one in self.matrix.left):
                raise NotFound("no-such-grid", layer=self.layer.code, code=code)
            found = [piece for piece in found if piece.left.code == code]
        if unit is not None:
            if all(one.code != unit for one in self.tree.units.values()):
                raise NotFound("no-such-unit", code=unit)
            found = [piece for piece in found if any(one.code == unit for one in self.tree.chain(piece.left.unit_id))]
        return list(found)

    def counts(self, period: Period, pieces: Collection[Piece] | None = None) -> Counts:
        """Return what lies in pieces; in all of them, or in some.

        Of pieces between neighbours of whom only the grids are seen, nothing is told.
        """
        seen = self.matrix.pieces if pieces is None else pieces
        within = None
        if pieces is not None:
            if not pieces:
                return {}
            west, south, east, north = shapely.total_bounds(self._shapes({one.left for one in pieces})).tolist()
            within = west, south, east, north
        found = counts(self.facts, self.moment, (self.layer.code, self.other.code), period, within)
        pairs = {(one.left.grid_id, one.right.grid_id) for one in seen if self._is_own(one)}
        return {pair: found.get(pair, rules.NOTHING) for pair in pairs}

    def relations(self) -> list[Relation]:
        """Return how each grid of the layer whose people are seen lies to the other layer."""
        self._require_tilings()
        found = rules.relations(self.matrix, self.thresholds)
        return [one for one in found if self.facts.sees_people_of(one.grid.unit_id)]

    def shared_by_units(self, found: Counts) -> list[Shared]:
        """Return which station shares what with which street, or whatever units the grids are of."""
        own = tuple(filter(self._is_own, self.matrix.pieces))
        return rules.shared_by_units(replace(self.matrix, pieces=own), found, self._hall_of)

    def snaps(self, found: Counts, weigh: str) -> list[Snap]:
        """Return what it costs to give each grid of the other layer that several share to one of them.

        Only of grids that lie in grids whose people are seen, all of them: the price of others would be a part of it.
        """
        self._require_tilings()
        officers = queries.officers_of(self.session, self.layer.id, self.moment)
        return rules.snaps(self._whole_seen(), found, officers, self.thresholds, rules.WEIGHTS[weigh])

    def embedded(self) -> list[Embedded]:
        """Return where grids are not the unions of the cells they are built from, in embed mode."""
        if self.layer.built_from_id != self.other.id:
            raise invalid("layer", "layer-not-built-from", layer=self.layer.code, other=self.other.code)
        return rules.embedded(self._whole_seen(), self.grids_of_cells, self.thresholds)

    def _require_tilings(self) -> None:
        for layer in (self.layer, self.other):
            if layer.kind != "tiling":
                raise invalid("layer", "layer-not-a-tiling", layer=layer.code)

    def _whole_seen(self) -> Matrix:
        """Return the matrix with those grids of the other layer alone of which whoever asks sees everything."""
        if self.facts.sees_everybody:
            return self.matrix
        own: dict[int, float] = defaultdict(float)
        for piece in self.matrix.pieces:
            if self.facts.sees_people_of(piece.left.unit_id):
                own[piece.right.version_id] += piece.area_m2
        whole = tuple(one for one in self.matrix.right if one.area_m2 - own[one.version_id] < self.thresholds.area_m2)
        kept = {one.version_id for one in whole}
        pieces = tuple(piece for piece in self.matrix.pieces if piece.right.version_id in kept)
        return Matrix(self.matrix.left, whole, pieces)

    def shapes(self, pieces: Sequence[Piece]) -> Geometries:
        """Return the shapes of pieces, in degrees."""
        left = self._shapes([one.left for one in pieces])
        right = self._shapes([one.right for one in pieces])
        return only_areas(shapely.intersection(left, right))

    def _shapes(self, sides: Collection[Side]) -> Geometries:
        self._drawn |= queries.shapes_of(self.session, {one.version_id for one in sides} - self._drawn.keys())
        shapes = np.empty(len(sides), dtype=object)
        shapes[:] = [self._drawn[one.version_id] for one in sides]
        return shapes

    def _is_own(self, piece: Piece) -> bool:
        return any(self.facts.sees_people_of(one.unit_id) for one in (piece.left, piece.right))

    def _hall_of(self, side: Side) -> int | None:
        chain = self.tree.chain(side.unit_id)  # of a unit that may not be named, nothing
        return next((one.id for one in chain if one.kind in HALLS), chain[0].id if chain else None)
