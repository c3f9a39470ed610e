"""What is too large, too often or not meant: refused at once, with the reason, and nothing is held for it."""

import gzip
import zlib
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from spatial.db import Database
from spatial.settings import Settings
from tests.wire import Wire, served

Maker = Callable[..., TestClient]


@pytest.fixture(scope="module")
def wire(town: Database) -> Iterator[Wire]:
    """Yield the way to a service over the town."""
    with served(create_app(town, Settings(language="en"))) as way:
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
