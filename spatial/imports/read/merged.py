"""What a sheet's XML says and a streaming reader does not: merged cells, and formulas that were never computed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\"")
FORMULA = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)><(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
REFERENCE = re.compile(rb"\br=\"([A-Z]{1,3}\d{1,7})\"")
EMPTY_TEXT = re.compile(rb"\bt=\"str\"")
BLOCK_BYTES = 1 << 20
OVERLAP_BYTES = 1 << 14
MOST_MARKS = 100_000


@dataclass(frozen=True)
class Marks:
    """Ranges of merged cells, and cells of formulas without a value."""

    merged: tuple[str, ...]
    not_computed: tuple[str, ...]


def marks_of(sheet: IO[bytes]) -> Marks:
    """Return the marks in a sheet's XML, read in blocks."""
    merged: dict[str, None] = {}
    not_computed: dict[str, None] = {}
    for block in _overlapping(sheet):
        for found in MERGE.finditer(block):
            merged[found[1].decode()] = None
        for found in FORMULA.finditer(block):
            cell = REFERENCE.search(found[1])
            if cell and not EMPTY_TEXT.search(found[1]):
                not_computed[cell[1].decode()] = None
        if len(merged) + len(not_computed) > MOST_MARKS:
            break
    return Marks(tuple(merged), tuple(not_computed))


def _overlapping(sheet: IO[bytes]) -> Iterator[bytes]:
    """Yield blocks that begin with the end of the one before, so that nothing is cut in two."""
    tail = b""
    while block := sheet.read(BLOCK_BYTES):
        yield tail + block
        tail = block[-OVERLAP_BYTES:]
