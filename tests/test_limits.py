"""What is too large, too often or not meant: refused at once, with the reason, and nothing is held for it."""

import gzip
import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api.app import create_app
from api.rates import MOST_REMEMBERED, Rates, address_of
from spatial.db import Database
from spatial.errors import TooMany
from spatial.settings import Settings
from tests.wire import Wire, served

Maker = Callable[..., TestClient]


@pytest.fixture(scope="module")
def wire(town: Database) -> Iterator[Wire]:
    """Yield the way to a service over the town."""
    with served(town) as way:
        yield way


# Sizes ----------------------------------------------------------------------------------------------------------------


def test_a_body_has_a_size_that_depends_on_what_is_sent(town: Database, client_as: Maker) -> None:
    """A megabyte for most, 16 for a batch of events; told beforehand or not, beyond it is refused with the limit."""
    client = client_as(town)
    for path, most in (("/incidents", 1), ("/incidents/batch", 16)):
        for body in (b" " * (most * 2**20 + 1), iter([b" " * 2**20] * most + [b" "])):
            reply = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (reply.status_code, reply.json()["type"]) == (413, "urn:twingrid:problem:too-large")
            assert f" {most} MB" in reply.json()["detail"]
        assert client.post(path, content=b"[", headers={"Content-Type": "application/json"}).status_code == 400


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes)])
def test_a_packed_body_is_not_unpacked(town: Database, client_as: Maker, coding: str, pack: Callable) -> None:
    """A body whose size cannot be seen is refused, whatever it packs."""
    for path in ("/incidents", "/incidents/batch", "/imports/officers"):
        reply = client_as(town).post(path, content=pack(b"[]"), headers={"Content-Encoding": coding})
        assert reply.status_code == 415
        assert reply.headers["accept-encoding"] == "identity"


def test_an_address_and_headers_have_their_sizes(wire: Wire) -> None:
    """A path, a query, a header, and the number of headers: beyond its limit each is refused, and what suits is not."""
    assert wire.get("/" + "x" * 5000).status == 414
    assert wire.get("/health?crs=" + "x" * 33_000).status == 414
    assert wire.get("/lookup?lon=1&lat=1&crs=" + "%20" * 4001).status == 400
    assert wire.get("/health", *[f"X-{n}: x" for n in range(200)]).status == 431
    assert wire.get("/health", "X: " + "x" * 33_000).status == 431
    assert wire.get("/health", *[f"X-{n}: x" for n in range(50)]).status == 200


def test_a_head_without_end_is_cut(wire: Wire) -> None:
    """Headers that go on and on are not held: the server stops listening."""
    assert wire.say(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2**22).status == 400


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 10_000 + b"--b--\r\n", 413),
        (b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n1\r\n--b--\r\n", 400),
        (b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n1\r\n--b--\r\n", 400),
        (b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c\r\n--c--\r\n--b--\r\n", 400),
        (b"\r\n" * 100_000, 400),
    ],
    ids=["many parts", "many headers", "long header", "nested", "no form"],
)
def test_a_form_made_to_harm(town: Database, client_as: Maker, body: bytes, status: int) -> None:
    """Ten thousand parts, headers without end, forms in forms: refused, and no file is kept."""
    reply = client_as(town, "system_admin").post("/imports/sources", content=body, headers=FORM)
    assert reply.status_code == status, reply.text
    assert reply.json()["faults"]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"]
)
def test_a_form_without_a_boundary(town: Database, client_as: Maker, kind: str) -> None:
    """What does not say where its parts end is no form."""
    reply = client_as(town, "system_admin").post("/imports/sources", content=b"x", headers={"Content-Type": kind})
    assert reply.status_code in {400, 415}
    assert client_as(town).post("/demo/switch", content=b"x", headers={"Content-Type": kind}).status_code == 400


# Rates ----------------------------------------------------------------------------------------------------------------


