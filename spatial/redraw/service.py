"""Writes of plans: making one, its operations, undo and redo, marks and comments; each in the caller's transaction."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import reach_in, versions
from spatial.errors import Conflict, Fault, InputError, NotFound, invalid
from spatial.findings.model import Limits
from spatial.grids import about as deployment
from spatial.grids.queries import unit_codes
from spatial.redraw import operations as asked
from spatial.redraw import queries
from spatial.redraw.about import grids_about
from spatial.redraw.draft import Base, Draft, changes_on, touched_by
from spatial.redraw.edits import perform
from spatial.redraw.measures import Measures, count_base, counted_after, held_after, measured
from spatial.redraw.model import Change, DraftGrid, Held, Place
from spatial.redraw.noticing import of_grids
from spatial.redraw.sheet import Notice, Settled, Sheet
from spatial.tables import Plan, PlanOp
from spatial.time import since

COUNTED = timedelta(days=365)  # of incidents before a plan, whose number and minutes its measures tell
OPEN_STATES = ("draft", "returned")
USUAL = Limits()

States = tuple[DraftGrid | None, DraftGrid | None, DraftGrid | None]  # ancestor, ours, theirs


@dataclass(frozen=True)
class Done:
    """What an operation did: its number, the plan's revision after it, and each grid before and after.

    `layers`, `units`: their codes by id, as of the plan's base.
    """

    n: int
    revision: int
    changes: Sequence[Change]
    measures: Measures
    notices: Sequence[Notice]
    layers: Mapping[int, str]
    units: Mapping[int, str]


def create(
    session: Session,
    actor: Actor,
    name: str,
    layers: Collection[str],
    *,
    note: str = "",
    unit: str | None = None,
    at: datetime,
    now: datetime,
) -> Plan:
    """Make a plan over what is in force at an instant, as known now; `unit`: it redraws that one's grids alone."""
    known = {layer.code: layer for layer in queries.layers_of(session)}
    strange = [code for code in layers if code not in known]
    if strange:
        raise InputError([Fault("layers", "no-such-layer", {"layer": code}) for code in strange])
    if queries.tied_to(session, [known[code].id for code in layers]) - {layer.id for layer in known.values()}:
        raise Conflict("layers-beyond-reach")
    plan = Plan(
        id=uuid.uuid4(),
        name=name,
        note=note,
        layers=sorted(known[code].id for code in layers),
        base_version=versions(session)["areas"],
        base_at=at,
        counted=since(min(at, now) - COUNTED, min(at, now)),
        created_by=actor.name,
        created_at=now,
        state="draft",
        revision=0,
        head=0,
    )
    if unit is not None:
        plan.unit_id = queries.units_named(session, queries.base_of(session, plan)).get(unit)
        if plan.unit_id is None:
            raise invalid("unit", "no-such-unit", code=unit)
    _require_in_scope(session, plan)
    session.add(plan)
    session.flush()
    count_base(session, plan, [known[code] for code in layers])
    queries.note(session, plan, "created", actor.name, now)
    audit.record(session, actor.name, "plan.create", f"plan/{plan.id}", {"name": name, "layers": sorted(layers)})
    return plan


def edit(
    session: Session,
    actor: Actor,
    plan_id: uuid.UUID,
    op: asked.Operation,
    *,
    revision: int | None,
    now: datetime,
    limits: Limits = USUAL,
) -> Done:
    """Perform an operation on a plan; whatever it would tear is an error, and nothing is kept.

    `revision`: what the planner saw. Where others worked on meanwhile, the operation is done on what they made, unless
    both touch a grid: then it is a `Conflict` that tells what each grid was, is and would be.
    """
    plan = _opened(session, plan_id)
    try:
        tried = _tried(session, plan, op, plan.head)
    except InputError:  # it may name what others ended meanwhile
        if revision is not None and revision != plan.revision:
            _require_apart(session, plan, op, revision, ())
        raise
    found = tried.changes
    if revision is not None and revision != plan.revision:
        _require_apart(session, plan, op, revision, found)
    body = op.model_dump(mode="json", exclude_none=True)
    n, measures = keep(session, actor, plan, op.kind, body, found, now=now)
    return done(session, plan, n, tried, measures, limits)


