"""Bringing a database to today's schema: a backup, then all changes and their proof in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import migrations
from api.console import operator_name
from migrations.checked import nothing_lost
from spatial import audit
from spatial.backup import dump, folder
from spatial.db import Database
from spatial.errors import SetupError, TwingridError
from spatial.grids.about import example_place
from spatial.grids.listing import is_empty
from spatial.history import Moment
from spatial.local_postgis import Notice
from spatial.lookup.model import Question
from spatial.lookup.stored import answer
from spatial.settings import Settings
from spatial.time import now


def upgrade(
    database: Database,
    settings: Settings,
    notice: Notice,
    *,
    folders: Sequence[Path] = migrations.VERSIONS,
    backup: bool = True,
) -> None:
    """Bring an older database to today's schema, or leave it exactly as it was; one that holds data is backed up first.

    Errors: `schema-newer`, those of a backup, `upgrade-failed`.
    """
    before = migrations.current(database.engine)
    if before is None:
        migrations.upgrade(database.engine, folders=folders)
        return
    if before not in migrations.revisions(folders):
        raise SetupError("schema-newer", revision=before)
    if backup and not _holds_nothing(database):
        target = folder.target(None, settings.data_dir, now())
        dump.take(database, operator_name(), target)
        notice("backed-up", path=str(target))
    migrate(database.engine, folders=folders)
    notice("schema-upgraded", before=before, after=migrations.current(database.engine))


def migrate(engine: Engine, *, folders: Sequence[Path] = migrations.VERSIONS) -> None:
    """Bring a database to today's schema in one transaction that ends only if nothing is lost and a look-up answers."""
    try:
        migrations.upgrade(engine, check=_proven, folders=folders)
    except (SQLAlchemyError, CommandError, TwingridError) as error:
        raise SetupError("upgrade-failed", said=str(error)) from error


@contextmanager
def _proven(connection: Connection, rewritten: set[str]) -> Iterator[None]:
    with nothing_lost(connection, rewritten, _look_up):
        yield
    with Session(connection) as session, session.begin():
        audit.record(session, operator_name(), "database.upgrade", "schema", {"rewritten": sorted(rewritten)})


def _look_up(connection: Connection) -> None:
    """Ask for a place that some grid holds, where there is one."""
    session = Session(connection)
    instant = now()
    if place := example_place(session, Moment(instant)):
        answer(session, Question(*place, instant))


def _holds_nothing(database: Database) -> bool:
    with database.read() as session:
        return is_empty(session)
