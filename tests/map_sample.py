"""A small made-up street for tests of pages: 6 police grids over 24 governance grids, in every state of duty."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import numpy as np
import shapely
from scipy.spatial import cKDTree
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from spatial.grids.units import UnitRef
from spatial.lookup.model import GridRef, GridState
from spatial.roster.model import Assigned, OfficerRef, Responder, Response, Step, StepOutcome, TeamRef

AT = datetime(2025, 3, 5, 6, 5, tzinfo=UTC)  # a Wednesday, 14:05 in Shanghai
UNTIL = AT + timedelta(hours=6)
EVIL = "<script>alert(1)</script>{{ 7 * 7 }}{% raw %}"

STATION = UnitRef(
    1, "330110570000", "九堡派出所", "station", {"desk": "综合指挥室", "phone": "0571-0000 0110", "radio": "九堡1"}
)
CENTRE = UnitRef(2, "330110012000", "九堡街道", "street", {"desk": "综治中心", "phone": "0571-0000 0120"})
OFFICER = OfficerRef(1, "032117", "陈立", "community_officer", STATION, "139 0000 0001")
WORKER = OfficerRef(2, "W-0031", "林小芳", "grid_worker", CENTRE, None)
SQUAD = TeamRef(1, "S-07", "东片七组", "squad", "九堡东七", "九堡3", "浙A·0107警", STATION, (OFFICER, WORKER))
CREW = TeamRef(2, "C-02", "值班二组", "crew", "九堡值班二", "九堡1", None, STATION, (OFFICER,))


def step(key: str, zh: str, en: str, source: str, *, is_cover: bool) -> Step:
    empty: frozenset[str] = frozenset()
    return Step(1, 1, key, {"zh-CN": zh, "en": en}, source, (), empty, empty, empty, False, is_cover)


OWN = step("own", "责任民警", "community officer", "grid_shift", is_cover=True)
SQUADS = step("squad", "片区巡组", "patrol squad", "grid_shift", is_cover=True)
DUTY = step("crew", "值班备勤组", "duty crew", "unit_shift", is_cover=True)
DESK = step("desk", "综合指挥室", "command room", "unit_desk", is_cover=False)


def outcome(which: Step, who: OfficerRef | TeamRef | UnitRef | None, reason: str = "nobody-on-shift") -> StepOutcome:
    if who is None:
        return StepOutcome(which, STATION, (), reason)
    on_duty = not isinstance(who, UnitRef)
    return StepOutcome(which, STATION, (Responder(who, "duty", UNTIL, on_duty),), "on-duty" if on_duty else "contact")


RESPONSES = {
    "officer": Response((outcome(OWN, OFFICER), outcome(SQUADS, SQUAD), outcome(DUTY, CREW), outcome(DESK, STATION))),
    "squad": Response((outcome(OWN, None), outcome(SQUADS, SQUAD), outcome(DUTY, CREW), outcome(DESK, STATION))),
    "crew": Response((outcome(OWN, None), outcome(SQUADS, None), outcome(DUTY, CREW), outcome(DESK, STATION))),
    "contact": Response((outcome(OWN, None), outcome(DUTY, None, "auxiliaries-alone"), outcome(DESK, STATION))),
    "nobody": Response((outcome(OWN, None), outcome(DUTY, None), outcome(DESK, None, "no-desk"))),
    "unstaffed": Response(()),
}


def states(evil: bool = False) -> list[GridState]:
    """Return both networks; police grids are unions of governance grids."""
    cells = {(x, y): _cell(x, y) for x, y in product(range(6), range(4))}
    police = ["officer", "squad", "crew", "officer", "nobody", "contact"]
    governance = ["officer"] * 14 + ["squad", "crew", "crew", "nobody", "contact", "officer"] * 2
    found = []
    for n, (x, y) in enumerate(product(range(3), range(2))):
        own = [cells[2 * x + dx, 2 * y + dy] for dx, dy in product(range(2), range(2))]
        name = EVIL if evil and n == 0 else f"第{'一二三四五六'[n]}警格"
        lead = () if n == 2 else (Assigned(n, "lead", OFFICER, "annual" if n == 1 else None, None, None),)
        found.append(_state("police", n, f"JB-{n + 1:02}", name, STATION, shapely.union_all(own), lead, police[n]))
    for n, (spot, shape) in enumerate(cells.items()):
        lead = () if n == 3 else (Assigned(n, "lead", WORKER, None, None, None),)
        name = f"第{spot[0] * 4 + spot[1] + 1}网格"
        found.append(_state("governance", 100 + n, f"3301100120{n:05}", name, CENTRE, shape, lead, governance[n]))
    return found


def _state(
    layer: str,
    id_: int,
    code: str,
    name: str,
    unit: UnitRef,
    shape: BaseGeometry,
    people: tuple[Assigned, ...],
    state: str,
) -> GridState:
    return GridState(layer, GridRef(id_, code, name, "regular", None, None), unit, shape, people, RESPONSES[state])


def _cell(x: int, y: int) -> Polygon:
    corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]
    line = [point for a, b in pairwise(corners) for point in _wiggle(a, b)]
    return Polygon([(120.26 + 0.005 * px, 30.29 + 0.004 * py) for px, py in line])


def _wiggle(a: tuple[int, int], b: tuple[int, int], parts: int = 12) -> list[tuple[float, float]]:
    """Return the points from a towards b of a bent edge that is the same from either side."""
    (ax, ay), (bx, by) = sorted((a, b))
    bend = 0.12 * math.sin(3 * ax + 5 * ay + 7 * (by - ay))
    line = [
        (
            ax + (bx - ax) * t - (by - ay) * bend * math.sin(math.pi * t),
            ay + (by - ay) * t + (bx - ax) * bend * math.sin(2 * math.pi * t),
        )
        for t in (n / parts for n in range(parts + 1))
    ]
    return (line if (ax, ay) == a else line[::-1])[:-1]


def city(columns: int = 110, rows: int = 87, beats: int = 1194, parts: int = 24, seed: int = 1) -> list[GridState]:
    """Return networks of the size of a prefecture: police grids are unions of governance grids, some of detached parts.

    Borders bend; every grid has people of its own, so that nothing repeats that would not repeat in a real city.
    """
    spots = list(product(range(columns), range(rows)))
    cells = [_city_cell(x, y, parts) for x, y in spots]
    seeds = np.random.default_rng(seed).choice(len(spots), beats, replace=False)
    _, owner = cKDTree(np.array(spots)[seeds]).query(spots)
    unions = [shapely.coverage_union_all([cells[spot] for spot in np.flatnonzero(owner == n)]) for n in range(beats)]
    police = [_beat(n, shape) for n, shape in enumerate(unions)]
    return police + [_cell_state(n, shape) for n, shape in enumerate(cells, start=beats)]


def _beat(n: int, shape: BaseGeometry) -> GridState:
    officer = replace(OFFICER, id=n, number=f"{n:06}", name=f"陈{n}")
    others = RESPONSES["squad" if n % 97 else "contact"].steps[1:]
    lead = (Assigned(n, "lead", officer, None, None, None),) if n % 31 else ()
    grid = GridRef(n, f"JB{n:05}", f"第{n}警格", "regular", None, None)
    response = Response((outcome(OWN, officer if n % 9 else None), *others))
    return GridState("police", grid, STATION, shape, lead, response)


def _cell_state(n: int, shape: BaseGeometry) -> GridState:
    worker = replace(WORKER, id=n, number=f"W{n:06}", name=f"林{n}")
    others = RESPONSES["crew" if n % 7 else "nobody"].steps[1:]
    people = tuple(Assigned(n, role, worker, None, None, None) for role in ("lead", "deputy")) if n % 50 else ()
    grid = GridRef(n, f"3203110{n:08}", f"永安社区第{n}网格", "regular", None, None)
    response = Response((outcome(OWN, worker if n % 40 else None), *others))
    return GridState("governance", grid, CENTRE, shape, people, response)


def _city_cell(x: int, y: int, parts: int) -> Polygon:
    corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]
    line = [point for a, b in pairwise(corners) for point in _wiggle(a, b, parts)]
    return Polygon([(116.5 + 0.012 * px, 33.8 + 0.01 * py) for px, py in line])