def keep(
    session: Session,
    actor: Actor,
    plan: Plan,
    kind: str,
    body: dict[str, Any],
    changes: Sequence[Change],
    *,
    now: datetime,
) -> tuple[int, Measures]:
    """Keep an operation that changes a draft where the plan stands; return its number and what it does."""
    n = queries.next_n(session, plan.id)
    made = PlanOp(plan_id=plan.id, n=n, parent=plan.head, kind=kind, body=body, made_by=actor.name, at=now)
    measures, holds, beside = _measured(session, plan, changes)
    queries.add_op(session, made, [*changes, *beside], holds)
    plan.head = n
    queries.note(session, plan, "operation", actor.name, now, {"n": n, "kind": kind})
    return n, measures


def preview(session: Session, plan_id: uuid.UUID, op: asked.Operation, *, limits: Limits = USUAL) -> Done:
    """Return what an operation would do where a plan stands; nothing is kept."""
    plan = queries.find(session, plan_id)
    tried = _tried(session, plan, op, plan.head)
    measures, _holds, _beside = _measured(session, plan, tried.changes)
    return done(session, plan, 0, tried, measures, limits)


def done(session: Session, plan: Plan, n: int, settled: Settled, measures: Measures, limits: Limits = USUAL) -> Done:
    """Return what an operation did, and what is to be said: of tilings, of codes, people and addresses of grids."""
    base, layers = queries.base_of(session, plan), {layer.id: layer for layer in queries.layers_of(session)}
    units = unit_codes(session, base.at, base.known_at)
    notices = [*settled.notices, *of_grids(settled.changes, measures, layers, units, limits)]
    codes = {layer_id: layer.code for layer_id, layer in layers.items()}
    return Done(n, plan.revision, settled.changes, measures, notices, codes, units)


def _measured(
    session: Session, plan: Plan, changes: Sequence[Change]
) -> tuple[Measures, dict[Place, Held], list[Change]]:
    """Return what changes do to a draft, what grids hold after them, and the neighbours of which that changes alone."""
    ops = queries.chain(session, plan.id, plan.head)
    draft = Draft(session, plan.id, queries.base_of(session, plan), ops)
    count = counted_after(session, plan, draft, changes)
    beside = [Change(grid, grid) for grid, _more in count.beside]
    told = [*changes, *beside]
    states = [state for change in told for state in (change.was, change.becomes) if state is not None]
    before = queries.holdings(session, plan, ops, {(state.place.layer_id, state.unit_id) for state in states})
    holds = held_after(changes, {place: held for place, (_unit_id, held) in before.items()}, count)
    after = {place: one for place, one in before.items() if place not in {change.place for change in told}}
    after |= {state.place: (state.unit_id, holds[state.place]) for change in told if (state := change.becomes)}
    plane = deployment.plane(session)
    assert plane is not None  # noqa: S101  # there are grids
    own = queries.units_below(session, plan.unit_id, queries.base_of(session, plan))
    return measured(plane, told, before, after).within(own), holds, beside


def _tried(session: Session, plan: Plan, op: asked.Operation, head: int) -> Settled:
    """Return what an operation would change where a plan stood."""
    base, layers = queries.base_of(session, plan), queries.layers_of(session)
    if isinstance(op, asked.Barrier):
        _require_drawable(session, plan, op, {layer.code for layer in layers})
        return Settled([])
    plane = deployment.plane(session)
    if plane is None:
        raise Conflict("nothing-loaded")
    draft = Draft(session, plan.id, base, queries.chain(session, plan.id, head))
    sheet = Sheet(
        plane,
        layers,
        grids_about(draft, layers, op),
        editable=plan.layers,
        own_units=queries.units_below(session, plan.unit_id, base),
        next_key=queries.next_key(session, plan.id),
    )
    perform(sheet, op, queries.units_named(session, base))
    settled = sheet.settle()
    _require_new_codes(session, draft, settled.changes, {layer.id: layer.code for layer in layers})
    return settled


