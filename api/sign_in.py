"""Signing in and out, for people: with a token pasted in."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api import rates
from api.asking import PlainText
from api.cookies import LONGEST_NEXT, SIGN_IN, cookie_name, drop_cookie, local_path, set_cookie
from api.deps import AppSettings, Language, MaybeActor, TheGate, WriteSession, needs
from api.errors import problem_responses, stranger
from api.pages import page_answer
from maps.sign_in import sign_in_page
from maps.texts import say
from spatial import access
from spatial.access import sessions
from spatial.settings import Settings
from spatial.time import now

router = APIRouter(tags=["access"], dependencies=[needs(access.OPEN)], default_response_class=HTMLResponse)
Next = Annotated[PlainText, Field(max_length=LONGEST_NEXT)]


def told_on_page(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declaration of errors of which some are told on the page itself."""
    declared = problem_responses(*statuses)
    for status in statuses:
        content = {"text/html": {"schema": {"type": "string"}}, **declared[status]["content"]}
        declared[status] = {"description": "said on the page, or as a problem", "content": content}
    return declared


@router.get("/sign-in", summary="The page to sign in", responses=problem_responses())
def sign_in_form(
    request: Request,
    actor: MaybeActor,
    config: AppSettings,
    lang: Language,
    then: Annotated[str, Query(alias="next", max_length=LONGEST_NEXT, description="path to go on to")] = "/",
) -> HTMLResponse:
    """Return the form; a cookie of a session that is over is taken away."""
    response = show_form(config, lang, then)
    if actor is None and cookie_name(request) in request.cookies:
        drop_cookie(request, response)
    return response


@router.post(
    "/sign-in",
    summary="Sign in",
    status_code=303,
    response_class=Response,
    responses=told_on_page(401),
)
def sign_in(
    request: Request,
    session: WriteSession,
    config: AppSettings,
    lang: Language,
    token: Annotated[PlainText, Form(min_length=1, max_length=500, description="a bearer token")],
    then: Annotated[Next, Form(alias="next", description="path to go on to")] = "/",
) -> Response:
    """Open a session for the holder of a token, and go on; or say that the token opens nothing."""
    given = token.strip()
    held = access.held_by_token(session, given, now())
    if held is None:
        rates.refused(request)
        sessions.refuse_sign_in(session, stranger(request), "token", "token-refused")
        return show_form(config, lang, then, say("fault.token-refused", lang), status=401)
    return let_in(request, session, config, held.actor.name, "token", then, token=given)


@router.post("/sign-out", summary="Sign out", status_code=303, response_class=Response, responses=problem_responses())
def sign_out(request: Request, session: WriteSession, gate: TheGate) -> Response:
    """End the session, for every copy of its cookie."""
    response = RedirectResponse(SIGN_IN, 303)
    if secret := request.cookies.get(cookie_name(request)):
        sessions.close_session(session, secret)
        gate.forget(access.Credential("session", secret))
        drop_cookie(request, response)
    return response


def let_in(
    request: Request, session: Session, config: Settings, name: str, way: str, then: str, token: str | None = None
) -> Response:
    """Open a session with a new secret, whatever the browser had before, and go on."""
    if former := request.cookies.get(cookie_name(request)):
        sessions.close_session(session, former)
    agent, lasts = request.headers.get("user-agent", ""), config.session_lasts
    secret = sessions.open_session(session, name, way, now=now(), lasts=lasts, agent=agent, token=token)
    response = RedirectResponse(local_path(then), 303)
    set_cookie(request, response, secret, lasts)
    return response


def show_form(config: Settings, lang: str, then: str, told: str | None = None, *, status: int = 200) -> HTMLResponse:
    """Return the page, with what went wrong in words."""
    html = sign_in_page(lang=lang, then=local_path(then), fault=told, has_provider=config.oidc_issuer is not None)
    page = page_answer(html, lang)
    page.status_code = status
    return page
