"""The demo's principals and the switch between them, on loopback only."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel

from api.asking import PlainText
from api.deps import DEMO_COOKIE, Actor, AppSettings, Language, ReadSession, may_demo, needs
from api.errors import problem_responses
from spatial import access
from spatial.errors import Denied, NotFound
from spatial.settings import Settings

router = APIRouter(tags=["demo"])


class PrincipalOut(BaseModel):
    """Somebody the demo lets you be."""

    name: str
    title: str
    roles: list[str]
    current: bool


@router.get(
    "/demo/principals",
    summary="Who the demo lets you be",
    responses=problem_responses(),
    dependencies=[needs("signed-in")],
)
def principals(
    request: Request, session: ReadSession, config: AppSettings, actor: Actor, lang: Language
) -> list[PrincipalOut]:
    """Return the demo's principals, one per role."""
    _require_demo(request, config)
    return [
        PrincipalOut(name=one.name, title=one.title[lang], roles=sorted(one.roles), current=one.name == actor.name)
        for one in access.demo_principals(session)
    ]


@router.post(
    "/demo/switch",
    summary="Be another of the demo's principals",
    responses=problem_responses(404),
    dependencies=[needs("open")],
)
def switch(
    request: Request,
    session: ReadSession,
    config: AppSettings,
    response: Response,
    lang: Language,
    name: Annotated[PlainText, Form(max_length=100, description="name of one of `/demo/principals`")],
) -> PrincipalOut:
    """Set a same-site cookie that names the principal."""
    _require_demo(request, config)
    actor = access.actor_named(session, name, demo_only=True)
    if actor is None:
        raise NotFound("no-such-principal", name=name)
    response.set_cookie(DEMO_COOKIE, actor.name, httponly=True, samesite="strict")
    return PrincipalOut(name=actor.name, title=actor.title[lang], roles=sorted(actor.roles), current=True)


def _require_demo(request: Request, config: Settings) -> None:
    if not may_demo(request, config):
        raise Denied("demo-on-loopback-only")
