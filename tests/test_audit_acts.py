"""What is in the audit: every refusal, every grant, everything that is taken along or set going."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

import fixtures
from api.worker import HANDLERS
from spatial import access, jobs
from spatial.access import operator
from spatial.crs import STORED
from spatial.db import Database
from spatial.history import Moment
from spatial.imports.files import export_file
from spatial.imports.grids.service import export_layer
from spatial.imports.subjects import SUBJECTS
from spatial.settings import Settings
from spatial.time import now
from tests.importing import rows
from tests.test_api import narrowed
from tests.test_cli import run, url_of

Maker = Callable[..., TestClient]
SECRET = "s3cret-of-somebody"


def recorded(database: Database, *actions: str) -> list[tuple[Any, ...]]:
    """Return the rows of some actions, oldest first."""
    named = ", ".join(f"'{action}'" for action in actions)
    return rows(database, f"SELECT actor, action, object, detail FROM audit WHERE action IN ({named}) ORDER BY id")


def test_a_denial_is_on_record(town_copy: Database, client_as: Maker) -> None:
    """Who was denied what, by route, and what was lacking; nothing of what was asked about."""
    path = "/jobs/00000000-0000-0000-0000-0000000000aa"
    assert client_as(town_copy, "viewer").delete(path).status_code == 403
    assert client_as(town_copy, "planner").get("/audit", params={"actor": SECRET}).status_code == 403
    lacking = {"lacking": "role-missing"}
    assert recorded(town_copy, "denied") == [
        ("demo-viewer", "denied", "DELETE /jobs/{job_id}", {**lacking, "needed": ["system_admin"]}),
        ("demo-planner", "denied", "GET /audit", {**lacking, "needed": ["audit_admin"]}),
    ]
    assert not holds(town_copy, SECRET)


def holds(database: Database, told: str) -> bool:
    """Return whether a text stands anywhere in the audit."""
    return rows(database, f"SELECT count(*) FROM audit WHERE audit::text LIKE '%{told}%'") != [(0,)]


def test_a_credential_shown_in_vain_is_on_record(town_copy: Database, client_as: Maker) -> None:
    """A token that is refused tells where it came from and is itself not kept; who shows none is only turned away."""
    far = TestClient(client_as(town_copy).app, client=("192.0.2.7", 1), raise_server_exceptions=False)
    assert far.get("/units").status_code == 401
    for shown in (f"Bearer {SECRET}", f"Basic {SECRET}", SECRET):
        assert far.get(f"/officers?unit={SECRET}", headers={"Authorization": shown}).status_code == 401
    refused = ("anonymous@192.0.2.7", "sign-in.refused", "GET /officers", {"lacking": "token-refused", "needed": []})
    assert recorded(town_copy, "denied", "sign-in.refused") == [refused] * 3
    assert not holds(town_copy, SECRET)


def test_a_refusal_that_cannot_be_recorded_is_not_told(town_copy: Database, client_as: Maker) -> None:
    """While the audit cannot be written, who would be denied is asked to come again, and nothing is done."""
    client = client_as(town_copy, "viewer")
    path = "/jobs/00000000-0000-0000-0000-0000000000aa"
    with town_copy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO elsewhere"))
    assert client.delete(path).status_code == 500
    with town_copy.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO audit"))
        connection.execute(text(f"ALTER DATABASE \"{town_copy.engine.url.database}\" SET lock_timeout = '100ms'"))
    client.app.state.database.engine.dispose()
    with town_copy.engine.begin() as blocker:
        blocker.execute(text("SELECT pg_advisory_xact_lock(domain_lock('audit'))"))
        assert client.delete(path).status_code == 503
    assert client.delete(path).status_code == 403
    assert len(recorded(town_copy, "denied")) == 1


def test_a_refusal_needs_one_connection(town_copy: Database, client_as: Maker) -> None:
    """A denial within a transaction of its own does not wait for the connection of the request."""
    client, narrow = narrowed(client_as(town_copy, "viewer"))
    for _ in range(2):
        assert client.delete("/jobs/00000000-0000-0000-0000-0000000000aa").status_code == 403
        assert client.get("/audit/export").status_code == 403
    narrow.engine.dispose()


def test_whoever_lost_a_role_while_a_job_waited_is_denied_on_record(town_copy: Database, client_as: Maker) -> None:
    """An import whose sender has been disabled meanwhile is not done, and that it was denied is on record."""
    client = client_as(town_copy, "system_admin")
    sent = client.post("/imports/sources", files={"file": ("sources.csv", b"code,title\n110,x\n")})
    assert sent.status_code == 202
    with town_copy.write() as session:
        session.execute(text("UPDATE principal SET disabled_at = now() WHERE name = 'demo-system_admin'"))
    jobs.run_next(town_copy, HANDLERS, clock=now)
    assert recorded(town_copy, "denied") == [
        ("demo-system_admin", "denied", "job/import", {"lacking": "no-such-principal", "needed": []})
    ]


# Everything that must leave a row, one after another ------------------------------------------------------------------

Step = Callable[[Database, Maker, Path], None]


def add_and_issue(database: Database, _client_as: Maker, _folder: Path) -> None:
    """Add a principal with a role, and give it a token."""
    instant = now()
    with database.write() as session:
        access.add_principal(session, operator("t"), "city", {"zh-CN": "市", "en": "city"}, "viewer", now=instant)
        access.issue_token(session, operator("t"), "city", "t", now=instant, expires=instant + timedelta(days=1))


def admit(database: Database, _client_as: Maker, _folder: Path) -> None:
    """Let the demo's principals in."""
    with database.write() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE principal SET is_demo = false, name = name || '-old'"))
    fixtures.admit(database)


