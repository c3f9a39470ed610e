"""The audit taken along: files that prove themselves, and a search for the audit administrator alone."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.audit import EXPORTS
from spatial import audit
from spatial.audit.anchors import anchors_file
from spatial.audit.check import Verdict
from spatial.audit.export import check_export, write_export
from spatial.db import Database
from spatial.errors import InputError
from spatial.signing import public_pem, read_public_key, signing_key
from spatial.time import now, since
from tests.importing import rows
from tests.test_audit import REWOUND, fill, forge
from tests.test_cli import run, url_of

Maker = Callable[..., TestClient]
ALL = since(None)


def quiet(_share: float) -> None:
    """Say nothing of the progress."""


def export(database: Database, folder: Path, name: str = "audit.jsonl", span: Any = ALL) -> Path:
    """Write an export, and return its file."""
    write_export(database, folder, "ann", span, folder / name, now=now(), progress=quiet)
    return folder / name


def verdict_of(file: Path) -> Verdict:
    """Return what a check of a file finds, with the key of its folder."""
    return check_export(file, signing_key(file.parent).public_key(), quiet)


def test_an_export_proves_itself(empty_database: Database, tmp_path: Path) -> None:
    """A file has all rows, its own export as the last of them, and holds; the audit's head is anchored."""
    fill(empty_database, 7)
    file = export(empty_database, tmp_path)
    *lines, last = (orjson.loads(line) for line in file.read_bytes().splitlines())
    assert [line["number"] for line in lines] == list(range(1, 9))
    assert (lines[-1]["action"], lines[-1]["actor"]) == ("export-audit", "ann")
    assert (last["count"], last["head"]["number"]) == (8, 8)
    verdict = verdict_of(file)
    assert (verdict.holds, verdict.is_signed, verdict.head.number) == (True, True, 8)
    assert orjson.loads(anchors_file(tmp_path).read_bytes())["number"] == 8


def test_a_part_of_the_audit_can_be_exported(empty_database: Database, tmp_path: Path) -> None:
    """A span of time gives the rows from the first to the last within it, which hold by themselves; none, no row."""
    fill(empty_database, 3)
    middle = now()
    fill(empty_database, 3)
    before = export(empty_database, tmp_path, "before.jsonl", since(None, middle))
    after = export(empty_database, tmp_path, "after.jsonl", since(middle))
    none = export(empty_database, tmp_path, "none.jsonl", since(middle - timedelta(days=2), middle - timedelta(days=1)))
    numbers = [
        [orjson.loads(line).get("number") for line in file.read_bytes().splitlines()][:-1]
        for file in (before, after, none)
    ]
    assert numbers == [[1, 2, 3], [4, 5, 6, 7, 8], []]
    assert all(verdict_of(file).holds for file in (before, after, none))


def test_a_broken_chain_is_exported_and_told(empty_database: Database, tmp_path: Path) -> None:
    """A forged row is no reason not to export: the signature is valid, and the row is named."""
    fill(empty_database, 4)
    forge(empty_database, "UPDATE audit SET at = 'infinity' WHERE id = 2")
    verdict = verdict_of(export(empty_database, tmp_path))
    assert verdict.broken is not None
    assert (verdict.broken.number, verdict.broken.kind, verdict.is_signed) == (2, "changed", True)


@pytest.fixture
def exported(empty_database: Database, tmp_path: Path) -> Path:
    """Return an exported file of nine rows."""
    fill(empty_database, 8)
    return export(empty_database, tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_done_to_a_file_is_found(exported: Path, data: st.DataObject) -> None:
    """A byte changed, a line deleted, repeated or moved, the end cut off: a file holds only as it was signed."""
    whole = exported.read_bytes()
    lines = whole.splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["byte", "delete", "repeat", "swap", "cut"])):
        case "byte":
            at = data.draw(st.integers(0, len(whole) - 2))
            forged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        case "delete":
            forged = b"".join(lines[:place] + lines[place + 1 :])
        case "repeat":
            forged = b"".join([*lines[: place + 1], lines[place], *lines[place + 1 :]])
        case "swap":
            forged = b"".join([*lines[:place], *reversed(lines[place : place + 2]), *lines[place + 2 :]])
        case "cut":
            forged = whole[: data.draw(st.integers(0, len(whole) - 2))]
    other = exported.with_name("forged.jsonl")
    other.write_bytes(forged)
    assert verdict_of(other).holds == (forged == whole)


def test_a_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    """The key stays; its public half is enough to check; what is no key is told."""
    key = signing_key(tmp_path)
    assert public_pem(signing_key(tmp_path)) == public_pem(key)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    public = tmp_path / "public.pem"
    public.write_bytes(public_pem(key))
    assert read_public_key(public) == key.public_key()
    for content in (b"", b"nonsense", file.read_bytes()):
        public.write_bytes(content)
        with pytest.raises(InputError):
            read_public_key(public)


