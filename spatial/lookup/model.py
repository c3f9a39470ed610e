"""A question about a place, and its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from shapely.geometry.base import BaseGeometry

from spatial.geometry import Plane
from spatial.grids.units import UnitRef
from spatial.roster.model import Assigned, Response, Texts


@dataclass(frozen=True)
class Receipt:
    """What an answer stood on: the versions of its domains, and a digest of what has no history (`basis_of`)."""

    versions: Mapping[str, int]
    basis: str


@dataclass(frozen=True)
class Question:
    """A place (CGCS2000 degrees), how well it is known, and the two instants it is asked for."""

    lon: float
    lat: float
    at: datetime
    known_at: datetime | None = None
    accuracy_m: float = 1.0
    layers: tuple[str, ...] | None = None  # codes; none asks all
    category: str | None = None  # code of the matter, if it is known
    receipt: Receipt | None = None  # of an answer that is to be given again


@dataclass(frozen=True)
class GridRef:
    """A grid as of an instant."""

    id: int
    code: str
    name: str
    kind: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Candidate:
    """A grid that may have to do with a place: its unit, its shape in degrees, and the plane for its metres."""

    grid: GridRef
    layer_id: int
    unit_id: int | None
    shape: BaseGeometry
    plane: Plane

    @property
    def since(self) -> datetime | None:
        """When the grid came to be as it is."""
        return self.grid.since

    @property
    def until(self) -> datetime | None:
        """Until when it stays so."""
        return self.grid.until

    @cached_property
    def metres(self) -> BaseGeometry:
        """The shape in the plane, in metres."""
        return self.plane.to_metres(self.shape)

    @cached_property
    def border(self) -> BaseGeometry:
        """Its border in the plane, in metres."""
        return self.metres.boundary


class Beyond(NamedTuple):
    """Another grid of the layer near the place, and how far; `overlaps` when the place lies in it too."""

    grid: GridRef
    distance_m: float
    overlaps: bool = False


class Inside(NamedTuple):
    """What one layer says of a plain place: the grid that holds it, how far its border is, and who is beyond."""

    grid: Candidate
    edge_m: float
    beyond: Sequence[Beyond]


@dataclass(frozen=True)
class OverrideRef:
    """A decision that an area is a grid's, whatever the borders of the grids are: a bridge, a park, a venue."""

    code: str
    name: str
    priority: int  # of several, the smallest decides
    authority: str
    document_number: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Party:
    """One of the grids that a place so near a border may be in: whose it is, and who answers there."""

    grid: GridRef
    distance_m: float
    units: tuple[UnitRef, ...]
    responsible: tuple[Assigned, ...]
    response: Response | None  # none: its people are not shown to whoever asks


@dataclass(frozen=True)
class LayerAnswer:
    """What one layer says of a place.

    `status`: `owned`, `overlap` (inside several grids; the smallest code owns it), `gap` (a hole inside the tiling, for
    which the nearest grid answers), `outside` (`beyond` names the nearest grid), `empty` (no grids then), or `hidden`
    (in a grid that whoever asks does not see). Of a neighbour's grid the desk is told and not who is on duty: then
    there is no response, and `is_neighbours`.
    `edge_m` is the distance to the nearest border of the owner or, without one, to the nearest grid; `beyond` lists
    the grids within the accuracy asked for, and those on the other side of that border. Where an `override` decides,
    the border is that of its area, and `plain` is the grid in which the place lies.
    `joint`: of a place nearer to a border than it is known, those that it may belong to, the owner first.
    """

    layer: str
    title: Texts
    status: str
    grid: GridRef | None
    units: tuple[UnitRef, ...]  # the owner's unit and the units above it
    serving: tuple[UnitRef, ...]  # units of the other tree that serve one of them
    on_boundary: bool
    near_border: bool
    edge_m: float | None
    beyond: tuple[Beyond, ...]
    responsible: tuple[Assigned, ...]
    response: Response | None
    finding: Mapping[str, object] | None  # the recorded fault of the tiling, for a gap or an overlap
    is_neighbours: bool = False
    override: OverrideRef | None = None
    plain: GridRef | None = None
    joint: tuple[Party, ...] = ()

    @property
    def on_duty(self) -> bool | None:
        """Whether anybody covers the grid now; none: whoever asks is not shown."""
        if self.is_neighbours or self.status == "hidden":
            return None
        return self.response is not None and self.response.covering is not None


@dataclass(frozen=True)
class Agency:
    """A kind of unit that answers for a matter, and which units of it that is at the place; none: none is known."""

    role: str  # lead, joint
    unit_kind: str
    units: tuple[UnitRef, ...]
    deadline: timedelta | None  # after the matter is told


@dataclass(frozen=True)
class Matter:
    """What is known of a category of matters, and who answers for it: several leads, or any joint, act together."""

    category: str
    title: Texts
    police_matter: bool
    priority: int  # 1 is the most urgent
    handling_minutes: int
    agencies: tuple[Agency, ...]  # leads first


@dataclass(frozen=True)
class Answer:
    """What all layers say of a place, what that stands on, and the instant at which any of it may change."""

    question: Question
    layers: tuple[LayerAnswer, ...]
    matter: Matter | None
    next_change_at: datetime | None
    receipt: Receipt


@dataclass(frozen=True)
class GridState:
    """A grid with its shape (degrees) and its duty state at an instant: one row of a map."""

    layer: str
    grid: GridRef
    unit: UnitRef | None
    shape: BaseGeometry
    responsible: tuple[Assigned, ...]
    response: Response

    @property
    def on_duty(self) -> bool:
        """Whether anybody covers the grid."""
        return self.response.covering is not None
