"""CSV and its like: what a row says stays as it is, byte by byte, and fields are added at its end."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Floats
from spatial.geotag.delimited_kernel import EMPTY, NEWLINE, RETURN, SLOW, Bytes, Rows, added, numbers_of, rows_of
from spatial.geotag.model import Asked, Column, Places
from spatial.geotag.naming import place_columns, require_new
from spatial.geotag.opened import Stream, opened
from spatial.geotag.times import micros_of
from spatial.imports.read.delimited import HEAD_BYTES, MOST_COLUMNS, delimiter_of, first_record
from spatial.imports.read.encodings import GUESSES, canonical, marked
from spatial.imports.read.rows import require_columns
from spatial.lookup.bulk import Bools
from spatial.lookup.bulk_kernel import Ints, Longs

BLOCK_BYTES = 1 << 23  # a row is never longer
ROWS_AT_ONCE = 1 << 18
SPECIAL = '"\r\n'
ASCII = 'aA0,;\t|"\r\n'
NONE = -1


@dataclass(frozen=True)
class Head:
    """The first row of a file: its bytes, how the text is written, and which columns matter."""

    text: bytes
    encoding: str
    delimiter: str
    names: tuple[str, ...]
    wanted: tuple[str | None, ...]  # x, y, time

    @property
    def numbers(self) -> Longs:
        """The numbers of the columns that matter."""
        return np.array([NONE if one is None else self.names.index(one) for one in self.wanted], np.int64)


@dataclass(frozen=True)
class Block:
    """Some whole rows as they stand in the file, and their places."""

    text: Bytes
    rows: Rows
    count: int
    read: int  # bytes of the file up to their end
    places: Places
    missing: Ints
    is_row: Bools  # what is blank is none


@dataclass
class Delimited:
    """A file of delimited text."""

    path: Path
    asked: Asked
    added_names: Sequence[str]
    head: Head = field(init=False)
    _quoted: dict[int, tuple[Sequence[object], Bytes, Longs]] = field(default_factory=dict)

    crs: str | None = None  # that the file declares: none

    def __post_init__(self) -> None:
        with opened(self.path) as stream:
            start = stream.read(HEAD_BYTES)
        self.head = _head(start, self.asked, self.path)
        require_new(self.added_names, self.head.names)

    def start(self, file: BinaryIO) -> int:
        """Write the header, and return the bytes that it took in the input."""
        head = self.head
        row = head.text.rstrip(b"\r\n")
        names = [_cell(name, head.delimiter).encode(head.encoding, "replace") for name in self.added_names]
        file.write(row + b"".join(head.delimiter.encode() + one for one in names) + (head.text[len(row) :] or b"\n"))
        return len(head.text)

    def blocks(self, start: int, first: int) -> Iterator[tuple[Block, float]]:
        """Yield all rows from a byte on, whose number is `first`; and how much of the file has been read."""
        with opened(self.path, start) as stream:
            yield from self._blocks(stream, start, first)

    def write(self, file: BinaryIO, block: Block, columns: Sequence[Column], kept: Bools) -> None:
        """Write rows with columns added."""
        index = np.empty((len(columns), block.count), np.int32)
        offsets, values, at, size = [], [], 0, 0
        for number, column in enumerate(columns):
            text, ends = self._said(number, column)
            index[number] = np.where(column.index < 0, NONE, column.index + at)
            offsets.append(ends[:-1] + size)
            values.append(text)
            at, size = at + len(ends) - 1, size + len(text)
        every = np.concatenate([*offsets, [size]]).astype(np.int64)
        delimiter = ord(self.head.delimiter)
        text = np.concatenate([*values, np.empty(0, np.uint8)])
        made = added(
            block.text, block.rows, block.count, kept | ~block.is_row, block.missing, delimiter, index, every, text
        )
        file.write(made.data)

    def _said(self, number: int, column: Column) -> tuple[Bytes, Longs]:
        """Return what the values of a column are in the file, laid end to end, and where each begins."""
        known = self._quoted.get(number)
        if known is not None and known[0] is column.values:
            return known[1], known[2]
        cells = [_cell(_text(one), self.head.delimiter).encode(self.head.encoding, "replace") for one in column.values]
        ends = np.cumsum([0, *(len(one) for one in cells)])
        text = np.frombuffer(b"".join(cells), np.uint8)
        self._quoted[number] = column.values, text, ends
        return text, ends

    def _blocks(self, stream: Stream, start: int, first: int) -> Iterator[tuple[Block, float]]:
        text, is_last = np.empty(0, np.uint8), False
        while not is_last:
            more = stream.read(BLOCK_BYTES)
            is_last = len(more) < BLOCK_BYTES
            text = np.concatenate([text, np.frombuffer(more, np.uint8)])
            for block in self._rows(text, start, first, is_last=is_last):
                yield block, stream.share()
                text = text[block.read - start :]
                start, first = block.read, first + block.count
            if len(text) >= BLOCK_BYTES:
                raise invalid(f"row {first}", "row-too-long", limit_kb=BLOCK_BYTES // 1024)

    def _rows(self, text: Bytes, start: int, first: int, *, is_last: bool) -> Iterator[Block]:
        """Yield the rows that are whole in some text, in blocks that are not too large however short they are."""
        most, count = ROWS_AT_ONCE, ROWS_AT_ONCE
        while count == most:
            ends = int(np.count_nonzero(text == NEWLINE) + np.count_nonzero(text == RETURN))
            most = min(ends + 1, ROWS_AT_ONCE)
            delimiter = ord(self.head.delimiter)
            rows, count, end, is_open = rows_of(text, len(text), most, delimiter, self.head.numbers, is_last)
            if is_last and is_open:
                raise invalid(f"row {first + count - 1}", "quote-not-closed")
            if count:
                yield self._block(text, rows, count, start + end, first)
            text, start, first = text[end:], start + end, first + count

    def _block(self, text: Bytes, rows: Rows, count: int, read: int, first: int) -> Block:
        fields = rows.fields[:count]
        is_row = rows.stop[:count] > rows.start[:count]
        missing = np.where(is_row, len(self.head.names) - fields, 0).astype(np.int32)
        wrong: dict[int, Fault] = {}
        for row in np.flatnonzero(missing != 0).tolist():
            values = {"found": int(fields[row]), "expected": len(self.head.names)}
            wrong[row] = Fault("", "row-ragged", values)
        x, y = (
            self._numbers(text, span, str(column), is_row, wrong)
            for span, column in ((rows.x, self.head.wanted[0]), (rows.y, self.head.wanted[1]))
        )
        times = self._times(text, rows.time, is_row, wrong) if self.head.wanted[2] is not None else None
        places = Places(first, x, y, times, wrong)
        return Block(text, rows, count, read, places, np.maximum(missing, 0), is_row)

    def _numbers(self, text: Bytes, spans: Longs, column: str, is_row: Bools, wrong: dict[int, Fault]) -> Floats:
        """Return a column as numbers, NaN where a row has none, which is told."""
        found, known = numbers_of(text, spans, len(is_row))
        for row in np.flatnonzero((known == SLOW) & is_row).tolist():
            cell = self._cell(text, spans, row)
            try:
                found[row] = float(cell.replace("_", "x"))  # Python's own way to group digits is nobody else's
            except ValueError:
                wrong.setdefault(row, Fault(column, "cell-not-a-number", {"value": cell[:60]}))
        for row in np.flatnonzero((known == EMPTY) & is_row).tolist():
            wrong.setdefault(row, Fault(column, "cell-empty"))
        for row in np.flatnonzero(np.isinf(found) & is_row).tolist():
            wrong.setdefault(row, Fault(column, "not-finite"))
        for row in np.flatnonzero(np.isnan(found) & (known == SLOW) & is_row).tolist():
            wrong.setdefault(row, Fault(column, "not-finite"))
        return found

    def _times(self, text: Bytes, spans: Longs, is_row: Bools, wrong: dict[int, Fault]) -> Longs:
        cells = [self._cell(text, spans, row) if is_row[row] else "" for row in range(len(is_row))]
        return micros_of(cells, str(self.head.wanted[2]), wrong, is_row)

    def _cell(self, text: Bytes, spans: Longs, row: int) -> str:
        cell = text[spans[2 * row] : spans[2 * row + 1]].tobytes().decode(self.head.encoding, "replace").strip()
        return cell[1:-1].replace('""', '"').strip() if cell[:1] == cell[-1:] == '"' and len(cell) > 1 else cell


def _head(start: bytes, asked: Asked, path: Path) -> Head:
    """Return the header at the start of a file."""
    if not start:
        raise invalid("file", "file-empty", file=path.name)
    encoding = _encoding(start, asked.encoding)
    mark = start[: len(b"\xef\xbb\xbf")] if encoding == "utf-8-sig" else b""
    encoding = encoding.removesuffix("-sig")
    first = first_record(start, encoding)
    delimiter = delimiter_of(first)
    if encoding == "gb18030" and delimiter == "|":
        raise invalid("encoding", "geotag-encoding", encoding=encoding)
    names = require_columns(next(csv.reader([first], delimiter=delimiter), []))
    if len(names) > MOST_COLUMNS:
        raise invalid("row 1", "too-many-columns", limit=MOST_COLUMNS)
    size = len(mark) + len(first.encode(encoding, "replace"))
    after = start[size : size + 2]
    text = start[: size + (2 if after == b"\r\n" else min(len(after), 1))]
    return Head(text, encoding, delimiter, names, (*place_columns(names, asked), asked.at_column))


def _encoding(start: bytes, asked: str | None) -> str:
    """Return how the text is written; bytes that mean anything here must be those of ASCII."""
    found = canonical(asked) if asked else marked(start)
    if found is None:
        whole = start[: max(start.rfind(b"\n"), start.rfind(b"\r")) + 1] or start
        found = next((one for one in GUESSES if _is_text(whole, one)), None)
        if found != "utf-8":
            values = {"encoding": found, "samples": _sample(whole, found)} if found else {}
            raise InputError([Fault("encoding", "encoding-unconfirmed" if found else "encoding-unknown", values)])
    if not ASCII.encode(found).endswith(ASCII.encode("ascii")):
        raise invalid("encoding", "geotag-encoding", encoding=found)
    return found


def _is_text(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeError:
        return False
    return True


def _sample(text: bytes, encoding: str) -> str:
    return next((line for line in text.decode(encoding).splitlines() if not line.isascii()), "")[:60]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _cell(text: str, delimiter: str) -> str:
    """Return a value as a cell."""
    if delimiter not in text and not any(one in text for one in SPECIAL):
        return text
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, lineterminator="").writerow([text])
    return target.getvalue()
