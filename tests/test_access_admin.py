"""The security administrator's part: principals, their grants and their tokens, over HTTP and the command line."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from api.app import create_app
from spatial import access
from spatial.access import service
from spatial.access.gate import ACTOR_FOR, Credential
from spatial.access.sessions import open_session
from spatial.audit.check import chain_break
from spatial.db import Database, make_engine
from spatial.errors import Busy, Denied, InputError
from spatial.postgresql import API
from spatial.settings import Settings
from spatial.tables import ROLES, Audit, Token
from spatial.time import now
from tests.access_world import Precinct
from tests.command_line import run_verb

TITLE = {"zh-CN": "甲", "en": "a"}
WITHIN_S = 2.0


@pytest.fixture(scope="module")
def apps(shared_precinct: Precinct) -> Iterator[tuple[TestClient, TestClient]]:
    """Yield clients of two services over one database, as two processes are: with pools and memories apart."""
    served = [shared_precinct.database.as_login(API) for _ in range(2)]
    yield tuple(  # type: ignore[misc]  # there are two
        TestClient(create_app(one, Settings(language="en")), "http://service", raise_server_exceptions=False)
        for one in served
    )
    for one in served:
        one.engine.dispose()


@pytest.fixture(scope="module")
def second(shared_precinct: Precinct) -> dict[str, str]:
    """Return the header of another security administrator, who hands out the tokens."""
    return bearer(shared_precinct.tokens["security_admin-unit"])


@pytest.fixture(scope="module")
def admin(apps: tuple[TestClient, TestClient], shared_precinct: Precinct) -> TestClient:
    """Return a client that asks as a security administrator."""
    apps[0].headers["Authorization"] = f"Bearer {shared_precinct.tokens['security_admin-whole']}"
    return apps[0]


def faults(reply: Any) -> list[tuple[str, str]]:
    """Return what was wrong, and where."""
    assert reply.status_code == 400, reply.text
    return [(one["where"], one["fault"]) for one in reply.json()["faults"]]


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def test_a_principal_is_added_granted_and_let_in(admin: TestClient, second: dict[str, str]) -> None:
    """A new principal with a role over one unit comes in with a token that is shown once, and sees that unit."""
    made = admin.post("/principals", json={"name": "li.si", "title": {"zh-CN": "李四", "en": "Li Si"}})
    assert (made.status_code, made.json()["title"], made.json()["grants"]) == (201, "Li Si", [])
    grant = {"role": "dispatcher", "unit": "S1", "layers": ["police"]}
    granted = admin.post("/principals/li.si/grants", json=grant).json()
    assert granted["reach"] == "unit S1 (S1) and all below it, layers police"
    assert (granted["fields"], granted["granted_by"]) == (["duty_phone"], "security_admin-whole")
    issued = admin.post("/principals/li.si/tokens", json={"label": "desk 4", "days": 30}, headers=second)
    assert (issued.status_code, issued.headers["cache-control"]) == (201, "no-store")
    own = bearer(issued.json()["token"])
    assert [one["number"] for one in admin.get("/officers", headers=own).json()["items"]] == ["001", "011"]
    me = admin.get("/me", headers=own).json()
    assert (me["name"], [one["role"] for one in me["grants"]]) == ("li.si", ["dispatcher"])
    assert "duty.read" in me["permissions"]
    assert "access" not in me["permissions"]
    listed = admin.get("/principals/li.si/tokens").json()["items"]
    assert [(one["label"], one["state"]) for one in listed] == [("desk 4", "valid")]
    assert issued.json()["token"] not in admin.get("/principals/li.si/tokens").text


def test_a_list_of_principals_is_read_in_pages(admin: TestClient) -> None:
    """All principals are listed by name, with the grants in force."""
    names, cursor = [], None
    while True:
        page = admin.get("/principals", params={"limit": 10, **({"cursor": cursor} if cursor else {})}).json()
        names += [one["name"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == sorted(set(names), key=str.encode)
    assert len(names) >= 3 * len(ROLES)


WRONG = [
    ({"role": "king"}, [("body.role", "malformed")]),
    ({"role": "viewer", "unit": "nowhere"}, [("unit", "no-such-unit")]),
    ({"role": "viewer", "layers": ["police", "moon"]}, [("layers", "no-such-layer")]),
    ({"role": "viewer", "layers": []}, [("layers", "no-layers-named")]),
    ({"role": "viewer", "fields": ["salary"]}, [("fields", "not-one-of")]),
    ({"role": "audit_admin", "unit": "S1"}, [("role", "administrators-reach-everywhere")]),
    ({"role": "viewer", "until": "never"}, [("body.until", "unknown-field")]),
    (
        {"role": "viewer", "unit": "x", "layers": ["y"], "fields": ["z"]},
        [("unit", "no-such-unit"), ("layers", "no-such-layer"), ("fields", "not-one-of")],
    ),
]


@pytest.mark.parametrize(("grant", "expected"), WRONG)
def test_a_grant_that_cannot_be_is_refused(
    admin: TestClient, grant: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Unknown roles, units, layers and fields, and limited administrators, are told all at once; nothing is granted."""
    admin.post("/principals", json={"name": "wanting"})
    assert faults(admin.post("/principals/wanting/grants", json=grant)) == expected
    assert admin.get("/principals/wanting/grants").json()["items"] == []


