"""Small worlds for one test: layers, units, grids, people and shifts in a line or two each."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from geoalchemy2.shape import from_shape
from shapely import MultiPolygon, Point, box
from shapely.geometry.base import BaseGeometry
from sqlalchemy import insert
from sqlalchemy.orm import Session

from spatial.db import Database, open_version
from spatial.overlaps import service as overlaps
from spatial.tables import (
    SRID,
    Assignment,
    Category,
    Cover,
    Deployment,
    DutyEvent,
    Grid,
    GridVersion,
    Layer,
    Leave,
    Officer,
    OfficerVersion,
    Override,
    ResponseStep,
    Responsibility,
    Shift,
    Team,
    TeamMember,
    TeamVersion,
    Unit,
    UnitLink,
    UnitVersion,
)
from spatial.time import since

T0 = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
LON, LAT = 120.27, 30.30
CELL = 0.001  # degrees: about a hundred metres


def cell(column: int, row: int, width: int = 1, height: int = 1) -> MultiPolygon:
    """Return a rectangle of cells, rounded as it is stored."""
    corners = [LON + column * CELL, LAT + row * CELL, LON + (column + width) * CELL, LAT + (row + height) * CELL]
    return MultiPolygon([box(*(round(corner, 9) for corner in corners))])


def middle(column: float, row: float) -> tuple[float, float]:
    """Return the middle of a cell."""
    return LON + (column + 0.5) * CELL, LAT + (row + 0.5) * CELL


class World:
    """Writes rows that are valid from T0 − 1 year, recorded now; every method returns an internal id."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.valid = since(T0 - timedelta(days=365))

    def _add(self, table: Any, **values: Any) -> int:
        found: int = self.session.execute(insert(table).values(**values).returning(table.id)).scalar_one()
        return found

    def _recorded(self, domain: str) -> Any:
        return since(open_version(self.session, domain))

    def deployment(self, lon_0: float = 120.0) -> None:
        """Fix the plane."""
        row = {"id": 1, "lon_0": lon_0, "timezone": "Asia/Shanghai", "installed_at": T0}
        self.session.execute(insert(Deployment).values(**row))

    def layer(self, code: str, kind: str = "tiling", position: int = 1) -> int:
        """Add a layer."""
        title = {"zh-CN": code, "en": code}
        row = {"code": code, "title": title, "kind": kind, "visibility": "public", "code_scheme": "free"}
        return self._add(Layer, position=position, **row)

    def step(self, layer_id: int, position: int, key: str, source: str, *, cover: bool = True, **more: Any) -> int:
        """Add a step to a layer's chain of response."""
        row = {"layer_id": layer_id, "position": position, "key": key, "title": {"zh-CN": key, "en": key}}
        times = {"valid": self.valid, "recorded": self._recorded("areas")}
        return self._add(ResponseStep, source=source, is_cover=cover, **times, **row, **more)

    def unit(self, code: str, kind: str = "station", tree: str = "police", **more: Any) -> int:
        """Add a unit."""
        unit_id = self._add(Unit, tree=tree)
        row = {"unit_id": unit_id, "code": code, "name": f"unit {code}", "kind": kind, "contacts": {}}
        self._add(UnitVersion, **({"valid": self.valid, "recorded": self._recorded("areas"), **row} | more))
        return unit_id

    def link(self, unit_id: int, to_unit_id: int, kind: str) -> int:
        """Link a unit to one above it, or to one it serves."""
        row = {"unit_id": unit_id, "to_unit_id": to_unit_id, "kind": kind}
        return self._add(UnitLink, valid=self.valid, recorded=self._recorded("areas"), **row)

    def grid(self, layer_id: int, code: str, shape: BaseGeometry, unit_id: int | None = None, valid: Any = None) -> int:
        """Add a grid with one version."""
        grid_id = self._add(Grid, layer_id=layer_id)
        self.version(grid_id, layer_id, code, shape, unit_id, valid)
        return grid_id

    def version(
        self, grid_id: int, layer_id: int, code: str, shape: BaseGeometry, unit_id: int | None = None, valid: Any = None
    ) -> int:
        """Add a version of a grid."""
        row = {"grid_id": grid_id, "layer_id": layer_id, "code": code, "name": f"grid {code}", "unit_id": unit_id}
        times = {"valid": valid or self.valid, "recorded": self._recorded("areas")}
        made = self._add(GridVersion, geom=from_shape(shape, srid=SRID), **row, **times)
        overlaps.keep(self.session, open_version(self.session, "areas"))
        return made

    def override(self, grid_id: int, layer_id: int, code: str, shape: BaseGeometry, **more: Any) -> int:
        """Give an area to a grid."""
        row = {"grid_id": grid_id, "layer_id": layer_id, "code": code, "name": f"override {code}", "priority": 1}
        told = {"authority": "bureau", "document_number": "2025-1", "valid": self.valid}
        times = {"recorded": self._recorded("areas")}
        return self._add(Override, geom=from_shape(shape, srid=SRID), **times, **(row | told | more))

    def category(self, code: str, parent_id: int | None = None, **more: Any) -> int:
        """Add a category of matters."""
        row = {"title": {"zh-CN": code, "en": code}, "police_matter": True, "priority": 3, "handling_minutes": 30}
        self._recorded("areas")
        return self._add(Category, code=code, parent_id=parent_id, **(row | more))

    def answers_for(self, category_id: int, unit_kind: str, role: str = "lead", hours: int | None = None) -> None:
        """Let a kind of unit answer for a category."""
        deadline = None if hours is None else timedelta(hours=hours)
        row = {"category_id": category_id, "unit_kind": unit_kind, "role": role, "deadline": deadline}
        self._add(Responsibility, **row)

    def officer(self, number: str, unit_id: int, kind: str = "community_officer") -> int:
        """Add an officer."""
        officer_id = self._add(Officer, number=number)
        row = {"officer_id": officer_id, "name": f"officer {number}", "kind": kind, "unit_id": unit_id}
        times = {"valid": self.valid, "recorded": self._recorded("duty")}
        self._add(OfficerVersion, duty_phone="0571-0000-0001", **row, **times)
        return officer_id

    def team(self, code: str, unit_id: int, members: Iterable[int]) -> int:
        """Add a squad with its members."""
        team_id = self._add(Team, code=code)
        times = {"valid": self.valid, "recorded": self._recorded("duty")}
        row = {"name": f"squad {code}", "kind": "squad", "call_sign": f"call {code}", "unit_id": unit_id}
        self._add(TeamVersion, team_id=team_id, **row, **times)
        for officer_id in members:
            self._add(TeamMember, team_id=team_id, officer_id=officer_id, **times)
        return team_id

    def assign(self, officer_id: int, grid_id: int, role: str = "lead", valid: Any = None) -> int:
        """Make an officer responsible for a grid."""
        row = {"officer_id": officer_id, "grid_id": grid_id, "role": role}
        return self._add(Assignment, valid=valid or self.valid, recorded=self._recorded("duty"), **row)

    def leave(self, officer_id: int, start: datetime, end: datetime, kind: str = "sick") -> int:
        """Send an officer away."""
        row = {"officer_id": officer_id, "kind": kind, "valid": since(start, end)}
        return self._add(Leave, recorded=self._recorded("duty"), **row)

    def shift(
        self,
        unit_id: int,
        start: datetime,
        end: datetime,
        *,
        officer: int | None = None,
        team: int | None = None,
        kind: str = "grid",
        grids: Iterable[int] = (),
        units: Iterable[int] = (),
        parent: int | None = None,
        state: str = "planned",
        actual: Any = None,
    ) -> int:
        """Put an officer or a team on duty over `[start, end)`, covering grids and units."""
        recorded, planned = self._recorded("duty"), since(start, end)
        who = {"officer_id": officer, "team_id": team, "unit_id": unit_id, "parent_shift": parent}
        row = {"uuid": uuid.uuid4(), "kind": kind, "planned": planned, "state": state, "actual": actual}
        shift_id = self._add(Shift, recorded=recorded, **who, **row)
        covered = [{"grid_id": one} for one in grids] + [{"unit_id": one} for one in units]
        for subject in covered:
            self._add(Cover, shift_id=shift_id, span=actual or planned, recorded=recorded, **subject)
        return shift_id

    def cover(self, shift_id: int, grid_id: int, start: datetime, end: datetime) -> int:
        """Let a shift cover one more grid, over a span of its own."""
        row = {"shift_id": shift_id, "grid_id": grid_id, "span": since(start, end)}
        return self._add(Cover, recorded=self._recorded("duty"), **row)

    def event(self, shift_id: int, kind: str, start: datetime, end: datetime) -> int:
        """Say what became of a shift over a span."""
        row = {"shift_id": shift_id, "kind": kind, "span": since(start, end)}
        return self._add(DutyEvent, recorded=self._recorded("duty"), **row)


def build(database: Database, *steps: Any) -> None:
    """Run functions of a World in one transaction."""
    with database.write() as session:
        world = World(session)
        for step in steps:
            step(world)


def point(lon: float, lat: float) -> Point:
    """Return a point."""
    return Point(lon, lat)
