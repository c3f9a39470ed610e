"""Ask about a place, or about every grid, of whatever holds the facts. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from spatial.errors import NotFound
from spatial.history import Reading
from spatial.lookup import rules
from spatial.lookup.model import Answer, Beyond, Candidate, GridState, LayerAnswer, Question
from spatial.lookup.rules import Spot
from spatial.lookup.source import FaultRow, GridDuty, LayerRow, Source

EDGE_TOLERANCE_M = 0.005  # grids that meet at the nearest border point are measured to within this


@dataclass(frozen=True)
class _Placed:
    """What geometry alone says of a place in one layer."""

    layer: LayerRow
    status: str
    candidate: Candidate | None = None
    on_boundary: bool = False
    edge_m: float | None = None
    beyond: tuple[Beyond, ...] = ()
    fault: FaultRow | None = None


def ask(source: Source, question: Question) -> Answer:
    """Return what every layer asked for says of a place: owner, border, responsible, responders, next change."""
    reading = Reading(question.at)
    layers = chosen(source, question.layers)
    spot = Spot(question.lon, question.lat, source.plane)
    touching: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in reading.current(source.holding(spot)):
        touching[candidate.layer_id].append(candidate)
    faults = {row.layer_id: row for row in reading.current(source.faults(spot))}
    hidden = source.hidden_layers(spot)
    asked = _Asked(source, reading, spot, question.accuracy_m)
    placed = [
        _Placed(layer, "hidden") if layer.id in hidden else asked.place(layer, touching[layer.id], faults.get(layer.id))
        for layer in layers
    ]
    duties = source.duties([one.candidate for one in placed if one.candidate])
    for duty in duties.values():
        reading.note(duty.next_change)
    answers = (
        _answer(one, duties[one.candidate.grid.id] if one.candidate else None, question.accuracy_m) for one in placed
    )
    return Answer(question, tuple(answers), reading.next_change, source.versions)


def states(source: Source, grids: Iterable[Candidate]) -> list[GridState]:
    """Return the duty state of those grids in force whose people are seen, by layer and code."""
    codes = {layer.id: (place, layer.code) for place, layer in enumerate(source.layers())}
    seen = [one for one in grids if source.sees_people_of(one.unit_id)]
    duties = source.duties(seen, soon=False)
    found = []
    for one in sorted(seen, key=lambda one: (codes[one.layer_id][0], one.grid.code)):
        duty = duties[one.grid.id]
        if duty.response is not None:
            unit = duty.units[0] if duty.units else None
            layer = codes[one.layer_id][1]
            found.append(GridState(layer, one.grid, unit, one.shape, duty.responsible, duty.response))
    return found


def chosen(source: Source, codes: Collection[str] | None) -> list[LayerRow]:
    """Return the layers of some codes, or all, in their order; an unknown one is `NotFound`."""
    layers = source.layers()
    missing = set(codes or ()) - {layer.code for layer in layers}
    if missing:
        raise NotFound("no-such-layer", layer=", ".join(sorted(missing)))
    return [layer for layer in layers if codes is None or layer.code in codes]


@dataclass(frozen=True)
class _Asked:
    """A place as it is asked about, and what has been read."""

    source: Source
    reading: Reading
    spot: Spot
    accuracy_m: float

    def place(self, layer: LayerRow, touching: Sequence[Candidate], fault: FaultRow | None) -> _Placed:
        """Decide who owns the place in one layer, and who is beyond the border."""
        owner = rules.owner(self.spot, touching)
        if owner is None:
            return self._outside(layer, fault)
        within_m = max(self.accuracy_m, owner.edge_m + EDGE_TOLERANCE_M)
        others = [one for one in self._about(layer, within_m) if one.grid.id != owner.candidate.grid.id]
        faulty = owner.in_overlap and layer.kind == "tiling"
        return _Placed(
            layer,
            "overlap" if faulty else "owned",
            owner.candidate,
            owner.on_boundary,
            owner.edge_m,
            rules.beyond(self.spot, others, within_m),
            fault if faulty else None,
        )

    def _outside(self, layer: LayerRow, fault: FaultRow | None) -> _Placed:
        """Find the nearest grid: it answers for a gap inside the tiling; outside the tiling it is only named."""
        self.reading.note(self.source.next_redraw(layer.id))
        guess = self.source.nearest(self.spot, layer.id)
        if guess is None:
            return _Placed(layer, "empty")
        within_m = max(self.accuracy_m, float(rules.reach_m(self.spot, [guess.metres])[0]) + EDGE_TOLERANCE_M)
        near = self._about(layer, within_m)
        found = rules.beyond(self.spot, near, within_m)
        in_gap = fault is not None and fault.kind != "overlap"
        answering = next((one for one in near if in_gap and one.grid == found[0].grid), None)
        return _Placed(
            layer,
            "gap" if in_gap else "outside",
            answering,
            edge_m=found[0].distance_m,
            beyond=found[1:] if answering else found,
            fault=fault if in_gap else None,
        )

    def _about(self, layer: LayerRow, radius_m: float) -> list[Candidate]:
        return self.reading.current(self.source.about(self.spot, layer.id, radius_m))


def _answer(placed: _Placed, duty: GridDuty | None, accuracy_m: float) -> LayerAnswer:
    candidate, fault = placed.candidate, placed.fault
    return LayerAnswer(
        layer=placed.layer.code,
        title=placed.layer.title,
        status=placed.status,
        grid=candidate.grid if candidate else None,
        units=duty.units if duty else (),
        serving=duty.serving if duty else (),
        on_boundary=placed.on_boundary,
        near_border=placed.edge_m is not None and placed.edge_m <= accuracy_m,
        edge_m=placed.edge_m,
        beyond=placed.beyond,
        responsible=duty.responsible if duty else (),
        response=duty.response if duty else None,
        finding={"kind": fault.kind, "area_m2": fault.area_m2, "grids": list(fault.grids)} if fault else None,
        is_neighbours=duty is not None and duty.response is None,
    )
