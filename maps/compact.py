"""Many numbers and sentences in few bytes, for pages that carry thousands of grids; static/shapes.js reads them."""

import string
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

_ALPHABET = np.frombuffer((string.ascii_letters + string.digits + "-_").encode(), dtype=np.uint8)
_MOST_DIGITS = 7  # of five bits: whole numbers below 2^34, either sign


def encode(numbers: ArrayLike) -> str:
    """Return whole numbers as text: zigzag, then digits of five bits, lowest first, a sixth bit where more follow."""
    whole = np.asarray(numbers, dtype=np.int64).reshape(-1)
    zigzag = np.where(whole < 0, -2 * whole - 1, 2 * whole)
    shift = 5 * np.arange(_MOST_DIGITS)
    rest = zigzag[:, None] >> shift
    is_digit = (rest > 0) | (shift == 0)
    follows = np.column_stack([is_digit[:, 1:], np.zeros(len(whole), dtype=bool)])
    digits = (rest & 31) | (follows << 5)
    return str(_ALPHABET[digits[is_digit]].tobytes(), "ascii")


def steps(numbers: ArrayLike) -> str:
    """Return whole numbers, or points, as text of the differences to the one before."""
    whole = np.asarray(numbers, dtype=np.int64)
    return encode(np.diff(whole, axis=0, prepend=np.zeros((1, *whole.shape[1:]), dtype=np.int64)))


class Strings:
    """Every sentence once: elsewhere stands its number."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a text."""
        return self._number_of.setdefault(text, len(self._number_of))

    def numbers(self, texts: Iterable[str]) -> list[int]:
        """Return the numbers of some texts."""
        return [self.number(text) for text in texts]

    def all(self) -> list[str]:
        """Return the texts in the order of their numbers."""
        return list(self._number_of)
