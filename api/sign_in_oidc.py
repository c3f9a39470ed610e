"""Signing in with the OpenID provider that the settings name."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.cookies import LONGEST_NEXT, SIGN_IN, cookie_name, drop_cookie, local_path, set_cookie
from api.deps import AppSettings, Database, Language, needs
from api.errors import STATUS, problem_responses, stranger
from api.sign_in import let_in, show_form, told_on_page
from maps.texts import say
from spatial import access
from spatial.access import flows, oidc, sessions
from spatial.errors import Busy, NotFound, SetupError, TwingridError, Unauthenticated
from spatial.settings import Settings
from spatial.time import now

router = APIRouter(tags=["access"], dependencies=[needs(access.OPEN)], default_response_class=HTMLResponse)
FLOW = "twingrid_sign_in"
EXPECTED = (Busy, SetupError, Unauthenticated)
Answered = Query(max_length=4000, description="as the provider sends it")


@router.get(
    f"{SIGN_IN}/oidc",
    summary="Go to the provider",
    status_code=303,
    response_class=Response,
    responses={**problem_responses(404), **told_on_page(401, 500, 503)},
)
def leave(
    request: Request,
    database: Database,
    config: AppSettings,
    lang: Language,
    then: Annotated[str, Query(alias="next", max_length=LONGEST_NEXT, description="path to go on to")] = "/",
) -> Response:
    """Send the browser to the provider, with what it takes to know its return by."""
    try:
        url, flow = oidc.begin(provider_of(config), _return_to(request))
    except EXPECTED as error:
        return _refused(config, lang, then, error)
    with database.write() as session:
        flows.keep_flow(session, flow, local_path(then), now=now())
    response = RedirectResponse(url, 303)
    set_cookie(request, response, flow.state, flows.FLOW_LASTS, FLOW)
    return response


@router.get(
    f"{SIGN_IN}/oidc/return",
    summary="Come back from the provider",
    status_code=303,
    response_class=Response,
    responses={**problem_responses(404), **told_on_page(401, 500, 503)},
)
def come_back(
    request: Request,
    database: Database,
    config: AppSettings,
    lang: Language,
    state: Annotated[str, Answered] = "",
    code: Annotated[str, Answered] = "",
    error: Annotated[str, Answered] = "",
    iss: Annotated[str, Answered] = "",
) -> Response:
    """Open a session for whom the provider names, once for each time that this browser left; or say why not."""
    provider = provider_of(config)
    then, claimed = "/", None
    try:
        if not hmac.compare_digest(state.encode(), request.cookies.get(cookie_name(request, FLOW), "").encode()):
            raise Unauthenticated("sign-in-not-begun")
        with database.write() as session:
            begun = flows.take_flow(session, state, now=now())
        if begun is None:
            raise Unauthenticated("sign-in-not-begun")
        flow, then = begun
        if error or not code or iss not in {"", provider.issuer}:
            raise Unauthenticated("provider-refused")
        identity = oidc.finish(provider, flow, code, _return_to(request), now=now())
        claimed = identity.name
        with database.write() as session:
            actor = flows.actor_of_identity(session, identity)
            if actor is None:
                raise Unauthenticated("provider-names-a-stranger", name=identity.name)
            response = let_in(request, session, config, actor.name, "oidc", then)
    except EXPECTED as refused:
        with database.write() as session:
            sessions.refuse_sign_in(session, stranger(request), "oidc", refused.text, claimed=claimed)
        response = _refused(config, lang, then, refused)
    drop_cookie(request, response, FLOW)
    return response


def provider_of(config: Settings) -> oidc.Provider:
    """Return the provider that the settings name, or raise `NotFound`."""
    if config.oidc_issuer is None or config.oidc_client_id is None:
        raise NotFound("no-provider")
    secret = config.oidc_client_secret.get_secret_value() if config.oidc_client_secret else None
    return oidc.Provider(config.oidc_issuer, config.oidc_client_id, secret, config.oidc_claim, config.oidc_ca_file)


def _return_to(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}{SIGN_IN}/oidc/return"


def _refused(config: Settings, lang: str, then: str, error: TwingridError) -> Response:
    told = say(f"fault.{error.text}", lang, **error.values)
    return show_form(config, lang, then, told, status=STATUS[type(error)])
