"""One look-up on one sheet of paper: the place, both grids and their borders, who answers, who is beyond."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import folium
import numpy as np
import shapely
import shapely.affinity
from jinja2 import Template
from shapely.geometry.base import BaseGeometry

from maps.offline import STATIC, TEMPLATES, OfflineMap
from maps.people import Line, Reader
from maps.warnings import warnings
from spatial.geometry import Plane, area_m2
from spatial.lookup.around import Around
from spatial.lookup.model import Agency, Answer, Beyond, LayerAnswer, Party
from spatial.lookup.rules import Spot
from spatial.roster.model import Response

SCRIPTS = ("node.js", "sheet.js")
DISPLAY_DECIMALS = 6
LEAST_VIEW_M, FURTHEST_VIEW_M = 120.0, 5000.0  # about the place
MARGIN = 1.5  # of the smallest owner's frame, whose own size is 1
WIDE = 186 / 82  # of the map, as sheet.css says
CUT = 1.3  # of the view, beyond which nothing is drawn


@dataclass(frozen=True)
class Step:
    """A step of a chain of response, in words; `is_first`: to be called first."""

    title: str
    outcome: str
    is_first: bool


@dataclass(frozen=True)
class Shared:
    """One of those who share a border case."""

    grid: str
    unit: str
    away: str
    now: Sequence[Line]


@dataclass(frozen=True)
class Section:
    """What one layer says, in words."""

    title: str
    is_strong: bool
    grid: str
    units: str
    border: str
    warnings: Sequence[str]
    loud: bool
    now: Sequence[Line]
    responsible: Sequence[Line]
    steps: Sequence[Step]
    joint: Sequence[Shared]
    beyond: Sequence[str]


class Drawn(folium.map.Layer):
    """Place, grids and border, drawn by static/sheet.js from the data in the page."""

    _template = Template(
        "{% macro script(this, kwargs) %}var {{ this.get_name() }} = twingrid.draw({{ this._parent.get_name() }});"
        "{% endmacro %}"
    )

    def __init__(self) -> None:
        super().__init__(name="drawn", overlay=True)
        self._name = self._id = "drawn"


def lookup_sheet(
    answer: Answer,
    around: Sequence[Around],
    *,
    zone: ZoneInfo,
    lang: str,
    receipt: str,
    called: str | None = None,
    synthetic: str | None = None,
    base_map_url: str | None = None,
) -> OfflineMap:
    """Return the page, made for A4 paper; `receipt` is the address that gives the answer again.

    `called`: what the place is called, where it was asked for in words.
    """
    reader = Reader(lang, zone, answer.question.at)
    page = OfflineMap("sheet", reader.say("sheet.title"), lang, base_map_url)
    page.write_style((STATIC / "sheet.css").read_text("utf-8"))
    for script in SCRIPTS:
        page.write_script((STATIC / script).read_text("utf-8"))
    page.write_html(_frame(answer, reader, receipt, called, synthetic))
    page.write_data("data", _data(answer, around))
    Drawn().add_to(page)
    return page


def view_radius_m(answer: Answer) -> float:
    """Return how far about the place grids are to be drawn."""
    edges_m = [one.edge_m for one in answer.layers if one.edge_m is not None]
    return min(max(answer.question.accuracy_m, *edges_m, LEAST_VIEW_M) * 4, FURTHEST_VIEW_M * 4)


def _data(answer: Answer, around: Sequence[Around]) -> dict[str, object]:
    """Return all that the page's script draws."""
    asked = answer.question
    owners = {(one.layer, one.grid.id) for one in answer.layers if one.grid}
    view = _view(answer, [one for one in around if (one.layer, one.grid.id) in owners and one.override is None])
    west, south, east, north = view.bounds
    cut = shapely.intersection(
        np.array([one.shape for one in around], dtype=object), shapely.affinity.scale(view, CUT, CUT)
    )
    seen = shapely.transform(cut, lambda lonlat: np.round(lonlat, DISPLAY_DECIMALS))
    return {
        "place": [asked.lat, asked.lon],
        "accuracy_m": asked.accuracy_m,
        "bounds": [[south, west], [north, east]],
        "shapes": [
            {
                "label": one.override.name if one.override else one.grid.code,
                "kind": "override" if one.override else "owner" if (one.layer, one.grid.id) in owners else "other",
                "strong": one.layer == answer.layers[0].layer,
                "shape": shapely.geometry.mapping(shape),
            }
            for one, shape in zip(around, seen, strict=True)
            if shape.area > 0
        ],
    }


