"""Whose some grids are, and who is there: from whatever holds the roster. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from spatial.grids.units import unit_tree
from spatial.history import Reading
from spatial.lookup.model import Candidate
from spatial.lookup.source import GridDuty, Source
from spatial.roster import gather
from spatial.roster.gather import Subjects
from spatial.roster.model import Step
from spatial.roster.rules import Facts, Subject, respond

SOON = timedelta(days=2)  # nearly always something changes within, and few shifts are to be read


def duties(
    source: Source, grids: Sequence[Candidate], at: datetime, zone: ZoneInfo, *, soon: bool = True
) -> dict[int, GridDuty]:
    """Read the roster for some grids at once, and follow each grid's chain of response.

    Of grids whose people are not seen their units are named alone. Unless `soon`, no later shifts are read, and what is
    said of the next change means nothing.
    """
    if not grids:
        return {}
    reading = Reading(at)
    own = [one for one in grids if source.sees_people_of(one.unit_id)]
    chains = gather.chains(source, reading, {one.layer_id for one in own})
    own_tree = unit_tree(source, reading, _units(own))
    tree = own_tree if len(own) == len(grids) else unit_tree(source, reading, _units(grids))
    asking = {one.grid.id for one in own if _asks_neighbours(chains.get(one.layer_id, ()))}
    beside: dict[int, dict[int, int | None]] = {}
    for row in reading.current(source.neighbours(asking) if asking else ()):
        beside.setdefault(row.grid_id, {})[row.other_id] = row.unit_id
    units_beside = {unit_id for others in beside.values() for unit_id in others.values() if unit_id}
    grid_ids = {one.grid.id for one in own}
    subjects = Subjects(grid_ids.union(*beside.values()), own_tree.units.keys() | units_beside)
    horizon = at + SOON if soon else at
    assigned = gather.assigned(source, reading, grid_ids)
    on_shift = gather.on_shift(source, reading, subjects, horizon) if own else []
    asked = {
        subject for one in own for subject in (("grid", one.grid.id), ("unit", one.unit_id), ("layer", one.layer_id))
    }
    facts = Facts(tree, assigned, on_shift, gather.suffice(source, reading, asked, zone))
    if soon and own and (reading.next_change is None or reading.next_change > horizon):
        reading.note(source.first_cover(subjects.grids, subjects.units, horizon))
    found = {}
    for one in grids:
        units = tree.chain(one.unit_id)
        response = None
        if one.grid.id in grid_ids:
            subject = Subject(one.grid.id, one.layer_id, one.unit_id, beside.get(one.grid.id, {}))
            response = respond(chains.get(one.layer_id, ()), subject, facts)
        responsible = tuple(assigned.get(one.grid.id, ()))
        found[one.grid.id] = GridDuty(units, tree.serving(units), responsible, response, reading.next_change)
    return found


def _units(grids: Iterable[Candidate]) -> set[int]:
    return {one.unit_id for one in grids if one.unit_id is not None}


def _asks_neighbours(chain: Sequence[Step]) -> bool:
    return any(step.source == "neighbour_shift" for step in chain)
