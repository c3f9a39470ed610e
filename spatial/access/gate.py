"""Who is asking and how far they reach, held in memory so that a request waits for no database.

What is revoked is gone within two seconds: what is held is trusted for that long after it was last seen to be what the
database has. While the database is away, or gives no answer, nothing can be revoked, and who was let in goes on being
let in; but nobody whose access may have changed between.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Literal, TypeVar

from spatial.access.principals import Held, actor_named, demo_principals, digest, held_by_token, held_by_tokens
from spatial.access.rules import OPEN, SIGNED_IN, Actor
from spatial.access.scopes import reach_of, whole_reach
from spatial.access.sessions import signed_in, touch_session
from spatial.db import Database, Reach, versions
from spatial.errors import Busy

Value = TypeVar("Value")
ACTOR_FOR = timedelta(seconds=1)  # so that a token or session that is revoked opens nothing two seconds later
KEYS_FOR = 2 * ACTOR_FOR
REACH_FOR = timedelta(seconds=30)  # units move in the tree by decision, and grants by the day
NOTED_AFTER = timedelta(minutes=1)  # since a session's use was noted last: not every request writes
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Credential:
    """What somebody shows: a bearer token, the secret of a browser's session, or the name of one of the demo's."""

    kind: Literal["token", "session", "demo"]
    shown: str = field(repr=False)

    @property
    def key(self) -> Hashable:
        """What it is remembered by: never the secret."""
        return self.shown if self.kind == "demo" else (self.kind, digest(self.shown))


class Remembered(Generic[Value]):
    """The values that were asked for last, each with the instant; safe for many threads."""

    def __init__(self, good_for: timedelta) -> None:
        self._good_for = good_for
        self._values: OrderedDict[Hashable, tuple[Value, datetime]] = OrderedDict()
        self._turn = threading.Lock()

    def fresh(self, key: Hashable, now: datetime) -> Value | None:
        """Return a value that was asked for just now."""
        found = self._values.get(key)
        return found[0] if found and now - found[1] < self._good_for else None

    def last(self, key: Hashable) -> Value | None:
        """Return a value, whenever it was asked for."""
        found = self._values.get(key)
        return found[0] if found else None

    def put(self, key: Hashable, value: Value, now: datetime) -> None:
        """Remember a value."""
        with self._turn:
            self._values.pop(key, None)
            self._values[key] = value, now
            if len(self._values) > MOST_REMEMBERED:
                self._values.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Remember a value no more."""
        with self._turn:
            self._values.pop(key, None)


@dataclass(frozen=True)
class _Keys:
    """All tokens and the demo's principals, at a version of access, as of when they were seen to be so."""

    version: int
    seen_at: datetime
    held: Mapping[Hashable, Held]


@dataclass(frozen=True)
class _Found:
    """Whose a credential is, and the version of access that was known before that was asked."""

    held: Held
    version: int | None


