"""Whose an area may be, on a terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.lookup_area import AreaOut, ShareOut
from maps.texts import say

SMALLEST = 0.0005  # that is rounded to a tenth of a per cent


def show_area(answer: AreaOut, lang: str) -> None:
    """Print the candidates of each layer, the likeliest first, and what is in none."""
    out = Console()
    out.print(Text(say("lookup.area.head", lang, km2=round(answer.area_m2 / 1e6, 4)), style="bold"))
    for layer in answer.layers:
        heads = (say(f"lookup.area.{head}", lang) for head in ("share", "grid", "unit", "responds"))
        table = Table(*heads, title=escape(layer.title), title_justify="left")
        for one in layer.candidates:
            unit = one.units[0].name if one.units else ""
            table.add_row(_percent(one.share), Text(f"{one.grid.code} {one.grid.name}"), Text(unit), Text(_first(one)))
        if layer.others:
            table.add_row(_percent(layer.others_share), say("lookup.area.others", lang, n=layer.others))
        if layer.free_share > 0:
            table.add_row(_percent(layer.free_share), say("lookup.area.free", lang))
        out.print(table)


def _percent(share: float) -> str:
    return "<0.1%" if share < SMALLEST else f"{share:.1%}"


def _first(one: ShareOut) -> str:
    step = next((step for step in one.chain if step.step == one.responds_now), None)
    return ", ".join(responder.call_sign or responder.name for responder in step.responders[:2]) if step else ""
