"""What GDAL reads: GeoPackage and FlatGeobuf in a stream, and the shapes of a Shapefile.

GDAL is only shown files on local disk whose first bytes are those of such a format: some of its other formats would
fetch from the network, or open other files.
"""

import re
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.arrow import arrow_chunks, counted
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.rows import Faults, require_columns

SQLITE = b"SQLite format 3\0"
FLATGEOBUF = b"fgb\x03fgb"
ROWS_AT_ONCE = 20_000
NAME = r"""(?:"[^"]*"|'[^']*'|\[[^\]]*\]|`[^`]*`|\w+)"""
PLAIN = re.compile(  # as SQLite itself writes them down
    rf"create (?:table|view|trigger|(?:unique )?index)\b.*|create virtual table {NAME}\s+using\s+rtree\s*\(.*",
    re.IGNORECASE | re.DOTALL,
)
SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"


def open_geopackage(path: Path, file: str, source_layer: str | None) -> Source:
    """Return the rows of a layer of a GeoPackage, with or without shapes."""
    return _streamed(path, file, "geopackage", geopackage_layer(path, file, source_layer))


def geopackage_layer(path: Path, file: str, source_layer: str | None) -> str:
    """Return the name of the layer of a GeoPackage that is wanted, or of the only one."""
    require_magic(path, SQLITE, file)
    _require_geopackage(path, file)
    with told_errors(file, path), quiet():
        layers = {str(name): kind is not None for name, kind in pyogrio.list_layers(path)}
    spatial = [name for name, has_shapes in layers.items() if has_shapes]
    wanted = source_layer in layers
    return chosen(list(layers) if wanted else spatial or list(layers), source_layer, file)


def open_flatgeobuf(path: Path, file: str) -> Source:
    """Return the features of a FlatGeobuf."""
    require_magic(path, FLATGEOBUF, file)
    with told_errors(file, path), quiet():
        ((layer, _),) = pyogrio.list_layers(path)
    return _streamed(path, file, "flatgeobuf", str(layer))


def require_magic(path: Path, magic: bytes, file: str) -> None:
    """Raise an `InputError` unless a file begins as it should."""
    with path.open("rb") as opened:
        if opened.read(len(magic)) != magic:
            raise invalid("file", "file-content-differs", file=file, suffix=path.suffix)


def chosen(known: Sequence[str], wanted: str | None, file: str) -> str:
    """Return the layer that is wanted, or the only one; else an `InputError` names those there are."""
    if wanted is None and len(known) == 1:
        return known[0]
    if not known:
        raise invalid("file", "no-source-layer", file=file)
    if wanted not in known:
        raise invalid("source-layer", "choose-source-layer", file=file, known=", ".join(known))
    return str(wanted)


@contextmanager
def told_errors(file: str, path: Path) -> Iterator[None]:
    """Turn what GDAL and Arrow raise into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except (RuntimeError, OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).replace(str(path.parent) + "/", "").splitlines()[:1]
        raise invalid("file", "file-unreadable", file=file, reason="".join(reason)[:200]) from None


def quiet() -> AbstractContextManager[None]:
    """Ignore what GDAL only warns of, such as third and fourth dimensions."""
    return warnings.catch_warnings(action="ignore")


def declared_crs(crs: Any) -> str | None:
    """Return what a file declares, None where GDAL only says that it is undefined."""
    return None if crs is None or "Undefined" in str(crs) else str(crs)


def _streamed(path: Path, file: str, kind: str, layer: str) -> Source:
    with told_errors(file, path), quiet():
        info = pyogrio.read_info(path, layer=layer, force_feature_count=True)
    names = require_columns([str(name) for name in info["fields"]])
    has_shapes = info["geometry_type"] is not None
    count = int(info["features"])
    faults: list[Fault] = []

    def chunks() -> Iterator[Chunk]:
        told = Faults(faults)
        with told_errors(file, path), ExitStack() as stack:
            with quiet():
                opened = pyogrio.raw.open_arrow(path, layer=layer, batch_size=ROWS_AT_ONCE, use_pyarrow=True)
                meta, reader = stack.enter_context(opened)
            geometry = (meta["geometry_name"] or "wkb_geometry") if has_shapes else None
            yield from arrow_chunks(counted(_quietly(reader), file, count, told), names, geometry, told)
        told.close()

    return Source(file, kind, names, has_shapes, chunks, crs=declared_crs(info["crs"]), count=count, faults=faults)


def _quietly(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches without the warnings that come with them; what is read is judged for itself."""
    batches = iter(reader)
    while True:
        with quiet():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _require_geopackage(path: Path, file: str) -> None:
    """Raise an `InputError` unless a database is a GeoPackage, without tables that are programs' doors to elsewhere."""
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'gpkg_contents'").fetchone() is None:
                raise invalid("file", "file-not-a-geopackage", file=file)
            if not all(PLAIN.fullmatch(str(sql)) for (sql,) in database.execute(SCHEMA)):
                raise invalid("file", "file-has-virtual-tables", file=file)
        finally:
            database.close()
    except (sqlite3.Error, UnicodeError) as error:
        raise invalid("file", "file-unreadable", file=file, reason=str(error)[:200]) from None
