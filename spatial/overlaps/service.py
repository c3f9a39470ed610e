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
    """Measure the shapes that became known with a version of `areas`, and what they share with those of other layers.

    Whoever writes versions of grids calls this in the same transaction. It costs what is new: a shape that comes back
    has its overlaps already.
    """
    from spatial.overlaps.pieces import border_m  # machine code, which takes a while to load

    fresh = queries.shapes_known_at(session, stamp)
    if len(fresh) == 0:
        return
    near = queries.shapes_near(session, fresh)
    unmeasured = near[~queries.is_measured(session, near)]
    queries.add_shapes(session, unmeasured, area_m2(unmeasured.shapes), border_m(unmeasured.shapes))
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
    from spatial.overlaps.pieces import near_pairs, pieces

    one, other = near_pairs(left.shapes, right.shapes)
    hashes = zip(left.sha256[one].tolist(), right.sha256[other].tolist(), strict=True)
    wanted = np.array([not new.isdisjoint(pair) and pair not in recorded for pair in hashes], bool)
    queries.add_overlaps(session, left, right, pieces(left.shapes, right.shapes, (one[wanted], other[wanted])))
