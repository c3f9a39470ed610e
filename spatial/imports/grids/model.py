"""What an import is asked to do, what it rests on, and what it would do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shapely.geometry.base import BaseGeometry

from spatial.crs import Bounds
from spatial.errors import Fault
from spatial.geometry import Plane
from spatial.grids.queries import GridRecord, UnitRecord
from spatial.grids.standing import Piece, Standing
from spatial.grids.tiling import TilingFinding
from spatial.imports.displaced import Displaced
from spatial.imports.model import Change
from spatial.imports.read import Encoding
from spatial.tables import Span

LayerKind = Literal["tiling", "free"]
Chain = Literal["police", "governance"]
UnitTree = Literal["police", "governance", "agency"]
CHANGES: tuple[Change, ...] = ("new", "changed", "adjusted", "ended", "same", "kept")
GRID_KINDS = ("regular", "dedicated", "micro")
FIELDS = ("code", "name", "unit", "unit_name", "grid_kind")


@dataclass(frozen=True)
class Columns:
    """What a file says of grids: by field its column, the texts that stand for others, constants for what it lacks.

    Columns that are neither named nor kept are left out.
    """

    named: Mapping[str, str]
    keep: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def read(self) -> frozenset[str]:
        """The columns that are taken."""
        return frozenset((*self.named.values(), *self.keep))

    def without(self, columns: Collection[str], fields: Collection[str]) -> "Columns":
        """Return the same without some columns, and without some fields."""
        return Columns(
            {name: one for name, one in self.named.items() if one not in columns and name not in fields},
            tuple(column for column in self.keep if column not in columns),
            {name: values for name, values in self.values.items() if name not in fields},
            {name: value for name, value in self.constants.items() if name not in fields},
        )

    def says(self, name: str) -> bool:
        """Return whether anything is said of a field."""
        return name in self.named or name in self.constants

    def place(self, row: int, name: str) -> str:
        """Return where a row says something of a field: its cell, or what is said of all rows."""
        return f"row {row}, column {self.named[name]}" if name in self.named else name


@dataclass(frozen=True)
class NewLayer:
    """A layer to make where there is none of that code."""

    title: Mapping[str, str]
    kind: LayerKind = "tiling"
    visibility: Literal["public", "internal"] = "internal"
    code_scheme: str = "free"
    chain: Chain | None = None  # the standard chain of response that it gets


@dataclass(frozen=True)
class NewUnits:
    """Of which tree and kind units are made whose codes are not known."""

    tree: UnitTree
    kind: str


@dataclass(frozen=True)
class Drawing:
    """The plan to make of a layer that was drawn anew: its name, the unit whose grids alone it redraws, and when."""

    name: str
    unit: str | None
    now: datetime


@dataclass(frozen=True)
class Request:
    """An import of grids: what the file's columns mean, into which layer, from when.

    From `effective` on the file's grids are as the file says, each until its next change on record. Grids of the layer
    that the file lacks stay, unless the file is said to be `complete`: then they end.
    """

    layer: str
    columns: Columns
    effective: datetime
    source_crs: str | None = None  # instead of what the file declares
    complete: bool = False
    as_is: bool = False  # even where the shapes look displaced
    drawing: Drawing | None = None  # the plan to make of what the file changes, instead of writing it
    within: str | None = None  # the layer whose grids the file's should cover
    new_layer: NewLayer | None = None
    new_units: NewUnits | None = None


@dataclass(frozen=True)
class Stored:
    """What is stored and bears on an import; a layer that does not exist yet has no `layer_id`."""

    layer_id: int | None
    kind: LayerKind
    code_scheme: str
    plane: Plane | None = None
    surroundings: Bounds | None = None
    grids: tuple[GridRecord, ...] = ()  # of the layer, in force at the effective instant
    later: tuple[GridRecord, ...] = ()  # versions of the layer that begin after it, earliest first
    grid_ids: Mapping[str, int] = field(default_factory=dict)  # of every code the layer ever gave
    units: tuple[UnitRecord, ...] = ()  # at all times, earliest first
    within_id: int | None = None
    outline: tuple[Piece, ...] = ()  # grids of the layer to be covered, from the effective instant on
    inner: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)  # the tilings that should cover this layer
    cells_used: Mapping[str, Mapping[int, Sequence[Span]]] = field(default_factory=dict)  # by layer built from this one


@dataclass(frozen=True)
class Entry:
    """What one or several rows of a file say of one grid; None where the file was not asked.

    `rows` are their numbers as the file shows them, `indexes` their places among the rows that were read.
    """

    rows: tuple[int, ...]
    indexes: tuple[int, ...]
    code: str
    name: str | None
    unit: str | None
    unit_name: str | None
    kind: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Repair:
    """What was mended of a shape, and the m² by which its area changed."""

    code: str
    rows: tuple[int, ...]
    kind: Literal["duplicate-feature", "duplicate-vertices", "made-valid", "collapsed"]
    count: int
    area_m2: float


@dataclass(frozen=True)
class PlannedGrid:
    """What happens to one grid; `differs` names what changes, `new_unit` is the code of a unit yet to be made."""

    change: Change
    code: str
    name: str
    kind: str
    unit_id: int | None
    attributes: Mapping[str, Any]
    shape: BaseGeometry
    valid: Span
    new_unit: str | None = None
    grid_id: int | None = None
    old: GridRecord | None = None
    differs: tuple[str, ...] = ()
    area_m2: float = 0.0
    rows: tuple[int, ...] = ()  # of the file, as it shows them


@dataclass(frozen=True)
class PlannedUnit:
    """A unit to make or, where its code is on record `like` a version of another time, to have in force now too."""

    code: str
    name: str
    valid: Span
    like: UnitRecord | None = None


@dataclass(frozen=True)
class Plan:
    """What an import does: grids by code, repairs, what is wrong with the tiling as it will be and over which spans."""

    request: Request
    plane: Plane
    kind: LayerKind
    crs: str
    encoding: Encoding | None
    notes: tuple[Fault, ...]  # what was assumed in reading the file
    features: int
    grids: tuple[PlannedGrid, ...]
    repairs: tuple[Repair, ...]
    standing: tuple[Standing, ...]
    inner: Mapping[str, tuple[Standing, ...]]  # the same of the tilings that should cover this layer, by their codes
    within_id: int | None
    units: tuple[PlannedUnit, ...]
    unused_columns: tuple[str, ...]
    dropped_columns: tuple[str, ...]
    makes_layer: bool
    displaced: Displaced | None = None

    def of(self, *changes: Change) -> tuple[PlannedGrid, ...]:
        """Return the grids to which something happens."""
        return tuple(grid for grid in self.grids if grid.change in changes)

    @property
    def writes(self) -> bool:
        """Whether anything would be written."""
        return self.makes_layer or bool(self.units or self.of("new", "changed", "adjusted", "ended"))

    @property
    def chain(self) -> Chain | None:
        """The standard chain of response that would be written, with the layer that is made."""
        new = self.request.new_layer
        return new.chain if new and self.makes_layer else None

    @property
    def new_units(self) -> dict[str, str]:
        """The names of the units that are made, by code."""
        return {unit.code: unit.name for unit in self.units if unit.like is None}

    @property
    def extended_units(self) -> dict[str, str]:
        """The names of the units that are on record at another time only, by code."""
        return {unit.code: unit.name for unit in self.units if unit.like is not None}

    @property
    def findings(self) -> tuple[TilingFinding, ...]:
        """What is wrong with the tiling, at any time from the effective instant on."""
        return tuple(one.finding for one in self.standing)
