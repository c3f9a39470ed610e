"""The facts of a look-up as PostGIS holds them: for any instant, and as known at any."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import shapely
from geoalchemy2.shape import from_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from spatial.db import reach_in, stamps
from spatial.db import versions as stored_versions
from spatial.errors import Gone
from spatial.geometry import Plane
from spatial.grids.about import plane as stored_plane
from spatial.history import Moment, ends, in_force, known, lasting
from spatial.lookup.area import AreaAnswer, AreaQuestion, shares
from spatial.lookup.around import Around, around
from spatial.lookup.ask import ask, chosen, states
from spatial.lookup.duty import duties
from spatial.lookup.model import Answer, Candidate, GridRef, GridState, OverrideRef, Question
from spatial.lookup.receipt import basis_of
from spatial.lookup.rules import Spot
from spatial.lookup.source import (
    CategoryRow,
    FaultRow,
    GridDuty,
    LayerRow,
    NeighbourRow,
    OverrideRow,
    ResponsibilityRow,
)
from spatial.roster.stored import StoredRoster
from spatial.settings import settings
from spatial.tables import SRID, Category, Finding, GridVersion, Layer, Override, Responsibility

STANDS_ON = ("areas", "duty")  # domains
HOLES = ("gap", "uncovered", "overlap", "sliver")


def answer(session: Session, question: Question) -> Answer:
    """Return what every layer asked for says of a place, at any instant and as known at any, or as in a receipt.

    Raises `Gone` where what a receipt stood on cannot be told any more.
    """
    receipt = question.receipt
    known = stamps(session, receipt.versions) if receipt else None
    facts = StoredFacts(session, Moment(question.at, question.known_at, known))
    if receipt and receipt.basis != facts.basis:
        raise Gone("receipt-outlived")
    return ask(facts, question)


def surroundings(session: Session, question: Question, radius_m: float) -> list[Around]:
    """Return what lies around a place, to be drawn."""
    return around(StoredFacts(session, Moment(question.at, question.known_at)), question, radius_m)


def area_shares(session: Session, question: AreaQuestion) -> AreaAnswer:
    """Return which grids an area may belong to, at any instant and as known at any."""
    return shares(StoredFacts(session, Moment(question.at, question.known_at)), question)


def grid_states(session: Session, moment: Moment, layers: Collection[str] | None = None) -> list[GridState]:
    """Return every grid whose people are seen, with its shape and its duty state, by layer and code."""
    facts = StoredFacts(session, moment)
    return states(facts, facts.grids(chosen(facts, layers)))


class StoredFacts(StoredRoster):
    """Facts as of a moment, as far as the session reaches."""

    @cached_property
    def plane(self) -> Plane:
        """The deployment's plane; any before anything is loaded."""
        return stored_plane(self.session) or Plane(0.0)

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """The newest version of each domain among the facts."""
        told = self.moment.stamps
        if told is None:
            return versions(self.session, self.moment.known_at)
        return {domain: stored_versions(self.session, told[domain])[domain] for domain in STANDS_ON}

    @cached_property
    def basis(self) -> str:
        """The digest of what has no history among the facts."""
        return basis_of(self.plane, self.layers(), self.categories(), self.responsibilities())

    def layers(self) -> list[LayerRow]:
        """Return all layers in their order."""
        wanted = select(Layer.id, Layer.code, Layer.title, Layer.kind, Layer.visibility == "public")
        return self._rows(LayerRow, wanted.order_by(Layer.position, Layer.code))

    def holding(self, spot: Spot) -> list[Candidate]:
        """Return the grids of all layers that contain a place or touch it."""
        return self._candidates(_grids().where(self._lasting(), func.ST_Intersects(GridVersion.geom, _point(spot))))

    def about(self, layer_id: int, area: BaseGeometry) -> list[Candidate]:
        """Return the grids of a layer that come into an area in degrees."""
        near = (GridVersion.layer_id == layer_id, func.ST_Intersects(GridVersion.geom, from_shape(area, srid=SRID)))
        return self._candidates(_grids().where(self._lasting(), *near))

    def nearest(self, spot: Spot, layer_id: int) -> Candidate | None:
        """Return the grid in force that is nearest in degrees: a first guess at the nearest in metres."""
        by_distance = GridVersion.geom.op("<->")(_point(spot))
        wanted = _grids().where(self._in_force(), GridVersion.layer_id == layer_id).order_by(by_distance).limit(1)
        return next(iter(self._candidates(wanted)), None)

    def next_redraw(self, layer_id: int) -> datetime | None:
        """Return when the next grid of a layer begins or ends."""
        bounds = (func.lower(GridVersion.valid), func.upper(GridVersion.valid))
        wanted = select(*(func.min(bound).filter(bound > self.moment.at) for bound in bounds)).where(
            GridVersion.layer_id == layer_id, known(GridVersion, self.moment.known_of(GridVersion))
        )
        found = self.session.execute(wanted).one()
        return min((instant for instant in found if instant is not None), default=None)

    def versions_of(self, grid_ids: Collection[int]) -> list[Candidate]:
        """Return some grids as they are and will be."""
        return self._candidates(_grids().where(self._lasting(), GridVersion.grid_id.in_(grid_ids)))

    def overrides(self, layer_id: int, area: BaseGeometry) -> list[OverrideRow]:
        """Return the overrides of a layer that come into an area in degrees."""
        near = func.ST_Intersects(Override.geom, from_shape(area, srid=SRID))
        return self._overrides(Override.layer_id == layer_id, near)

    def all_overrides(self) -> list[OverrideRow]:
        """Return all overrides in force or to come."""
        return self._overrides()

    def categories(self) -> list[CategoryRow]:
        """Return all categories of matters."""
        table = Category
        columns = (table.id, table.code, table.title, table.parent_id, table.police_matter, table.priority)
        return self._rows(CategoryRow, select(*columns, table.handling_minutes).order_by(table.code))

    def responsibilities(self) -> list[ResponsibilityRow]:
        """Return which kinds of units answer for which categories."""
        table = Responsibility
        wanted = select(table.category_id, table.unit_kind, table.role, table.deadline)
        return self._rows(ResponsibilityRow, wanted.order_by(table.category_id, table.role, table.unit_kind))

    def faults(self, spot: Spot) -> list[FaultRow]:
        """Return the recorded gaps and overlaps in which a place lies."""
        return self._rows(FaultRow, self._faults().where(func.ST_Intersects(Finding.geom, _point(spot))))

    def hidden_layers(self, spot: Spot) -> Collection[int]:
        """Return the layers in which a place lies in a grid that whoever asks does not see."""
        reach = reach_in(self.session)
        if reach is None or reach.units is None:
            return ()
        hidden = func.hidden_layers(_point(spot), self.moment.at, self.moment.known_of(GridVersion))
        return frozenset(self.session.scalars(select(hidden)))

    @property
    def sees_everybody(self) -> bool:
        """Whether whoever asks sees the people of all units."""
        reach = reach_in(self.session)
        return reach is None or reach.units is None

    def sees_people_of(self, unit_id: int | None) -> bool:
        """Whether whoever asks sees the people of a unit: of neighbours only the grids are seen."""
        reach = reach_in(self.session)
        return reach is None or reach.sees_people_of(unit_id)

    def neighbours(self, grid_ids: Collection[int]) -> list[NeighbourRow]:
        """Return the grids that touch some grids, as these are then."""
        other = aliased(GridVersion)
        touching = (other.layer_id == GridVersion.layer_id) & func.ST_Intersects(other.geom, GridVersion.geom)
        columns = (GridVersion.grid_id, other.grid_id, other.unit_id, *ends(other.valid))
        wanted = select(*columns).join(other, touching)
        other_grids = (other.grid_id != GridVersion.grid_id, lasting(other, "valid", self.moment))
        return self._rows(NeighbourRow, wanted.where(GridVersion.grid_id.in_(grid_ids), self._in_force(), *other_grids))

    def duties(self, grids: Sequence[Candidate], *, soon: bool = True) -> dict[int, GridDuty]:
        """Return whose some grids are and who is there, by grid; `soon`: and when that changes."""
        return duties(self, grids, self.moment.at, settings().zone, soon=soon)

    def grids(self, layers: Collection[LayerRow]) -> list[Candidate]:
        """Return the grids in force of some layers."""
        of_layers = GridVersion.layer_id.in_([layer.id for layer in layers])
        return self._candidates(_grids().where(self._in_force(), of_layers))

    def all_grids(self) -> list[Candidate]:
        """Return all grids in force or to come."""
        return self._candidates(_grids().where(self._lasting()))

    def all_faults(self) -> list[tuple[FaultRow, BaseGeometry]]:
        """Return all recorded gaps and overlaps, and where they are."""
        rows = self.session.execute(self._faults().add_columns(func.ST_AsBinary(Finding.geom))).all()
        return [(FaultRow(*fault), shapely.from_wkb(bytes(wkb))) for *fault, wkb in rows]

    def _faults(self) -> Select[Any]:
        columns: tuple[Any, ...] = (Finding.layer_id, Finding.kind, Finding.area_m2, Finding.grids)
        of_layers = (Finding.layer_id.is_not(None), Finding.kind.in_(HOLES))
        wanted = select(*columns, *ends(Finding.valid)).where(*of_layers, lasting(Finding, "valid", self.moment))
        return wanted.order_by(Finding.id)

    def _overrides(self, *conditions: ColumnElement[bool]) -> list[OverrideRow]:
        table = Override
        columns: tuple[Any, ...] = (table.layer_id, table.grid_id, func.ST_AsBinary(table.geom), table.code, table.name)
        told = (table.priority, table.authority, table.document_number, *ends(table.valid))
        wanted = select(*columns, *told).where(lasting(table, "valid", self.moment), *conditions)
        rows = self.session.execute(wanted.order_by(table.code, table.id)).all()
        return [
            OverrideRow(layer_id, grid_id, OverrideRef(*ref), shapely.from_wkb(bytes(wkb)))
            for layer_id, grid_id, wkb, *ref in rows
        ]

    def _lasting(self) -> ColumnElement[bool]:
        return lasting(GridVersion, "valid", self.moment)

    def _in_force(self) -> ColumnElement[bool]:
        return in_force(GridVersion, self.moment.at, self.moment.known_of(GridVersion))

    def _candidates(self, wanted: Select[Any]) -> list[Candidate]:
        rows = self.session.execute(wanted).all()
        shapes = shapely.from_wkb([bytes(row.wkb) for row in rows])
        return [
            Candidate(
                GridRef(row.grid_id, row.code, row.name, row.kind, row.since, row.until),
                row.layer_id,
                row.unit_id,
                shape,
                self.plane,
            )
            for row, shape in zip(rows, shapes, strict=True)
        ]


def versions(session: Session, known_at: datetime | None = None) -> dict[str, int]:
    """Return the newest version of each domain that look-ups stand on, or the newest that was known at an instant."""
    found = stored_versions(session, known_at)
    return {domain: found[domain] for domain in STANDS_ON}


def _point(spot: Spot) -> ColumnElement[Any]:
    return func.ST_SetSRID(func.ST_MakePoint(spot.lon, spot.lat), SRID)


def _grids() -> Select[Any]:
    version = GridVersion
    return select(
        version.grid_id,
        version.layer_id,
        version.unit_id,
        version.code,
        version.name,
        version.kind,
        *ends(version.valid),
        func.ST_AsBinary(version.geom).label("wkb"),
    )