def test_administrators_hold_no_other_role(admin: TestClient) -> None:
    """To none of the three administrators another role can be granted, nor one of theirs to anybody with a role."""
    for held in ("system_admin", "security_admin", "audit_admin"):
        for role in set(ROLES) - {held}:
            for name, more in ((f"{held}-layer", role), (f"{role}-unit", held)):
                reply = admin.post(f"/principals/{name}/grants", json={"role": more})
                assert (reply.status_code, "hold no other role" in reply.json()["detail"]) == (409, True), (name, more)


def test_nobody_makes_themselves_a_way_into_anothers_part(admin: TestClient, shared_precinct: Precinct) -> None:
    """Over HTTP no administrator is made, nor a token or login for one, not even of one's own part; but for oneself."""
    admin.post("/principals", json={"name": "pat"})
    token = admin.post("/principals/pat/tokens", json={"label": "before"}).json()["token"]
    assert admin.get("/me", headers=bearer(token)).status_code == 200
    for role in ("system_admin", "security_admin", "audit_admin"):
        for reply in (
            admin.post("/principals/pat/grants", json={"role": role}),
            admin.post("/principals", json={"name": f"new-{role}", "role": role}),
            admin.post(f"/principals/{role}-layer/tokens", json={"label": "x"}),
            admin.put(f"/principals/{role}-layer/login", json={"login": "mine"}),
        ):
            assert (reply.status_code, "on the machine" in reply.json()["detail"]) == (403, True)
        assert admin.get(f"/principals/new-{role}").status_code == 404
    with shared_precinct.database.write() as session:
        service.give(session, access.operator("t"), "pat", service.Wanted("audit_admin"), now=now())
    eventually(lambda: admin.get("/me", headers=bearer(token)).status_code, 401)
    own = admin.post("/principals/security_admin-whole/tokens", json={"label": "next"}).json()["token"]
    assert admin.get("/me", headers=bearer(own)).json()["name"] == "security_admin-whole"


