"""When nobody covers a grid, and why. Pure.

A grid is covered by whom its layer's chain of response counts as cover: by shifts for it, for its unit, or for a unit
that a step of the chain leads to. The law of `spatial.roster.rules.respond`, for all grids and a whole time at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spatial.duty.cover import THERE, Pieces, of_subjects
from spatial.duty.model import AUXILIARY, CAUSES, NOBODY, Chain, Filter, Gaps, Grids, Posts, Redrawn
from spatial.duty.spans import NONE, Flags, Longs, Spans, common, joined, merged, minus, pairs


@dataclass(frozen=True)
class Covering:
    """Posts that cover: of units of grids, and of grids themselves, each with the place of the post.

    `units` and `grids` are of people who are cover by themselves, `aided_…` of auxiliaries, where a rule lets them be.
    """

    units: tuple[Longs, Longs]
    grids: tuple[Longs, Longs]
    aided_units: tuple[Longs, Longs]
    aided_grids: tuple[Longs, Longs]


def gaps(
    grids: Grids, chain: Chain, posts: Posts, pieces: Pieces, *, aided: Spans = NONE, redrawn: Redrawn | None = None
) -> Gaps:
    """Return when nobody covers grids of a layer, while the chain holds, and why.

    `aided`: when auxiliaries suffice, by grid; `redrawn`: where ground passed to grids whose cover did not come along.
    """
    there = covering(grids, chain, posts)
    unit_open = minus(_whole_of_units(grids), _of_units(there, pieces, THERE))
    open_ = merged(_spread(grids, unit_open))
    open_ = minus(open_, merged(_of_grids(there, pieces, THERE)))
    if len(aided):
        open_ = minus(open_, _aid(grids, there, pieces, THERE, aided))

    def lost(place: int) -> Spans:
        if CAUSES[place] == "redraw":
            return NONE if redrawn is None else _passed(grids, there, posts, redrawn)
        of_units = _spread(grids, _of_units(there, pieces, place))
        return joined([of_units, _of_grids(there, pieces, place), _aid(grids, there, pieces, place, aided)])

    return _attributed(open_, lost)


def gaps_of_units(units: Spans, step: Filter, posts: Posts, pieces: Pieces, *, is_cover: bool) -> Gaps:
    """Return when a step finds nobody at units, and why; at one that is no cover auxiliaries will do.

    `units`: over which time something is asked of them.
    """
    which = step.counts(posts) & (step.fits(posts) if is_cover or step.officer_kinds else np.ones(len(posts), bool))
    there = _reached({unit: unit for unit in np.unique(units.subject).tolist()}, posts, which)
    open_ = minus(merged(units), merged(of_subjects(pieces.get(THERE, NONE), *there)))
    return _attributed(open_, lambda place: of_subjects(pieces.get(place, NONE), *there))


def _attributed(open_: Spans, lost: Callable[[int], Spans]) -> Gaps:
    """Return when nobody is there by cause, by subject and start: `lost`, when somebody would be but for a cause."""
    found = []
    for place in reversed(range(1, len(CAUSES))):
        by_this = common(open_, merged(lost(place)))
        found.append((by_this, place))
        open_ = minus(open_, by_this)
    found.append((open_, 0))
    spans = joined(part for part, _ in found)
    cause = np.concatenate([np.full(len(part), place) for part, place in found])
    order = np.lexsort((spans.start, spans.subject))
    return Gaps(spans, cause)[order]


def covering(grids: Grids, chain: Chain, posts: Posts) -> Covering:
    """Return which posts cover which units of grids, and which grids."""
    nobody = np.zeros(len(posts), bool)
    waits = np.logical_or.reduce([nobody, *(one.counts(posts) for one in chain.at_units)])
    at_grids = [(one, one.counts(posts)) for one in chain.at_grids]
    fitting = np.logical_or.reduce([nobody, *(counts & one.fits(posts) for one, counts in at_grids)])
    helping = np.logical_or.reduce([nobody, *(counts for _, counts in at_grids)]) & (posts.officer_kind == AUXILIARY)
    of_grid = posts.grid != NOBODY
    own = {unit: unit for unit in np.unique(grids.unit).tolist() if unit != NOBODY}
    units = [_reached(own, posts, fitting & ~waits)]
    aided = [_reached(own, posts, helping & ~waits)]
    for one, leads in chain.of_units:
        counts = one.counts(posts)
        units.append(_reached(leads, posts, counts & one.fits(posts)))
        aided.append(_reached(leads, posts, counts & (posts.officer_kind == AUXILIARY)))
    direct, helpers = np.flatnonzero(fitting & of_grid), np.flatnonzero(helping & of_grid)
    return Covering(_all(units), (posts.grid[direct], direct), _all(aided), (posts.grid[helpers], helpers))


def _reached(leads: Mapping[int, int], posts: Posts, which: Flags) -> tuple[Longs, Longs]:
    """Return the units of grids beside the posts, among some, of the units that these lead to."""
    of_unit = np.flatnonzero(which & (posts.unit != NOBODY))
    units, reached = np.array(list(leads.keys()), np.int64), np.array(list(leads.values()), np.int64)
    unit, post = pairs(reached, posts.unit[of_unit])
    return units[unit], of_unit[post]


def _all(several: list[tuple[Longs, Longs]]) -> tuple[Longs, Longs]:
    subjects, posts = zip(*several, strict=True)
    return np.concatenate(subjects), np.concatenate(posts)


def _whole_of_units(grids: Grids) -> Spans:
    """Return all the time that is asked of, for each unit of grids, and for grids without one."""
    units = np.unique(grids.unit)
    if len(units) == 0:
        return NONE
    return Spans(units, *(np.full(len(units), at) for at in (grids.spans.start.min(), grids.spans.end.max())))


def _of_units(there: Covering, pieces: Pieces, what: int) -> Spans:
    return merged(of_subjects(pieces.get(what, NONE), *there.units))


def _of_grids(there: Covering, pieces: Pieces, what: int) -> Spans:
    return of_subjects(pieces.get(what, NONE), *there.grids)


def _spread(grids: Grids, of_units: Spans) -> Spans:
    """Return what is so of units as it is of their grids, while they are theirs."""
    grid, span = pairs(grids.unit, of_units.subject)
    found = grids.spans[grid].cut_to(of_units.start[span], of_units.end[span])
    return found[found.length > 0]


def _passed(grids: Grids, there: Covering, posts: Posts, redrawn: Redrawn) -> Spans:
    """Return when grids would be covered, had whoever was on the ground as it passed to them stayed till the end."""
    grid, post = there.grids
    ground, one = pairs(redrawn.pred, grid)
    at, number = redrawn.at[ground], post[one]
    was_there = (posts.planned.start[number] < at) & (posts.planned.end[number] >= at)
    passed = Spans(redrawn.succ[ground][was_there], at[was_there], posts.until[number][was_there])
    return common(merged(grids.spans), merged(passed))


def _aid(grids: Grids, there: Covering, pieces: Pieces, what: int, aided: Spans) -> Spans:
    """Return when auxiliaries are, or were to be, in grids where they suffice."""
    part = pieces.get(what, NONE)
    of_units = _spread(grids, merged(of_subjects(part, *there.aided_units)))
    return common(merged(joined([of_units, of_subjects(part, *there.aided_grids)])), merged(aided))
