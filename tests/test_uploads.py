"""Files sent over HTTP: kept whole or not at all, tried by a job, looked at, and committed as they were seen."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

import fixtures
from api import import_jobs, multipart, worker
from api.app import create_app
from spatial import jobs
from spatial.db import Database
from spatial.settings import Settings
from spatial.tables import Category, Source
from spatial.time import now
from spatial.uploads import Uploads, safe_name
from tests.importing import FOUR, geojson_file, rows

SOURCES = "code,title,expected_interval\n110,警情,1 h\n12345,热线,1 d\n"
Send = Callable[..., Any]


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Return an empty deployment that admits the demo's principals."""
    fixtures.admit(empty_database)
    return empty_database


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with a data folder of their own, for the service and its worker."""
    made = Settings(language="en", data_dir=tmp_path / "data")
    for module in (import_jobs, worker):
        monkeypatch.setattr(module, "settings", lambda: made)
    return made


@pytest.fixture
def client(database: Database, config: Settings) -> Iterator[TestClient]:
    """Return a system administrator's client."""
    yield from asking_as(database, config, "system_admin")


def asking_as(database: Database, config: Settings, role: str) -> Iterator[TestClient]:
    """Yield the client of a principal of the demo."""
    app = create_app(database, config)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000), raise_server_exceptions=False) as client:
        client.cookies.set("twingrid_demo", f"demo-{role}")
        yield client


def send(
    client: TestClient, content: bytes | str, subject: str = "sources", name: str = "sources.csv", **how: Any
) -> Any:
    """Send a file, and return the answer."""
    return client.post(f"/imports/{subject}", files={"file": (name, content)}, data={"encoding": "utf-8", **how})


def work(database: Database) -> None:
    """Do all jobs that are due."""
    while jobs.run_next(database, worker.HANDLERS, clock=now) is not None:
        pass


def tried(client: TestClient, database: Database, *what: Any, **how: Any) -> dict[str, Any]:
    """Send a file, let its dry run end, and return the import."""
    reply = send(client, *what, **how)
    assert reply.status_code == 202, reply.text
    work(database)
    found: dict[str, Any] = client.get(reply.headers["location"]).json()
    return found


def left(config: Settings) -> list[str]:
    """Return the names of the folders of uploads."""
    return sorted(folder.name for folder in (config.data_dir / "uploads").glob("*"))


def test_a_file_is_tried_looked_at_and_committed(client: TestClient, database: Database) -> None:
    """The dry run writes nothing and says what would be; the commit does just that, once."""
    found = tried(client, database, SOURCES)
    assert found["dry_run"]["state"] == "done", found
    assert found["dry_run"]["report"]["counts"]["new"] == 2
    assert (found["can_commit"], rows(database, "SELECT count(*) FROM source")) == (True, [(0,)])
    path = f"/imports/{found['id']}"
    assert client.post(f"{path}/commit").status_code == 202
    assert client.post(f"{path}/commit").json()["type"] == "urn:twingrid:problem:conflict"
    work(database)
    done = client.get(path).json()
    assert (done["commit"]["state"], done["can_commit"]) == ("done", False)
    assert done["commit"]["report"]["counts"]["new"] == 2
    assert rows(database, "SELECT code FROM source ORDER BY code") == [("110",), ("12345",)]
    actions = [action for (action,) in rows(database, "SELECT action FROM audit ORDER BY id")]
    assert actions == ["demo.admit", "import.send", "import.commit", "import-sources"]
    again = tried(client, database, SOURCES)
    assert (again["dry_run"]["report"]["counts"]["same"], again["can_commit"]) == (2, False)


