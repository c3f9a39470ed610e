"""The schema's history: `upgrade` brings any older database to today's tables, `downgrade` takes it back.

A revision that rewrites rows of a table without changing its columns names the table in its module, as
`rewrites = {"shift"}`; every other table must have the same rows afterwards.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, text

HERE = Path(__file__).parent
VERSIONS = (HERE / "versions",)

Check = Callable[[Connection, set[str]], AbstractContextManager[None]]  # around a migration; what it may rewrite


def config(connection: Connection | None = None, folders: Sequence[Path] = VERSIONS) -> Config:
    """Return alembic's configuration, bound to an open connection."""
    made = Config()
    made.set_main_option("script_location", str(HERE))
    made.set_main_option("path_separator", "os")
    made.set_main_option("version_locations", os.pathsep.join(str(folder) for folder in folders))
    made.attributes["connection"] = connection
    return made


def upgrade(
    engine: Engine, revision: str = "head", *, check: Check | None = None, folders: Sequence[Path] = VERSIONS
) -> None:
    """Bring the schema to `revision`, in one transaction; two that start at once take turns.

    What `check` raises takes all of it back.
    """
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('twingrid migrations'))"))
        todo = config(connection, folders)
        if check is None:
            command.upgrade(todo, revision)
        elif steps := _steps(connection, todo):
            rewritten = {table for step in steps for table in getattr(step.module, "rewrites", ())}
            with check(connection, rewritten):
                command.upgrade(todo, revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the schema back to `revision`, in one transaction."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        command.downgrade(config(connection), revision)


def current(engine: Engine) -> str | None:
    """Return the revision a database is at; None before its first."""
    with engine.connect() as connection:
        return _current(connection)


def pending(engine: Engine, folders: Sequence[Path] = VERSIONS) -> bool:
    """Return whether the database is not at the newest revision."""
    return current(engine) != _scripts(config(folders=folders)).get_current_head()


def revisions(folders: Sequence[Path] = VERSIONS) -> frozenset[str]:
    """Return every revision that this product knows."""
    return frozenset(step.revision for step in _scripts(config(folders=folders)).walk_revisions())


def _scripts(todo: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(todo)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _steps(connection: Connection, todo: Config) -> list[Script]:
    """Return the revisions between a database and the newest."""
    return list(_scripts(todo).iterate_revisions("heads", _current(connection) or "base"))