def _require_drawable(session: Session, plan: Plan, op: asked.Barrier, layers: Collection[str]) -> None:
    """Refuse a barrier that could not be kept."""
    faults = [] if op.layer in layers else [Fault("layer", "no-such-layer", {"layer": op.layer})]
    if len(set(op.line)) == 1:
        faults.append(Fault("line", "line-without-length"))
    if op.code in queries.barrier_codes(session, plan):
        faults.append(Fault("code", "barrier-code-in-use", {"code": op.code}))
    if faults:
        raise InputError(faults)


def _require_new_codes(session: Session, draft: Draft, changes: Sequence[Change], layers: Mapping[int, str]) -> None:
    """Refuse codes that another grid ever had, on record or in the draft."""
    for change in changes:
        new = change.becomes
        if new is None or (change.was is not None and change.was.code == new.code):
            continue
        key = new.place.key if new.place.key > 0 else None
        if queries.codes_ever_of_others(session, new.place.layer_id, [new.code], key):
            raise invalid("code", "code-used-before", code=new.code, layer=layers[new.place.layer_id])
        if any(grid.place != new.place for grid in draft.named(new.place.layer_id, [new.code])):
            raise invalid("code", "code-in-use", code=new.code, layer=layers[new.place.layer_id])


def _require_apart(session: Session, plan: Plan, op: asked.Operation, revision: int, found: Sequence[Change]) -> None:
    """Refuse an operation that touches what was touched since a revision, telling all three states of each grid."""
    head = queries.head_at(session, plan.id, revision)
    if head is None:
        raise Conflict("revision-unknown", revision=revision, now=plan.revision)
    then, now = queries.chain(session, plan.id, head), queries.chain(session, plan.id, plan.head)
    between = touched_by(session, plan.id, set(then) ^ set(now))
    wanted = found or _tried(session, plan, op, head).changes
    both = between & {change.place for change in wanted}
    if both:
        raise Conflict("edited-meanwhile", _three(session, plan, head, op, both), revision=revision, now=plan.revision)


def _three(session: Session, plan: Plan, head: int, op: asked.Operation, places: Collection[Place]) -> list[Any]:
    """Return of each grid what it was when the planner saw it, what it is, and what the operation would make of it."""
    base = queries.base_of(session, plan)
    was, is_now = (
        {
            grid.place: grid
            for grid in Draft(session, plan.id, base, queries.chain(session, plan.id, at)).of_places(places)
        }
        for at in (head, plan.head)
    )
    theirs = {change.place: change.becomes for change in _tried(session, plan, op, head).changes}
    return _told(session, base, {place: (was.get(place), is_now.get(place), theirs.get(place)) for place in places})


def _told(session: Session, base: Base, states: Mapping[Place, States]) -> list[dict[str, Any]]:
    """Return grids as they are told in a conflict: what each was, what it is, and what others would have it be."""
    layers, units = queries.layer_codes(session), unit_codes(session, base.at, base.known_at)
    named = [(place, dict(zip(("ancestor", "ours", "theirs"), its, strict=True))) for place, its in states.items()]
    return [
        {"layer": layers[place.layer_id], **{name: queries.told(grid, units) for name, grid in its.items()}}
        for place, its in sorted(named, key=lambda one: one[0])
    ]


def go_to(session: Session, actor: Actor, plan_id: uuid.UUID, n: int, *, revision: int | None, now: datetime) -> Plan:
    """Let a plan stand at another of its operations, 0 being the base: undo, redo, or another branch."""
    plan = _opened(session, plan_id)
    queries.require_revision(plan, revision)
    if n != 0 and session.get(PlanOp, (plan.id, n)) is None:
        raise NotFound("no-such-operation", n=n)
    if queries.was_rebased(session, plan.id):  # what others published since may not fit what is gone to
        changes = changes_on(session, plan.id, queries.chain(session, plan.id, n))
        _require_base_kept(session, plan, changes, queries.base_of(session, plan))
    if n != plan.head:
        kind = "undo" if n in (0, *queries.chain(session, plan.id, plan.head)) else "redo"
        plan.head = n
        queries.note(session, plan, kind, actor.name, now, {"to": n})
    return plan


