"""Who and what is affected by a plan: everything that changes hands, with whom it was and whose it becomes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from spatial.geometry import Floats, area_m2
from spatial.overlaps.model import Counted
from spatial.redraw import affected
from spatial.redraw.draft import Draft
from spatial.redraw.model import Change, DraftGrid, Place, shapes_of
from spatial.redraw.passing import LEAST_M2, Passing, owners
from spatial.redraw.queries import base_of
from spatial.redraw.whole import Whole, kind_of
from spatial.tables import Plan

Row = TypeVar("Row")


@dataclass(frozen=True)
class GridDiff:
    """A grid before and after; none where there is no such grid then. `noded`: it gets vertices of its neighbours."""

    layer: str
    code: str
    change: str  # new, ended, reshaped, noded, renumbered, described, cells
    before: DraftGrid | None
    after: DraftGrid | None
    area_before_m2: float | None
    area_after_m2: float | None


@dataclass(frozen=True)
class Handing:
    """What goes from one grid to another; none: to or from nobody."""

    layer: str
    from_code: str | None
    to_code: str | None
    area_m2: float
    counted: Counted


@dataclass(frozen=True)
class Moved(Generic[Row]):
    """Something with a place that changes hands."""

    what: Row
    layer: str
    from_code: str | None
    to_code: str | None


@dataclass(frozen=True)
class Hanging(Generic[Row]):
    """Something that hangs on a grid that changes; `heir`: whose it becomes, where the grid ends."""

    what: Row
    layer: str
    code: str
    heir: str | None


@dataclass(frozen=True)
class HandOver:
    """What an officer gives or takes, by a grid of theirs: with whom, how much, and what lies in it."""

    officer: affected.Officer
    layer: str
    grid: str
    role: str
    gives: bool
    other: str | None
    area_m2: float
    counted: Counted


class Difference(Whole):
    """What a plan changes against its base, with what lies in grids, and what hangs on them from an instant `at` on."""

    def __init__(self, session: Session, plan: Plan, at: datetime) -> None:
        super().__init__(session, plan, base_of(session, plan))
        self.at = at

    @cached_property
    def codes(self) -> Mapping[Place, str]:
        """What the grids there are called: afterwards, or else before."""
        states = [one.becomes or one.was for one in self.changes]
        states += [grid for ground in self.grounds for grid in ground.around]
        return {state.place: state.code for state in states if state is not None}

    def grids(self) -> list[GridDiff]:
        """Return the grids that change."""
        return sorted((self._grid(one) for one in self.changes), key=lambda one: (one.layer, one.code))

    def around(self) -> list[tuple[str, str, BaseGeometry]]:
        """Return the grids about what changes that do not change: layer, code and shape in degrees."""
        near = (grid for ground in self.grounds for grid in ground.around)
        return [(self.layers[one.place.layer_id], one.code, one.shape) for one in near]

    def handings(self) -> list[Handing]:
        """Return what goes from grid to grid."""
        return [
            Handing(self._layer(one), self._code(one.pred), self._code(one.succ), one.area_m2, one.counted)
            for one in self.passings
            if one.moves and (one.area_m2 > LEAST_M2 or one.counted != Counted())
        ]

    def cells(self) -> list[Moved[str]]:
        """Return the cells that come to another grid, by code."""
        found = []
        for one in self.changes:
            was, becomes = (state.holders if state else {} for state in (one.was, one.becomes))
            for layer_id in sorted({*was, *becomes}):
                if was.get(layer_id) != becomes.get(layer_id):
                    pair = (self._holder(layer_id, holders.get(layer_id)) for holders in (was, becomes))
                    found.append(Moved(self.codes[one.place], self.layers[layer_id], *pair))
        return found

    def addresses(self) -> list[Moved[affected.Address]]:
        """Return the addresses that change hands."""
        return self._moved(affected.addresses, lambda one: one.code)

    def incidents(self) -> list[Moved[affected.Incident]]:
        """Return the open incidents that change hands."""
        return self._moved(affected.open_incidents, lambda one: (one.source, one.external_id))

    def places(self) -> list[Moved[affected.Place]]:
        """Return the stations, posts, masts and buildings that change hands."""
        return self._moved(affected.places, lambda one: one.code)

    def assignments(self) -> list[Hanging[affected.Assignment]]:
        """Return who is responsible for grids that change."""
        return self._hanging(affected.assignments(self.session, self._ids, self.at))

    def shifts(self) -> list[Hanging[affected.Shift]]:
        """Return the shifts to come that cover grids that change."""
        return self._hanging(affected.shifts(self.session, self._ids, self.at))

    def rules(self) -> list[Hanging[affected.Rule]]:
        """Return the staffing rules of grids that change."""
        return self._hanging(affected.rules(self.session, self._ids, self.at))

    def overrides(self) -> list[Hanging[affected.Rule]]:
        """Return the overrides in favour of grids that change."""
        return self._hanging(affected.overrides(self.session, self._ids, self.at))

    def officers(self) -> list[HandOver]:
        """Return what each officer gives and takes: the list to hand over by."""
        by_grid: dict[Place, list[Passing]] = defaultdict(list)
        for one in self.passings:
            if one.moves and (one.area_m2 > LEAST_M2 or one.counted != Counted()):
                for place in (one.pred, one.succ):
                    if place is not None:
                        by_grid[place].append(one)
        found = []
        for held in affected.assignments(self.session, self._ids, self.at):
            place = self._ids[held.grid_id]
            for one in by_grid[place]:
                gives = one.pred == place
                other = self._code(one.succ if gives else one.pred)
                found.append(
                    HandOver(
                        held.officer,
                        self._layer(one),
                        self.codes[place],
                        held.role,
                        gives,
                        other,
                        one.area_m2,
                        one.counted,
                    )
                )
        return sorted(found, key=lambda one: (one.officer.number, one.layer, one.grid, not one.gives, one.other or ""))

    @cached_property
    def _ids(self) -> Mapping[int, Place]:
        """Grids that are on record and whose area or end concerns people, by id."""
        return {one.place.key: one.place for one in self.changes if one.place.key > 0 and kind_of(one) not in _QUIET}

    def _grid(self, one: Change) -> GridDiff:
        sizes = [None if state is None else float(area_m2(shapes_of([state]))[0]) for state in (one.was, one.becomes)]
        layer = self.layers[one.place.layer_id]
        return GridDiff(layer, self.codes[one.place], kind_of(one), one.was, one.becomes, *sizes)

    def _moved(
        self, read: Callable[[Session, Any, datetime], tuple[Sequence[Row], Floats]], key: Callable[[Row], Any]
    ) -> list[Moved[Row]]:
        """Return what lies in the parts that change hands, in the order of a key."""
        found = []
        for ground in self.grounds:
            rows, lonlat = read(self.session, ground.bounds, self.base.at)
            pairs = owners(ground.changes, ground.around, lonlat).pairs
            for row, (before, after) in zip(rows, pairs, strict=True):
                if before != after:
                    found.append(Moved(row, self.layers[ground.layer_id], self._code(before), self._code(after)))
        return sorted(found, key=lambda one: (key(one.what), one.layer))

    def _hanging(self, rows: Iterable[Any]) -> list[Hanging[Any]]:
        made = []
        for row in rows:
            place = self._ids[row.grid_id]
            heir = self.heirs.get(place)
            made.append(Hanging(row, self.layers[place.layer_id], self.codes[place], self._code(heir)))
        return made

    def _holder(self, layer_id: int, key: int | None) -> str | None:
        if key is None:
            return None
        place = Place(layer_id, key)
        if place in self.codes:
            return self.codes[place]
        found = Draft(self.session, self.plan.id, self.base, []).of_places({place})
        return found[0].code if found else None

    def _layer(self, one: Passing) -> str:
        place = one.pred or one.succ
        return self.layers[place.layer_id] if place else ""

    def _code(self, place: Place | None) -> str | None:
        return None if place is None else self.codes.get(place)


_QUIET = ("noded", "described", "renumbered", "cells")
