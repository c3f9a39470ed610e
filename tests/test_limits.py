"""What is too large, too often or not meant: refused at once, with the reason, and nothing is held for it."""

import gzip
import secrets
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from fastapi import Response
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api import bounds, connections, sending
from api.app import create_app
from api.connections import Connection
from api.rates import MOST_REMEMBERED, Rates, address_of
from spatial.db import Database
from spatial.errors import TooMany
from spatial.settings import Settings
from tests.wire import Wire, read_answer, served

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
    answer = wire.say(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2**22)
    assert answer.status in {0, 400}  # 0: it was cut while we still spoke


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
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 300,
        "multipart/mixed; boundary=b",
    ],
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
    returning = TestClient(app, "http://127.0.0.1", client=("203.0.113.7", 50000))
    returning.cookies.set("twingrid_session", secrets.token_urlsafe(32))
    statuses = [returning.get("/layers").status_code for _ in range(100)]
    assert 40 <= statuses.count(401) <= 50, "sessions that are over are guessed at longer, and not for ever"


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


# Work -----------------------------------------------------------------------------------------------------------------


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it never was")


def test_beyond_the_queue_the_answer_is_503_at_once(town: Database) -> None:
    """One is worked on, ten wait and are answered, the rest are told to come back; a sign of life is always given."""
    free, begun = threading.Event(), []

    def slow() -> str:
        begun.append(1)
        free.wait(20)
        return "done"

    with served(town, slow, requests_at_once=1) as way, ThreadPoolExecutor(40) as callers:
        first = callers.submit(way.get, "/slow")
        until(lambda: bool(begun))
        others = [callers.submit(way.get, "/slow") for _ in range(30)]
        until(lambda: sum(one.done() for one in others) == 20)
        refused = [one.result() for one in others if one.done()]
        assert {(one.status, one.headers["retry-after"]) for one in refused} == {(503, "5")}
        assert b"urn:twingrid:problem:busy" in refused[0].body
        assert way.get("/health").status == 200
        free.set()
        assert Counter(one.result().status for one in [first, *others]) == {200: 11, 503: 20}


def test_whoever_leaves_the_queue_costs_no_work(town: Database) -> None:
    """A client that has gone by the time of its turn is not worked for."""
    free, begun = threading.Event(), []

    def slow() -> str:
        begun.append(1)
        free.wait(20)
        return "done"

    with served(town, slow, requests_at_once=1) as way, ThreadPoolExecutor(2) as callers:
        first = callers.submit(way.get, "/slow")
        until(lambda: bool(begun))
        for _ in range(5):
            with way.connect() as gone:
                gone.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        last = callers.submit(way.get, "/slow")
        time.sleep(0.2)  # the server hears of those who have gone; nothing of ours would tell
        free.set()
        assert [first.result().status, last.result().status, len(begun)] == [200, 200, 2]


def test_a_body_that_is_awaited_holds_no_place(town: Database) -> None:
    """While one client dawdles over its body, others are worked for."""
    with served(town, requests_at_once=1) as way, way.connect() as dawdling:
        dawdling.sendall(b"POST /incidents HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert way.get("/openapi.json").status == 200
        assert way.get("/ready").status == 200


def test_a_head_that_does_not_come_is_not_awaited(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, half a head, or a head of which a byte comes now and then: the connection is closed."""
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.3)
    for begin in (b"", b"GET / HT", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /hea"):
        with wire.connect() as connection:
            connection.sendall(begin)
            answer = read_answer(connection)
            assert answer.status == (200 if b"\r\n\r\n" in begin else 0)
    with wire.connect() as dripping, suppress(ConnectionError):
        for letter in b"GET /health HTTP/1.1\r\nHost: " + b"a" * 1000:
            dripping.sendall(bytes([letter]))
            time.sleep(0.02)
        pytest.fail("it was heard to the end")


@pytest.mark.parametrize("head", [b"Content-Length: 500000", b"Transfer-Encoding: chunked"])
def test_a_body_that_stops_or_drips_is_not_awaited(wire: Wire, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """A body that does not come is answered with 408, as is one that comes byte by byte; nothing of it is kept."""
    monkeypatch.setattr(bounds, "PATIENCE_S", 0.3)
    monkeypatch.setattr(sending, "HEARD_FOR_S", 0.1)
    request = b"POST /incidents HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%b\r\n\r\n1\r\n{" % head
    with wire.connect() as stopping:
        stopping.sendall(request)
        answer = read_answer(stopping)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert b"urn:twingrid:problem:too-slow" in answer.body
    with wire.connect() as dripping, suppress(ConnectionError):
        dripping.sendall(request)
        for _ in range(200):
            dripping.sendall(b"\r\n1\r\n ")
            time.sleep(0.02)
        pytest.fail("it was heard to the end")


def test_an_answer_that_nobody_takes_is_dropped(town: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not read is given up; one that reads gets all."""
    monkeypatch.setattr(connections, "STALLED_S", 1.0)

    def large() -> Response:
        return Response(b"x" * 30_000_000)

    with served(town, large) as way, way.connect(receive_buffer=2**16) as stalled:
        stalled.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert stalled.recv(1)
        time.sleep(1.5)
        assert len(read_answer(stalled).body) < 30_000_000
        assert len(way.get("/large").body) == 30_000_000


def test_answers_that_wait_have_room_together(town: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of readers that dawdle over large answers, the oldest are given up for new ones."""
    monkeypatch.setattr(sending, "MOST_LEAVING", 70_000_000)

    def large() -> Response:
        return Response(b"x" * 30_000_000)

    with served(town, large) as way, ExitStack() as opened:
        readers = [opened.enter_context(way.connect(receive_buffer=2**16)) for _ in range(5)]
        for reader in readers:
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert reader.recv(1)
        with ThreadPoolExecutor(5) as reading:
            bodies = [answer.body for answer in reading.map(read_answer, readers)]
        assert [len(body) > 29_990_000 for body in bodies] == [False, False, False, True, True]


def test_the_oldest_idle_connection_makes_room(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where connections are too many, one that asks for nothing goes for a new one."""
    monkeypatch.setattr(Connection, "most", 5)
    with ExitStack() as opened:
        idle = [opened.enter_context(wire.connect()) for _ in range(20)]
        assert wire.get("/health").status == 200
        assert idle[0].recv(1) == b""


def test_whoever_is_refused_before_the_end_of_a_body_hears_why(wire: Wire) -> None:
    """A large body that is refused by its head, or for want of a token, is answered, and the connection is closed."""
    for path, status in (("/incidents", 413), ("/imports/officers", 401)):
        body = b"x" * 5_000_000
        head = (f"Content-Length: {len(body)}", "Authorization: Bearer none", "Content-Type: application/json")
        answer = wire.get(path, *head, method="POST", body=body)
        assert (answer.status, answer.headers["connection"]) == (status, "close")
