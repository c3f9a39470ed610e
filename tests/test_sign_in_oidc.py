"""Signing in with an OpenID provider: who is let in, and every way in which an answer is not taken."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import select, text

from api.app import create_app
from maps.texts import say
from spatial import access
from spatial.access import service
from spatial.db import Database
from spatial.settings import Settings
from spatial.tables import Audit
from spatial.time import now
from tests.access_world import Precinct
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, running

HERE = "http://grids.example"
TITLE = {"zh-CN": "甲", "en": "a"}
OPERATOR = access.operator("t")


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Yield a provider where Li Si signs in."""
    with running() as one:
        yield one


def visitor(served_precinct: Database, provider: Provider, **said: Any) -> TestClient:
    """Return a browser at a service that knows the provider."""
    of_provider = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    app = create_app(served_precinct, Settings(language="en", **{**of_provider, **said}))
    return TestClient(app, HERE, raise_server_exceptions=False, follow_redirects=False)


def go(client: TestClient, then: str = "/units") -> str:
    """Leave for the provider, sign in there, and return the address that it sends the browser back to."""
    left = client.get("/sign-in/oidc", params={"next": then})
    assert left.status_code == 303, left.text
    back: str = httpx.get(left.headers["location"]).headers["location"]
    assert back.startswith(f"{HERE}/sign-in/oidc/return?")
    return back


def sign_in(client: TestClient) -> Any:
    """Sign in, all the way."""
    return client.get(go(client))


def admit(shared_precinct: Precinct, name: str, login: str | None) -> None:
    """Add a viewer who may sign in under a name of the provider."""
    with shared_precinct.database.write() as session:
        service.add_principal(session, OPERATOR, name, TITLE, "viewer", now=now())
        service.set_login(session, OPERATOR, name, login)


def refusals(shared_precinct: Precinct) -> list[str]:
    """Return why sign-ins were refused, as it is on record."""
    with shared_precinct.database.read() as session:
        told = select(Audit.detail).where(Audit.action == "sign-in.refused").order_by(Audit.id)
        return [detail["reason"] for detail in session.scalars(told) if "reason" in detail]


def says(reply: Any, status: int, fault: str, **values: Any) -> bool:
    """Whether a page refuses with a sentence, and lets nobody in."""
    words = say(f"fault.{fault}", "en", **values)
    assert reply.status_code == status, reply.text
    assert "twingrid_session=" not in reply.headers.get("set-cookie", "")
    return words.replace("“", "").split(".")[0].split("”")[0] in reply.text.replace("“", "")


def test_who_is_admitted_comes_in(served_precinct: Database, shared_precinct: Precinct, provider: Provider) -> None:
    """An account that the security administrator named opens a session, and goes on to what was asked for."""
    provider.person = {"sub": "s-wang", "preferred_username": "wang"}
    admit(shared_precinct, "wang.wu", "wang")
    client = visitor(served_precinct, provider)
    assert 'href="/sign-in/oidc?lang=en&amp;next=%2F"' in client.get("/sign-in").text
    reply = sign_in(client)
    assert (reply.status_code, reply.headers["location"]) == (303, "/units")
    assert "samesite=lax" in reply.headers["set-cookie"].lower()
    assert client.get("/me").json()["name"] == "wang.wu"
    assert set(provider.asked) == {"/.well-known/openid-configuration", "/authorize", "/token", "/jwks"}
    with shared_precinct.database.read() as session:
        told = session.scalars(select(Audit.action).where(Audit.object == "principal/wang.wu").order_by(Audit.id)).all()
    assert told[-2:] == ["login.bind", "sign-in"]


