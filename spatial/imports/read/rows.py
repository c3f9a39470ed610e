"""Rows on their way into chunks: numbered as the file shows them, empty ones left out, values made plain."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spatial.errors import Fault, InputError
from spatial.geometry import Geometries
from spatial.imports.read.model import Chunk

MOST_FAULTS = 10_000  # of one file, kept in memory; all are counted
Numbers = NDArray[np.int64]


class Faults:
    """The faults of a file as they are found, of very many the first ones and how many more there are."""

    def __init__(self, kept: list[Fault]) -> None:
        self.kept = kept
        self.more = 0
        kept.clear()

    def add(self, fault: Fault) -> None:
        """Note one fault."""
        if len(self.kept) < MOST_FAULTS:
            self.kept.append(fault)
        else:
            self.more += 1

    def close(self) -> None:
        """Tell how many were only counted."""
        if self.more:
            self.kept.append(Fault("file", "more-faults", {"count": self.more}))


def column_faults(names: Sequence[str | None]) -> list[Fault]:
    """Return a fault for each column without a name, or with the name of one before it."""
    faults, seen = [], set()
    for position, name in enumerate(names, 1):
        if not name or not name.strip():
            faults.append(Fault(f"column {position}", "column-name-empty"))
        elif name in seen:
            faults.append(Fault(f"column {position}", "column-name-repeated", {"column": name[:60]}))
        seen.add(name)
    return faults


def require_columns(names: Sequence[str | None]) -> tuple[str, ...]:
    """Return the names of the columns; an `InputError` tells all that are empty or repeated."""
    if faults := column_faults(names):
        raise InputError(faults)
    return tuple(str(name) for name in names)


def chunks_of(
    numbers: Numbers, columns: dict[str, list[Any]], shapes: Geometries | None, kept: NDArray[np.bool_] | None = None
) -> Iterator[Chunk]:
    """Yield rows as chunks, each of rows that follow one another; only those `kept` where some are not."""
    if kept is not None and not kept.all():
        chosen = np.flatnonzero(kept)
        numbers = numbers[chosen]
        indexes = chosen.tolist()
        columns = {name: [values[index] for index in indexes] for name, values in columns.items()}
        shapes = None if shapes is None else shapes[chosen]
    if len(numbers) == 0:
        return
    breaks = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    for start, stop in pairwise(breaks):
        first = int(numbers[start])
        whole = stop - start == len(numbers)
        yield Chunk(
            range(first, first + stop - start),
            columns if whole else {name: values[start:stop] for name, values in columns.items()},
            shapes if whole or shapes is None else shapes[start:stop],
        )


def plain(column: pa.Array) -> list[Any]:
    """Return an Arrow column as plain values: empty text and NaN as None, times to the microsecond."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        column = pc.cast(column, pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_time(kind):
        column = pc.cast(column, pa.time64("us"), safe=False)
    elif pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [value or None for value in values]
    return [_plain_value(value) for value in values] if pa.types.is_decimal(kind) else values


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
