"""A whole file in memory, for imports that must see all shapes at once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np

from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Geometries
from spatial.imports.read.model import Encoding, Source
from spatial.imports.read.opening import open_source

MOST_FEATURES = 200_000


@dataclass(frozen=True)
class SourceTable:
    """The features of a file, in its order; `numbers` are those of its rows as its own program shows them.

    `crs` is what the file declares, None where it declares nothing. A shape is None where a feature has none. Dates and
    times are RFC 3339 text, as attributes are kept. `notes` tell what was assumed in reading.
    """

    crs: str | None
    columns: dict[str, list[Any]]
    shapes: Geometries
    numbers: list[int]
    encoding: Encoding | None = None
    notes: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()  # of rows that could not be read, and are left out

    def __len__(self) -> int:
        return len(self.shapes)

    def without(self, columns: Collection[str]) -> "SourceTable":
        """Return the same without some columns."""
        return replace(self, columns={name: made for name, made in self.columns.items() if name not in columns})


def read_file(
    path: Path,
    *,
    source_layer: str | None = None,
    encoding: str | None = None,
    geometry: str | None = None,
    drop: Collection[str] = (),
) -> SourceTable:
    """Return the features of a file, opened as by `open_source`."""
    source = open_source(path, source_layer=source_layer, encoding=encoding, geometry=geometry, drop=drop)
    return read_whole(source, drop)


def read_whole(source: Source, dropped: Collection[str] = ()) -> SourceTable:
    """Return the features of an open file; one of which no row can be read is an `InputError`."""
    if not source.has_shapes:
        raise invalid("file", "no-geometry-column", file=source.file)
    if source.count is not None and source.count > MOST_FEATURES:
        raise invalid("file", "too-many-features", file=source.file, limit=MOST_FEATURES)
    columns: dict[str, list[Any]] = {name: [] for name in source.columns}
    shapes: list[Geometries] = []
    numbers: list[int] = []
    for chunk in source.chunks():
        for name, values in chunk.columns.items():
            columns[name] += map(_kept, values)
        if chunk.shapes is not None:
            shapes.append(chunk.shapes)
        numbers += chunk.numbers
        if len(numbers) > MOST_FEATURES:
            raise invalid("file", "too-many-features", file=source.file, limit=MOST_FEATURES)
    if source.faults and not numbers:
        raise InputError(source.faults)
    if not numbers:
        raise invalid("file", "file-empty", file=source.file)
    return SourceTable(
        source.crs,
        columns,
        np.concatenate(shapes),
        numbers,
        source.encoding,
        tuple(source.notes),
        tuple(dropped),
        tuple(source.faults),
    )


def _kept(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value
