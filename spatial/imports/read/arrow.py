"""Rows that come as Arrow's batches: numbered from 1, shapes out of WKB, and as many as the file says."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import shapely

from spatial.errors import Fault
from spatial.imports.read.model import Chunk
from spatial.imports.read.rows import Faults, chunks_of, plain
from spatial.imports.read.shapes import read_shapes


def arrow_chunks(
    batches: Iterable[pa.RecordBatch], names: Sequence[str], geometry: str | None, told: Faults
) -> Iterator[Chunk]:
    """Yield batches as chunks of the columns that are named, with the shapes of the column `geometry` if any."""
    found = 0
    for batch in batches:
        numbers = np.arange(found + 1, found + 1 + batch.num_rows)
        found += batch.num_rows
        columns = {name: plain(batch.column(name)) for name in names}
        if geometry is None:
            yield from chunks_of(numbers, columns, None)
            continue
        wkb = batch.column(geometry).to_pylist()
        shapes, sound, bad = read_shapes(shapely.from_wkb, wkb, numbers.tolist())
        for fault in bad:
            told.add(fault)
        yield from chunks_of(numbers, columns, shapes, sound)


def counted(batches: Iterable[pa.RecordBatch], file: str, count: int, told: Faults) -> Iterator[pa.RecordBatch]:
    """Yield batches; a fault where they have another number of rows than the file says."""
    found = 0
    for batch in batches:
        found += batch.num_rows
        yield batch
    if found != count:
        told.add(Fault("file", "file-truncated", {"file": file, "expected": count, "found": found}))
