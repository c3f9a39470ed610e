"""What changes at a place, in sentences and on a terminal."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from maps.texts import say
from spatial.grids.units import UnitRef
from spatial.lookup.changes import Change, Changes
from spatial.lookup.model import LayerAnswer
from spatial.roster.model import Assigned, OfficerRef, TeamRef


def told(one: Change, lang: str) -> list[str]:
    """Return a change as sentences, one an aspect."""
    return [
        say(f"lookup.changed.{what}", lang, before=_of(what, one.before, lang), after=_of(what, one.after, lang))
        for what in one.what
    ]


def _of(what: str, layer: LayerAnswer, lang: str) -> object:
    """Return what a layer says of one aspect in few words."""
    match what:
        case "status":
            return say(f"lookup.is.{layer.status}", lang)
        case "grid":
            return f"{layer.grid.code} {layer.grid.name}" if layer.grid else "—"
        case "override":
            return layer.override.name if layer.override else "—"
        case "units":
            return layer.units[0].name if layer.units else "—"
        case "responsible":
            return [_held(held, lang) for held in layer.responsible] or "—"
        case "on_duty":
            return say(
                f"lookup.covered.{'unseen' if layer.on_duty is None else 'yes' if layer.on_duty else 'no'}", lang
            )
        case "joint":
            return [party.grid.code for party in layer.joint] or "—"
    first = layer.response.first if layer.response else None
    return [_called(one.who) for one in first.responders] if first else "—"


def _held(held: Assigned, lang: str) -> str:
    away = f" ({say(f'map.leave.{held.away}', lang)})" if held.away else ""
    return f"{say(f'map.role.{held.role}', lang)} {held.officer.name} {held.officer.number}{away}"


def _called(who: OfficerRef | TeamRef | UnitRef) -> str:
    match who:
        case OfficerRef():
            return f"{who.name} {who.number}"
        case TeamRef():
            return f"{who.call_sign} {who.name}"
        case UnitRef():
            return who.contacts.get("desk", who.name)


def show_changes(found: Changes, end: datetime, lang: str, zone: ZoneInfo) -> None:
    """Print each change with its local time, and up to when it was looked."""
    table = Table(*(say(f"lookup.changed.{head}", lang) for head in ("at", "layer", "what")))
    for one in found.rows:
        at = f"{one.at.astimezone(zone):%Y-%m-%d %H:%M}"
        table.add_row(at, Text(one.after.title[lang]), Text("\n".join(told(one, lang))))
    out = Console()
    out.print(table)
    key = "complete" if found.until == end else "cut-off"
    out.print(
        Text(say(f"lookup.changed.{key}", lang, at=f"{found.until.astimezone(zone):%Y-%m-%d %H:%M}"), style="dim")
    )
