"""Lists of principals, of what is granted to them, and of their tokens."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session, aliased

from spatial.errors import NotFound
from spatial.paging import Page, Paged, paged
from spatial.tables import Principal, RoleGrant, Token


@dataclass(frozen=True)
class GrantRow:
    """A grant as people read it."""

    id: UUID
    role: str
    unit: str | None  # code; none: the whole deployment
    unit_name: str | None
    layers: tuple[str, ...] | None  # codes; none: all
    fields: tuple[str, ...]
    granted_at: datetime
    granted_by: str | None  # name; none: on the command line
    revoked_at: datetime | None


@dataclass(frozen=True)
class PrincipalRow:
    """A principal with the grants that are in force."""

    principal: Principal
    grants: Sequence[GrantRow]


def principal_rows(session: Session, page: Page, *, name: str | None = None) -> Paged[PrincipalRow]:
    """Return a page of the principals, by name."""
    wanted = select(Principal)
    if name is not None:
        wanted = wanted.where(Principal.name == name)
    found = paged(session, wanted, Principal.name, page)
    grants = _grants(session, [row.Principal.id for row in found.rows])
    rows = [
        PrincipalRow(row.Principal, [one for one in grants[row.Principal.id] if one.revoked_at is None])
        for row in found.rows
    ]
    return Paged(rows, found.next_after)


def principal_row(session: Session, name: str) -> PrincipalRow:
    """Return one principal, or raise `NotFound`."""
    rows = principal_rows(session, Page(1, None), name=name).rows
    if not rows:
        raise NotFound("no-such-principal", name=name)
    return rows[0]


def grant_rows(session: Session, name: str) -> Sequence[GrantRow]:
    """Return all grants that a principal has or had, oldest first."""
    principal_id = _id_of(session, name)
    return _grants(session, [principal_id])[principal_id]


def token_rows(session: Session, name: str) -> Sequence[Token]:
    """Return all tokens that a principal has or had, oldest first."""
    held = select(Token).where(Token.principal_id == _id_of(session, name))
    return session.scalars(held.order_by(Token.id)).all()


def _id_of(session: Session, name: str) -> int:
    found = session.scalar(select(Principal.id).where(Principal.name == name))
    if found is None:
        raise NotFound("no-such-principal", name=name)
    return found


def _grants(session: Session, principal_ids: Collection[int]) -> dict[int, list[GrantRow]]:
    giver = aliased(Principal)
    held = (
        select(RoleGrant, giver.name.label("giver"))
        .outerjoin(giver, giver.id == RoleGrant.granted_by)
        .where(RoleGrant.principal_id.in_(principal_ids))
        .order_by(RoleGrant.id)
    )
    rows = session.execute(held).all()
    called = _units_called(session, {row.RoleGrant.unit_id for row in rows} - {None})
    found: dict[int, list[GrantRow]] = defaultdict(list)
    for row in rows:
        one = row.RoleGrant
        code, name = called.get(one.unit_id, (None, None))
        layers = None if one.layers is None else tuple(one.layers)
        times = (one.granted_at, row.giver, one.revoked_at)
        found[one.principal_id].append(GrantRow(one.uuid, one.role, code, name, layers, tuple(one.fields), *times))
    return found


def _units_called(session: Session, ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return code and name of units by id."""
    if not ids:
        return {}
    found = func.units_called(cast(array(ids), ARRAY(BigInteger))).table_valued("unit_id", "code", "name")
    return {row.unit_id: (row.code, row.name) for row in session.execute(select(found))}
