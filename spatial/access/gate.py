"""Who is asking and how far they reach, remembered for so short a time that what is revoked is gone at once."""

import hashlib
import threading
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TypeVar

from cachetools import TTLCache

from spatial.access.principals import actor_named, actor_of_token
from spatial.access.rules import Actor
from spatial.access.scopes import reach_of
from spatial.db import Database, Reach

Found = TypeVar("Found")
ACTOR_FOR_S = 1.0  # a token that is revoked opens nothing two seconds later, in any process
REACH_FOR_S = 30.0  # units move in the tree by decision, and grants by the day
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
        key = ("token", hashlib.sha256(token.encode()).digest())
        return self._actor(key, lambda: self._ask_token(token, now))

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

    def _ask_demo(self, name: str) -> Actor | None:
        with self.database.read() as session:
            return actor_named(session, name, demo_only=True)