def test_a_file_with_nothing_new_is_committed_for_its_source_to_be_heard(database: Database, config: Settings) -> None:
    """A feed that sends files stays fresh while nothing happens; report and page say that no more than that is done."""
    tell = "source,external_id,category,at,lon,lat\n110,1,theft,2025-03-03T08:00:00Z,120.27,30.3\n"
    with database.write() as session:
        title = {"zh-CN": "x", "en": "x"}
        session.execute(insert(Source).values(code="110", title=title))
        matter = {"police_matter": True, "priority": 2, "handling_minutes": 30}
        session.execute(insert(Category).values(code="theft", title=title, **matter))
    heard = []
    for client in asking_as(database, config, "dispatcher"):
        for counted in ("new", "same", "same"):
            found = tried(client, database, tell, "incidents", "feed.csv", source_crs="EPSG:4490")
            assert (found["dry_run"]["report"]["counts"][counted], found["can_commit"]) == (1, True), found
            page = client.get("/imports", params={"id": found["id"], "lang": "en"}).text
            assert ("only records that the source has been heard" in page) == (counted == "same")
            assert client.post(f"/imports/{found['id']}/commit").status_code == 202
            work(database)
            heard += [at for (at,) in rows(database, "SELECT last_received FROM source")]
    assert heard[0] < heard[1] < heard[2]
    assert rows(database, "SELECT count(*) FROM incident") == [(1,)]


