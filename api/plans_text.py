"""Plans on a terminal."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from api.plans_difference import What
from api.plans_out import DoneOut, MeasureOut, ObstacleOut, OpOut, PlanOut, ReviewOut
from maps.texts import known, say

MOST = 50  # rows; all of them are for a file


def show_plans(plans: Sequence[PlanOut], lang: str, zone: ZoneInfo) -> None:
    """Print each plan in a row."""
    if not plans:
        Console().print(say("plan.none", lang))
        return
    table = Table(Column(say("plan.head.id", lang), no_wrap=True))
    for head in ("name", "state", "layers", "unit", "made", "effective"):
        table.add_column(say(f"plan.head.{head}", lang))
    for one in plans:
        table.add_row(
            Text(str(one.id)),
            Text(one.name),
            Text(say(f"plan.state.{one.state}", lang)),
            Text(" ".join(one.layers)),
            Text(one.unit or ""),
            Text(_local(one.created_at, zone)),
            Text(_local(one.effective, zone)),
        )
    Console().print(table)


def show_plan(plan: PlanOut, ops: Sequence[OpOut], lang: str, zone: ZoneInfo) -> None:
    """Print all that is known of a plan, and its operations."""
    table = Table.grid(padding=(0, 2))
    told = {
        "id": str(plan.id),
        "name": plan.name,
        "note": plan.note,
        "state": say(f"plan.state.{plan.state}", lang),
        "layers": " ".join(plan.layers),
        "unit": plan.unit or "",
        "revision": str(plan.revision),
        "base": _local(plan.base_at, zone),
        "made": f"{_local(plan.created_at, zone)} {plan.created_by}",
        "document": plan.document_number or "",
        "effective": _local(plan.effective, zone),
        "sha256": plan.sha256 or "",
    }
    for head, text in told.items():
        if text:
            table.add_row(Text(say(f"plan.head.{head}", lang), style="dim"), Text(text))
    console = Console()
    console.print(table)
    if not ops:
        return
    listed = Table(*(say(f"plan.head.{head}", lang) for head in ("n", "parent", "operation", "grids", "by", "at")))
    for op in ops:
        style = "" if op.is_on else "dim"
        cells = (
            str(op.n),
            str(op.parent),
            say(f"plan.op.{op.kind}", lang),
            str(op.grids),
            op.made_by,
            _local(op.at, zone),
        )
        listed.add_row(*(Text(cell, style=style) for cell in cells))
    console.print(listed)


def show_done(done: DoneOut, lang: str) -> None:
    """Print what an operation does to grids and units, and what is to be said of it."""
    table = Table(Column(say("plan.head.grid", lang), no_wrap=True))
    for head in ("area", "addresses", "incidents", "officers", "compactness", "deviation"):
        table.add_column(say(f"plan.head.{head}", lang))
    for one in done.grids:
        before, after = _measured(one.before), _measured(one.after)
        table.add_row(
            Text(f"{one.layer} {one.code}"), *(Text(_arrow(*pair)) for pair in zip(before, after, strict=True))
        )
    console = Console()
    console.print(table)
    for found in done.findings:
        words = say(f"finding.kind.{found.kind}", lang)
        console.print(Text(f"{found.layer} {' '.join(found.grids)}: {words}", style="yellow"))


def show_review(review: ReviewOut, lang: str) -> None:
    """Print what stands against a plan."""
    console = Console()
    if not review.obstacles and not review.findings:
        console.print(say("plan.clear", lang))
        return
    heads = ("weight", "what", "layer", "grids", "area", "place", "key")
    table = Table(*(say(f"plan.head.{head}", lang) for head in heads))
    for weight, found in (("obstacle", review.obstacles), ("finding", review.findings)):
        for one in found[:MOST]:
            place = "" if one.lon is None else f"{one.lon:.6f} {one.lat:.6f}"
            area = "" if one.area_m2 is None else f"{one.area_m2:,.1f} m²"
            cells = (say(f"plan.weight.{weight}", lang), _words(one, lang), one.layer, " ".join(one.grids), area, place)
            table.add_row(*map(Text, cells), Text(one.key if weight == "finding" else ""))
    console.print(table)


Cell = Callable[[Any, str], str]


def _passed(one: Any, _lang: str) -> str:
    return f"{one.from_grid or '—'} → {one.to_grid or '—'}"


def _heir(one: Any, _lang: str) -> str:
    return f"{one.grid} → {one.heir}" if one.heir else str(one.grid)


def _named(*names: str) -> Cell:
    return lambda one, _lang: " ".join(str(one.what[name]) for name in names if one.what.get(name) is not None)


LAYER: Mapping[str, Cell] = {"layer": lambda one, _: one.layer}
HELD: Mapping[str, Cell] = {
    "area": lambda one, _: area_text(one.area_m2),
    "addresses": lambda one, _: str(one.held.addresses),
    "incidents": lambda one, _: str(one.held.incidents),
}
COLUMNS: Mapping[What, Mapping[str, Cell]] = {
    "grids": {
        **LAYER,
        "grid": lambda one, _: f"{one.code} {one.name_after or one.name_before}",
        "change": lambda one, lang: say(f"plan.change.{one.change}", lang),
        "area": lambda one, _: _arrow(*(_size(size) for size in (one.area_before_m2, one.area_after_m2))),
    },
    "handings": {**LAYER, "passes": _passed, **HELD},
    "cells": {**LAYER, "what": _named("code"), "passes": _passed},
    "addresses": {**LAYER, "what": _named("code", "text"), "passes": _passed},
    "incidents": {**LAYER, "what": _named("source", "external_id", "category"), "passes": _passed},
    "places": {**LAYER, "what": _named("code", "name"), "passes": _passed},
    "officers": {
        "officer": lambda one, _: " ".join(told for told in (one.officer, one.name) if told),
        "grid": lambda one, _: one.grid,
        "direction": lambda one, lang: f"{say(f'plan.direction.{one.direction}', lang)} {one.other_grid or '—'}",
        **HELD,
    },
    "assignments": {
        "officer": lambda one, _: " ".join(str(told) for told in one.what["officer"].values() if told),
        "grid": _heir,
    },
    "shifts": {"what": _named("start", "kind", "officer", "team"), "grid": _heir},
    "rules": {"what": _named("code"), "grid": _heir},
    "overrides": {"what": _named("code"), "grid": _heir},
}  # fmt: skip


def show_difference(what: What, rows: Sequence[BaseModel], lang: str) -> None:
    """Print the first rows of a list, and how many there are in all."""
    console = Console()
    columns = COLUMNS[what]
    table = Table(*(say(f"plan.head.{head}", lang) for head in columns))
    for one in rows[:MOST]:
        table.add_row(*(Text(cell(one, lang)) for cell in columns.values()))
    if rows:
        console.print(table)
    key = "all" if len(rows) <= MOST else "first"
    said = say(f"plan.{key}", lang, what=say(f"plan.what.{what}", lang), shown=min(MOST, len(rows)), count=len(rows))
    console.print(Text(said, style="dim"))


def area_text(m2: float) -> str:
    """Return an area for people."""
    return f"{m2:,.0f} m²" if m2 < 10_000 else f"{m2 / 1e6:,.3f} km²"


def _size(m2: float | None) -> str:
    return "—" if m2 is None else area_text(m2)


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _words(one: ObstacleOut, lang: str) -> str:
    """Return what an obstacle or a finding is, in words."""
    key = next((key for key in (f"plan.obstacle.{one.kind}", f"finding.kind.{one.kind}") if known(key)), None)
    if key is not None:
        return say(key, lang)
    return say(f"fault.{one.kind}", lang, **one.model_dump(), **one.values)


def _measured(one: MeasureOut | None) -> tuple[str, ...]:
    if one is None:
        return ("—",) * 6
    return (
        area_text(one.area_m2),
        str(one.held.addresses),
        str(one.held.incidents),
        str(len(one.officers)),
        f"{one.compactness:.2f}",
        "—" if one.deviation is None else f"{one.deviation:+.0%}",
    )


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
