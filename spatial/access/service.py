"""Principals, their grants and their tokens, as the security administrator changes them; each change is audited."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.principals import digest
from spatial.access.rules import APART, FIELDS, Actor, require_apart, require_no_administrator, usual_fields
from spatial.access.sessions import close_sessions_of
from spatial.db import open_version
from spatial.errors import Conflict, Denied, Fault, InputError, NotFound, invalid
from spatial.history import in_force
from spatial.tables import ROLES, Layer, Principal, RoleGrant, Token, UnitVersion

NAME = re.compile(r"[\w.@+-]{1,100}")  # no colon: `local:root` is whoever has a shell
LONGEST_DAYS = 366


@dataclass(frozen=True)
class Wanted:
    """A role to grant: below a unit (none: all), in layers (none: all), with fields (none: what is usual for it)."""

    role: str
    unit: str | None = None  # code
    layers: tuple[str, ...] | None = None  # codes
    fields: tuple[str, ...] | None = None


def add_principal(
    session: Session, actor: Actor, name: str, title: Mapping[str, str], role: str | None = None, *, now: datetime
) -> None:
    """Add a principal, with a role over the whole deployment where one is named."""
    actor.granted("access")
    if not NAME.fullmatch(name):
        raise invalid("name", "principal-name-malformed")
    open_version(session, "access")
    if session.scalar(select(Principal.id).where(Principal.name == name)) is not None:
        raise Conflict("principal-exists", name=name)
    session.execute(insert(Principal).values(name=name, title=dict(title)))
    _record(session, actor, "principal.add", name, title=dict(title))
    if role is not None:
        give(session, actor, name, Wanted(role), now=now)


def disable_principal(session: Session, actor: Actor, name: str, *, now: datetime) -> None:
    """Let a principal in no more, and revoke its tokens for good; grants stay, for the day it is enabled again."""
    found = _of_another(session, actor, name)
    if found.disabled_at is not None:
        return
    session.execute(update(Principal).where(Principal.id == found.id).values(disabled_at=now))
    _shut_out(session, found, now)
    _record(session, actor, "principal.disable", name)


def enable_principal(session: Session, actor: Actor, name: str) -> None:
    """Let a principal that was disabled in again, with its grants and without its former tokens."""
    found = _of_another(session, actor, name)
    if found.disabled_at is None:
        return
    session.execute(update(Principal).where(Principal.id == found.id).values(disabled_at=None))
    _record(session, actor, "principal.enable", name)


def give(session: Session, actor: Actor, name: str, wanted: Wanted, *, now: datetime) -> UUID:
    """Grant a role to a principal and return the grant's public id; all faults of the wish at once.

    Who becomes an administrator keeps no token, session or login of before, which others may have had a hand in.
    Whoever handed somebody a key, a token or a login, does not say what it opens.
    """
    found = _of_another(session, actor, name)
    row = _row(session, wanted, now)
    held = _held(session, found)
    require_apart(wanted.role, {one.role for one in held})
    require_no_administrator(actor, {wanted.role})
    if any(all(getattr(one, key) == value for key, value in row.items()) for one in held):
        raise Conflict("granted-already", name=name, role=wanted.role)
    if wanted.role in APART:
        _shut_out(session, found, now)
        session.execute(update(Principal).where(Principal.id == found.id).values(oidc_name=None, oidc_subject=None))
    giver = _id_of(session, actor)
    _require_no_key_of(session, found, giver, now)
    giving = insert(RoleGrant).values(principal_id=found.id, granted_at=now, granted_by=giver, **row)
    grant_id = session.execute(giving.returning(RoleGrant.uuid)).scalar_one()
    told = {"unit": wanted.unit, "layers": row["layers"], "fields": row["fields"]}
    _record(session, actor, "grant.give", name, id=str(grant_id), role=wanted.role, **told)
    return grant_id


def revoke_grant(session: Session, actor: Actor, name: str, grant_id: UUID, *, now: datetime) -> None:
    """Take a grant back; one that is revoked stays so."""
    found = _of_another(session, actor, name)
    its = (RoleGrant.principal_id == found.id, RoleGrant.uuid == grant_id)
    held = session.scalars(select(RoleGrant).where(*its)).one_or_none()
    if held is None:
        raise NotFound("no-such-grant", id=str(grant_id), name=name)
    if held.revoked_at is None:
        session.execute(update(RoleGrant).where(RoleGrant.id == held.id).values(revoked_at=now))
        _record(session, actor, "grant.revoke", name, id=str(grant_id), role=held.role)


def set_login(session: Session, actor: Actor, name: str, login: str | None) -> None:
    """Say as whom of the OpenID provider a principal signs in (none: not at all); who did before, does no more."""
    found = _changing(session, actor, name)
    namer = _id_of(session, actor)
    if login is not None:
        _require_no_grant_of(session, found, actor, namer)
    of_another = (Principal.oidc_name == login, Principal.id != found.id)
    if login is not None and session.scalar(select(Principal.id).where(*of_another)) is not None:
        raise Conflict("login-taken", login=login)
    session.execute(
        update(Principal)
        .where(Principal.id == found.id)
        .values(oidc_name=login, oidc_subject=None, login_named_by=namer)
    )
    close_sessions_of(session, found.id)
    _record(session, actor, "login.set", name, login=login)


def issue_token(session: Session, actor: Actor, name: str, label: str, *, now: datetime, expires: datetime) -> str:
    """Make a bearer token for a principal and return it; only its hash is kept, so it is shown this once."""
    if expires - now > timedelta(days=LONGEST_DAYS):
        raise invalid("days", "token-lives-too-long", days=LONGEST_DAYS)
    found = _changing(session, actor, name)
    if found.disabled_at is not None:
        raise Conflict("principal-disabled", name=name)
    issuer = _id_of(session, actor)
    _require_no_grant_of(session, found, actor, issuer)
    token = secrets.token_urlsafe(32)
    row = {"principal_id": found.id, "sha256": digest(token), "label": label, "created_at": now, "expires_at": expires}
    token_id = session.execute(insert(Token).values(**row, issued_by=issuer).returning(Token.uuid)).scalar_one()
    _record(session, actor, "token.issue", name, id=str(token_id), label=label, expires=expires.isoformat())
    return token


def revoke_token(session: Session, actor: Actor, name: str, token_id: UUID, *, now: datetime) -> None:
    """Revoke a token for good."""
    found = _changing(session, actor, name)
    held = session.scalars(select(Token).where(Token.principal_id == found.id, Token.uuid == token_id)).one_or_none()
    if held is None:
        raise NotFound("no-such-token", id=str(token_id), name=name)
    if held.revoked_at is None:
        session.execute(update(Token).where(Token.id == held.id).values(revoked_at=now))
        _record(session, actor, "token.revoke", name, id=str(token_id), label=held.label)


def _changing(session: Session, actor: Actor, name: str) -> Principal:
    """Return a principal whose access is about to change; one change at a time, so that rules see what is held."""
    actor.granted("access")
    open_version(session, "access")
    found = session.scalars(select(Principal).where(Principal.name == name)).one_or_none()
    if found is None:
        raise NotFound("no-such-principal", name=name)
    return found


def _of_another(session: Session, actor: Actor, name: str) -> Principal:
    """Return a principal other than whoever asks: nobody says what they may do themselves."""
    if name == actor.name:
        raise Denied("own-access")
    return _changing(session, actor, name)


def _id_of(session: Session, actor: Actor) -> int | None:
    """Return the id of whoever asks; none: somebody with a shell, who could as well ask PostgreSQL itself."""
    return session.scalar(select(Principal.id).where(Principal.name == actor.name))


def _require_no_grant_of(session: Session, found: Principal, actor: Actor, key_from: int | None) -> None:
    """Raise `Denied` where one person would hand out the key to what they granted, or to an administrator's part."""
    held = _held(session, found)
    if found.name != actor.name:
        require_no_administrator(actor, {one.role for one in held})
    if key_from is not None and any(one.granted_by == key_from for one in held):
        raise Denied("key-and-grant-by-one", name=found.name)


