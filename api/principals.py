"""Who may come in: principals, their grants and their tokens, for the security administrator."""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from api.asking import PlainText
from api.deps import Actor, Language, Page, ReadSession, WriteSession, needs
from api.errors import problem_responses
from api.principals_out import (
    GrantOut,
    PrincipalOut,
    TokenMade,
    TokenOut,
    grant_out,
    principal_out,
    token_out,
)
from api.shapes import Listing, listing
from maps.texts import LANGUAGES
from spatial.access import listing as lists
from spatial.access import service
from spatial.access.rules import Role
from spatial.access.service import LONGEST_DAYS
from spatial.time import now

router = APIRouter(tags=["access"], dependencies=[needs("access")])
Name = Annotated[str, Path(max_length=100, description="name of a principal", examples=["zhang.san"])]
GrantId = Annotated[UUID, Path(description="id of a grant")]
TokenId = Annotated[UUID, Path(description="id of a token")]
Code = Annotated[PlainText, Field(min_length=1, max_length=100)]
STRICT = ConfigDict(extra="forbid")


class PrincipalIn(BaseModel):
    """A principal to add."""

    model_config = STRICT
    name: Code = Field(description="letters, digits or any of `. _ @ + -`", examples=["zhang.san"])
    title: dict[Literal["zh-CN", "en"], Code] = Field(default={}, description="what people read; else the name")
    role: Role | None = Field(None, description="a role over the whole deployment, to begin with")


class GrantIn(BaseModel):
    """A role to grant."""

    model_config = STRICT
    role: Role
    unit: Code | None = Field(None, description="code of a unit, with all below it; none: the whole deployment")
    layers: list[Code] | None = Field(None, description="codes of layers; none: all")
    fields: list[Code] | None = Field(None, description="such as duty_phone; none: what is usual for the role")


class LoginIn(BaseModel):
    """As whom of the OpenID provider somebody signs in."""

    model_config = STRICT
    login: Annotated[PlainText, Field(min_length=1, max_length=300)] | None = Field(
        description="the provider's claim, such as a user name; none: not at all", examples=["zhang.san"]
    )


class TokenIn(BaseModel):
    """A token to issue."""

    model_config = STRICT
    label: Code = Field(description="what it is for", examples=["110 dispatch"])
    days: int = Field(90, ge=1, le=LONGEST_DAYS, description="days until it expires")


@router.get("/principals", summary="Principals, by name", responses=problem_responses())
def principals(session: ReadSession, page: Page, lang: Language) -> Listing[PrincipalOut]:
    """Return all who may come in, and who were disabled, with the grants in force."""
    return listing(lists.principal_rows(session, page), lambda row: principal_out(row, lang))


@router.post("/principals", summary="Add a principal", status_code=201, responses=problem_responses(409))
def add(session: WriteSession, actor: Actor, lang: Language, body: PrincipalIn) -> PrincipalOut:
    """Add a person or a system that may come in once it has a token."""
    title = {one: body.title.get(one, body.name) for one in LANGUAGES}  # type: ignore[call-overload]  # they are those
    service.add_principal(session, actor, body.name, title, body.role, now=now())
    return principal_out(lists.principal_row(session, body.name), lang)


@router.get("/principals/{name}", summary="One principal", responses=problem_responses(404))
def principal(session: ReadSession, lang: Language, name: Name) -> PrincipalOut:
    """Return a principal with the grants in force."""
    return principal_out(lists.principal_row(session, name), lang)


@router.post("/principals/{name}/disable", summary="Disable a principal", responses=problem_responses(404))
def disable(session: WriteSession, actor: Actor, lang: Language, name: Name) -> PrincipalOut:
    """Let it in no more, from the next seconds on, and revoke its tokens for good; what it did stays under its name."""
    service.disable_principal(session, actor, name, now=now())
    return principal_out(lists.principal_row(session, name), lang)


@router.post("/principals/{name}/enable", summary="Enable a principal again", responses=problem_responses(404))
def enable(session: WriteSession, actor: Actor, lang: Language, name: Name) -> PrincipalOut:
    """Let a disabled principal come in again, with its grants; it needs a new token."""
    service.enable_principal(session, actor, name)
    return principal_out(lists.principal_row(session, name), lang)


@router.put(
    "/principals/{name}/login", summary="Admit an account of the provider", responses=problem_responses(404, 409)
)
def set_login(session: WriteSession, actor: Actor, lang: Language, name: Name, body: LoginIn) -> PrincipalOut:
    """Let somebody sign in with the OpenID provider; who does so first is bound, until this is set anew."""
    service.set_login(session, actor, name, body.login)
    return principal_out(lists.principal_row(session, name), lang)


@router.get("/principals/{name}/grants", summary="What is and was granted", responses=problem_responses(404))
def grants(session: ReadSession, lang: Language, name: Name) -> Listing[GrantOut]:
    """Return all grants of a principal, also those that were revoked, oldest first."""
    return Listing(items=[grant_out(one, lang) for one in lists.grant_rows(session, name)], next=None)


@router.post(
    "/principals/{name}/grants", summary="Grant a role", status_code=201, responses=problem_responses(404, 409)
)
def give(session: WriteSession, actor: Actor, lang: Language, name: Name, body: GrantIn) -> GrantOut:
    """Grant a role to somebody else, over a unit or all, in some layers or all; it holds within two seconds."""
    layers, fields = (None if one is None else tuple(one) for one in (body.layers, body.fields))
    grant_id = service.give(session, actor, name, service.Wanted(body.role, body.unit, layers, fields), now=now())
    return next(grant_out(one, lang) for one in lists.grant_rows(session, name) if one.id == grant_id)


@router.delete("/principals/{name}/grants/{grant_id}", summary="Take a grant back", responses=problem_responses(404))
def revoke_grant(session: WriteSession, actor: Actor, lang: Language, name: Name, grant_id: GrantId) -> GrantOut:
    """Revoke what was granted to somebody else; it ends within two seconds."""
    service.revoke_grant(session, actor, name, grant_id, now=now())
    return next(grant_out(one, lang) for one in lists.grant_rows(session, name) if one.id == grant_id)


@router.get("/principals/{name}/tokens", summary="Tokens of a principal", responses=problem_responses(404))
def tokens(session: ReadSession, name: Name) -> Listing[TokenOut]:
    """Return all tokens that a principal has or had, oldest first, never the secrets."""
    instant = now()
    return Listing(items=[token_out(one, instant) for one in lists.token_rows(session, name)], next=None)


@router.post(
    "/principals/{name}/tokens", summary="Issue a token", status_code=201, responses=problem_responses(404, 409)
)
def issue(session: WriteSession, actor: Actor, response: Response, name: Name, body: TokenIn) -> TokenMade:
    """Make a bearer token; it is shown in this answer and never again."""
    instant = now()
    expires = instant + timedelta(days=body.days)
    token = service.issue_token(session, actor, name, body.label, now=instant, expires=expires)
    response.headers["Cache-Control"] = "no-store"
    newest = token_out(lists.token_rows(session, name)[-1], instant)
    return TokenMade(token=token, **newest.model_dump())


@router.delete("/principals/{name}/tokens/{token_id}", summary="Revoke a token", responses=problem_responses(404))
def revoke_token(session: WriteSession, actor: Actor, name: Name, token_id: TokenId) -> TokenOut:
    """Revoke a token for good; it opens nothing two seconds later."""
    instant = now()
    service.revoke_token(session, actor, name, token_id, now=instant)
    return next(token_out(one, instant) for one in lists.token_rows(session, name) if one.uuid == token_id)
