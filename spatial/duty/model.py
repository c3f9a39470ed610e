"""The words of coverage as values: posts, what takes people off them, and gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatial.duty.spans import Flags, Longs, Spans
from spatial.tables.duty import OFFICER_KINDS

Cause = Literal["unplanned", "redraw", "leave", "break", "no_show", "committed", "unreachable"]
# In this order things fall away of what was planned: the first that leaves nobody is the cause of a gap.
CAUSES: tuple[Cause, ...] = ("unplanned", "redraw", "leave", "break", "no_show", "committed", "unreachable")
EVENTS: tuple[Cause, ...] = ("break", "no_show", "committed", "unreachable")
FORESEEN: tuple[Cause, ...] = ("leave", "break")  # known when a roster is drawn up
SHIFT_KINDS = ("grid", "duty", "standby", "leader", "patrol", "desk")
AUXILIARY = OFFICER_KINDS.index("auxiliary")
NOBODY = -1


@dataclass(frozen=True)
class Posts:
    """Who is on which shift for what: one row for each officer of a shift and each grid or unit that it covers.

    Ids, or `NOBODY`; kinds are places in `SHIFT_KINDS` and `OFFICER_KINDS`. `planned` and `actual` have the number of
    the row as subject, within what is asked for, and may be empty; `is_done`: what was actual is on record.
    """

    shift: Longs
    parent: Longs
    kind: Longs
    is_team: Flags
    officer: Longs
    officer_kind: Longs
    grid: Longs
    unit: Longs
    planned: Spans
    is_done: Flags
    actual: Spans
    until: Longs  # the end of the whole shift as planned

    def __len__(self) -> int:
        return len(self.shift)


@dataclass(frozen=True)
class Off:
    """What takes people off their posts: leaves by officer, events by shift, whose parts are meant, too."""

    leaves: Spans
    events: Mapping[Cause, Spans]


@dataclass(frozen=True)
class Filter:
    """Which posts a step counts; kinds that are empty: any."""

    shift_kinds: tuple[int, ...]
    teams_only: bool
    officer_kinds: tuple[int, ...] = ()

    def counts(self, posts: Posts) -> Flags:
        """Return whether a shift is of the step's kinds, and of a team where it wants one."""
        found: Flags = np.isin(posts.kind, self.shift_kinds) if self.shift_kinds else np.ones(len(posts), bool)
        return found & posts.is_team if self.teams_only else found

    def fits(self, posts: Posts) -> Flags:
        """Return whether somebody is cover: of the step's kinds, or, where any will do, no auxiliary."""
        found: Flags = posts.officer_kind != AUXILIARY
        return np.isin(posts.officer_kind, self.officer_kinds) if self.officer_kinds else found


@dataclass(frozen=True)
class Chain:
    """What covers the grids of a layer: shifts for the grid itself, and shifts for units, each by the units reached.

    `at_units`: shifts that wait at their unit, and are not out in its grids.
    """

    at_grids: Sequence[Filter]
    at_units: Sequence[Filter]
    of_units: Sequence[tuple[Filter, Mapping[int, int]]]  # the unit that a step leads to, by that of the grid


@dataclass(frozen=True)
class Grids:
    """Grids of a layer over a time: by id, with the unit of each or `NOBODY`; several rows where that changes."""

    spans: Spans  # subject: the grid
    unit: Longs

    def __len__(self) -> int:
        return len(self.unit)

    def __getitem__(self, chosen: Flags) -> "Grids":
        return Grids(self.spans[chosen], self.unit[chosen])


@dataclass(frozen=True)
class Redrawn:
    """Grids that got ground of others, and when, in microseconds since 1970."""

    pred: Longs
    succ: Longs
    at: Longs

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Gaps:
    """When nobody covers grids, and why: `cause` is a place in `CAUSES`; by grid, cause and start."""

    spans: Spans  # subject: the grid
    cause: Longs

    def __len__(self) -> int:
        return len(self.cause)

    def __getitem__(self, chosen: Flags | Longs) -> "Gaps":
        return Gaps(self.spans[chosen], self.cause[chosen])