def _view(answer: Answer, owned: Sequence[Around]) -> BaseGeometry:
    """Return what the map shows: the smallest owner with a margin, and the place with how well it is known."""
    asked = answer.question
    about_m = max(asked.accuracy_m * 1.2, LEAST_VIEW_M)
    if not owned:
        nearest_m = min((one.edge_m for one in answer.layers if one.edge_m is not None), default=0.0)
        about_m = max(about_m, min(nearest_m * 1.3, FURTHEST_VIEW_M))
    spot = Spot(asked.lon, asked.lat, Plane(0.0)).box(about_m)
    if not owned:
        return _as_wide_as_the_map(spot, asked.lat)
    smallest = owned[int(np.argmin(area_m2(np.array([one.shape for one in owned], dtype=object))))].shape
    frame = shapely.affinity.scale(shapely.box(*smallest.bounds), MARGIN, MARGIN)
    return _as_wide_as_the_map(shapely.union(spot, frame), asked.lat)


def _as_wide_as_the_map(shape: BaseGeometry, lat: float) -> BaseGeometry:
    west, south, east, north = shape.bounds
    flat = max(math.cos(math.radians(lat)), 0.01)
    wide, high = (east - west) * flat, north - south
    dx, dy = max(WIDE * high - wide, 0.0) / flat / 2, max(wide / WIDE - high, 0.0) / 2
    return shapely.box(west - dx, south - dy, east + dx, north + dy)


def _frame(answer: Answer, reader: Reader, receipt: str, called: str | None, synthetic: str | None) -> str:
    asked = answer.question
    local = asked.at.astimezone(reader.zone)
    return TEMPLATES.get_template("sheet.html").render(
        reader=reader,
        title=reader.say("sheet.title"),
        called=called,
        synthetic=synthetic,
        lon=f"{asked.lon:.6f}",
        lat=f"{asked.lat:.6f}",
        dms=f"{_dms(asked.lat, 'NS')} {_dms(asked.lon, 'EW')}",
        accuracy_m=f"{asked.accuracy_m:g}",
        at=local,
        clock=f"{local:%H:%M}",
        day=reader.say("map.day", date=f"{local:%Y-%m-%d}", weekday=reader.say(f"map.weekday.{local.weekday()}")),
        sections=[_section(one, reader, is_strong=n == 0) for n, one in enumerate(answer.layers)],
        matter=answer.matter,
        agencies=[_agency(one, answer, reader) for one in answer.matter.agencies] if answer.matter else [],
        next_change=reader.clock(answer.next_change_at),
        receipt=receipt,
    )


def _section(one: LayerAnswer, reader: Reader, *, is_strong: bool) -> Section:
    border = "" if one.edge_m is None else reader.say("sheet.border", metres=f"{one.edge_m:,.1f}")
    return Section(
        title=reader.titled(one.title),
        is_strong=is_strong,
        grid=f"{one.grid.code} {one.grid.name}" if one.grid else reader.say(f"lookup.is.{one.status}"),
        units=" → ".join(unit.name for unit in one.units),
        border=border,
        warnings=warnings(one, reader.lang),
        loud=one.on_duty is False,
        now=_now(one.response, reader),
        responsible=[reader.assigned(held) for held in one.responsible],
        steps=_steps(one.response, reader),
        joint=[_shared(party, reader) for party in one.joint[1:]],
        beyond=[_beyond(other, reader) for other in one.beyond],
    )


def _now(response: Response | None, reader: Reader) -> list[Line]:
    return [reader.responder(one) for one in response.first.responders] if response and response.first else []


def _steps(response: Response | None, reader: Reader) -> list[Step]:
    if response is None:
        return []
    return [Step(reader.titled(one.step.title), reader.outcome(one), one is response.first) for one in response.steps]


def _shared(party: Party, reader: Reader) -> Shared:
    return Shared(
        grid=f"{party.grid.code} {party.grid.name}",
        unit=party.units[0].name if party.units else "",
        away=reader.say("lookup.away", distance_m=f"{party.distance_m:,.1f}"),
        now=_now(party.response, reader),
    )


def _beyond(one: Beyond, reader: Reader) -> str:
    grid = f"{one.grid.code} {one.grid.name}"
    return reader.say("sheet.beyond-one", grid=grid, metres=f"{one.distance_m:,.1f}")


def _agency(one: Agency, answer: Answer, reader: Reader) -> Line:
    names = [unit.name for unit in one.units]
    nobody = reader.say("lookup.matter.nobody", kind=one.unit_kind)
    told = reader.say("lookup.matter.units", units=names) if names else nobody
    due = ""
    if one.deadline is not None:
        due = reader.say("lookup.matter.due", at=reader.clock(answer.question.at + one.deadline))
    return Line(f"{reader.say(f'lookup.matter.{one.role}')} {told}", due)


def _dms(degrees: float, signs: str) -> str:
    """Return degrees, minutes and seconds to a hundredth, as on paper maps."""
    hundredths = round(abs(degrees) * 360_000)
    minutes, rest = divmod(hundredths, 6000)
    whole, minutes = divmod(minutes, 60)
    return f"{whole}°{minutes:02}′{rest / 100:05.2f}″{signs[0] if degrees >= 0 else signs[1]}"
