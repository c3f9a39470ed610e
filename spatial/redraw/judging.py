"""What is wrong with a draft, by all checks, and what of it the plan makes so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import shapely
from sqlalchemy.orm import Session

from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Flaw, Found, Limits
from spatial.findings.rules import is_more
from spatial.geometry import point_inside
from spatial.grids import about as deployment
from spatial.grids.tiling import TILING_KINDS
from spatial.redraw.checks import cover_moved, findings_of, noticed
from spatial.redraw.drafted import Drafted
from spatial.redraw.obstacles import Obstacle
from spatial.redraw.passing import LEAST_M2
from spatial.redraw.rim import ROUNDED_DEGREES
from spatial.tables import Plan

Known = dict[tuple[object, ...], list[Flaw]]


@dataclass(frozen=True)
class Judged:
    """A finding of a draft; `is_added`: the plan makes it so, or larger than it was."""

    found: Found
    is_added: bool


class Judging:
    """The findings of the layers of a plan's draft where it stands, beside those of its base."""

    def __init__(self, session: Session, plan: Plan, limits: Limits) -> None:
        self.session, self.plan, self.limits = session, plan, limits
        self.drafted = Drafted(session, plan, limits.pieces)
        moment = self.drafted.record.moment
        self.before = Findings(session, moment, limits, state=self.drafted.record)
        self.after = Findings(session, moment, limits, state=self.drafted)

    def judged(self, wanted: Wanted) -> list[Judged]:
        """Return findings of the draft, the worst first; `wanted.layers` are among the plan's."""
        layers = wanted.layers or tuple(self.drafted.whole.layers[one] for one in self.plan.layers)
        asked = replace(wanted, layers=layers)
        before = self.before.found(Wanted(asked.checks, layers, of_tilings=asked.of_tilings))
        after, before = self.after.found(asked), self._renamed(before)
        if not self.after.facts.sees_everybody:
            after = self._seen(after, before)
        known: Known = {}
        for one in before:
            known.setdefault(_identity(one), []).append(one.flaw)
        return [Judged(one, is_more(one.flaw, known.get(_identity(one), ()))) for one in after]

    def placed(self, judged: Sequence[Judged]) -> list[Judged]:
        """Return findings each with a place: where it has none of its own, points inside of its grids."""
        found = self.after.placed([one.found for one in judged])
        return [replace(one, found=its) for one, its in zip(judged, found, strict=True)]

    def added(self) -> list[Obstacle]:
        """Return what a plan adds or makes larger that is allowed and may be meant: an approver is to know of it."""
        judged = self.judged(Wanted(of_tilings=False))
        told = [one for one in judged if one.is_added and _is_to_be_known(one.found.flaw)]
        return [*self._of_tilings(), *(_obstacle(one.found) for one in self.placed(told))]

    def _of_tilings(self) -> Iterable[Obstacle]:
        """Yield what tilings cover and did not, or the reverse, as repairs and files do, and parts that are apart.

        Changes are looked at with what is about them alone: whatever tears a tiling keeps a plan from being handed in.
        """
        plane, whole = deployment.plane(self.session), self.drafted.whole
        for ground in whole.grounds:
            if plane is None or not whole.is_tiling(ground.layer_id):
                continue
            layer, before, after = whole.layers[ground.layer_id], ground.before, ground.after
            moved = cover_moved(before, after, plane)
            if moved.area > LEAST_M2:
                place = point_inside(plane.to_degrees(moved))
                yield Obstacle("cover-changed", layer, (), place, round(moved.area, 1))
            for one in noticed(findings_of(before), findings_of(after)):
                size = None if one.area_m2 is None else round(one.area_m2, 2)
                yield Obstacle(one.kind, layer, one.grids, one.place, size)

    def _renamed(self, found: Iterable[Found]) -> list[Found]:
        """Return findings of the base with the codes that grids have in the draft."""
        whole = self.drafted.whole
        codes = {
            (whole.layers[one.place.layer_id], one.was.code): one.becomes.code
            for one in whole.changes
            if one.was is not None and one.becomes is not None and one.was.code != one.becomes.code
        }

        def renamed(one: Found) -> Found:
            grids = tuple(sorted(codes.get((one.layer, code), code) for code in one.flaw.grids))
            others = tuple(codes.get((str(one.flaw.other), code), code) for code in one.flaw.others)
            return replace(one, flaw=replace(one.flaw, grids=grids, others=others))

        return list(map(renamed, found)) if codes else list(found)

    def _seen(self, after: Sequence[Found], before: Sequence[Found]) -> list[Found]:
        """Return findings without the holes that are only where the part of a network ends that somebody sees."""
        recorded = Findings(self.session, self.after.moment, self.limits).found(Wanted(checks=("tiling",)))
        real = {one.key for one in recorded}
        false = [one.flaw.shape for one in before if one.flaw.kind in TILING_KINDS and one.key not in real]
        holes = shapely.union_all([shape for shape in false if shape is not None]).buffer(ROUNDED_DEGREES)
        return [
            one
            for one in after
            if one.flaw.kind not in TILING_KINDS or one.flaw.shape is None or not holes.covers(one.flaw.shape)
        ]


def _identity(one: Found) -> tuple[object, ...]:
    flaw = one.flaw
    return one.layer, flaw.kind, flaw.grids, flaw.officers, flaw.other, tuple(sorted(flaw.others))


def _is_to_be_known(flaw: Flaw) -> bool:
    """Whether something is more than information."""
    return flaw.severity != "info"


def _obstacle(one: Found) -> Obstacle:
    flaw = one.flaw
    size = None if flaw.area_m2 is None else round(flaw.area_m2, 2)
    about = {"officers": list(flaw.officers), "other_layer": flaw.other, "others": list(flaw.others)}
    values = flaw.detail | {name: value for name, value in about.items() if value}
    return Obstacle(flaw.kind, one.layer, flaw.grids, flaw.place, size, values)
