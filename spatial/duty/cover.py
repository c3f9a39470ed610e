"""When people are on their posts, and what took them off: each post in pieces, by what became of it. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from spatial.duty.model import CAUSES, Cause, Off, Posts
from spatial.duty.spans import NONE, Longs, Spans, common, joined, merged, minus, pairs

THERE = len(CAUSES)  # what becomes of a piece of a post that nothing takes away
Pieces = Mapping[int, Spans]  # sets of time, of posts, by what became of them: a place in `CAUSES`, or `THERE`


def pieces(posts: Posts, off: Off, causes: Sequence[Cause]) -> Pieces:
    """Return when people are there and when they are off, and why; of several causes the first in order.

    Of planned shifts alone where no cause is one that comes up on the day; else as they were done, and what was planned
    and not done is a no-show.
    """
    is_foreseen = "no_show" not in causes
    standing = posts.planned if is_foreseen else joined([posts.planned, posts.actual[posts.is_done]])
    rest = merged(standing)
    cuts = {cause: _cuts(posts, off, cause) for cause in causes}
    if not is_foreseen:
        undone = minus(merged(posts.planned[posts.is_done]), merged(posts.actual[posts.is_done]))
        cuts["no_show"] = joined([cuts["no_show"], undone])
    touched = np.zeros(len(posts), bool)
    for cut in cuts.values():
        touched[cut.subject] = True
    found = {}
    cut_up = rest[touched[rest.subject]]
    for cause in (cause for cause in CAUSES if cause in causes):
        cut = merged(cuts[cause])
        found[CAUSES.index(cause)] = common(cut_up, cut)
        cut_up = minus(cut_up, cut)
    found[THERE] = joined([rest[~touched[rest.subject]], cut_up])
    return found


def _cuts(posts: Posts, off: Off, cause: Cause) -> Spans:
    """Return when posts lose their people to a cause, by post: an absence from a shift is one from its parts."""
    if cause == "leave":
        return _of(off.leaves, posts.officer)
    spans = off.events.get(cause, NONE)
    return joined([_of(spans, posts.shift), _of(spans, posts.parent)])


def _of(spans: Spans, key: Longs) -> Spans:
    """Return spans of what keys name, by the place of the key."""
    span, place = pairs(spans.subject, key)
    return Spans(place, spans.start[span], spans.end[span])


def of_subjects(part: Spans, subject: Longs, post: Longs) -> Spans:
    """Return pieces of posts as those of subjects, which are given with a post of theirs each."""
    one, piece = pairs(post, part.subject)
    return Spans(subject[one], part.start[piece], part.end[piece])
