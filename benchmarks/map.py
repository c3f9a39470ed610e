"""The map of a city's grids, made and opened in a browser, against a plain folium.GeoJson with popups of the same."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import folium
import shapely
from playwright.sync_api import Page, sync_playwright

from benchmarks.case import Case
from maps.grids import grid_map
from maps.networks import state_of
from maps.offline import OfflineMap
from maps.people import Reader
from spatial.local_postgis import LocalPostgis
from spatial.lookup.model import GridState
from tests import map_sample as sample

ZONE = ZoneInfo("Asia/Shanghai")
LANG = "en"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SPOT = "(() => { const { x, y } = map_grids.latLngToContainerPoint([34.236, 117.166]); return { x, y }; })()"


def cases(_postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case, where there is a browser: from the grids and their people to the popup of one of them."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        return
    states = sample.city()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 860})

        def ours() -> set[str]:
            html = grid_map(states, at=sample.AT, zone=ZONE, lang=LANG).html()
            return _opened(page, Path(folder) / "ours.html", html)

        def theirs() -> set[str]:
            return _opened(page, Path(folder) / "theirs.html", _plain(states))

        name = "the map of 10,764 grids, made, opened and asked for a grid"
        yield Case(name, ours, theirs, "folium.GeoJson with popups", 2.0, len(states), "grids", _same_grid)
        browser.close()


def _opened(page: Page, file: Path, html: str) -> set[str]:
    """Open a page and click on a place; return the words of the popup."""
    file.write_text(html, "utf-8")
    page.goto(file.as_uri())
    page.locator("#map_grids").click(position=page.evaluate(SPOT))
    return set(page.locator(".leaflet-popup-content").inner_text().split())


def _same_grid(ours: set[str], theirs: set[str]) -> bool:
    """Whether both popups name the same governance grid."""
    return {word for word in theirs if word.startswith("3203110")} <= ours


def _plain(states: list[GridState]) -> str:
    """Return the page that a few lines of folium give."""
    reader = Reader(LANG, ZONE, sample.AT)
    page = OfflineMap("grids", "plain", LANG)
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(one.shape), "properties": _properties(one, reader)}
        for one in states
    ]
    fields = list(features[0]["properties"])
    shapes = folium.GeoJson(
        {"type": "FeatureCollection", "features": features}, popup=folium.GeoJsonPopup(fields), embed=True
    )
    shapes.add_to(page)
    page.fit_bounds([[33.8, 116.5], [34.67, 117.82]])
    return page.html()


def _properties(one: GridState, reader: Reader) -> dict[str, str]:
    first = one.response.first
    now = [reader.responder(responder) for responder in first.responders] if first else []
    people = [reader.assigned(assigned) for assigned in one.responsible]
    return {
        "code": one.grid.code,
        "name": one.grid.name,
        "unit": one.unit.name if one.unit else "",
        "state": state_of(one.response),
        "now": "; ".join(f"{line.main} {line.detail}" for line in now),
        "people": "; ".join(f"{line.main} {line.detail}" for line in people),
        "chain": "; ".join(reader.outcome(step) for step in one.response.steps),
    }
