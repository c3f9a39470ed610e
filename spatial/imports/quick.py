"""Whole columns at once, where every cell is plain; every other column is read cell by cell.

What is read here is read the same as cell by cell, only many times faster: files of millions of rows are mostly plain.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spatial.imports.cells import CONTROL, CONTROL_IN_PROSE, LONGEST_TEXT, WIDE
from spatial.imports.model import Field
from spatial.tables import LONGEST_CODE
from spatial.time import EARLIEST, LATEST

EDGES = re.compile(r"^\s|\s$|^$", re.MULTILINE)
PLAIN_INSTANT = r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)\z"  # for RE2
NULL = r"\N"


def plain_column(field: Field, values: list[Any]) -> list[str] | None:
    """Return a column as COPY stores it, or None where some cell needs a closer look."""
    if field.rule is not None or (field.required and None in values):
        return None
    if field.kind == "instant":
        return _instants(values)
    if field.kind in ("code", "text", "prose") and not field.labels:
        return _texts(field, values)
    return None


def _texts(field: Field, values: list[Any]) -> list[str] | None:
    told = [value for value in values if value is not None]
    try:
        joined = "\n".join(told)
        longest = max(map(len, told), default=0)
    except TypeError:  # not all are texts
        return None
    most = LONGEST_CODE if field.kind == "code" else int(field.most or LONGEST_TEXT)
    bare = joined.replace("\n", "")
    if longest > most or len(bare) != len(joined) - max(len(told) - 1, 0) or "\\" in joined or "\t" in joined:
        return None
    if (CONTROL_IN_PROSE if field.kind == "prose" else CONTROL).search(bare) or EDGES.search(joined):
        return None
    if field.kind == "code" and WIDE.search(bare):
        return None
    return values if len(told) == len(values) else [NULL if value is None else value for value in values]


def _instants(values: list[Any]) -> list[str] | None:
    told = [value for value in values if value is not None]
    if not told:
        return [NULL] * len(values)
    try:
        texts = pa.array(told, pa.string())
        if not pc.all(pc.match_substring_regex(texts, PLAIN_INSTANT)).as_py():
            return None
        found = texts.cast(pa.timestamp("us", "UTC"))
    except (TypeError, ValueError):  # not texts, half a letter, no such day
        return None
    bounds = pc.min_max(found)
    if bounds["min"].as_py() < EARLIEST or bounds["max"].as_py() >= LATEST:
        return None
    return values if len(told) == len(values) else [NULL if value is None else value for value in values]
