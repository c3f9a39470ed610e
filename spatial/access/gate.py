"""Who is asking and how far they reach, remembered for so short a time that what is revoked is gone at once."""

import threading
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import TypeVar

from cachetools import TTLCache

from spatial.access.principals import actor_named, actor_of_token, digest
from spatial.access.rules import Actor
from spatial.access.scopes import reach_of
from spatial.access.sessions import signed_in, touch_session
from spatial.db import Database, Reach

Found = TypeVar("Found")
ACTOR_FOR_S = 1.0  # a token that is revoked opens nothing two seconds later, in any process
REACH_FOR_S = 30.0  # units move in the tree by decision, and grants by the day
NOTED_AFTER = timedelta(minutes=1)  # since a session's use was noted last: not every request writes
MOST_REMEMBERED = 10_000


class Gate:
    """The principals of a database as they ask; safe for many threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._actors: TTLCache[Hashable, Actor] = TTLCache(MOST_REMEMBERED, ACTOR_FOR_S)
        self._reaches: TTLCache[Hashable, Reach | None] = TTLCache(MOST_REMEMBERED, REACH_FOR_S)
        self._turn = threading.Lock()

    def of_token(self, token: str, now: datetime) -> Actor | None:
        """Return the principal of a bearer token; none when it is unknown, expired or revoked."""
        key = ("token", digest(token))
        return self._actor(key, lambda: self._ask_token(token, now))

    def of_session(self, secret: str, now: datetime, idle: timedelta) -> Actor | None:
        """Return who signed in with a browser; none when the session was ended or is over. Its use is noted."""
        return self._actor(("session", digest(secret)), lambda: self._ask_session(secret, now, idle))

    def forget_session(self, secret: str) -> None:
        """Remember a session no more, once it was ended here."""
        with self._turn:
            self._actors.pop(("session", digest(secret)), None)

    def of_demo(self, name: str) -> Actor | None:
        """Return a principal of the demo."""
        return self._actor(("demo", name), lambda: self._ask_demo(name))

    def reach(self, actor: Actor, permission: str) -> Reach | None:
        """Return how far an actor reaches with a permission, or raise `Denied`."""
        key = (actor.name, actor.grants, permission)
        with self._turn:
            if key in self._reaches:
                return self._reaches[key]
        with self.database.read() as session:
            found = reach_of(session, actor, permission)
        with self._turn:
            self._reaches[key] = found
        return found

    def _actor(self, key: Hashable, ask: Callable[[], Actor | None]) -> Actor | None:
        """Return who is remembered, or else asked for; that there is nobody is not remembered."""
        with self._turn:
            found = self._actors.get(key)
        if found is None:
            found = ask()
            if found is not None:
                with self._turn:
                    self._actors[key] = found
        return found

    def _ask_token(self, token: str, now: datetime) -> Actor | None:
        with self.database.read() as session:
            return actor_of_token(session, token, now)

    def _ask_session(self, secret: str, now: datetime, idle: timedelta) -> Actor | None:
        with self.database.read() as session:
            found = signed_in(session, secret, now, idle)
        if found is not None and found.used_at < now - min(NOTED_AFTER, idle / 2):
            with self.database.write() as session:
                touch_session(session, secret, now)
        return found.actor if found else None

    def _ask_demo(self, name: str) -> Actor | None:
        with self.database.read() as session:
            return actor_named(session, name, demo_only=True)