def test_all_faults_are_told_as_report_table_and_copy(client: TestClient, database: Database) -> None:
    """A file with faults cannot be committed; report, table and annotated copy say why, row by row."""
    found = tried(client, database, SOURCES + "13,x,soon\n,y,1 h\n")
    report = found["dry_run"]["report"]
    assert (report["fault_count"], {fault["row"] for fault in report["faults"]}) == (2, {4, 5})
    assert not found["can_commit"]
    path = f"/imports/{found['id']}"
    assert client.post(f"{path}/commit").status_code == 409
    table = client.get(f"{path}/faults.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.strip().splitlines()) == 3
    copy = client.get(f"{path}/annotated")
    assert "sources.annotated.csv" in copy.headers["content-disposition"]
    assert len(copy.text.strip().splitlines()) == 5


def test_cells_that_no_text_can_hold_are_told(client: TestClient, database: Database) -> None:
    """A NUL, half a letter, a control character: faults or notes, never a traceback nor a dead worker."""
    found = tried(client, database, b"code,title,expected_interval\n1\x002,x,\x00\n\xed\xb2\x80,\x07y,1\x1b\n")
    assert found["dry_run"]["state"] == "done", found
    assert not found["can_commit"]


def test_what_a_file_holds_is_not_shown_among_the_jobs(
    client: TestClient, database: Database, config: Settings
) -> None:
    """Any viewer sees that there was an import, and only who may do it sees what was in it."""
    tried(client, database, SOURCES + "13,x,secret\n")
    for viewer in asking_as(database, config, "viewer"):
        told = viewer.get("/jobs", params={"kind": "import"})
        assert len(told.json()["items"]) == 1
        assert "secret" not in told.text


def test_what_changed_since_the_dry_run_is_not_overwritten(client: TestClient, database: Database) -> None:
    """A commit that would do something else than was seen is refused, and says so; a new dry run shows what."""
    first, second = (tried(client, database, SOURCES.replace("热线", title)) for title in ("热线", "市民热线"))
    for one in (first, second):
        assert client.post(f"/imports/{one['id']}/commit").status_code == 202
    work(database)
    done, refused = (client.get(f"/imports/{one['id']}").json() for one in (first, second))
    assert (done["commit"]["state"], refused["commit"]["state"]) == ("done", "failed")
    assert "since the dry run" in refused["commit"]["fault"]
    assert (refused["can_commit"], client.post(f"/imports/{second['id']}/commit").status_code) == (False, 409)
    assert rows(database, "SELECT title->>'zh-CN' FROM source WHERE code = '12345'") == [("热线",)]
    again = client.post(f"/imports/{second['id']}/again", files={"encoding": (None, "utf-8")})
    assert again.status_code == 202, again.text
    work(database)
    assert client.get(again.headers["location"]).json()["dry_run"]["report"]["counts"]["changed"] == 1


def test_a_guess_is_shown_and_then_confirmed(client: TestClient, database: Database) -> None:
    """A file that does not say its encoding is not taken in by a guess; it need not be sent again to confirm it."""
    found = tried(client, database, SOURCES.encode("gb18030"), encoding="")
    (fault,) = found["dry_run"]["report"]["faults"]
    assert fault["fault"] == "encoding-unconfirmed"
    assert "警情" in fault["detail"]
    again = client.post(f"/imports/{found['id']}/again", files={"encoding": (None, "gb18030")})
    work(database)
    assert client.get(again.headers["location"]).json()["can_commit"]


def test_the_page_says_what_the_report_says(client: TestClient, database: Database) -> None:
    """Form, report and list, in both languages; what a file holds is text on it."""
    found = tried(client, database, SOURCES + "<b>x</b>,<i>y</i>,soon\n", name="<b>.csv")
    for lang, words in (("zh-CN", ("试运行：完成", "来源", "错误")), ("en", ("Dry run: done", "Sources"))):
        page = client.get("/imports", params={"id": found["id"], "lang": lang})
        assert (page.status_code, page.headers["content-language"]) == (200, lang)
        assert all(word in page.text for word in words)
        assert "<b>" not in page.text.replace("<b>试运行", "").replace("<b>Dry run", "")
    assert 'id="commit"' not in page.text
    assert "Dry run: has faults" in page.text
    again = tried(client, database, SOURCES)
    assert 'id="commit"' in client.get("/imports", params={"id": again["id"]}).text
    assert client.get("/imports", params={"id": str(uuid.uuid4())}).status_code == 404


def test_grids_come_over_http_too(database: Database, config: Settings, tmp_path: Path) -> None:
    """A planner sends a layer of grids, sees its findings, and commits it."""
    file = geojson_file(tmp_path, FOUR).read_bytes()
    for planner in asking_as(database, config, "planner"):
        how = {"layer": "police", "create_layer": "true", "chain": "none", "source_crs": "EPSG:4490"}
        found = tried(planner, database, file, "grids", "grids.geojson", **how)
        assert found["dry_run"]["report"]["counts"]["new"] == 4, found
        assert rows(database, "SELECT count(*) FROM layer") == [(0,)]
        planner.post(f"/imports/{found['id']}/commit")
        work(database)
        assert planner.get(f"/imports/{found['id']}").json()["commit"]["state"] == "done"
    assert rows(database, "SELECT count(*) FROM grid") == [(4,)]


def test_all_faults_of_grids_are_a_table(database: Database, config: Settings, tmp_path: Path) -> None:
    """Of very many faults of grids the report tells the first ones, and the table every one."""
    codes, kinds = [f"G{number}" for number in range(300)], ["odd"] * 300
    file = geojson_file(tmp_path, [FOUR[0]] * 300, code=codes, kind=kinds).read_bytes()
    for planner in asking_as(database, config, "planner"):
        how = {"layer": "police", "create_layer": "true", "grid_kind": "kind"}
        found = tried(planner, database, file, "grids", "grids.geojson", **how)
        report = found["dry_run"]["report"]
        assert (report["fault_count"], len(report["faults"])) == (300, 200)
        table = planner.get(f"/imports/{found['id']}/faults.csv")
        assert (table.status_code, len(table.text.splitlines())) == (200, 301)


def test_who_may_not_import_is_refused_before_anything_is_kept(
    database: Database, config: Settings, client: TestClient
) -> None:
    """The role is asked for when a file is sent, when its report is read, and again by the job."""
    found = tried(client, database, SOURCES)
    for viewer in asking_as(database, config, "viewer"):
        before = left(config)
        assert send(viewer, SOURCES).status_code == 403
        assert left(config) == before
        for path in ("", "/faults.csv", "/annotated"):
            assert viewer.get(f"/imports/{found['id']}{path}").status_code == 403
        assert viewer.post(f"/imports/{found['id']}/commit").status_code == 403
    client.post(f"/imports/{found['id']}/commit")
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE role_grant SET revoked_at = now()")
    work(database)
    assert rows(database, "SELECT state FROM job WHERE kind = 'import-commit'") == [("failed",)]
    assert rows(database, "SELECT count(*) FROM source") == [(0,)]


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ({"effective": "yesterday"}, ("effective", "not-a-time")),
        ({"colour": "red"}, ("colour", "unknown-field")),
        ({"complete": "perhaps"}, ("complete", "malformed")),
        ({"mapping": "columns = ["}, ("mapping", "mapping-unreadable")),
        ({"mapping": '{"colums": {}}'}, ("mapping colums", "mapping-key-unknown")),
        ({"encoding": "\x00"}, ("encoding", "text-has-control-characters")),
    ],
)
def test_a_form_that_makes_no_sense_leaves_nothing(
    client: TestClient, config: Settings, how: dict[str, str], fault: tuple[str, str]
) -> None:
    """Faults of the form are told at once, and neither file nor job is kept."""
    reply = send(client, SOURCES, **how)
    assert [(one["where"], one["fault"]) for one in reply.json()["faults"]] == [fault]
    assert left(config) == []


