"""How answers leave: in pieces that a client takes one after another, and bounded in what waits to be taken.

An answer that nobody takes is memory. Where all that wait have no room together, whoever has taken longest is given up.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.connections import Client, client_of

PIECE = 64 * 2**10  # bytes
MOST_LEAVING = 256 * 2**20  # of all answers together
HEARD_FOR_S = 3.0  # how long, and how much of a body that nobody wants is read, so that its sender hears the answer
HEARD = 16 * 2**20


@dataclass(frozen=True)
class Leaving:
    """An answer on its way, to whom, and how many bytes it holds."""

    size: int
    client: Client


class Sending:
    """Around the app: sends answers in pieces, and ends connections whose request was not read to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.leaving: dict[int, Leaving] = {}  # the oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_unread = any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )

        async def receiving() -> Message:
            nonlocal is_unread
            message = await receive()
            is_unread = is_unread and bool(message.get("more_body"))
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                if is_unread:
                    MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)
                return
            more = message.get("more_body", False)
            await self._send(message.get("body", b""), scope, send, more=more or is_unread)
            if is_unread and not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARD_FOR_S):
                        await _hear(receiving)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, receiving, sending)

    async def _send(self, body: bytes, scope: Scope, send: Send, *, more: bool) -> None:
        """Send a part of an answer in pieces."""
        client = client_of(scope)
        if len(body) > PIECE and client is not None:
            self._make_room(len(body))
            self.leaving[id(scope)] = Leaving(len(body), client)
        try:
            for start in range(0, max(len(body), 1), PIECE):
                if client is not None and client.is_gone:
                    return
                is_last = start + PIECE >= len(body)
                await send(
                    {
                        "type": "http.response.body",
                        "body": body[start : start + PIECE],
                        "more_body": more or not is_last,
                    }
                )
        finally:
            self.leaving.pop(id(scope), None)

    def _make_room(self, size: int) -> None:
        """Give up on those who have taken longest, until there is room for one more answer."""
        held = size + sum(one.size for one in self.leaving.values())
        while held > MOST_LEAVING and self.leaving:
            slowest = self.leaving.pop(next(iter(self.leaving)))
            slowest.client.abort()
            held -= slowest.size


async def _hear(receive: Receive) -> None:
    """Read what is left of a body that nobody wants, up to a limit."""
    heard = 0
    while heard < HEARD:
        message = await receive()
        heard += len(message.get("body", b""))
        if not message.get("more_body"):
            return
