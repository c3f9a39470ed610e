"""Requests as no well-behaved client sends them: paths, headers, methods and framing, byte by byte."""

import logging
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from fastapi.testclient import TestClient

from api.connections import MOST_AHEAD
from spatial.db import Database
from tests.test_headers import lacking
from tests.wire import Wire, served

Maker = Callable[..., TestClient]
SECRETS = re.compile(rb"Traceback|File \"|site-packages|root:|/work/|/tmp/|psycopg|SELECT ")


def broken() -> None:
    """Fail as nobody foresaw."""
    raise ZeroDivisionError("a secret")


@pytest.fixture(scope="module")
def wire(town: Database) -> Iterator[Wire]:
    """Yield the way to a service over the town."""
    with served(town, broken) as way:
        yield way


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/api/app.py",
        "/static/..%5c..%5capi%5capp.py",
        "/static/....//....//api/app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/swagger-ui/../../package.json",
        "/static/swagger-ui/..%2f..%2fpackage.json",
        "/static/home.js%00.css",
        "/static/%00",
        "/static/%ff",
        "/static/" + "a/" * 1000,
        "/static/" + "a" * 3000,
        "/static",
        "/static/",
        "/static/swagger-ui",
        "/static/swagger-ui/",
        "//health",
        "//etc/passwd",
        "/health/",
        "/health//",
        "/./health",
        "/grids/../health",
        "/..%2fhealth",
        "/%2e%2e/health",
        "/grids/police/..%2f..%2fhealth",
        "/grids/police/%00",
        "/grids/police/%ff%fe",
        "/grids/police/" + "x" * 500,
        "/imports/..%2f..%2fetc%2fpasswd",
        "/imports/00000000-0000-0000-0000-000000000000/..%2ffaults.csv",
        "/jobs/%2e%2e",
        "http://evil.example/static/../api/app.py",
    ],
)
def test_no_path_leads_out_of_what_is_served(wire: Wire, path: str) -> None:
    """Tricks with slashes, dots, encodings and NUL are no address or no code; no folder is listed, no file leaks."""
    answer = wire.get(path)
    assert answer.status in {400, 404}, answer
    assert lacking(answer.headers) == []
    assert not SECRETS.search(answer.body)
    assert "location" not in answer.headers


def test_a_code_with_a_slash_is_a_code(wire: Wire) -> None:
    """An encoded slash in a code is part of the code, not a way to another route."""
    answer = wire.get("/grids/police/a%2fb")
    assert (answer.status, b"a/b" in answer.body) == (404, True)


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "OPTIONS", "DELETE", "PROPFIND", "get", "X" * 50])
def test_other_methods_are_refused(wire: Wire, method: str) -> None:
    """A route answers what it declares; nothing echoes a request."""
    answer = wire.get("/health", "X-Secret: please-echo", method=method)
    assert answer.status in {400, 405}
    assert b"please-echo" not in answer.body
    assert lacking(answer.headers) == []


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nContent-Length: 40",
        b"Content-Length: 4, 40",
        b"Content-Length: -1",
        b"Content-Length: +4",
        b"Content-Length: 0x4",
        b"Content-Length: 4 4",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"X: y\r\n Transfer-Encoding: chunked\r\nX\x00: y",
        b"X\r\nHost: b",
        b"Host: b",
        b"X: a\x00b",
        b": x",
    ],
)
def test_framing_that_can_be_read_in_two_ways_is_refused(wire: Wire, head: bytes) -> None:
    """Two lengths, lengths that are none, encodings that are none, NUL, two hosts: 400, and the connection ends."""
    request = b"POST /incidents HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    answer = wire.say(request)
    assert answer.status in {400, 501}
    assert b"HTTP/1.1" not in answer.body  # there is one answer, not two
    assert lacking(answer.headers) == []


def test_a_length_beside_chunks_is_refused(wire: Wire) -> None:
    """Where both are given, a proxy might see another end of the body: 400, and what follows is no request."""
    head = b"POST /incidents HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = wire.say(head + b"0\r\n\r\n" + SMUGGLED)
    assert answer.status == 400
    assert b"HTTP/1.1" not in answer.body


def test_a_request_before_nonsense_is_answered(wire: Wire) -> None:
    """What follows a whole request and is none ends the connection, after the answer that is due."""
    answer = wire.say(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert b"HTTP/1.1" not in answer.body


def test_nothing_is_added_to_a_request_behind_its_body(wire: Wire) -> None:
    """A header that comes as a trailer is no header."""
    head = b"POST /incidents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    plain, more = (wire.say(head + end) for end in (b"0\r\n\r\n", b"0\r\nAuthorization: Bearer x\r\n\r\n"))
    assert (more.status, more.body) == (plain.status, plain.body)
    assert plain.body != wire.say(head[:-2] + b"Authorization: Bearer x\r\n\r\n0\r\n\r\n").body


def heads(wire: Wire, request: bytes, *more: bytes) -> list[int]:
    """Send bytes, and more a little later each; return the statuses of all answers until the connection ends."""
    with wire.connect() as connection:
        for part in (request, *more):
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(part)
            time.sleep(0.05)
        connection.settimeout(2)
        got = b""
        with suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(2**20):
                got += part
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3})", got)]


def test_requests_that_are_sent_ahead_are_answered_in_turn(wire: Wire) -> None:
    """A few are; a client that never waits is answered a few, and no more is taken from it."""
    one = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    assert heads(wire, one * 5) == [200] * 5
    assert len(heads(wire, one * 2000)) <= MOST_AHEAD + 2


