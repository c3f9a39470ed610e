"""Incidents as their sources tell them, as they are taken in, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from spatial.errors import Fault
from spatial.tables import Span

Change = Literal["new", "changed", "same", "superseded", "refused"]
Note = Literal["outside-grids", "far-away"]


@dataclass(frozen=True)
class Told:
    """An incident as a source tells it: times are texts, the place is in the system of the request."""

    source: str
    external_id: str
    category: str
    reported_at: str
    lon: float
    lat: float
    between: tuple[str, str] | None = None
    precision_m: float | None = None
    masked_text: str | None = None
    dispatched_at: str | None = None
    arrived_at: str | None = None
    closed_at: str | None = None


@dataclass(frozen=True)
class Refused:
    """Something told that is no incident at all, with what it gave of the names, and why."""

    source: str
    external_id: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Report:
    """An incident that can be stored: instants, and stored degrees; `span` is when it happened, where that is told."""

    source: str
    external_id: str
    category: str
    at: datetime
    lon: float
    lat: float
    span: Span | None
    precision_m: float | None
    masked_text: str | None
    dispatched_at: datetime | None
    arrived_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True)
class Taken:
    """What became of one incident that was told: the grids that own its place by layer, notes, faults if refused."""

    change: Change
    source: str
    external_id: str
    grids: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    faults: tuple[Fault, ...] = ()
