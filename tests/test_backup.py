"""Backups: taken under load, checked, tried, put back; and what kill -9 leaves behind."""

import os
import random
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

import migrations
from api.upgrade import migrate
from spatial import audit
from spatial.audit.check import chain_break
from spatial.backup import dump, folder, manifest, queries, restore
from spatial.backup.manifest import TableContent
from spatial.db import Database
from spatial.errors import Conflict, InputError, SetupError
from spatial.local_postgis import LocalPostgis
from spatial.time import now
from tests.command_line import run_verb
from tests.conftest import copy_of
from tests.content import AUDIT
from tests.service import TWINGRID
from tests.waiting import wait_until

REVISIONS = migrations.revisions()
KILLS = 10


@pytest.fixture
def database(cluster: LocalPostgis, town_template: str) -> Iterator[Database]:
    """Yield a town, and see that what its restores kept is dropped, too."""
    with copy_of(cluster, town_template) as made:
        yield made
        with made.engine.connect() as connection:
            kept = queries.databases_like(connection, f"{made.engine.url.database}_")
        for name in kept:
            cluster.drop_database(name)


def contents(database: Database) -> dict[str, TableContent]:
    with database.read() as session:
        return queries.table_contents(session.connection())


def restored(database: Database, backup: Path) -> str:
    """Restore in earnest and return the name of what was replaced."""
    change = restore.compare(database, backup, REVISIONS)
    return restore.restore(database, "test", backup, change, migrate=migrate, now=now())


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT action FROM audit ORDER BY id")))


