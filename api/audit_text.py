"""The audit, and what a check of it has found, for people."""

from typing import Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.audit import AuditOut
from api.shapes import Listing
from maps.texts import say
from spatial.audit.check import Verdict
from spatial.audit.rules import Break


def show_rows(found: Listing[AuditOut], lang: str, zone: ZoneInfo) -> None:
    """Print rows of the audit, and the cursor with which the next are asked for."""
    table = Table(*(say(f"audit.{head}", lang) for head in ("number", "at", "actor", "action", "object", "detail")))
    for one in found.items:
        at = f"{one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        detail = orjson.dumps(one.detail).decode() if one.detail else ""
        table.add_row(*(Text(part) for part in (str(one.number), at, one.actor, one.action, one.object, detail)))
    console = Console()
    console.print(table)
    if found.next:
        console.print(say("audit.more", lang, cursor=found.next), markup=False, highlight=False, soft_wrap=True)


def verdict_out(verdict: Verdict, lang: str) -> dict[str, Any]:
    """Return what a check has found, for programs."""
    broken = verdict.broken
    told = broken and {
        "number": broken.number,
        "kind": broken.kind,
        "at": broken.at,
        "detail": say(f"audit.broken-{broken.kind}", lang, number=broken.number),
    }
    return {
        "holds": verdict.holds,
        "head": {"number": verdict.head.number, "hash": verdict.head.hash.hex()},
        "broken": told,
        "anchors": verdict.anchors,
        "forged_anchors": verdict.forged_anchors,
        "is_signed": verdict.is_signed,
    }


def verdict_text(verdict: Verdict, lang: str, zone: ZoneInfo) -> str:
    """Return what a check has found, a sentence on each line."""
    if verdict.is_signed is False:
        return say("audit.unsigned", lang)
    lines = [_broken(verdict.broken, lang, zone)] if verdict.broken else []
    if verdict.forged_anchors:
        lines.append(say("audit.anchors-forged", lang, lines=verdict.forged_anchors))
    if verdict.holds:
        holds = "file-holds" if verdict.is_signed else "holds"
        lines.append(say(f"audit.{holds}", lang, number=verdict.head.number, anchors=verdict.anchors))
    if verdict.is_signed is None and not verdict.anchors:
        lines.append(say("audit.no-anchors", lang))
    return "\n".join(lines)


def _broken(broken: Break, lang: str, zone: ZoneInfo) -> str:
    at = f"{broken.at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if broken.at else "—"
    when = say("audit.after" if broken.kind == "missing" else "audit.happened", lang, at=at)
    return f"{say(f'audit.broken-{broken.kind}', lang, number=broken.number)} {when}"