@pytest.mark.proof
def test_the_command_line_checks_exports_and_lists(empty_database: Database, tmp_path: Path) -> None:
    """The verbs agree: what is exported holds elsewhere with the public key alone; what is forged is exit code 1."""
    fill(empty_database, 5)
    own = {
        "TWINGRID_DATABASE_URL": url_of(empty_database),
        "TWINGRID_DATA_DIR": str(tmp_path),
        "TWINGRID_LANGUAGE": "en",
    }
    file, public = tmp_path / "audit.jsonl", tmp_path / "public.pem"
    assert run("audit", "export", "-o", str(file), **own).returncode == 0
    public.write_text(run("audit", "key", **own).stdout)
    elsewhere = {"TWINGRID_DATABASE_URL": "nonsense", "TWINGRID_LANGUAGE": "en"}
    done = run("check", "audit", str(file), "--key", str(public), **elsewhere)
    assert (done.returncode, done.stdout) == (
        0,
        "The file holds: its signature is valid, and its chain is unbroken up to row 6.\n",
    )
    assert orjson.loads(run("check", "audit", "--json", **own).stdout)["holds"] is True
    listed = orjson.loads(run("audit", "list", "--json", "--actor", "ann*", "--limit", "2", **own).stdout)
    assert [one["number"] for one in listed["items"]] == [5, 4]
    assert "export-audit" in run("audit", "list", **own).stdout
    forge(empty_database, *REWOUND)
    done = run("check", "audit", **own)
    assert (done.returncode, done.stdout.splitlines()[0][:41]) == (1, "Row 4 is missing. The row before it happe")
    file.write_bytes(file.read_bytes().replace(b'"ann1"', b'"eve1"'))
    broken = orjson.loads(run("check", "audit", str(file), "--json", **own).stdout)
    assert (broken["holds"], broken["broken"]["number"], broken["is_signed"]) == (False, 2, True)
    for wrong in (["--key", str(public)], [str(tmp_path / "none")], [str(file), "--key", str(file)]):
        assert run("check", "audit", *wrong, **own).returncode == 2


def pages(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    """Return all rows that are found, three at a time."""
    found, cursor = [], None
    while True:
        reply = client.get("/audit", params={"limit": 3, **asked} | ({"cursor": cursor} if cursor else {}))
        assert reply.status_code == 200, reply.text
        found += reply.json()["items"]
        cursor = reply.json()["next"]
        if cursor is None:
            return found


def test_the_audit_administrator_searches(town_copy: Database, client_as: Maker) -> None:
    """By actor, object, action and time, or how each begins; newest first, every row once."""
    client = client_as(town_copy, "audit_admin")
    fill(town_copy, 8)
    middle = now().isoformat()
    with town_copy.write() as session:
        audit.record(session, "bob", "other", "thing/100%", {"字": 1})
    numbers = [row["number"] for row in pages(client)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == rows(town_copy, "SELECT count(*) FROM audit")[0][0]
    assert {row["actor"] for row in pages(client, actor="ann1")} == {"ann1"}
    assert len(pages(client, actor="ann*", action="test")) == 8
    assert [row["object"] for row in pages(client, object="thing/3")] == ["thing/3"]
    assert [row["detail"] for row in pages(client, object="thing/100%*")] == [{"字": 1}]
    assert [row["actor"] for row in pages(client, start=middle)] == ["bob"]
    assert len(pages(client, object="thing/*", end=middle)) == 8
    assert client.get("/audit", params={"start": middle, "end": middle}).status_code == 400
    assert client.get("/audit", params={"cursor": "QQ=="}).json()["faults"][0]["fault"] == "malformed-cursor"


def test_an_export_over_http_is_the_signed_file(town_copy: Database, client_as: Maker, tmp_path: Path) -> None:
    """What the audit administrator downloads holds, and that it was downloaded is its last row."""
    client = client_as(town_copy, "audit_admin")
    fill(town_copy, 4)
    reply = client.get("/audit/export")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    file = tmp_path / "audit.jsonl"
    file.write_bytes(reply.content)
    assert verdict_of(file).holds
    assert orjson.loads(reply.content.splitlines()[-2])["actor"] == "demo-audit_admin"


def test_few_exports_leave_at_once(town_copy: Database, client_as: Maker) -> None:
    """Readers that take their time hold few connections; the next is told to come back, and its place comes free."""
    client = client_as(town_copy, "audit_admin")
    with ExitStack() as held:
        while EXPORTS.acquire(blocking=False):
            held.callback(EXPORTS.release)
        reply = client.get("/audit/export")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert {client.get("/audit/export").status_code for _ in range(6)} == {200}


@pytest.mark.parametrize("role", ["viewer", "dispatcher", "planner", "system_admin", "security_admin"])
def test_nobody_else_reads_the_audit(town: Database, client_as: Maker, role: str) -> None:
    """Neither the system's nor the security's administrator may search or take along what was done."""
    client = client_as(town, role)
    assert client.get("/audit").status_code == client.get("/audit/export").status_code == 403
