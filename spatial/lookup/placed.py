"""Who owns a place in one layer: by the borders of its grids, or by an override; and who is beyond. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from spatial.history import Reading
from spatial.lookup import rules
from spatial.lookup.decided import Decided, in_force
from spatial.lookup.model import Beyond, Candidate, GridRef, OverrideRef
from spatial.lookup.rules import Spot
from spatial.lookup.source import FaultRow, LayerRow, Source

EDGE_TOLERANCE_M = 0.005  # grids that meet at the nearest border point are measured to within this


@dataclass(frozen=True)
class Placed:
    """What geometry and overrides say of a place in one layer; `near`: the grids of `beyond`, in its order."""

    layer: LayerRow
    status: str
    candidate: Candidate | None = None
    on_boundary: bool = False
    edge_m: float | None = None
    beyond: tuple[Beyond, ...] = ()
    near: tuple[Candidate, ...] = ()
    fault: FaultRow | None = None
    override: OverrideRef | None = None
    plain: GridRef | None = None


@dataclass(frozen=True)
class Asked:
    """A place as it is asked about, and what has been read."""

    source: Source
    reading: Reading
    spot: Spot
    accuracy_m: float

    def place(self, layer: LayerRow, touching: Sequence[Candidate], fault: FaultRow | None) -> Placed:
        """Decide who owns the place in one layer, and who is beyond the border."""
        owner = rules.owner(self.spot, touching)
        plain = self._outside(layer, fault) if owner is None else self._inside(layer, owner, fault)
        return self._overridden(plain)

    def _inside(self, layer: LayerRow, owner: rules.Owner, fault: FaultRow | None) -> Placed:
        beyond, near = self._beyond(self._about(layer, self._within_m(owner.edge_m)), owner.edge_m, but=owner.candidate)
        faulty = owner.in_overlap and layer.kind == "tiling"
        return Placed(
            layer,
            "overlap" if faulty else "owned",
            owner.candidate,
            owner.on_boundary,
            owner.edge_m,
            beyond,
            near,
            fault if faulty else None,
        )

    def _outside(self, layer: LayerRow, fault: FaultRow | None) -> Placed:
        """Find the nearest grid: it answers for a gap inside the tiling; outside the tiling it is only named."""
        self.reading.note(self.source.next_redraw(layer.id))
        guess = self.source.nearest(self.spot, layer.id)
        if guess is None:
            return Placed(layer, "empty")
        edge_m = float(rules.reach_m(self.spot, [guess.metres])[0])
        beyond, near = self._beyond(self._about(layer, self._within_m(edge_m)), edge_m)
        nearest_m = beyond[0].distance_m
        if fault is None or fault.kind == "overlap":
            return Placed(layer, "outside", edge_m=nearest_m, beyond=beyond, near=near)
        return Placed(layer, "gap", near[0], edge_m=nearest_m, beyond=beyond[1:], near=near[1:], fault=fault)

    def _overridden(self, plain: Placed) -> Placed:
        """Let overrides decide in their areas; as far as the border is, all of them are looked at."""
        within_m, placed = 0.0, plain
        while within_m < self._within_m(placed.edge_m):
            within_m = self._within_m(placed.edge_m)
            overrides = in_force(self.source, self.reading, plain.layer, self.spot.box(within_m))
            if not overrides:
                return plain
            placed = self._bordered(plain, overrides, within_m)
        return placed

    def _bordered(self, plain: Placed, overrides: Sequence[Decided], within_m: float) -> Placed:
        """Find the border of what is the owner's by the plain rule and by overrides, and who is beyond it."""
        about = self._about(plain.layer, within_m)
        pieces = rules.pieces(about, [one.area for one in overrides])
        deciding = next((one for one in overrides if one.area.shape.intersects(self.spot.point)), None)
        if deciding is None:
            placed = plain
        else:
            is_in = plain.candidate is not None and plain.status != "gap"
            its = plain.candidate.grid if plain.candidate and is_in else None
            placed = Placed(plain.layer, "owned", deciding.area, override=deciding.ref, plain=its)
        if placed.status in {"owned", "overlap"} and placed.candidate is not None:
            area = rules.united(placed.candidate, pieces)
            on_boundary, edge_m = rules.border(self.spot, area)
            beyond, near = self._beyond(pieces, edge_m, but=placed.candidate)
            return replace(placed, on_boundary=on_boundary, edge_m=edge_m, beyond=beyond, near=near)
        beyond, near = self._beyond(pieces, plain.edge_m, but=placed.candidate)
        reaches_m = [one.distance_m for one in beyond] + ([] if plain.edge_m is None else [plain.edge_m])
        return replace(placed, edge_m=min(reaches_m, default=None), beyond=beyond, near=near)

    def _about(self, layer: LayerRow, within_m: float) -> list[Candidate]:
        return self.reading.current(self.source.about(layer.id, self.spot.box(within_m)))

    def _within_m(self, edge_m: float | None) -> float:
        return max(self.accuracy_m, (edge_m or 0.0) + EDGE_TOLERANCE_M)

    def _beyond(
        self, near: Iterable[Candidate], edge_m: float | None, but: Candidate | None = None
    ) -> tuple[tuple[Beyond, ...], tuple[Candidate, ...]]:
        others = [one for one in near if but is None or one.grid.id != but.grid.id]
        found = rules.beyond(self.spot, others, self._within_m(edge_m))
        return tuple(found), tuple(found.values())
