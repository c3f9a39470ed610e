"""What is written to a file: named columns of one kind each, and rows chunk by chunk."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import orjson

from spatial.imports.read import Chunk

Kind = Literal["text", "integer", "number", "bool", "date", "instant", "json"]
ShapeType = Literal["Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "Unknown"]
FAULTS_TOLD = 200  # of what a format cannot hold: writing stops then
SMALLEST, LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Table:
    """Rows for a file; `name` is that of its layer or sheet.

    `kinds` says of each column, in order, what its values are: text, int, float, bool, date, datetime with a zone, or
    anything that JSON can say. None is nothing. `shape` is the type of the shapes, None where rows have none.
    """

    name: str
    kinds: Mapping[str, Kind]
    chunks: Iterable[Chunk]
    shape: ShapeType | None = None


def kind_of(values: Iterable[Any]) -> Kind:
    """Return the kind that holds all of some values: text where they are of several, or too large for a number."""
    kinds: set[Kind] = set()
    for value in values:
        if isinstance(value, bool):
            kinds.add("bool")
        elif isinstance(value, int):
            kinds.add("integer" if SMALLEST <= value <= LARGEST else "text")
        elif isinstance(value, float):
            kinds.add("number")
        elif isinstance(value, dict | list):
            kinds.add("json")
        elif value is not None:
            kinds.add("text")
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "json" if "json" in kinds else "text"


def as_text(value: Any) -> str | None:
    """Return a value as text that says it exactly: RFC 3339 for times, JSON for what is made of parts."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else repr(value)
