"""The map of the grids of both networks: who covers each now, and where nobody is on duty."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import folium
from jinja2 import Template

from maps.grid_data import page_data
from maps.networks import UNCOVERED, Flaw, Network
from maps.offline import STATIC, TEMPLATES, OfflineMap
from maps.people import Reader
from spatial.lookup.model import GridState
from spatial.roster.model import Texts

SCRIPTS = ("node.js", "shapes.js", "picture.js", "labels.js", "find.js", "grids.js")
MOST_LISTED = 12  # uncovered grids named in the panel


@dataclass(frozen=True)
class Gap:
    """A grid where nobody is on duty, as the panel lists it; `layer` and `index` are its place in the data."""

    layer: int
    index: int
    code: str
    name: str
    network: str


class Networks(folium.map.Layer):
    """All networks, drawn by static/grids.js from the data in the page."""

    _template = Template(
        "{% macro script(this, kwargs) %}var {{ this.get_name() }} = twingrid.draw({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )

    def __init__(self) -> None:
        super().__init__(name="networks", overlay=True)
        self._name = self._id = "networks"


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
    for script in SCRIPTS:
        page.write_script((STATIC / script).read_text("utf-8"))
    page.write_html(_frame(networks, flaws, reader, page.title, synthetic))
    page.write_data("data", page_data(networks, flaws, reader) | {"is_live": is_live, "lookup_url": lookup_url})
    if networks:
        Networks().add_to(page)
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
        for index, (one, duty) in enumerate(zip(network.states, network.duty, strict=True))
        if duty in UNCOVERED
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
