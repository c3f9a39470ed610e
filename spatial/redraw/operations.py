"""What a planner may ask of a draft: one model for each kind of operation, as it is asked for and kept."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from spatial.tables import LONGEST_CODE

MOST_VERTICES = 10_000
MOST_GRIDS = 1_000
Code = Annotated[str, Field(min_length=1, max_length=LONGEST_CODE)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Position = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
Line = Annotated[list[Position], Field(min_length=2, max_length=MOST_VERTICES)]
Ring = Annotated[list[Position], Field(min_length=4, max_length=MOST_VERTICES)]
Codes = Annotated[list[Code], Field(min_length=1, max_length=MOST_GRIDS)]
GridKind = Literal["regular", "dedicated", "micro"]


class Asked(BaseModel):
    """An operation on a layer; positions are longitude and latitude."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: Code = Field(description="code of the layer that is redrawn")


class Assign(Asked):
    """Give whole cells to a grid: of the layer that it is built from, or the area of another layer's grids."""

    kind: Literal["assign"] = "assign"
    to: Code
    cells: Codes
    of: Code | None = Field(None, description="layer of the cells; default the one that the layer is built from")


class Swap(Asked):
    """Let two grids exchange cells."""

    kind: Literal["swap"] = "swap"
    first: Code
    second: Code
    first_cells: Codes = Field(description="cells of the first grid, for the second one")
    second_cells: Codes
    of: Code | None = Field(None, description="layer of the cells; default the one that the layer is built from")


class Split(Asked):
    """Cut a grid in two along a line; the larger piece stays the grid, unless a place in the new one is named."""

    kind: Literal["split"] = "split"
    grid: Code
    line: Line
    code: Code = Field(description="of the new grid")
    name: Name | None = None
    new_at: Position | None = Field(None, description="a place in the piece that is to be the new grid")


class Merge(Asked):
    """Make neighbours one grid."""

    kind: Literal["merge"] = "merge"
    grids: Codes
    into: Code = Field(description="the one of them that stays")


class Create(Asked):
    """Carve a new grid out of those there are: an area, or cells."""

    kind: Literal["create"] = "create"
    code: Code
    name: Name
    unit: Code | None = None
    grid_kind: GridKind = "regular"
    area: list[Ring] | None = Field(None, description="a shell, then its holes", max_length=1000)
    cells: Codes | None = None


class Dissolve(Asked):
    """End a grid; its area goes to a neighbour: by default of its unit, the one that it shares most border with."""

    kind: Literal["dissolve"] = "dissolve"
    grid: Code
    to: Code | None = None


class MoveVertex(Asked):
    """Move a vertex of borders, with all grids that have it."""

    kind: Literal["move_vertex"] = "move_vertex"
    at: Position
    to: Position


class Reshape(Asked):
    """Let the border that two grids share run along a line; both sides move."""

    kind: Literal["reshape"] = "reshape"
    grids: Annotated[list[Code], Field(min_length=2, max_length=2)]
    line: Line


class Snap(Asked):
    """Give a grid of another layer whole to one of the grids that share it: by default the one that has most of it."""

    kind: Literal["snap"] = "snap"
    of: Code
    cell: Code
    to: Code | None = None


class Renumber(Asked):
    """Give a grid another code."""

    kind: Literal["renumber"] = "renumber"
    grid: Code
    code: Code


class Describe(Asked):
    """Change the name, unit or kind of a grid."""

    kind: Literal["describe"] = "describe"
    grid: Code
    name: Name | None = None
    unit: Code | None = None
    grid_kind: GridKind | None = None


class Lock(Asked):
    """Keep grids from being redrawn."""

    kind: Literal["lock"] = "lock"
    grids: Codes


class Unlock(Asked):
    """Let grids be redrawn again."""

    kind: Literal["unlock"] = "unlock"
    grids: Codes


class Barrier(Asked):
    """Draw a line that no grid should lie across; it becomes known with the plan."""

    kind: Literal["barrier"] = "barrier"
    code: Code
    barrier_kind: Literal["river", "railway", "expressway", "wall", "other"] = "other"
    name: Name | None = None
    line: Line


class Repair(Asked):
    """Mend the fault of a tiling at a place, as findings propose it: this may change what the layer covers."""

    kind: Literal["repair"] = "repair"
    at: Position = Field(description="a place in the fault, as the finding tells it")


Operation = (
    Assign | Swap | Split | Merge | Create | Dissolve | MoveVertex | Reshape | Snap | Renumber | Describe
    | Lock | Unlock | Barrier | Repair
)  # fmt: skip
AnyOperation = Annotated[Operation, Field(discriminator="kind")]
OPERATIONS: TypeAdapter[Operation] = TypeAdapter(AnyOperation)


def texts_of(op: Operation) -> dict[str, list[str]]:
    """Return the words of an operation by field."""
    found = {}
    for name, value in op.model_dump().items():
        words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        found[name] = [word for word in words if isinstance(word, str)]
    return found
