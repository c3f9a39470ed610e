"""Connections that give up on clients who do not go on: half a request, an answer nobody takes, none at all."""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bounds import LARGEST_HEADERS, LONGEST_QUERY
from api.headers import ALWAYS

HEAD_WITHIN_S = 10.0  # from the first byte, or from connecting, until the headers are whole
STALLED_S = 20.0  # in which a client takes some 64 kB of an answer
MOST_CONNECTIONS = 4096
OTHER_FILES = 512  # of the process: the database's connections, uploads, libraries
LONGEST_UNREAD = LARGEST_HEADERS + LONGEST_QUERY  # bytes of a head, of what stands between requests or parts of a body
EXTENSION = "twingrid.connection"  # in an ASGI scope
_OF_REFUSAL = {**ALWAYS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
REFUSAL = "\r\n".join(["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in _OF_REFUSAL.items()), ""])


@dataclass
class Client:
    """Whoever is at the other end of a connection."""

    transport: "Joining"
    idle_since_s: float | None  # by the clock of the loop; None while a request is answered
    is_gone: bool = False

    def abort(self) -> None:
        """Give up on them: what is still to be sent is dropped."""
        self.is_gone = True
        self.transport.abort()

    def join(self) -> None:
        """Let what is written next, the head of an answer, leave with what is written after that, its body."""
        self.transport.join()


class Joining(asyncio.Transport):
    """A transport, and two writes as one: each is a call of the system, and a packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._waiting: bytes | None = None  # for the next write; empty: for the one before that
        for name in ("is_closing", "get_write_buffer_size", "pause_reading", "resume_reading", "get_extra_info"):
            setattr(self, name, getattr(transport, name))

    def join(self) -> None:
        """Let the next write wait for the one after it."""
        self._waiting = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or wait."""
        if self._waiting is None:
            self._transport.write(data)
        elif self._waiting:
            data, self._waiting = b"".join((self._waiting, data)), None
            self._transport.write(data)
        else:
            self._waiting = bytes(data)

    def close(self) -> None:
        """Close, once everything is written."""
        if self._waiting:
            self._transport.write(self._waiting)
        self._waiting = None
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()


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


class Connection(HttpToolsProtocol):
    """One connection of uvicorn's, with an end to waiting for the client and to what it may send in a head."""

    most = MOST_CONNECTIONS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head = Deadline(self.loop)
        self._stalled = Deadline(self.loop)
        self._is_in_head = True  # or before one
        self._unread = 0  # bytes since something was made of them: a whole head, a part of a body, the end of one
        self.end: Client | None = None  # refers to nothing that refers to this: no garbage is left for the collector

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; where there are too many, the one that has been idle for longest goes."""
        joining = Joining(transport)
        super().connection_made(joining)
        self.end = Client(joining, self.loop.time())
        self.app = partial(_introduce, self.end, self.app)
        self._wait_for_head()
        if len(self.connections) > self.most:
            ends = [one.end for one in self.connections if isinstance(one, Connection) and one.end is not self.end]
            idle = {one.idle_since_s: one for one in ends if one and one.idle_since_s is not None and not one.is_gone}
            oldest = idle[min(idle)] if idle else self.end
            oldest.abort()

    def data_received(self, data: bytes) -> None:
        """Take some bytes, and wait for the rest of the headers where they are not whole."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._head.clear()
        elif self._unread > LONGEST_UNREAD:
            self.send_400_response("Too much that is no part of a body.")
        elif self._is_in_head and not self._is_answering:
            self._wait_for_head()
        else:
            self._head.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that comes behind the body is none, so that nothing can be added to a request later."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._is_in_head, self._unread = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect another head."""
        self._is_in_head, self._unread = True, 0
        super().on_message_complete()

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
        """Answer what is no HTTP with the headers of every answer; what comes behind a whole request ends with it."""
        if self._is_answering and not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self._is_answering:
            if self.cycle.response_started:
                self.transport.abort()
                return
            self.cycle.disconnected = True  # the body turned out to be none
            self.cycle.message_event.set()
        self.transport.write(f"{REFUSAL}Content-Length: {len(msg)}\r\n\r\n{msg}".encode())
        self.transport.close()

    @property
    def _is_answering(self) -> bool:
        """Whether there is a request that has not been answered to its end."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if not self._head.is_set:
            self._head.set(HEAD_WITHIN_S, self.transport.abort)

    def _abort_if_closing(self) -> None:
        self._stalled.clear()
        if self.transport.is_closing():
            self.transport.abort()
