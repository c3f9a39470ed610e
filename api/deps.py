"""What routes ask for, by name: a permission, a session, the actor, the language, the instants, a page."""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import Cookie, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema
from sqlalchemy.orm import Session

from api import rates
from api.cookies import cookie_name
from api.faults import text_fault
from api.instants import read_moment
from api.room import Apart
from maps.texts import LANGUAGES, negotiate
from spatial import access
from spatial.access import Actor as Actor_
from spatial.access import Credential, Gate
from spatial.audit.spool import Spool
from spatial.db import Database as Database_
from spatial.db import Reach
from spatial.errors import Unauthenticated, invalid
from spatial.history import Moment
from spatial.paging import Page as Page_
from spatial.settings import Settings
from spatial.time import now
from spatial.watch import Watch

DEMO_COOKIE = "twingrid_demo"
LOOPBACK = {"127.0.0.1", "::1"}
LOOPBACK_NAMES = LOOPBACK | {"localhost"}
ACCESS_WITHIN_S = 1.0  # else the database is given up for a while, and what is known has to do
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

# what the contract says of them; we read them ourselves, to tell what is wrong in words of our own
Found = TypeVar("Found")
InstantText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
LangText = Annotated[str, WithJsonSchema({"type": "string", "enum": [*LANGUAGES]})]


async def get_database(request: Request) -> Database_:
    """Return the app's database."""
    database: Database_ = request.app.state.database
    return database


async def get_settings(request: Request) -> Settings:
    """Return the app's settings."""
    found: Settings = request.app.state.settings
    return found


Database = Annotated[Database_, Depends(get_database)]
AppSettings = Annotated[Settings, Depends(get_settings)]


async def get_language(
    config: AppSettings,
    lang: Annotated[LangText | None, Query(description="else by Accept-Language")] = None,
    accept_language: Annotated[str | None, Header(description="what the reader speaks")] = None,
) -> str:
    """Return the language to answer in; one that we do not speak is an error where it was asked for by name."""
    if lang is not None and lang not in LANGUAGES:
        raise invalid("lang", "unknown-language", value=lang, known=list(LANGUAGES))
    return negotiate(accept_language, lang, config.language)


Language = Annotated[str, Depends(get_language)]


async def get_gate(request: Request) -> Gate:
    """Return who knows who is asking."""
    gate: Gate = request.app.state.gate
    return gate


TheGate = Annotated[Gate, Depends(get_gate)]


async def identify(
    request: Request,
    gate: TheGate,
    config: AppSettings,
    authorization: Annotated[str | None, Header(description="Bearer token", include_in_schema=False)] = None,
    twingrid_demo: Annotated[str | None, Cookie(include_in_schema=False)] = None,
) -> Actor_ | None:
    """Return who is asking: by a token, by a session, or on loopback one of the demo's principals; none: nobody."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        actor = await _holder(request, gate, Credential("token", token.strip())) if scheme.lower() == "bearer" else None
        if actor is None:
            rates.refused(request)
            raise Unauthenticated("token-refused")
    else:
        actor = await _by_cookie(request, gate, config, twingrid_demo)
    if actor is not None:
        request.state.actor_name = actor.name  # to whom a refusal is put down
        rates.known(request.app.state.rates, request.scope, actor.name)
    return actor


async def _by_cookie(request: Request, gate: Gate, config: Settings, demo: str | None) -> Actor_ | None:
    """Return who signed in with this browser; else whom the demo lets it be."""
    secret = request.cookies.get(cookie_name(request))
    if secret is not None:  # once it is over they are nobody, and not suddenly one of the demo's
        return await _holder(request, gate, Credential("session", secret))
    named = demo or f"demo-{access.DEFAULT_DEMO_ROLE}"
    return await _holder(request, gate, Credential("demo", named)) if may_demo(request, config) else None


async def _holder(request: Request, gate: Gate, credential: Credential) -> Actor_ | None:
    present = now()
    known = gate.at_hand(credential, present)
    return known or await _asked(request, gate, lambda: gate.actor(credential, now()))


async def _asked(request: Request, gate: Gate, ask: Callable[[], Found]) -> Found:
    """Return what the gate finds out of the database; of one that gives no answer, what it knows."""
    asking: Apart = request.app.state.asking_access
    try:
        return await asking.run(ask, within_s=ACCESS_WITHIN_S)
    except TimeoutError:
        gate.give_up(now())
    return ask()  # which asks nothing of a database that was given up


MaybeActor = Annotated[Actor_ | None, Depends(identify)]


@dataclass(frozen=True)
class Asking:
    """Who asks a route for what, and how far they reach there."""

    actor: Actor_
    permission: str
    reach: Reach | None


class Needs:
    """The permission that a route asks for; each route declares one, which `create_app` sees to."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(
        self,
        request: Request,
        gate: TheGate,
        actor: MaybeActor,
    ) -> Asking:
        """Return who is asking, or refuse; the sessions of the request reach no further."""
        if actor is None:
            if cookie_name(request) not in request.cookies:
                raise Unauthenticated("token-missing")
            rates.refused(request, rates.OVER_COSTS)  # everybody's is over in the morning, behind one address
            raise Unauthenticated("session-over")
        request.state.principal = actor.name  # for the log
        present = now()
        reach = gate.reach_at_hand(actor, self.permission, present)
        if reach is None and self.permission != access.SIGNED_IN:
            reach = await _asked(request, gate, lambda: gate.reach(actor, self.permission, now()))
        asking = Asking(actor, self.permission, reach)
        request.state.asking = asking
        return asking


