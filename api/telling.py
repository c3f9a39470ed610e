"""How look-ups of all kinds are answered: out of memory, else out of the database in turn with others; with its age."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.deps import AskedBy, Asking, Language, PhoneBook
from api.lookup_out import chain_out
from api.once import Once
from api.room import Apart, Room
from api.shapes import of_model
from spatial.access import WHOLE
from spatial.db import Database as Database_
from spatial.db import Reach
from spatial.history import Moment
from spatial.lookup.live import Live
from spatial.lookup.memory import View
from spatial.roster.model import Response as Response_
from spatial.time import now
from spatial.watch import Watch

Found = TypeVar("Found")
STALE_SINCE = "Stale-Since"
TOLD: dict[str, Any] = {
    STALE_SINCE: {
        "description": "while the database is away: as of when the answer is known to be true",
        "schema": {"type": "string", "format": "date-time"},
    }
}
MOST_CHAINS = 4096  # of about ten kilobytes each


def _written(response: Response_, lang: str, phones: bool) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(chain_out(response, lang, phones), option=orjson.OPT_UTC_Z))


written_once: Once[Response_, orjson.Fragment] = Once(_written, MOST_CHAINS)  # chains are most of an answer


@dataclass(frozen=True)
class Teller:
    """Who asks, in which language, and where answers are had."""

    asking: Asking
    lang: str
    phones: PhoneBook
    database: Database_
    live: Live
    watch: Watch
    room: Room
    apart: Apart

    def view(self, at: datetime) -> View | None:
        """Return what whoever asks sees of an instant in memory; none: it is not held."""
        return self.live.view(self.asking.reach, at)

    async def stored(self, moment: Moment, find: Callable[[Session], Found], *, everything: bool = False) -> Found:
        """Return what is found in the database, once nothing can be added to what was known then.

        `everything`: what whoever asks does not see is read, too, and is not to be told.
        """
        reach = Reach(WHOLE) if everything else self.asking.reach

        def found() -> Found:
            if moment.known_at is not None:
                self.database.settle(moment.known_at)
            with self.database.read(reach) as session:
                return find(session)

        async with self.room.place():
            return await run_in_threadpool(found)

    async def may_show(self, subject: str) -> bool:
        """Put the showing of phones on record, and return whether they may be."""
        return self.phones.may_show and await self.apart.run(partial(self.phones.opened, subject))

    def reply(self, body: object, *, is_memory: bool) -> Response:
        """Return an answer as it is sent, with its age where the database is away."""
        written = orjson.dumps(body, of_model, orjson.OPT_UTC_Z)
        return Response(written, headers=self.age(is_memory=is_memory), media_type="application/json")

    def age(self, *, is_memory: bool) -> dict[str, str] | None:
        """Return what is said of the age of an answer, where the database is away."""
        since = self.watch.stale_since(now()) if is_memory else None
        return {STALE_SINCE: since.isoformat()} if since else None


async def get_teller(request: Request, asking: AskedBy, lang: Language) -> Teller:
    """Return who asks, and where answers are had."""
    state = request.app.state
    phones = PhoneBook(state.showings, asking)
    return Teller(asking, lang, phones, state.database, state.live, state.watch, state.room, state.apart)


TheTeller = Annotated[Teller, Depends(get_teller)]
