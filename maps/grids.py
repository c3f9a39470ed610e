"""The map of the grids of both networks: who covers each now, and where nobody is on duty."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import folium
import numpy as np
import shapely
from jinja2 import Template
from shapely.geometry.base import BaseGeometry

from maps.offline import STATIC, TEMPLATES, OfflineMap
from maps.people import Reader
from spatial.lookup.model import GridState
from spatial.roster.model import OfficerRef, Response, TeamRef, Texts

DISPLAY_DECIMALS = 6  # 0.1 m: of the picture, never of an answer
STATES = ("officer", "squad", "crew", "contact", "nobody", "unstaffed")
UNCOVERED = frozenset({"contact", "nobody"})
OLD_AFTER_MIN = 5
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
)
MOST_LISTED = 12  # uncovered grids named in the panel


@dataclass(frozen=True)
class Network:
    """The grids of one layer as the page draws them; the coarsest network has the strong lines."""

    code: str
    title: str
    states: Sequence[GridState]
    is_strong: bool

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many grids are in each state that occurs, in the order of the legend."""
        found = Counter(state_of(one.response) for one in self.states)
        return [(state, found[state]) for state in STATES if found[state]]

    @property
    def vacant(self) -> int:
        """How many grids have no lead."""
        return sum(is_vacant(one) for one in self.states)

    @property
    def is_staffed(self) -> bool:
        """Whether the layer has a chain of response at all."""
        return any(one.response.steps for one in self.states)

    @property
    def verdict(self) -> str:
        """The network in one word: `unstaffed`, `some` uncovered, or `all` covered."""
        if not self.is_staffed:
            return "unstaffed"
        return "some" if self.uncovered else "all"

    @property
    def uncovered(self) -> int:
        """How many grids have nobody on duty."""
        return sum(n for state, n in self.counts if state in UNCOVERED)


@dataclass(frozen=True)
class Flaw:
    """A fault in a tiling, as recorded: where, how large, between which grids."""

    kind: str
    codes: Sequence[str]
    area_m2: float | None
    shape: BaseGeometry


@dataclass(frozen=True)
class Gap:
    """A grid where nobody is on duty, as the panel lists it; `layer` and `index` are its place in the data."""

    layer: int
    index: int
    code: str
    name: str
    network: str


