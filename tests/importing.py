"""What tests of imports share: files written, taken in, and looked at."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from sqlalchemy import text

from spatial.access import operator
from spatial.db import Database
from spatial.errors import Fault, InputError
from spatial.geometry import Geometries
from spatial.grids import queries
from spatial.imports.grids.model import CHANGES, FIELDS, Columns, NewLayer, Plan, Request
from spatial.imports.grids.service import commit_import, dry_run
from spatial.imports.read import read_file
from spatial.settings import Settings
from tests.test_tiling import in_degrees, shapes_of, square

START = datetime(2025, 1, 1, tzinfo=UTC)
SUMMER = datetime(2025, 7, 1, tzinfo=UTC)
TILING = NewLayer({"zh-CN": "警格", "en": "Police grids"})
FREE = NewLayer({"zh-CN": "区", "en": "Sectors"}, kind="free")
SETTINGS = Settings()
ACTOR = operator("test")
FOUR = in_degrees(shapes_of(*(square(x, y, 300) for x in (0, 300) for y in (0, 300))))

Write = Callable[..., Path]


def geojson_file(folder: Path, shapes: Geometries, /, crs: Any = "none", **columns: Sequence[Any]) -> Path:
    """Write shapes in degrees with a column or several, and return the file."""
    columns = columns or {"code": [f"G{number}" for number in range(len(shapes))]}
    features = [
        {
            "type": "Feature",
            "properties": {column: values[index] for column, values in columns.items()},
            "geometry": None if shape is None else json.loads(shapely.to_geojson(shape)),
        }
        for index, shape in enumerate(shapes)
    ]
    document = {"type": "FeatureCollection", "features": features}
    path = folder / "grids.geojson"
    path.write_text(json.dumps(document if crs == "none" else {**document, "crs": crs}), encoding="utf-8")
    return path


def plan_of(database: Database, file: Path, layer: str = "police", code: str = "code", **how: Any) -> Plan:
    """Return the dry run of a file."""
    table, request = read_file(file), request_of(layer, code, how)
    with database.read() as session:
        return dry_run(session, table, request, SETTINGS)


def take(database: Database, file: Path, layer: str = "police", code: str = "code", **how: Any) -> Plan:
    """Take a file in, into a tiling from 2025 on if nothing else is said."""
    table = read_file(file, geometry=how.pop("geometry", None))
    return commit_import(database, ACTOR, table, request_of(layer, code, how), SETTINGS)


def request_of(layer: str, code: str, how: dict[str, Any]) -> Request:
    """Return a request for an import, of which `how` says what is not usual."""
    named = {"code": code} | {key: how.pop(key) for key in FIELDS if key in how}
    said = {key: how.pop(key) for key in ("keep", "values", "constants") if key in how}
    return Request(layer, Columns(named, **said), **{"effective": START, "new_layer": TILING, **how})


def counts(plan: Plan) -> dict[str, int]:
    """Return to how many grids what happens, without what happens to none."""
    found = {change: len(plan.of(change)) for change in CHANGES}
    return {change: count for change, count in found.items() if count}


def in_force(database: Database, at: datetime = SUMMER, known_at: datetime | None = None, layer: str = "police") -> Any:
    """Return what is stored of each grid, by code: its name and the bytes of its shape."""
    with database.read() as session:
        found = queries.find_layer(session, layer)
        states = [] if found is None else queries.records_in_force(session, found.id, at, known_at)
        return {state.code: (state.name, shapely.to_wkb(state.shape)) for state in states}


def rows(database: Database, sql: str) -> list[Any]:
    """Return the rows of a query."""
    with database.read() as session:
        return [tuple(row) for row in session.execute(text(sql))]


def everything(database: Database) -> list[Any]:
    """Return how many rows each table has that an import may write."""
    tables = ("layer", "grid", "grid_version", "unit", "unit_version", "finding", "audit", "dataset_version")
    return [rows(database, f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def faults(call: Callable[[], Any]) -> list[Fault]:
    """Return the faults for which a call is refused."""
    with pytest.raises(InputError) as caught:
        call()
    return list(caught.value.faults)


def told(call: Callable[[], Any]) -> list[tuple[str, str]]:
    """Return place and kind of the faults for which a call is refused."""
    return [(fault.where, fault.text) for fault in faults(call)]
