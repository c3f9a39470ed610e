"""Overlaps of two layers as they are sent, and as rows of files."""

from pydantic import BaseModel, Field

from spatial.overlaps.model import Counted, Counts, Embedded, Misplaced, Piece, Relation, Shared, Side, Snap
from spatial.overlaps.model import Kind as RelationKind
from spatial.overlaps.overlaps import Overlaps


class SharerOut(BaseModel):
    """A grid that shares something, and its unit."""

    code: str
    name: str
    unit: str | None
    unit_name: str | None
    area_m2: float


class CountedOut(BaseModel):
    """What lies in a piece, by borders alone: a place on one is counted for its owner, overrides are not asked."""

    addresses: int
    dwellings: int
    incidents: int = Field(description="reported in the period asked for")
    handling_minutes: int = Field(description="that incidents of their categories usually take, in all")


class OverlapOut(BaseModel):
    """What a grid of the layer and a grid of the other one share."""

    grid: SharerOut
    other: SharerOut
    area_m2: float
    share: float = Field(description="of the grid")
    other_share: float = Field(description="of the other grid")
    width_m: float = Field(description="mean width: twice the area by the border")
    is_sliver: bool = Field(description="too narrow or too small to be meant")
    misfit_m: float = Field(description="border of the grid inside of the other one")
    other_misfit_m: float = Field(description="border of the other grid inside of this one")
    together_m: float = Field(description="border that both have here")
    counted: CountedOut | None = Field(description="of what whoever asks sees now; none: not asked for, or not seen")


class RelationOut(BaseModel):
    """How a grid lies to the other layer."""

    grid: SharerOut
    relation: RelationKind = Field(
        description="aligned: one whole grid of the other layer, or several; contained: part of one; split: part of "
        "several, or partly of none; orphan: of none"
    )
    others: list[str] = Field(description="codes, the largest share first; without slivers")
    uncovered_m2: float
    misfit_m: float = Field(description="border of the grid inside of grids of the other layer")


class SharedOut(BaseModel):
    """What the grids of two units share: a station and a street."""

    unit: str | None
    unit_name: str | None
    other_unit: str | None
    other_unit_name: str | None
    area_m2: float
    pieces: int
    counted: CountedOut


class MoveOut(BaseModel):
    """A piece that would change hands."""

    from_: str = Field(serialization_alias="from", description="code of the grid that loses it")
    area_m2: float
    counted: CountedOut


class SnapOut(BaseModel):
    """A grid of the other layer that several grids share, and what it costs to give it to one of them whole."""

    other: SharerOut
    to: str = Field(description="code of the grid that has most of it already")
    area_m2: float
    counted: CountedOut
    officers: int = Field(description="officers responsible for a grid whose border would move")
    moves: list[MoveOut]


class EmbeddedOut(BaseModel):
    """A cell that is not whole in the grid it belongs to."""

    cell: SharerOut
    fault: Misplaced = Field(
        description="split: several grids share it; elsewhere: it lies in others; uncovered: in none; homeless: it "
        "belongs to none"
    )
    belongs_to: str | None
    lies_in: list[str]
    area_m2: float


def sharer_out(found: Overlaps, side: Side) -> SharerOut:
    """Return a grid as it is sent."""
    unit = found.unit(side.unit_id)
    return SharerOut(
        code=side.code,
        name=side.name,
        unit=unit and unit.code,
        unit_name=unit and unit.name,
        area_m2=round(side.area_m2, 2),
    )


def counted_out(counted: Counted) -> CountedOut:
    """Return a count as it is sent."""
    return CountedOut(
        addresses=counted.addresses,
        dwellings=counted.dwellings,
        incidents=counted.incidents,
        handling_minutes=round(counted.handling_minutes),
    )


def overlap_out(found: Overlaps, piece: Piece, counts: Counts) -> OverlapOut:
    """Return a piece as it is sent."""
    counted = counts.get((piece.left.grid_id, piece.right.grid_id))
    return OverlapOut(
        grid=sharer_out(found, piece.left),
        other=sharer_out(found, piece.right),
        area_m2=round(piece.area_m2, 2),
        share=round(piece.left_share, 9),
        other_share=round(piece.right_share, 9),
        width_m=round(piece.width_m, 2),
        is_sliver=found.thresholds.is_sliver(piece),
        misfit_m=round(piece.left_inside_m, 2),
        other_misfit_m=round(piece.right_inside_m, 2),
        together_m=round(piece.together_m, 2),
        counted=None if counted is None else counted_out(counted),
    )


def relation_out(found: Overlaps, relation: Relation) -> RelationOut:
    """Return a relation as it is sent."""
    return RelationOut(
        grid=sharer_out(found, relation.grid),
        relation=relation.kind,
        others=list(relation.others),
        uncovered_m2=round(relation.uncovered_m2, 2),
        misfit_m=round(relation.misfit_m, 2),
    )


def shared_out(found: Overlaps, shared: Shared) -> SharedOut:
    """Return what two units share as it is sent."""
    unit, other = found.unit(shared.left_unit_id), found.unit(shared.right_unit_id)
    return SharedOut(
        unit=unit and unit.code,
        unit_name=unit and unit.name,
        other_unit=other and other.code,
        other_unit_name=other and other.name,
        area_m2=round(shared.area_m2, 2),
        pieces=shared.pieces,
        counted=counted_out(shared.counted),
    )


def snap_out(found: Overlaps, snap: Snap) -> SnapOut:
    """Return a proposal as it is sent."""
    return SnapOut(
        other=sharer_out(found, snap.grid),
        to=snap.to.code,
        area_m2=round(snap.area_m2, 2),
        counted=counted_out(snap.counted),
        officers=snap.officers,
        moves=[
            MoveOut(from_=one.piece.left.code, area_m2=round(one.piece.area_m2, 2), counted=counted_out(one.counted))
            for one in snap.moves
        ],
    )


def embedded_out(found: Overlaps, embedded: Embedded) -> EmbeddedOut:
    """Return a misplaced cell as it is sent."""
    return EmbeddedOut(
        cell=sharer_out(found, embedded.cell),
        fault=embedded.kind,
        belongs_to=embedded.belongs_to and embedded.belongs_to.code,
        lies_in=[one.code for one in embedded.lies_in],
        area_m2=round(embedded.area_m2, 2),
    )
