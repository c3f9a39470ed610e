"""GeoJSON and CSV."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import shapely

from spatial.geometry import Geometries
from spatial.imports.read import Chunk
from spatial.imports.write.model import Table, as_text

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a sheet would compute; and our own mark before such
POSITION = ("lon", "lat")
SHAPE = "geometry"


def write_geojson(path: Path, table: Table, _crs: str) -> None:
    """Write features; numbers, flags and JSON as such, everything else as text."""
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","name":' + orjson.dumps(table.name) + b',"features":[')
        separator = b"\n"
        for chunk in table.chunks:
            shapes = [None] * len(chunk) if chunk.shapes is None else shapely.to_geojson(chunk.shapes)
            names = list(chunk.columns)
            for values, shape in zip(_rows(chunk), shapes, strict=True):
                properties = dict(zip(names, values, strict=True))
                geometry = None if shape is None else orjson.Fragment(shape)
                feature = {"type": "Feature", "properties": properties, "geometry": geometry}
                file.write(separator + orjson.dumps(feature, default=str))
                separator = b",\n"
        file.write(b"\n]}\n")


def write_csv(path: Path, table: Table, _crs: str) -> None:
    """Write rows in UTF-8 with a byte order mark, without which Excel would take it for another encoding.

    A text that a sheet would compute gets an apostrophe in front, which an import takes away again.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(harmless, table.kinds), *shape_columns(table)])
        for chunk in table.chunks:
            columns = [
                [harmless(value) for value in chunk.columns[name]]
                if kind in {"text", "json"}
                else list(map(as_text, chunk.columns[name]))
                for name, kind in table.kinds.items()
            ]
            writer.writerows(zip(*columns, *shape_values(table, chunk.shapes), strict=True))


def harmless(value: Any) -> str | None:
    """Return a text that no sheet computes."""
    text = as_text(value)
    return f"'{text}" if text is not None and FORMULA.match(text) else text


def shape_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that say in a sheet where things are."""
    return () if table.shape is None else POSITION if table.shape == "Point" else (SHAPE,)


def shape_values(table: Table, shapes: Geometries | None) -> list[list[Any]]:
    """Return what those columns hold: degrees of points, WKT of other shapes."""
    if table.shape is None or shapes is None:
        return []
    if table.shape == "Point":
        missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        return [
            [None if gone else float(number) for gone, number in zip(missing, numbers, strict=True)]
            for numbers in (shapely.get_x(shapes), shapely.get_y(shapes))
        ]
    return [list(shapely.to_wkt(shapes, rounding_precision=-1))]


def _rows(chunk: Chunk) -> Iterator[tuple[Any, ...]]:
    return zip(*chunk.columns.values(), strict=True) if chunk.columns else iter([()] * len(chunk))