def test_one_person_does_not_both_grant_and_hand_out_the_key(
    admin: TestClient, second: dict[str, str], shared_precinct: Precinct
) -> None:
    """Who granted issues no token and names no login; who did one of these grants nothing while it opens anything."""

    def refused(reply: Any) -> bool:
        return reply.status_code == 403 and "another security administrator" in reply.json()["detail"]

    admin.post("/principals", json={"name": "granted", "role": "viewer"})
    assert refused(admin.post("/principals/granted/tokens", json={"label": "x"}))
    assert refused(admin.put("/principals/granted/login", json={"login": "mine"}))
    assert admin.put("/principals/granted/login", json={"login": None}).status_code == 200
    (grant,) = admin.get("/principals/granted").json()["grants"]
    assert admin.post("/principals/granted/grants", json={"role": "planner"}, headers=second).status_code == 201
    admin.delete(f"/principals/granted/grants/{grant['id']}")
    assert admin.post("/principals/granted/tokens", json={"label": "x"}).status_code == 201

    admin.post("/principals", json={"name": "keyed"})
    token = admin.post("/principals/keyed/tokens", json={"label": "x"}).json()
    assert refused(admin.post("/principals/keyed/grants", json={"role": "viewer"}))
    admin.delete(f"/principals/keyed/tokens/{token['id']}")
    admin.put("/principals/keyed/login", json={"login": "keyed"})
    assert refused(admin.post("/principals/keyed/grants", json={"role": "viewer"}))
    assert admin.put("/principals/keyed/login", json={"login": "keyed"}, headers=second).status_code == 200
    assert admin.post("/principals/keyed/grants", json={"role": "viewer"}).status_code == 201
    with shared_precinct.database.read() as session:
        wanted = select(Audit.object).where(Audit.action == "denied", Audit.actor == "security_admin-whole")
        denied = session.scalars(wanted).all()
    for path in ("POST /principals/{name}/tokens", "PUT /principals/{name}/login", "POST /principals/{name}/grants"):
        assert any(path in one for one in denied), denied


def test_the_same_is_granted_once(admin: TestClient) -> None:
    """A grant that is held in just this way is refused; the same role over less is another grant."""
    admin.post("/principals", json={"name": "once", "role": "viewer"})
    assert admin.post("/principals/once/grants", json={"role": "viewer"}).status_code == 409
    assert admin.post("/principals/once/grants", json={"role": "viewer", "unit": "S1"}).status_code == 201


def test_nobody_changes_what_they_may_do_themselves(admin: TestClient) -> None:
    """A security administrator can neither grant to, revoke from, disable nor enable themselves."""
    own = "/principals/security_admin-whole"
    (grant,) = admin.get(f"{own}/grants").json()["items"]
    for reply in (
        admin.post(f"{own}/grants", json={"role": "viewer"}),
        admin.delete(f"{own}/grants/{grant['id']}"),
        admin.post(f"{own}/disable"),
        admin.post(f"{own}/enable"),
    ):
        assert (reply.status_code, "another security administrator" in reply.json()["detail"]) == (403, True)


def test_a_name_is_one_word(admin: TestClient) -> None:
    """A name with blanks, colons or slashes is refused, so that nobody is taken for the operator of the machine."""
    for name in ("", "a b", "local:root", "a/b", "甲:乙", "a\n", "x" * 101):
        assert admin.post("/principals", json={"name": name}).status_code == 400, name
    assert admin.post("/principals", json={"name": "王五"}).status_code == 201
    assert admin.post("/principals", json={"name": "王五"}).status_code == 409


def test_a_token_lives_a_year_at_most(admin: TestClient, shared_precinct: Precinct) -> None:
    """A token for more than 366 days is refused by the service, whichever face asks."""
    assert faults(admin.post("/principals/viewer-whole/tokens", json={"label": "x", "days": 367})) == [
        ("body.days", "number-out-of-range")
    ]
    late = now() + timedelta(days=367)
    with pytest.raises(InputError, match="token-lives-too-long"), shared_precinct.database.write() as session:
        access.issue_token(session, access.operator("t"), "viewer-whole", "x", now=now(), expires=late)


