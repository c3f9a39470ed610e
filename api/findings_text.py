"""Findings, and what would mend them, as tables on a terminal."""

from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.findings_out import AcknowledgedOut, FindingOut, RepairOut
from maps.texts import say

MOST = 50  # rows on a terminal
STYLES = {"fault": "red", "warning": "yellow", "info": "dim"}
HEADS = ("severity", "kind", "grids", "officers", "others", "owners", "area", "place", "since", "known", "key")


def show_findings(found: Sequence[FindingOut], lang: str, zone: ZoneInfo, added: Collection[str] | None = None) -> None:
    """Print the first findings as a table, the worst first, and under it how many there are in all.

    `added`: keys of those that a plan adds, of the findings of one.
    """
    console = Console()
    if not found:
        console.print(say("finding.none", lang))
        return
    heads = HEADS if added is None else ("added", *HEADS)
    table = Table(*(say(f"finding.head.{head}", lang) for head in heads))
    for one in found[:MOST]:
        table.add_row(
            *([] if added is None else [Text("+" if one.key in added else "")]),
            Text(say(f"finding.severity.{one.severity}", lang), style=STYLES[one.severity]),
            Text(say(f"finding.kind.{one.kind}", lang)),
            Text(" ".join(one.grids)),
            Text(" ".join(one.officers)),
            Text(" ".join(one.others)),
            Text(" ".join(one.owners)),
            Text("" if one.area_m2 is None else f"{one.area_m2:,.2f}"),
            Text("" if one.lon is None else f"{one.lon:.6f} {one.lat:.6f}"),
            Text(f"{one.since.astimezone(zone):%Y-%m-%d}" if one.since else ""),
            Text("" if one.acknowledged is None else _known(one.acknowledged, lang, zone)),
            Text(one.key),
        )
    console.print(table)
    key = "all" if len(found) <= MOST else "first"
    console.print(Text(say(f"finding.{key}", lang, shown=min(MOST, len(found)), count=len(found)), style="dim"))


def show_repair(repair: RepairOut | None, lang: str) -> None:
    """Print which grids a repair would change, and by how much."""
    console = Console()
    if repair is None:
        console.print(say("finding.no-repair", lang))
        return
    console.print(say(f"finding.way.{repair.way}", lang))
    table = Table(*(say(f"finding.head.{head}", lang) for head in ("grids", "before", "after", "changed")))
    for feature in repair.features:
        one = feature.properties
        sizes = (f"{one.area_before_m2:,.2f}", f"{one.area_after_m2:,.2f}", f"{one.changed_m2:+,.2f}")
        table.add_row(Text(one.code), *map(Text, sizes))
    console.print(table)
    console.print(Text(say("finding.preview", lang), style="dim"))


def _known(known: AcknowledgedOut, lang: str, zone: ZoneInfo) -> str:
    day = f"{known.until.astimezone(zone):%Y-%m-%d}"
    return say("finding.known-until", lang, day=day, by=known.by, reason=known.reason)
