"""What a plan changes as a whole, and what passes from grid to grid by it."""

from collections.abc import Sequence
from typing import Any

import shapely
from sqlalchemy.orm import Session

from spatial.geometry import area_m2
from spatial.history import Moment
from spatial.overlaps import queries as counted
from spatial.overlaps.model import Period
from spatial.redraw import queries
from spatial.redraw.draft import Base, Draft, changes_on
from spatial.redraw.model import Change, array_of, bounds_of
from spatial.redraw.passing import LEAST_M2, Passing, Points, passings
from spatial.tables import Plan


def whole_change(session: Session, plan: Plan) -> list[Change]:
    """Return what a plan changes, from its base to where it stands."""
    ops = queries.chain(session, plan.id, plan.head)
    changes = changes_on(session, plan.id, ops).values()
    return [one for one in changes if not (one.was is None and one.becomes is None) and not _is_idle(one)]


def passings_of(session: Session, plan: Plan, changes: Sequence[Change], base: Base) -> list[Passing]:
    """Return what passes from grid to grid by changes over a base."""
    bounds = bounds_of(changes)
    places = {one.place for one in changes}
    layer_ids = {place.layer_id for place in places}
    around = [grid for grid in Draft(session, plan.id, base, []).within(layer_ids, bounds) if grid.place not in places]
    start, end = plan.counted.lower, plan.counted.upper
    assert start is not None and end is not None  # noqa: PT018, S101  # as `create` wrote it
    moment = Moment(plan.base_at, plan.created_at)
    addresses = Points(*counted.addresses(session, bounds))
    incidents = Points(*counted.incidents(session, moment, Period(start, end), bounds))
    return passings(changes, around, addresses, incidents)


def _is_idle(change: Change) -> bool:
    """Whether a grid is, after all operations, as it was, but for a lock, which is the plan's alone."""
    if change.was is None or change.becomes is None:
        return change.was is change.becomes
    told = {**change.was.told, "is_locked": change.becomes.is_locked}
    return told == change.becomes.told and change.was.is_drawn_as(change.becomes)


def kind_of(one: Change) -> str:
    """Return in one word what becomes of a grid: new, ended, reshaped, renumbered, described, cells or noded."""
    if one.was is None or one.becomes is None:
        return "new" if one.was is None else "ended"
    moved = one.was.shape.symmetric_difference(one.becomes.shape)
    sizes = area_m2(array_of([shapely.MultiPolygon(), *_polygons(moved)]))
    if float(sizes.sum()) > LEAST_M2:
        return "reshaped"
    if one.was.code != one.becomes.code:
        return "renumbered"
    aside = {"holders": {}, "is_locked": False}
    if one.was.told | aside != one.becomes.told | aside:
        return "described"
    return "cells" if one.was.holders != one.becomes.holders else "noded"


def _polygons(shape: Any) -> list[Any]:
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
