"""A look-up's answer on a terminal, for a dispatcher's glance."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from api.lookup_out import AnswerOut, LayerOut, ResponderOut, StepOut
from maps.texts import say

SHOWN = 3  # responders of one step; --json has them all


def show(answer: AnswerOut, lang: str, zone: ZoneInfo) -> None:
    """Print an answer, one panel a layer, in the deployment's local time."""
    out = Console()
    head = say(
        "lookup.head", lang, lon=f"{answer.place.lon:.6f}", lat=f"{answer.place.lat:.6f}", at=_time(answer.at, zone)
    )
    out.print(Text(head, style="bold"))
    for layer in answer.layers:
        out.print(Panel(_body(layer, lang, zone), title=escape(layer.title), title_align="left"))
    change = answer.next_change_at
    told = say("lookup.next-change", lang, at=_time(change, zone)) if change else say("lookup.no-change-planned", lang)
    out.print(Text(told, style="dim"))


def _body(layer: LayerOut, lang: str, zone: ZoneInfo) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    if layer.grid:
        chain = " → ".join(unit.name for unit in layer.units)
        table.add_row(say("lookup.grid", lang), f"[bold]{escape(layer.grid.code)}[/] {escape(layer.grid.name)}")
        table.add_row(say("lookup.unit", lang), escape(chain))
    for held in layer.responsible:
        away = f" [yellow]({say(f'map.leave.{held.away}', lang)})[/]" if held.away else ""
        who = f"{escape(held.officer.name)} {escape(held.officer.number)}{away}"
        table.add_row(say(f"map.role.{held.role}", lang), who)
    for step in layer.chain:
        table.add_row(*_step(step, layer, lang, zone))
    warnings = [Text(f"⚠ {warning}", style="bold red") for warning in layer.warnings]
    return Group(*warnings, table)


def _step(step: StepOut, layer: LayerOut, lang: str, zone: ZoneInfo) -> tuple[Text, Text]:
    first = step.step == layer.responds_now
    who = "\n".join(_who(one, lang, zone) for one in step.responders[:SHOWN]) or step.reason
    if len(step.responders) > SHOWN:
        who += "\n" + say("lookup.and-more", lang, n=len(step.responders) - SHOWN)
    style = "bold green" if first and layer.on_duty else "bold yellow" if first else ""
    return Text(("▶ " if first else "  ") + step.title, style=style), Text(who, style=style)


def _who(one: ResponderOut, lang: str, zone: ZoneInfo) -> str:
    own = one.number if one.kind == "officer" else one.name if one.call_sign else None
    parts = [one.call_sign or one.name, own, one.radio, one.phone]
    if one.until and one.on_duty:
        parts.append(say("lookup.until-at", lang, at=_time(one.until, zone)))
    return "  ".join(part for part in parts if part)


def _time(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M")
