"""What checks look at, of a draft: the layers as they would be if a plan came into force where it stands."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from spatial.db import reach_in
from spatial.findings import queries as findings
from spatial.findings.model import Beatless, Coded
from spatial.findings.state import Holders, Network, OnRecord
from spatial.geometry import area_m2
from spatial.grids.queries import unit_codes
from spatial.history import Moment
from spatial.overlaps import queries as overlaps
from spatial.overlaps.model import Matrix, Piece, Side, Thresholds
from spatial.overlaps.overlaps import Overlaps
from spatial.redraw import queries
from spatial.redraw.draft import Draft
from spatial.redraw.handover import role_beside
from spatial.redraw.model import DraftGrid, shapes_of
from spatial.redraw.whole import Whole
from spatial.tables import Layer, Plan


class Based(OnRecord):
    """The layers as a plan found them, with who holds their grids as known by now: that is handed on."""

    def __init__(self, session: Session, plan: Plan, pieces: Thresholds) -> None:
        self.plan, self.base = plan, queries.base_of(session, plan)
        super().__init__(session, Moment(self.base.at, self.base.known_at), pieces)

    def officers(self, layer: Layer) -> Holders:
        """Return who holds each grid of a layer."""
        return findings.officers_of_grids(self.session, layer, Moment(self.moment.at))

    def beatless(self, layer: Layer) -> Sequence[Beatless]:
        """Return officers who hold no grid, of kinds that lead grids of a layer, in units that have such grids."""
        return findings.without_grid(self.session, layer, Moment(self.moment.at))

    def dwellings(self, layer: Layer) -> Mapping[str, int]:
        """Return how many dwellings each grid of a layer has, by code."""
        if layer.id not in self.plan.layers:
            return super().dwellings(layer)
        return _dwellings(self.session, self.plan, [], Draft(self.session, self.plan.id, self.base, []), layer.id)


class Drafted:
    """The layers of a deployment as a plan would leave them; `pieces`: what of two layers is a sliver."""

    def __init__(self, session: Session, plan: Plan, pieces: Thresholds) -> None:
        self.session = session
        self.plan = plan
        self.record = Based(session, plan, pieces)
        self.base = self.record.base
        self.whole = Whole(session, plan, self.base)
        self.ops = queries.chain(session, plan.id, plan.head)
        self.draft = Draft(session, plan.id, self.base, self.ops)
        self._networks: dict[int, Network] = {}

    def network(self, layer: Layer) -> Network:
        """Return the grids of a layer."""
        if not self.changes_layer(layer):
            return self.record.network(layer)
        if layer.id not in self._networks:
            grids = sorted(self.draft.of_layer(layer.id), key=lambda grid: grid.code)
            self._networks[layer.id] = Network([grid.code for grid in grids], shapes_of(grids))
        return self._networks[layer.id]

    def coded(self, layer: Layer) -> Mapping[int, Coded]:
        """Return those whose people whoever asks sees, by id; since when one is as the plan makes it is not known."""
        found = dict(self.record.coded(layer))
        units, reach = unit_codes(self.session, self.base.at, self.base.known_at), reach_in(self.session)
        for one in self.whole.changes:
            if one.place.layer_id == layer.id:
                found.pop(one.place.key, None)
                grid = one.becomes
                if grid is not None and (reach is None or reach.sees_people_of(grid.unit_id)):
                    unit = None if grid.unit_id is None else units.get(grid.unit_id)
                    found[one.place.key] = Coded(grid.code, grid.name, unit, None)
        return found

    def officers(self, layer: Layer) -> Holders:
        """Return who holds each grid of a layer: of one that ends, whoever holds the one that gets most of it."""
        held = {grid_id: list(those) for grid_id, those in self.record.officers(layer).items()}
        for ended, heir in self.whole.heirs.items():
            if ended.layer_id == layer.id:
                there = held.setdefault(heir.key, [])
                for number, role in held.pop(ended.key, []):
                    if number not in {one for one, _ in there}:
                        there.append((number, role_beside(role, (other for _, other in there))))
        return held

    def beatless(self, layer: Layer) -> Sequence[Beatless]:
        """Return officers who hold no grid, of kinds that lead grids of a layer, in units that have such grids."""
        return self.record.beatless(layer)

    def pair(self, layer: Layer, other: Layer) -> Overlaps:
        """Return what two layers share."""
        is_same = not self.changes_layer(layer) and not self.changes_layer(other)
        return self.record.pair(layer, other) if is_same else DraftedOverlaps(self, layer, other)

    def dwellings(self, layer: Layer) -> Mapping[str, int]:
        """Return how many dwellings each grid of a layer has, by code."""
        if layer.id not in self.plan.layers:
            return self.record.dwellings(layer)
        return _dwellings(self.session, self.plan, self.ops, self.draft, layer.id)

    def inner_points(self, layer: str, codes: Collection[str]) -> Mapping[str, BaseGeometry]:
        """Return a point inside of each of some grids of a layer, by code."""
        layer_id = next(number for number, code in self.whole.layers.items() if code == layer)
        return {grid.code: shapely.point_on_surface(grid.shape) for grid in self.draft.named(layer_id, codes)}

    def changes_layer(self, layer: Layer) -> bool:
        """Whether the plan changes any grid of a layer."""
        return any(one.place.layer_id == layer.id for one in self.whole.changes)


def _dwellings(session: Session, plan: Plan, ops: Sequence[int], draft: Draft, layer_id: int) -> dict[str, int]:
    """Return how many dwellings each grid of a plan's layer has, by code, as counted edit by edit."""
    grids = draft.of_layer(layer_id)
    held = queries.holdings(session, plan, ops, {(layer_id, grid.unit_id) for grid in grids})
    return {grid.code: held[grid.place][1].counted.dwellings for grid in grids if grid.place in held}


