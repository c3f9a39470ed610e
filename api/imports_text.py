"""A plan of an import, for programs and for people."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from maps.texts import say
from spatial.grids.standing import Standing
from spatial.imports.grids.model import CHANGES, Plan
from spatial.imports.grids.service import displacement
from spatial.roster.chains import steps_of
from spatial.settings import settings

ROWS_SHOWN = 20
NAMES_SHOWN = 6
FINDING = ("what", "severity", "grids", "area_m2", "from", "until")
Told = Callable[..., str]


def plan_out(plan: Plan, *, committed: bool) -> dict[str, Any]:
    """Return a plan as JSON; grids that stay as they are are only counted."""
    return {
        "committed": committed,
        "layer": plan.request.layer,
        "kind": plan.kind,
        "creates_layer": plan.makes_layer,
        "chain": plan.chain,
        "effective": plan.request.effective,
        "crs": plan.crs,
        "encoding": plan.encoding
        and {
            "name": plan.encoding.name,
            "declared": plan.encoding.is_declared,
            "samples": [{"column": column, "value": value} for column, value in plan.encoding.samples],
        },
        "displaced": plan.displaced and asdict(plan.displaced),
        "notes": [{"where": note.where, "kind": note.text, **note.values} for note in plan.notes],
        "features": plan.features,
        "counts": {change: len(plan.of(change)) for change in CHANGES},
        "grids": [
            {"change": one.change, "code": one.code, "name": one.name, "differs": one.differs, "area_m2": one.area_m2}
            for one in plan.of("new", "changed", "adjusted", "ended")
        ],
        "repairs": [
            {"code": one.code, "rows": one.rows, "kind": one.kind, "count": one.count, "area_m2": one.area_m2}
            for one in plan.repairs
        ],
        "findings": [_standing_out(one) for one in plan.standing],
        "findings_within": {layer: [_standing_out(one) for one in found] for layer, found in plan.inner.items()},
        "new_units": plan.new_units,
        "extended_units": plan.extended_units,
        "unused_columns": plan.unused_columns,
        "dropped_columns": plan.dropped_columns,
    }


def _standing_out(one: Standing) -> dict[str, Any]:
    return {
        "kind": one.finding.kind,
        "severity": one.finding.severity,
        "grids": one.finding.grids,
        "area_m2": one.finding.area_m2,
        **one.finding.detail,
        "from": one.span.lower,
        "until": one.span.upper,
    }


def show_plan(console: Console, plan: Plan, file: str, lang: str, *, committed: bool) -> None:
    """Print a plan: what would happen to the grids, what was mended, what is wrong, what is left out."""
    told = _teller(lang)
    line = partial(console.print, markup=False, highlight=False)
    line(told("head", file=file, count=plan.features, crs=plan.crs[:60], layer=plan.request.layer))
    line(told("effective", at=_shown(plan.request.effective)))
    counts = Table(*(told(f"change.{change}") for change in CHANGES))
    counts.add_row(*(str(len(plan.of(change))) for change in CHANGES))
    console.print(counts)
    for what, heads, rows in (_changes(plan, told), _repairs(plan, told)):
        _show_rows(console, told, told(what, count=len(rows)), heads, rows)
    _show_rows(console, told, told("findings", count=len(plan.standing)), FINDING, _findings(plan.standing, told))
    for layer, found in plan.inner.items():
        title = told("findings-within", layer=layer, count=len(found))
        _show_rows(console, told, title, FINDING, _findings(found, told))
    if plan.chain:
        line(told("chain", steps=[step["title"][lang] for step in steps_of(plan.chain)]))
    elif plan.makes_layer:
        line(told("no-chain"))
    if plan.new_units:
        line(told("units", names=_list(plan.new_units)))
    if plan.extended_units:
        line(told("extended-units", names=_list(plan.extended_units)))
    for text in _reading(plan, told, lang):
        line(text)
    line(told("nothing" if not plan.writes else "committed" if committed else "dry-run"), style="bold")


def _reading(plan: Plan, told: Told, lang: str) -> Iterator[str]:
    """Yield what to know of how a file was read; of a guessed encoding some values and how to confirm it."""
    if plan.unused_columns:
        yield told("unused", names=_list(plan.unused_columns))
    if plan.dropped_columns:
        yield told("dropped", names=_list(plan.dropped_columns))
    for note in (*plan.notes, *([displacement(plan.displaced)] if plan.displaced else ())):
        yield f"{note.where}: {say(f'fault.{note.text}', lang, **note.values)}"
    if plan.encoding:
        key = "encoding" if plan.encoding.is_declared else "encoding-guessed"
        yield told(key, encoding=plan.encoding.name)
        for column, value in plan.encoding.samples:
            yield f"  {column}: {value}" if column else f"  {value}"


def _teller(lang: str) -> Told:
    def told(key: str, **values: Any) -> str:
        return say(f"import.{key}", lang, **values)

    return told


Rows = tuple[str, Sequence[str], Sequence[tuple[str, ...]]]


def _changes(plan: Plan, told: Told) -> Rows:
    rows = [
        (one.code, told(f"change.{one.change}"), _list(told(f"field.{what}") for what in one.differs), _m2(one.area_m2))
        for one in plan.of("changed", "adjusted", "ended")
    ]
    return "changes", ("code", "what", "differs", "area_m2"), rows


def _repairs(plan: Plan, told: Told) -> Rows:
    rows = [(one.code, told(f"repair.{one.kind}"), str(one.count), _m2(one.area_m2)) for one in plan.repairs]
    return "repairs", ("code", "what", "count", "changed_m2"), rows


def _findings(standing: Sequence[Standing], told: Told) -> list[tuple[str, ...]]:
    return [
        (
            told(f"finding.{one.finding.kind}"),
            told(f"severity.{one.finding.severity}"),
            _list(one.finding.grids),
            _m2(one.finding.area_m2),
            _shown(one.span.lower),
            _shown(one.span.upper),
        )
        for one in sorted(standing, key=_worst_first)
    ]


def _worst_first(one: Standing) -> tuple[bool, float]:
    return one.finding.severity != "fault", -(one.finding.area_m2 or 0)


def _show_rows(console: Console, told: Told, title: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table of the first rows, and how many more there are; without rows nothing."""
    if not rows:
        return
    table = Table(*(told(f"column.{head}") for head in heads), title=title, title_justify="left")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(told("more", count=len(rows) - ROWS_SHOWN))


def _shown(at: datetime | None) -> str:
    """Return an instant as the deployment's clocks show it."""
    return "" if at is None else at.astimezone(settings().zone).isoformat(timespec="seconds")


def _m2(area_m2: float | None) -> str:
    return "" if area_m2 is None else f"{area_m2:,.2f}"


def _list(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    found = list(names)
    more = f" … +{len(found) - NAMES_SHOWN}" if len(found) > NAMES_SHOWN else ""
    return ", ".join(found[:NAMES_SHOWN]) + more
