"""Backups, for people."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from maps.texts import say
from spatial.backup.manifest import Manifest
from spatial.backup.restore import Change


def show_manifest(found: Manifest, lang: str, zone: ZoneInfo) -> None:
    """Print what a backup holds, and of when."""
    grid = Table.grid(padding=(0, 2))
    for head, value in _facts(found, zone).items():
        grid.add_row(Text(say(f"db.{head}", lang), style="dim"), Text(value))
    Console().print(grid)


def show_change(change: Change, lang: str, zone: ZoneInfo) -> None:
    """Print what a restore would replace: versions and rows, now and then."""
    show_manifest(change.backup, lang, zone)
    if change.is_same:
        Console().print(say("db.same", lang))
        return
    table = Table(*(say(f"db.{head}", lang) for head in ("of", "now", "then")))
    domains = sorted({*change.versions, *change.backup.versions})
    for domain in domains:
        version = say("db.version-of", lang, domain=domain)
        table.add_row(version, str(change.versions.get(domain, 0)), str(change.backup.versions.get(domain, 0)))
    for name, (present, then) in change.rows.items():
        table.add_row(say("db.rows-of", lang, table=name), str(present), str(then))
    Console().print(table)


def _facts(found: Manifest, zone: ZoneInfo) -> dict[str, str]:
    head = found.audit_head
    return {
        "taken-at": _clock(found.taken_at, zone),
        "product": found.product,
        "schema": found.schema_revision or "",
        "postgresql": f"PostgreSQL {found.postgresql}, PostGIS {found.postgis}",
        "versions": ", ".join(f"{domain} {number}" for domain, number in found.versions.items()),
        **({"rows": str(sum(table.rows for table in found.tables.values()))} if found.tables else {}),
        **({"content": found.content} if found.tables else {}),
        "audit": f"{head.id} {head.hash}" if head else "",
    }


def _clock(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"
