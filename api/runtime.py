"""From settings to a database that is ready: started, fit, migrated."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import ArgumentError

import migrations
from api.upgrade import upgrade
from spatial.db import Database, make_engine, require_fit, wait_for
from spatial.errors import SetupError
from spatial.local_postgis import LocalPostgis, Notice
from spatial.settings import Settings

COLLECT_AFTER = 100_000  # new objects: what is said of a whole city is a million of them, none in a cycle


def quiet(text: str, **values: object) -> None:
    """Say nothing."""


@contextmanager
def open_database(
    settings: Settings, notice: Notice = quiet, *, keep: bool = False, migrate: bool = True
) -> Iterator[Database]:
    """Yield the database that the settings name, embedded when they name none, with today's schema.

    `keep` starts the embedded one again whenever it dies, as long as it is used; `migrate=False` leaves the schema as
    it is.
    """
    gc.set_threshold(COLLECT_AFTER)
    if settings.database_url is not None:
        with _opened(settings.database_url, settings, notice, migrate=migrate) as database:
            yield database
    else:
        with (
            embedded(settings, notice) as postgis,
            _opened(postgis.url(), settings, notice, migrate=migrate) as database,
        ):
            stop = threading.Event()
            keeper = threading.Thread(target=postgis.keep_running, args=(stop,), name="postgis", daemon=True)
            if keep:
                keeper.start()
            try:
                yield database
            finally:
                stop.set()
                if keep:
                    keeper.join()


def embedded(settings: Settings, notice: Notice = quiet) -> LocalPostgis:
    """Return the embedded PostGIS of a deployment, not started; `SetupError` where the settings name another."""
    if settings.database_url is not None:
        raise SetupError("embedded-only")
    return LocalPostgis(settings.data_dir, wal_archive=settings.wal_archive, notice=notice)


@contextmanager
def _opened(url: str, settings: Settings, notice: Notice, *, migrate: bool) -> Iterator[Database]:
    try:
        engine = make_engine(url)
    except (ArgumentError, ImportError, ValueError):  # no URL at all, no driver of that name, a port that is no number
        raise SetupError("database-url-malformed") from None  # it may hold a password, so it is not shown
    try:
        wait_for(engine)
        require_fit(engine)
        database = Database(engine)
        if migrate and migrations.pending(engine):
            upgrade(database, settings, notice)
        yield database
    finally:
        engine.dispose()
