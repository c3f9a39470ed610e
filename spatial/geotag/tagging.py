"""The columns that are added to rows: whose their places are, in every layer asked for."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain

import numpy as np

from spatial import crs as systems
from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Floats
from spatial.geotag.model import COLUMNS, INVALID, MEASURED, MOST_TOLD, OF_LAYERS, PIECE, Asked, Column, Kind, Places
from spatial.grids.units import UnitRef, unit_tree
from spatial.history import Lasting, Reading
from spatial.lookup.bulk import Bools, instant, micros
from spatial.lookup.bulk_answers import STATUSES, BulkAnswer, BulkFacts
from spatial.lookup.bulk_kernel import NOBODY, Ints, Longs

BETWEEN_UNITS, BETWEEN_GRIDS = " > ", " | "
EDGE_DECIMALS = 3  # millimetres


class Tagger:
    """Says of rows what is asked, as far as whoever asks sees."""

    def __init__(self, facts: BulkFacts, asked: Asked, at: datetime) -> None:
        unknown = [one for one in asked.columns if one not in COLUMNS]
        if unknown:
            raise invalid("column", "geotag-column-unknown", column=", ".join(unknown), known=", ".join(COLUMNS))
        self.asked = asked
        self.at = at
        self._facts = facts
        self._layers = facts.layers(asked.layers)
        if not self._layers:
            raise invalid("layer", "geotag-without-layers")
        self._codes: dict[tuple[int, str], tuple[Sequence[object], Sequence[str | None]]] = {}
        self._units: dict[tuple[int, int], tuple[UnitRef, ...]] = {}

    @property
    def names(self) -> dict[str, Kind]:
        """The columns that are added, with their kinds."""
        asked, prefix = self.asked.columns, self.asked.prefix
        found: dict[str, Kind] = {
            f"{prefix}{layer.code}_{one}": OF_LAYERS[one] for layer in self._layers for one in asked if one != PIECE
        }
        if PIECE in asked:
            found[f"{prefix}{PIECE}"] = "text"
        if self.asked.on_invalid == "flag":
            found[f"{prefix}{INVALID}"] = "text"
        return found

    def tag(self, places: Places, crs: str) -> tuple[list[Column], Bools]:
        """Return the columns, and which rows are to be written; raise an `InputError` where something wrong counts."""
        lon, lat = self._degrees(places, crs)
        if places.wrong and self.asked.on_invalid == "raise":
            raise InputError(list(told(places)))
        at = self.at if places.times is None else places.times
        is_wrong = np.zeros(len(lon), bool)
        is_wrong[list(places.wrong)] = True
        lon[is_wrong] = np.nan
        edges = not MEASURED.isdisjoint(self.asked.columns)
        answers = [self._facts.answer(layer, lon, lat, at, edges=edges) for layer in self._layers]
        kinds = iter(self.names.items())
        columns = [
            Column(*next(kinds), *self._column(one, answer, at, is_wrong))
            for answer in answers
            for one in self.asked.columns
            if one != PIECE
        ]
        if PIECE in self.asked.columns:
            columns.append(Column(*next(kinds), *self._pieces(answers)))
        if self.asked.on_invalid == "flag":
            columns.append(Column(*next(kinds), *_reasons(places, len(lon))))
        return columns, ~is_wrong if self.asked.on_invalid == "skip" else np.ones(len(lon), bool)

    def _degrees(self, places: Places, crs: str) -> tuple[Floats, Floats]:
        """Return stored degrees, and tell what cannot be a place."""
        if systems.is_in_degrees(crs):
            off = np.flatnonzero((np.abs(places.x) > 180) | (np.abs(places.y) > 90))
            for row in off.tolist():
                places.wrong.setdefault(row, systems.degree_faults(float(places.x[row]), float(places.y[row]))[0])
        lonlat = systems.inbound(crs)(np.column_stack([places.x, places.y]))
        is_given = np.isfinite(places.x) & np.isfinite(places.y)
        lost = np.flatnonzero(is_given & ~np.isfinite(lonlat).all(axis=1))
        for row in lost.tolist():
            places.wrong.setdefault(row, Fault("crs", "outside-crs", {"crs": crs[:80], "count": 1}))
        return lonlat[:, 0].copy(), lonlat[:, 1].copy()

    def _column(
        self, one: str, answer: BulkAnswer, at: datetime | Longs, is_wrong: Bools
    ) -> tuple[Sequence[object], Ints]:
        """Return the values of a column, and each row's."""
        owner = answer.owner
        match one:
            case "grid" | "name":
                return self._said(answer, one), owner
            case "status":
                return (*STATUSES, INVALID), np.where(is_wrong, len(STATUSES), answer.status).astype(np.int32)
            case "on_boundary":
                return (False, True), np.where(owner == NOBODY, NOBODY, answer.on_boundary).astype(np.int32)
            case "near_border" | "edge_m" if answer.edge_m is not None:
                is_known = np.isfinite(answer.edge_m)
                if one == "near_border":
                    near = answer.edge_m <= self.asked.accuracy_m
                    return (False, True), np.where(is_known, near, NOBODY).astype(np.int32)
                rows = np.arange(len(owner))
                return np.round(answer.edge_m, EDGE_DECIMALS).tolist(), np.where(is_known, rows, -1).astype(np.int32)
        return self._of_units(one, answer, at)

    def _said(self, answer: BulkAnswer, one: str) -> Sequence[str | None]:
        """Return codes or names of all grids of a layer, the same object each time."""
        grids, said = self._codes.get((answer.layer.id, one), ((), ()))
        if grids is not answer.grids:
            said = [(grid.grid.code if one == "grid" else grid.grid.name) if grid else None for grid in answer.grids]
            self._codes[answer.layer.id, one] = answer.grids, said
        return said

    def _pieces(self, answers: Sequence[BulkAnswer]) -> tuple[Sequence[str], Ints]:
        """Return the piece in which the grids of all layers lie over each other: their codes."""
        owners = np.stack([answer.owner for answer in answers])
        pieces, index = np.unique(owners, axis=1, return_inverse=True)
        codes = [self._said(answer, "grid") for answer in answers]
        said = [BETWEEN_GRIDS.join(str(codes[n][one]) for n, one in enumerate(piece)) for piece in pieces.T.tolist()]
        return said, np.where((owners == NOBODY).any(axis=0), NOBODY, index).astype(np.int32)

    # Units ------------------------------------------------------------------------------------------------------------

    def _of_units(self, one: str, answer: BulkAnswer, at: datetime | Longs) -> tuple[Sequence[str], Ints]:
        """Return what is said of the units of owners, as they were called and linked at the time."""
        times = np.broadcast_to(np.array([micros(at)]) if isinstance(at, datetime) else at, len(answer.owner))
        state = np.searchsorted(self._changes, times, side="right")
        pairs, index = np.unique(np.stack([answer.owner, state]), axis=1, return_inverse=True)
        first = np.full(pairs.shape[1], -1)
        first[index[::-1]] = np.arange(len(index))[::-1]
        said = []
        for (owner, its_state), row in zip(pairs.T.tolist(), first.tolist(), strict=True):
            grid = answer.grids[owner] if owner != NOBODY else None
            units = self._chain(grid.unit_id, its_state, int(times[row])) if grid and grid.unit_id else ()
            said.append(_told_of(one, units))
        is_none = np.array([not text for text in said])[index] if said else np.zeros(0, bool)
        return said, np.where(is_none, NOBODY, index).astype(np.int32)

    def _chain(self, unit_id: int, state: int, at: int) -> tuple[UnitRef, ...]:
        known = self._units.get((unit_id, state))
        if known is None:
            time = instant(at)
            known = unit_tree(self._facts.facts(time), Reading(time), [unit_id]).chain(unit_id)
            self._units[unit_id, state] = known
        return known

    @cached_property
    def _changes(self) -> Longs:
        """When any unit or link begins or ends, in order."""
        areas = self._facts.areas
        rows: list[Lasting] = [*chain(*areas.units.values()), *chain(*areas.links.values())]
        bounds = {bound for row in rows for bound in (row.since, row.until) if bound is not None}
        return np.array(sorted(micros(one) for one in bounds), np.int64)


def told(places: Places) -> Iterator[Fault]:
    """Yield what is wrong, with row and column; of very many the first, and how many more."""
    for row in sorted(places.wrong)[:MOST_TOLD]:
        fault = places.wrong[row]
        where = f"row {places.first + row}" + (f", column {fault.where}" if fault.where else "")
        yield Fault(where, fault.text, fault.values)
    if len(places.wrong) > MOST_TOLD:
        yield Fault("file", "more-faults", {"count": len(places.wrong) - MOST_TOLD})


def _told_of(one: str, units: Sequence[UnitRef]) -> str:
    if not units:
        return ""
    match one:
        case "unit":
            return units[0].code
        case "unit_name":
            return units[0].name
    return BETWEEN_UNITS.join(unit.code for unit in units)


def _reasons(places: Places, rows: int) -> tuple[Sequence[str], Ints]:
    """Return why rows are invalid, as the name of the fault."""
    reasons = sorted({fault.text for fault in places.wrong.values()})
    index = np.full(rows, NOBODY, np.int32)
    for row, fault in places.wrong.items():
        index[row] = bisect_right(reasons, fault.text) - 1
    return reasons, index
