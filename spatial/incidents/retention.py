"""Incidents that are too old to keep: deleted with all that was ever known of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, func, select, text
from sqlalchemy.orm import Session

from spatial import audit
from spatial.db import hold_domain, open_version
from spatial.tables import Incident

DROP_WITHIN = "10s"  # a month is dropped under a lock that others queue behind: rather tried again than waited for

_VERSIONS = text("DELETE FROM incident WHERE at < :oldest")
# a key whose newest version was deleted names none; it goes when no version of it is left
_GONE = "current_id IS NULL AND NOT EXISTS (SELECT FROM incident WHERE incident.incident_key_id = key.id)"
_EVENTS = text(f"""
    DELETE FROM incident_event USING incident_key AS key
    WHERE key.id = incident_event.incident_key_id AND key.{_GONE}
""")  # noqa: S608  # the text above
_KEYS = text(f"DELETE FROM incident_key AS key WHERE key.{_GONE}")  # noqa: S608  # the text above


def retire(session: Session, *, actor: str, oldest: datetime) -> dict[str, Any]:
    """Delete the versions of incidents reported before an instant, keys of which none is left, and empty months."""
    hold_domain(session, "incidents")
    done = {"oldest": oldest.isoformat(), "versions": 0, "incidents": 0, "events": 0, "months": 0}
    if session.scalar(select(Incident.id).where(Incident.at < oldest).limit(1)) is not None:
        open_version(session, "incidents")
        done["versions"] = _deleted(session, _VERSIONS, oldest=oldest)
        done["events"] = _deleted(session, _EVENTS)
        done["incidents"] = _deleted(session, _KEYS)
    session.execute(text(f"SET LOCAL lock_timeout = '{DROP_WITHIN}'"))
    done["months"] = session.scalar(select(func.drop_incident_months(oldest)))
    if done["versions"] or done["months"]:
        audit.record(session, actor, "incidents.retire", "incidents", done)
    return done


def _deleted(session: Session, deleting: Any, **values: datetime) -> int:
    result = session.execute(deleting, values)
    return result.rowcount if isinstance(result, CursorResult) else 0
