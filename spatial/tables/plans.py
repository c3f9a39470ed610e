"""Plans: redrawings of grids that are worked out, reviewed and published."""

from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Id, Instant, Json, Range_, one_of, shape

PLAN_STATES = ("draft", "submitted", "returned", "approved", "published", "abandoned")
STATE = JSONB(none_as_null=True)


class Plan(Base):
    """A redrawing of one or several layers, over what was in force at `base_at` as known with `base_version`."""

    __tablename__ = "plan"
    __table_args__ = (
        one_of("state", *PLAN_STATES),
        CheckConstraint("(state = 'published') = (effective IS NOT NULL)", name="effective_once_published"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str]
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))  # whose grids alone it may redraw; none: all
    layers: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    base_version: Mapped[int]  # of the domain areas
    base_at: Mapped[Instant]
    counted: Mapped[Range_]  # the time whose incidents its measures count
    state: Mapped[str] = mapped_column(server_default="draft")
    revision: Mapped[int] = mapped_column(server_default="0")
    head: Mapped[int] = mapped_column(server_default="0")  # the operation it stands at; 0: the base
    created_by: Mapped[str]
    created_at: Mapped[Instant]
    reverts: Mapped[UUID | None] = mapped_column(ForeignKey("plan.id"))
    document_number: Mapped[str | None]
    effective: Mapped[Instant | None]
    published_version: Mapped[int | None]  # of the domain areas
    duty_version: Mapped[int | None]  # of the domain duty, where people or cover were handed on
    sha256: Mapped[str | None]  # of what it changed
    manifest: Mapped[Json | None]  # what it changed, and what that concerned
    touched: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))  # ids of the grids that it changed
    made: Mapped[Json | None]  # ids of the grids that it made, by their keys in the draft
    superseded_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("plan.id")
    )  # the first that changed one of them since


class PlanOp(Base):
    """One operation of a plan; `parent` is the one before it, 0 the base: undo and redo walk a tree."""

    __tablename__ = "plan_op"
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int]
    kind: Mapped[str]
    body: Mapped[Json]  # as it was asked for
    made_by: Mapped[str]
    at: Mapped[Instant]


class PlanChange(Base):
    """What an operation did to one grid, and what undoes it: both states whole; none where there is no grid.

    `key` is the id of the grid, or below zero for one that the plan makes.
    """

    __tablename__ = "plan_change"
    __table_args__ = (
        ForeignKeyConstraint(["plan_id", "n"], ["plan_op.plan_id", "plan_op.n"]),
        CheckConstraint("was IS NOT NULL OR becomes IS NOT NULL", name="says_something"),
        CheckConstraint("(was IS NULL) = (was_shape IS NULL)", name="was_whole"),
        CheckConstraint("(becomes IS NULL) = (shape IS NULL)", name="becomes_whole"),
    )
    plan_id: Mapped[UUID] = mapped_column(primary_key=True)
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"), primary_key=True)
    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    was: Mapped[Json | None] = mapped_column(STATE)
    was_shape: Mapped[WKBElement | None] = mapped_column(shape("MULTIPOLYGON"))
    becomes: Mapped[Json | None] = mapped_column(STATE)
    shape: Mapped[WKBElement | None] = mapped_column(shape("MULTIPOLYGON"))
    holds: Mapped[Json | None] = mapped_column(STATE)  # what lies in it then, and who is responsible for it


class PlanEvent(Base):
    """What happened to a plan, in order: operations, undo and redo, marks, comments, review, publication.

    `head` and `revision` are the plan's after it, so that each revision is known by what it stood at.
    """

    __tablename__ = "plan_event"
    __table_args__ = (UniqueConstraint("plan_id", "revision"), Index("ix_plan_event_plan_id_kind", "plan_id", "kind"))
    id: Mapped[Id]
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"))
    revision: Mapped[int]
    head: Mapped[int]
    kind: Mapped[str]
    by: Mapped[str]
    at: Mapped[Instant]
    detail: Mapped[Json] = mapped_column(server_default="{}")


class PlanMeasure(Base):
    """What lies in a grid of a plan's layers in the plan's base, and who is responsible for it."""

    __tablename__ = "plan_measure"
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"), primary_key=True)
    base_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    base_at: Mapped[Instant] = mapped_column(primary_key=True)
    grid_id: Mapped[int] = mapped_column(ForeignKey("grid.id"), primary_key=True)
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"))
    unit_id: Mapped[int | None]
    addresses: Mapped[int]
    dwellings: Mapped[int]
    incidents: Mapped[int]
    handling_minutes: Mapped[float]
    officers: Mapped[list[str]] = mapped_column(ARRAY(Text(collation="C")))  # numbers
