"""Keeping what the grids of different layers share: what two shapes share is so for ever, whoever has them when."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import combinations

import numpy as np
from sqlalchemy.orm import Session

from spatial.geometry import area_m2
from spatial.overlaps import queries
from spatial.overlaps.model import Shapes


def keep(session: Session, stamp: datetime) -> None:
    """Record how large the grids are that became known with a version of `areas`, and what they share with others.

    Whoever writes versions of grids calls this at the end of the same transaction, or cannot commit. It costs what is
    new: of a shape that comes back the overlaps are on record.
    """
    version_ids, fresh = queries.versions_known_at(session, stamp)
    if len(fresh) == 0:
        return
    queries.add_areas(session, version_ids, area_m2(fresh.shapes))
    near = queries.shapes_near(session, fresh)
    recorded = queries.pairs_of(session, fresh)
    new = set(fresh.sha256.tolist())
    layers = [near[near.layer_id == layer_id] for layer_id in np.unique(near.layer_id)]
    for left, right in combinations(layers, 2):
        _keep_between(session, left, right, new, recorded)


def _keep_between(
    session: Session,
    left: Shapes,
    right: Shapes,
    new: AbstractSet[bytes],
    recorded: AbstractSet[tuple[bytes, bytes]],
) -> None:
    from spatial.overlaps.pieces import near_pairs, pieces  # machine code, which takes a while to load

    one, other = near_pairs(left.shapes, right.shapes)
    hashes = zip(left.sha256[one].tolist(), right.sha256[other].tolist(), strict=True)
    wanted = np.array([not new.isdisjoint(pair) and pair not in recorded for pair in hashes], bool)
    queries.add_overlaps(session, left, right, pieces(left.shapes, right.shapes, (one[wanted], other[wanted])))
