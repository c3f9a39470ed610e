"""The BeiDou grid location code 北斗网格位置码 (GB/T 39409-2020) of the northern and eastern hemispheres.

A code names a cell, and each further level a part of it: 6°×4°, 30′, 15′×10′, 1′, 4″, 2″, ¼″, 1/32″, 1/256″, 1/2048″.
Counted here in units of 1/2048″, of which every cell is a whole number wide and high.
"""

import re
from dataclasses import dataclass
from itertools import accumulate
from math import floor

from spatial.errors import invalid
from spatial.geometry import distance_m

SECOND = 2048  # units
DEGREE = 3600 * SECOND
BANDS = "ABCDEFGHIJKLMNOPQRSTUV"  # of 4° from the equator
FIRST_ZONE = 31  # the 6° from Greenwich on
DIGITS = "0123456789ABCDE"
HALF_A_DECIMAL = 0.004  # units: what is stored to nine decimals may lie that far before the border it stands for
SHAPED = re.compile(r"[NS][0-9]{2}[A-V][0-9A-F]{5,16}")


@dataclass(frozen=True)
class Level:
    """How a cell is divided into the next: `columns`×`rows` parts, named by a digit each, or by one for both."""

    columns: int
    rows: int

    @property
    def digits(self) -> int:
        """How many digits name a part: one, 2·row + column, where there are two columns."""
        return 1 if self.columns == 2 else 2


LEVELS = (Level(12, 8), Level(2, 3), Level(15, 10), Level(15, 15), Level(2, 2), *(Level(8, 8),) * 4)  # from the 2nd on
LENGTHS = tuple(accumulate((level.digits for level in LEVELS), initial=4))
DEEPEST = len(LENGTHS)


@dataclass(frozen=True)
class Cell:
    """A cell in degrees: its western and southern border, its width and height."""

    west: float
    south: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of its middle."""
        return self.west + self.width / 2, self.south + self.height / 2

    @property
    def accuracy_m(self) -> float:
        """Half of its diagonal, geodesic: a place in the cell is no further than that from the middle."""
        return distance_m(self.west, self.south, self.west + self.width, self.south + self.height) / 2


def is_shaped(text: str) -> bool:
    """Whether a text looks like a code of level 4 (1′) or deeper; it may still be none."""
    return SHAPED.fullmatch(text) is not None


def encode(lon: float, lat: float, level: int = 8) -> str:
    """Return the code of the cell of a level that a place of the north-eastern quarter of the Earth lies in.

    A place on a border belongs to the cell east and north of it. Errors: `beidou-outside` at `lon`, `beidou-level`.
    """
    if not (0 <= lon < 180 and 0 <= lat < 4 * len(BANDS)):
        raise invalid("lon", "beidou-outside")
    if not 1 <= level <= DEEPEST:
        raise invalid("level", "beidou-level", deepest=DEEPEST)
    x, y = (floor(angle * DEGREE + HALF_A_DECIMAL) for angle in (lon, lat))
    width, height = 6 * DEGREE, 4 * DEGREE
    code = f"N{FIRST_ZONE + x // width}{BANDS[y // height]}"
    for step in LEVELS[: level - 1]:
        x, y, width, height = x % width, y % height, width // step.columns, height // step.rows
        column, row = x // width, y // height
        code += str(2 * row + column) if step.digits == 1 else DIGITS[column] + DIGITS[row]
    return code


def decode(code: str) -> Cell:
    """Return the cell that a code names; one that names none is an `InputError` `beidou-malformed` at `text`."""
    malformed = invalid("text", "beidou-malformed", code=code)
    if len(code) not in LENGTHS or not re.match("N(3[1-9]|[45][0-9]|60)[A-V]", code):
        raise malformed
    x, y = 6 * DEGREE * (int(code[1:3]) - FIRST_ZONE), 4 * DEGREE * BANDS.index(code[3])
    width, height = 6 * DEGREE, 4 * DEGREE
    for step, start in zip(LEVELS[: LENGTHS.index(len(code))], LENGTHS, strict=False):
        named = [DIGITS.find(digit) for digit in code[start : start + step.digits]]
        column, row = named if step.digits == 2 else (named[0] % 2, named[0] // 2)
        if -1 in named or column >= step.columns or row >= step.rows:
            raise malformed
        width, height = width // step.columns, height // step.rows
        x, y = x + column * width, y + row * height
    return Cell(x / DEGREE, y / DEGREE, width / DEGREE, height / DEGREE)