def take_grids(database: Database, _client_as: Maker, folder: Path) -> None:
    """Export a layer."""
    settings = Settings(data_dir=folder)
    moment = Moment(now())
    export_layer(
        database, operator("t"), "police", moment, folder / "a.geojson", "geojson", crs=STORED, settings=settings
    )


def take_officers(database: Database, _client_as: Maker, folder: Path) -> None:
    """Export officers with their phones."""
    with database.read() as session:
        actor = access.actor_named(session, "demo-dispatcher")
    assert actor is not None
    export_file(database, actor, SUBJECTS["officers"], Moment(now()), folder / "o.csv", "csv")
    assert "0571" in (folder / "o.csv").read_text()


def look_at_map(database: Database, client_as: Maker, _folder: Path) -> None:
    """Open the map."""
    assert client_as(database, "viewer").get("/maps/grids", params={"layer": "police"}).status_code == 200


def write_map(database: Database, _client_as: Maker, folder: Path) -> None:
    """Write the map to a file."""
    own = {"TWINGRID_DATABASE_URL": url_of(database), "TWINGRID_DATA_DIR": str(folder)}
    assert run("map", "grids", "-o", str(folder / "map.html"), **own).returncode == 0


def take_audit(database: Database, client_as: Maker, _folder: Path) -> None:
    """Download the audit."""
    assert client_as(database, "audit_admin").get("/audit/export").status_code == 200


def send_and_download(database: Database, client_as: Maker, folder: Path) -> None:
    """Send a file with a fault, and download what is wrong with it."""
    client = client_as(database, "system_admin")
    sent = client.post(
        "/imports/sources", files={"file": ("sources.csv", b"code,title,expected_interval\n110,x,soon\n")}
    )
    jobs.run_next(database, HANDLERS, clock=now)
    for part in ("faults.csv", "annotated"):
        assert client.get(f"/imports/{sent.json()['id']}/{part}").status_code == 200, part


def start_and_stop(database: Database, client_as: Maker, _folder: Path) -> None:
    """Start a job and cancel it."""
    planner = client_as(database, "planner")
    assert planner.delete(planner.post("/layers/police/check").headers["location"]).status_code == 200


def rename_categories(database: Database, client_as: Maker, _folder: Path) -> None:
    """Map a source's codes."""
    reply = client_as(database, "system_admin").put("/sources/110/categories", json={"A": "bicycle-theft"})
    assert reply.status_code == 200, reply.text


STEPS: list[tuple[Step, list[str]]] = [
    (add_and_issue, ["principal.add", "grant.give", "token.issue"]),
    (admit, ["demo.admit"]),
    (take_grids, ["export-grids"]),
    (take_officers, ["export-officers", "phones.show"]),
    (look_at_map, ["export-map"]),
    (write_map, ["export-map"]),
    (take_audit, ["export-audit"]),
    (send_and_download, ["import.send", "import.download", "import.download"]),
    (start_and_stop, ["job.enqueue", "job.cancel"]),
    (rename_categories, ["source.map"]),
]


@pytest.mark.parametrize(("step", "actions"), STEPS, ids=[step.__name__ for step, _ in STEPS])
def test_what_is_granted_taken_along_or_set_going_leaves_a_row(
    town_copy: Database,
    client_as: Maker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Step,
    actions: list[str],
) -> None:
    """Each act leaves just the rows that tell of it."""
    from api import import_jobs

    monkeypatch.setattr(import_jobs, "settings", lambda: Settings(language="en", data_dir=tmp_path))
    ((before,),) = rows(town_copy, "SELECT count(*) FROM audit")
    step(town_copy, client_as, tmp_path)
    assert [
        action for (action,) in rows(town_copy, f"SELECT action FROM audit WHERE id > {before} ORDER BY id")
    ] == actions
