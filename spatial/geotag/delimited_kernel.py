"""The machine code for delimited text: where rows and fields are, what number a field is, rows with fields added.

The bytes of a row are never changed. Numbers are read as Python reads them, to the last bit, or not at all (`SLOW`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial.compiled import compiled
from spatial.geometry import Floats
from spatial.lookup.bulk import Bools
from spatial.lookup.bulk_kernel import Ints, Longs

Bytes = NDArray[np.uint8]

QUOTE, NEWLINE, RETURN = 34, 10, 13
BLANK, TAB = 32, 9
ZERO, NINE, PLUS, MINUS, DOT, SMALL_E, LARGE_E = 48, 57, 43, 45, 46, 101, 69
READ, SLOW, EMPTY = 0, 1, 2
MOST_DIGITS = 19
WHOLE = np.uint64(1 << 53)  # below, every whole number is a double
EXACT_TENS = np.array([10.0**power for power in range(23)])  # powers of ten that are doubles
SPLIT = 134217729.0  # 2^27 + 1 (Dekker 1971)
TIE = 1e-9


class Rows(NamedTuple):
    """Where rows and some fields of them are in a block of text: first byte, and one after the last."""

    start: Longs
    stop: Longs  # before the line break
    after: Longs  # behind it
    fields: Ints  # how many
    x: Longs  # two for each row
    y: Longs
    time: Longs


@compiled
def rows_of(  # noqa: C901  one pass over the bytes, and no call for each
    text: Bytes, stop: int, most: int, delimiter: int, wanted: Longs, is_last: bool
) -> tuple[Rows, int, int, bool]:
    """Return rows that are whole, `most` at once, how many, where the next begins, and if a quote is open at the end.

    `wanted` are the numbers of the fields for x, y and time. Line breaks inside quotation marks are text. The last row
    of a file needs no line break.
    """
    rows = Rows(
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int32),
        np.zeros(2 * most, np.int64),
        np.zeros(2 * most, np.int64),
        np.zeros(2 * most, np.int64),
    )
    count, row, begin, fields, is_quoted, place = 0, 0, 0, 0, False, 0
    while place < stop and count < most:
        byte = text[np.uintp(place)]
        if byte == QUOTE:
            if is_quoted:
                is_quoted = False
            elif place == begin or (text[begin] == QUOTE and text[place - 1] == QUOTE):
                is_quoted = True
        elif not is_quoted and (byte in (delimiter, NEWLINE, RETURN)):
            _note(rows, wanted, count, fields, begin, place)
            fields, begin = fields + 1, place + 1
            if byte != delimiter:
                after = place + 1
                if byte == RETURN:
                    if after == stop and not is_last:
                        break
                    if after < stop and text[after] == NEWLINE:
                        after += 1
                rows.start[count], rows.stop[count], rows.after[count], rows.fields[count] = row, place, after, fields
                count, row, fields, begin = count + 1, after, 0, after
                place = after
                continue
        place += 1
    if is_last and row < stop and count < most:
        _note(rows, wanted, count, fields, begin, stop)
        rows.start[count], rows.stop[count], rows.after[count], rows.fields[count] = row, stop, stop, fields + 1
        count, row = count + 1, stop
    return rows, count, row, is_quoted


@compiled
def _note(rows: Rows, wanted: Longs, count: int, field: int, begin: int, stop: int) -> None:
    if field == wanted[0]:
        rows.x[2 * count], rows.x[2 * count + 1] = begin, stop
    if field == wanted[1]:
        rows.y[2 * count], rows.y[2 * count + 1] = begin, stop
    if field == wanted[2]:
        rows.time[2 * count], rows.time[2 * count + 1] = begin, stop


@compiled
def numbers_of(text: Bytes, spans: Longs, count: int) -> tuple[Floats, Bytes]:
    """Return fields as numbers, and which were read, are to be read otherwise (`SLOW`), or are empty."""
    found, known = np.full(count, np.nan), np.empty(count, np.uint8)
    for row in range(count):
        begin, stop = spans[2 * row], spans[2 * row + 1]
        while begin < stop and (text[begin] == BLANK or text[begin] == QUOTE or text[begin] == TAB):
            begin += 1
        while stop > begin and (text[stop - 1] == BLANK or text[stop - 1] == QUOTE or text[stop - 1] == TAB):
            stop -= 1
        if begin == stop:
            known[row] = EMPTY
        else:
            found[row], known[row] = _number(text, begin, stop)
    return found, known


@compiled
def _number(text: Bytes, place: int, stop: int) -> tuple[float, int]:
    """Return the number that some bytes write: digits, a point, an exponent."""
    is_negative = text[place] == MINUS
    if is_negative or text[place] == PLUS:
        place += 1
    digits, kept, power, is_behind, has_any = np.uint64(0), 0, 0, False, False
    while place < stop:
        byte = text[np.uintp(place)]
        if ZERO <= byte <= NINE:
            has_any = True
            if kept or byte != ZERO:
                kept += 1
            if kept > MOST_DIGITS:
                return np.nan, SLOW
            digits = digits * np.uint64(10) + np.uint64(byte - ZERO)
            power -= is_behind
        elif byte == DOT and not is_behind:
            is_behind = True
        else:
            break
        place += 1
    if place < stop or not has_any or power < -22:
        return np.nan, SLOW
    number, is_exact = _divided(digits, EXACT_TENS[-power])
    return (-number if is_negative else number), (READ if is_exact else SLOW)


@compiled
def _divided(digits: np.uint64, ten: float) -> tuple[float, bool]:
    """Return a whole number divided by a power of ten, rounded to the nearest double, and whether that is sure.

    The quotient is found to twice the precision (Dekker 1971); it is not sure where that lies all but half way between
    two doubles.
    """
    if digits < WHOLE:
        return np.float64(digits) / ten, True
    high = np.float64(digits >> np.uint64(12) << np.uint64(12))
    low = np.float64(digits & np.uint64(4095))
    first = (high + low) / ten
    product = first * ten
    a, b = _halves(first)
    c, d = _halves(ten)
    error = ((a * c - product) + a * d + b * c) + b * d
    rest = ((high - product) - error + low) / ten
    found = first + rest
    beyond = rest - (found - first)
    half = np.spacing(found) / 2
    return found, abs(abs(beyond) - half) > TIE * half and abs(abs(beyond) - half / 2) > TIE * half


@compiled
def _halves(number: float) -> tuple[float, float]:
    large = SPLIT * number
    high = large - (large - number)
    return high, number - high


@compiled
def added(  # noqa: C901  first how long, then what
    text: Bytes,
    rows: Rows,
    count: int,
    kept: Bools,
    missing: Ints,
    delimiter: int,
    index: NDArray[np.int32],
    offsets: Longs,
    values: Bytes,
) -> Bytes:
    """Return rows with fields added at their ends, those that are kept; blank lines stay as they are.

    Column by column `index` says which of the `values`, laid end to end at `offsets`, is a row's, −1 none. `missing`
    fields come first, empty, in rows that have too few.
    """
    size = 0
    for row in range(count):
        if kept[row]:
            size += rows.after[row] - rows.start[row] + missing[row] + len(index)
    for column in range(len(index)):
        for row in range(count):
            if kept[row] and index[column, row] >= 0:
                size += offsets[index[column, row] + 1] - offsets[index[column, row]]
    made = np.empty(size, np.uint8)
    place = 0
    for row in range(count):
        if not kept[row]:
            continue
        place = _copied(text, rows.start[row], rows.stop[row], made, place)
        if rows.start[row] == rows.stop[row]:
            place = _copied(text, rows.stop[row], rows.after[row], made, place)
            continue
        for _ in range(missing[row]):
            made[place] = delimiter
            place += 1
        for column in range(len(index)):
            made[place] = delimiter
            place += 1
            one = index[column, row]
            if one >= 0:
                place = _copied(values, offsets[one], offsets[one + 1], made, place)
        place = _copied(text, rows.stop[row], rows.after[row], made, place)
    return made[:place]


@compiled
def _copied(source: Bytes, begin: int, stop: int, target: Bytes, place: int) -> int:
    first, to = np.uintp(begin), np.uintp(place)
    for one in range(np.uintp(stop - begin)):  # without a sign, or each index is looked at for one: half as fast
        target[to + one] = source[first + one]
    return place + stop - begin
