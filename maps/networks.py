"""The grid networks as a map shows them: each grid's state of duty, and the faults of the tilings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from shapely.geometry.base import BaseGeometry

from spatial.lookup.model import GridState
from spatial.roster.model import OfficerRef, Response, TeamRef

STATES = ("officer", "squad", "crew", "contact", "nobody", "unstaffed")
UNCOVERED = frozenset({"contact", "nobody"})


@dataclass(frozen=True)
class Network:
    """The grids of one layer as the page draws them; the coarsest network has the strong lines."""

    code: str
    title: str
    states: Sequence[GridState]
    is_strong: bool

    @cached_property
    def duty(self) -> list[str]:
        """The state of duty of every grid, as the map shows it."""
        return [state_of(one.response) for one in self.states]

    @cached_property
    def counts(self) -> list[tuple[str, int]]:
        """How many grids are in each state that occurs, in the order of the legend."""
        found = Counter(self.duty)
        return [(state, found[state]) for state in STATES if found[state]]

    @property
    def vacant(self) -> int:
        """How many grids have no lead."""
        return sum(is_vacant(one) for one in self.states)

    @property
    def is_staffed(self) -> bool:
        """Whether the layer has a chain of response at all."""
        return any(one.response.steps for one in self.states)

    @property
    def verdict(self) -> str:
        """The network in one word: `unstaffed`, `some` uncovered, or `all` covered."""
        if not self.is_staffed:
            return "unstaffed"
        return "some" if self.uncovered else "all"

    @property
    def uncovered(self) -> int:
        """How many grids have nobody on duty."""
        return sum(n for state, n in self.counts if state in UNCOVERED)


@dataclass(frozen=True)
class Flaw:
    """A fault in a tiling, as recorded: where, how large, between which grids."""

    kind: str
    codes: Sequence[str]
    area_m2: float | None
    shape: BaseGeometry


def state_of(response: Response) -> str:
    """Return what the map shows of a chain: who covers the grid, or that nobody does.

    `officer`, `squad`, `crew`: the covering step's kind; `contact`: nobody is on duty, but somebody can be called;
    `nobody`: not even that; `unstaffed`: the layer has no chain of response.
    """
    if not response.steps:
        return "unstaffed"
    covering = response.covering
    if covering is None:
        return "nobody" if response.first is None else "contact"
    who = covering.responders[0].who
    if isinstance(who, TeamRef) and who.kind == "squad":
        return "squad"
    return "officer" if isinstance(who, OfficerRef) and covering.step.source == "grid_shift" else "crew"


def is_vacant(state: GridState) -> bool:
    """Whether a grid that is staffed has no lead."""
    return bool(state.response.steps) and not any(one.role == "lead" for one in state.responsible)
