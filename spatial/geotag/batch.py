"""Many places told at once in a text: whose each is, or who changes hands between two instants."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from spatial import crs as systems
from spatial.geotag.model import PIECE, Asked, Column, Kind, Outcome, Places
from spatial.geotag.service import STREAMED
from spatial.geotag.tagging import Tagger
from spatial.lookup.bulk import Bools
from spatial.lookup.bulk_answers import BulkFacts

Objects = NDArray[np.object_]
BEFORE, AFTER, CHANGES = "before_", "after_", "changes"


class Tagging(Protocol):
    """What adds columns to rows."""

    @property
    def names(self) -> dict[str, Kind]:
        """The columns that are added, with their kinds."""

    def tag(self, places: Places, crs: str) -> tuple[list[Column], Bools]:
        """Return the columns, and which rows are to be written."""


class Handing:
    """Says of rows whose their places are at two instants, and in which layers they change hands.

    `only`: rows in which nothing changes are left out.
    """

    def __init__(self, facts: BulkFacts, asked: Asked, between: tuple[datetime, datetime], *, only: bool) -> None:
        self._before, self._after = (
            Tagger(facts, replace(asked, prefix=f"{asked.prefix}{word}"), at)
            for word, at in zip((BEFORE, AFTER), between, strict=True)
        )
        self._changes = [f"{asked.prefix}{layer.code}_{CHANGES}" for layer in facts.layers(asked.layers)]
        self._of_layer = sum(one != PIECE for one in asked.columns)
        self._only = only

    @property
    def names(self) -> dict[str, Kind]:
        """The columns of both instants, and for each layer whether any differs."""
        kinds: dict[str, Kind] = dict.fromkeys(self._changes, "truth")
        return self._before.names | self._after.names | kinds

    def tag(self, places: Places, crs: str) -> tuple[list[Column], Bools]:
        """Return the columns, and which rows are to be written."""
        before, kept = self._before.tag(places, crs)
        after, _ = self._after.tag(places, crs)
        changed: Bools = np.zeros(len(kept), bool)
        told = []
        for n, name in enumerate(self._changes):
            of_layer = slice(n * self._of_layer, (n + 1) * self._of_layer)
            pairs = zip(before[of_layer], after[of_layer], strict=True)
            differs = np.any([_said(old) != _said(new) for old, new in pairs], axis=0)
            told.append(Column(name, "truth", (False, True), np.broadcast_to(differs, len(kept)).astype(np.int32)))
            changed |= differs
        return [*before, *after, *told], kept & changed if self._only else kept


def tag_text(source: Path, suffix: str, target: BinaryIO, tagging: Tagging, asked: Asked) -> Outcome:
    """Write the rows of a text (`.csv`, `.ndjson`) with columns added, in their order; errors are an `InputError`."""
    rows = STREAMED[suffix](source, asked, list(tagging.names))
    crs = asked.crs or rows.crs or systems.STORED
    read = rows.start(target)
    count, invalid = 0, 0
    for block, _ in rows.blocks(read, 2 if read else 1):
        columns, kept = tagging.tag(block.places, crs)
        rows.write(target, block, columns, kept)
        count, invalid = count + int(block.is_row.sum()), invalid + len(block.places.wrong)
    return Outcome(count, invalid)


def _said(column: Column) -> Objects:
    """Return what a column says of each row; none where it says nothing."""
    values = np.empty(len(column.values) + 1, object)
    values[:-1] = column.values
    found: Objects = values[column.index]
    return found
