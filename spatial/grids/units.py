"""Units and the links between them, as of an instant."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import case, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from spatial.history import Moment, in_force
from spatial.paging import Page, Paged, paged
from spatial.tables import Unit, UnitLink, UnitVersion

PARENT_LINKS = ("command", "administers")


@dataclass(frozen=True)
class UnitRef:
    """A unit as of an instant; `contacts` holds its desk's name, phone and radio group."""

    id: int
    code: str
    name: str
    kind: str
    contacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitRow:
    """A unit in a list; `parent` is the code of the unit above, of several the one that `UnitTree.chain` goes to."""

    version: UnitVersion
    tree: str
    parent: str | None
    shape: BaseGeometry | None


@dataclass(frozen=True)
class UnitTree:
    """Some units, all units above them, and the units of other trees that serve any of these."""

    units: Mapping[int, UnitRef]
    up: Mapping[tuple[int, str], int]  # (unit, kind of link) → the unit above
    servers: Mapping[int, Sequence[int]]  # unit → units that serve it

    def chain(self, unit_id: int | None) -> tuple[UnitRef, ...]:
        """Return a unit and the units above it, lowest first."""
        found: dict[int, UnitRef] = {}
        while unit_id is not None and unit_id in self.units and unit_id not in found:
            found[unit_id] = self.units[unit_id]
            unit_id = next((self.up[unit_id, kind] for kind in PARENT_LINKS if (unit_id, kind) in self.up), None)
        return tuple(found.values())

    def follow(self, unit_id: int | None, path: Sequence[str]) -> UnitRef | None:
        """Return the unit at the end of a path of links; `serves` leads from the served unit to its server."""
        for kind in path:
            if unit_id is None:
                return None
            servers = self.servers.get(unit_id, ())
            unit_id = (servers[0] if servers else None) if kind == "serves" else self.up.get((unit_id, kind))
        return self.units.get(unit_id) if unit_id is not None else None

    def serving(self, chain: Sequence[UnitRef]) -> tuple[UnitRef, ...]:
        """Return the units that serve any unit of a chain, in the order of the chain."""
        ids = dict.fromkeys(server for unit in chain for server in self.servers.get(unit.id, ()))
        return tuple(self.units[server] for server in ids if server in self.units)


def unit_tree(session: Session, unit_ids: Collection[int], at: datetime, known_at: datetime | None = None) -> UnitTree:
    """Return the tree above some units."""
    if not unit_ids:
        return UnitTree({}, {}, {})
    start = select(UnitVersion.unit_id).where(UnitVersion.unit_id.in_(unit_ids)).distinct().cte("above", recursive=True)
    parents = (
        select(UnitLink.to_unit_id)
        .join(start, UnitLink.unit_id == start.c.unit_id)
        .where(UnitLink.kind.in_(PARENT_LINKS), in_force(UnitLink, at, known_at))
    )
    above = select(start.union(parents).c.unit_id)
    links = session.execute(
        select(UnitLink.unit_id, UnitLink.to_unit_id, UnitLink.kind)
        .where(
            in_force(UnitLink, at, known_at),
            or_(
                UnitLink.kind.in_(PARENT_LINKS) & UnitLink.unit_id.in_(above),
                (UnitLink.kind == "serves") & UnitLink.to_unit_id.in_(above),
            ),
        )
        .order_by(UnitLink.unit_id)
    ).all()
    servers: dict[int, list[int]] = defaultdict(list)
    for link in links:
        if link.kind == "serves":
            servers[link.to_unit_id].append(link.unit_id)
    up = {(link.unit_id, link.kind): link.to_unit_id for link in links if link.kind != "serves"}
    ids = {*unit_ids, *(link.unit_id for link in links), *(link.to_unit_id for link in links)}
    return UnitTree(units(session, ids, at, known_at), up, servers)


def units(
    session: Session, unit_ids: Collection[int], at: datetime, known_at: datetime | None = None
) -> dict[int, UnitRef]:
    """Return units by id, as they were called at `at`."""
    if not unit_ids:
        return {}
    version = UnitVersion
    rows = session.execute(
        select(version.unit_id, version.code, version.name, version.kind, version.contacts).where(
            version.unit_id.in_(unit_ids), in_force(version, at, known_at)
        )
    )
    return {row.unit_id: UnitRef(row.unit_id, row.code, row.name, row.kind, row.contacts) for row in rows}


def unit_rows(
    session: Session, moment: Moment, page: Page, *, code: str | None = None, kind: str | None = None
) -> Paged[UnitRow]:
    """Return a page of units by code."""
    parent = aliased(UnitVersion)
    rank = case({kind: place for place, kind in enumerate(PARENT_LINKS)}, value=UnitLink.kind)
    link = (
        select(UnitLink.unit_id, UnitLink.to_unit_id)
        .where(UnitLink.kind.in_(PARENT_LINKS), in_force(UnitLink, moment.at, moment.known_at))
        .ext(distinct_on(UnitLink.unit_id))
        .order_by(UnitLink.unit_id, rank)
        .subquery()
    )
    wanted = (
        select(UnitVersion, Unit.tree, parent.code.label("parent"), func.ST_AsBinary(UnitVersion.geom).label("wkb"))
        .join(Unit, Unit.id == UnitVersion.unit_id)
        .outerjoin(link, link.c.unit_id == UnitVersion.unit_id)
        .outerjoin(parent, (parent.unit_id == link.c.to_unit_id) & in_force(parent, moment.at, moment.known_at))
        .where(in_force(UnitVersion, moment.at, moment.known_at))
    )
    if code is not None:
        wanted = wanted.where(UnitVersion.code == code)
    if kind is not None:
        wanted = wanted.where(UnitVersion.kind == kind)
    found = paged(session, wanted, UnitVersion.code, page)
    rows = [
        UnitRow(row.UnitVersion, row.tree, row.parent, row.wkb and shapely.from_wkb(bytes(row.wkb)))
        for row in found.rows
    ]
    return Paged(rows, found.next_after)
