"""Connections that give up on clients who do not go on: half a request, an answer nobody takes, none at all."""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.bounds import LARGEST_HEADERS, LONGEST_PATH, LONGEST_QUERY, MOST_HEADERS
from api.headers import ALWAYS

HEAD_WITHIN_S = 10.0  # from the first byte, or from connecting, until the headers are whole
STALLED_S = 20.0  # in which a client takes some 64 kB of an answer
MOST_CONNECTIONS = 4096
OTHER_FILES = 512  # of the process: the database's connections, uploads, libraries
# bytes of a head, of what stands between requests or parts of a body
LONGEST_UNREAD = LONGEST_PATH + LONGEST_QUERY + LARGEST_HEADERS + 4 * MOST_HEADERS
MOST_AHEAD = 16  # requests that a client sends before the answer to an earlier one is sent
FRAMING = {b"content-length", b"transfer-encoding"}
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
        self.is_lost = False
        for name in ("is_closing", "get_write_buffer_size", "pause_reading", "resume_reading", "get_extra_info"):
            setattr(self, name, getattr(transport, name))

    def join(self) -> None:
        """Let the next write wait for the one after it."""
        self._waiting = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, or wait; to a client that is gone, nothing."""
        if self.is_lost:
            return
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
        self._is_read_again = False  # the head is one that was read before
        self._unread = 0  # bytes since something was made of them: a whole head, a part of a body, the end of one
        self.end: Client | None = None

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
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self.transport.is_closing():
            self._head.clear()
        elif self._unread > LONGEST_UNREAD:
            self.send_400_response("Too much that is no part of a body.")
        elif self._is_in_head and not self._is_answering:
            self._wait_for_head()
        else:
            self._head.clear()

    def _feed(self, data: bytes) -> None:
        """Parse some bytes. An upgrade that is asked for is none that is offered: the request is answered as it stands.

        The parser takes what follows for another protocol, which it leaves alone, and so the body for none. Another one
        goes on from there, once it has read how the body is framed.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            else:
                return
            framing = b"".join(b"%b: %b\r\n" % one for one in self.headers if one[0] in FRAMING)
            self.parser = httptools.HttpRequestParser(self)
            self._is_read_again = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
            self._is_read_again = False

    def on_message_begin(self) -> None:
        """Begin with a request."""
        if not self._is_read_again:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        if not self._is_read_again:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that comes behind the body is none, so that nothing can be added to a request later."""
        if self._is_in_head and not self._is_read_again:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless there are too many that wait for an answer."""
        self._is_in_head, self._unread = False, 0
        if self._is_read_again:
            return
        if len(self.pipeline) >= MOST_AHEAD:
            raise httptools.HttpParserError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect another head; what asks for an upgrade is not read to its end yet."""
        if self._is_read_again or not self.parser.should_upgrade():
            self._is_in_head, self._unread = True, 0
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, and for the client to take the rest of the answer."""
        if self.end is not None:
            self.end.idle_since_s = self.loop.time()
        super().on_response_complete()
        self._wait_for_taking()

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
            self.end.is_gone = self.end.transport.is_lost = True
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
            if self.cycle.response_started or self.pipeline:  # another answer is due, or on its way
                self.transport.abort()
                return
            self.cycle.disconnected = True  # the body turned out to be none
            self.cycle.message_event.set()
        self.transport.write(f"{REFUSAL}Content-Length: {len(msg)}\r\n\r\n{msg}".encode())
        self.transport.close()
        self._wait_for_taking()

    @property
    def _is_answering(self) -> bool:
        """Whether there is a request that has not been answered to its end."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if not self._head.is_set:
            self._head.set(HEAD_WITHIN_S, self.transport.abort)

    def _wait_for_taking(self) -> None:
        """Give the client time to take what is still to be sent before the end of the connection."""
        if self.transport.get_write_buffer_size() and not self._stalled.is_set:
            self._stalled.set(STALLED_S, self._abort_if_closing)

    def _abort_if_closing(self) -> None:
        self._stalled.clear()
        if self.transport.is_closing():
            self.transport.abort()
