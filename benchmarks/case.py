"""A benchmark: our way against what a user would pick instead, on the same data, in the same run.

Equality of results comes first. Then both run in turns, five times each unless a case says less; what counts is the
ratio of the medians.
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
    their_work: int | None = None  # where they do a sample of it; the ratio is then one of rates
    rounds: int = ROUNDS


@dataclass(frozen=True)
class Result:
    """The medians of one case, in seconds."""

    case: Case
    ours_s: float
    theirs_s: float

    @property
    def ratio(self) -> float:
        """How many times as fast we are."""
        return (self.theirs_s / self.their_work) / (self.ours_s / self.case.work)

    @property
    def their_work(self) -> int:
        """How much they did."""
        return self.case.their_work or self.case.work

    @property
    def holds(self) -> bool:
        """Whether the floor is kept."""
        return self.ratio >= self.case.floor

    def row(self) -> str:
        """Return the result as a row of a Markdown table."""
        case = self.case
        done = ((case.work, self.ours_s), (self.their_work, self.theirs_s))
        rates = [f"{_rate(work / seconds)} {case.unit}/s" for work, seconds in done]
        return f"| {case.name} | {rates[0]} | {case.their_name}: {rates[1]} | {self.ratio:.2f} | ≥ {case.floor:g} |"


def run(case: Case) -> Result:
    """Check that both ways give the same, then time them in turns."""
    ours, theirs = case.ours(), case.theirs()
    if not case.same(ours, theirs):
        raise AssertionError(f"{case.name}: the results differ")
    timed: tuple[list[float], list[float]] = ([], [])
    for _ in range(case.rounds):
        for seconds, way in zip(timed, (case.ours, case.theirs), strict=True):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    return Result(case, statistics.median(timed[0]), statistics.median(timed[1]))


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.2g}"
