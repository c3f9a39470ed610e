"""What must hold once the schema has been brought up, asked before anything of it is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from spatial.backup.queries import table_contents
from spatial.errors import SetupError
from spatial.tables import Base

from .comparing import include_name

OWN_TABLES = {"alembic_version"}


@contextmanager
def nothing_lost(connection: Connection, rewritten: set[str], smoke: Callable[[Connection], None]) -> Iterator[None]:
    """Hold what a migration leaves against what the product expects and what was there before.

    The schema equals the declared tables; a table that kept its columns kept its rows, unless it is one of `rewritten`;
    `smoke` raises nothing.
    Errors: `upgrade-schema-differs`, `upgrade-changed-rows`.
    """
    before = table_contents(connection)
    yield
    comparing = MigrationContext.configure(
        connection, opts={"compare_server_default": True, "include_name": include_name}
    )
    if differences := compare_metadata(comparing, Base.metadata):
        raise SetupError("upgrade-schema-differs", differences=[str(one) for one in differences])
    after = table_contents(connection)
    kept = set(before) - rewritten - OWN_TABLES
    gone = {name for name in kept if name not in after and name in Base.metadata.tables}
    same_columns = {name for name in kept & set(after) if before[name].columns == after[name].columns}
    changed = sorted(gone | {name for name in same_columns if before[name] != after[name]})
    if changed:
        raise SetupError("upgrade-changed-rows", tables=changed)
    smoke(connection)