def test_a_name_is_nobodys_but_the_first_who_had_it(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """Once somebody signed in, another account of the same name is refused, and a renamed account stays who it is."""
    admit(shared_precinct, "zhao", "zhao.liu")
    provider.person = {"sub": "s-zhao", "preferred_username": "zhao.liu"}
    assert sign_in(visitor(served_precinct, provider)).status_code == 303
    provider.person = {"sub": "s-thief", "preferred_username": "zhao.liu"}
    assert says(sign_in(visitor(served_precinct, provider)), 401, "provider-names-a-stranger", name="zhao.liu")
    provider.person = {"sub": "s-zhao", "preferred_username": "married.now"}
    client = visitor(served_precinct, provider)
    assert sign_in(client).status_code == 303
    assert client.get("/me").json()["name"] == "zhao"


def test_a_principal_is_not_taken_by_its_name(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """An account that is called like a principal is a stranger, until the security administrator admits it."""
    provider.person = {"sub": "s-fake", "preferred_username": "security_admin-whole"}
    assert says(
        sign_in(visitor(served_precinct, provider)), 401, "provider-names-a-stranger", name="security_admin-whole"
    )
    assert refusals(shared_precinct)[-1] == "provider-names-a-stranger"


def test_a_disabled_principal_stays_out(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """Disabled before or after the first sign-in, somebody is refused, and open sessions end."""
    provider.person = {"sub": "s-qian", "preferred_username": "qian"}
    admit(shared_precinct, "qian", "qian")
    client = visitor(served_precinct, provider)
    assert sign_in(client).status_code == 303
    with shared_precinct.database.write() as session:
        service.disable_principal(session, OPERATOR, "qian", now=now())
    assert says(sign_in(visitor(served_precinct, provider)), 401, "provider-names-a-stranger", name="qian")
    provider.person = {"sub": "s-sun", "preferred_username": "sun"}
    admit(shared_precinct, "sun", "sun")
    with shared_precinct.database.write() as session:
        service.disable_principal(session, OPERATOR, "sun", now=now())
    assert says(sign_in(visitor(served_precinct, provider)), 401, "provider-names-a-stranger", name="sun")


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("a wrong nonce", {"claims": {"nonce": "another"}}),
    ("no nonce", {"claims": {"nonce": None}}),
    ("another audience", {"claims": {"aud": "another"}}),
    ("one audience among others, for another", {"claims": {"aud": [CLIENT_ID, "another"], "azp": "another"}}),
    ("another issuer", {"claims": {"iss": "https://evil.example"}}),
    ("no issuer", {"claims": {"iss": None}}),
    ("expired", {"claims": {"exp": int(time.time()) - 3600}}),
    ("no expiry", {"claims": {"exp": None}}),
    ("issued in the future", {"claims": {"iat": int(time.time()) + 3600}}),
    ("nobody", {"claims": {"sub": None}}),
    ("signed with another key", {"sign_with": "other"}),
    ("not signed at all", {"sign_with": "none"}),
    ("signed with our own secret", {"sign_with": "secret"}),
]


@pytest.mark.parametrize(("what", "spoilt"), WRONG)
def test_a_token_that_is_not_right_opens_nothing(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider, what: str, spoilt: dict[str, Any]
) -> None:
    """Whatever is wrong with an ID token, the page says that the sign-in failed, and the audit why."""
    vars(provider).update(spoilt)
    before = len(refusals(shared_precinct))
    assert says(sign_in(visitor(served_precinct, provider)), 401, "provider-refused"), what
    assert refusals(shared_precinct)[before:] == ["provider-refused"]


@pytest.mark.parametrize("name", [None, 7, ""])
def test_a_provider_that_names_nobody(served_precinct: Database, provider: Provider, name: Any) -> None:
    """Without the claim that names people nobody is let in."""
    provider.person["preferred_username"] = name
    assert says(sign_in(visitor(served_precinct, provider)), 401, "provider-names-nobody", claim="preferred_username")


def test_an_address_counts_once_it_is_verified(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """Where people are named by e-mail, one that the provider did not verify names nobody."""
    admit(shared_precinct, "zhou", "zhou@city.example")
    provider.person = {"sub": "s-zhou", "email": "zhou@city.example", "email_verified": False}
    client = visitor(served_precinct, provider, oidc_claim="email")
    assert says(sign_in(client), 401, "provider-names-nobody", claim="email")
    provider.person["email_verified"] = True
    assert sign_in(client).status_code == 303


def test_a_return_is_used_once_and_by_the_browser_that_left(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """A state replayed, made up, or carried into another browser is refused; so is a code that was used before."""
    provider.person = {"sub": "s-wu", "preferred_username": "wu"}
    admit(shared_precinct, "wu", "wu")
    client = visitor(served_precinct, provider)
    back = go(client)
    cookie = client.cookies["twingrid_sign_in"]
    assert says(visitor(served_precinct, provider).get(back), 401, "sign-in-not-begun"), "another browser"
    assert client.get(back).status_code == 303
    client.cookies.set("twingrid_sign_in", cookie)
    assert says(client.get(back), 401, "sign-in-not-begun"), "state and code again"
    used = parse_qs(urlsplit(back).query)["code"][0]
    fresh = visitor(served_precinct, provider)
    state = parse_qs(urlsplit(go(fresh)).query)["state"][0]
    reply = fresh.get("/sign-in/oidc/return", params={"state": state, "code": used})
    assert says(reply, 401, "provider-refused"), "a code of before"
    for made_up in ("", "x"):
        other = visitor(served_precinct, provider)
        other.cookies.set("twingrid_sign_in", made_up)
        assert says(other.get("/sign-in/oidc/return", params={"state": made_up, "code": "x"}), 401, "sign-in-not-begun")


def test_an_answer_that_refuses_or_comes_from_another(served_precinct: Database, provider: Provider) -> None:
    """An error of the provider, no code, or the name of another issuer end the sign-in."""
    for change in ({"error": "access_denied"}, {"code": ""}, {"iss": "https://evil.example"}):
        client = visitor(served_precinct, provider)
        answer = {key: values[0] for key, values in parse_qs(urlsplit(go(client)).query).items()}
        assert says(client.get("/sign-in/oidc/return", params={**answer, **change}), 401, "provider-refused"), change


def test_a_provider_that_is_away_is_told_so(served_precinct: Database, provider: Provider) -> None:
    """Nothing listening, or an error at any step, is a page that says so and offers the token; no error of ours."""
    client = visitor(served_precinct, provider)
    back = go(client)
    provider.is_broken = True
    assert says(client.get(back), 503, "provider-away")
    assert says(client.get("/sign-in/oidc"), 503, "provider-away")
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    reply = visitor(served_precinct, provider, oidc_issuer=nobody).get("/sign-in/oidc")
    assert says(reply, 503, "provider-away")
    assert 'name="token"' in reply.text


def test_no_host_is_asked_but_the_one_that_is_set(served_precinct: Database, provider: Provider) -> None:
    """A provider that says it is another, or leads to other hosts for tokens or keys, is not followed."""
    provider.metadata = {"issuer": "https://evil.example"}
    assert says(
        visitor(served_precinct, provider).get("/sign-in/oidc"), 500, "provider-is-another", issuer=provider.issuer
    )
    with running() as elsewhere:
        for key in ("token_endpoint", "jwks_uri"):
            provider.metadata = {key: f"{elsewhere.issuer}/x"}
            reply = sign_in(visitor(served_precinct, provider))
            assert says(reply, 500, "provider-leads-elsewhere", url=f"{elsewhere.issuer}/x")
        assert elsewhere.asked == []


def test_without_the_setting_there_is_no_provider(served_precinct: Database, provider: Provider) -> None:
    """Where no issuer is set nothing is offered, and nobody is asked."""
    client = visitor(served_precinct, provider, oidc_issuer=None)
    assert "oidc" not in client.get("/sign-in").text
    for path in ("/sign-in/oidc", "/sign-in/oidc/return?state=x&code=y"):
        assert client.get(path).status_code == 404
    assert provider.asked == []


@pytest.mark.parametrize("issuer", ["http://sso.example", "sso.example", "ftp://sso.example", "https://"])
def test_a_provider_is_spoken_to_by_https(issuer: str) -> None:
    """An issuer that is no https address is a setting that cannot be; and one without a client's name neither."""
    with pytest.raises(ValidationError, match="https"):
        Settings(oidc_issuer=issuer, oidc_client_id="x")
    with pytest.raises(ValidationError, match="client id"):
        Settings(oidc_issuer="https://sso.example")


def test_the_secret_is_never_shown() -> None:
    """The client's secret stands in no text of the settings."""
    found = Settings(oidc_issuer="https://sso.example", oidc_client_id="x", oidc_client_secret="hush")
    assert "hush" not in f"{found} {found!r} {found.model_dump()} {found.model_dump_json()}"


def test_an_account_is_one_principals(served_precinct: Database, shared_precinct: Precinct, provider: Provider) -> None:
    """The security administrator admits and ends accounts; one account cannot be two principals."""
    admit(shared_precinct, "one", None)
    admit(shared_precinct, "two", None)
    client = visitor(served_precinct, provider)
    client.headers["Authorization"] = f"Bearer {shared_precinct.tokens['security_admin-whole']}"
    assert client.put("/principals/one/login", json={"login": "acct"}).json()["login"] == "acct"
    taken = client.put("/principals/two/login", json={"login": "acct"})
    assert (taken.status_code, "belongs to another" in taken.json()["detail"]) == (409, True)
    provider.person = {"sub": "s-acct", "preferred_username": "acct"}
    browser = visitor(served_precinct, provider)
    assert sign_in(browser).status_code == 303
    assert client.get("/principals/one").json()["has_signed_in"] is True
    secret = browser.cookies["twingrid_session"]
    assert client.put("/principals/one/login", json={"login": None}).json()["has_signed_in"] is False
    other = visitor(served_precinct, provider)
    other.cookies.set("twingrid_session", secret)
    assert other.get("/me").status_code == 401
    assert sign_in(visitor(served_precinct, provider)).status_code == 401


def test_a_sign_in_does_not_overtake_who_ends_it(
    served_precinct: Database, shared_precinct: Precinct, provider: Provider
) -> None:
    """Who comes back just while their login is taken away gets no session that would outlive it."""
    admit(shared_precinct, "zhu", "zhu")
    provider.person = {"sub": "s-zhu", "preferred_username": "zhu"}
    assert sign_in(visitor(served_precinct, provider)).status_code == 303
    client = visitor(served_precinct, provider)
    back = go(client)
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    with ThreadPoolExecutor(1) as pool:
        with shared_precinct.database.write() as session:
            service.set_login(session, OPERATOR, "zhu", None)
            coming = pool.submit(client.get, back)
            while not coming.done() and not session.scalar(waiting):
                time.sleep(0.01)
        assert coming.result(30).status_code == 401
    with shared_precinct.database.read() as session:
        open_still = "SELECT count(*) FROM session JOIN principal ON principal.id = principal_id WHERE name = 'zhu'"
        assert session.scalar(text(open_still)) == 0
