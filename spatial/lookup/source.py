"""What a look-up asks of wherever the facts are: PostGIS, or a snapshot in memory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from shapely.geometry.base import BaseGeometry

from spatial.geometry import Plane
from spatial.grids.units import UnitRef
from spatial.lookup.model import Candidate, OverrideRef
from spatial.lookup.rules import Spot
from spatial.roster.model import Assigned, Response, Texts
from spatial.roster.source import Roster


class LayerRow(NamedTuple):
    """A layer, in the order of display."""

    id: int
    code: str
    title: Texts
    kind: str  # tiling, free
    is_public: bool  # whether whoever sees the layer sees all grids of it


class FaultRow(NamedTuple):
    """A recorded gap or overlap of a layer, over a time."""

    layer_id: int
    kind: str  # gap, uncovered, overlap, sliver
    area_m2: float | None
    grids: Sequence[str]
    since: datetime | None
    until: datetime | None


class OverrideRow(NamedTuple):
    """A decision on an area of a layer, over a time."""

    layer_id: int
    grid_id: int
    ref: OverrideRef
    shape: BaseGeometry

    @property
    def since(self) -> datetime | None:
        """When it begins."""
        return self.ref.since

    @property
    def until(self) -> datetime | None:
        """Until when it lasts."""
        return self.ref.until


class CategoryRow(NamedTuple):
    """A category of matters."""

    id: int
    code: str
    title: Texts
    parent_id: int | None
    police_matter: bool
    priority: int
    handling_minutes: int


class ResponsibilityRow(NamedTuple):
    """Which kind of unit answers for a category."""

    category_id: int
    unit_kind: str
    role: str  # lead, joint
    deadline: timedelta | None


class NeighbourRow(NamedTuple):
    """A grid that touches another of its layer as it is then, with its unit, over a time."""

    grid_id: int
    other_id: int
    unit_id: int | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class GridDuty:
    """Whose a grid is and who is there: nobody's people are named of a grid of which they are not seen.

    `next_change`: when any of this may be another.
    """

    units: tuple[UnitRef, ...]
    serving: tuple[UnitRef, ...]
    responsible: tuple[Assigned, ...]
    response: Response | None
    next_change: datetime | None


class Source(Roster, Protocol):
    """Facts as of an instant, as whoever asks may see them: rows in force then or later."""

    @property
    def plane(self) -> Plane:
        """The deployment's plane; any before anything is loaded."""

    @property
    def versions(self) -> Mapping[str, int]:
        """The newest version of each domain among the facts."""

    @property
    def basis(self) -> str:
        """The digest of what has no history among the facts."""

    def layers(self) -> Sequence[LayerRow]:
        """Return all layers in their order."""

    def holding(self, spot: Spot) -> Iterable[Candidate]:
        """Return the grids of all layers that contain a place or touch it."""

    def about(self, layer_id: int, area: BaseGeometry) -> Iterable[Candidate]:
        """Return the grids of a layer that come into an area in degrees."""

    def nearest(self, spot: Spot, layer_id: int) -> Candidate | None:
        """Return the grid in force that is nearest in degrees: a first guess at the nearest in metres."""

    def next_redraw(self, layer_id: int) -> datetime | None:
        """Return when the next grid of a layer begins or ends."""

    def versions_of(self, grid_ids: Collection[int]) -> Iterable[Candidate]:
        """Return some grids as they are and will be."""

    def overrides(self, layer_id: int, area: BaseGeometry) -> Iterable[OverrideRow]:
        """Return the overrides of a layer that come into an area in degrees."""

    def categories(self) -> Sequence[CategoryRow]:
        """Return all categories of matters."""

    def responsibilities(self) -> Sequence[ResponsibilityRow]:
        """Return which kinds of units answer for which categories."""

    def faults(self, spot: Spot) -> Iterable[FaultRow]:
        """Return the recorded gaps and overlaps in which a place lies."""

    def hidden_layers(self, spot: Spot) -> Collection[int]:
        """Return the layers in which a place lies in a grid that whoever asks does not see."""

    def sees_people_of(self, unit_id: int | None) -> bool:
        """Whether whoever asks sees the people of a unit: of neighbours only the grids are seen."""

    def neighbours(self, grid_ids: Collection[int]) -> Iterable[NeighbourRow]:
        """Return the grids that touch some grids, as these are then."""

    def duties(self, grids: Sequence[Candidate], *, soon: bool = True) -> Mapping[int, GridDuty]:
        """Return whose some grids are and who is there, by grid; `soon`: and when that changes."""
