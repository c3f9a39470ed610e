"""What somebody sees of what is held in memory, said once, as row-level security says it (0001_roles.sql)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from spatial.db import Reach


@dataclass(frozen=True)
class Sight:
    """The ids of what somebody sees; None stands for all."""

    units: frozenset[int] | None = None
    named: frozenset[int] | None = None  # units that may be named
    rim: frozenset[int] = frozenset()  # grids about theirs
    lent: frozenset[int] = frozenset()  # officers of other units who serve with theirs
    layers: frozenset[int] | None = None

    @classmethod
    def of(cls, reach: Reach | None) -> Self:
        """Return what somebody of a reach sees."""
        if reach is None:
            return cls()
        layers = None if reach.layers is None else frozenset(reach.layers)
        if reach.units is None:
            return cls(layers=layers)
        return cls(frozenset(reach.units), frozenset(reach.named), frozenset(reach.rim), frozenset(reach.lent), layers)

    def owns(self, unit_id: int | None) -> bool:
        """Whether a unit is one of theirs."""
        return self.units is None or unit_id in self.units

    def owns_any(self, unit_ids: Iterable[int | None]) -> bool:
        """Whether any of some units is one of theirs."""
        return self.units is None or any(unit_id in self.units for unit_id in unit_ids)

    def names(self, unit_id: int) -> bool:
        """Whether a unit may be named."""
        return self.named is None or unit_id in self.named

    def knows(self, officer_id: int, unit_id: int) -> bool:
        """Whether an officer of a unit is seen."""
        return self.owns(unit_id) or officer_id in self.lent

    def has_layer(self, layer_id: int) -> bool:
        """Whether a layer is seen."""
        return self.layers is None or layer_id in self.layers
