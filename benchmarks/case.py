"""A benchmark: our way against what a user would pick instead, on the same data, in the same run.

Equality of results comes first. Then both run in turns, five times each; what counts is the ratio of the medians.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """Our way, their way, and the least ratio theirs/ours that is acceptable; `unit` names what is done per second."""

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    their_name: str
    floor: float
    work: int
    unit: str
    same: Callable[[Any, Any], bool] = lambda ours, theirs: bool(ours == theirs)


@dataclass(frozen=True)
class Result:
    """The medians of one case, in seconds."""

    case: Case
    ours_s: float
    theirs_s: float

    @property
    def ratio(self) -> float:
        """How many times as fast we are."""
        return self.theirs_s / self.ours_s

    @property
    def holds(self) -> bool:
        """Whether the floor is kept."""
        return self.ratio >= self.case.floor

    def row(self) -> str:
        """Return the result as a row of a Markdown table."""
        case = self.case
        rates = [f"{case.work / seconds:,.0f} {case.unit}/s" for seconds in (self.ours_s, self.theirs_s)]
        return f"| {case.name} | {rates[0]} | {case.their_name}: {rates[1]} | {self.ratio:.2f} | ≥ {case.floor:g} |"


def run(case: Case) -> Result:
    """Check that both ways give the same, then time them in turns."""
    ours, theirs = case.ours(), case.theirs()
    if not case.same(ours, theirs):
        raise AssertionError(f"{case.name}: the results differ")
    timed: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for seconds, way in zip(timed, (case.ours, case.theirs), strict=True):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    return Result(case, statistics.median(timed[0]), statistics.median(timed[1]))
