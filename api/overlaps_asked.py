"""What is asked of the overlaps of two layers, over HTTP, at the command line and for files."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from api.instants import read_instants
from api.overlaps_out import embedded_out, overlap_out, relation_out, shared_out, snap_out
from spatial.errors import Fault, InputError
from spatial.geometry import Geometries
from spatial.overlaps.model import Piece
from spatial.overlaps.overlaps import Overlaps
from spatial.paging import Key
from spatial.time import Period

YEAR, LONGEST = timedelta(days=365), timedelta(days=3660)
What = Literal["pieces", "relations", "units", "snaps", "cells"]
Weigh = Literal["area", "addresses", "incidents"]
USED_BY: dict[str, What] = {"code": "pieces", "unit": "pieces", "weigh": "snaps"}


@dataclass(frozen=True)
class Asked:
    """Which of the overlaps: of a grid; of the grids of a unit and of those below it; with what lies in them."""

    period: Period
    code: str | None = None
    unit: str | None = None
    counts: bool = True
    weigh: Weigh | None = None

    def require_fit(self, what: What) -> None:
        """Refuse what a list has no use for, all of it at once."""
        useless = [name for name, value in self.named.items() if value is not None and what != USED_BY[name]]
        if useless:
            raise InputError([Fault(name, "not-of-this-list", {"what": what}) for name in useless])

    @property
    def named(self) -> dict[str, str | None]:
        """What narrows a list or weighs it."""
        return {"code": self.code, "unit": self.unit, "weigh": self.weigh}

    @property
    def told(self) -> dict[str, Any]:
        """What is asked, for the audit."""
        span = {"start": self.period.start.isoformat(), "end": self.period.end.isoformat()}
        return span | {name: value for name, value in self.named.items() if value is not None}


@dataclass(frozen=True)
class Row:
    """A row of an answer, and unique texts that say where in their order it stands."""

    key: Key
    out: Any


def rows(found: Overlaps, what: What, asked: Asked, *, shapes: bool = True) -> tuple[list[Row], Geometries | None]:
    """Return all rows of an answer in order, and, if wanted, their shapes where they have any."""
    asked.require_fit(what)
    match what:
        case "pieces":
            pieces = found.pieces(asked.code, asked.unit)
            counts = found.counts(asked.period, pieces) if asked.counts else {}
            told = [Row(piece_key(one), overlap_out(found, one, counts)) for one in pieces]
            return told, found.shapes(pieces) if shapes else None
        case "relations":
            relations = found.relations()
            return [Row((one.grid.code,), relation_out(found, one)) for one in relations], None
        case "units":
            shared = [shared_out(found, one) for one in found.shared_by_units(found.counts(asked.period))]
            return [Row((one.unit or "", one.other_unit or ""), one) for one in shared], None
        case "snaps":
            snaps = found.snaps(found.counts(asked.period), asked.weigh or "area")
            return [Row(_ranked(one.area_m2, one.grid.code), snap_out(found, one)) for one in snaps], None
        case "cells":
            return [Row((one.cell.code,), embedded_out(found, one)) for one in found.embedded()], None


def read_period(start: str | None, end: str | None, at: datetime) -> Period:
    """Return the time whose incidents are counted: by default the year before `at`; all faults at once."""
    (first, last), faults = read_instants([("start", start), ("end", end)])
    if faults:
        raise InputError(faults)
    until = last or (first + YEAR if first else at)
    since = first or until - YEAR
    if until <= since:
        raise InputError([Fault("end", "end-before-start")])
    if until - since > LONGEST:
        raise InputError([Fault("end", "span-too-long", {"days": LONGEST.days})])
    return Period(since, until)


def piece_key(piece: Piece) -> Key:
    """Return where a piece stands in a list: by the codes of both grids."""
    return piece.left.code, piece.right.code


def _ranked(area_m2: float, code: str) -> Key:
    """Return a key in the order of area, the largest first."""
    return f"{1e12 - area_m2:016.3f}", code
