"""CSV and its like, read in a stream: every column is text, and rows are counted as a spreadsheet shows them.

Nothing is guessed of what a value is: 007 stays 007. Rows without anything in them are left out. An apostrophe in front
of what a sheet would compute is taken away: people and our exports put it there so that it is not.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.encodings import blocks_of, decodes, marked, told_encoding, with_samples
from spatial.imports.read.model import Chunk, Encoding, Source
from spatial.imports.read.rows import MOST_FAULTS, Faults, Numbers, chunks_of, require_columns

DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 23  # a row is never longer
MOST_COLUMNS = 1000
IN_UTF_8 = frozenset({"ascii", "utf-8", "utf-8-sig"})


def open_delimited(path: Path, file: str, encoding: str | None) -> Source:
    """Return the rows of a file of delimited text."""
    with path.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    if not head:
        raise invalid("file", "file-empty", file=file)
    if encoding is None and marked(head) is None and head.count(0) > len(head) // 4:
        raise invalid("encoding", "encoding-unknown")  # most likely UTF-16 of either kind
    told = told_encoding(lambda: blocks_of(path), encoding, marked(head))
    first = first_record(head, told.name)
    delimiter = delimiter_of(first)
    if first.count(delimiter) >= MOST_COLUMNS:
        raise invalid("row 1", "too-many-columns", limit=MOST_COLUMNS)
    faults: list[Fault] = []
    if told.is_declared and not decodes(blocks_of(path), told.name):
        raise InputError(_undecodable(path, told.name, delimiter))
    nuls, quotes = 0, 0
    for block in blocks_of(path):
        nuls += block.count(b"\0")
        quotes += block.count(b'"')
    table = _Table(path, told, delimiter, has_nul=nuls > 0, is_odd=quotes % 2 == 1)
    names = table.names(first)

    def chunks() -> Iterator[Chunk]:
        yield from table.chunks(names, Faults(faults))

    if not told.is_declared:
        told = with_samples(told, chunks())
        faults.clear()
    notes = []
    if delimiter != ",":
        notes.append(Fault("file", "delimiter-not-comma", {"delimiter": delimiter.replace("\t", "tab")}))
    if not _is_ended(path):
        notes.append(Fault("file", "last-row-not-ended"))
    return Source(file, "csv", names, has_shapes=False, chunks=chunks, encoding=told, faults=faults, notes=notes)


def first_record(head: bytes, encoding: str) -> str:
    """Return the first record, quoted line breaks included."""
    text = head.decode(encoding, "replace").lstrip("\ufeff")
    is_quoted = False
    for index, character in enumerate(text):
        if character == '"':
            is_quoted = not is_quoted
        elif character in "\r\n" and not is_quoted:
            return text[:index]
    if len(head) == HEAD_BYTES:
        raise invalid("row 1", "row-too-long", limit_kb=HEAD_BYTES // 1024)
    return text


def _is_ended(path: Path) -> bool:
    """Return whether the last row has its line break; without it the file may have been cut short."""
    with path.open("rb") as opened:
        opened.seek(-min(2, path.stat().st_size), os.SEEK_END)
        return opened.read().endswith((b"\n", b"\r", b"\n\0", b"\r\0"))  # the latter in UTF-16


def delimiter_of(record: str) -> str:
    """Return the delimiter that occurs most outside of quotes."""
    outside = "".join(record.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


class _Table:
    """A file of delimited text, as Arrow reads it: by blocks, each row with its number."""

    def __init__(self, path: Path, encoding: Encoding, delimiter: str, *, has_nul: bool, is_odd: bool) -> None:
        self.path = path
        self.encoding = "utf8" if encoding.name in IN_UTF_8 else encoding.name
        self.delimiter = delimiter
        self.has_nul = has_nul
        self.is_odd = is_odd  # the number of quotation marks

    def names(self, first: str) -> tuple[str, ...]:
        """Return the names in the first row, whose text is given."""
        for numbers, batch in self._batches(Faults([])):
            if len(numbers) and numbers[0] == 1:
                return _columns([column[0].as_py() for column in batch.columns])
        return _columns(next(csv.reader([first], delimiter=self.delimiter), []))  # a header without an end

    def chunks(self, names: tuple[str, ...], faults: Faults) -> Iterator[Chunk]:
        """Yield the rows after the first; a quotation mark that the last one does not close is told."""
        last: tuple[int, list[str | None]] = (0, [])
        for numbers, batch in self._batches(faults):
            kept = ~self._empty(batch) & (numbers > 1) & self._without_nul(numbers, batch, names, faults)
            columns = {name: _unmarked(column) for name, column in zip(names, batch.columns, strict=True)}
            yield from chunks_of(numbers, columns, None, kept)
            last = int(numbers[-1]) if len(numbers) else 0, [values[-1] for values in columns.values() if values]
        if self.is_odd and any("\n" in value for value in last[1] if value):
            faults.add(Fault(f"row {last[0]}", "quote-not-closed"))
        faults.close()

    def _batches(self, faults: Faults) -> Iterator[tuple[Numbers, pa.RecordBatch]]:
        ragged: list[int] = []

        def skip(row: pa.csv.InvalidRow) -> str:
            ragged.append(row.number)
            values = {"found": row.actual_columns, "expected": row.expected_columns}
            faults.add(Fault(f"row {row.number}", "row-ragged", values))
            return "skip"

        last = 0
        try:
            reader = pa.csv.open_csv(
                self.path,
                read_options=pa.csv.ReadOptions(
                    block_size=BLOCK_BYTES,
                    use_threads=False,
                    encoding=self.encoding,
                    autogenerate_column_names=True,
                ),
                parse_options=pa.csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=skip,
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types={f"f{index}": pa.string() for index in range(MOST_COLUMNS)},
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
            for batch in reader:
                numbers = _numbers(last, batch.num_rows, ragged)
                last = int(numbers[-1]) if len(numbers) else last
                yield numbers, batch
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return
            if "straddling" not in str(error):
                raise invalid("file", "file-unreadable", file=self.path.name, reason=str(error)[:200]) from None
            row = max([last, *ragged[-1:]]) + 1
            faults.add(Fault(f"row {row}", "row-too-long", {"limit_kb": BLOCK_BYTES // 1024}))
            faults.close()

    def _empty(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Return which rows have nothing in them."""
        empty = np.ones(batch.num_rows, bool)
        for column in batch.columns:
            if not empty.any():
                break
            empty &= pc.is_null(column).to_numpy(zero_copy_only=False)
        return empty

    def _without_nul(
        self, numbers: Numbers, batch: pa.RecordBatch, names: tuple[str, ...], faults: Faults
    ) -> NDArray[np.bool_]:
        sound = np.ones(batch.num_rows, bool)
        if self.has_nul:
            for name, column in zip(names, batch.columns, strict=True):
                found = pc.fill_null(pc.match_substring(column, "\0"), fill_value=False)
                for index in np.flatnonzero(found.to_numpy(zero_copy_only=False)).tolist():
                    faults.add(Fault(f"row {numbers[index]}, column {name}", "text-has-control-characters"))
                    sound[index] = False
        return sound


