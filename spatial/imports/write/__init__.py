"""Rows out to files of any format, in a stream; written aside and then renamed, so never half there.

What an import reads back is what was written, coordinate by coordinate: degrees have 9 decimals in all formats.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from spatial import crs as systems
from spatial.errors import invalid
from spatial.imports.read import Chunk
from spatial.imports.write.excel import write_excel, write_sheets
from spatial.imports.write.model import Kind, ShapeType, Table, kind_of
from spatial.imports.write.plain import write_csv, write_geojson
from spatial.imports.write.tables import write_flatgeobuf, write_geopackage, write_parquet, write_shapefile

__all__ = ["FORMATS", "Kind", "ShapeType", "Table", "format_of", "kind_of", "write_book", "write_rows"]

FORMATS = {
    "geojson": (".geojson", ".json"),
    "gpkg": (".gpkg",),
    "shp": (".zip",),
    "fgb": (".fgb",),
    "csv": (".csv",),
    "xlsx": (".xlsx",),
    "parquet": (".parquet",),
}
WRITERS: dict[str, Callable[[Path, Table, str], None]] = {
    "geojson": write_geojson,
    "gpkg": write_geopackage,
    "shp": write_shapefile,
    "fgb": write_flatgeobuf,
    "csv": write_csv,
    "xlsx": write_excel,
    "parquet": write_parquet,
}


def format_of(path: Path, asked: str | None) -> str:
    """Return the format asked for, else the one that the file's name tells."""
    if asked is not None:
        if asked not in FORMATS:
            raise invalid("format", "export-format-unknown", known=", ".join(FORMATS))
        return asked
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise invalid("output", "export-suffix-unknown", file=path.name, known=known)


@contextmanager
def write_rows(
    path: Path, table: Table, fmt: str, *, crs: str = systems.STORED, allow_shifted: bool = False
) -> Iterator[None]:
    """Write rows with shapes in stored degrees, in a named system, for a file that appears when the block ends well.

    Otherwise it never does. GeoJSON is always longitude, latitude (RFC 7946).
    """
    if crs != systems.STORED:
        if fmt == "geojson":
            raise invalid("crs", "geojson-in-degrees-only")
        table = replace(table, chunks=_converted(table, crs, allow_shifted=allow_shifted))
    with _aside(path, table.name + FORMATS[fmt][0]) as aside:
        WRITERS[fmt](aside, table, crs)
        yield


@contextmanager
def write_book(path: Path, tables: Sequence[Table]) -> Iterator[None]:
    """Write tables as sheets of one workbook, for a file that appears when the block ends well."""
    with _aside(path, path.name) as aside:
        write_sheets(aside, tables)
        yield


@contextmanager
def _aside(path: Path, name: str) -> Iterator[Path]:
    """Yield where to write a file that takes its place when the block ends well."""
    if not path.parent.is_dir():
        raise invalid("output", "folder-missing", folder=str(path.parent))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        aside = Path(folder, name)
        yield aside
        aside.replace(path)


def _converted(table: Table, crs: str, *, allow_shifted: bool) -> Iterator[Chunk]:
    for chunk in table.chunks:
        if chunk.shapes is None:
            yield chunk
        else:
            yield replace(chunk, shapes=systems.from_stored(chunk.shapes, crs, allow_shifted=allow_shifted))
