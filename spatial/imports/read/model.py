"""What is read from a file of any kind: rows by column, chunk by chunk, in the file's own order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatial.errors import Fault
from spatial.geometry import Geometries


@dataclass(frozen=True)
class Encoding:
    """How the text of a file was decoded; a guess comes with values as they then read, for a person to confirm.

    `is_declared` where the file or the caller says it, or where all text is ASCII so that there is nothing to confirm.
    """

    name: str
    is_declared: bool
    samples: tuple[tuple[str, str], ...] = ()  # column, value


@dataclass(frozen=True)
class Chunk:
    """Some rows in a row. `numbers` counts them as the file's own program shows them.

    Sheets and CSV count their lines with the header as line 1; features count from 1. Values are plain: text, int,
    float, bool, None, and date, datetime, time where the file knows such; empty text is None. A shape is None where a
    row has none; `shapes` is None where the file has no geometry at all.
    """

    numbers: range
    columns: Mapping[str, list[Any]]
    shapes: Geometries | None

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Source:
    """An open file: what it declares, and its rows, read from the start each time they are asked for.

    `crs` is None where the file declares nothing. `count` is the number of rows where the file tells it beforehand.
    Rows that cannot be read at all are left out of the chunks and told in `faults` when the last chunk has been read;
    so is, in `notes`, what was assumed in reading: a delimiter, merged cells that were filled.
    """

    file: str
    kind: str  # geojson geopackage shapefile dbf flatgeobuf csv excel parquet
    columns: tuple[str, ...]
    has_shapes: bool
    chunks: Callable[[], Iterator[Chunk]]
    crs: str | None = None
    encoding: Encoding | None = None
    count: int | None = None
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    of_texts: "tuple[Source, str] | None" = None  # where a column says the shapes: the rows with it, and its name