class DraftedOverlaps(Overlaps):
    """What two layers share as a plan would leave them: as on record, but for the grids that it changes."""

    def __init__(self, drafted: Drafted, layer: Layer, other: Layer) -> None:
        record = drafted.record
        super().__init__(drafted.session, record.moment, record.pieces, layer.code, other.code)
        self._drafted = drafted

    @cached_property
    def matrix(self) -> Matrix:
        """The grids of both, and what each pair shares."""
        recorded = overlaps.matrix(self.session, self.layer, self.other, self.moment)
        changed = {one.place.key for one in self._drafted.whole.changes if one.place.key > 0}
        kept = [one for one in recorded.pieces if changed.isdisjoint((one.left.grid_id, one.right.grid_id))]
        left, right = (
            {one.grid_id: one for one in sides if one.grid_id not in changed} | self._new_sides(layer.id)
            for sides, layer in ((recorded.left, self.layer), (recorded.right, self.other))
        )
        pieces = [*kept, *self._new_pieces(left, right)]
        return Matrix(
            tuple(sorted(left.values(), key=lambda one: one.code)),
            tuple(sorted(right.values(), key=lambda one: one.code)),
            tuple(sorted(pieces, key=lambda piece: (piece.left.code, piece.right.code))),
        )

    @cached_property
    def grids_of_cells(self) -> Mapping[int, int]:
        """The grid of each cell of a layer built from cells, by ids."""
        found = overlaps.grids_of_cells(self.session, self.layer.id, self.moment)
        for one in self._drafted.whole.changes:
            if one.place.layer_id == self.other.id:
                found.pop(one.place.key, None)
                if one.becomes is not None and self.layer.id in one.becomes.holders:
                    found[one.place.key] = one.becomes.holders[self.layer.id]
        return found

    def _new_sides(self, layer_id: int) -> dict[int, Side]:
        """Return the grids of a layer that the plan changes, as it leaves them, by key; none has a version yet."""
        changes = self._drafted.whole.changes
        made = [(n, one.becomes) for n, one in enumerate(changes) if one.becomes and one.place.layer_id == layer_id]
        sizes = area_m2(shapes_of(grid for _, grid in made)).tolist() if made else []
        return {
            grid.place.key: Side(-1 - n, grid.place.key, grid.code, grid.name, grid.unit_id, size)
            for (n, grid), size in zip(made, sizes, strict=True)
        }

    def _new_pieces(self, left: Mapping[int, Side], right: Mapping[int, Side]) -> Iterable[Piece]:
        """Yield what the grids that the plan changes share with those of the other layer."""
        for ground in self._drafted.whole.grounds:
            if ground.layer_id not in (self.layer.id, self.other.id):
                continue
            is_left = ground.layer_id == self.layer.id
            facing = self.other if is_left else self.layer
            ours = [one.becomes for one in ground.changes if one.becomes is not None]
            near = self._drafted.draft.within([facing.id], ground.bounds)
            if not is_left:  # of two that change, the left one tells
                near = [grid for grid in near if left[grid.place.key].version_id > 0]
            yield from self._shared(*((ours, near) if is_left else (near, ours)), left, right)

    @staticmethod
    def _shared(
        lefts: Sequence[DraftGrid], rights: Sequence[DraftGrid], left: Mapping[int, Side], right: Mapping[int, Side]
    ) -> Iterable[Piece]:
        if not lefts or not rights:
            return
        from spatial.overlaps.pieces import pieces  # machine code, which takes a while to load

        found = pieces(shapes_of(lefts), shapes_of(rights))
        measured = np.column_stack([found.area_m2, found.left_inside_m, found.right_inside_m, found.together_m])
        for n, m, row in zip(found.left.tolist(), found.right.tolist(), measured.tolist(), strict=True):
            yield Piece(left[lefts[n].place.key], right[rights[m].place.key], *row)
