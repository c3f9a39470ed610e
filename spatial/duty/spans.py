"""Sets of time, one for each of many subjects, as arrays: instants in microseconds since 1970. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def instant(us: int) -> datetime:
    """Return the instant of so many microseconds since 1970."""
    return EPOCH + us * MICROSECOND


@dataclass(frozen=True)
class Spans:
    """Spans `[start, end)` of subjects, which are numbers.

    A set of time is what `merged` returns: by subject and start; no span is empty, and none meets the next one.
    """

    subject: Longs
    start: Longs
    end: Longs

    def __len__(self) -> int:
        return len(self.subject)

    def __getitem__(self, chosen: Flags | Longs | slice) -> Self:
        return type(self)(self.subject[chosen], self.start[chosen], self.end[chosen])

    def cut_to(self, start: Longs | int, end: Longs | int) -> Self:
        """Return each as far as it is within one given for it, or for all; what is left may be empty."""
        begun = np.maximum(self.start, start)
        return type(self)(self.subject, begun, np.maximum(begun, np.minimum(self.end, end)))

    @property
    def length(self) -> Longs:
        """How long each is, in microseconds."""
        return self.end - self.start


NONE = Spans(*np.empty((3, 0), np.int64))


def joined(several: Iterable[Spans]) -> Spans:
    """Return the spans of several, one after the other."""
    given = list(several) or [NONE]
    return Spans(*(np.concatenate([getattr(one, name) for one in given]) for name in ("subject", "start", "end")))


def merged(spans: Spans) -> Spans:
    """Return spans as a set of time for each subject: those that overlap or meet become one."""
    chosen = spans[spans.start < spans.end]
    chosen = chosen[np.lexsort((chosen.start, chosen.subject))]
    if len(chosen) == 0:
        return NONE
    # what comes later of all before, by subject: each has a stretch of its own on one line
    rank = np.cumsum(np.diff(chosen.subject, prepend=chosen.subject[0]) != 0)
    shift = rank * (chosen.end.max() - chosen.start.min() + 1)
    reached = np.maximum.accumulate(chosen.end + shift)
    begins = np.ones(len(chosen), bool)
    begins[1:] = chosen.start[1:] + shift[1:] > reached[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(chosen)) - 1
    return Spans(chosen.subject[first], chosen.start[first], (reached - shift)[last])


def minus(one: Spans, other: Spans) -> Spans:
    """Return what is in one set of time and not in the other one, subject by subject."""
    segments, in_one, in_other = _swept(one, other)
    return segments[in_one & ~in_other]


def common(one: Spans, other: Spans) -> Spans:
    """Return what is in both of two sets of time, subject by subject."""
    segments, in_one, in_other = _swept(one, other)
    return segments[in_one & in_other]


def _swept(one: Spans, other: Spans) -> tuple[Spans, Flags, Flags]:
    """Return the time between any two instants at which something begins or ends, and in which set it is."""
    subject = np.concatenate([one.subject, one.subject, other.subject, other.subject])
    at = np.concatenate([one.start, one.end, other.start, other.end])
    steps = np.repeat(np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.int8), [len(one)] * 2 + [len(other)] * 2, axis=0)
    order = np.lexsort((at, subject))
    subject, at = subject[order], at[order]
    inside = np.cumsum(steps[order], axis=0, dtype=np.int64)[:-1] > 0
    segments = Spans(subject[:-1], at[:-1], at[1:])
    real = (subject[:-1] == subject[1:]) & (at[:-1] < at[1:])
    return segments[real], inside[real, 0], inside[real, 1]


def lengths(spans: Spans) -> dict[int, int]:
    """Return how long the spans of each subject are together, in microseconds."""
    subject, number = np.unique(spans.subject, return_inverse=True)
    found = np.zeros(len(subject), np.int64)
    np.add.at(found, number, spans.length)
    return dict(zip(subject.tolist(), found.tolist(), strict=True))


def pairs(one: Longs, other: Longs) -> tuple[Longs, Longs]:
    """Return the places of all pairs of equal values of two arrays, by the place in the first one."""
    order = np.argsort(other, kind="stable")
    among = other[order]
    low, high = np.searchsorted(among, one, "left"), np.searchsorted(among, one, "right")
    count = high - low
    left = np.repeat(np.arange(len(one)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(low, count) + within]