def test_a_bucket_empties_and_fills() -> None:
    """A minute's requests may come at once; from then on one every so many seconds, and the wait is told."""
    rates = Rates(60)
    for _ in range(60):
        rates.take("a", 100.0)
    with pytest.raises(TooMany) as refusal:
        rates.take("a", 100.0)
    assert refusal.value.retry_after_s == 1
    rates.take("b", 100.0)
    rates.take("a", 101.0)
    with pytest.raises(TooMany):
        rates.take("a", 101.5)
    for _ in range(60):
        rates.take("a", 10_000.0)
    with pytest.raises(TooMany):
        rates.take("a", 10_000.0)


def test_buckets_are_bounded_in_number() -> None:
    """A million callers are not remembered all; without a limit none is refused."""
    rates = Rates(10)
    for n in range(MOST_REMEMBERED + 1000):
        rates.take(str(n), 0.0)
    assert len(rates) == MOST_REMEMBERED
    unbounded = Rates(0)
    for _ in range(1000):
        unbounded.take("a", 0.0)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::2:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_an_address_is_whose_one_caller_may_have(one: str, other: str, is_same: bool) -> None:
    """Addresses of IPv6 are counted by network, as one caller has billions of them."""
    assert (address_of({"client": (one, 1)}) == address_of({"client": (other, 2)})) is is_same


def test_a_principal_who_asks_too_often_waits(town: Database) -> None:
    """Beyond the rate the answer is 429 with `Retry-After`; another principal at the same address is not held up."""
    app = create_app(town, Settings(language="en", rate_per_minute=2))
    client = TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 50000))
    replies = [client.get("/layers") for _ in range(10)]
    assert Counter(reply.status_code for reply in replies) == {200: 2, 429: 8}
    late = replies[-1]
    assert late.json()["type"] == "urn:twingrid:problem:too-many"
    assert 1 <= int(late.headers["retry-after"]) <= 30
    client.cookies.set("twingrid_demo", "demo-planner")
    assert client.get("/layers").status_code == 200


def test_refused_credentials_are_soon_not_looked_at(town: Database) -> None:
    """Of a hundred guessed tokens few are looked at; the address then waits, whatever it asks, and no other does."""
    app = create_app(town, Settings(language="en", rate_per_minute=200))
    guessing = TestClient(app, "http://127.0.0.1", client=("203.0.113.5", 50000))
    statuses = [
        guessing.get("/layers", headers={"Authorization": f"Bearer {secrets.token_urlsafe(n % 64)}"}).status_code
        for n in range(100)
    ]
    assert 10 <= statuses.count(401) <= 15
    assert statuses.count(429) == 100 - statuses.count(401)
    assert guessing.get("/health").status_code == 429
    assert TestClient(app, client=("203.0.113.6", 50000)).get("/health").status_code == 200


def test_a_forwarded_address_counts_from_a_trusted_proxy_only(town: Database) -> None:
    """By default nobody can name an address as its own; what a trusted proxy forwards is the caller's."""

    def answered(**settings: Any) -> Counter[int]:
        with served(town, rate_per_minute=1, **settings) as way:
            return Counter(way.get("/health", f"X-Forwarded-For: 203.0.113.{n}").status for n in range(10))

    assert answered() == {200: 1, 429: 9}
    assert answered(trusted_proxies="10.0.0.0/8") == {200: 1, 429: 9}
    assert answered(trusted_proxies="127.0.0.1") == {200: 10}


def test_what_a_trusted_proxy_forwards_is_its_own_word(town: Database) -> None:
    """Addresses that a caller put before the proxy's are not believed, and HTTPS is what the proxy says."""
    with served(town, rate_per_minute=1, trusted_proxies="127.0.0.1") as way:
        chains = (f"X-Forwarded-For: 198.51.100.{n}, 203.0.113.9" for n in range(10))
        assert Counter(way.get("/health", chain).status for chain in chains) == {200: 1, 429: 9}
        secure = way.get("/health", "X-Forwarded-For: 203.0.113.1", "X-Forwarded-Proto: https")
        assert "strict-transport-security" in secure.headers
    with served(town) as way:
        assert "strict-transport-security" not in way.get("/health", "X-Forwarded-Proto: https").headers


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_a_proxy_is_named_by_its_address(proxies: str) -> None:
    """What would trust anybody, or is no network, is a fault of the setting."""
    with pytest.raises(ValidationError, match="network"):
        Settings(trusted_proxies=proxies)
