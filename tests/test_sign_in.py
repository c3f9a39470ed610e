"""Signing in with a browser: sessions that end where they should, and no page elsewhere that can use them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from api.app import create_app
from api.cookies import local_path
from spatial import access
from spatial.access import sessions
from spatial.db import Database
from spatial.settings import Settings
from spatial.tables import Audit, BrowserSession
from spatial.time import now
from tests.access_world import Precinct

HERE = "http://grids.example"
OWN = {"Sec-Fetch-Site": "same-origin"}
PAGE = {"Accept": "text/html,application/xhtml+xml"}
COOKIE = "twingrid_session"


def visitor(served_precinct: Database, base: str = HERE, **said: Any) -> TestClient:
    """Return a browser that has not signed in, at a service with a memory of its own."""
    app = create_app(served_precinct, Settings(language="en", rate_per_minute=0, **said))
    return TestClient(app, base, raise_server_exceptions=False, follow_redirects=False)


def sign_in(client: TestClient, token: str, then: str = "/units") -> Any:
    """Fill in the form as our own page does."""
    return client.post("/sign-in", data={"token": token, "next": then}, headers=OWN)


@contextmanager
def signed_in(
    served_precinct: Database, shared_precinct: Precinct, who: str = "viewer-whole", **said: Any
) -> Iterator[TestClient]:
    """Yield a browser that is signed in."""
    client = visitor(served_precinct, **said)
    assert sign_in(client, shared_precinct.tokens[who]).status_code == 303
    yield client


def actions(shared_precinct: Precinct) -> list[tuple[str, str, str]]:
    """Return what is on record of signing in and out: who, what, why not."""
    with shared_precinct.database.read() as session:
        told = select(Audit).where(Audit.action.like("sign-%")).order_by(Audit.id)
        rows = session.scalars(told)
        return [(row.actor, row.action, row.detail.get("reason") or row.detail.get("lacking", "")) for row in rows]


def test_a_token_opens_a_session_that_signing_out_ends(served_precinct: Database, shared_precinct: Precinct) -> None:
    """Signed in one sees what the token shows; signed out, the same cookie opens nothing, in any process, on record."""
    client = visitor(served_precinct)
    reply = sign_in(client, shared_precinct.tokens["viewer-whole"])
    assert (reply.status_code, reply.headers["location"]) == (303, "/units")
    cookie = reply.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/", "max-age=43200"))
    assert client.get("/units").status_code == 200
    assert client.get("/me").json()["name"] == "viewer-whole"
    stolen = client.cookies[COOKIE]
    home = client.get("/", headers=PAGE).text
    assert "viewer-whole" in home
    assert 'action="/sign-out"' in home
    assert client.post("/sign-out", headers=OWN).headers["location"] == "/sign-in"
    assert COOKIE not in client.cookies
    for thief in (client, visitor(served_precinct)):
        thief.cookies.set(COOKIE, stolen)
        assert thief.get("/units").status_code == 401
    own = [("viewer-whole", "sign-in", ""), ("viewer-whole", "sign-out", "")]
    assert actions(shared_precinct)[-4:] == [*own, *[("anonymous@testclient", "sign-in.refused", "session-over")] * 2]


def test_a_sign_in_that_fails_is_on_record(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A token that opens nothing leaves a page that says so, no cookie, and a row in the audit."""
    client = visitor(served_precinct)
    reply = sign_in(client, "no such token")
    assert (reply.status_code, "unknown, expired or revoked" in reply.text) == (401, True)
    assert "set-cookie" not in reply.headers
    assert actions(shared_precinct)[-1] == ("anonymous@testclient", "sign-in.refused", "token-refused")


