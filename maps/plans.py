"""A plan before and after, on one map with a swipe, and the list of what it changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import folium
import numpy as np
import shapely
from jinja2 import Template
from shapely.geometry.base import BaseGeometry

from maps.offline import STATIC, TEMPLATES, OfflineMap
from maps.people import Reader
from spatial.redraw.difference import Difference, GridDiff, Handing
from spatial.roster.model import Texts

SCRIPTS = ("node.js", "plan.js")
DISPLAY_DECIMALS = 6
MOVED = ("new", "ended", "reshaped", "cells")  # what is drawn in colour; the rest changes in name, or by a vertex


@dataclass(frozen=True)
class Row:
    """A change in the list; `index` is its place in the data."""

    index: int
    grid: str
    change: str
    kind: str
    area: str


class Swiped(folium.map.Layer):
    """Both states, drawn by static/plan.js from the data in the page."""

    _template = Template(
        "{% macro script(this, kwargs) %}var {{ this.get_name() }} = twingrid.draw({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )

    def __init__(self) -> None:
        super().__init__(name="swiped", overlay=True)
        self._name = self._id = "swiped"


def plan_map(
    found: Difference,
    standing: str,
    *,
    zone: ZoneInfo,
    lang: str,
    titles: Mapping[str, Texts],
    synthetic: str | None = None,
    base_map_url: str | None = None,
) -> OfflineMap:
    """Return the page of a plan; `titles`: of layers by their codes, `standing`: how it stands with the plan."""
    reader = Reader(lang, zone, found.plan.created_at)
    page = OfflineMap("plan", f"{found.plan.name} · {reader.say('plan.map.title')}", lang, base_map_url)
    page.write_style((STATIC / "plan.css").read_text("utf-8"))
    for script in SCRIPTS:
        page.write_script((STATIC / script).read_text("utf-8"))
    grids = found.grids()
    page.write_html(_frame(found, grids, standing, reader, titles, synthetic))
    page.write_data("data", _data(found, grids))
    Swiped().add_to(page)
    return page


def _data(found: Difference, grids: Sequence[GridDiff]) -> dict[str, object]:
    """Return all that the page's script draws."""
    seen = [one for one in grids if one.change in MOVED] or grids
    shapes = [state.shape for one in seen for state in (one.before, one.after) if state is not None]
    west, south, east, north = shapely.total_bounds(np.array(shapes, dtype=object)).tolist() if shapes else (0, 0, 0, 0)
    return {
        "bounds": [[south, west], [north, east]],
        "grids": [
            {
                "layer": one.layer,
                "kind": one.change,
                "before": None if one.before is None else _state(one.before.code, one.before.shape),
                "after": None if one.after is None else _state(one.after.code, one.after.shape),
            }
            for one in grids
        ],
        "around": [{"layer": layer, **_state(code, shape)} for layer, code, shape in found.around()],
    }


def _state(code: str, shape: BaseGeometry) -> dict[str, object]:
    rounded = shapely.transform(shape, lambda lonlat: np.round(lonlat, DISPLAY_DECIMALS))
    return {"code": code, "shape": shapely.geometry.mapping(rounded)}


def _frame(
    found: Difference,
    grids: Sequence[GridDiff],
    standing: str,
    reader: Reader,
    titles: Mapping[str, Texts],
    synthetic: str | None,
) -> str:
    plan, handings = found.plan, found.handings()
    layers = [code for code in titles if any(one.layer == code for one in grids)]
    sections = [
        (
            reader.titled(titles[layer]),
            [_row(n, one, reader) for n, one in enumerate(grids) if one.layer == layer],
            [one for one in handings if one.layer == layer],
        )
        for layer in layers
    ]
    return TEMPLATES.get_template("plan.html").render(
        reader=reader,
        plan=plan,
        standing=reader.say(f"plan.state.{standing}"),
        base=f"{plan.base_at.astimezone(reader.zone):%Y-%m-%d %H:%M}",
        effective=f"{plan.effective.astimezone(reader.zone):%Y-%m-%d %H:%M}" if plan.effective else None,
        sections=sections,
        synthetic=synthetic,
        passes=_passes,
        area=_area,
    )


def _row(index: int, one: GridDiff, reader: Reader) -> Row:
    sizes = [_area(size) for size in (one.area_before_m2, one.area_after_m2)]
    state = one.after or one.before
    code = one.code if one.before is None or one.before.code == one.code else f"{one.before.code} → {one.code}"
    return Row(
        index=index,
        grid=f"{code} {state.name if state else ''}",
        change=reader.say(f"plan.change.{one.change}"),
        kind=one.change if one.change in MOVED else "quiet",
        area=sizes[0] if sizes[0] == sizes[1] else " → ".join(sizes),
    )


def _passes(one: Handing) -> str:
    return f"{one.from_code or '—'} → {one.to_code or '—'}"


def _area(m2: float | None) -> str:
    if m2 is None:
        return "—"
    return f"{m2:,.0f} m²" if m2 < 10_000 else f"{m2 / 1e6:,.3f} km²"