def test_each_change_is_audited_with_what_it_changed(
    admin: TestClient, second: dict[str, str], shared_precinct: Precinct
) -> None:
    """Each change leaves a row that says what it was and holds no token, and the chain is whole."""
    admin.post("/principals", json={"name": "kim", "role": "viewer"})
    (grant,) = admin.get("/principals/kim/grants").json()["items"]
    issued = admin.post("/principals/kim/tokens", json={"label": "x"}, headers=second).json()
    admin.delete(f"/principals/kim/tokens/{issued['id']}")
    admin.delete(f"/principals/kim/grants/{grant['id']}")
    admin.post("/principals/kim/disable")
    admin.post("/principals/kim/disable")  # nothing changes, nothing is on record
    admin.post("/principals/kim/enable")
    with shared_precinct.database.read() as session:
        rows = session.scalars(select(Audit).where(Audit.object == "principal/kim").order_by(Audit.id)).all()
        assert chain_break(session) is None
    assert [row.action for row in rows] == [
        "principal.add", "grant.give", "token.issue", "token.revoke", "grant.revoke", "principal.disable",
        "principal.enable",
    ]  # fmt: skip
    assert {row.actor for row in rows} == {"security_admin-whole", "security_admin-unit"}
    assert (rows[1].detail["role"], rows[2].detail["label"], rows[4].detail["id"]) == ("viewer", "x", grant["id"])
    assert all(issued["token"] not in str(row.detail) for row in rows)


def test_a_refused_change_leaves_nothing(admin: TestClient, shared_precinct: Precinct) -> None:
    """A principal whose first role cannot be is not added, and the audit says nothing of it."""
    with pytest.raises(InputError), shared_precinct.database.write() as session:
        service.add_principal(session, access.operator("t"), "half", TITLE, "king", now=now())
    assert admin.get("/principals/half").status_code == 404
    with pytest.raises(Denied), shared_precinct.database.write() as session:
        service.add_principal(session, access.Actor("v", {}), "half", TITLE, now=now())


def eventually(ask: Callable[[], int], status: int) -> float:
    """Ask until the status is this, and return the seconds it took; more than two are too many."""
    begin = time.monotonic()
    while ask() != status:
        assert time.monotonic() - begin < WITHIN_S, f"still not {status}"
        time.sleep(0.02)
    return time.monotonic() - begin


def test_what_changes_holds_in_every_process_within_two_seconds(
    admin: TestClient, second: dict[str, str], apps: tuple[TestClient, TestClient]
) -> None:
    """Revoked tokens, new and revoked grants and disabled principals take effect in a service that did not do it."""
    other = apps[1]
    admin.post("/principals", json={"name": "new", "role": "viewer"})
    tokens = [admin.post("/principals/new/tokens", json={"label": str(n)}, headers=second).json() for n in range(2)]
    one, other_one = (bearer(token["token"]) for token in tokens)

    def asking(path: str, headers: dict[str, str]) -> Callable[[], int]:
        return lambda: other.get(path, headers=headers).status_code

    assert asking("/units", one)() == asking("/units", other_one)() == 200
    assert asking("/imports", other_one)() == 403
    admin.delete(f"/principals/new/tokens/{tokens[0]['id']}")
    eventually(asking("/units", one), 401)
    granted = admin.post("/principals/new/grants", json={"role": "planner"}).json()
    eventually(asking("/imports", other_one), 200)
    admin.delete(f"/principals/new/grants/{granted['id']}")
    eventually(asking("/imports", other_one), 403)
    admin.post("/principals/new/disable")
    eventually(asking("/units", other_one), 401)
    admin.post("/principals/new/enable")
    assert asking("/units", other_one)() == 401, "its tokens stay revoked"


