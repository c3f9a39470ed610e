"""Look-ups of other systems, straight out of memory: the route's answers to the letter, in a small part of the time.

That is `GET /lookup` of two numbers for the present, with a bearer token that is at hand, by whoever is shown no phones
(each showing is put on record). Whatever else is asked, and whatever is wrong with it, is for the route to answer.
"""

import logging
import re
from dataclasses import replace
from datetime import datetime
from time import monotonic, perf_counter
from typing import NamedTuple

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from api import lookup, rates
from api.answering import added
from api.asked_place import EXACTLY_M
from api.bounds import sound_head
from api.connections import client_of
from api.logs import request_id
from api.lookup_out import answer_out, beyond_out, layer_out
from api.observing import HEADER, Observing, id_of
from api.once import Once
from api.sending import PIECE
from api.shapes import of_model
from api.telling import STALE_SINCE, written_once
from maps.texts import LANGUAGES, negotiate
from spatial.access import Actor, Credential, whole_reach
from spatial.crs import degree_faults
from spatial.db import Reach
from spatial.errors import TwingridError
from spatial.lookup.memory import PlainAnswer
from spatial.lookup.model import Answer, LayerAnswer, Question
from spatial.time import now

log = logging.getLogger(__name__)
PATH, PERMISSION = "/lookup", "look-up"
NOT_READ = {b"cookie", b"origin", b"content-length", b"transfer-encoding"}
SPOKEN = {one.encode(): one for one in LANGUAGES}
NUMBER = re.compile(rb"-?\d{1,3}(\.\d{1,15})?")
MOST_GRIDS = 4096  # in a language, of some kilobytes each
MOST_ACTORS = 1024
# in what is written once, where what is said of each place goes
LAYERS, EDGE = b'"layers":[]', b'"edge_m":-1.0,"beyond":[]'


class Asked(NamedTuple):
    """What is asked for."""

    lon: float
    lat: float
    lang: str | None
    speaks: str | None  # Accept-Language
    token: str
    request_id: str


class Said(NamedTuple):
    """What is answered."""

    body: bytes
    to: str  # name of the principal
    stale_since: datetime | None


class Straight:
    """Around everything else: look-ups that ask for no more than a place are answered here."""

    def __init__(self, app: ASGIApp, service: FastAPI, observing: Observing) -> None:
        self.app = app
        self._state = service.state
        self._observing = observing
        (self._route,) = lookup.router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        begun, said = perf_counter(), None
        is_lookup = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET"
        asked = read_asked(scope) if is_lookup else None
        if asked is not None:
            try:
                said = self._answer(asked, scope)
            except Exception:  # the route meets it again, and answers it
                log.exception("a look-up was not answered straight")
        if asked is None or said is None:
            await self.app(scope, receive, send)
            return
        headers = [
            *added(scope["scheme"]),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(said.body)).encode()),
            (HEADER, asked.request_id.encode()),
        ]
        if self._state.settings.cors_origins:
            headers.append((b"vary", b"Origin"))
        if said.stale_since is not None:
            headers.append((STALE_SINCE.lower().encode(), said.stale_since.isoformat().encode()))
        client = client_of(scope)
        if client is not None:
            client.join()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said.body})
        scope["route"], scope["state"] = self._route, {"principal": said.to}
        written_of = request_id.set(asked.request_id)
        self._observing.tell(scope, 200, perf_counter() - begun)
        request_id.reset(written_of)

    def _answer(self, asked: Asked, scope: Scope) -> Said | None:
        """Return the answer; None where it is not to be had here."""
        state, present = self._state, now()
        try:
            sound_head(scope)
            actor = state.gate.at_hand(Credential("token", asked.token), present)
            if actor is None:
                return None
            whole, sees_phones = _access(actor)
            reach = whole or state.gate.reach_at_hand(actor, PERMISSION, present)
            view = state.live.view(reach, present) if reach and not sees_phones else None
            if view is None:
                return None
            state.rates.take(rates.address_of(scope), monotonic())
            rates.known(state.rates, scope, actor.name)
        except (HTTPException, TwingridError):
            return None
        lang = asked.lang or negotiate(asked.speaks, None, state.settings.language)
        question = Question(asked.lon, asked.lat, present, accuracy_m=EXACTLY_M)
        plain = view.plain_answer(question, present)
        body = written_plain(plain, lang) if plain else written(view.answer(question, present), lang)
        if len(body) > PIECE:
            rates.unknown(state.rates, actor.name)
            return None
        return Said(body, actor.name, state.watch.stale_since(present))


def read_asked(scope: Scope) -> Asked | None:
    """Return what a look-up asks; None where it asks for anything that is not read here, or in another way."""
    given: dict[bytes, bytes] = {}
    for part in scope["query_string"].split(b"&"):
        name, _, value = part.partition(b"=")
        if name in given:
            return None
        given[name] = value
    lon, lat, lang = given.pop(b"lon", b""), given.pop(b"lat", b""), given.pop(b"lang", None)
    if given or not NUMBER.fullmatch(lon) or not NUMBER.fullmatch(lat) or (lang is not None and lang not in SPOKEN):
        return None
    headers = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or len(headers) < len(scope["headers"]) or not NOT_READ.isdisjoint(headers):
        return None
    place = float(lon), float(lat)
    if degree_faults(*place):
        return None
    speaks = headers.get(b"accept-language")
    return Asked(
        *place,
        None if lang is None else SPOKEN[lang],
        None if speaks is None else speaks.decode("latin-1"),
        token.strip(),
        id_of(headers.get(HEADER, b"")),
    )


def written(answer: Answer, lang: str) -> bytes:
    """Return an answer as the route writes it."""
    return orjson.dumps(answer_out(answer, lang, phones=False, chain=written_once), of_model, orjson.OPT_UTC_Z)


def written_plain(answer: PlainAnswer, lang: str) -> bytes:
    """Return the same of a plain place: most of it was written before."""
    out = answer_out(answer.answer, lang, phones=False)
    before, _, after = orjson.dumps(out, of_model, orjson.OPT_UTC_Z).partition(LAYERS)
    layers = [_halves(said, lang) for said in answer.layers]
    parts = [before, b'"layers":[']
    for (begin, end), held in zip(layers, answer.held, strict=True):
        near = orjson.dumps({"edge_m": round(held.edge_m, 3), "beyond": [beyond_out(one) for one in held.beyond]})
        parts += [begin, near[1:-1], end, b","]
    parts[-1] = b"]"
    return b"".join((*parts, after))


def _allowed(actor: Actor) -> tuple[Reach | None, bool]:
    """Return how far somebody reaches, if a role of the database alone bounds that, and whether phones are shown."""
    return whole_reach(actor, PERMISSION), actor.sees_phones(PERMISSION)


_access: Once[Actor, tuple[Reach | None, bool]] = Once(_allowed, MOST_ACTORS)


def _written(said: LayerAnswer, lang: str) -> tuple[bytes, bytes]:
    """Return what is written of plain places in a grid, before and behind what is another at each."""
    out = layer_out(replace(said, edge_m=-1.0), lang, phones=False, chain=written_once)
    before, _, after = orjson.dumps(out, of_model, orjson.OPT_UTC_Z).rpartition(EDGE)
    return before, after


_halves: Once[LayerAnswer, tuple[bytes, bytes]] = Once(_written, MOST_GRIDS)
