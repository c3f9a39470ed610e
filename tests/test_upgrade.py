"""Upgrades of the schema: backed up first, proven before anything is kept, taken back whole."""

from pathlib import Path

import pytest
from sqlalchemy import text

import migrations
from api.upgrade import upgrade
from spatial.audit.check import chain_break
from spatial.backup import manifest, queries
from spatial.backup.manifest import TableContent
from spatial.db import Database
from spatial.errors import SetupError
from spatial.local_postgis import Notice
from spatial.settings import Settings
from tests.content import AUDIT

BREAK_LOOK_UP = """CREATE OR REPLACE FUNCTION st_x(geometry) RETURNS float8 LANGUAGE plpgsql
                   AS $$ BEGIN RAISE 'broken'; END $$"""
TOUCH = "UPDATE address SET dwellings = dwellings + 1"


def next_revision(folder: Path, *statements: str, rewrites: frozenset[str] = frozenset()) -> tuple[Path, ...]:
    """Write a revision after the product's newest, and return where all revisions lie."""
    head = max(migrations.revisions())
    lines = ["from alembic import op", 'revision = "test"', f'down_revision = "{head}"', "branch_labels = None"]
    lines += ["depends_on = None", f"rewrites = {set(rewrites)!r}", "def upgrade():", "    pass"]
    lines += [f"    op.execute({statement!r})" for statement in statements]
    folder.mkdir()
    (folder / "test_revision.py").write_text("\n".join(lines))
    return (*migrations.VERSIONS, folder)


def state(database: Database) -> tuple[str | None, dict[str, TableContent]]:
    """Return revision and content, the audit apart: a backup that was taken stays on record."""
    with database.read() as session:
        found = queries.table_contents(session.connection())
        return queries.schema_revision(session.connection()), {k: v for k, v in found.items() if k not in AUDIT}


def told() -> tuple[list[str], Notice]:
    """Return a list of notices and what fills it."""
    notices: list[str] = []
    return notices, lambda text, **_: notices.append(text)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ((TOUCH, "SELECT 1 / 0"), ""),
        ((TOUCH, "SELECT nonsense"), "nonsense"),
        (("ALTER TABLE address ADD COLUMN extra text",), "upgrade-schema-differs"),
        (("DROP INDEX ix_address_point",), "upgrade-schema-differs"),
        ((TOUCH,), "upgrade-changed-rows"),
        (("ALTER TABLE road_edge DISABLE TRIGGER ALL", "DELETE FROM road_edge WHERE id = 7"), "upgrade-changed-rows"),
        ((BREAK_LOOK_UP,), "broken"),
    ],
    ids=["value", "statement", "column", "index", "rows-changed", "rows-lost", "look-up"],
)
def test_an_upgrade_that_fails_leaves_everything_as_it_was(
    town_copy: Database, tmp_path: Path, statements: tuple[str, ...], reason: str
) -> None:
    """Whatever is wrong with it, nothing of it is kept, the reason is said, and the backup taken before is whole."""
    before = state(town_copy)
    notices, notice = told()
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(SetupError, match="upgrade-failed") as failed:
        upgrade(town_copy, settings, notice, folders=next_revision(tmp_path / "next", *statements))
    assert reason in failed.value.values["said"]
    assert state(town_copy) == before
    (backup,) = (tmp_path / "backups").iterdir()
    assert {k: v for k, v in manifest.read(backup).tables.items() if k not in AUDIT} == before[1]
    assert notices == ["backed-up"]
    with town_copy.read() as session:
        assert session.scalar(text("SELECT action FROM audit ORDER BY id DESC LIMIT 1")) == "database.backup"
        assert chain_break(session) is None


def test_an_upgrade_that_holds_is_kept_and_on_record(town_copy: Database, tmp_path: Path) -> None:
    """Rows may change in the tables that the revision names; the audit says that it was done."""
    before = state(town_copy)[1]
    notices, notice = told()
    folders = next_revision(tmp_path / "next", TOUCH, rewrites=frozenset({"address"}))
    upgrade(town_copy, Settings(data_dir=tmp_path), notice, folders=folders)
    revision, after = state(town_copy)
    assert revision == "test"
    assert {name for name in before if before[name] != after[name]} == {"address", "alembic_version"}
    assert notices == ["backed-up", "schema-upgraded"]
    with town_copy.read() as session:
        assert session.scalar(text("SELECT action FROM audit ORDER BY id DESC LIMIT 1")) == "database.upgrade"
        assert chain_break(session) is None


def test_what_holds_nothing_is_not_backed_up(empty_database: Database, tmp_path: Path) -> None:
    """A database without layers and units is brought up at once."""
    notices, notice = told()
    folders = next_revision(tmp_path / "next", "SELECT 1")
    upgrade(empty_database, Settings(data_dir=tmp_path), notice, folders=folders)
    assert notices == ["schema-upgraded"]
    assert not (tmp_path / "backups").exists()


def test_a_newer_schema_is_refused(town_copy: Database, tmp_path: Path) -> None:
    """An older program does not touch what a newer one made."""
    folders = next_revision(tmp_path / "next", "SELECT 1")
    notice = told()[1]
    upgrade(town_copy, Settings(data_dir=tmp_path), notice, folders=folders)
    before = state(town_copy)
    assert migrations.pending(town_copy.engine)
    with pytest.raises(SetupError, match="schema-newer"):
        upgrade(town_copy, Settings(data_dir=tmp_path), notice)
    assert state(town_copy) == before
