"""Ask about a place, or about every grid, of whatever holds the facts. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from spatial.errors import NotFound
from spatial.history import Reading
from spatial.lookup.matter import matter
from spatial.lookup.model import Answer, Candidate, GridState, LayerAnswer, Party, Question, Receipt
from spatial.lookup.placed import Asked, Placed
from spatial.lookup.rules import Spot
from spatial.lookup.source import GridDuty, LayerRow, Source

MOST_PARTIES = 12  # of a border case; all others within the accuracy are in `beyond`


def ask(source: Source, question: Question) -> Answer:
    """Return what every layer asked for says of a place: owner, border, responsible, responders, next change."""
    reading = Reading(question.at)
    placed = places(source, question, reading)
    parties = [_parties(one, question.accuracy_m) for one in placed]
    owners = [one.candidate for one in placed if one.candidate]
    duties = source.duties(_each([*owners, *(grid for of_layer in parties for grid, _ in of_layer)]))
    for duty in duties.values():
        reading.note(duty.next_change)
    answers = tuple(
        layer_answer(one, joint, duties, question.accuracy_m) for one, joint in zip(placed, parties, strict=True)
    )
    its = matter(source, question.category, answers) if question.category is not None else None
    return Answer(question, answers, its, reading.next_change, Receipt(source.versions, source.basis))


def places(source: Source, question: Question, reading: Reading) -> list[Placed]:
    """Return what geometry and overrides say of a place, in every layer asked for."""
    layers = chosen(source, question.layers)
    spot = Spot(question.lon, question.lat, source.plane)
    touching: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in reading.current(source.holding(spot)):
        touching[candidate.layer_id].append(candidate)
    faults = {row.layer_id: row for row in reading.current(source.faults(spot))}
    hidden = source.hidden_layers(spot)
    asked = Asked(source, reading, spot, question.accuracy_m)
    return [
        Placed(layer, "hidden") if layer.id in hidden else asked.place(layer, touching[layer.id], faults.get(layer.id))
        for layer in layers
    ]


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


def _parties(placed: Placed, accuracy_m: float) -> list[tuple[Candidate, float]]:
    """Return the grids that a place may be in, and how far they are: none, or the owner and some others."""
    if placed.candidate is None:
        return []
    others = [(grid, one.distance_m) for grid, one in zip(placed.near, placed.beyond, strict=True)]
    within = [(grid, away_m) for grid, away_m in others if away_m <= accuracy_m]
    own_m = 0.0 if placed.status != "gap" else placed.edge_m or 0.0
    return [(placed.candidate, own_m), *within][:MOST_PARTIES] if within else []


def _each(grids: Iterable[Candidate]) -> list[Candidate]:
    """Return grids, each once."""
    return list({one.grid.id: one for one in grids}.values())


def layer_answer(
    placed: Placed, joint: Iterable[tuple[Candidate, float]], duties: Mapping[int, GridDuty], accuracy_m: float
) -> LayerAnswer:
    """Return what a layer says, once it is known who is on duty in each of its grids that are named."""
    candidate, fault = placed.candidate, placed.fault
    duty = duties[candidate.grid.id] if candidate else None
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
        override=placed.override,
        plain=placed.plain,
        joint=tuple(_party(grid, away_m, duties[grid.grid.id]) for grid, away_m in joint),
    )


def _party(grid: Candidate, away_m: float, duty: GridDuty) -> Party:
    return Party(grid.grid, away_m, duty.units, duty.responsible, duty.response)
