"""All that is known to be wrong at a moment, as far as a session reaches: what is on record, and what is found now."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from spatial.errors import NotFound
from spatial.findings import queries
from spatial.findings.checking import LOOKS, named, outline_of, owners_of
from spatial.findings.model import KINDS, WORST, Check, Found, Limits, key_of
from spatial.findings.repairs import Repair, proposed
from spatial.findings.rules import latest
from spatial.findings.state import OnRecord, State
from spatial.grids.about import plane
from spatial.grids.listing import layer_codes, layer_named
from spatial.grids.queries import unit_codes
from spatial.grids.tiling import TILING_KINDS, Severity
from spatial.grids.units import below
from spatial.history import Moment, Reading
from spatial.lookup.stored import StoredFacts
from spatial.paging import Key
from spatial.tables import Layer

ALL: tuple[Check, ...] = tuple(KINDS)
BY_ITSELF = {"parent": frozenset(KINDS["parent"]) - frozenset(TILING_KINDS)}  # the rest of it is told with the tiling


@dataclass(frozen=True)
class Wanted:
    """Which findings: of some checks; of some layers (none: all); of a unit's grids and of those of units below it.

    `of_tilings`: whether tilings are looked at, of which the check of parents tells, too.
    """

    checks: tuple[Check, ...] = ALL
    layers: tuple[str, ...] = ()
    unit: str | None = None
    kind: str | None = None
    severity: Severity | None = None
    acknowledged: bool | None = None
    of_tilings: bool = True

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that it may hold."""
        kinds = frozenset(kind for check in self.checks for kind in KINDS[check])
        kinds -= frozenset() if self.of_tilings else frozenset(TILING_KINDS)
        return kinds if self.kind is None else kinds & {self.kind}


class Findings:
    """What is wrong at a moment; `afresh`: tilings are looked at anew, and not only what is on record of them.

    `state`: what is looked at, where that is not what is on record at the moment.
    """

    def __init__(
        self, session: Session, moment: Moment, limits: Limits, *, afresh: bool = False, state: State | None = None
    ) -> None:
        self.session = session
        self.moment = moment
        self.limits = limits
        self.facts = StoredFacts(session, moment)
        self.state = state or OnRecord(session, moment, limits.pieces)
        # Who sees a part of a network would find a hole wherever the rest of it is.
        self.afresh = state is not None or (afresh and self.facts.sees_everybody)

    def found(self, wanted: Wanted) -> list[Found]:
        """Return findings with who knows of them, the worst first."""
        layers = [layer_named(self.session, code) for code in wanted.layers or layer_codes(self.session)]
        units = None if wanted.unit is None else self._below(wanted.unit)
        chosen = [
            one
            for one in self._of(layers, wanted.kinds)
            if wanted.severity in {None, one.flaw.severity} and (units is None or not units.isdisjoint(one.flaw.owners))
        ]
        known = queries.acknowledgements(self.session, self.moment, [one.key for one in chosen])
        told = [one.known_of(known.get(one.key)) for one in chosen]
        if wanted.acknowledged is not None:
            told = [one for one in told if (one.acknowledged is not None) == wanted.acknowledged]
        return sorted(told, key=place_in_list)

    def named(self, key: str, checks: Sequence[Check] = ALL) -> Found:
        """Return the finding of a key with who knows of it, or raise `NotFound`."""
        layers = [layer_named(self.session, code) for code in layer_codes(self.session)]
        kinds = Wanted(checks=tuple(checks)).kinds
        for one in self._of(layers, kinds):
            if one.key == key:
                return one.known_of(queries.acknowledgements(self.session, self.moment, [key]).get(key))
        raise NotFound("no-such-finding", finding=key)

    def placed(self, found: Sequence[Found]) -> list[Found]:
        """Return findings each with a place: where it has none of its own, points inside of its grids."""
        missing = [one for one in found if one.flaw.shape is None and one.flaw.grids]
        grids: dict[str, set[str]] = defaultdict(set)
        for one in missing:
            grids[one.layer].update(one.flaw.grids)
        points = {layer: self.state.inner_points(layer, codes) for layer, codes in grids.items()}
        return [self._placed(one, points.get(one.layer, {})) if one in missing else one for one in found]

    def repair(self, found: Found) -> Repair | None:
        """Return what would mend a finding of a tiling; none where nothing would, or where a part of it is not seen."""
        if found.flaw.kind not in TILING_KINDS or not self.facts.sees_everybody:
            return None
        layer, drawn_in = layer_named(self.session, found.layer), plane(self.session)
        grids = self.state.network(layer)
        if drawn_in is None or not grids.codes:
            return None
        return proposed(found.flaw, grids.codes, grids.shapes, drawn_in, outline_of(self.state, layer))

    def _of(self, layers: Sequence[Layer], kinds: Collection[str]) -> Iterator[Found]:
        """Yield what there is of some kinds, what is found soonest first."""
        for check, look in LOOKS.items():
            wanted = BY_ITSELF.get(check, frozenset(KINDS[check])).intersection(kinds)  # type: ignore[index]
            for layer in layers if wanted else ():
                if check == "tiling" and not self.afresh:
                    yield from self._recorded(layer, wanted)
                else:
                    flaws = look(self.state, layer, self.limits)
                    yield from (Found(layer.code, key_of(layer.code, one), one) for one in flaws if one.kind in wanted)

    def _recorded(self, layer: Layer, kinds: Collection[str]) -> Iterator[Found]:
        rows = queries.recorded(self.session, layer, self.moment, kinds)
        grids = named(self.state, layer) if rows else {}
        for row in rows:
            changed = latest(grids[code] for code in row.flaw.grids if code in grids)
            flaw = replace(row.flaw, owners=owners_of(row.flaw, grids), since=changed or row.valid.lower)
            yield Found(layer.code, key_of(layer.code, flaw), flaw, row.valid, row.recorded.lower)

    def _below(self, unit: str) -> frozenset[str]:
        """Return the codes of a unit and of those below it."""
        codes = unit_codes(self.session, self.moment.at, self.moment.known_at)
        if unit not in codes.values():
            raise NotFound("no-such-unit", code=unit)
        return frozenset(codes[unit_id] for unit_id in below(self.facts, Reading(self.moment.at), codes, unit))

    @staticmethod
    def _placed(one: Found, points: Mapping[str, BaseGeometry]) -> Found:
        inside = [points[code] for code in one.flaw.grids if code in points]
        if not inside:
            return one
        shape: Any = inside[0] if len(inside) == 1 else shapely.multipoints(np.array(inside, dtype=object))
        return replace(one, flaw=replace(one.flaw, shape=shape))


def place_in_list(one: Found) -> Key:
    """Return where a finding stands in a list: the worst first, then by layer, kind and grids."""
    flaw = one.flaw
    return str(WORST.index(flaw.severity)), one.layer, flaw.kind, *flaw.grids[:1], one.key
