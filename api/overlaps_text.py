"""Overlaps on a terminal: the first rows, and how many there are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.overlaps_asked import What
from maps.texts import say

MOST = 50  # rows; all of them are for a file
Cell = Callable[[Any, str], str]


def _area(m2: float) -> str:
    return f"{m2:,.0f} m²" if m2 < 10_000 else f"{m2 / 1e6:,.3f} km²"


def _unit(code: str | None, name: str | None) -> str:
    return " ".join(one for one in (code, name) if one) or "—"


COLUMNS: Mapping[What, Mapping[str, Cell]] = {
    "pieces": {
        "grid": lambda one, _: f"{one.grid.code} {one.grid.name}",
        "other": lambda one, _: f"{one.other.code} {one.other.name}",
        "area": lambda one, _: _area(one.area_m2),
        "share": lambda one, _: f"{one.share:.1%}",
        "other-share": lambda one, _: f"{one.other_share:.1%}",
        "misfit": lambda one, _: f"{one.misfit_m:,.0f} m",
        "addresses": lambda one, _: str(one.counted.addresses) if one.counted else "—",
        "incidents": lambda one, _: str(one.counted.incidents) if one.counted else "—",
    },
    "relations": {
        "grid": lambda one, _: f"{one.grid.code} {one.grid.name}",
        "unit": lambda one, _: _unit(one.grid.unit, one.grid.unit_name),
        "relation": lambda one, lang: say(f"overlap.relation.{one.relation}", lang),
        "others": lambda one, _: str(len(one.others)),
        "misfit": lambda one, _: f"{one.misfit_m:,.0f} m",
        "uncovered": lambda one, _: _area(one.uncovered_m2),
    },
    "units": {
        "unit": lambda one, _: _unit(one.unit, one.unit_name),
        "other-unit": lambda one, _: _unit(one.other_unit, one.other_unit_name),
        "area": lambda one, _: _area(one.area_m2),
        "pieces": lambda one, _: str(one.pieces),
        "addresses": lambda one, _: str(one.counted.addresses),
        "incidents": lambda one, _: str(one.counted.incidents),
    },
    "snaps": {
        "other": lambda one, _: f"{one.other.code} {one.other.name}",
        "to": lambda one, _: one.to,
        "area": lambda one, _: _area(one.area_m2),
        "addresses": lambda one, _: str(one.counted.addresses),
        "incidents": lambda one, _: str(one.counted.incidents),
        "officers": lambda one, _: str(one.officers),
    },
    "cells": {
        "cell": lambda one, _: f"{one.cell.code} {one.cell.name}",
        "fault": lambda one, lang: say(f"overlap.fault.{one.fault}", lang),
        "belongs-to": lambda one, _: one.belongs_to or "—",
        "lies-in": lambda one, _: " ".join(one.lies_in) or "—",
        "area": lambda one, _: _area(one.area_m2),
    },
}


def show_rows(what: What, rows: Sequence[Any], lang: str) -> None:
    """Print the first rows of a list as a table, and under it how many there are in all."""
    columns = COLUMNS[what]
    table = Table(*(say(f"overlap.head.{name}", lang) for name in columns))
    for one in rows[:MOST]:
        table.add_row(*(Text(cell(one, lang)) for cell in columns.values()))
    console = Console()
    console.print(table)
    key = "all" if len(rows) <= MOST else "first"
    console.print(Text(say(f"overlap.{key}", lang, shown=min(MOST, len(rows)), count=len(rows)), style="dim"))