def undo(session: Session, actor: Actor, plan_id: uuid.UUID, *, revision: int | None, now: datetime) -> Plan:
    """Let a plan stand at the operation before the last one."""
    plan = _opened(session, plan_id)
    if plan.head == 0:
        raise Conflict("nothing-to-undo")
    last = session.get_one(PlanOp, (plan.id, plan.head))
    return go_to(session, actor, plan_id, last.parent, revision=revision, now=now)


def redo(session: Session, actor: Actor, plan_id: uuid.UUID, *, revision: int | None, now: datetime) -> Plan:
    """Let a plan stand at the newest operation that followed where it stands."""
    plan = _opened(session, plan_id)
    after = queries.newest_after(session, plan.id, plan.head)
    if after is None:
        raise Conflict("nothing-to-redo")
    return go_to(session, actor, plan_id, after, revision=revision, now=now)


def rebase(
    session: Session, actor: Actor, plan_id: uuid.UUID, *, at: datetime, revision: int | None, now: datetime
) -> Plan:
    """Put a plan over what is in force at an instant, as it is known now; a `Conflict` where that changed its grids."""
    plan = _opened(session, plan_id)
    queries.require_revision(plan, revision)
    before, layers = queries.base_of(session, plan), {one.id: one for one in queries.layers_of(session)}
    changes = changes_on(session, plan.id, queries.chain(session, plan.id, plan.head))
    _require_base_kept(session, plan, changes, Base(at, None))
    plan.base_version, plan.base_at = versions(session)["areas"], at
    session.flush()
    count_base(session, plan, [layers[layer_id] for layer_id in plan.layers])
    queries.note(session, plan, "rebase", actor.name, now, {"from": before.at.isoformat(), "to": at.isoformat()})
    return plan


def _require_base_kept(session: Session, plan: Plan, changes: Mapping[Place, Change], base: Base) -> None:
    """Refuse where a grid that a plan changes is another in the base by now, telling all three states of each."""
    current = {grid.place: grid for grid in Draft(session, plan.id, base, []).of_places(changes.keys())}
    moved = {
        place: (one.was, one.becomes, current.get(place))
        for place, one in changes.items()
        if one.was is not None and not one.was.is_same(current.get(place))
    }
    if moved:
        raise Conflict("base-changed", _told(session, base, moved), count=len(moved))


def mark(session: Session, actor: Actor, plan_id: uuid.UUID, name: str, *, now: datetime) -> Plan:
    """Give where a plan stands a name, to come back to."""
    plan = _opened(session, plan_id)
    queries.note(session, plan, "mark", actor.name, now, {"name": name})
    return plan


def comment(
    session: Session,
    actor: Actor,
    plan_id: uuid.UUID,
    words: str,
    *,
    place: tuple[float, float] | None = None,
    now: datetime,
) -> Plan:
    """Say something of a plan as it stands, maybe of a place."""
    plan = queries.find(session, plan_id, lock=True)
    detail: dict[str, Any] = {"text": words}
    if place is not None:
        detail |= {"lon": place[0], "lat": place[1]}
    queries.note(session, plan, "comment", actor.name, now, detail)
    return plan


def _opened(session: Session, plan_id: uuid.UUID) -> Plan:
    """Return a plan that is still worked on, held until the transaction ends."""
    plan = queries.find(session, plan_id, lock=True)
    if plan.state not in OPEN_STATES:
        raise Conflict("plan-not-open", state=plan.state)
    return plan


def _require_in_scope(session: Session, plan: Plan) -> None:
    """Refuse a plan beyond somebody's reach, before the database does."""
    reach = reach_in(session)
    if reach is None or reach.units is None:
        return
    if plan.unit_id is None:
        raise invalid("unit", "unit-needed")
    if plan.unit_id not in reach.units:
        raise invalid("unit", "unit-beyond-reach")