def test_a_file_beyond_the_limit_is_refused_while_it_arrives(
    database: Database, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file that is too large nor a field that is stays on the disk."""
    (client,) = asking_as(database, config.model_copy(update={"upload_limit_mb": 1}), "system_admin")
    assert send(client, b"x" * 2**20).status_code == 413
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + b"x" * 2**20
    arriving = iter([form[:1000], form[1000:]])  # its size is not told beforehand
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/imports/sources", content=arriving, headers=head).status_code == 413
    monkeypatch.setattr(multipart, "LONGEST_FIELD", 10)
    assert send(client, b"x", mapping="y" * 11).status_code == 413
    assert left(config) == []


def test_what_is_no_form_is_refused(client: TestClient, config: Settings) -> None:
    """Another kind of body, a form without a file, with two, or one that is cut short, leaves nothing."""
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\ncode\r\n'
    path = "/imports/sources"
    assert client.post(path, json={}).status_code == 415
    for body, fault in (
        (b"--b--\r\n", "missing"),
        (part + part + b"--b--\r\n", "given-twice"),
        (part, "form-cut-short"),
        (b"code\n110\n", "form-malformed"),
        (part.replace(b'"file"', b'"other"') + b"--b--\r\n", "unknown-field"),
    ):
        reply = client.post(path, content=body, headers=head)
        assert (reply.status_code, reply.json()["faults"][0]["fault"]) == (400, fault)
    assert client.post("/imports/suspects", content=part, headers=head).status_code == 404
    assert left(config) == []


def test_files_are_swept_when_they_are_old_or_nobody_claims_them(
    client: TestClient, database: Database, config: Settings
) -> None:
    """An upload stays a week with its report; what was received by a process that was killed, a day."""
    found = tried(client, database, SOURCES)
    stray = Uploads(config.data_dir).incoming(uuid.uuid4(), "half.csv")
    stray.write(b"co")
    stray.close()
    kept = Uploads(config.data_dir)

    def swept(after: timedelta) -> int:
        with database.read() as session:
            return kept.sweep(now() + after, lambda upload_id: jobs.exists(session, upload_id))

    assert swept(timedelta(hours=23)) == 0
    assert (swept(timedelta(hours=25)), left(config)) == (1, [found["id"], f"{found['id']}.report"])
    assert (swept(timedelta(days=8)), left(config)) == (2, [])
    client.post(f"/imports/{found['id']}/commit")
    work(database)
    assert "no longer here" in client.get(f"/imports/{found['id']}").json()["commit"]["fault"]


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_name_of_a_file_leads_nowhere(name: str) -> None:
    """Whatever a caller names a file, it lies in the folder that is meant for it."""
    safe = safe_name(name)
    assert safe
    assert "/" not in safe
    assert safe.strip(".") == safe
    assert len(safe.encode()) < 200
    assert safe_name(safe) == safe


def test_a_name_keeps_its_letters_and_its_ending() -> None:
    """The reader decides by the ending what a file is."""
    assert safe_name("C:\\资料\\2025年 花名册(终).XLSX") == "2025年 花名册(终).XLSX"
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name(f"{'名' * 200}.csv").endswith(".csv")
