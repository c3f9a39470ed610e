"""Asking a server over many connections at once, by as little work as can be: the machine is the server's."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

CONNECTIONS = 16
PIECE = 2**20


@dataclass
class _Connection:
    socket: socket.socket
    asked: int = 0
    begun: float = 0.0
    got: list[bytes] = field(default_factory=list)
    missing: int | None = None  # bytes of the answer; none: its head is not whole


@dataclass(frozen=True)
class Answered:
    """How long each request took, in seconds, and what the first of them were answered."""

    seconds: Sequence[float]
    bodies: Sequence[bytes]


def ask(port: int, paths: Sequence[str], count: int, *, token: str | None = None, kept: int = 0) -> Answered:
    """Ask for paths in turn, `count` in all, over connections that are kept, each of which waits for its answer."""
    shown = f"Authorization: Bearer {token}\r\n" if token else ""
    heads = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{shown}\r\n".encode() for path in paths]
    seconds: list[float] = []
    bodies: dict[int, bytes] = {}
    left = iter(range(count))
    with selectors.DefaultSelector() as waiting:
        for number in _some(left, CONNECTIONS):
            connection = _Connection(socket.create_connection(("127.0.0.1", port)))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(connection.socket, selectors.EVENT_READ, connection)
            _send(connection, number, heads)
        while waiting.get_map():
            for key, _ in waiting.select():
                connection = key.data
                body = _read(connection)
                if body is None:
                    continue
                seconds.append(time.perf_counter() - connection.begun)
                if connection.asked < kept:
                    bodies[connection.asked] = body
                number = next(left, -1)
                if number < 0:
                    waiting.unregister(connection.socket)
                    connection.socket.close()
                else:
                    _send(connection, number, heads)
    return Answered(seconds, [bodies[number] for number in sorted(bodies)])


def _some(numbers: Iterator[int], most: int) -> Iterator[int]:
    for _, number in zip(range(most), numbers, strict=False):
        yield number


def _send(connection: _Connection, number: int, heads: Sequence[bytes]) -> None:
    connection.asked, connection.begun = number, time.perf_counter()
    connection.got, connection.missing = [], None
    connection.socket.sendall(heads[number % len(heads)])


def _read(connection: _Connection) -> bytes | None:
    """Take what has come; return the body once all of it has."""
    part = connection.socket.recv(PIECE)
    assert part, "the server hung up"
    connection.got.append(part)
    if connection.missing is None:
        whole = b"".join(connection.got)
        head, end, body = whole.partition(b"\r\n\r\n")
        if not end:
            return None
        assert head.startswith(b"HTTP/1.1 200"), head + body
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        connection.got, connection.missing = [body], int(length) - len(body)
    else:
        connection.missing -= len(part)
    return b"".join(connection.got) if connection.missing == 0 else None
