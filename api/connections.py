"""Connections that give up on clients who do not go on: half a request, an answer nobody takes, none at all."""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.headers import ALWAYS

HEAD_WITHIN_S = 10.0  # from the first byte, or from connecting, until the headers are whole
STALLED_S = 20.0  # in which a client takes some 64 kB of an answer
MOST_CONNECTIONS = 4096
OTHER_FILES = 512  # of the process: the database's connections, uploads, libraries
EXTENSION = "twingrid.connection"  # in an ASGI scope


@dataclass
class Client:
    """Whoever is at the other end of a connection."""

    transport: asyncio.Transport
    idle_since_s: float | None  # by the clock of the loop; None while a request is answered
    is_gone: bool = False

    def abort(self) -> None:
        """Give up on them: what is still to be sent is dropped."""
        self.transport.abort()


def client_of(scope: Scope) -> Client | None:
    """Return the other end of a request; None without a connection."""
    found: Client | None = scope.get("extensions", {}).get(EXTENSION)
    return found


def allow_open_files() -> int:
    """Let this process hold as many files as the system allows it; return for how many connections that is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(min(MOST_CONNECTIONS, soft - OTHER_FILES), 1)


async def _introduce(client: Client, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the app of the client."""
    client.idle_since_s = None
    scope.setdefault("extensions", {})[EXTENSION] = client
    await app(scope, receive, send)


class Deadline:
    """What is done once some seconds have passed, unless it is cleared before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is to be done."""
        return self._timer is not None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Do something in so many seconds, and nothing else."""
        self.clear()
        self._timer = self._loop.call_later(seconds, then)

    def clear(self) -> None:
        """Do nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connection(H11Protocol):
    """One connection of uvicorn's, with an end to waiting for the client."""

    most = MOST_CONNECTIONS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head = Deadline(self.loop)
        self._stalled = Deadline(self.loop)
        self.end: Client | None = None  # refers to nothing that refers to this: no garbage is left for the collector

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; where there are too many, the one that has been idle for longest goes."""
        super().connection_made(transport)
        self.end = Client(transport, self.loop.time())
        self.app = partial(_introduce, self.end, self.app)
        self._wait_for_head()
        if len(self.connections) > self.most:
            ends = [one.end for one in self.connections if isinstance(one, Connection) and one.end is not None]
            idle = [one for one in ends if one.idle_since_s is not None]
            min(idle, key=lambda one: one.idle_since_s or 0.0).abort()

    def data_received(self, data: bytes) -> None:
        """Take some bytes, and wait for the rest of the headers where they are not whole."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait_for_head()
        else:
            self._head.clear()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, and for the client to take the rest of the answer."""
        if self.end is not None:
            self.end.idle_since_s = self.loop.time()
        super().on_response_complete()
        if self.transport.get_write_buffer_size() and not self._stalled.is_set:
            self._stalled.set(STALLED_S, self._abort_if_closing)

    def pause_writing(self) -> None:
        """Wait for the client to take what has been sent."""
        super().pause_writing()
        self._stalled.set(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on sending."""
        self._stalled.clear()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self.end is not None:
            self.end.is_gone = True
        super().connection_lost(exc)
        self._head.clear()
        self._stalled.clear()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with the headers of every answer."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:  # in the midst of another answer
            self.transport.abort()
            return
        headers = [*ALWAYS.items(), ("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=msg.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait_for_head(self) -> None:
        if not self._head.is_set:
            self._head.set(HEAD_WITHIN_S, self.transport.abort)

    def _abort_if_closing(self) -> None:
        self._stalled.clear()
        if self.transport.is_closing():
            self.transport.abort()