class Gate:
    """The principals of a database as they ask; safe for many threads."""

    def __init__(self, database: Database, session_idle: timedelta) -> None:
        self.database = database
        self._session_idle = session_idle
        self._keys: _Keys | None = None
        self._holders: Remembered[_Found] = Remembered(ACTOR_FOR)
        self._reaches: Remembered[Reach] = Remembered(REACH_FOR)
        self._given_up_at: datetime | None = None

    def follow(self, now: datetime) -> None:
        """Read all tokens, if anything about access has changed."""
        keys = self._keys
        with self.database.read() as session:
            version = versions(session)["access"]
            if keys is not None and keys.version == version:
                held = keys.held
            else:
                demo = {actor.name: Held(actor, None) for actor in demo_principals(session)}
                held = demo | {("token", sha256): one for sha256, one in held_by_tokens(session, now).items()}
        self._keys = _Keys(version, now, held)

    def at_hand(self, credential: Credential, now: datetime) -> Actor | None:
        """Return whom a credential is known to be of, without asking the database."""
        if self.is_away:
            return _holder(self._last(credential), now)
        keys = self._keys
        held = keys.held.get(credential.key) if keys and now - keys.seen_at < KEYS_FOR else None
        if held is None:
            found = self._holders.fresh(credential.key, now)
            held = found.held if found else None
        return _holder(held, now)

    @property
    def is_away(self) -> bool:
        """Whether the database was given up, and was not seen since: then it is not asked, as each would wait."""
        keys, given_up_at = self._keys, self._given_up_at
        return keys is not None and given_up_at is not None and keys.seen_at <= given_up_at

    def give_up(self, now: datetime) -> None:
        """Ask the database no more until it is seen again: it gave no answer in time."""
        if not self.is_away:
            self._given_up_at = now

    def actor(self, credential: Credential, now: datetime) -> Actor | None:
        """Return whose a credential is; none when it is unknown, expired or revoked, or its session is over."""
        actor = self.at_hand(credential, now)
        if actor is not None:
            return actor
        version = self._keys.version if self._keys else None
        if self.is_away:
            raise Busy("database-away")
        try:
            found = self._ask(credential, now)
        except Busy:
            self.give_up(now)
            actor = _holder(self._last(credential), now)
            if actor is None:
                raise
            return actor
        if found is None:
            self._holders.drop(credential.key)
        else:
            self._holders.put(credential.key, _Found(found, version), now)
        return _holder(found, now)

    def forget(self, credential: Credential) -> None:
        """Remember a session no more, once it was ended here."""
        self._holders.drop(credential.key)

    def reach_at_hand(self, actor: Actor, permission: str, now: datetime) -> Reach | None:
        """Return how far an actor is known to reach with a permission; none: `reach` knows.

        Raises `Denied` where that needs no database, and `Busy` where it does and that is away.
        """
        if permission in (OPEN, SIGNED_IN):
            return None
        key = (actor.name, actor.grants, permission)
        found = whole_reach(actor, permission) or self._reaches.fresh(key, now)
        if found is None and self.is_away:
            found = self._reaches.last(key)
            if found is None:
                raise Busy("database-away")
        return found

    def reach(self, actor: Actor, permission: str, now: datetime) -> Reach | None:
        """Return how far an actor reaches with a permission, or raise `Denied`; none for what asks for no role."""
        if permission in (OPEN, SIGNED_IN):
            return None
        found = self.reach_at_hand(actor, permission, now)
        if found is not None:
            return found
        key = (actor.name, actor.grants, permission)
        try:
            with self.database.read() as session:
                found = reach_of(session, actor, permission)
        except Busy:
            self.give_up(now)
            found = self._reaches.last(key)
            if found is None:
                raise
            return found
        if found is not None:
            self._reaches.put(key, found, now)
        return found

    def _last(self, credential: Credential) -> Held | None:
        """Return whose a credential was when the database was last seen; none where access has changed since then."""
        keys, found = self._keys, self._holders.last(credential.key)
        held = keys.held.get(credential.key) if keys else None
        if held is None and found is not None and found.version == (keys.version if keys else None):
            held = found.held
        return held

    def _ask(self, credential: Credential, now: datetime) -> Held | None:
        ask: Mapping[str, Callable[[str, datetime], Held | None]] = {
            "token": self._ask_token, "session": self._ask_session, "demo": self._ask_demo
        }  # fmt: skip
        return ask[credential.kind](credential.shown, now)

    def _ask_token(self, token: str, now: datetime) -> Held | None:
        with self.database.read() as session:
            return held_by_token(session, token, now)

    def _ask_session(self, secret: str, now: datetime) -> Held | None:
        idle = self._session_idle
        with self.database.read() as session:
            found = signed_in(session, secret, now, idle)
        if found is None:
            return None
        if found.used_at < now - min(NOTED_AFTER, idle / 2):
            with self.database.write() as session:
                touch_session(session, secret, now)
        return Held(found.actor, min(found.expires_at, now + idle))

    def _ask_demo(self, name: str, _now: datetime) -> Held | None:
        with self.database.read() as session:
            actor = actor_named(session, name, demo_only=True)
        return Held(actor, None) if actor else None


def _holder(held: Held | None, now: datetime) -> Actor | None:
    return held.actor if held and (held.until is None or held.until > now) else None
