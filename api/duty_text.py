"""Gaps of duty on a terminal."""

from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.coverage import GapsOut
from maps.texts import say

MOST = 50  # rows on a terminal
HEADS = ("layer", "where", "step", "unit", "cause", "start", "end", "hours")
STYLES = {"unplanned": "red", "no_show": "red", "redraw": "red"}


def show_gaps(out: GapsOut, lang: str, zone: ZoneInfo) -> None:
    """Print the first gaps as a table, never covered first, and under it what all come to."""
    console = Console()
    if not out.count:
        console.print(say("duty.no-gaps", lang))
        return
    table = Table(*(say(f"duty.head.{head}", lang) for head in HEADS))
    for one in out.items[:MOST]:
        whole = f" ({say('duty.whole', lang)})" if one.is_whole else ""
        table.add_row(
            *(Text(told or "") for told in (one.layer, one.code, one.step, one.unit)),
            Text(say(f"duty.cause.{one.cause}", lang) + whole, style=STYLES.get(one.cause, "yellow")),
            *(Text(f"{at.astimezone(zone):%Y-%m-%d %H:%M}") for at in (one.start, one.end)),
            Text(f"{one.hours:,.2f}"),
        )
    console.print(table)
    told = (f"{say(f'duty.cause.{cause}', lang)} {hours:,.1f} h" for cause, hours in out.hours_by_cause.items())
    key = "all" if out.count <= MOST else "first"
    counted = say(f"duty.{key}", lang, shown=min(MOST, out.count), count=out.count)
    console.print(Text(f"{counted} — {', '.join(told)}", style="dim"))
