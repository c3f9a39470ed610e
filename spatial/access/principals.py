"""Principals: found by token or name, added, given roles and tokens."""

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.rules import DUTY_PHONE, Actor, Grant
from spatial.db import open_version
from spatial.errors import Denied, NotFound, Unauthenticated, invalid
from spatial.tables import ROLES, Principal, RoleGrant, Token

DEFAULT_DEMO_ROLE = "dispatcher"


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
    return _with_grants(session, principal) if principal else None


def actor_of_token(session: Session, token: str, now: datetime) -> Actor | None:
    """Return the principal of a bearer token; None when it is unknown, expired or revoked.

    It is found by a unique index on its SHA-256: how long that takes tells of the digest, from which nobody gets to a
    token, so that no comparison need take constant time.
    """
    wanted = (Token.sha256 == _digest(token), Token.revoked_at.is_(None), Token.expires_at > now)
    held = select(Principal).join(Token, Token.principal_id == Principal.id)
    principal = session.scalars(held.where(*wanted, Principal.disabled_at.is_(None))).one_or_none()
    return _with_grants(session, principal) if principal else None


def demo_principals(session: Session) -> list[Actor]:
    """Return the demo's principals, one per role, in the order of the roles' names."""
    rows = session.scalars(select(Principal).where(Principal.is_demo, Principal.disabled_at.is_(None)))
    return sorted((_with_grants(session, row) for row in rows), key=lambda actor: sorted(actor.roles))


def issue_token(session: Session, actor: Actor, name: str, label: str, *, now: datetime, expires: datetime) -> str:
    """Make a bearer token for a principal and return it; only its hash is kept, so it is shown this once."""
    principal_id = session.scalar(select(Principal.id).where(Principal.name == name))
    if principal_id is None:
        raise NotFound("no-such-principal", name=name)
    open_version(session, "access")
    token = secrets.token_urlsafe(32)
    row = {"principal_id": principal_id, "sha256": _digest(token), "label": label}
    session.execute(insert(Token).values(**row, created_at=now, expires_at=expires))
    audit.record(session, actor.name, "token.issue", f"principal/{name}", {"label": label})
    return token


def add_principal(
    session: Session, actor: Actor, name: str, title: dict[str, str], role: str, *, now: datetime
) -> None:
    """Add a principal with one role over the whole deployment."""
    if role not in ROLES:
        raise invalid("role", "not-one-of", value=role, known=list(ROLES))
    open_version(session, "access")
    adding = insert(Principal).values(name=name, title=title).returning(Principal.id)
    principal_id = session.execute(adding).scalar_one()
    fields = [DUTY_PHONE] if role == "dispatcher" else []
    grant = {"principal_id": principal_id, "role": role, "fields": fields, "granted_at": now}
    session.execute(insert(RoleGrant).values(**grant))
    audit.record(session, actor.name, "principal.add", f"principal/{name}", {"role": role})


def record_refusal(session: Session, actor: str, what: str, error: Denied | Unauthenticated) -> None:
    """Put on record that somebody was refused, and what they lacked; never what they showed or asked about."""
    action = "denied" if isinstance(error, Denied) else "sign-in.refused"
    audit.record(session, actor, action, what, {"lacking": error.text, "needed": error.values.get("needed", [])})


def _with_grants(session: Session, principal: Principal) -> Actor:
    held = (RoleGrant.principal_id == principal.id, RoleGrant.revoked_at.is_(None))
    grants = session.scalars(select(RoleGrant).where(*held).order_by(RoleGrant.id))
    return Actor(principal.name, principal.title, tuple(_grant(one) for one in grants))


def _grant(stored: RoleGrant) -> Grant:
    layers = None if stored.layers is None else tuple(stored.layers)
    return Grant(stored.role, stored.unit_id, layers, frozenset(stored.fields))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
