"""The HTTP service: every slice's routes, one error mapping, one rule for what is asked, one for what is answered."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from api import (
    audit,
    coverage,
    demo,
    duty,
    errors,
    findings,
    grids,
    health,
    imports_http,
    imports_page,
    incidents,
    incidents_in,
    jobs,
    lookup,
    lookup_area,
    lookup_batch,
    lookup_changes,
    me,
    metrics,
    overlaps,
    pages,
    places_http,
    plans,
    plans_difference,
    plans_findings,
    plans_page,
    plans_review,
    principals,
    sign_in,
    sign_in_oidc,
    sources,
    units,
)
from api.answering import Answering
from api.asking import refuse_malformed
from api.bounds import Bounds
from api.deps import permission_of
from api.metrics import Metrics
from api.observing import Observing
from api.rates import Rated, Rates
from api.room import Apart, Room, Roomed
from api.same_origin import refuse_cross_site
from api.sending import Sending
from api.straight import Straight
from api.tracing import of_app
from spatial.access import Gate
from spatial.audit.spool import Spool
from spatial.db import Database
from spatial.lookup.bulk_answers import Indexes
from spatial.lookup.live import Live
from spatial.settings import VERSION, Settings
from spatial.watch import Watch

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

MEMORY_THREADS, ACCESS_THREADS, BATCH_THREADS = 4, 10, 2
DESCRIPTION = "Spatial grid management for cities: whose is a place, who is on duty there, where is cover missing."

SLICES = (
    lookup,
    lookup_area,
    lookup_batch,
    lookup_changes,
    places_http,
    overlaps,
    findings,
    plans,
    plans_difference,
    plans_findings,
    plans_page,
    plans_review,
    grids,
    units,
    duty,
    coverage,
    incidents_in,
    incidents,
    sources,
    imports_page,
    imports_http,
    jobs,
    audit,
    me,
    principals,
    sign_in,
    sign_in_oidc,
    demo,
    health,
    metrics,
    pages,
)


class Service(FastAPI):
    """The app with what holds for every answer around all of it, an unforeseen error's answer included."""

    def openapi(self) -> dict[str, Any]:
        """Return the contract, which is the same for all."""
        return contract()

    def build_middleware_stack(self) -> ASGIApp:
        """Return what a request passes through, from the outside in."""
        config: Settings = self.state.settings
        app: ASGIApp = Roomed(super().build_middleware_stack(), self.state.room)
        app = errors.Refusals(Rated(Bounds(app, config), self.state.rates))
        if config.cors_origins:
            app = for_pages_of(config.cors_origins, app)
        observing = Observing(Sending(app), self.state.metrics)
        app = Answering(observing)
        return app if self.state.is_traced else Straight(app, self, observing)  # FastAPI's own stack is what is traced


@asynccontextmanager
async def watching(app: FastAPI) -> AsyncIterator[None]:
    """Hold what look-ups stand on in memory, and follow the database, as long as the app is served.

    Who may ask is followed by itself: while a whole city is read anew, tokens go on being looked up in memory.
    """
    with ExitStack() as watches:
        for watch in (app.state.watch_of_access, app.state.watch):
            await run_in_threadpool(watches.enter_context, watch)
        try:
            yield
        finally:
            await run_in_threadpool(watches.close)


def for_pages_of(origins: tuple[str, ...], app: ASGIApp) -> ASGIApp:
    """Let pages of other origins ask: with a token, never with cookies."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("Content-Language", "ETag", "Location", "Retry-After", "Stale-Since", "X-Request-ID"),
        allow_credentials=False,
    )


def create_app(database: Database, settings: Settings, traces: "TracerProvider | None" = None) -> FastAPI:
    """Return the service over a database that is ready."""
    app = Service(
        docs_url=None,  # served by api.pages, without the internet
        openapi_url=None,  # there, too
        redoc_url=None,
        lifespan=watching,
        redirect_slashes=False,  # an address has one form
        telemetry=of_app(traces),
    )
    app.state.database = database
    app.state.gate = Gate(database, settings.session_idle)
    app.state.live = Live(database)
    app.state.watch_of_access = Watch(database, app.state.gate.follow)
    app.state.watch = Watch(database, app.state.live.follow)
    app.state.room = Room(settings.requests_at_once)
    app.state.apart, app.state.asking_access = Apart(MEMORY_THREADS), Apart(ACCESS_THREADS)
    app.state.batches, app.state.indexes = Apart(BATCH_THREADS), Indexes()
    app.state.settings, app.state.is_traced = settings, traces is not None
    app.state.metrics = Metrics(database, app.state.watch)
    app.state.rates = Rates(settings.rate_per_minute)
    app.state.showings = Spool(settings.data_dir)
    app.state.parameters = {}  # of each route that was asked for
    errors.install(app)
    app.router.routes.extend(routes().routes)
    pages.mount_static(app)
    return app


@cache
def contract() -> dict[str, Any]:
    """Return the contract of the HTTP interface: made once, as that takes long."""
    app = FastAPI(title="Twingrid 双网", version=VERSION, description=DESCRIPTION)
    _include_slices(app.router)
    made = app.openapi()
    errors.complete(made)
    return made


@cache
def routes() -> APIRouter:
    """Return the routes of all slices: made once for all services of a process, as their first use takes long."""
    router = APIRouter(dependencies=[Depends(refuse_malformed), Depends(refuse_cross_site)])
    _include_slices(router)
    return router


def _include_slices(router: APIRouter) -> None:
    for slice_ in SLICES:
        require_permissions(slice_.router)
        router.include_router(slice_.router)


def require_permissions(router: APIRouter) -> None:
    """Refuse to serve a route that does not say what permission it asks for."""
    silent = [route.path for route in router.routes if isinstance(route, APIRoute) and permission_of(route) is None]
    if silent:
        raise LookupError(f"no permission declared: {', '.join(silent)}")
