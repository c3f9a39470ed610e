"""Pages for people: home, maps, the API's documentation, and the files they need."""

from collections.abc import Collection, Mapping

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.orm import Session

from api.asked_place import Category, Layers, ThePlace
from api.cookies import cookie_name
from api.deps import (
    AppSettings,
    AskedBy,
    AskedMoment,
    Database,
    Language,
    MaybeActor,
    ReadSession,
    TheGate,
    may_demo,
    needs,
)
from api.errors import problem_responses
from api.headers import POLICY_OF_PAGES, policy_of_file
from api.receipts import receipt_url
from maps.grids import grid_map
from maps.home import Figure, Person, docs_page, home_page
from maps.networks import Flaw
from maps.offline import NODE_MODULES, STATIC, OfflineMap
from maps.sheet import lookup_sheet, view_radius_m
from maps.texts import say
from spatial import access, audit
from spatial.access import Actor, Gate
from spatial.db import Database as Database_
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Limits
from spatial.grids.about import example_place, synthetic_label
from spatial.grids.listing import layer_rows
from spatial.history import Moment
from spatial.lookup import stored
from spatial.lookup.model import Question
from spatial.lookup.stored import grid_states
from spatial.roster.muster import on_duty_count
from spatial.settings import Settings
from spatial.time import now

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
MOST_FLAWS = 1000


@router.get("/", summary="The home page", responses=problem_responses(), dependencies=[needs(access.OPEN)])
def home(
    request: Request,
    session: ReadSession,
    gate: TheGate,
    actor: MaybeActor,
    config: AppSettings,
    lang: Language,
) -> HTMLResponse:
    """Return the page; figures are for those who may read the roster, the switch of roles for the demo's visitors."""
    people: list[Person] = []
    visitor = actor.title[lang] if actor and cookie_name(request) in request.cookies else None
    if may_demo(request, config) and not visitor:
        found = access.demo_principals(session)
        people = [Person(one.name, one.title[lang], actor is not None and one.name == actor.name) for one in found]
    synthetic = synthetic_label(session, lang)
    session.close()  # before another connection is asked for
    figures, example = _at_home(gate, actor, lang) if actor and actor.may("duty.read") else ([], None)
    html = home_page(
        lang=lang,
        zone=config.zone,
        figures=figures,
        people=people,
        visitor=visitor,
        synthetic=synthetic,
        example=example,
    )
    return page_answer(html, lang)


def _at_home(gate: Gate, actor: Actor, lang: str) -> tuple[list[Figure], tuple[float, float] | None]:
    """Return the figures of the home page, and a place to ask about."""
    moment = Moment(now())
    with gate.database.read(gate.reach(actor, "duty.read", moment.at)) as session:
        return _figures(session, moment, lang), example_place(session, moment)


@router.get(
    "/maps/grids",
    summary="The map of the grids, with the state of duty",
    responses=problem_responses(404),
    dependencies=[needs("duty.read")],
)
def grids(
    request: Request,
    session: ReadSession,
    database: Database,
    asking: AskedBy,
    config: AppSettings,
    moment: AskedMoment,
    lang: Language,
    layer: Layers = None,
) -> HTMLResponse:
    """Return one self-contained page; it makes no request, unless a base map is configured."""
    asked_for_now = request.query_params.keys().isdisjoint({"at", "known_at"})
    page = draw_grids(session, moment, layer, lang, config, is_live=asked_for_now, lookup_url=f"/?lang={lang}")
    session.close()  # before the record is made: a request holds one connection
    record_map(database, asking.actor.name, moment, layer)
    html = page.html()
    return page_answer(html, lang, policy_of_file(page.policy(html)))


