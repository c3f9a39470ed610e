"""Look-ups of other systems, straight out of memory: the route's answers to the letter, in a small part of the time.

That is `GET /lookup` of two numbers for the present, with a bearer token that is at hand, by whoever is shown no phones,
whose showing would have to be put on record. Whatever else is asked, and whatever is wrong, is the route's to answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api import lookup, rates
from api.asked_place import EXACTLY_M
from api.lookup_out import answer_out, beyond_out, layer_out
from api.once import Once
from api.shapes import of_model
from api.telling import STALE_SINCE, written_once
from maps.texts import LANGUAGES, negotiate
from spatial.access import Credential
from spatial.crs import degree_faults
from spatial.errors import TwingridError
from spatial.lookup.memory import PlainAnswer
from spatial.lookup.model import Answer, LayerAnswer, Question
from spatial.lookup.plain import Held
from spatial.time import now

PATH, PERMISSION = "/lookup", "look-up"
READ = {b"authorization", b"accept-language", b"cookie"}
SPOKEN = {one.encode(): one for one in LANGUAGES}
NUMBER = re.compile(rb"-?\d{1,3}(\.\d{1,15})?")
MOST_GRIDS = 4096  # of some kilobytes each
# in what is written once, where what is said of each place goes
LAYERS, EDGE = b'"layers":[]', b'"edge_m":-1.0,"beyond":[]'


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    lon: float
    lat: float
    lang: str | None
    speaks: str | None  # Accept-Language
    token: str


class Straight:
    """Around the app: look-ups that ask for no more than a place are answered here."""

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self.app = app
        self._state = service.state
        (self._route,) = lookup.router.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        is_lookup = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET"
        asked = read_asked(scope) if is_lookup else None
        found = self._answer(asked, scope) if asked else None
        if found is None:
            await self.app(scope, receive, send)
            return
        body, headers = found
        own = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": [*own, *headers]})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, asked: Asked, scope: Scope) -> tuple[bytes, Sequence[tuple[bytes, bytes]]] | None:
        """Return the answer, and headers of its own; None where the route has to answer."""
        state, present = self._state, now()
        try:
            actor = state.gate.at_hand(Credential("token", asked.token), present)
            reach = state.gate.reach_at_hand(actor, PERMISSION, present) if actor else None
        except TwingridError:
            return None
        view = state.live.view(reach, present) if reach else None
        if actor is None or view is None or actor.sees_phones(PERMISSION):
            return None
        rates.known(state.rates, scope, actor.name)
        scope["route"] = self._route
        scope.setdefault("state", {}).update(actor_name=actor.name, principal=actor.name)
        lang = asked.lang or negotiate(asked.speaks, None, state.settings.language)
        question = Question(asked.lon, asked.lat, present, accuracy_m=EXACTLY_M)
        plain = view.plain_answer(question, present)
        since = state.watch.stale_since(present)
        age = [] if since is None else [(STALE_SINCE.lower().encode(), since.isoformat().encode())]
        return (written_plain(plain, lang) if plain else written(view.answer(question, present), lang)), age


def read_asked(scope: Scope) -> Asked | None:
    """Return what a look-up asks; None where it asks for anything that is not read here, or in another way."""
    given: dict[bytes, bytes] = {}
    for part in scope["query_string"].split(b"&"):
        name, _, value = part.partition(b"=")
        if name in given:
            return None
        given[name] = value
    lon, lat, lang = given.pop(b"lon", b""), given.pop(b"lat", b""), given.pop(b"lang", None)
    if given or not NUMBER.fullmatch(lon) or not NUMBER.fullmatch(lat):
        return None
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in READ:
            if name in headers:
                return None
            headers[name] = value
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or b"cookie" in headers or (lang is not None and lang not in SPOKEN):
        return None
    place = float(lon), float(lat)
    speaks = headers.get(b"accept-language")
    told = Asked(*place, lang and SPOKEN[lang], speaks.decode("latin-1") if speaks else None, token.strip())
    return None if degree_faults(*place) else told


def written(answer: Answer, lang: str) -> bytes:
    """Return an answer as the route writes it."""
    return orjson.dumps(answer_out(answer, lang, phones=False, chain=written_once), of_model, orjson.OPT_UTC_Z)


def written_plain(answer: PlainAnswer, lang: str) -> bytes:
    """Return the same of a plain place: most of it was written before."""
    out = answer_out(replace(answer.answer, layers=()), lang, phones=False)
    before, _, after = orjson.dumps(out, of_model, orjson.OPT_UTC_Z).partition(LAYERS)
    layers = [_halves(said, lang) for said in answer.answer.layers]
    parts = [before, b'"layers":[']
    for (begin, end), held in zip(layers, answer.held, strict=True):
        beyond = orjson.dumps([beyond_out(one) for one in held.beyond])
        parts += [begin, b'"edge_m":', orjson.dumps(round(held.edge_m, 3)), b',"beyond":', beyond, end, b","]
    parts[-1] = b"]"
    return b"".join((*parts, after))


def _written(said: LayerAnswer, lang: str) -> tuple[bytes, bytes]:
    """Return what is written of plain places in a grid, before and behind what is another at each."""
    out = layer_out(replace(said, edge_m=-1.0), lang, phones=False, chain=written_once)
    before, _, after = orjson.dumps(out, of_model, orjson.OPT_UTC_Z).rpartition(EDGE)
    return before, after


_halves: Once[LayerAnswer, tuple[bytes, bytes]] = Once(_written, MOST_GRIDS)
