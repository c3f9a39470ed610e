"""How many addresses and incidents lie in each piece: every one in the grids that own its place."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from spatial.crs import Bounds
from spatial.geometry import Floats
from spatial.history import Moment, begun
from spatial.lookup.model import Candidate
from spatial.lookup.source import LayerRow
from spatial.lookup.stored import StoredFacts
from spatial.overlaps import queries
from spatial.overlaps.model import Counted, Counts, Longs
from spatial.time import Period


def counts(
    facts: StoredFacts, moment: Moment, layers: Sequence[str], period: Period, within: Bounds | None = None
) -> Counts:
    """Return what lies in the pieces of two layers, by the ids of their grids; `within`: in some bounds alone.

    A place on a border is its owner's, so that nothing is counted twice; overrides are not asked.
    """
    from spatial.lookup.bulk import BulkIndex  # machine code, which takes a while to load

    of_code = {one.code: one for one in facts.layers()}
    indexes = [BulkIndex.of(_grids(facts, moment, of_code[code], within)) for code in layers]
    grids = [np.array([one.grid.id for one in index.grids if one], np.int64) for index in indexes]

    def owners(points: Floats) -> tuple[NDArray[np.bool_], list[Longs]]:
        found = [index.find(points[:, 0], points[:, 1]).owner for index in indexes]
        owned = np.logical_and.reduce([owner >= 0 for owner in found])
        return owned, [ids[owner[owned]] for ids, owner in zip(grids, found, strict=True)]

    made: dict[tuple[int, int], Counted] = {}
    addresses, dwellings = queries.addresses(facts.session, within)
    owned, pair = owners(addresses)
    for key, n, weight in _summed(pair, dwellings[owned]):
        made[key] = Counted(addresses=n, dwellings=round(weight))
    incidents, minutes = queries.incidents(facts.session, moment, period, within)
    owned, pair = owners(incidents)
    for key, n, weight in _summed(pair, minutes[owned]):
        made[key] = made.get(key, Counted()) + Counted(incidents=n, handling_minutes=weight)
    return made


def _grids(facts: StoredFacts, moment: Moment, layer: LayerRow, within: Bounds | None) -> list[Candidate]:
    """Return the grids of a layer in force, all of them or those that come into some bounds."""
    if within is None:
        return facts.grids([layer])
    return [one for one in facts.about(layer.id, shapely.box(*within)) if begun(one, moment.at)]


def _summed(pair: Sequence[Longs], weights: Floats) -> list[tuple[tuple[int, int], int, float]]:
    """Return each pair that there is, how often, and the sum of its weights."""
    pairs, which, times = np.unique(np.column_stack(pair), axis=0, return_inverse=True, return_counts=True)
    sums = np.bincount(which.ravel(), weights, minlength=len(pairs))
    rows = zip(pairs.tolist(), times.tolist(), sums.tolist(), strict=True)
    return [((left, right), n, weight) for (left, right), n, weight in rows]
