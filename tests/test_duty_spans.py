"""Sets of time by arrays are sets of time."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial.duty.spans import NONE, Spans, common, joined, merged, minus, pairs

instants = st.integers(0, 30)
some = st.lists(st.tuples(st.integers(0, 3), instants, instants), max_size=12)


def spans(rows: list[tuple[int, int, int]]) -> Spans:
    """Return spans, empty ones and those that overlap among them."""
    return Spans(*np.array([(n, min(a, b), max(a, b)) for n, a, b in rows], np.int64).reshape(-1, 3).T)


def ticks(one: Spans) -> dict[int, set[int]]:
    """Return the whole instants in each subject's spans."""
    found: dict[int, set[int]] = defaultdict(set)
    for subject, start, end in zip(one.subject.tolist(), one.start.tolist(), one.end.tolist(), strict=True):
        found[subject] |= set(range(start, end))
    return {subject: its for subject, its in found.items() if its}


def is_set(one: Spans) -> bool:
    """Whether spans are in order, none empty, and none meeting the next of its subject."""
    same = one.subject[1:] == one.subject[:-1]
    in_order = bool((np.diff(one.subject) >= 0).all() and (one.start[1:] > one.end[:-1])[same].all())
    return in_order and bool((one.start < one.end).all())


@given(some, some)
def test_sets_of_time_are_sets(first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]) -> None:
    """Union, difference and intersection, subject by subject, are those of the instants; all are in order."""
    one, other = merged(spans(first)), merged(spans(second))
    assert ticks(one) == ticks(spans(first))
    assert ticks(merged(joined([one, other]))) == ticks(spans(first + second))
    for made, expected in ((minus(one, other), set.__sub__), (common(one, other), set.__and__)):
        assert is_set(made)
        left, right = ticks(one), ticks(other)
        found = {subject: expected(left.get(subject, set()), right.get(subject, set())) for subject in left}
        assert ticks(made) == {subject: its for subject, its in found.items() if its}
    assert all(map(is_set, (one, other)))


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_pairs_are_all_pairs(left: list[int], right: list[int]) -> None:
    """Each place of one beside each place of the other that has the same value."""
    one, other = np.array(left, np.int64), np.array(right, np.int64)
    found = set(zip(*(part.tolist() for part in pairs(one, other)), strict=True))
    assert found == {(n, m) for n, a in enumerate(left) for m, b in enumerate(right) if a == b}


def test_nothing_is_a_set() -> None:
    """Of nothing is left nothing."""
    assert [len(made) for made in (merged(NONE), minus(NONE, NONE), common(NONE, NONE), joined([]))] == [0] * 4


@pytest.mark.parametrize("far", [2**40, 1_700_000_000_000_000])
def test_real_instants_fit(far: int) -> None:
    """Microseconds of our days, of a hundred thousand subjects."""
    subject = np.arange(100_000)
    one = merged(Spans(subject, np.full(100_000, far), np.full(100_000, far + 31 * 86_400_000_000)))
    assert len(one) == 100_000
    assert set(one.length.tolist()) == {31 * 86_400_000_000}
