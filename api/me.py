"""Who is asking."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.deps import Actor, Language, ReadSession, needs
from api.errors import problem_responses
from api.principals_out import GrantOut, grant_out
from spatial.access import PERMISSIONS
from spatial.access.listing import grant_rows

router = APIRouter(tags=["access"], dependencies=[needs("signed-in")])


class MeOut(BaseModel):
    """Who is asking."""

    name: str
    title: str
    grants: list[GrantOut]
    permissions: list[str] = Field(description="what one may ask for, at least in part of one's reach")


@router.get("/me", summary="Who I am", responses=problem_responses())
def me(session: ReadSession, actor: Actor, lang: Language) -> MeOut:
    """Return the principal that asks, what is granted to it, and how far that reaches."""
    grants = [grant_out(one, lang) for one in grant_rows(session, actor.name) if one.revoked_at is None]
    permissions = sorted(name for name in PERMISSIONS if actor.may(name))
    return MeOut(name=actor.name, title=actor.title.get(lang) or actor.name, grants=grants, permissions=permissions)
