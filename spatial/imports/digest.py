"""What an import does, as one short text: equal just when it would do the same to the same stored rows."""

import hashlib

import orjson
import shapely
from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial.imports.compare import Comparison
from spatial.imports.grids.model import Plan


def outcome_digest(session: Session, comparison: Comparison) -> str:
    """Return the digest of what becomes of staged rows; it does not depend on the order in which they are kept."""
    told = "concat_ws('|', d.row, d.change, d.old_id, d.differs::text)"
    found = session.execute(
        text(f"SELECT count(*), coalesce(sum(hashtextextended({told}, 0)::numeric), 0) FROM {comparison.changes} d")  # noqa: S608  our own names
    ).one()
    return f"{found[0]}:{found[1]}"


def plan_digest(plan: Plan) -> str:
    """Return the digest of what becomes of the grids of a layer."""
    made = hashlib.sha256()
    for one in plan.grids:
        old = None if one.old is None else one.old.version_id
        told = [one.change, one.code, one.name, one.kind, one.unit_id, one.new_unit, old, dict(one.attributes)]
        made.update(orjson.dumps(told, option=orjson.OPT_SORT_KEYS, default=str) + shapely.to_wkb(one.shape))
    return made.hexdigest()
