"""From settings to a database that is ready: started, fit, migrated."""

from collections.abc import Iterator
from contextlib import contextmanager

import migrations
from spatial.db import Database, make_engine, require_fit, wait_for
from spatial.local_postgis import LocalPostgis, Notice
from spatial.settings import Settings


def quiet(text: str, **values: object) -> None:
    """Say nothing."""


@contextmanager
def open_database(settings: Settings, notice: Notice = quiet) -> Iterator[Database]:
    """Yield the database that the settings name, embedded when they name none, with today's schema."""
    if settings.database_url is not None:
        yield _ready(settings.database_url)
        return
    with LocalPostgis(settings.data_dir, notice=notice) as postgis:
        database = _ready(postgis.url())
        try:
            yield database
        finally:
            database.engine.dispose()


def _ready(url: str) -> Database:
    engine = make_engine(url)
    wait_for(engine)
    require_fit(engine)
    if migrations.pending(engine):
        migrations.upgrade(engine)
    return Database(engine)