def test_who_took_long_to_find_out_is_not_remembered(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A token that is revoked while the database keeps its finder waiting opens nothing once that has been answered."""
    gate, name = access.Gate(served_precinct, timedelta(hours=1)), "viewer-layer"
    with shared_precinct.database.write() as session:
        lasting = {"now": now(), "expires": now() + timedelta(days=1)}
        token = Credential("token", service.issue_token(session, access.operator("t"), name, "slow", **lasting))
        token_id = session.scalars(select(Token.uuid).where(Token.label == "slow")).one()
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'role_grant'::regclass")
    with ThreadPoolExecutor(1) as pool:
        with shared_precinct.database.write() as session:
            session.execute(text("LOCK TABLE role_grant IN ACCESS EXCLUSIVE MODE"))
            finding, begin = pool.submit(gate.actor, token, now()), time.monotonic()
            while not session.scalar(waiting):
                time.sleep(0.01)
            service.revoke_token(session, access.operator("t"), name, token_id, now=now())
            time.sleep(max(0, begin + ACTOR_FOR.total_seconds() - time.monotonic()))
        assert finding.result(30) is not None, "it was asked before"
    assert gate.actor(token, now()) is None


def test_what_was_revoked_before_the_database_went_away_stays_so(
    served_precinct: Database, shared_precinct: Precinct
) -> None:
    """While no database answers, who was let in last is let in, and nobody who was shut out before, by no door."""
    gate = access.Gate(served_precinct, timedelta(hours=1))
    with shared_precinct.database.write() as session:
        by_session = Credential(
            "session", open_session(session, "analyst-unit", "test", now=now(), lasts=timedelta(hours=1), agent="")
        )
    by_token, other = (Credential("token", shared_precinct.tokens[name]) for name in ("analyst-unit", "planner-unit"))
    for one in (by_session, by_token, other):
        assert gate.actor(one, now()) is not None
    gate.follow(now())
    with shared_precinct.database.write() as session:
        service.disable_principal(session, access.operator("t"), "analyst-unit", now=now())
    gate.follow(now())
    gate.database = Database(make_engine("postgresql://nobody@/nowhere?host=/nowhere"))
    later = now() + timedelta(minutes=1)
    assert gate.actor(other, later) is not None
    for one in (by_session, by_token):
        with pytest.raises(Busy):
            gate.actor(one, later)


@pytest.mark.proof
def test_the_command_line_does_the_same(admin: TestClient, shared_precinct: Precinct) -> None:
    """With a shell on the machine principals are added, granted, listed and disabled, tokens made and revoked."""
    url = shared_precinct.database.engine.url.render_as_string(hide_password=False)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TWINGRID_")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        own = {"TWINGRID_DATABASE_URL": url, "TWINGRID_LANGUAGE": "en"}
        return run_verb(*arguments, env=bare | own)

    assert run("principal", "add", "ann", "--title", "Ann").returncode == 0
    assert run("principal", "grant", "ann", "viewer", "--unit", "S1", "--layer", "police").returncode == 0
    refused = run("principal", "grant", "ann", "audit_admin")
    assert (refused.returncode, "three administrators" in refused.stderr) == (2, True)
    made = run("token", "create", "ann", "--label", "laptop")
    token = made.stdout.strip()
    assert admin.get("/units", headers=bearer(token)).status_code == 200
    assert "unit S1 (S1) and all below it, layers police" in admin.get("/principals/ann").text
    found = orjson.loads(run("principal", "list", "--json").stdout)["items"]
    assert [one["title"] for one in found if one["name"] == "ann"] == ["Ann"]
    (listed,) = orjson.loads(run("token", "list", "ann", "--json").stdout)["items"]
    assert (listed["label"], "token" in listed) == ("laptop", False)
    assert "laptop" in run("token", "list", "ann").stdout
    assert "Ann" in run("principal", "list").stdout
    assert run("token", "revoke", "ann", listed["id"]).returncode == 0
    eventually(lambda: admin.get("/units", headers=bearer(token)).status_code, 401)
    (grant,) = admin.get("/principals/ann").json()["grants"]
    assert run("principal", "revoke", "ann", grant["id"]).returncode == 0
    assert run("principal", "disable", "ann").returncode == 0
    assert run("principal", "enable", "ann").returncode == 0
    assert run("token", "create", "bob", "--role", "viewer").returncode == 0
    with shared_precinct.database.read() as session:
        rows = session.execute(text("SELECT DISTINCT actor FROM audit WHERE object = 'principal/ann'")).scalars().all()
    assert [row.partition(":")[0] for row in rows] == ["local"]
