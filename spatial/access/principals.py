"""Who asks: principals found by token or name, with what is granted to them at this moment."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.rules import Actor, Grant
from spatial.errors import Denied, Unauthenticated
from spatial.tables import ROLES, Principal, RoleGrant, Token

DEFAULT_DEMO_ROLE = "dispatcher"


@dataclass(frozen=True)
class Held:
    """Whose a credential is, and until when at most; none: for good."""

    actor: Actor
    until: datetime | None


def operator(user: str) -> Actor:
    """Return whoever has a shell on the machine of the service: the command line's actor."""
    title = {"zh-CN": "本机操作员", "en": "local operator"}
    return Actor(f"local:{user}", title, tuple(Grant(role) for role in ROLES))


def actor_named(session: Session, name: str, *, demo_only: bool = False) -> Actor | None:
    """Return a principal with its present grants; None when there is none, or it is disabled."""
    wanted = select(Principal).where(Principal.name == name, Principal.disabled_at.is_(None))
    if demo_only:
        wanted = wanted.where(Principal.is_demo)
    principal = session.scalars(wanted).one_or_none()
    return actor_of(session, principal) if principal else None


def held_by_token(session: Session, token: str, now: datetime) -> Held | None:
    """Return whose a bearer token is; None when it is unknown, expired or revoked.

    It is found by a unique index on its SHA-256: how long that takes tells of the digest, from which nobody gets to a
    token, so that no comparison need take constant time.
    """
    found = session.execute(_tokens(now).where(Token.sha256 == digest(token))).one_or_none()
    return Held(actor_of(session, found.Principal), found.Token.expires_at) if found else None


def held_by_tokens(session: Session, now: datetime) -> dict[bytes, Held]:
    """Return whose all bearer tokens are that open anything, by their SHA-256."""
    grants: dict[int, list[Grant]] = defaultdict(list)
    for stored in session.scalars(select(RoleGrant).where(RoleGrant.revoked_at.is_(None)).order_by(RoleGrant.id)):
        grants[stored.principal_id].append(_grant(stored))
    found = session.execute(_tokens(now)).all()
    actors = {row.Principal.id: row.Principal for row in found}
    known = {key: Actor(one.name, one.title, tuple(grants[key])) for key, one in actors.items()}
    return {row.Token.sha256: Held(known[row.Principal.id], row.Token.expires_at) for row in found}


def demo_principals(session: Session) -> list[Actor]:
    """Return the demo's principals, one per role, in the order of the roles' names."""
    rows = session.scalars(select(Principal).where(Principal.is_demo, Principal.disabled_at.is_(None)))
    return sorted((actor_of(session, row) for row in rows), key=lambda actor: sorted(actor.roles))


def record_refusal(session: Session, actor: str, what: str, error: Denied | Unauthenticated) -> None:
    """Put on record that somebody was refused, and what they lacked; never what they showed or asked about."""
    action = "denied" if isinstance(error, Denied) else "sign-in.refused"
    audit.record(session, actor, action, what, {"lacking": error.text, "needed": error.values.get("needed", [])})


def actor_of(session: Session, principal: Principal) -> Actor:
    """Return a principal with its present grants."""
    held = (RoleGrant.principal_id == principal.id, RoleGrant.revoked_at.is_(None))
    grants = session.scalars(select(RoleGrant).where(*held).order_by(RoleGrant.id))
    return Actor(principal.name, principal.title, tuple(_grant(one) for one in grants))


def _tokens(now: datetime) -> Select[Principal, Token]:
    opens = (Token.revoked_at.is_(None), Token.expires_at > now, Principal.disabled_at.is_(None))
    return select(Principal, Token).join(Token, Token.principal_id == Principal.id).where(*opens)


def _grant(stored: RoleGrant) -> Grant:
    layers = None if stored.layers is None else tuple(stored.layers)
    return Grant(stored.role, stored.unit_id, layers, frozenset(stored.fields))


def digest(secret: str) -> bytes:
    """Return what is stored of a secret: 256 random bits need no slower hash."""
    return hashlib.sha256(secret.encode()).digest()
