"""What is wrong with a tiling from an instant on: at each of its changes on record, until the next. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatial.geometry import Geometries
from spatial.grids.tiling import REPORTED_M2, Identity, TilingFinding, findings, identity
from spatial.tables import Span
from spatial.time import since


@dataclass(frozen=True)
class Piece:
    """The shape of a grid, in degrees, over a span."""

    code: str
    shape: BaseGeometry
    valid: Span


@dataclass(frozen=True)
class Standing:
    """A finding, and the span over which it stands."""

    finding: TilingFinding
    span: Span


def standing_from(
    start: datetime, pieces: Sequence[Piece], outline: Sequence[Piece] = (), reported_m2: float = REPORTED_M2
) -> list[Standing]:
    """Return what is wrong with a tiling from `start` on; `outline` holds the areas that it should cover together.

    What is missing or held twice is a sliver below `reported_m2`. A finding that outlasts a change elsewhere is one,
    over the whole of its span. When the outline has no area at all, nothing is compared with it.
    """
    instants = _changes(start, [*pieces, *outline])
    spans: dict[Identity, list[Standing]] = {}
    seen: tuple[list[tuple[str, bytes]], list[TilingFinding]] | None = None
    for at, until in zip(instants, [*instants[1:], None], strict=True):
        here = sorted((piece for piece in pieces if at in piece.valid), key=lambda piece: piece.code)
        area = [piece for piece in outline if at in piece.valid]
        drawn = [(piece.code, shapely.to_wkb(piece.shape)) for piece in [*here, *area]]
        if seen is None or seen[0] != drawn:
            whole = shapely.union_all(_shapes(area)) if area else None
            seen = drawn, findings([piece.code for piece in here], _shapes(here), whole, reported_m2)
        for one in seen[1]:
            known = spans.setdefault(identity(one.kind, one.grids, one.shape), [])
            first = known.pop().span.lower if known and known[-1].span.upper == at else at
            known.append(Standing(one, since(first, until)))
    return sorted((one for known in spans.values() for one in known), key=lambda one: one.span.lower or start)


def _changes(start: datetime, pieces: Iterable[Piece]) -> list[datetime]:
    """Return an instant and every later one at which a piece begins or ends."""
    ends = {end for piece in pieces for end in (piece.valid.lower, piece.valid.upper) if end is not None}
    return sorted({start, *(end for end in ends if end > start)})


def _shapes(pieces: Sequence[Piece]) -> Geometries:
    shapes = np.empty(len(pieces), dtype=object)
    shapes[:] = [piece.shape for piece in pieces]
    return shapes