def _columns(names: Sequence[str | None]) -> tuple[str, ...]:
    return require_columns(_unmarked(pa.array(names, pa.string())))


def _unmarked(column: pa.Array) -> list[Any]:
    """Return a column as values, without the apostrophes that keep sheets from computing them."""
    if pc.any(pc.starts_with(column, "'")).as_py():
        column = pc.replace_substring_regex(column, r"^'('*[=+\-@\t\r])", r"\1")
    values: list[Any] = column.to_pylist()
    return values


def _numbers(last: int, rows: int, ragged: list[int]) -> Numbers:
    """Return the numbers of rows that follow row `last`, past those that are left out, of which later ones remain."""
    numbers = np.arange(last + 1, last + 1 + rows + len(ragged), dtype=np.int64)
    if ragged:
        numbers = numbers[~np.isin(numbers, ragged)]
    numbers = numbers[:rows]
    if rows:
        ragged[:] = [number for number in ragged if number > numbers[-1]]
    return numbers


def _undecodable(path: Path, encoding: str, delimiter: str) -> list[Fault]:
    """Return a fault for each row that has bytes which are no text in an encoding."""
    if encoding.startswith(("utf-16", "utf-32")):
        return [Fault("file", "encoding-wrong", {"encoding": encoding})]
    faults: list[Fault] = []
    with path.open("rb") as binary, TextIOWrapper(binary, "latin-1", newline="") as text:
        rows = csv.reader(text, delimiter=delimiter)
        for number in count(1):
            try:
                row = next(rows, None)
            except csv.Error:
                break
            if row is None or len(faults) > MOST_FAULTS:
                break
            if not decodes((cell.encode("latin-1") + b" " for cell in row), encoding):
                faults.append(Fault(f"row {number}", "row-undecodable", {"encoding": encoding}))
    return faults or [Fault("file", "encoding-wrong", {"encoding": encoding})]