def change_something(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE address SET dwellings = dwellings + 1 WHERE id = 5"))
        audit.record(session, "test", "test.change", "address/5", {})


def verb(database: Database, tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `twingrid db` on a database of the tests."""
    return run_verb("db", *arguments, env=environment(database, tmp_path))


def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    url = database.engine.url.render_as_string(hide_password=False)
    return os.environ | {"TWINGRID_DATABASE_URL": url, "TWINGRID_DATA_DIR": str(tmp_path), "TWINGRID_LANGUAGE": "en"}


def test_a_backup_is_private_whole_and_says_what_it_holds(database: Database, tmp_path: Path) -> None:
    """Its folder and files are the operator's alone; sha256sum itself finds them right; the manifest tells the rest."""
    found = dump.take(database, "test", tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o700
    files = list((tmp_path / "b").iterdir())
    assert {file.name for file in files} == {"manifest.json", "database.dump", "SHA256SUMS"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "b").returncode == 0
    assert manifest.read(tmp_path / "b") == found
    assert found.tables == {**contents(database), **{one: found.tables[one] for one in AUDIT}}
    assert found.schema_revision in REVISIONS
    assert found.versions["areas"] > 0
    assert actions(database)[-1] == "database.backup"
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_a_backup_under_load_restores_to_the_same_content(
    database: Database, tmp_path: Path, client_as: Callable[[Database, str], TestClient]
) -> None:
    """While incidents and audit rows keep coming, a backup is of one instant: restored, its hash is the manifest's."""
    stop, written = threading.Event(), []
    client = client_as(database, "dispatcher")
    with database.read() as session:
        source, category = session.execute(
            text("SELECT source.code, category.code FROM source, category LIMIT 1")
        ).one()

    def post_incidents() -> None:
        while not stop.is_set():
            event = {
                "source": source,
                "external_id": f"L{len(written)}",
                "category": category,
                "lon": 120.27,
                "lat": 30.3,
            }
            reply = client.post("/incidents", json={**event, "reported_at": now().isoformat()})
            assert reply.status_code == 201, reply.text
            written.append("incident")

    def write_audit() -> None:
        while not stop.is_set():
            change_something(database)
            written.append("audit")

    writers = [threading.Thread(target=write) for write in (post_incidents, write_audit)]
    for writer in writers:
        writer.start()
    try:
        wait_until(lambda: {"incident", "audit"} <= set(written))
        before = len(written)
        found = dump.take(database, "test", tmp_path / "b")
        assert {"incident", "audit"} <= set(written[before:]), "nothing was written meanwhile"
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    client.app.state.database.engine.dispose()
    assert restore.drill(database, "test", tmp_path / "b", REVISIONS).content == found.content
    restored(database, tmp_path / "b")
    after = contents(database)
    assert {**after, **{one: found.tables[one] for one in AUDIT}} == found.tables
    assert after["audit"].rows == found.tables["audit"].rows + 1
    with database.read() as session:
        assert chain_break(session) is None


def test_what_was_replaced_is_kept_and_on_record(database: Database, cluster: LocalPostgis, tmp_path: Path) -> None:
    """A restore keeps what it replaced, drops what an earlier one kept, and binds both chains of the audit."""
    dump.take(database, "test", tmp_path / "b")
    before = contents(database)
    change_something(database)
    lost = contents(database)
    with database.read() as session:
        head = queries.audit_head(session.connection())
    first = restored(database, tmp_path / "b")
    assert contents(database)["address"] == before["address"]
    assert actions(database)[-1] == "database.restore"
    with database.read() as session:
        told = session.scalar(text("SELECT detail FROM audit ORDER BY id DESC LIMIT 1"))
    assert head is not None
    assert told["replaced_audit_head"] == head.model_dump()
    with copy_of(cluster, first) as kept:
        assert contents(kept) == lost
    second = restored(database, tmp_path / "b")
    with database.engine.connect() as connection:
        assert queries.databases_like(connection, f"{database.engine.url.database}_") == [second]


def test_a_dry_run_changes_nothing_and_says_what_would(database: Database, tmp_path: Path) -> None:
    """Without --commit the rows that differ are counted, now and then, and nothing is replaced."""
    dump.take(database, "test", tmp_path / "b")
    change_something(database)
    before = contents(database)
    done = verb(database, tmp_path, "restore", str(tmp_path / "b"))
    assert done.returncode == 0, done.stderr
    assert "rows of audit" in done.stdout
    assert "dry run" in done.stderr
    assert contents(database) == before


@pytest.mark.proof
def test_the_command_line_backs_up_drills_and_restores(database: Database, tmp_path: Path) -> None:
    """`db backup`, `db verify --drill` and `db restore --commit` are all it takes."""
    assert verb(database, tmp_path, "backup", "-o", str(tmp_path)).returncode == 0
    (made,) = tmp_path.glob("twingrid-*Z")
    before = contents(database)["address"]
    change_something(database)
    done = verb(database, tmp_path, "verify", str(made), "--drill", "--json")
    assert done.returncode == 0, done.stderr
    told = orjson.loads(done.stdout)
    assert told["drilled"] is True
    assert told["content"] == manifest.read(made).content
    database.engine.dispose()
    done = verb(database, tmp_path, "restore", str(made), "--commit")
    assert done.returncode == 0, done.stderr
    assert contents(database)["address"] == before


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "add", "sums"])
def test_a_damaged_backup_is_refused(database: Database, tmp_path: Path, harm: str) -> None:
    """A changed, shortened, missing or added file is named, and nothing is restored from it."""
    backup = tmp_path / "b"
    dump.take(database, "test", backup)
    dumped = backup / "database.dump"
    content = dumped.read_bytes()
    named = "database.dump"
    if harm == "flip":
        dumped.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif harm == "cut":
        dumped.write_bytes(content[:-1])
    elif harm == "remove":
        dumped.unlink()
    elif harm == "add":
        (backup / (named := "more")).touch()
    else:
        (backup / (named := "SHA256SUMS")).unlink()
    for step in (
        lambda: manifest.read(backup),
        lambda: restore.compare(database, backup, REVISIONS),
        lambda: restore.drill(database, "test", backup, REVISIONS),
    ):
        with pytest.raises(SetupError, match="backup-damaged") as refused:
            step()
        assert refused.value.values["files"] == [named]


def test_a_backup_that_lies_is_found_by_the_drill(database: Database, tmp_path: Path) -> None:
    """Where the checksums are right but the rows are not what the manifest says, the tables are named."""
    found = dump.take(database, "test", tmp_path / "b")
    other = found.tables["address"].model_copy(update={"hash": "1"})
    with folder.whole(tmp_path / "lie") as half:
        (half / dump.FILE).write_bytes((tmp_path / "b" / dump.FILE).read_bytes())
        manifest.write(half, found.model_copy(update={"tables": {**found.tables, "address": other}}))
    with pytest.raises(SetupError, match="restored-otherwise") as refused:
        restore.drill(database, "test", tmp_path / "lie", REVISIONS)
    assert refused.value.values["tables"] == ["address"]
    assert scratch_databases(database) == []


def scratch_databases(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return queries.databases_like(connection, f"{database.engine.url.database}{restore.SCRATCH}")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [({"schema_revision": "9999"}, "backup-of-newer-product"), ({"postgresql": 99}, "backup-of-newer-postgresql")],
)
def test_what_cannot_be_read_here_is_refused(
    database: Database, tmp_path: Path, change: dict[str, object], refusal: str
) -> None:
    """A backup of a newer schema or a newer PostgreSQL is refused before anything is made."""
    found = dump.take(database, "test", tmp_path / "b")
    with folder.whole(tmp_path / "newer") as half:
        (half / dump.FILE).write_bytes((tmp_path / "b" / dump.FILE).read_bytes())
        manifest.write(half, found.model_copy(update=change))
    for step in (
        lambda: restore.compare(database, tmp_path / "newer", REVISIONS),
        lambda: restore.drill(database, "test", tmp_path / "newer", REVISIONS),
    ):
        with pytest.raises(InputError, match=refusal):
            step()


def test_nothing_is_overwritten(database: Database, tmp_path: Path) -> None:
    """A folder that is there already is left alone; one of another kind is no backup."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    with pytest.raises(InputError, match="backup-exists"):
        dump.take(database, "test", tmp_path / "b")
    with pytest.raises(InputError, match="not-a-backup"):
        manifest.read(tmp_path / "b")
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["mine"]


def test_a_database_in_use_is_not_replaced(database: Database, tmp_path: Path) -> None:
    """As long as somebody else is connected, a restore is refused and says who; nothing is left beside."""
    dump.take(database, "test", tmp_path / "b")
    change_something(database)
    before = contents(database)
    change = restore.compare(database, tmp_path / "b", REVISIONS)
    with database.engine.connect() as connection:
        connection.execute(text("SET application_name = 'qgis'"))
        with pytest.raises(Conflict, match="database-in-use") as refused:
            restore.restore(database, "test", tmp_path / "b", change, migrate=migrate, now=now())
    assert refused.value.values["names"] == ["qgis"]
    assert scratch_databases(database) == []
    assert contents(database) == before


def test_roles_policies_and_grants_come_back(cluster: LocalPostgis, empty_template: str, tmp_path: Path) -> None:
    """Roles are the server's: those the database needs are made again, without passwords, with their grants."""
    with copy_of(cluster, empty_template) as database:
        name = str(database.engine.url.database)
        with database.write() as session:
            for statement in (
                "CREATE ROLE tg_group NOLOGIN",
                "CREATE ROLE tg_login LOGIN NOINHERIT PASSWORD 'secret' IN ROLE tg_group",
                "GRANT SELECT ON unit TO tg_group",
                "ALTER TABLE unit ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY p ON unit FOR SELECT TO tg_group USING (id > 0)",
                f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC',
                f'GRANT CONNECT ON DATABASE "{name}" TO tg_login',
                f'ALTER DATABASE "{name}" SET search_path = public, pg_temp',
                f"ALTER ROLE tg_login IN DATABASE \"{name}\" SET statement_timeout = '7s'",
            ):
                session.execute(text(statement))
        dump.take(database, "test", tmp_path / "b")
        try:
            before = standing(database)
            assert {role.name for role in before.roles} == {"tg_group", "tg_login"}
            kept = restored(database, tmp_path / "b")
            assert standing(database) == before
            cluster.drop_database(kept)
            with database.write() as session:
                for statement in (
                    "DROP POLICY p ON unit",
                    "DROP OWNED BY tg_login, tg_group",
                    "DROP ROLE tg_login, tg_group",
                    f'ALTER DATABASE "{name}" RESET ALL',
                ):
                    session.execute(text(statement))
            assert standing(database).roles == ()
            cluster.drop_database(restored(database, tmp_path / "b"))
            assert standing(database) == before
            with database.read() as session:
                mine = "SELECT policyname, roles::text[] FROM pg_policies WHERE policyname = 'p'"
                policy = session.execute(text(mine)).one()
                password = session.scalar(text("SELECT rolpassword FROM pg_authid WHERE rolname = 'tg_login'"))
            assert tuple(policy) == ("p", ["tg_group"])
            assert password is None
        finally:
            with database.write() as session:
                session.execute(text("DROP OWNED BY tg_login, tg_group"))
                session.execute(text("DROP ROLE tg_login, tg_group"))


def standing(database: Database) -> manifest.Standing:
    """Return what a database rests on, of roles those of this file: others belong to the whole cluster of the tests."""
    with database.read() as session:
        found = queries.standing(session.connection())
    return found.model_copy(update={"roles": tuple(role for role in found.roles if role.name.startswith("tg_"))})


@pytest.mark.proof
def test_killed_while_backing_up(database: Database, tmp_path: Path) -> None:
    """Whenever it is killed, there is a whole backup or none; what is half is cleared by the next."""
    target = tmp_path / "out"
    started = time.monotonic()
    assert verb(database, tmp_path, "backup", "-o", str(target / "0")).returncode == 0
    took = time.monotonic() - started
    rng = random.Random()
    for number in range(1, KILLS + 1):
        killed(database, tmp_path, rng.uniform(0.3, 1.05) * took, "backup", "-o", str(target / str(number)))
        for made in target.glob("[0-9]*"):
            manifest.read(made)
    assert verb(database, tmp_path, "backup", "-o", str(target / "last")).returncode == 0
    assert list(target.glob(".*")) == []


@pytest.mark.proof
def test_killed_while_restoring(database: Database, tmp_path: Path) -> None:
    """Whenever it is killed, the database is the old one or the new one, and the next restore succeeds."""
    dump.take(database, "test", tmp_path / "b")
    old = contents(database)["address"]
    change_something(database)
    new = contents(database)["address"]
    assert old != new
    database.engine.dispose()
    started = time.monotonic()
    assert verb(database, tmp_path, "restore", str(tmp_path / "b"), "--commit").returncode == 0
    took = time.monotonic() - started
    rng = random.Random()
    for _ in range(KILLS):
        change_something(database)
        changed = contents(database)["address"]
        database.engine.dispose()
        killed(database, tmp_path, rng.uniform(0.3, 1.05) * took, "restore", str(tmp_path / "b"), "--commit")
        assert contents(database)["address"] in (old, changed)
        with database.read() as session:
            assert chain_break(session) is None
        database.engine.dispose()
    assert verb(database, tmp_path, "restore", str(tmp_path / "b"), "--commit").returncode == 0
    assert contents(database)["address"] == old
    assert scratch_databases(database) == []


def killed(database: Database, tmp_path: Path, after_s: float, *arguments: str) -> None:
    """Run `twingrid db` and kill it, what it started lives on for a moment."""
    process = subprocess.Popen(
        [TWINGRID, "db", *arguments], env=environment(database, tmp_path), stderr=subprocess.DEVNULL
    )
    time.sleep(after_s)
    process.kill()
    process.wait()
