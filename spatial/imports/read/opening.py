"""A file of any of the formats that cities have, opened as what its name and its first bytes say."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.archive import Unpacked
from spatial.imports.read.dbf import open_dbf
from spatial.imports.read.delimited import open_delimited
from spatial.imports.read.excel import open_excel
from spatial.imports.read.gdal import open_flatgeobuf, open_geopackage
from spatial.imports.read.geojson import open_geojson
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.parquet import open_parquet
from spatial.imports.read.rows import MOST_FAULTS, chunks_of
from spatial.imports.read.shapefile import open_shapefile
from spatial.imports.read.shapes import read_shapes

Opener = Callable[[Path, str, str | None, str | None], Source]  # path, name to show, layer, encoding

OPENERS: dict[tuple[str, ...], Opener] = {
    (".geojson", ".json"): lambda path, file, _layer, encoding: open_geojson(path, file, encoding),
    (".csv", ".tsv", ".txt"): lambda path, file, _layer, encoding: open_delimited(path, file, encoding),
    (".xlsx", ".xlsm", ".xls", ".ods"): lambda path, file, layer, _encoding: open_excel(path, file, layer),
    (".gpkg",): lambda path, file, layer, _encoding: open_geopackage(path, file, layer),
    (".shp",): lambda path, file, _layer, encoding: open_shapefile(path, file, encoding),
    (".dbf",): lambda path, file, _layer, encoding: open_dbf(path, file, encoding),
    (".fgb",): lambda path, file, _layer, _encoding: open_flatgeobuf(path, file),
    (".parquet", ".geoparquet"): lambda path, file, _layer, _encoding: open_parquet(path, file),
}
BY_SUFFIX = {suffix: opener for suffixes, opener in OPENERS.items() for suffix in suffixes}
ARCHIVE = ".zip"
SUFFIXES = (*(suffix for suffix in BY_SUFFIX if suffix not in {".xls", ".ods"}), ARCHIVE)


def open_source(
    path: Path,
    *,
    source_layer: str | None = None,
    encoding: str | None = None,
    geometry: str | None = None,
    drop: Collection[str] = (),
) -> Source:
    """Return a file's rows; `source_layer` picks a layer, sheet or member where there are several.

    `encoding` is that of text where the file does not say it; `geometry` a column with shapes as WKT or as WKB in
    hexadecimal digits; columns to `drop` are as if they were not there. What cannot be read at all is an `InputError`.
    """
    source = _opened(path, source_layer, encoding)
    asked = [("drop", name) for name in drop] + ([] if geometry is None else [("geometry", geometry)])
    known = ", ".join(source.columns)
    missing = [(where, name) for where, name in asked if name not in source.columns]
    if missing:
        raise InputError([Fault(where, "column-missing", {"column": name, "known": known}) for where, name in missing])
    source = _without(source, drop) if drop else source
    return source if geometry is None else _shaped(source, geometry)


def _opened(path: Path, source_layer: str | None, encoding: str | None) -> Source:
    if path.is_dir():
        raise invalid("file", "file-is-a-folder", file=path.name)
    if not path.is_file():
        raise invalid("file", "file-missing", file=path.name)
    if path.stat().st_size == 0:
        raise invalid("file", "file-empty", file=path.name)
    suffix = path.suffix.lower()
    if suffix == ARCHIVE:
        return _unpacked(path, source_layer, encoding)
    opener = BY_SUFFIX.get(suffix)
    if opener is None:
        raise invalid("file", "file-format-unknown", file=path.name, known=", ".join(SUFFIXES))
    return opener(path, path.name, source_layer, encoding)


def _unpacked(path: Path, source_layer: str | None, encoding: str | None) -> Source:
    """Return the rows of what is in an archive, unpacked as long as the source is in use."""
    unpacked = Unpacked(path, source_layer, [suffix for suffix in SUFFIXES if suffix != ARCHIVE])
    layer = None if unpacked.is_chosen else source_layer
    inner = BY_SUFFIX[unpacked.path.suffix](unpacked.path, path.name, layer, encoding)
    return replace(inner, chunks=lambda: unpacked.rows_of(inner))


def _without(source: Source, drop: Collection[str]) -> Source:
    """Return a source without some columns, nor samples of them."""

    def chunks() -> Iterator[Chunk]:
        for chunk in source.chunks():
            yield replace(chunk, columns={name: chunk.columns[name] for name in names})

    names = tuple(name for name in source.columns if name not in drop)
    encoding = source.encoding
    if encoding is not None:
        encoding = replace(encoding, samples=tuple(one for one in encoding.samples if one[0] not in drop))
    return replace(source, columns=names, chunks=chunks, encoding=encoding)


def _shaped(source: Source, geometry: str) -> Source:
    """Return a source with the shapes that a column describes."""
    bare = _without(source, [geometry])

    def chunks() -> Iterator[Chunk]:
        bad: list[Fault] = []
        for chunk in source.chunks():
            texts = [None if text is None else str(text).strip() for text in chunk.columns[geometry]]
            is_hex = any(text is not None and text.startswith("0") for text in texts)
            shapes, sound, faults = read_shapes(shapely.from_wkb if is_hex else shapely.from_wkt, texts, chunk.numbers)
            bad += faults
            columns = {name: list(chunk.columns[name]) for name in bare.columns}
            yield from chunks_of(np.array(chunk.numbers), columns, shapes, sound)
        source.faults.extend(bad[:MOST_FAULTS])

    return replace(bare, has_shapes=True, chunks=chunks, of_texts=(source, geometry))
