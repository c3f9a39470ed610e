"""What is found wrong with a layer: with its tiling, its codes, its people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Geometries
from spatial.grids.tiling import Severity


@dataclass(frozen=True)
class Flaw:
    """Something about a layer that a person should know, whose it is, and since when it is so.

    `grids`, `officers` and `owners`, the units of the grids, are codes and numbers; `shape` is its place in degrees;
    `since` is when the last of the grids concerned became as it is, none where that is not known.
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

    @property
    def place(self) -> tuple[float, float] | None:
        """Longitude and latitude of a place in it, to 1 cm."""
        if self.shape is None:
            return None
        inside = shapely.point_on_surface(self.shape)
        return round(inside.x, 7), round(inside.y, 7)


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
