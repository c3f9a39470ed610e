"""Every error as an RFC 9457 problem: one table from class to status, one shape, all faults at once."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from api.cookies import cookie_name, to_sign_in
from api.faults import refused
from maps.texts import negotiate, say
from spatial import access, errors

STATUS: dict[type[errors.TwingridError], int] = {
    errors.GeometryFault: 422,
    errors.TooLarge: 413,
    errors.InputError: 400,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.Denied: 403,
    errors.Unauthenticated: 401,
    errors.TooMany: 429,
    errors.Busy: 503,
    errors.SetupError: 500,
}
PROBLEM = "application/problem+json"
ANYWHERE = {400, 401, 403, 414, 429, 431, 503}
OF_BODIES = (408, 413, 415)
HTTP_SLUGS = {
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    413: "too-large",
    414: "address-too-long",
    415: "unsupported-media-type",
    431: "headers-too-large",
    503: "busy",
}


class FaultOut(BaseModel):
    """One thing wrong with the input, and where."""

    where: str = Field(description="a parameter, a field, or a row and column", examples=["lat"])
    fault: str = Field(description="a stable word for programs", examples=["latitude-out-of-range"])
    detail: str = Field(description="a sentence for people, in the language asked for")


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(examples=["urn:twingrid:problem:invalid-input"])
    title: str
    status: int
    detail: str
    faults: list[FaultOut] = []
    told: Any = Field(None, description="what a program needs to go on, where there is more to say than words")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declaration of a route's errors, with those that may come from any route."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"model": Problem, "content": content} for status in sorted({*ANYWHERE, *statuses})}


def complete(document: dict[str, Any]) -> None:
    """Make a contract say what is answered: FastAPI adds a 422 and problems of other types, and knows no bounds."""
    for operation in (one for path in document["paths"].values() for one in path.values()):
        answers = operation["responses"]
        if "HTTPValidationError" in str(answers.get("422")):
            del answers["422"]
        for content in (answer.get("content", {}) for answer in answers.values()):
            for kind in [kind for kind, told in content.items() if told == content.get(PROBLEM) and kind != PROBLEM]:
                del content[kind]
        if "requestBody" in operation:
            answers |= {
                str(status): {**answers["400"], "description": HTTPStatus(status).phrase} for status in OF_BODIES
            }
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def install(app: FastAPI) -> None:
    """Answer every error of an app with a problem."""
    app.exception_handler(errors.TwingridError)(ours)
    app.exception_handler(HTTPException)(http)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(one) for one in error.errors()]
        return problem(request, 400, "invalid-input", "invalid-input", {}, faults)

    @app.exception_handler(ClientDisconnect)
    def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it, and it is nothing to log

    @app.exception_handler(Exception)
    def unforeseen(request: Request, _error: Exception) -> Response:
        return problem(request, 500, "internal", "internal", {})


class Refusals:
    """Around what refuses requests before the app sees them: its errors are answered with problems, too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        try:
            await self.app(scope, receive, send)
        except errors.TwingridError as error:
            await ours(Request(scope), error)(scope, receive, send)
        except HTTPException as error:
            await http(Request(scope), error)(scope, receive, send)


def ours(request: Request, error: errors.TwingridError) -> Response:
    """Return the problem of one of our errors; who asks for a page and is nobody yet is led to the sign-in."""
    try:
        _record_refusal(request, error)
    except errors.Busy as busy:  # a refusal that cannot be put on record is not told, either
        error = busy
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status == 401 and (way := to_sign_in(request)):
        return way
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.TooMany | errors.Busy) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    faults = error.faults if isinstance(error, errors.InputError) else ()
    told = error.told if isinstance(error, errors.Conflict) else None
    return problem(request, status, error.slug, error.text, error.values, faults, headers, told)


def http(request: Request, error: HTTPException) -> Response:
    """Return the problem of a status that has no error of ours; of what is too large, `detail` is the limit in MB."""
    slug = HTTP_SLUGS.get(error.status_code, "http")
    values = {"limit_mb": error.detail}
    return problem(request, error.status_code, slug, f"http-{slug}", values, headers=dict(error.headers or {}))


def problem(
    request: Request,
    status: int,
    slug: str,
    text: str,
    values: dict[str, Any],
    faults: Sequence[errors.Fault] = (),
    headers: dict[str, str] | None = None,
    told: Any = None,
) -> Response:
    """Return a problem in the language of the request."""
    accept, wish = request.headers.get("accept-language"), request.query_params.get("lang")
    lang = negotiate(accept, wish, request.app.state.settings.language)
    body = Problem(
        type=f"urn:twingrid:problem:{slug}",
        title=say(f"problem.{slug}", lang),
        status=status,
        detail=say(f"fault.{text}", lang, **values),
        faults=[
            FaultOut(where=one.where, fault=one.text, detail=say(f"fault.{one.text}", lang, **one.values))
            for one in faults
        ],
        told=told,
    )
    made = {**(headers or {}), "Content-Language": lang, "Cache-Control": "no-store"}
    text_ = json.dumps(body.model_dump(mode="json"), ensure_ascii=False)
    content = text_.encode(errors="replace")  # what is repeated may be no text
    return Response(content, status, made, media_type=PROBLEM)


def stranger(request: Request) -> str:
    """Return as whom somebody is on record who is nobody yet: by where they ask from."""
    return f"anonymous@{request.client.host if request.client else '?'}"


def _record_refusal(request: Request, error: errors.TwingridError) -> None:
    """Put on record who was denied something, or showed a credential in vain, in a transaction of its own."""
    shown = "authorization" in request.headers or cookie_name(request) in request.cookies
    if not (isinstance(error, errors.Denied) or (isinstance(error, errors.Unauthenticated) and shown)):
        return
    actor: str = getattr(request.state, "actor_name", stranger(request))
    what = f"{request.method} {request.scope['route'].path_format}"
    with request.app.state.database.write() as session:
        access.record_refusal(session, actor, what, error)


def _fault(error: dict[str, Any]) -> errors.Fault:
    """Turn one of pydantic's faults into one of ours."""
    place = [str(part) for part in error["loc"]]
    where = ".".join(place[1:] if place[0] in {"query", "path", "header", "cookie"} else place)
    return refused(error, where)
