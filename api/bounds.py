"""How large a request may be and how slowly it may come, before anything of it is read and while it arrives."""

import asyncio
import itertools

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spatial.settings import Settings

LONGEST_PATH = 4 * 2**10  # bytes
LONGEST_QUERY = 32 * 2**10  # a coordinate system as WKT, percent-encoded
MOST_HEADERS = 100
LARGEST_HEADERS = 32 * 2**10
LARGEST_BODY = 2**20
LARGEST_BATCHES = {"/incidents/batch": 16 * 2**20, "/lookup/batch": 64 * 2**20, "/lookup/diff": 64 * 2**20}
MOST_ARRIVING = 256 * 2**20  # of all bodies together that are held in memory
PATIENCE_S = 20.0  # in which a body may do nothing at all, once or in sum; beyond it, each second needs so many bytes
BYTES_PER_S = 1000


class Bounds:
    """Around the app: what is too large, or packed so that its size cannot be seen, is refused."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.largest_upload = settings.upload_limit_mb * 2**20
        self.arriving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise an `HTTPException`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = sound_head(scope)
        limit = self.largest_body(scope["path"])
        told, read = headers.get(b"content-length", b"0"), 0
        if told.isdigit() and int(told) > limit:
            raise too_large(limit)

        waited_s, is_whole, is_held = 0.0, False, limit < self.largest_upload

        async def receiving() -> Message:
            nonlocal read, waited_s, is_whole
            if is_whole:  # what comes now is the end of the connection
                return await receive()
            begin_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(min(PATIENCE_S, PATIENCE_S + read / BYTES_PER_S - waited_s)):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            waited_s += asyncio.get_running_loop().time() - begin_s
            is_whole = not message.get("more_body")
            size = len(message.get("body", b""))
            read += size
            if read > limit:
                raise too_large(limit)
            if is_held:
                self.arriving += size
                if self.arriving > MOST_ARRIVING:
                    raise HTTPException(503, headers={"Retry-After": "5"})
            return message

        try:
            await self.app(scope, receiving, send)
        finally:
            self.arriving -= read if is_held else 0

    def largest_body(self, path: str) -> int:
        """Return how many bytes may be sent to an address."""
        if path.startswith("/imports/"):
            return self.largest_upload
        return LARGEST_BATCHES.get(path, LARGEST_BODY)


def too_large(limit: int) -> HTTPException:
    """Return the refusal of a body.

    It is no `TooLarge`: of what is raised while FastAPI reads a body, only an `HTTPException` is let through.
    """
    return HTTPException(413, str(limit // 2**20))


def sound_head(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request, or raise an `HTTPException` where its head is not to be trusted."""
    if len(scope.get("raw_path") or scope["path"]) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_QUERY:
        raise HTTPException(414)
    given: list[tuple[bytes, bytes]] = scope["headers"]
    if len(given) > MOST_HEADERS or sum(map(len, itertools.chain.from_iterable(given))) > LARGEST_HEADERS:
        raise HTTPException(431)
    headers, hosts = dict(given), [name for name, _ in given].count(b"host")
    if hosts != 1 and scope["http_version"] != "1.0":
        raise HTTPException(400)
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise HTTPException(400)  # a proxy in front may see another end of the body than we do
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise HTTPException(415, headers={"Accept-Encoding": "identity"})  # a few bytes unpack to gigabytes
    return headers
