"""Posts from the rows of a roster: who is on which shift for what, over the time that all of them share. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from spatial.duty.model import NOBODY, Posts
from spatial.duty.spans import Flags, Longs, Spans, joined, pairs

FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


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
    always = Spans(shifts.officer[alone], *(np.full(len(alone), at) for at in (FIRST, LAST)))
    there = people.serving[serving]
    person = joined([always, Spans(people.member[serving], there.start, there.end)])
    one, version = pairs(person.subject, people.spans.subject)
    shift, kind = shift[one], people.kind[version]
    person = person[one].cut_to(people.spans.start[version], people.spans.end[version])
    one, cover = pairs(shifts.id[shift], covers.spans.subject)
    shift, kind = shift[one], kind[one]
    person = person[one].cut_to(covers.spans.start[cover], covers.spans.end[cover])
    real = np.flatnonzero(person.length)
    return _posts(shifts, covers, person[real], shift[real], kind[real], cover[real])


def _posts(shifts: Shifts, covers: Covers, person: Spans, shift: Longs, kind: Longs, cover: Longs) -> Posts:
    """Return posts of persons, each with the place of the shift and of the cover."""

    def here(spans: Spans) -> Spans:
        return replace(spans[shift], subject=np.arange(len(shift))).cut_to(person.start, person.end)

    return Posts(
        shift=shifts.id[shift],
        parent=shifts.parent[shift],
        kind=shifts.kind[shift],
        is_team=shifts.team[shift] != NOBODY,
        officer=person.subject,
        officer_kind=kind,
        grid=covers.grid[cover],
        unit=covers.unit[cover],
        planned=here(shifts.planned),
        is_done=shifts.is_done[shift],
        actual=here(shifts.actual),
        until=shifts.planned.end[shift],
    )
