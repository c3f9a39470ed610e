"""What is asked of a file of places, and what passes between its reader, the look-up, and its writer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from spatial.errors import Fault
from spatial.geometry import Floats
from spatial.lookup.bulk_kernel import Ints, Longs

OnInvalid = Literal["raise", "skip", "flag"]
Kind = Literal["text", "number", "truth"]
Progress = Callable[[float], None]
OF_LAYERS: Mapping[str, Kind] = {
    "grid": "text", "name": "text", "status": "text", "unit": "text", "unit_name": "text", "chain": "text",
    "on_boundary": "truth", "near_border": "truth", "edge_m": "number",
}  # fmt: skip
PIECE = "piece"
INVALID = "invalid"
COLUMNS = (*OF_LAYERS, PIECE)
MEASURED = frozenset({"near_border", "edge_m"})
MOST_TOLD = 1000  # faults


@dataclass(frozen=True)
class Asked:
    """What is asked: of which layers, when, which columns, and where the file says a place."""

    layers: tuple[str, ...] | None = None  # codes; none: all
    columns: tuple[str, ...] = ("grid", "status")
    at: datetime | None = None  # none: now
    at_column: str | None = None  # a column that says it of each row
    known_at: datetime | None = None
    x: str | None = None  # columns; none: those whose names say so
    y: str | None = None
    crs: str | None = None  # none: what the file declares, else degrees
    accuracy_m: float = 1.0
    on_invalid: OnInvalid = "raise"
    prefix: str = ""
    encoding: str | None = None
    source_layer: str | None = None


@dataclass(frozen=True)
class Places:
    """The places of some rows: coordinates of the file, NaN in a row with something wrong, which is told by position.

    `first` is the number of the first row as the file's own program counts; `times` are `micros`, where rows say them.
    """

    first: int
    x: Floats
    y: Floats
    times: Longs | None = None
    wrong: dict[int, Fault] = field(default_factory=dict)  # `where` names a column


@dataclass(frozen=True)
class Column:
    """A column to be added: the values there are, and for each row the position of its own, −1 for none."""

    name: str
    kind: Kind
    values: Sequence[Any]
    index: Ints


@dataclass(frozen=True)
class Outcome:
    """How many rows were read, and in how many something was wrong."""

    rows: int
    invalid: int
    resumed: int = 0  # rows that an earlier run had done
