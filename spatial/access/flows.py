"""Sign-ins with a provider that are under way: kept from leaving until coming back, each used once."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access.oidc import Flow, Identity
from spatial.access.principals import actor_of, digest
from spatial.access.rules import Actor
from spatial.db import hold_domain
from spatial.tables import Principal, SignInFlow

FLOW_LASTS = timedelta(minutes=10)


def keep_flow(session: Session, flow: Flow, then: str, *, now: datetime) -> None:
    """Keep the secrets of a sign-in, and where to go on to afterwards; those that nobody came back for are swept."""
    session.execute(delete(SignInFlow).where(SignInFlow.expires_at <= now))
    kept = {"state_sha256": digest(flow.state), "nonce": flow.nonce, "verifier": flow.verifier, "then": then}
    session.execute(insert(SignInFlow).values(expires_at=now + FLOW_LASTS, **kept))


def take_flow(session: Session, state: str, *, now: datetime) -> tuple[Flow, str] | None:
    """Return a sign-in that was begun, and where to go on to; none when it was used before, or never was."""
    its = (SignInFlow.state_sha256 == digest(state), SignInFlow.expires_at > now)
    found = session.execute(
        delete(SignInFlow).where(*its).returning(SignInFlow.nonce, SignInFlow.verifier, SignInFlow.then)
    ).one_or_none()
    return (Flow(state, found.nonce, found.verifier), found.then) if found else None


def actor_of_identity(session: Session, identity: Identity) -> Actor | None:
    """Return the principal that a provider names; None when nobody is, or who is has been disabled.

    Names may be given to others; a subject is somebody for ever. So the first sign-in under the name that the security
    administrator entered binds the provider's subject, and from then on that subject alone is the principal.
    Until the caller's transaction ends nobody changes that, so that no session is opened for a login of a moment ago.
    """
    hold_domain(session, "access")
    bound = select(Principal).where(Principal.oidc_subject == identity.subject)
    found = session.scalars(bound).one_or_none()
    if found is None and session.scalar(func.bind_subject(identity.name, identity.subject)):
        found = session.scalars(bound).one()
        audit.record(session, found.name, "login.bind", f"principal/{found.name}", {"login": identity.name})
    return actor_of(session, found) if found is not None and found.disabled_at is None else None
