"""Units and the links between them, as of an instant."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import starmap
from typing import Any, NamedTuple, Protocol, TypeVar

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, any_, case, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.types import BigInteger

from spatial.history import Moment, Reading, ends, in_force, lasting
from spatial.paging import Page, Paged, paged
from spatial.tables import Unit, UnitLink, UnitVersion
from spatial.tables.base import Recorded

Row = TypeVar("Row")
Ids = Collection[int] | None  # None: all there are
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


class UnitNamed(NamedTuple):
    """What a unit is called over a time."""

    unit: UnitRef
    since: datetime | None
    until: datetime | None


class Link(NamedTuple):
    """A link of one unit to another over a time."""

    unit_id: int
    to_unit_id: int
    kind: str
    since: datetime | None
    until: datetime | None


class Units(Protocol):
    """Where units are read from, as the system knows them: rows that are in force now or later."""

    def units(self, ids: Collection[int]) -> Iterable[UnitNamed]:
        """Return what some units are called."""

    def links(self, ids: Collection[int]) -> Iterable[Link]:
        """Return the links of some units up the tree, and those of the units that serve them, by unit."""


def unit_tree(source: Units, reading: Reading, unit_ids: Collection[int]) -> UnitTree:
    """Return the tree above some units."""
    up: dict[tuple[int, str], int] = {}
    servers: dict[int, list[int]] = defaultdict(list)
    found, latest = set(unit_ids), set(unit_ids)
    while latest:
        above = set()
        for link in reading.current(source.links(latest)):
            if link.kind == "serves":
                servers[link.to_unit_id].append(link.unit_id)
            else:
                up[link.unit_id, link.kind] = link.to_unit_id
                above.add(link.to_unit_id)
        latest = above - found
        found |= above
    return UnitTree(units(source, reading, found.union(*servers.values())), up, servers)


def below(source: Units, reading: Reading, codes: Mapping[int, str], unit: str) -> frozenset[int]:
    """Return which of some units, whose codes are given by id, are a unit or below it."""
    tree = unit_tree(source, reading, codes.keys())
    return frozenset(unit_id for unit_id in codes if any(one.code == unit for one in tree.chain(unit_id)))


def units(source: Units, reading: Reading, unit_ids: Collection[int]) -> dict[int, UnitRef]:
    """Return units by id, as they are called then."""
    return {row.unit.id: row.unit for row in reading.current(source.units(unit_ids))}


def among(column: InstrumentedAttribute[Any], ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that an id is one of some; as an array, for which one statement serves any number."""
    return column == any_(literal(list(ids), ARRAY(BigInteger)))


def by_linked(links: Iterable[Link]) -> dict[int, list[Link]]:
    """Return links by the unit they lead up from, and those of a server by the unit it serves."""
    found: dict[int, list[Link]] = defaultdict(list)
    for link in links:
        found[link.to_unit_id if link.kind == "serves" else link.unit_id].append(link)
    return found


class StoredUnits:
    """The units as PostGIS holds them."""

    def __init__(self, session: Session, moment: Moment) -> None:
        self.session = session
        self.moment = moment
        self._linked: dict[int, list[Link]] = {}

    def units(self, ids: Ids) -> list[UnitNamed]:
        """Return what some units are called."""
        version = UnitVersion
        columns = (version.unit_id, version.code, version.name, version.kind, version.contacts)
        wanted = select(*columns, *ends(version.valid))
        return self._of(_unit_named, wanted, version, version.unit_id, ids)

    def links(self, ids: Collection[int]) -> list[Link]:
        """Return the links of some units up the tree, and those of the units that serve them, by unit."""
        missing = [unit_id for unit_id in ids if unit_id not in self._linked]
        if missing:  # with the links of all that are or will be above them, at once
            found = self._links(self._above(missing))
            reached = {*missing, *(link.to_unit_id for link in found)}
            self._linked |= {unit_id: [] for unit_id in reached} | by_linked(found)
        return [link for unit_id in ids for link in self._linked[unit_id]]

    def all_links(self) -> dict[int, list[Link]]:
        """Return the links of all units, by the unit that `links` finds them for."""
        return by_linked(self._links(select(Unit.id)))

    def _above(self, ids: Collection[int]) -> Select[int]:
        start = select(UnitVersion.unit_id).where(among(UnitVersion.unit_id, ids)).distinct()
        found = start.cte("above", recursive=True)
        parents = (
            select(UnitLink.to_unit_id)
            .join(found, UnitLink.unit_id == found.c.unit_id)
            .where(UnitLink.kind.in_(PARENT_LINKS), lasting(UnitLink, "valid", self.moment))
        )
        return select(found.union(parents).c.unit_id)

    def _links(self, unit_ids: Select[int]) -> list[Link]:
        of_units = or_(
            UnitLink.kind.in_(PARENT_LINKS) & UnitLink.unit_id.in_(unit_ids),
            (UnitLink.kind == "serves") & UnitLink.to_unit_id.in_(unit_ids),
        )
        wanted = select(UnitLink.unit_id, UnitLink.to_unit_id, UnitLink.kind, *ends(UnitLink.valid))
        known_links = wanted.where(of_units, lasting(UnitLink, "valid", self.moment))
        return self._rows(Link, known_links.order_by(UnitLink.unit_id, UnitLink.valid))

    def _of(
        self,
        kind: Callable[..., Row],
        wanted: Select[*tuple[Any, ...]],
        table: type[Recorded],
        column: InstrumentedAttribute[Any],
        ids: Ids,
        span: str = "valid",
    ) -> list[Row]:
        """Return the rows of some ids that are in force at the moment or later, as values of a kind."""
        lasts = lasting(table, span, self.moment)
        if ids is None:
            return self._rows(kind, wanted.where(lasts))
        return self._rows(kind, wanted.where(among(column, ids), lasts)) if ids else []

    def _rows(self, kind: Callable[..., Row], wanted: Select[*tuple[Any, ...]]) -> list[Row]:
        return list(starmap(kind, self.session.execute(wanted)))


def _unit_named(*about: Any) -> UnitNamed:
    *unit, since, until = about
    return UnitNamed(UnitRef(*unit), since, until)


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
