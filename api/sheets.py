"""Answers as rows of files."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from spatial.geometry import Geometries
from spatial.imports.read import Chunk
from spatial.imports.write import ShapeType, Table, kind_of

WITHOUT_SHAPES = {"csv", "xlsx"}  # formats


def sheet(
    name: str,
    of: type[BaseModel],
    rows: Sequence[BaseModel],
    shapes: Geometries | None,
    shape: ShapeType = "MultiPolygon",
) -> Table:
    """Return rows as those of a file: what is nested in columns of its own, lists of things as JSON."""
    flat = [dict(_flat(one.model_dump(mode="json", by_alias=True))) for one in rows]
    columns = {column: [one.get(column) for one in flat] for column in _columns(of)}
    kinds = {column: kind_of(values) for column, values in columns.items()}
    chunks = [Chunk(range(1, len(flat) + 1), columns, shapes)] if flat else []
    return Table(name, kinds, chunks, None if shapes is None else shape)


def _columns(of: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the columns of a model's rows, whether there are any or not."""
    for name, field in of.model_fields.items():
        told = prefix + (field.serialization_alias or name)
        nested = [one for one in (field.annotation, *get_args(field.annotation)) if _is_model(one)]
        if nested and get_origin(field.annotation) is not list:
            yield from _columns(nested[0], f"{told}_")
        else:
            yield told


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield prefix + name, value  # of a column that holds anything
            yield from _flat(value, f"{prefix}{name}_")
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield prefix + name, ";".join(value)
        else:
            yield prefix + name, value
