"""What an import of rows did or would do, for programs and for people."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from maps.texts import say
from spatial.imports.annotated import Tell
from spatial.imports.model import CHANGES, Outcome, RowFault

ROWS_SHOWN = 20
FAULTS_SHOWN = 50


def teller(lang: str) -> Tell:
    """Return how faults, changes and heads are said in a language."""
    return Tell(
        lambda fault: say(f"fault.{fault.text}", lang, **fault.values),
        lambda change: say(f"rows.change.{change}", lang),
        lambda head: say(f"rows.{head}", lang),
    )


def outcome_out(outcome: Outcome, lang: str, *, committed: bool) -> dict[str, Any]:
    """Return an outcome as JSON; rows that stay as they are are only counted."""
    tell = teller(lang)
    return {
        "subject": outcome.subject,
        "committed": committed and outcome.writes,
        "rows": outcome.rows,
        "counts": dict(outcome.counts),
        "changes": [
            {"row": one.row, "change": one.change, "key": one.key, "differs": one.differs} for one in outcome.changes
        ],
        "fault_count": outcome.fault_count,
        "faults": [_fault_out(one, tell) for one in outcome.faults],
        "notes": [_fault_out(one, tell) for one in outcome.notes],
        "more_notes": outcome.more_notes,
        "columns": dict(outcome.columns),
        "dropped": outcome.dropped,
    }


def _fault_out(one: RowFault, tell: Tell) -> dict[str, Any]:
    return {"row": one.row, "column": one.column, "fault": one.text, "message": tell.fault(one)}


def show_outcome(console: Console, outcome: Outcome, file: str, lang: str, *, committed: bool) -> None:
    """Print an outcome: how many rows become what, the first changes, the first faults, and whether it was written."""
    tell = teller(lang)
    line = partial(console.print, markup=False, highlight=False)
    line(say("rows.head", lang, file=file, count=outcome.rows, subject=outcome.subject))
    counts = Table(*(tell.change(change) for change in CHANGES))
    counts.add_row(*(str(outcome.counts[change]) for change in CHANGES))
    console.print(counts)
    changed = sum(outcome.counts[one] for one in CHANGES if one not in ("same", "faulty"))
    told = [one for one in outcome.changes if one.change != "faulty"]
    rows = [
        (_number(one.row), tell.change(one.change), " ".join(one.key), ", ".join(one.differs))
        for one in told[:ROWS_SHOWN]
    ]
    _show(console, lang, say("rows.changes", lang, count=changed), ("row", "what", "key", "differs"), rows, changed)
    faults = [(_number(one.row), one.column or "", tell.fault(one)) for one in outcome.faults[:FAULTS_SHOWN]]
    title = say("rows.faults", lang, count=outcome.fault_count)
    _show(console, lang, title, ("row", "column", "fault"), faults, outcome.fault_count)
    notes = [(_number(one.row), tell.fault(one)) for one in outcome.notes[:ROWS_SHOWN]]
    count = len(outcome.notes) + outcome.more_notes
    _show(console, lang, say("rows.notes", lang), ("row", "note"), notes, count)
    if outcome.dropped:
        line(say("rows.dropped", lang, names=outcome.dropped))
    line(say(f"rows.{_ending(outcome, committed=committed)}", lang), style="bold")


def _ending(outcome: Outcome, *, committed: bool) -> str:
    if outcome.fault_count:
        return "refused"
    if not outcome.writes:
        return "nothing"
    return "committed" if committed else "dry-run"


def _show(
    console: Console, lang: str, title: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]], count: int
) -> None:
    """Print a table of the first rows, and how many more there are; without rows nothing."""
    if not rows:
        return
    table = Table(*(say(f"rows.column.{head}", lang) for head in heads), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    if count > len(rows):
        console.print(say("rows.more", lang, count=count - len(rows)))


def _number(row: int | None) -> str:
    return "" if row is None else str(row)
