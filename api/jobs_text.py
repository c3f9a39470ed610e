"""Long work, for people."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.jobs import JobOut, ScheduleOut, WorkerOut
from maps.texts import say

STYLES = {"queued": "dim", "running": "cyan", "done": "green", "failed": "red", "dead": "bold red", "cancelled": "dim"}


def show_jobs(jobs: Sequence[JobOut], lang: str, zone: ZoneInfo) -> None:
    """Print each job with its state and, where it failed, why."""
    if not jobs:
        Console().print(say("job.none", lang))
        return
    heads = ("id", "kind", "standing", "tries", "asked", "ended", "error")
    table = Table(*(say(f"job.head.{head}", lang) for head in heads))
    for one in jobs:
        asked, ended = _local(one.created_at, zone), _local(one.finished_at, zone)
        told = (Text(str(one.id)), Text(one.kind), _state(one.state, lang), Text(str(one.attempts)))
        table.add_row(*told, Text(asked), Text(ended), Text(one.error or ""))
    Console().print(table)


def show_job(job: JobOut, lang: str, zone: ZoneInfo) -> None:
    """Print all that is known of a job."""
    table = Table.grid(padding=(0, 2))
    told = {
        "id": Text(str(job.id)),
        "kind": Text(job.kind),
        "standing": _state(job.state, lang) + Text(f"  {job.progress:.0%}  {job.message or ''}"),
        "tries": Text(str(job.attempts)),
        "asked": Text(_local(job.created_at, zone)),
        "asked-by": Text(job.created_by),
        "ended": Text(_local(job.finished_at, zone)),
        "error": Text(job.error or ""),
    }
    for head, text in told.items():
        table.add_row(Text(say(f"job.head.{head}", lang), style="dim"), text)
    console = Console()
    console.print(table)
    if job.result is not None:
        console.print_json(orjson.dumps(job.result).decode())


def show_schedules(schedules: Sequence[ScheduleOut], lang: str, zone: ZoneInfo) -> None:
    """Print each schedule with its hour, when it is due next, and what became of it last."""
    table = Table(*(say(f"job.head.{head}", lang) for head in ("kind", "at", "next", "last", "standing")))
    for one in schedules:
        day = "" if one.weekday is None else f"{say(f'job.weekday.{one.weekday}', lang)} "
        state = _state(one.last_state, lang) if one.last_state else Text("")
        times = (f"{day}{one.at}", _local(one.next_at, zone), _local(one.last_at, zone))
        table.add_row(Text(one.kind), *map(Text, times), state)
    Console().print(table)


def show_workers(workers: Sequence[WorkerOut], lang: str, zone: ZoneInfo) -> None:
    """Print each worker with where it runs, since when, when it was seen, and its job."""
    if not workers:
        Console().print(say("job.no-workers", lang))
        return
    table = Table(*(say(f"job.head.{head}", lang) for head in ("host", "pid", "since", "seen", "id")))
    for one in workers:
        times = (_local(one.since, zone), f"{one.seen_at.astimezone(zone):%H:%M:%S}")
        table.add_row(*map(Text, (one.host, str(one.pid), *times, str(one.job_id or ""))))
    Console().print(table)


def _state(state: str, lang: str) -> Text:
    return Text(say(f"job.state.{state}", lang), style=STYLES[state])


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
