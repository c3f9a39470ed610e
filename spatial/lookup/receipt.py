"""What an answer stood on, so that it can be given again."""

import hashlib
from collections.abc import Iterable

from spatial.geometry import Plane
from spatial.lookup.source import CategoryRow, LayerRow, ResponsibilityRow
from spatial.settings import VERSION, settings

DIGITS = 12


def basis_of(
    plane: Plane,
    layers: Iterable[LayerRow],
    categories: Iterable[CategoryRow],
    responsibilities: Iterable[ResponsibilityRow],
) -> str:
    """Return a digest of what answers stand on and of which no history is kept, as far as whoever asks sees it.

    These are the software, the time zone, the plane, the layers, and who answers for which matters: where any is
    another, an old answer cannot be given again to the letter, and must not be made up.
    """
    told = (VERSION, settings().timezone, plane.lon_0, *layers, *categories, *responsibilities)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:DIGITS]
