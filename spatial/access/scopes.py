"""How far a principal reaches, as the database is told for each transaction."""

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session

from spatial.access.rules import LAYERED, OPEN, SCOPED, SIGNED_IN, Actor, common_layers, database_role
from spatial.db import Reach
from spatial.tables import Layer


def reach_of(session: Session, actor: Actor, permission: str) -> Reach | None:
    """Return how far an actor reaches with a permission, or raise `Denied`; none for what asks for no role.

    Units are those below the granted ones at this moment, with what they serve (`scope_of` in 0001_roles.sql).
    """
    if permission in (OPEN, SIGNED_IN):
        return None
    whole = whole_reach(actor, permission)
    if whole is not None:
        return whole
    grants = actor.granted(permission)
    role = database_role(grants)
    codes = common_layers(grants)
    layers = None if codes is None else tuple(session.scalars(select(Layer.id).where(Layer.code.in_(codes))))
    if role == LAYERED:
        return Reach(role, actor.name, layers=layers)
    roots = cast(array([grant.unit_id for grant in grants]), ARRAY(BigInteger))
    found = func.scope_of(roots).table_valued("units", "named", "rim", "lent")
    row = session.execute(select(found.c.units, found.c.named, found.c.rim, found.c.lent)).one()
    units, named, rim, lent = map(tuple, row)
    return Reach(role, actor.name, units, named, rim, lent, layers)


def whole_reach(actor: Actor, permission: str) -> Reach | None:
    """Return the reach of somebody whom a role of the database bounds alone, or raise `Denied`; none: rows do, too."""
    role = database_role(actor.granted(permission))
    return None if role in (SCOPED, LAYERED) else Reach(role, actor.name)
