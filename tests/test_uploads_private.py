"""Who sees a file that was sent, what tells of single people in it, and what a request without right may cost."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from spatial.db import Database
from spatial.settings import Settings
from spatial.time import now
from spatial.uploads import Uploads
from tests.importing import rows
from tests.test_uploads import SOURCES, asking_as, client, config, database, left, send, tried, work

__all__ = ["client", "config", "database"]  # fixtures

PHONE = "13800138000"
INCIDENTS = "source,external_id,category,at,lon,lat\n110,1,noise,2025-03-03 08:30,120.3,30.2\n"


@pytest.fixture
def dispatcher(database: Database, config: Settings) -> Iterator[TestClient]:
    """Return a dispatcher's client."""
    yield from asking_as(database, config, "dispatcher")


@pytest.fixture
def duty_officer(database: Database, config: Settings) -> Iterator[TestClient]:
    """Return a duty officer's client."""
    yield from asking_as(database, config, "duty_officer")


@pytest.mark.parametrize(
    "content",
    [SOURCES.replace("警情", f"张三{PHONE}"), SOURCES.replace("title", "手机"), "code,title,手机\n110,警情,x\n"],
)
def test_a_file_that_tells_of_single_people_is_not_kept(
    client: TestClient, database: Database, config: Settings, content: str
) -> None:
    """Neither the file nor a copy of it stays once that is found; the report says so."""
    found = tried(client, database, content)
    assert not found["can_commit"]
    assert [note["fault"] for note in found["dry_run"]["report"]["notes"]] == ["upload-deleted"]
    assert found["id"] not in left(config)
    assert client.get(f"/imports/{found['id']}/annotated").status_code == 404
    kept = [file for file in config.data_dir.rglob("*") if file.is_file()]
    assert not any(PHONE.encode() in file.read_bytes() for file in kept)
    assert client.post(f"/imports/{found['id']}/again", files={"encoding": (None, "utf-8")}).status_code == 404


def test_what_was_sent_is_given_to_its_sender_only(
    client: TestClient, dispatcher: TestClient, duty_officer: TestClient, database: Database
) -> None:
    """Others who may import the same see the report, and neither the file's copy nor what is wrong in its cells."""
    found = tried(dispatcher, database, INCIDENTS, "incidents", "incidents.csv", source_crs="EPSG:4490")
    path = f"/imports/{found['id']}"
    for name in ("faults.csv", "annotated"):
        assert dispatcher.get(f"{path}/{name}").status_code == 200
        assert duty_officer.get(f"{path}/{name}").status_code == client.get(f"{path}/{name}").status_code == 403
    assert duty_officer.get(path).status_code == 200
    assert client.get(path).status_code == 403, "the system administrator reads no events"
    assert duty_officer.post(f"{path}/again", files={"encoding": (None, "utf-8")}).status_code == 403


def test_who_may_not_import_is_refused_before_the_form_is_read(
    client: TestClient, database: Database, config: Settings
) -> None:
    """Neither role nor import is looked for after a body that is no form; fields are limited in sum."""
    found = tried(client, database, SOURCES)
    body = {"content": b"x" * 1000, "headers": {"Content-Type": "text/plain"}}
    for viewer in asking_as(database, config, "viewer"):
        assert viewer.post(f"/imports/{found['id']}/again", **body).status_code == 403
    assert client.post("/imports/00000000-0000-0000-0000-000000000000/again", **body).status_code == 404
    fields = [("drop", (None, "x" * 900_000)) for _ in range(3)]
    assert client.post(f"/imports/{found['id']}/again", files=fields).status_code == 413
    assert client.post("/imports/sources", files=[("file", ("a.csv", b"x")), *fields]).status_code == 413


def test_a_full_disk_is_told_without_its_folder(
    client: TestClient, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service keeps its files is nothing for a caller to know."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("spatial.uploads.os.fsync", full)
    reply = send(client, SOURCES)
    assert (reply.status_code, str(config.data_dir) in reply.text) == (500, False)
    assert left(config) == []


def test_only_the_service_reads_what_was_sent(client: TestClient, database: Database, config: Settings) -> None:
    """Folders of uploads and of their reports are closed to other users of the machine, whatever the umask is."""
    tried(client, database, SOURCES)
    for folder in (config.data_dir / "uploads").iterdir():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((config.data_dir / "uploads").stat().st_mode) == 0o700


def test_local_times_are_of_the_zone_that_is_asked(
    client: TestClient, dispatcher: TestClient, database: Database
) -> None:
    """A file of another zone is read by that zone, named in a field or in a mapping; an unknown one is refused."""
    client.post(f"/imports/{tried(client, database, SOURCES)['id']}/commit")
    with database.write() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO category (code, title, police_matter, priority, handling_minutes) "
            """VALUES ('noise', '{"zh-CN": "x", "en": "x"}', true, 3, 30)"""
        )
    work(database)
    how = {"source_crs": "EPSG:4490", "timezone": "Asia/Urumqi"}
    found = tried(dispatcher, database, INCIDENTS, "incidents", "incidents.csv", **how)
    dispatcher.post(f"/imports/{found['id']}/commit")
    work(database)
    assert rows(database, "SELECT at::text FROM incident") == [("2025-03-03 02:30:00+00",)]
    for wrong in ({"timezone": "Mars/Phobos"}, {"mapping": '{"timezone": "Mars/Phobos"}'}):
        reply = send(dispatcher, INCIDENTS, "incidents", "incidents.csv", **wrong)
        assert (reply.status_code, reply.json()["faults"][0]["fault"]) == (400, "unknown-zone")


def test_archives_unpacked_by_a_process_that_was_killed_are_swept(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day later; what others keep among the temporary files stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("twingrid-unpacked-1", "of-others"):
        (tmp_path / name).mkdir()
    kept = Uploads(config.data_dir)
    assert kept.sweep(now() + timedelta(hours=23), lambda _upload: False) == 0
    assert kept.sweep(now() + timedelta(hours=25), lambda _upload: False) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["of-others"]
