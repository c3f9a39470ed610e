"""What static/grids.js draws: networks, states of duty and faults, in as few bytes as a whole city needs."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from maps.compact import Strings, encode, steps
from maps.networks import STATES, UNCOVERED, Flaw, Network, is_vacant
from maps.people import Line, Reader
from spatial.geometry import Floats
from spatial.grids.display import UNITS_PER_DEGREE, Drawing, drawing
from spatial.lookup.model import GridState

OLD_AFTER_MIN = 5
DISPLAY_DECIMALS = 6
PAGE_TEXTS = (
    "responsible",
    "chain",
    "vacant",
    "vacant_label",
    "nobody_label",
    "colon",
    "zoom_in",
    "zoom_out",
    "age",
    "lookup",
    "found",
    "not_found",
)


def page_data(networks: Sequence[Network], flaws: Sequence[Flaw], reader: Reader) -> dict[str, Any]:
    """Return all that the page's script knows."""
    shapes = [one.shape for network in networks for one in network.states]
    picture = drawing(shapes)
    west, south, east, north = shapely.total_bounds(shapes).tolist() if shapes else (0.0, 0.0, 0.0, 0.0)
    strings = Strings()
    first = 0
    layers = []
    for network in networks:
        layers.append(_layer(network, picture, first, strings, reader))
        first += len(network.states)
    return {
        "at": reader.at.isoformat(),
        "at_local": f"{reader.at.astimezone(reader.zone):%Y-%m-%dT%H:%M}",
        "old_after_min": OLD_AFTER_MIN,
        "bounds": [[south, west], [north, east]],
        "states": {state: reader.say(f"map.state.{state}") for state in STATES},
        "alarms": sorted(UNCOVERED),
        "texts": {key: reader.say(f"map.page.{key}") for key in PAGE_TEXTS},
        "flaws": [_flaw(one, reader) for one in flaws],
        "units_per_degree": UNITS_PER_DEGREE,
        "arcs": {
            "lengths": encode([len(arc) for arc in picture.arcs]),
            "steps": steps(np.concatenate([*picture.arcs, np.empty((0, 2), dtype=np.int64)])),
        },
        "layers": layers,
        "strings": strings.all(),
    }


def _layer(network: Network, picture: Drawing, first: int, strings: Strings, reader: Reader) -> dict[str, Any]:
    """Return a network: its title, and of its grids the shapes, the spots for labels, and rows of what popups say."""
    rings = picture.rings[first : first + len(network.states)]
    steps_of_chain = network.states[0].response.steps
    return {
        "title": network.title,
        "strong": network.is_strong,
        "staffed": network.is_staffed,
        "chain": [reader.titled(one.step.title) for one in steps_of_chain],
        "rings": encode([n for shape in rings for n in chain([len(shape)], *([len(ring), *ring] for ring in shape))]),
        "middles": steps(np.rint(_middles([one.shape for one in network.states]) * UNITS_PER_DEGREE)),
        "grids": [_row(one, duty, strings, reader) for one, duty in zip(network.states, network.duty, strict=True)],
    }


def _row(one: GridState, duty: str, strings: Strings, reader: Reader) -> list[Any]:
    """Return code, name, unit, state, whether vacant, whom to call, who is responsible, outcomes, step that answers."""
    first = one.response.first
    return [
        one.grid.code,
        one.grid.name,
        strings.number(one.unit.name if one.unit else ""),
        STATES.index(duty),
        int(is_vacant(one)),
        _lines((reader.responder(responder) for responder in first.responders), strings) if first else [],
        _lines((reader.assigned(assigned) for assigned in one.responsible), strings),
        strings.numbers(reader.outcome(step) for step in one.response.steps),
        one.response.steps.index(first) if first else -1,
    ]


def _lines(lines: Iterable[Line], strings: Strings) -> list[int]:
    """Return what is read first and what stands beside it, in turns."""
    return strings.numbers(text for line in lines for text in (line.main, line.detail))


def _middles(shapes: Sequence[BaseGeometry]) -> Floats:
    """Return longitude and latitude of a point inside every shape, for its label."""
    return shapely.get_coordinates(shapely.point_on_surface(np.asarray(shapes, dtype=object)))


def _flaw(one: Flaw, reader: Reader) -> dict[str, Any]:
    """Return a fault of a tiling as it is drawn: its shape as it is, and a ring around it, for most are tiny."""
    area = reader.say("map.area", m2=f"{one.area_m2:,.1f}") if one.area_m2 is not None else ""
    (lon, lat), *_ = np.round(_middles([one.shape]), DISPLAY_DECIMALS).tolist()
    return {
        "title": reader.say_or(f"import.finding.{one.kind}", one.kind),
        "detail": " · ".join(filter(None, [", ".join(one.codes), area])),
        "at": [lat, lon],
        "shape": shapely.geometry.mapping(
            shapely.transform(one.shape, lambda lonlat: np.round(lonlat, DISPLAY_DECIMALS))
        ),
    }