class Open(Needs):
    """What anybody may ask for; with the rights of the service itself, which are to find out who is asking."""

    async def __call__(self) -> None:  # type: ignore[override]  # it asks for nothing
        """Let everybody in."""


class OpenHere(Needs):
    """What whoever is on this machine may ask for while the service listens here alone; others need the permission."""

    async def __call__(  # type: ignore[override]  # who is here is let in without asking the database, which may be away
        self, request: Request, gate: TheGate, config: AppSettings
    ) -> None:
        """Let in whoever is here and shows no token, else whoever holds the permission."""
        shown = request.headers.get("authorization")
        if shown is not None or not may_demo(request, config):
            await super().__call__(request, gate, await identify(request, gate, config, shown))


def needs(permission: str) -> Any:
    """Declare the permission that a route, or all routes of a router, ask for."""
    return Depends(Open(permission) if permission == access.OPEN else Needs(permission))


def permission_of(route: APIRoute) -> str | None:
    """Return the permission that a route asks for: the last one declared; none: it declares none."""
    declared = [one.call.permission for one in route.dependant.dependencies if isinstance(one.call, Needs)]
    return declared[-1] if declared else None


async def get_asking(request: Request) -> Asking:
    """Return who is asking, as the route's declaration found."""
    found: Asking = request.state.asking
    return found


async def get_actor(asking: Annotated[Asking, Depends(get_asking)]) -> Actor_:
    """Return who is asking."""
    return asking.actor


def _reach(request: Request) -> Reach | None:
    asking: Asking | None = getattr(request.state, "asking", None)
    return asking.reach if asking else None


def _read(request: Request, database: Database) -> Iterator[Session]:
    with database.read(_reach(request)) as session:
        yield session


def _write(request: Request, database: Database) -> Iterator[Session]:
    with database.write(_reach(request)) as session:
        yield session


ReadSession = Annotated[Session, Depends(_read, scope="function")]
ReadStream = Annotated[Session, Depends(_read, scope="request")]  # for answers that are made while they leave
WriteSession = Annotated[Session, Depends(_write, scope="function")]
Actor = Annotated[Actor_, Depends(get_actor)]
AskedBy = Annotated[Asking, Depends(get_asking)]


def may_demo(request: Request, config: Settings) -> bool:
    """Whether the demo's principals are open: only while we listen on loopback, and to callers from there.

    A proxy on this machine calls from loopback, too, and betrays itself by a header or by the name it was asked for;
    a page elsewhere whose name was made to lead here (DNS rebinding) still calls us by that name.
    """
    here = config.is_loopback and request.client is not None and request.client.host in LOOPBACK
    return here and _host_name(request) in LOOPBACK_NAMES and not any(name in request.headers for name in FORWARDED)


def _host_name(request: Request) -> str | None:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:  # half a bracket
        return None


async def get_watch(request: Request) -> Watch:
    """Return what keeps that up to date."""
    watch: Watch = request.app.state.watch
    return watch


TheWatch = Annotated[Watch, Depends(get_watch)]


@dataclass(frozen=True)
class PhoneBook:
    """Whether this request may show duty phones; asked for once everything is read."""

    showings: Spool
    asking: Asking

    @property
    def may_show(self) -> bool:
        """Whether whoever asks may be shown phones at all."""
        return self.asking.actor.sees_phones(self.asking.permission)

    def opened(self, subject: str) -> bool:
        """Put the showing on record, and return whether it may be: no record, no phones."""
        return self.may_show and self.showings.put(self.asking.actor.name, subject, now())


async def get_phones(request: Request, asking: AskedBy) -> PhoneBook:
    """Return the rule on duty phones for whoever is asking."""
    return PhoneBook(request.app.state.showings, asking)


Phones = Annotated[PhoneBook, Depends(get_phones)]


async def get_instants(
    at: Annotated[
        InstantText | None,
        Query(description="RFC 3339 instant in the world; default now", examples=["2025-03-03T08:30:00+08:00"]),
    ] = None,
    known_at: Annotated[
        InstantText | None,
        Query(description="RFC 3339 instant, not in the future: answer as the system knew it then; default now"),
    ] = None,
) -> Moment:
    """Return the two instants, before it is sure that nothing that was known then can be added."""
    return read_moment(at, known_at)


AskedInstants = Annotated[Moment, Depends(get_instants)]


async def get_moment(database: Database, moment: AskedInstants) -> Moment:
    """Return the two instants, once nothing that was known then can be added."""
    if moment.known_at is not None:
        await run_in_threadpool(database.settle, moment.known_at)  # before the route's session sees its first row
    return moment


AskedMoment = Annotated[Moment, Depends(get_moment)]


async def get_page(
    limit: Annotated[int, Query(ge=1, le=1000, description="rows in one page")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before", max_length=500)] = None,
) -> Page_:
    """Return which page of a list is asked for."""
    return page_after(limit, cursor)


def page_after(limit: int, cursor: str | None) -> Page_:
    """Return the page after a cursor, or the first."""
    if cursor is None:
        return Page_(limit, None)
    try:
        after = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("cursor", "malformed-cursor") from None
    if text_fault("cursor", after):
        raise invalid("cursor", "malformed-cursor")
    return Page_(limit, after)


Page = Annotated[Page_, Depends(get_page)]
