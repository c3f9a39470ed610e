"""How alembic reaches the database: over the connection that `migrations.upgrade` hands it."""

from alembic import context

from migrations.comparing import include_name
from spatial.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=include_name,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
