"""Who and what changes when at a place: one answer after another, each at the instant that the one before announced."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from spatial.grids.units import UnitRef
from spatial.lookup.model import Answer, LayerAnswer
from spatial.roster.model import OfficerRef, TeamRef

MOST_ASKED = 200  # answers for one question: the rest is asked for from `until` on

Told = tuple[object, ...]


@dataclass(frozen=True)
class Change:
    """What one layer says otherwise from an instant on: `what` names the aspects of `aspects`."""

    at: datetime
    what: tuple[str, ...]
    before: LayerAnswer
    after: LayerAnswer


@dataclass(frozen=True)
class Changes:
    """All changes of `[begin, until)`, after how it was at the beginning."""

    first: Answer
    rows: tuple[Change, ...]
    until: datetime


def changes(ask: Callable[[datetime], Answer], begin: datetime, end: datetime) -> Changes:
    """Return what changes over a time, or over the first part of it where very much does."""
    first = before = ask(begin)
    rows: list[Change] = []
    for _ in range(MOST_ASKED - 1):
        at = before.next_change_at
        if at is None or at >= end:
            return Changes(first, tuple(rows), end)
        after = ask(at)
        for old, new in zip(before.layers, after.layers, strict=True):
            was, is_ = aspects(old), aspects(new)
            what = tuple(aspect for aspect in is_ if is_[aspect] != was[aspect])
            if what:
                rows.append(Change(at, what, old, new))
        before = after
    return Changes(first, tuple(rows), min(before.next_change_at or end, end))


def aspects(layer: LayerAnswer) -> dict[str, Told]:
    """Return what people would call a change of, each as something to compare."""
    first = layer.response.first if layer.response else None
    return {
        "status": (layer.status,),
        "grid": (layer.grid and (layer.grid.code, layer.grid.name),),
        "override": (layer.override and layer.override.code,),
        "units": tuple((unit.code, unit.name) for unit in layer.units),
        "responsible": tuple((held.role, held.officer.number, held.away) for held in layer.responsible),
        "on_duty": (layer.on_duty,),
        "responders": (first.step.key, *(_called(one.who) for one in first.responders)) if first else (),
        "joint": tuple(party.grid.code for party in layer.joint),
    }


def _called(who: OfficerRef | TeamRef | UnitRef) -> str:
    return who.number if isinstance(who, OfficerRef) else who.code
