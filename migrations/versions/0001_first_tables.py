"""The first tables, their rules, and the views for QGIS."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HERE = Path(__file__).parent


def run(name: str) -> None:
    """Run a file of SQL as it stands, without reading `%` or `:name` as parameters."""
    op.get_bind().connection.cursor().execute((HERE / name).read_text(encoding="utf-8"))


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for part in ("0001_tables.sql", "0001_rules.sql", "0001_audit.sql", "0001_roles.sql", "0001_views.sql"):
        run(part)


def downgrade() -> None:
    run("0001_down.sql")
