"""Sources of events, for people."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.sources import SourceOut
from maps.texts import say

STYLES = {"fresh": "green", "late": "yellow", "silent": "red", "never": "dim"}


def show_sources(sources: Sequence[SourceOut], lang: str, zone: ZoneInfo) -> None:
    """Print each source with its state, when it was last heard, and by how much it is overdue."""
    heads = ("code", "title", "standing", "last-received", "overdue")
    table = Table(*(say(f"sources.{head}", lang) for head in heads))
    for one in sources:
        heard = f"{one.last_received.astimezone(zone):%Y-%m-%d %H:%M}" if one.last_received else ""
        overdue = str(timedelta(seconds=round(one.overdue_s))) if one.overdue_s else ""
        state = Text(say(f"sources.state.{one.state}", lang), style=STYLES[one.state])
        table.add_row(Text(one.code), Text(one.title), state, heard, overdue)
    Console().print(table)