class GridLayer(folium.map.Layer):
    """One network, drawn by static/grids.js from the data in the page."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "var {{ this.get_name() }} = twingrid.network({{ this._parent.get_name() }}, {{ this.index }});"
        "{% endmacro %}"
    )

    def __init__(self, index: int) -> None:
        super().__init__(name=str(index), overlay=True)
        self._name, self._id = "Network", str(index)
        self.index = index


def state_of(response: Response) -> str:
    """Return what the map shows of a chain: who covers the grid, or that nobody does.

    `officer`, `squad`, `crew`: the covering step's kind; `contact`: nobody is on duty, but somebody can be called;
    `nobody`: not even that; `unstaffed`: the layer has no chain of response.
    """
    if not response.steps:
        return "unstaffed"
    covering = response.covering
    if covering is None:
        return "nobody" if response.first is None else "contact"
    who = covering.responders[0].who
    if isinstance(who, TeamRef) and who.kind == "squad":
        return "squad"
    return "officer" if isinstance(who, OfficerRef) and covering.step.source == "grid_shift" else "crew"


def is_vacant(state: GridState) -> bool:
    """Whether a grid that is staffed has no lead."""
    return bool(state.response.steps) and not any(one.role == "lead" for one in state.responsible)


def grid_map(
    states: Iterable[GridState],
    *,
    at: datetime,
    zone: ZoneInfo,
    lang: str,
    titles: Mapping[str, Texts] | None = None,
    flaws: Sequence[Flaw] = (),
    title: str | None = None,
    synthetic: str | None = None,
    base_map_url: str | None = None,
    is_live: bool = False,
    lookup_url: str | None = None,
) -> OfflineMap:
    """Return the page: networks, state of duty, legend, instant; `is_live` says when the data grow old.

    `titles` names layers that the texts do not know; `synthetic` is printed on maps of generated data;
    `lookup_url` is a home page whose look-up a click on the map may lead to.
    """
    reader = Reader(lang, zone, at)
    networks = _networks(states, reader, titles or {})
    page = OfflineMap("grids", title or reader.say("map.title"), lang, base_map_url)
    page.write_style((STATIC / "grids.css").read_text("utf-8"))
    page.write_script((STATIC / "grids.js").read_text("utf-8"))
    page.write_html(_frame(networks, flaws, reader, page.title, synthetic))
    page.write_data("data", _data(networks, flaws, reader) | {"is_live": is_live, "lookup_url": lookup_url})
    for index in range(len(networks)):
        GridLayer(index).add_to(page)
    return page


def _networks(states: Iterable[GridState], reader: Reader, titles: Mapping[str, Texts]) -> list[Network]:
    """Return the networks, first those with titles, in that order; the one with the fewest grids is the strong one."""
    by_layer: dict[str, list[GridState]] = {layer: [] for layer in titles}
    for one in states:
        by_layer.setdefault(one.layer, []).append(one)
    drawn = {layer: own for layer, own in by_layer.items() if own}
    coarsest = min(drawn, key=lambda layer: len(drawn[layer]), default=None)

    def title(layer: str) -> str:
        return reader.titled(titles[layer]) if layer in titles else reader.say_or(f"map.layer.{layer}", layer)

    return [Network(layer, title(layer), own, layer == coarsest) for layer, own in drawn.items()]


def _frame(
    networks: Sequence[Network], flaws: Sequence[Flaw], reader: Reader, title: str, synthetic: str | None
) -> str:
    """Return the markup around the map: title, verdicts, clock, legend, uncovered grids."""
    local = reader.at.astimezone(reader.zone)
    gaps = [
        Gap(n, index, one.grid.code, one.grid.name, network.title)
        for n, network in enumerate(networks)
        for index, one in enumerate(network.states)
        if state_of(one.response) in UNCOVERED
    ]
    return TEMPLATES.get_template("grids.html").render(
        reader=reader,
        title=title,
        networks=networks,
        synthetic=synthetic,
        at=local,
        clock=f"{local:%H:%M}",
        day=reader.say("map.day", date=f"{local:%Y-%m-%d}", weekday=reader.say(f"map.weekday.{local.weekday()}")),
        zone=reader.zone.key,
        uncovered=UNCOVERED,
        gaps=gaps[:MOST_LISTED],
        unlisted=len(gaps) - MOST_LISTED,
        flaws=Counter(one.kind for one in flaws),
    )


def _data(networks: Sequence[Network], flaws: Sequence[Flaw], reader: Reader) -> dict[str, Any]:
    """Return what static/grids.js draws."""
    shapes = [one.shape for network in networks for one in network.states]
    west, south, east, north = shapely.total_bounds(shapes).tolist() if shapes else (0.0, 0.0, 0.0, 0.0)
    return {
        "at": reader.at.isoformat(),
        "at_local": f"{reader.at.astimezone(reader.zone):%Y-%m-%dT%H:%M}",
        "old_after_min": OLD_AFTER_MIN,
        "bounds": [[south, west], [north, east]],
        "states": {state: reader.say(f"map.state.{state}") for state in STATES},
        "texts": {key: reader.say(f"map.page.{key}") for key in PAGE_TEXTS},
        "flaws": [_flaw(one, reader) for one in flaws],
        "layers": [
            {
                "title": network.title,
                "strong": network.is_strong,
                "staffed": network.is_staffed,
                "shapes": {"type": "FeatureCollection", "features": _features(network, reader)},
            }
            for network in networks
        ],
    }


def _features(network: Network, reader: Reader) -> list[dict[str, Any]]:
    """Return the grids of a network as GeoJSON features, rounded for display, with all that their popups say."""
    return [
        {"type": "Feature", "geometry": _drawn(one.shape), "properties": _properties(one, reader)}
        for one in network.states
    ]


def _flaw(one: Flaw, reader: Reader) -> dict[str, Any]:
    """Return a fault of a tiling as it is drawn: its shape, and a ring around it, for most are tiny."""
    area = reader.say("map.area", m2=f"{one.area_m2:,.1f}") if one.area_m2 is not None else ""
    return {
        "title": reader.say_or(f"import.finding.{one.kind}", one.kind),
        "detail": " · ".join(filter(None, [", ".join(one.codes), area])),
        "at": _middle(one.shape),
        "shape": _drawn(one.shape),
    }


def _drawn(shape: BaseGeometry) -> dict[str, Any]:
    return shapely.geometry.mapping(shapely.transform(shape, lambda lonlat: np.round(lonlat, DISPLAY_DECIMALS)))


def _middle(shape: BaseGeometry) -> list[float]:
    """Return latitude and longitude of a point inside a shape, for a label."""
    inside = shape.point_on_surface()
    return [round(inside.y, DISPLAY_DECIMALS), round(inside.x, DISPLAY_DECIMALS)]


def _properties(one: GridState, reader: Reader) -> dict[str, Any]:
    state = state_of(one.response)
    first = one.response.first
    return {
        "at": _middle(one.shape),
        "code": one.grid.code,
        "name": one.grid.name,
        "unit": one.unit.name if one.unit else "",
        "state": state,
        "alarm": state in UNCOVERED,
        "vacant": is_vacant(one),
        "now": [reader.responder(responder) for responder in first.responders] if first else [],
        "people": [reader.assigned(assigned) for assigned in one.responsible],
        "chain": [reader.outcome(step) for step in one.response.steps],
        "step": one.response.steps.index(first) if first else None,
    }
