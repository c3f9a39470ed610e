"""Publication of an approved plan: one transaction that brings it into force at an instant, or not at all."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy import BigInteger, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import hold_domain, open_version, stamps, versions
from spatial.errors import Conflict, invalid
from spatial.grids import check
from spatial.grids.queries import records_in_force, tilings_within
from spatial.grids.service import NewVersion, replace_versions
from spatial.grids.tiling import REPORTED_M2
from spatial.grids.units import among
from spatial.history import cut, known
from spatial.overlaps import service as overlaps
from spatial.redraw import queries
from spatial.redraw.draft import Base
from spatial.redraw.handover import Handed, Stamps, hand_back, hand_on
from spatial.redraw.model import Change, DraftGrid, Place
from spatial.redraw.obstacles import require_free
from spatial.redraw.passing import Line, Passing, heirs, lineage
from spatial.redraw.whole import Whole, kind_of
from spatial.tables import SRID, Barrier, GridCell, Layer, Lineage, Plan
from spatial.time import since


@dataclass(frozen=True)
class Published:
    """What a publication did."""

    plan: Plan
    changed: int
    lineage: int
    handed: Handed


def publish(
    session: Session,
    actor: Actor,
    plan_id: uuid.UUID,
    effective: datetime,
    *,
    now: datetime,
    asked_at: datetime | None = None,
    revision: int | None = None,
    reported_m2: float = REPORTED_M2,
) -> Published:
    """Bring an approved plan into force at an instant: one in the past, only where it was approved as a correction.

    `asked_at`: when that was asked for, if not now; `revision`: what it was asked of.
    """
    stamp = open_version(session, "areas")  # decided under the locks, so that nothing it rests on changes meanwhile
    hold_domain(session, "duty")
    plan = queries.find(session, plan_id, lock=True)
    if plan.state != "approved":
        raise Conflict("plan-in-other-state", state=plan.state, needed=["approved"])
    queries.require_revision(plan, revision)
    correction = require_timely(session, plan, effective, asked_at or now)
    whole = Whole(session, plan, Base(effective, None))
    require_free(whole)
    changes = whole.changes
    lines = lineage(changes, whole.passings)  # read before anything is written
    ids = _write(session, changes, effective, stamp)
    overlaps.keep(session, stamp)
    _record_findings(session, changes, effective, stamp, reported_m2)
    _write_lineage(session, plan, lines, ids, effective)
    handed = _hand_on(whole, ids, effective, stamp)
    _hand_back(whole, ids, effective, stamp)
    _write_barriers(session, plan)
    manifest = _manifest(session, plan, changes, lines, effective)
    plan.state, plan.effective, plan.manifest = "published", effective, manifest
    written = versions(session)
    plan.published_version = written["areas"]
    plan.duty_version = written["duty"] if "duty" in session.info["versions"] else None
    plan.sha256 = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()
    plan.touched = sorted({ids[one.place] for one in changes if kind_of(one) != "noded"})
    plan.made = {str(place.key): grid_id for place, grid_id in ids.items() if place.key < 0}
    _supersede(session, plan)
    session.flush()
    detail: dict[str, Any] = {"effective": effective.isoformat(), "sha256": plan.sha256, "grids": len(changes)}
    if correction is not None:
        detail["correction"] = correction
    queries.note(session, plan, "published", actor.name, now, detail)
    audit.record(session, actor.name, "plan.publish", f"plan/{plan.id}", detail)
    return Published(plan, len(changes), len(lines), handed)


def require_timely(session: Session, plan: Plan, effective: datetime, now: datetime) -> dict[str, str] | None:
    """Refuse an instant in the past, unless just that was approved as a correction; return that correction."""
    if effective >= now:
        return None
    correction: dict[str, str] | None = queries.approval(session, plan.id).get("correction")
    if correction is None:
        raise invalid("effective", "effective-in-past")
    if effective != datetime.fromisoformat(correction["effective"]):
        raise invalid("effective", "effective-not-approved", approved=correction["effective"])
    return correction


def _write(session: Session, changes: Sequence[Change], start: datetime, stamp: datetime) -> dict[Place, int]:
    """Close and open versions and cells, and return the id of each grid concerned."""
    ids = {one.place: one.place.key for one in changes if one.place.key > 0}
    for layer_id in sorted({one.place.layer_id for one in changes}):
        ours = [one for one in changes if one.place.layer_id == layer_id]
        records = {one.grid_id: one for one in records_in_force(session, layer_id, start)}
        drawn = [one for one in ours if one.becomes is None or _says_more(one)]
        ended = [records[one.place.key] for one in drawn if one.was is not None]
        made = [one for one in drawn if one.becomes is not None]
        rows = [_version(one.becomes, one.place.key, start) for one in made if one.becomes is not None]
        grid_ids = replace_versions(session, layer_id, ended, rows, start=start, stamp=stamp)
        ids |= dict(zip((one.place for one in made), grid_ids, strict=True))
    _write_cells(session, changes, ids, start, stamp)
    return ids


def _says_more(change: Change) -> bool:
    """Whether a change is of a version, and not of what a cell belongs to alone."""
    if change.was is None or change.becomes is None:
        return True
    aside = {"holders": {}, "is_locked": False}
    return change.was.told | aside != change.becomes.told | aside or not change.was.is_drawn_as(change.becomes)


def _version(grid: DraftGrid, key: int, start: datetime) -> NewVersion:
    grid_id = key if key > 0 else None
    return NewVersion(grid_id, grid.code, grid.name, grid.kind, grid.unit_id, grid.attributes, since(start), grid.shape)


def _write_cells(
    session: Session, changes: Sequence[Change], ids: Mapping[Place, int], start: datetime, stamp: datetime
) -> None:
    """Close and open what cells belong to."""
    moved = [
        one for one in changes if (one.was.holders if one.was else {}) != (one.becomes.holders if one.becomes else {})
    ]
    if not moved:
        return
    wanted = select(GridCell.id).where(
        among(GridCell.cell_id, [ids[one.place] for one in moved]),
        known(GridCell, None),
        GridCell.valid.op("&&")(func.tstzrange(start, None)),
    )
    old = list(session.scalars(wanted))
    if old:
        cut(session, GridCell, old, since(start), stamp)
    rows = [
        {
            "cell_id": ids[one.place],
            "layer_id": layer_id,
            "grid_id": ids.get(Place(layer_id, key), key),
            "valid": since(start),
            "recorded": since(stamp),
        }
        for one in moved
        if one.becomes is not None
        for layer_id, key in one.becomes.holders.items()
    ]
    if rows:
        session.execute(insert(GridCell), rows)


def _record_findings(
    session: Session, changes: Sequence[Change], start: datetime, stamp: datetime, reported_m2: float
) -> None:
    """Look for faults in all layers concerned, as they will be, and put them on record."""
    ids = {one.place.layer_id for one in changes}
    ids |= {inner.id for layer_id in ids for inner in tilings_within(session, layer_id)}
    for layer in session.scalars(select(Layer).where(among(Layer.id, ids)).order_by(Layer.id)):
        check.check(session, layer, at=start, stamp=stamp, reported_m2=reported_m2)


def _write_lineage(session: Session, plan: Plan, lines: Sequence[Line], ids: Mapping[Place, int], at: datetime) -> None:
    rows = [
        {
            "plan_id": plan.id,
            "pred_id": ids[line.pred],
            "succ_id": ids[line.succ],
            "kind": line.kind,
            "at": at,
            "area_share": line.area_share,
            "address_share": line.address_share,
            "workload_share": line.workload_share,
        }
        for line in lines
    ]
    if rows:
        session.execute(insert(Lineage), rows)


def _hand_on(whole: Whole, ids: Mapping[Place, int], start: datetime, stamp: datetime) -> Handed:
    """Give what hangs on grids that end to their heirs."""
    session, inherited = whole.session, {ids[pred]: ids[succ] for pred, succ in whole.heirs.items()}
    if not inherited:
        return Handed()
    return hand_on(session, inherited, start, areas=stamp, duty=lambda: open_version(session, "duty"))


def _hand_back(whole: Whole, ids: Mapping[Place, int], start: datetime, stamp: datetime) -> None:
    """Give grids that a plan takes back what was theirs when they ended."""
    session, plan = whole.session, whole.plan
    if plan.reverts is None:
        return
    old = queries.find(session, plan.reverts)
    back = {one.place for one in whole.changes if one.was is None and one.place.key > 0}
    turned = [one.inverse for one in whole.changes]
    flows = [Passing(one.succ, one.pred, one.area_m2, one.counted) for one in whole.passings]
    inherited = {ids[place]: ids[heir] for place, heir in heirs(turned, flows).items() if place in back}
    if not inherited or old.published_version is None:
        return
    named = {"areas": old.published_version} | ({"duty": old.duty_version} if old.duty_version is not None else {})
    when = stamps(session, named)
    handed = Stamps(when["areas"], when.get("duty"))
    hand_back(session, inherited, start, handed=handed, areas=stamp, duty=lambda: open_version(session, "duty"))


def _write_barriers(session: Session, plan: Plan) -> None:
    rows = [
        {
            "code": body["code"],
            "kind": body["barrier_kind"],
            "name": body.get("name"),
            "geom": from_shape(shapely.MultiLineString([body["line"]]), srid=SRID),
        }
        for body in queries.barriers_of(session, plan)
    ]
    if rows:
        session.execute(insert(Barrier), rows)


def _manifest(
    session: Session,
    plan: Plan,
    changes: Sequence[Change],
    lines: Sequence[Line],
    effective: datetime,
) -> dict[str, Any]:
    """Return what a publication changed, by public names: what other systems are told, and what its digest is of."""
    layers = queries.layer_codes(session)
    codes = {one.place: state.code for one in changes for state in (one.becomes or one.was,) if state is not None}
    return {
        "plan": str(plan.id),
        "document_number": plan.document_number,
        "effective": effective.isoformat(),
        "grids": [
            {
                "layer": layers[one.place.layer_id],
                "code": codes[one.place],
                "was": one.was and _public(one.was),
                "becomes": one.becomes and _public(one.becomes),
            }
            for one in sorted(changes, key=lambda one: (layers[one.place.layer_id], codes[one.place]))
        ],
        "lineage": [
            {
                "layer": layers[line.pred.layer_id],
                "pred": codes[line.pred],
                "succ": codes[line.succ],
                "kind": line.kind,
                "area_share": round(line.area_share, 9),
                "address_share": None if line.address_share is None else round(line.address_share, 9),
                "workload_share": None if line.workload_share is None else round(line.workload_share, 9),
            }
            for line in lines
        ],
    }


def _public(grid: DraftGrid) -> dict[str, Any]:
    shape = hashlib.sha256(shapely.to_wkb(grid.shape, byte_order=1)).hexdigest()
    return {"code": grid.code, "name": grid.name, "kind": grid.kind, "shape_sha256": shape}


def _supersede(session: Session, plan: Plan) -> None:
    """Note of plans published before that this one changes a grid of theirs."""
    others: Any = Plan.touched
    touched = literal(plan.touched, ARRAY(BigInteger))
    session.execute(
        update(Plan)
        .where(Plan.id != plan.id, Plan.state == "published", Plan.superseded_by.is_(None), others.op("&&")(touched))
        .values(superseded_by=plan.id)
        .execution_options(synchronize_session=False)
    )
