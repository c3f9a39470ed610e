"""Looking for faults in a layer as it is in force."""

from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from spatial.db import open_version
from spatial.grids.listing import layer_named
from spatial.grids.queries import grids_in_force
from spatial.grids.service import record_findings
from spatial.grids.tiling import findings
from spatial.time import since


def recheck_layer(session: Session, code: str, *, at: datetime) -> dict[str, Any]:
    """Find the faults of a layer at an instant, put them on record, and return how many there are of each kind."""
    layer = layer_named(session, code)
    stamp = open_version(session, "areas")
    states = grids_in_force(session, layer.id, at)
    shapes = np.array([state.shape for state in states], dtype=object)
    found = findings([state.code for state in states], shapes) if layer.kind == "tiling" else []
    record_findings(session, layer.id, found, span=since(at), stamp=stamp)
    kinds = [one.kind for one in found]
    return {"layer": code, "grids": len(states), "findings": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}
