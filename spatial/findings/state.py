"""What checks look at: the grids of layers as they are on record at a moment, or as a draft would have them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from spatial.findings import queries
from spatial.findings.model import Beatless, Coded
from spatial.geometry import Geometries
from spatial.grids.queries import records_in_force, shapes_of
from spatial.history import Moment
from spatial.overlaps import queries as overlaps
from spatial.overlaps.model import Thresholds
from spatial.overlaps.overlaps import Overlaps
from spatial.tables import Layer

Holders = Mapping[int, Sequence[tuple[str, str]]]  # numbers of officers, each with the role, by the id of a grid


@dataclass(frozen=True)
class Network:
    """The grids of a layer, in the order of codes, with their shapes in degrees."""

    codes: Sequence[str]
    shapes: Geometries


class State(Protocol):
    """The layers of a deployment as they are, or would be; by the ids of layers."""

    session: Session

    def network(self, layer: Layer) -> Network:
        """Return the grids of a layer."""

    def coded(self, layer: Layer) -> Mapping[int, Coded]:
        """Return those whose people whoever asks sees, by id; of the others nothing but the shape is checked."""

    def officers(self, layer: Layer) -> Holders:
        """Return who holds each grid of a layer."""

    def beatless(self, layer: Layer) -> Sequence[Beatless]:
        """Return officers who hold no grid, of kinds that lead grids of a layer."""

    def pair(self, layer: Layer, other: Layer) -> Overlaps:
        """Return what two layers share."""

    def dwellings(self, layer: Layer) -> Mapping[str, int]:
        """Return how many dwellings each grid of a layer has, by code."""

    def inner_points(self, layer: str, codes: Collection[str]) -> Mapping[str, BaseGeometry]:
        """Return a point inside of each of some grids of a layer, by code."""


class OnRecord:
    """The layers as they are on record at a moment; `pieces`: what of two layers is a sliver."""

    def __init__(self, session: Session, moment: Moment, pieces: Thresholds) -> None:
        self.session = session
        self.moment = moment
        self.pieces = pieces
        self._networks: dict[int, Network] = {}
        self._coded: dict[int, Mapping[int, Coded]] = {}

    def network(self, layer: Layer) -> Network:
        """Return the grids of a layer."""
        if layer.id not in self._networks:
            grids = records_in_force(self.session, layer.id, self.moment.at, self.moment.known_at)
            self._networks[layer.id] = Network([one.code for one in grids], shapes_of(grids))
        return self._networks[layer.id]

    def coded(self, layer: Layer) -> Mapping[int, Coded]:
        """Return those whose people whoever asks sees, by id."""
        if layer.id not in self._coded:
            self._coded[layer.id] = queries.own_grids(self.session, layer, self.moment)
        return self._coded[layer.id]

    def officers(self, layer: Layer) -> Holders:
        """Return who holds each grid of a layer."""
        return queries.officers_of_grids(self.session, layer, self.moment)

    def beatless(self, layer: Layer) -> Sequence[Beatless]:
        """Return officers who hold no grid, of kinds that lead grids of a layer, in units that have such grids."""
        return queries.without_grid(self.session, layer, self.moment)

    def pair(self, layer: Layer, other: Layer) -> Overlaps:
        """Return what two layers share."""
        return Overlaps(self.session, self.moment, self.pieces, layer.code, other.code)

    def dwellings(self, layer: Layer) -> Mapping[str, int]:
        """Return how many dwellings each grid of a layer has, by code; addresses are those of today."""
        grids = self.network(layer)
        places, weights = overlaps.addresses(self.session, None)
        points: Geometries = np.asarray(shapely.points(places), dtype=object)
        grid, place = shapely.STRtree(points).query(grids.shapes, predicate="intersects")
        # on a border the smallest code owns a place, and grids are in that order
        owner = np.full(len(places), len(grids.codes))
        np.minimum.at(owner, place, grid)
        sums = np.bincount(owner, weights, minlength=len(grids.codes))
        return {code: round(sums[n]) for n, code in enumerate(grids.codes)}

    def inner_points(self, layer: str, codes: Collection[str]) -> Mapping[str, BaseGeometry]:
        """Return a point inside of each of some grids of a layer, by code."""
        return queries.inner_points(self.session, layer, codes, self.moment)
