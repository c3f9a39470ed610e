"""Who asks at the command line: whoever has a shell on this machine, or the principal of `TWINGRID_TOKEN`."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api.runtime import open_database, quiet
from spatial import access
from spatial.access import Actor
from spatial.db import Database, Reach
from spatial.errors import Denied, Unauthenticated
from spatial.local_postgis import Notice
from spatial.settings import settings
from spatial.time import now


@dataclass(frozen=True)
class Caller:
    """Who asks for what, of which database, and how far they reach there."""

    database: Database
    actor: Actor
    reach: Reach | None

    @contextmanager
    def read(self, known_at: datetime | None = None) -> Iterator[Session]:
        """Yield a session that shows what the caller reaches, once nothing can be added to what was known then."""
        if known_at is not None:
            self.database.settle(known_at)
        with self.database.read(self.reach) as session:
            yield session

    @contextmanager
    def change(self, *, commit: bool) -> Iterator[Session]:
        """Yield a session that may write as far as the caller reaches; without `commit` its work is taken back."""
        opened = self.database.write if commit else self.database.trial
        with opened(self.reach) as session:
            yield session


@contextmanager
def calling(permission: str, notice: Notice = quiet) -> Iterator[Caller]:
    """Yield who asks for something that a permission is needed for; `Denied` where they do not hold it."""
    with open_database(settings(), notice) as database:
        yield caller_of(database, permission)


def caller_of(database: Database, permission: str) -> Caller:
    """Return who asks: without a token the local operator, who could as well ask PostgreSQL itself."""
    token = settings().token
    if token is None:
        return Caller(database, access.operator(getpass.getuser()), None)
    actor = None
    try:
        with database.read() as session:
            held = access.held_by_token(session, token.get_secret_value(), now())
            if held is None:
                raise Unauthenticated("token-refused")
            actor = held.actor
            return Caller(database, actor, access.reach_of(session, actor, permission))
    except (Denied, Unauthenticated) as error:
        who = actor.name if actor else f"anonymous@{getpass.getuser()}"
        with database.write() as session:
            access.record_refusal(session, who, f"command line: {permission}", error)
        raise
