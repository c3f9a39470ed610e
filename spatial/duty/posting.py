"""Posts from the rows of a roster: who is on which shift for what, over the time that all of them share. Pure."""

from dataclasses import dataclass

import numpy as np

from spatial.duty.model import NOBODY, Posts
from spatial.duty.spans import Flags, Longs, Spans, pairs


@dataclass(frozen=True)
class Shifts:
    """Shifts with the officer or the team of each, `NOBODY` for the other; spans have the place of the shift."""

    id: Longs
    parent: Longs
    kind: Longs
    team: Longs
    officer: Longs
    planned: Spans
    is_done: Flags
    actual: Spans


@dataclass(frozen=True)
class Covers:
    """What shifts cover: a grid or a unit, `NOBODY` for the other; `spans` by the id of the shift."""

    spans: Spans
    grid: Longs
    unit: Longs


@dataclass(frozen=True)
class People:
    """Officers over the time that they are of a kind, and in the teams that they serve in; by the id of either."""

    spans: Spans
    kind: Longs
    serving: Spans
    member: Longs  # officers, in the order of `serving`


def posts_of(shifts: Shifts, covers: Covers, people: People) -> Posts:
    """Return one post for each officer of a shift, each kind they are of, and each thing that the shift covers."""
    alone = np.flatnonzero(shifts.officer != NOBODY)
    served, serving = pairs(shifts.team, people.serving.subject)  # no team has the id of nobody
    shift = np.concatenate([alone, served])
    officer = np.concatenate([shifts.officer[alone], people.member[serving]])
    far = np.iinfo(np.int64)
    start = np.concatenate([np.full(len(alone), far.min), people.serving.start[serving]])
    end = np.concatenate([np.full(len(alone), far.max), people.serving.end[serving]])
    one, version = pairs(officer, people.spans.subject)
    shift, officer, kind = shift[one], officer[one], people.kind[version]
    start = np.maximum(start[one], people.spans.start[version])
    end = np.minimum(end[one], people.spans.end[version])
    one, cover = pairs(shifts.id[shift], covers.spans.subject)
    shift, officer, kind = shift[one], officer[one], kind[one]
    start = np.maximum(start[one], covers.spans.start[cover])
    end = np.minimum(end[one], covers.spans.end[cover])
    real = np.flatnonzero(start < end)
    return _posts(shifts, covers, shift[real], officer[real], kind[real], cover[real], start[real], end[real])


def _posts(
    shifts: Shifts, covers: Covers, shift: Longs, officer: Longs, kind: Longs, cover: Longs, start: Longs, end: Longs
) -> Posts:
    number = np.arange(len(shift))

    def here(spans: Spans) -> Spans:
        begun, ended = np.maximum(spans.start[shift], start), np.minimum(spans.end[shift], end)
        return Spans(number, begun, np.maximum(begun, ended))

    return Posts(
        shift=shifts.id[shift],
        parent=shifts.parent[shift],
        kind=shifts.kind[shift],
        is_team=shifts.team[shift] != NOBODY,
        officer=officer,
        officer_kind=kind,
        grid=covers.grid[cover],
        unit=covers.unit[cover],
        planned=here(shifts.planned),
        is_done=shifts.is_done[shift],
        actual=here(shifts.actual),
        until=shifts.planned.end[shift],
    )
