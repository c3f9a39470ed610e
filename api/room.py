"""How much is worked on at once: so many requests, some that wait, and an immediate 503 for the rest.

Threads and connections to the database are shared: without a bound, of 500 requests at once all would be answered in
the last of 27 seconds. A request has its place while it is worked on, not while its body arrives or its answer leaves.
A look-up of any kind asks memory, and takes a place only if it finds that it has to ask the database.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.connections import client_of
from spatial.errors import Busy

WAITING_PER_PLACE = 10
LONGEST_WAIT_S = 10.0
MAPS = "/maps/"  # keep a processor busy for seconds: few at once, in a room of their own
MAPS_AT_ONCE = 2
ALWAYS_LET_IN: tuple[str, ...] = (
    "/health", "/lookup", "/lookup/area", "/lookup/batch", "/lookup/changes", "/lookup/diff"
)  # fmt: skip

Found = TypeVar("Found")


class Room:
    """Places for work, and for those who wait for one."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._most_waiting = WAITING_PER_PLACE * places
        self._waiting = 0

    async def enter(self) -> None:
        """Take a place, or raise `Busy`: at once where too many wait, else after a while."""
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise Busy("too-much-at-once")
        self._waiting += 1
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise Busy("too-much-at-once") from None
        finally:
            self._waiting -= 1

    async def enter_again(self) -> None:
        """Take a place, however long that takes."""
        await self._places.acquire()

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Have a place meanwhile."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()


class Apart:
    """Threads of its own, for work that is not to wait for those who wait for the database, and who waits for them."""

    def __init__(self, places: int) -> None:
        self._room, self._threads = Room(places), CapacityLimiter(places)

    async def run(self, work: Callable[[], Found], within_s: float | None = None) -> Found:
        """Work, or raise `Busy` where too many do, and `TimeoutError` where it takes too long and is left to itself."""
        async with self._room.place():
            with fail_after(within_s):
                return await to_thread.run_sync(work, abandon_on_cancel=within_s is not None, limiter=self._threads)


class Roomed:
    """Around the app: a request is worked on once there is a place, unless its client has gone by then."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self.app = app
        self.room = room
        self.maps = Room(MAPS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise `Busy`."""
        if scope["type"] != "http" or scope["path"] in ALWAYS_LET_IN:
            await self.app(scope, receive, send)
            return
        room, is_in = self.maps if scope["path"].startswith(MAPS) else self.room, True
        await room.enter()

        def leave() -> None:
            nonlocal is_in
            if is_in:
                is_in = False
                room.leave()

        async def receiving() -> Message:
            nonlocal is_in
            if not is_in:
                return await receive()
            leave()
            message = await receive()
            await room.enter_again()
            is_in = True
            return message

        async def sending(message: Message) -> None:
            leave()
            await send(message)

        try:
            client = client_of(scope)
            if client is None or not client.is_gone:
                await self.app(scope, receiving, sending)
        finally:
            leave()