def test_clients_that_leave_are_no_error(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Whether they have sent one request or several, and whether they hang up or break off."""
    one = b"GET /maps/grids HTTP/1.1\r\nHost: a\r\n\r\n"
    for count in (1, 3):
        for linger in (b"", struct.pack("ii", 1, 0)):
            with wire.connect() as connection:
                if linger:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(one * count)
    assert wire.get("/health").status == 200
    time.sleep(0.5)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_refusal_goes_into_no_other_answer(wire: Wire) -> None:
    """Of two requests the second's body is none: the first is answered whole, or not at all."""
    broken = b"POST /incidents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
    assert heads(wire, b"GET /docs HTTP/1.1\r\nHost: a\r\n\r\n" + broken) in ([], [200])


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 40", b"GET /me HTTP/1.1\r\nHost: a\r\n\r\n" + b" " * 11),
        (b"Transfer-Encoding: chunked", b"20\r\nGET /me HTTP/1.1\r\nHost: a\r\n\r\n   \r\n0\r\n\r\n"),
    ],
)
def test_an_upgrade_that_is_not_offered_is_none(wire: Wire, framing: bytes, body: bytes) -> None:
    """The request is answered as it stands, its body is its body, at once or later, and the next one is read."""
    head = (
        b"POST /lookup/area HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + UPGRADE + framing + b"\r\n\r\n"
    )
    after = b"GET /health HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n"
    refused = heads(wire, head + body)[0]
    assert refused in {400, 401}
    assert heads(wire, head + body + after) == [refused, 200]
    assert heads(wire, head, body, after, after) == [refused, 200, 200]


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: ",
        b"GET /",
        b"POST /incidents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"POST /incidents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"\r\n" * 10**6,
    ],
)
def test_what_never_ends_and_is_no_body_is_cut_off(wire: Wire, begin: bytes) -> None:
    """A head, the size of a chunk, a trailer, empty lines: beyond 64 KiB nobody listens any more."""
    answer = wire.say(begin + b"a" * 10**6)
    assert answer.status in {0, 400, 401}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1@evil.example", "[", "a" * 5000, "evil.example:99999", "\xff"]
)
def test_the_host_that_is_named_is_not_believed(wire: Wire, host: str) -> None:
    """No answer repeats it in a header or a link, and no name but our own opens the demo."""
    for path in ("/", "/layers", "/nothing"):
        answer = wire.say(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        assert answer.status in {200, 400, 401, 404}
        assert answer.status != 200 or path == "/"
        assert b"evil.example" not in answer.body
        assert "evil.example" not in "".join(answer.headers.values())
        assert b'id="person"' not in answer.body


def test_nothing_of_a_request_ends_a_header(town_copy: Database, client_as: Maker) -> None:
    """Line breaks in what gets into `Location`, file names, languages and cookies end no header and begin none."""
    client = client_as(town_copy, "system_admin")
    evil = "a\r\nX-Evil: yes"
    replies = [
        client.get("/", params={"lang": evil}),
        client.get("/", headers={"Accept-Language": "en;q=1, x"}),
        client.get("/imports/x%0d%0aX-Evil:%20yes/faults.csv"),
        client.post("/demo/switch", data={"name": f"demo-viewer{evil}"}),
        client.put("/sources/a%0d%0aX-Evil:%20yes/categories", json={}),
        client.post("/incidents", json={"source": evil, "external_id": evil}),
        client.post(
            "/imports/sources",
            content=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a%0d%0aX-Evil: yes\\".csv"\r\n\r\n'
            b"code,title,expected_interval\n110,x,1 h\n\r\n--b\r\n"
            b'Content-Disposition: form-data; name="encoding"\r\n\r\nutf-8\r\n--b--\r\n',
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        ),
    ]
    assert all("x-evil" not in reply.headers for reply in replies)
    assert all(reply.status_code < 500 for reply in replies), [reply.status_code for reply in replies]


@pytest.mark.parametrize(
    "body",
    [
        r'{"source": "110", "external_id": "1", "category": "x", "lon": 1, "lat": 1, "reported_at": "\ud800"}',
        r'{"\ud800": 1}',
        r'{"\udfff\u0000": {"\ud800": "\ud800"}}',
    ],
)
def test_what_is_no_text_is_refused_where_it_stands(town: Database, client_as: Maker, body: str) -> None:
    """Half a surrogate pair, as a name or a value: a fault, which is told though what it repeats cannot be sent."""
    reply = client_as(town).post("/incidents", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["faults"]


def test_the_server_does_not_introduce_itself(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Neither name nor version of a server, nor a trace of an error; the log has the trace, without a token."""
    with caplog.at_level(logging.INFO):
        answer = wire.get(
            "/broken", "Authorization: Bearer very-secret-token", "Cookie: twingrid_demo=very-secret-name"
        )
    assert answer.status == 500
    assert not SECRETS.search(answer.body)
    for one in (answer, wire.get("/"), wire.get("/static/home.js"), wire.say(b"nonsense\r\n\r\n")):
        assert not {"server", "x-powered-by"} & one.headers.keys()
        assert lacking(one.headers) == []
    assert "ZeroDivisionError" in caplog.text
    assert "very-secret" not in caplog.text
    assert "Authorization" not in caplog.text


@pytest.mark.parametrize(
    "credentials",
    [
        "Authorization: Bearer ",
        "Authorization: Bearer " + "x" * 20_000,
        "Authorization: Bearer \xff\xfe",
        "Authorization: Basic YTpi",
        "Authorization: Bearer x, Bearer y",
        "Authorization: bearer' OR 1=1 --",
        "Authorization: ",
    ],
)
def test_a_token_that_is_none_is_refused(town: Database, credentials: str) -> None:
    """Whatever a token is made of, it is looked up by its digest, and unknown."""
    with served(town) as way:
        answer = way.get("/layers", credentials)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
