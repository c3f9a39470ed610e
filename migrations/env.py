"""How alembic reaches the database: over the connection that `migrations.upgrade` hands it."""

from alembic import context

from spatial.tables import Base


def include_name(name: str | None, kind: str, _parents: dict[str, str | None]) -> bool:
    """Leave PostGIS's own table and the monthly partitions of incidents out of comparisons."""
    return not (kind == "table" and name and (name == "spatial_ref_sys" or name.startswith("incident_p")))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=include_name,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
