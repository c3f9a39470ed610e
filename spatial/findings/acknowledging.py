"""Acknowledging a finding: who knows of it says why it may stay so, and until when. Nothing said before is lost."""

from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.db import open_version
from spatial.errors import Fault, NotFound
from spatial.findings.model import KINDS, Acknowledged, Found
from spatial.findings.queries import acknowledgements
from spatial.grids.listing import layer_named
from spatial.history import Moment, cut, known
from spatial.tables import Acknowledgement
from spatial.time import since

LONGEST_REASON = 500  # characters
LONGEST = timedelta(days=366)
OF_GRIDS, OF_PEOPLE = ("planner", "approver"), ("planner", "approver", "duty_officer")


def faults_of(reason: str, until: datetime, now: datetime) -> list[Fault]:
    """Return what is wrong with an acknowledgement: its reason, and how long it is to last."""
    faults = []
    if not reason.strip():
        faults.append(Fault("reason", "reason-missing"))
    if len(reason.strip()) > LONGEST_REASON:
        faults.append(Fault("reason", "reason-too-long", {"most": LONGEST_REASON}))
    if until <= now:
        faults.append(Fault("until", "until-not-in-future"))
    elif until - now > LONGEST:
        faults.append(Fault("until", "until-too-far", {"days": LONGEST.days}))
    return faults


def acknowledge(
    session: Session, actor: Actor, found: Found, reason: str, until: datetime, *, now: datetime
) -> Acknowledged:
    """Put on record that a finding may stay as it is until an instant, and why; what was said of it ends now."""
    require_may(actor, found.flaw.kind)
    stamp = open_version(session, "areas")
    _end(session, found.key, now, stamp)
    flaw, told = found.flaw, Acknowledged(reason.strip(), actor.name, since(now, until))
    layer = layer_named(session, found.layer)
    row = {"finding_key": found.key, "layer_id": layer.id, "kind": flaw.kind, "reason": told.reason}
    whom = {"grids": list(flaw.grids), "officers": list(flaw.officers), "acknowledged_by": told.by}
    session.execute(insert(Acknowledgement).values(**row, **whom, valid=told.valid, recorded=since(stamp)))
    detail = {"layer": found.layer, "kind": flaw.kind, "grids": list(flaw.grids)}
    said = {"reason": told.reason, "until": until.isoformat()}
    audit.record(session, actor.name, "finding.acknowledge", f"finding/{found.key}", detail | said)
    return told


def withdraw(session: Session, actor: Actor, key: str, *, now: datetime) -> Acknowledged:
    """End the acknowledgement of a finding now, and return it; `NotFound` where there is none any more."""
    stamp = open_version(session, "areas")
    ended = _end(session, key, now, stamp)
    if ended is None:
        raise NotFound("not-acknowledged", finding=key)
    require_may(actor, ended.kind)
    audit.record(session, actor.name, "finding.withdraw", f"finding/{key}", {"kind": ended.kind})
    return Acknowledged(ended.reason, ended.acknowledged_by, since(ended.valid.lower, now))


def standing(session: Session, key: str, now: datetime) -> Acknowledged | None:
    """Return what is said of a finding now."""
    return acknowledgements(session, Moment(now), [key]).get(key)


def require_may(actor: Actor, kind: str) -> None:
    """Raise `Denied` unless somebody may acknowledge a kind: the duty officer what concerns people, and no more."""
    actor.require(*(OF_PEOPLE if kind in KINDS["roster"] else OF_GRIDS))


def _end(session: Session, key: str, now: datetime, stamp: datetime) -> Acknowledgement | None:
    """End what is said of a finding from now on, and return it."""
    table = Acknowledgement
    later = select(table).where(table.finding_key == key, known(table, None), table.valid.op("&&")(since(now)))
    row = session.scalars(later).one_or_none()
    if row is not None:
        session.expunge(row)  # what it said is asked for after it is closed
        cut(session, table, [row.id], since(now), stamp)
    return row
