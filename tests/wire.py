"""A server as the product configures it, in a thread, and requests to it byte by byte."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from api.app import create_app
from api.server import server_of
from spatial.db import Database
from spatial.settings import Settings


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire."""

    status: int  # 0: the connection was closed without one
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """The way to a server."""

    host: str
    port: int

    def connect(self, **options: int) -> socket.socket:
        """Return a connection; `receive_buffer` keeps the system from reading ahead of us."""
        connection = socket.socket()
        if "receive_buffer" in options:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
        connection.settimeout(30)
        connection.connect((self.host, self.port))
        return connection

    def say(self, request: bytes) -> Answer:
        """Send bytes, and return the first answer to them."""
        with self.connect() as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
                connection.sendall(request)
            return read_answer(connection)

    def get(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Ask for a path as it is written here, without any client's tidying."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", "Connection: close", *headers]
        return self.say("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def read_answer(connection: socket.socket) -> Answer:
    """Return what comes until the connection is closed, as an answer."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(2**20):
            parts.append(part)
    told = b"".join(parts)
    if not told:
        return Answer(0, {}, b"")
    head, _, body = told.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


@contextmanager
def served(database: Database, *routes: Callable[..., Any], **settings: Any) -> Iterator[Wire]:
    """Yield the way to a service that listens on a port of its own; a function is answered at its name."""
    config = Settings(language="en", **settings)
    app = create_app(database, config)
    for route in routes:
        app.get(f"/{route.__name__}")(route)
    server = server_of(app, config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        serving.start()
        while not server.started:
            time.sleep(0.02)
        yield Wire(*listening.getsockname()[:2])
        server.should_exit = True
        serving.join()
