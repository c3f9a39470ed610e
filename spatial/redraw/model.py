"""A draft: what a plan makes of some layers, grid by grid."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.crs import Bounds
from spatial.geometry import Geometries
from spatial.overlaps.model import Counted

State = Literal["draft", "submitted", "returned", "approved", "published", "abandoned"]
Standing = Literal["draft", "submitted", "returned", "approved", "abandoned", "scheduled", "in_force", "superseded"]


class Place(NamedTuple):
    """A grid within a draft: its layer, and its id, or below zero of one that the plan makes."""

    layer_id: int
    key: int


@dataclass(frozen=True)
class DraftLayer:
    """A layer as far as redrawing goes."""

    id: int
    code: str
    kind: str  # tiling, free
    code_scheme: str
    built_from_id: int | None = None
    parent_id: int | None = None


@dataclass(frozen=True)
class DraftGrid:
    """A grid as a draft has it; `shape` is in degrees, as it is stored.

    `holders`: the grid that this one belongs to as a cell, by the ids of the layers that are built from its layer.
    """

    place: Place
    code: str
    name: str
    kind: str
    unit_id: int | None
    attributes: Mapping[str, Any]
    shape: BaseGeometry
    holders: Mapping[int, int] = field(default_factory=dict)
    is_locked: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """All but place and shape, as it is kept."""
        return {
            "code": self.code,
            "name": self.name,
            "kind": self.kind,
            "unit_id": self.unit_id,
            "attributes": dict(self.attributes),
            "holders": {str(layer_id): key for layer_id, key in sorted(self.holders.items())},
            "is_locked": self.is_locked,
        }

    @classmethod
    def of(cls, place: Place, told: Mapping[str, Any], shape: BaseGeometry) -> "DraftGrid":
        """Return a grid from what is kept of it."""
        holders = {int(layer_id): key for layer_id, key in told["holders"].items()}
        return cls(place, **{**told, "holders": holders}, shape=shape)

    def is_same(self, other: "DraftGrid | None") -> bool:
        """Whether two states are the same, bit for bit."""
        return other is not None and self.told == other.told and self.is_drawn_as(other)

    def is_drawn_as(self, other: "DraftGrid") -> bool:
        """Whether two states have the same shape, bit for bit."""
        return shapely.to_wkb(self.shape) == shapely.to_wkb(other.shape)


@dataclass(frozen=True)
class Change:
    """What becomes of one grid, and what it was; none: there is no such grid then."""

    was: DraftGrid | None
    becomes: DraftGrid | None

    @property
    def place(self) -> Place:
        """Which grid it is."""
        state = self.becomes or self.was
        assert state is not None  # noqa: S101  # a change says something
        return state.place

    @property
    def inverse(self) -> "Change":
        """What undoes it."""
        return Change(self.becomes, self.was)


@dataclass(frozen=True)
class Held:
    """What lies in a grid, and the numbers of the officers responsible for it."""

    counted: Counted = field(default_factory=Counted)
    officers: tuple[str, ...] = ()

    @property
    def staff(self) -> int:
        """How many officers' work it is; a grid that nobody is responsible for is one officer's."""
        return max(len(self.officers), 1)


def is_same(one: DraftGrid | None, other: DraftGrid | None) -> bool:
    """Tell whether a grid is the same in two states of a draft, or in neither."""
    return one is other or (one is not None and one.is_same(other))


def array_of(shapes: Iterable[BaseGeometry]) -> Geometries:
    """Return shapes as an array."""
    given = list(shapes)
    made = np.empty(len(given), dtype=object)
    made[:] = given
    return made


def shapes_of(grids: Iterable[DraftGrid]) -> Geometries:
    """Return the shapes of grids, in degrees."""
    return array_of(grid.shape for grid in grids)


def bounds_of(changes: Iterable[Change]) -> Bounds:
    """Return the bounds in degrees of all that some changes, of which there is one at least, concern."""
    states = [state for one in changes for state in (one.was, one.becomes) if state is not None]
    west, south, east, north = shapely.total_bounds(shapes_of(states)).tolist()
    return west, south, east, north


def clusters(changes: Iterable[Change]) -> list[tuple[Bounds, list[Change]]]:
    """Return changes by where they are: those whose bounds meet are together, and no two of what is returned meet."""
    found: list[tuple[Bounds, list[Change]]] = []
    for one in changes:
        bounds, together = bounds_of([one]), [one]
        while near := [cluster for cluster in found if _meet(bounds, cluster[0])]:
            found = [cluster for cluster in found if not _meet(bounds, cluster[0])]
            together = [*(change for _, its in near for change in its), *together]
            wests, souths, easts, norths = zip(bounds, *(its for its, _ in near), strict=True)
            bounds = min(wests), min(souths), max(easts), max(norths)
        found.append((bounds, together))
    return found


def _meet(one: Bounds, other: Bounds) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