def _require_no_key_of(session: Session, found: Principal, giver: int | None, now: datetime) -> None:
    """Raise `Denied` where one person would grant to somebody whom they gave a key that still opens."""
    its = (Token.principal_id == found.id, Token.issued_by == giver)
    valid = select(Token.id).where(*its, Token.revoked_at.is_(None), Token.expires_at > now)
    named = (Principal.id == found.id, Principal.login_named_by == giver, Principal.oidc_name.is_not(None))
    if giver is not None and session.scalar(select(valid.exists() | select(Principal.id).where(*named).exists())):
        raise Denied("key-and-grant-by-one", name=found.name)


def _held(session: Session, found: Principal) -> Sequence[RoleGrant]:
    """Return the grants in force."""
    granted = (RoleGrant.principal_id == found.id, RoleGrant.revoked_at.is_(None))
    return session.scalars(select(RoleGrant).where(*granted)).all()


def _shut_out(session: Session, found: Principal, now: datetime) -> None:
    """Revoke all tokens of a principal for good, and end its sessions."""
    valid = (Token.principal_id == found.id, Token.revoked_at.is_(None))
    session.execute(update(Token).where(*valid).values(revoked_at=now))
    close_sessions_of(session, found.id)


def _row(session: Session, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """Return a grant as it is stored, or raise all that is wrong with it."""
    faults, unit_id = [], None
    if wanted.role not in ROLES:
        faults.append(Fault("role", "not-one-of", {"value": wanted.role, "known": list(ROLES)}))
    if wanted.role in APART and (wanted.unit, wanted.layers) != (None, None):
        faults.append(Fault("role", "administrators-reach-everywhere", {"role": wanted.role}))
    if wanted.unit is not None:
        called = (UnitVersion.code == wanted.unit, in_force(UnitVersion, now, None))
        unit_id = session.scalar(select(UnitVersion.unit_id).where(*called))
        if unit_id is None:
            faults.append(Fault("unit", "no-such-unit", {"code": wanted.unit}))
    if wanted.layers is not None:
        known = set(session.scalars(select(Layer.code)))
        faults += [Fault("layers", "no-such-layer", {"layer": one}) for one in wanted.layers if one not in known]
        if not wanted.layers:
            faults.append(Fault("layers", "no-layers-named"))
    fields = usual_fields(wanted.role) if wanted.fields is None else wanted.fields
    faults += [
        Fault("fields", "not-one-of", {"value": one, "known": list(FIELDS)}) for one in fields if one not in FIELDS
    ]
    if faults:
        raise InputError(faults)
    layers = None if wanted.layers is None else sorted(set(wanted.layers))
    return {"role": wanted.role, "unit_id": unit_id, "layers": layers, "fields": sorted(set(fields))}


def _record(session: Session, actor: Actor, action: str, name: str, **detail: Any) -> None:
    audit.record(session, actor.name, action, f"principal/{name}", detail)
