"""Shapefiles: shapes through GDAL, attributes and their encoding from the table beside."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio
import shapely

from spatial.errors import Fault, invalid
from spatial.imports.read import dbf
from spatial.imports.read.gdal import declared_crs, quiet, require_magic, told_errors
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.rows import Faults, chunks_of
from spatial.imports.read.shapes import read_shapes

MAGIC = b"\x00\x00\x27\x0a"
HEADER_BYTES = 100
ENTRY_BYTES = 8


def open_shapefile(path: Path, file: str, encoding: str | None) -> Source:
    """Return the features of a Shapefile whose parts lie beside one another."""
    require_magic(path, MAGIC, file)
    rows = _indexed(path, file)
    with told_errors(file, path), quiet():
        crs = declared_crs(pyogrio.read_info(path)["crs"])
    table = _table(path, rows)
    told = dbf.encoding_of(table, encoding)
    names = dbf.names_of(table, told)
    dbf.require_decodable(table, told)
    faults: list[Fault] = []

    def chunks() -> Iterator[Chunk]:
        found = Faults(faults)
        for start, columns, kept in dbf.rows_of(table, names, told, found):
            numbers = np.arange(start + 1, start + 1 + len(kept))
            shapes, sound, bad = read_shapes(shapely.from_wkb, _wkb(path, file, start, len(kept)), numbers.tolist())
            for fault in bad:
                found.add(fault)
            yield from chunks_of(numbers, columns, shapes, kept & sound)
        found.close()

    shown = dbf.sampled(told, chunks, faults)
    return Source(
        file,
        "shapefile",
        names,
        has_shapes=True,
        chunks=chunks,
        crs=crs,
        encoding=shown,
        count=rows,
        faults=faults,
        notes=dbf.notes_of(table, told),
    )


def _indexed(path: Path, file: str) -> int:
    """Return how many shapes there are; an `InputError` where a part is missing or shorter than it says."""
    index = part(path, ".shx")
    if index is None:
        raise invalid("file", "shape-index-missing", file=file)
    entries = index.read_bytes()[HEADER_BYTES:]
    entries = entries[: len(entries) // ENTRY_BYTES * ENTRY_BYTES]
    pairs = np.frombuffer(entries, dtype=">i4").reshape(-1, 2).astype(np.int64) * 2
    rows = len(pairs)
    for one in (path, index):
        with one.open("rb") as opened:
            said = int.from_bytes(opened.read(28)[24:28], "big") * 2
        if one.stat().st_size < said:
            found = int((pairs.sum(axis=1) + ENTRY_BYTES <= path.stat().st_size).sum())
            expected = (said - HEADER_BYTES) // ENTRY_BYTES if one is index else rows
            raise invalid("file", "file-truncated", file=one.name, expected=expected, found=found)
    return rows


def _table(path: Path, rows: int) -> dbf.Table:
    beside = part(path, ".dbf")
    if beside is None:
        return dbf.Table(path, 0, rows, HEADER_BYTES, 0, ())
    table = dbf.table_of(beside, beside.name)
    if table.rows != rows:
        raise invalid("file", "file-truncated", file=beside.name, expected=rows, found=table.rows)
    return table


def part(path: Path, suffix: str) -> Path | None:
    """Return another part of a Shapefile, in small or capital letters."""
    both = (path.with_suffix(suffix), path.with_suffix(suffix.upper()))
    return next((one for one in both if one.is_file()), None)


def _wkb(path: Path, file: str, start: int, rows: int) -> list[bytes | None]:
    """Return the shapes of some records, None where there is none."""
    with told_errors(file, path), quiet():
        _, indexes, wkb, _ = pyogrio.raw.read(
            path, columns=[], return_fids=True, skip_features=start, max_features=rows, force_2d=True
        )
    found: list[bytes | None] = [None] * rows
    for index, one in zip(indexes.tolist(), wkb, strict=True):
        if start <= index < start + rows:
            found[index - start] = one
    return found
