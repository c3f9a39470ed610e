"""Sessions of browsers: opened at a sign-in, ended by signing out, over by themselves after a while."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.principals import actor_of, digest
from spatial.access.rules import Actor
from spatial.tables import BrowserSession, Principal, Token

LONGEST_AGENT = 200


@dataclass(frozen=True)
class SignedIn:
    """Whose session it is, when it was last used, and when it is over."""

    actor: Actor
    used_at: datetime
    expires_at: datetime


def open_session(
    session: Session, name: str, way: str, *, now: datetime, lasts: timedelta, agent: str, token: str | None = None
) -> str:
    """Open a session for a principal and return its secret, of which only the hash is kept.

    With a `token` it lasts no longer than that, and ends when the token is revoked. Sessions that are over are swept.
    """
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    whose = select(Principal.id).where(Principal.name == name).scalar_subquery()
    opened_by = None if token is None else select(Token.id).where(Token.sha256 == digest(token)).scalar_subquery()
    row = {"principal_id": whose, "token_id": opened_by, "sha256": digest(secret), "user_agent": agent[:LONGEST_AGENT]}
    session.execute(insert(BrowserSession).values(created_at=now, used_at=now, expires_at=now + lasts, **row))
    audit.record(session, name, "sign-in", f"principal/{name}", {"way": way})
    return secret


def refuse_sign_in(session: Session, stranger: str, way: str, reason: str, *, claimed: str | None = None) -> None:
    """Put on record that somebody was not let in, and under which name where one was given."""
    audit.record(session, stranger, "sign-in.refused", f"principal/{claimed or ''}", {"way": way, "reason": reason})


def close_session(session: Session, secret: str) -> None:
    """End a session in the database, so that its cookie opens nothing any more, whoever has a copy."""
    closing = delete(BrowserSession).where(BrowserSession.sha256 == digest(secret))
    principal_id = session.scalar(closing.returning(BrowserSession.principal_id))
    if principal_id is not None:
        name = session.scalars(select(Principal.name).where(Principal.id == principal_id)).one()
        audit.record(session, name, "sign-out", f"principal/{name}", {})


def close_sessions_of(session: Session, principal_id: int) -> None:
    """End all sessions of a principal."""
    session.execute(delete(BrowserSession).where(BrowserSession.principal_id == principal_id))


def signed_in(session: Session, secret: str, now: datetime, idle: timedelta) -> SignedIn | None:
    """Return whose session it is; None when it was ended, is over, or was not used for as long as `idle`."""
    lives = (BrowserSession.expires_at > now, BrowserSession.used_at > now - idle, Principal.disabled_at.is_(None))
    token_holds = Token.revoked_at.is_(None) & (Token.expires_at > now)
    found = session.execute(
        select(Principal, BrowserSession.used_at, func.least(BrowserSession.expires_at, Token.expires_at).label("ends"))
        .join(BrowserSession, BrowserSession.principal_id == Principal.id)
        .outerjoin(Token, Token.id == BrowserSession.token_id)
        .where(BrowserSession.sha256 == digest(secret), *lives, or_(BrowserSession.token_id.is_(None), token_holds))
    ).one_or_none()
    return SignedIn(actor_of(session, found.Principal), found.used_at, found.ends) if found else None


def touch_session(session: Session, secret: str, now: datetime) -> None:
    """Note that a session is in use."""
    used = (BrowserSession.sha256 == digest(secret), BrowserSession.used_at < now)
    session.execute(update(BrowserSession).where(*used).values(used_at=now))
