"""Ask a question about a place, or about every grid, of what PostGIS holds."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from spatial.db import versions
from spatial.errors import NotFound
from spatial.geometry import Plane
from spatial.grids.about import plane as stored_plane
from spatial.grids.units import UnitTree, unit_tree
from spatial.history import Moment
from spatial.lookup import queries, rules
from spatial.lookup.model import Answer, Beyond, Candidate, GridState, LayerAnswer, Question
from spatial.roster import queries as roster
from spatial.roster.hours import applies, next_edge
from spatial.roster.model import Assigned, Response, Step
from spatial.roster.queries import Subjects
from spatial.roster.rules import Facts, Subject, respond
from spatial.settings import settings
from spatial.tables import Finding, Layer

EDGE_TOLERANCE_M = 0.005  # grids that meet at the nearest border point are measured to within this


@dataclass(frozen=True)
class _Placed:
    """What geometry alone says of a place in one layer."""

    layer: Layer
    status: str
    candidate: Candidate | None
    on_boundary: bool
    edge_m: float | None
    beyond: tuple[Beyond, ...]
    finding: Finding | None
    is_own: bool = True


@dataclass(frozen=True)
class _Duty:
    """What the roster says of some grids."""

    tree: UnitTree
    assigned: Mapping[int, Sequence[Assigned]]
    responses: Mapping[int, Response]
    subjects: Subjects
    next_edge: datetime | None  # when the hours of a staffing rule next begin or end


def ask(session: Session, question: Question) -> Answer:
    """Return what every layer asked for says of a place: owner, border, responsible, responders, next change."""
    layers = _layers(session, question.layers)
    plane = stored_plane(session) or Plane.around(question.lon)
    touching: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in queries.containing(session, question):
        touching[candidate.layer_id].append(candidate)
    faults, hidden = queries.faults_at(session, question), queries.hidden_layers(session, question)
    placed = [
        _Placed(layer, "hidden", None, False, None, (), None)
        if layer.id in hidden
        else _place(session, question, layer, touching[layer.id], faults.get(layer.id), plane)
        for layer in layers
    ]
    placed = [replace(one, is_own=_is_own(session, one)) for one in placed]
    owners = [one.candidate for one in placed if one.candidate and one.is_own]
    beside = {one.candidate.unit_id for one in placed if one.candidate and not one.is_own}
    duty = _duty(session, owners, Moment(question.at, question.known_at), beside)
    radius_m = max([question.accuracy_m, 1.0, *(one.edge_m or 0.0 for one in placed)])
    about = queries.Surroundings(
        subjects=duty.subjects,
        owners=[one.grid.id for one in owners],
        open_layers=[one.layer.id for one in placed if one.candidate is None],
        radius_m=radius_m,
    )
    changes = (queries.next_change(session, question, about), duty.next_edge)
    return Answer(
        question,
        tuple(_layer_answer(one, duty, question.accuracy_m) for one in placed),
        min((change for change in changes if change is not None), default=None),
        versions(session, question.known_at),
    )


def states(
    session: Session, at: datetime, known_at: datetime | None = None, layers: Collection[str] | None = None
) -> list[GridState]:
    """Return every grid whose people are seen, with its shape and its duty state at an instant, by layer and code."""
    chosen = _layers(session, layers)
    moment = Moment(at, known_at)
    found = queries.grids_in_force(session, [layer.id for layer in chosen], moment)
    grids = [one for one in found if queries.is_own(session, one.unit_id)]
    duty = _duty(session, grids, moment)
    codes = {layer.id: layer.code for layer in chosen}
    return [
        GridState(
            layer=codes[one.layer_id],
            grid=one.grid,
            unit=duty.tree.units.get(one.unit_id) if one.unit_id else None,
            shape=one.shape,
            responsible=tuple(duty.assigned.get(one.grid.id, ())),
            response=duty.responses[one.grid.id],
        )
        for one in grids
    ]


def _is_own(session: Session, placed: _Placed) -> bool:
    return placed.candidate is None or queries.is_own(session, placed.candidate.unit_id)


def _layers(session: Session, codes: Collection[str] | None) -> list[Layer]:
    layers = queries.layers(session, codes)
    missing = set(codes or ()) - {layer.code for layer in layers}
    if missing:
        raise NotFound("no-such-layer", layer=", ".join(sorted(missing)))
    return layers


def _place(
    session: Session,
    question: Question,
    layer: Layer,
    touching: Sequence[Candidate],
    fault: Finding | None,
    plane: Plane,
) -> _Placed:
    """Decide who owns the place in one layer, and who is beyond the border."""
    lon, lat = question.lon, question.lat
    owner = rules.owner(lon, lat, touching, plane)
    if owner is None:
        return _place_outside(session, question, layer, fault, plane)
    within_m = max(question.accuracy_m, owner.edge_m + EDGE_TOLERANCE_M)
    near = queries.about(session, question, layer.id, within_m)
    others = [one for one in near if one.grid.id != owner.candidate.grid.id]
    faulty = owner.in_overlap and layer.kind == "tiling"
    status, finding = ("overlap", fault) if faulty else ("owned", None)
    found = rules.beyond(lon, lat, others, within_m, plane)
    return _Placed(layer, status, owner.candidate, owner.on_boundary, owner.edge_m, found, finding)


def _place_outside(session: Session, question: Question, layer: Layer, fault: Finding | None, plane: Plane) -> _Placed:
    """Find the nearest grid: it answers for a gap inside the tiling; outside the tiling it is only named."""
    guess = queries.nearest(session, question, layer.id)
    if guess is None:
        return _Placed(layer, "empty", None, False, None, (), None)
    lon, lat = question.lon, question.lat
    within_m = max(question.accuracy_m, rules.reach_m(lon, lat, guess.shape, plane) + EDGE_TOLERANCE_M)
    near = queries.about(session, question, layer.id, within_m)
    found = rules.beyond(lon, lat, near, within_m, plane)
    in_gap = fault is not None and fault.kind != "overlap"
    answering = next((one for one in near if in_gap and one.grid == found[0].grid), None)
    others = found[1:] if answering else found
    return _Placed(
        layer, "gap" if in_gap else "outside", answering, False, found[0].distance_m, others, fault if in_gap else None
    )


def _duty(session: Session, grids: Sequence[Candidate], moment: Moment, beside: Collection[int | None] = ()) -> _Duty:
    """Read the roster for some grids at once, and follow each grid's chain of response; name the units beside them."""
    chains = roster.steps(session, moment)
    named = {unit for unit in (*(one.unit_id for one in grids), *beside) if unit}
    tree = unit_tree(session, named, moment.at, moment.known_at)
    grid_ids = {one.grid.id for one in grids}
    asked = {one.grid.id for one in grids if _asks_neighbours(chains.get(one.layer_id, ()))}
    neighbours = queries.neighbours(session, asked, moment) if asked else {}
    units_beside = {unit_id for beside in neighbours.values() for unit_id in beside.values() if unit_id}
    subjects = Subjects(grid_ids.union(*neighbours.values()), tree.units.keys() | units_beside)
    assigned = roster.assigned(session, grid_ids, moment)
    rules_in_force = roster.suffice_rules(session, moment)
    zone = settings().zone
    suffice = {
        (kind, subject)
        for rule in rules_in_force
        if applies(rule, moment.at, zone)
        for kind, subject in (("grid", rule.grid_id), ("unit", rule.unit_id), ("layer", rule.layer_id))
        if subject is not None
    }
    facts = Facts(tree, assigned, roster.on_shift(session, subjects, moment), frozenset(suffice))
    responses = {}
    for one in grids:
        subject = Subject(one.grid.id, one.layer_id, one.unit_id, neighbours.get(one.grid.id, {}))
        responses[one.grid.id] = respond(chains.get(one.layer_id, ()), subject, facts)
    edges = (next_edge(rule, moment.at, zone) for rule in rules_in_force)
    return _Duty(tree, assigned, responses, subjects, min((edge for edge in edges if edge is not None), default=None))


def _asks_neighbours(chain: Sequence[Step]) -> bool:
    return any(step.source == "neighbour_shift" for step in chain)


def _layer_answer(placed: _Placed, duty: _Duty, accuracy_m: float) -> LayerAnswer:
    candidate, finding, own = placed.candidate, placed.finding, placed.is_own
    units = duty.tree.chain(candidate.unit_id) if candidate else ()
    return LayerAnswer(
        layer=placed.layer.code,
        title=placed.layer.title,
        status=placed.status,
        grid=candidate.grid if candidate else None,
        units=units,
        serving=duty.tree.serving(units),
        on_boundary=placed.on_boundary,
        near_border=placed.edge_m is not None and placed.edge_m <= accuracy_m,
        edge_m=placed.edge_m,
        beyond=placed.beyond,
        responsible=tuple(duty.assigned.get(candidate.grid.id, ())) if candidate and own else (),
        response=duty.responses[candidate.grid.id] if candidate and own else None,
        finding={"kind": finding.kind, "area_m2": finding.area_m2, "grids": finding.grids} if finding else None,
        is_neighbours=not own,
    )
