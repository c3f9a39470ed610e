"""Instants that rows say of themselves."""

from collections.abc import Sequence

import numpy as np

from spatial.errors import Fault, InputError
from spatial.lookup.bulk import Bools, micros
from spatial.lookup.bulk_kernel import Longs
from spatial.time import parse_instant


def micros_of(cells: Sequence[str], column: str, wrong: dict[int, Fault], is_row: Bools) -> Longs:
    """Return texts as `micros`; what is no instant with an offset is told."""
    found = np.zeros(len(cells), np.int64)
    known: dict[str, int | Fault] = {}
    for row, text in enumerate(cells):
        if not is_row[row]:
            continue
        said = known.get(text)
        if said is None:
            said = known[text] = _read(text, column)
        if isinstance(said, Fault):
            wrong.setdefault(row, said)
        else:
            found[row] = said
    return found


def _read(text: str, column: str) -> int | Fault:
    if not text:
        return Fault(column, "cell-empty")
    try:
        return micros(parse_instant(text, column))
    except InputError as error:
        return Fault(column, error.faults[0].text, {"value": text[:60]})
