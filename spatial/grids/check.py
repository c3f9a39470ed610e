"""Looking for faults in a layer's tiling as it is on record, from an instant on."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from spatial import audit
from spatial.db import open_version
from spatial.grids.listing import layer_named
from spatial.grids.queries import pieces_from, records_in_force
from spatial.grids.service import record_findings
from spatial.grids.standing import Standing, standing_from
from spatial.grids.tiling import REPORTED_M2
from spatial.tables import Layer


def recheck_layer(
    session: Session, code: str, *, at: datetime, actor: str, reported_m2: float = REPORTED_M2
) -> dict[str, Any]:
    """Find the faults of a layer from an instant on, put them on record, and return how many there are at it."""
    layer = layer_named(session, code)
    stamp = open_version(session, "areas")
    standing = check(session, layer, at=at, stamp=stamp, reported_m2=reported_m2)
    kinds = [one.finding.kind for one in standing if at in one.span]
    grids = len(records_in_force(session, layer.id, at))
    detail = {"at": at.isoformat(), "grids": grids, "findings": len(standing)}
    audit.record(session, actor, "check-tiling", f"layer {code}", detail)
    return {"layer": code, "grids": grids, "findings": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}


def check(
    session: Session, layer: Layer, *, at: datetime, stamp: datetime, reported_m2: float = REPORTED_M2
) -> list[Standing]:
    """Put on record what is wrong with a layer from an instant on, over which spans, and return it."""
    standing: list[Standing] = []
    if layer.kind == "tiling":
        outline = pieces_from(session, layer.parent_layer_id, at)
        standing = standing_from(at, pieces_from(session, layer.id, at), outline, reported_m2)
    record_findings(session, layer.id, standing, start=at, stamp=stamp)
    return standing