def test_each_sign_in_has_a_secret_of_its_own(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A cookie that was planted before is not the one after, and the session before it ends."""
    client = visitor(served_precinct)
    client.cookies.set(COOKIE, "planted", domain="grids.example", path="/")
    sign_in(client, shared_precinct.tokens["viewer-whole"])
    first = client.cookies[COOKIE]
    assert first != "planted"
    sign_in(client, shared_precinct.tokens["planner-whole"])
    second = client.cookies[COOKIE]
    assert client.get("/me").json()["name"] == "planner-whole"
    for secret, status in ((first, 401), ("planted", 401), (second, 200)):
        other = visitor(served_precinct)
        other.cookies.set(COOKIE, secret)
        assert other.get("/units").status_code == status


def test_by_https_the_cookie_is_of_this_host_alone(served_precinct: Database, shared_precinct: Precinct) -> None:
    """By https the cookie is secure and bound to the host, and one that another host of the domain set is not read."""
    client = visitor(served_precinct, "https://grids.example")
    cookie = sign_in(client, shared_precinct.tokens["viewer-whole"]).headers["set-cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert client.get("/units").status_code == 200
    other = visitor(served_precinct, "https://grids.example")
    other.cookies.set(COOKIE, client.cookies[f"__Host-{COOKIE}"])
    assert other.get("/units").status_code == 401


def test_a_session_is_over_after_its_hours(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A session ends after its hours whatever is done, and earlier without use; a use puts the latter off."""
    start = now()
    lasts, idle = timedelta(hours=12), timedelta(hours=2)
    with shared_precinct.database.write() as session:
        secret = sessions.open_session(session, "viewer-whole", "token", now=start, lasts=lasts, agent="x" * 999)
    used_at = start

    def lives(at: timedelta) -> bool:
        with shared_precinct.database.read() as session:
            return sessions.signed_in(session, secret, start + at, idle) is not None

    assert lives(timedelta(hours=1.9))
    assert not lives(timedelta(hours=2.1))
    for hour in range(1, 12):
        used_at = start + timedelta(hours=hour)
        with shared_precinct.database.write() as session:
            sessions.touch_session(session, secret, used_at)
        assert lives(timedelta(hours=hour + 0.9))
    assert not lives(timedelta(hours=12.1))
    with shared_precinct.database.write() as session:
        later = start + timedelta(hours=13)
        sessions.open_session(session, "viewer-unit", "token", now=later, lasts=lasts, agent="")
        assert session.scalar(select(func.count()).where(BrowserSession.created_at == start)) == 0, "swept"


def test_a_use_is_noted(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A request with a session that was noted more than a minute ago notes its use."""
    with shared_precinct.database.write() as session:
        session.execute(text("DELETE FROM session"))
    with signed_in(served_precinct, shared_precinct) as client:
        with shared_precinct.database.write() as session:
            session.execute(text("UPDATE session SET used_at = used_at - interval '5 minutes'"))
            before = session.scalar(select(func.max(BrowserSession.used_at)))
        assert client.get("/units").status_code == 200
        with shared_precinct.database.read() as session:
            assert session.scalar(select(func.max(BrowserSession.used_at))) > before


def test_a_session_ends_with_its_token_and_its_principal(served_precinct: Database, shared_precinct: Precinct) -> None:
    """Where the token is revoked or the principal disabled, the sessions that they opened are over, too."""
    operator = access.operator("t")
    for end in ("token", "principal"):
        with shared_precinct.database.write() as session:
            access.add_principal(session, operator, f"gone-{end}", {"zh-CN": "甲", "en": "a"}, "viewer", now=now())
            later = now() + timedelta(days=1)
            token = access.issue_token(session, operator, f"gone-{end}", "t", now=now(), expires=later)
        client = visitor(served_precinct)
        sign_in(client, token)
        secret = client.cookies[COOKIE]
        with shared_precinct.database.write() as session:
            if end == "token":
                (row,) = access.listing.token_rows(session, "gone-token")
                access.service.revoke_token(session, operator, "gone-token", row.uuid, now=now())
            else:
                access.service.disable_principal(session, operator, "gone-principal", now=now())
        other = visitor(served_precinct)  # which remembers nobody
        other.cookies.set(COOKIE, secret)
        assert other.get("/units").status_code == 401


def test_who_asks_for_a_page_is_led_to_the_sign_in_and_back(
    served_precinct: Database, shared_precinct: Precinct
) -> None:
    """A browser is sent to the sign-in and then to what it asked for; a program is told 401."""
    client = visitor(served_precinct)
    reply = client.get("/maps/grids?lang=en&layer=police", headers=PAGE)
    assert reply.status_code == 303
    where = urlsplit(reply.headers["location"])
    assert (where.path, parse_qs(where.query)["next"]) == ("/sign-in", ["/maps/grids?lang=en&layer=police"])
    page = client.get(reply.headers["location"], headers=PAGE).text
    assert 'name="next" value="/maps/grids?lang=en&amp;layer=police"' in page
    assert client.get("/units").status_code == 401
    assert client.get("/units", headers={**PAGE, "Authorization": "Bearer x"}).status_code == 401
    assert client.post("/layers/police/check", headers=PAGE).status_code == 401


ELSEWHERE = [
    "//evil.example", "///evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "evil.example",
    "javascript:alert(1)", "/\t/evil.example", " //evil.example", "http:/evil.example", "/sign-in", "/sign-in/oidc",
    "//[", "", "/\n", "/%0d%0a\r\nSet-Cookie: a=b",
]  # fmt: skip


@pytest.mark.parametrize("then", ELSEWHERE)
def test_nobody_is_led_elsewhere(then: str) -> None:
    """Of addresses that are no path of ours only the home page is left."""
    assert local_path(then) == "/"


@given(st.one_of(st.text(), st.text(alphabet="/\\:@?#.%ae\t\n")))
def test_no_text_at_all_leads_elsewhere(then: str) -> None:
    """Whatever the text, a browser stays here: a path that begins with one slash, and nothing that ends a header."""
    found = local_path(then)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert found.isprintable()
    assert urlsplit(found).netloc == ""


FORGED = [
    ("a form of another site", {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}),
    ("another site, seen as a fetch with credentials", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
    ("a subdomain", {"Sec-Fetch-Site": "same-site", "Origin": "http://other.grids.example"}),
    ("another origin, from a browser without fetch metadata", {"Origin": "https://evil.example"}),
    ("a subdomain, from such a browser", {"Origin": "http://other.grids.example"}),
    ("a name that only begins like ours", {"Origin": "http://grids.example.evil.example"}),
    ("another port", {"Origin": "http://grids.example:8080"}),
    ("a sandboxed frame", {"Origin": "null"}),
    ("an origin that is none", {"Origin": "http://["}),
    ("an empty origin", {"Origin": ""}),
    ("a browser that says nothing", {}),
]


@pytest.mark.parametrize(("who", "headers"), FORGED)
def test_no_page_elsewhere_acts_with_our_cookie(
    served_precinct: Database, shared_precinct: Precinct, who: str, headers: dict[str, str]
) -> None:
    """With a session's cookie nothing is changed for a page of another origin, nor where nothing says whose it is."""
    with signed_in(served_precinct, shared_precinct, "planner-whole") as client:
        for path in ("/layers/police/check", "/sign-out", "/sign-in"):
            reply = client.post(path, data={"token": "x"}, headers=headers)
            assert (reply.status_code, reply.json()["type"]) == (403, "urn:twingrid:problem:denied"), (who, path)
        assert client.get("/me").status_code == 200, "still signed in"


def test_our_own_pages_act(served_precinct: Database, shared_precinct: Precinct) -> None:
    """Our pages, the user's own doing, and tokens are let through; reading asks nothing of the kind."""
    with signed_in(served_precinct, shared_precinct, "planner-whole") as client:
        for headers in (OWN, {"Sec-Fetch-Site": "none"}, {"Origin": HERE}, {"Origin": f"{HERE}:80"}):
            assert client.post("/layers/police/check", headers=headers).status_code == 202
        token = {"Authorization": f"Bearer {shared_precinct.tokens['planner-whole']}"}
        assert client.post("/layers/police/check", headers=token).status_code == 202
        assert client.get("/units", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
        basic = {"Authorization": "Basic eDp5", "Sec-Fetch-Site": "cross-site"}
        assert client.post("/layers/police/check", headers=basic).status_code == 403


def test_a_plain_page_does_not_ask_what_came_by_https(served_precinct: Database, shared_precinct: Precinct) -> None:
    """A page by http of our own name may be anybody's on the way; by https it is refused."""
    client = visitor(served_precinct, "https://grids.example")
    sign_in(client, shared_precinct.tokens["planner-whole"])
    assert client.post("/layers/police/check", headers={"Origin": "http://grids.example"}).status_code == 403
    assert client.post("/layers/police/check", headers={"Origin": "https://grids.example"}).status_code == 202


def test_the_demo_is_no_door_for_other_pages(town: Database, client_as: Any) -> None:
    """On loopback a page elsewhere can do nothing as the demo, with its cookie or without; curl can."""
    client = client_as(town, "viewer")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert client.post("/demo/switch", data={"name": "demo-planner"}, headers=headers).status_code == 403
        client.cookies.clear()
        assert client.delete(f"/jobs/{'0' * 8}-0000-0000-0000-{'0' * 12}", headers=headers).status_code == 403
    reply = client.delete(f"/jobs/{'0' * 8}-0000-0000-0000-{'0' * 12}")
    assert (reply.status_code, reply.json()["type"]) == (403, "urn:twingrid:problem:denied")
    assert "role" in reply.json()["detail"], "refused for the role, not for where it comes from"
    assert client.post("/demo/switch", data={"name": "demo-planner"}).status_code == 200


HEADER = st.binary(max_size=200).map(lambda raw: bytes(one for one in raw if one >= 32 and one != 127))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=HEADER, scheme=st.sampled_from([b"", b"Bearer ", b"bearer  ", b"Basic ", b"Bearer"]))
def test_fuzzed_tokens_open_nothing(stranger: TestClient, value: bytes, scheme: bytes) -> None:
    """Whatever stands in the Authorization header, the answer is 401 and no error of ours."""
    assert stranger.get("/units", headers=[(b"authorization", scheme + value)]).status_code == 401


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=HEADER, name=st.sampled_from([b"twingrid_session=", b"twingrid_demo=", b"__Host-twingrid_session=", b""]))
def test_fuzzed_cookies_open_nothing(stranger: TestClient, value: bytes, name: bytes) -> None:
    """Whatever stands in the Cookie header, nobody is signed in, and nothing fails but what was sent."""
    for path in ("/units", "/"):
        reply = stranger.get(path, headers=[(b"cookie", name + value)])
        assert reply.status_code in ({401, 400} if path == "/units" else {200, 400}), reply.text
        assert "sign-out" not in reply.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(then=st.text(max_size=300), token=st.text(max_size=300))
def test_fuzzed_forms_open_nothing(stranger: TestClient, then: str, token: str) -> None:
    """Whatever is typed into the form or stands in its address, there is a page or a problem, and no cookie."""
    form = {"token": token.encode("utf-8", "replace"), "next": then.encode("utf-8", "replace")}
    reply = stranger.post("/sign-in", data=form, headers=OWN)
    assert reply.status_code in {400, 401}, reply.text
    assert "set-cookie" not in reply.headers
    assert stranger.get("/sign-in", params={"next": form["next"]}).status_code in {200, 400}


@pytest.fixture(scope="module")
def stranger(served_precinct: Database) -> TestClient:
    """Return a browser that nobody knows."""
    return visitor(served_precinct)
