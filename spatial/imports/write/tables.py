"""Parquet, and what GDAL writes, through Arrow in a stream: GeoPackage, FlatGeobuf, Shapefile."""

import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

from spatial import crs as systems
from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Geometries
from spatial.imports.read import Chunk
from spatial.imports.write.model import FAULTS_TOLD, Kind, ShapeType, Table, as_text

GEOMETRY = "geometry"
LONGEST_DBF_TEXT = 254  # bytes
ZIP_TIME = (2000, 1, 1, 0, 0, 0)  # so that the same rows make the same file
GEOPARQUET = "1.1.0"
MANY: dict[str, tuple[type[BaseGeometry], Callable[..., BaseGeometry]]] = {
    "MultiPoint": (shapely.Point, shapely.MultiPoint),
    "MultiLineString": (shapely.LineString, shapely.MultiLineString),
    "MultiPolygon": (shapely.Polygon, shapely.MultiPolygon),
}
NATIVE: dict[str, dict[Kind, pa.DataType]] = {
    "parquet": {"integer": pa.int64(), "number": pa.float64(), "bool": pa.bool_(), "date": pa.date32(),
                "instant": pa.timestamp("us", "UTC")},
    "gpkg": {"integer": pa.int64(), "number": pa.float64(), "bool": pa.bool_(), "date": pa.date32()},
    "fgb": {"integer": pa.int64(), "number": pa.float64(), "bool": pa.bool_()},
    "shp": {"integer": pa.int64(), "number": pa.float64(), "date": pa.date32()},
}  # fmt: skip


def write_parquet(path: Path, table: Table, crs: str) -> None:
    """Write Parquet; with shapes, GeoParquet."""
    schema = _schema(table, "parquet")
    if table.shape is not None:
        types = [] if table.shape == "Unknown" else [table.shape]
        column = {"encoding": "WKB", "geometry_types": types, "crs": _projjson(crs)}
        about = {"version": GEOPARQUET, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
        schema = schema.with_metadata({b"geo": orjson.dumps(about)})
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(table, schema):
            writer.write_batch(batch)


def write_geopackage(path: Path, table: Table, crs: str) -> None:
    """Write a GeoPackage of one layer; without shapes, of one table."""
    _through_gdal(path, table, crs, "gpkg", driver="GPKG", layer=table.name)


def write_flatgeobuf(path: Path, table: Table, crs: str) -> None:
    """Write a FlatGeobuf; without its index, which would reorder the rows."""
    _require_shapes(table)
    _through_gdal(path, table, crs, "fgb", driver="FlatGeobuf", layer=table.name, SPATIAL_INDEX="NO")


def write_shapefile(path: Path, table: Table, crs: str) -> None:
    """Write a zipped Shapefile; texts too long for it are all told."""
    _require_shapes(table)
    folder = path.parent / "parts"
    folder.mkdir()
    _through_gdal(folder / f"{table.name}.shp", table, crs, "shp", driver="ESRI Shapefile", encoding="UTF-8")
    with zipfile.ZipFile(path, "w") as packed:
        for part in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(part.name, ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            with part.open("rb") as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target)


def _require_shapes(table: Table) -> None:
    if table.shape is None:
        raise invalid("format", "export-needs-shapes")


def _through_gdal(path: Path, table: Table, crs: str, fmt: str, **how: Any) -> None:
    schema = _schema(table, fmt)
    failed: list[InputError] = []  # GDAL only passes on that something failed

    def batches() -> Iterator[pa.RecordBatch]:
        too_long: list[Fault] = []
        try:
            yield from _batches(table, schema, too_long if fmt == "shp" else None)
            if too_long:
                raise InputError(too_long)
        except InputError as error:
            failed.append(error)
            raise

    with_shapes = table.shape is not None
    described = systems.described(crs)
    wkt = None if described is None else described.to_wkt()
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # of long names that a Shapefile cuts, and of files without a system
            pyogrio.raw.write_arrow(
                pa.RecordBatchReader.from_batches(schema, batches()),
                path,
                geometry_name=GEOMETRY if with_shapes else None,
                geometry_type=table.shape if with_shapes else None,
                crs=wkt if with_shapes else None,
                **how,
            )
    except (RuntimeError, pa.ArrowException):
        if failed:
            raise failed[0] from None
        raise


def _schema(table: Table, fmt: str) -> pa.Schema:
    fields = [pa.field(name, NATIVE[fmt].get(kind, pa.string())) for name, kind in table.kinds.items()]
    return pa.schema([*fields, pa.field(GEOMETRY, pa.binary())] if table.shape is not None else fields)


def _batches(table: Table, schema: pa.Schema, too_long: list[Fault] | None = None) -> Iterator[pa.RecordBatch]:
    for chunk in table.chunks:
        arrays = []
        for field in schema:
            if field.name == GEOMETRY and table.shape is not None:
                shapes = [None] * len(chunk) if chunk.shapes is None else _many(table.shape, chunk.shapes)
                wkb = list(shapely.to_wkb(shapes))
                arrays.append(pa.array(wkb, pa.binary()))
                continue
            values = chunk.columns[field.name]
            if pa.types.is_string(field.type):
                values = list(map(as_text, values))
                if too_long is not None and len(too_long) < FAULTS_TOLD:
                    too_long += _too_long(chunk, field.name, values)
            arrays.append(pa.array(values, field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _many(shape: ShapeType, shapes: Geometries) -> list[BaseGeometry | None]:
    """Return shapes of the type of their column, which may be that of several in one."""
    made = MANY.get(shape)
    return [one if made is None or not isinstance(one, made[0]) else made[1]([one]) for one in shapes]


def _too_long(chunk: Chunk, name: str, values: list[str | None]) -> Iterator[Fault]:
    for number, value in zip(chunk.numbers, values, strict=True):
        if value is not None and len(value.encode()) > LONGEST_DBF_TEXT:
            yield Fault(f"row {number}, column {name}", "text-too-long-for-shapefile", {"limit": LONGEST_DBF_TEXT})


def _projjson(crs: str) -> Any:
    described = systems.described(crs)
    return None if described is None else described.to_json_dict()
