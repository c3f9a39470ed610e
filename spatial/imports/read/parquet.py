"""Parquet and GeoParquet, in a stream. Which column holds shapes, and their system, GeoParquet's metadata say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet

from spatial.errors import Fault, invalid
from spatial.imports.read.arrow import arrow_chunks, counted
from spatial.imports.read.gdal import require_magic, told_errors
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.rows import Faults, require_columns

MAGIC = b"PAR1"
CRS84 = "OGC:CRS84"  # what GeoParquet means where it says nothing
ROWS_AT_ONCE = 50_000
MOST_GROUP_BYTES = 4_000_000_000


def open_parquet(path: Path, file: str) -> Source:
    """Return the rows of a file."""
    require_magic(path, MAGIC, file)
    with told_errors(file, path), pyarrow.parquet.ParquetFile(path) as opened:
        schema, metadata = opened.schema_arrow, opened.metadata
        groups = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
        count = metadata.num_rows
    if max(groups, default=0) > MOST_GROUP_BYTES:
        raise invalid("file", "file-inflates", file=file, limit_mb=MOST_GROUP_BYTES // 1_000_000)
    geometry, crs = geometry_of(schema, file)
    notes = [
        Fault("file", "column-unreadable", {"column": field.name, "kind": str(field.type)[:40]})
        for field in schema
        if field.name != geometry and not _is_plain(field.type)
    ]
    names = require_columns([field.name for field in schema if field.name != geometry and _is_plain(field.type)])
    faults: list[Fault] = []

    def chunks() -> Iterator[Chunk]:
        told = Faults(faults)
        wanted = [*names, geometry] if geometry else list(names)
        with told_errors(file, path), pyarrow.parquet.ParquetFile(path) as opened:
            batches = counted(opened.iter_batches(ROWS_AT_ONCE, columns=wanted), file, count, told)
            yield from arrow_chunks(batches, names, geometry, told)
        told.close()

    return Source(
        file, "parquet", names, geometry is not None, chunks, crs=crs, count=count, faults=faults, notes=notes
    )


def geometry_of(schema: pa.Schema, file: str) -> tuple[str | None, str | None]:
    """Return the column of shapes and their system, as the metadata say."""
    try:
        said = orjson.loads((schema.metadata or {}).get(b"geo", b"null"))
    except orjson.JSONDecodeError as error:
        raise invalid("file", "file-unreadable", file=file, reason=error.msg) from None
    match said:
        case {"primary_column": str(name), "columns": {**columns}} if name in schema.names:
            about: Any = columns.get(name)
        case _:
            return None, None
    encoding = about.get("encoding") if isinstance(about, dict) else None
    if encoding != "WKB":
        raise invalid("file", "geometry-encoding-unknown", encoding=str(encoding)[:40])
    return name, _crs(about["crs"]) if "crs" in about else CRS84


def _crs(projjson: Any) -> str | None:
    """Return a system by its code where it has one, else as it is described."""
    match projjson:
        case {"id": {"authority": str(authority), "code": str() | int() as code}}:
            return f"{authority}:{code}"
        case None:
            return None
    return orjson.dumps(projjson).decode()


def _is_plain(kind: pa.DataType) -> bool:
    """Return whether a column's values can be plain ones."""
    types = pa.types
    return not (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_duration(kind)
        or types.is_map(kind)
        or types.is_union(kind)
        or isinstance(kind, pa.ExtensionType)
    )
