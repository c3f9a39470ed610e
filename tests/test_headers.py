"""The headers of every answer: what browsers may do with it, and that nothing of ours forgets to say so."""

import re
from collections.abc import Callable, Iterator, Mapping

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api.app import create_app
from api.headers import ALWAYS, POLICY
from spatial.db import Database, make_engine
from spatial.settings import Settings

Maker = Callable[..., TestClient]
PAGES = ("/", "/maps/grids", "/docs", "/imports")


def nowhere(**settings: object) -> FastAPI:
    """Return the service over a database that does not answer."""
    return create_app(Database(make_engine("postgresql://127.0.0.1:9/nowhere")), Settings(language="en", **settings))


@pytest.fixture(scope="module")
def asked() -> Iterator[TestClient]:
    """Yield a client of a service without a database."""
    with TestClient(nowhere(), "http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def lacking(headers: Mapping[str, str]) -> list[str]:
    """Return which of the headers that every answer has are not there."""
    return [name for name in ALWAYS if name.lower() not in headers]


def directives(policy: str) -> dict[str, str]:
    """Return the directives of a policy by name."""
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


def test_every_route_answers_with_the_headers(asked: TestClient) -> None:
    """Whatever a route answers, here mostly that the database is away, each header is there; no HSTS in the clear."""
    app = asked.app
    assert isinstance(app, FastAPI)
    for path, operations in app.openapi()["paths"].items():
        for verb in operations:
            reply = asked.request(verb, re.sub(r"\{\w+\}", "x", path))
            assert lacking(reply.headers) == [], path
            assert "strict-transport-security" not in reply.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("DELETE", "/lookup", 405),
        ("OPTIONS", "/lookup", 405),
        ("TRACE", "/lookup", 405),
        ("HEAD", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/static/home.js", 200),
        ("GET", "/static/swagger-ui/swagger-ui.css", 200),
        ("GET", "/static/", 404),
        ("GET", "/static/none.js", 404),
        ("GET", "/lookup?lon=x&tine=1", 400),
    ],
)
def test_answers_outside_the_routes_have_them_too(asked: TestClient, method: str, path: str, status: int) -> None:
    """Errors, static files and the contract have the same headers as data have."""
    reply = asked.request(method, path)
    assert reply.status_code == status
    assert lacking(reply.headers) == []
    assert reply.headers["content-security-policy"] == POLICY


def test_an_unforeseen_error_has_them_and_tells_nothing() -> None:
    """A 500 has the headers, and neither a stack trace nor the words of the error."""
    app = nowhere()

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("a secret")

    client = TestClient(app, raise_server_exceptions=False)
    reply = client.get("/broken")
    assert reply.status_code == 500
    assert reply.json()["type"] == "urn:twingrid:problem:internal"
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert lacking(reply.headers) == []


def test_hsts_over_https_only(asked: TestClient) -> None:
    """Over TLS a browser is told to stay there."""
    with TestClient(nowhere(), "https://127.0.0.1") as client:
        assert client.get("/health").headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_what_is_ours_and_nothing_inline(town: Database, client_as: Maker, path: str) -> None:
    """No page allows inline or evaluated code by any name, nor inline styles, frames, plug-ins or other hosts."""
    reply = client_as(town, "planner").get(path)
    assert reply.status_code == 200
    policy = directives(reply.headers["content-security-policy"])
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert not re.search("unsafe|http|\\*", " ".join(policy.values()))
    assert set(policy["script-src"].split()) == {"'self'"} or all(
        one.startswith("'sha256-") for one in policy["script-src"].split()
    )
    markup = re.sub(r"<(script|style).*?</\1>", "", reply.text, flags=re.DOTALL)
    assert not re.search(r"<[^>]+\s(style|on\w+)\s*=", markup)


def test_a_map_allows_the_base_map_that_is_configured(town: Database) -> None:
    """The host of the base map is allowed, for images alone."""
    app = create_app(town, Settings(base_map_url="https://{s}.tiles.example/{z}/{x}/{y}.png"))
    client = TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 50000))
    policy = directives(client.get("/maps/grids").headers["content-security-policy"])
    assert [name for name, value in policy.items() if "example" in value] == ["img-src"]
    assert "https://*.tiles.example" in policy["img-src"]


# Pages of other origins -----------------------------------------------------------------------------------------------

ELSEWHERE = "https://map.example"
PREFLIGHT = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "GET"}


def test_other_origins_are_not_let_in_by_default(asked: TestClient) -> None:
    """No answer speaks of other origins, and a preflight is refused."""
    for reply in (asked.options("/health", headers=PREFLIGHT), asked.get("/health", headers={"Origin": ELSEWHERE})):
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert asked.options("/health", headers=PREFLIGHT).status_code == 405


def test_an_origin_that_is_named_may_ask_without_cookies() -> None:
    """The origins of the setting are let in by name, errors included, any other is not, and cookies never count."""
    client = TestClient(nowhere(cors_origins=f"{ELSEWHERE},http://127.0.0.1:3000"))
    reply = client.options("/health", headers=PREFLIGHT | {"Access-Control-Request-Headers": "authorization"})
    assert reply.status_code == 200
    for one in (reply, client.get("/none", headers={"Origin": ELSEWHERE})):
        assert one.headers["access-control-allow-origin"] == ELSEWHERE
        assert "access-control-allow-credentials" not in one.headers
        assert lacking(one.headers) == []
    for other in ("https://map.example.evil", "http://map.example", "null", "https://map.example:444"):
        assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": other}).headers
        assert client.options("/health", headers=PREFLIGHT | {"Origin": other}).status_code == 400


@pytest.mark.parametrize("origins", ["*", "map.example", "https://map.example/", "https://*.example", "null"])
def test_what_is_no_origin_is_refused(origins: str) -> None:
    """A setting that would let in more than one origin by one name is a fault of the setting."""
    with pytest.raises(ValidationError, match="origin"):
        Settings(cors_origins=origins)