@router.get(
    "/maps/lookup",
    summary="One look-up on a sheet to print: the place, both grids, the border, who answers, who is beyond",
    responses=problem_responses(404),
    dependencies=[needs("look-up")],
)
def lookup_page(
    place: ThePlace,  # before the session: a request holds one connection
    session: ReadSession,
    database: Database,
    asking: AskedBy,
    config: AppSettings,
    moment: AskedMoment,
    lang: Language,
    layer: Layers = None,
    category: Category = None,
) -> HTMLResponse:
    """Return one self-contained page for A4; it names people and never their phones."""
    layers = tuple(layer) if layer else None
    question = Question(place.lon, place.lat, moment.at, moment.known_at, place.accuracy_m, layers, category)
    answer = stored.answer(session, question)
    page = lookup_sheet(
        answer,
        stored.surroundings(session, question, view_radius_m(answer)),
        zone=config.zone,
        lang=lang,
        receipt=receipt_url(answer, lang),
        called=place.called,
        synthetic=synthetic_label(session, lang),
        base_map_url=config.base_map_url,
    )
    session.close()  # before the record is made: a request holds one connection
    record_map(database, asking.actor.name, moment, layer, "maps/lookup", {"place": [place.lon, place.lat]})
    html = page.html()
    return page_answer(html, lang, policy_of_file(page.policy(html)))


@router.get(
    "/docs",
    summary="The documentation of the HTTP interface",
    responses=problem_responses(),
    dependencies=[needs(access.OPEN)],
)
def docs(lang: Language) -> HTMLResponse:
    """Return the documentation, drawn without the internet."""
    return page_answer(docs_page(lang), lang)


@router.get("/openapi.json", include_in_schema=False, dependencies=[needs(access.OPEN)])
async def contract(request: Request) -> Response:
    """Return the contract of the HTTP interface."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


def mount_static(app: FastAPI) -> None:
    """Serve style sheets, scripts and Swagger UI from this machine."""
    app.mount("/static/swagger-ui", StaticFiles(directory=NODE_MODULES / "swagger-ui-dist", check_dir=False))
    app.mount("/static", StaticFiles(directory=STATIC))


def draw_grids(
    session: Session,
    moment: Moment,
    layers: Collection[str] | None,
    lang: str,
    config: Settings,
    *,
    is_live: bool = False,
    lookup_url: str | None = None,
) -> OfflineMap:
    """Return the map of the grids as of a moment: for a page, or for a file."""
    return grid_map(
        grid_states(session, moment, layers),
        at=moment.at,
        zone=config.zone,
        lang=lang,
        titles={row.Layer.code: row.Layer.title for row in layer_rows(session, moment)},
        flaws=_flaws(session, moment, layers),
        synthetic=synthetic_label(session, lang),
        base_map_url=config.base_map_url,
        is_live=is_live,
        lookup_url=lookup_url,
    )


def record_map(
    database: Database_,
    actor: str,
    moment: Moment,
    layers: Collection[str] | None,
    what: str = "maps/grids",
    more: Mapping[str, object] | None = None,
) -> None:
    """Put on record who takes a map with them: a page is a file that holds all it shows."""
    known_at = moment.known_at.isoformat() if moment.known_at else None
    detail = {"at": moment.at.isoformat(), "known_at": known_at, "layers": sorted(layers) if layers else None}
    with database.write() as session:
        audit.record(session, actor, "export-map", what, detail | dict(more or {}))


def _flaws(session: Session, moment: Moment, layers: Collection[str] | None) -> list[Flaw]:
    """Return the faults of the tilings that have a place; what is only for information stays off the map."""
    found = Findings(session, moment, Limits()).found(Wanted(("tiling",), tuple(layers or ())))
    flaws = [one.flaw for one in found if one.flaw.shape and one.flaw.severity != "info"]
    return [Flaw(one.kind, one.grids, one.area_m2, one.shape) for one in flaws[:MOST_FLAWS] if one.shape]


def _figures(session: Session, moment: Moment, lang: str) -> list[Figure]:
    layers = [Figure(row.grids, row.Layer.title[lang]) for row in layer_rows(session, moment)]
    return [*layers, Figure(on_duty_count(session, moment), say("home.on-duty", lang))] if layers else []


def page_answer(html: str, lang: str, policy: str = POLICY_OF_PAGES) -> HTMLResponse:
    """Return a page in a language."""
    return HTMLResponse(html, headers={"Content-Language": lang, "Content-Security-Policy": policy})
