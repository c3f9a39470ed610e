"""Principals, grants and tokens as they are sent, and how far a grant reaches in words."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from maps.texts import say
from spatial.access.listing import GrantRow, PrincipalRow
from spatial.tables import Token

State = Literal["valid", "expired", "revoked"]


class GrantOut(BaseModel):
    """A role, with how far it reaches."""

    id: UUID
    role: str
    unit: str | None = Field(description="code of the unit, with all below it; none: the whole deployment")
    layers: list[str] | None = Field(description="codes of layers; none: all")
    fields: list[str] = Field(description="what it shows that others do not see", examples=[["duty_phone"]])
    reach: str = Field(description="how far it reaches, in words")
    granted_at: datetime
    granted_by: str | None = Field(description="none: on the command line")
    revoked_at: datetime | None


class PrincipalOut(BaseModel):
    """A person or a system that may ask, with the grants in force."""

    name: str
    title: str
    is_demo: bool = Field(description="open to visitors on loopback, without a token")
    disabled_at: datetime | None
    login: str | None = Field(description="as whom of the OpenID provider it signs in; none: with tokens alone")
    has_signed_in: bool = Field(description="whether the provider's account is bound, by its first sign-in")
    grants: list[GrantOut]


class TokenOut(BaseModel):
    """A bearer token, of which nobody can tell more than this."""

    id: UUID
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    state: State


class TokenMade(TokenOut):
    """A new bearer token, shown this once."""

    token: str = Field(description="to be sent as `Authorization: Bearer …`; it is stored as a hash")


def grant_out(row: GrantRow, lang: str) -> GrantOut:
    """Return a grant as it is sent."""
    return GrantOut(
        id=row.id,
        role=row.role,
        unit=row.unit,
        layers=None if row.layers is None else list(row.layers),
        fields=list(row.fields),
        reach=reach_text(row, lang),
        granted_at=row.granted_at,
        granted_by=row.granted_by,
        revoked_at=row.revoked_at,
    )


def reach_text(row: GrantRow, lang: str) -> str:
    """Return how far a grant reaches, in words."""
    unit = say("access.unit", lang, name=row.unit_name, code=row.unit) if row.unit else say("access.whole", lang)
    layers = [] if row.layers is None else [say("access.layers", lang, layers=row.layers)]
    return say("access.comma", lang).join([unit, *layers])


def principal_out(row: PrincipalRow, lang: str) -> PrincipalOut:
    """Return a principal as it is sent."""
    found = row.principal
    return PrincipalOut(
        name=found.name,
        title=found.title.get(lang) or found.name,
        is_demo=found.is_demo,
        disabled_at=found.disabled_at,
        login=found.oidc_name,
        has_signed_in=found.oidc_subject is not None,
        grants=[grant_out(one, lang) for one in row.grants],
    )


def token_out(row: Token, at: datetime) -> TokenOut:
    """Return a token as it is sent."""
    state: State = "revoked" if row.revoked_at else "expired" if row.expires_at <= at else "valid"
    times = {"created_at": row.created_at, "expires_at": row.expires_at, "revoked_at": row.revoked_at}
    return TokenOut(id=row.uuid, label=row.label, state=state, **times)
