"""What is found wrong with layers: with their tilings, codes and people, and with how they lie to one another."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

import numpy as np
import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Geometries, point_inside
from spatial.grids.tiling import REPORTED_M2, TILING_KINDS, Severity, TilingFinding
from spatial.overlaps.model import Thresholds
from spatial.tables import Span

Check = Literal["tiling", "codes", "roster", "parent", "alignment", "dwellings"]
Kind = Literal[
    "invalid", "overlap", "gap", "uncovered", "outside", "sliver", "unnoded", "disconnected",
    "code-outside-scheme", "code-of-another-unit", "name-twice",
    "nobody", "no-lead", "several-grids", "no-grid",
    "outside-parent", "across-parents",
    "split", "orphan", "cell-not-whole",
    "too-many-dwellings",
]  # fmt: skip
# What each check tells of. Of a tiling, what lies outside of its parent and what it leaves uncovered is told by both.
KINDS: Mapping[Check, tuple[str, ...]] = {
    "tiling": TILING_KINDS,
    "codes": ("code-outside-scheme", "code-of-another-unit", "name-twice"),
    "roster": ("nobody", "no-lead", "several-grids", "no-grid"),
    "parent": ("outside-parent", "across-parents", "outside", "uncovered"),
    "alignment": ("split", "orphan", "cell-not-whole"),
    "dwellings": ("too-many-dwellings",),
}
WORST: tuple[Severity, ...] = ("fault", "warning", "info")
KEY_DIGITS = 32  # hexadecimal


@dataclass(frozen=True)
class Limits:
    """From where on something is told as a fault, as the deployment has set it.

    `gap_area_m2`: smaller gaps and overlaps of a tiling are slivers; `pieces`: the same of two layers;
    `most_dwellings`: of a grid, by the code of its layer.
    """

    gap_area_m2: float = REPORTED_M2
    pieces: Thresholds = field(default_factory=Thresholds)
    most_dwellings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Flaw:
    """Something about a layer that a person should know, whose it is, and since when it is so.

    `grids`, `officers` and `owners`, the units of the grids, are codes and numbers; `others` are codes of grids of the
    layer `other`; `shape` is its place in degrees; `since` is when the last of the grids concerned became as it is,
    none where that is not known.
    """

    kind: str
    severity: Severity
    grids: tuple[str, ...] = ()
    officers: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    area_m2: float | None = None
    shape: BaseGeometry | None = None
    since: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    other: str | None = None
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, one: TilingFinding) -> Self:
        """Return what was found of a tiling."""
        return cls(one.kind, one.severity, one.grids, area_m2=one.area_m2, shape=one.shape, detail=one.detail)

    @property
    def place(self) -> tuple[float, float] | None:
        """Longitude and latitude of a place in it, to 1 cm."""
        return None if self.shape is None else point_inside(self.shape)


@dataclass(frozen=True)
class Acknowledged:
    """Somebody knows of it, and says why it may stay so over a span."""

    reason: str
    by: str
    valid: Span


@dataclass(frozen=True)
class Found:
    """A flaw of a layer under its public name, and who knows of it.

    `valid`: over which span it stands, and `known_since`, as far as that is on record; none: it was found only now.
    """

    layer: str
    key: str
    flaw: Flaw
    valid: Span | None = None
    known_since: datetime | None = None
    acknowledged: Acknowledged | None = None

    def known_of(self, acknowledged: Acknowledged | None) -> "Found":
        """Return the same with who knows of it."""
        return replace(self, acknowledged=acknowledged)

    @property
    def check(self) -> Check:
        """The check that tells of it first."""
        return next(check for check, kinds in KINDS.items() if self.flaw.kind in kinds)


def key_of(layer: str, flaw: Flaw) -> str:
    """Return what names a flaw to people and other systems: layer, kind, whom it concerns, and where, as a digest.

    A gap that grew is another gap: who knew of the first one has yet to look at it.
    """
    place = "" if flaw.shape is None else shapely.to_wkb(shapely.normalize(flaw.shape), hex=True, byte_order=1)
    said = [layer, flaw.kind, sorted(flaw.grids), sorted(flaw.officers), flaw.other, sorted(flaw.others), place]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()[:KEY_DIGITS]


def shapes_of(flaws: Sequence[Flaw]) -> Geometries:
    """Return where flaws are, in degrees; none where one has no place."""
    shapes = np.empty(len(flaws), dtype=object)
    shapes[:] = [one.shape for one in flaws]
    return shapes


@dataclass(frozen=True)
class Coded:
    """A grid as far as its codes go."""

    code: str
    name: str
    unit: str | None
    since: datetime | None


@dataclass(frozen=True)
class Held:
    """Who holds a grid: number of an officer, and as what; none where nobody does."""

    grid: Coded
    officers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Beatless:
    """An officer of a kind that has grids, who holds none."""

    number: str
    kind: str
    unit: str | None
    since: datetime | None
