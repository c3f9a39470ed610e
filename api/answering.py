"""What holds for every answer, in one place: HEAD is answered like GET, and no proxy keeps what is shown."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_KEPT = "private, no-cache"  # yesterday's officer must not come from a cache; phones must not come from a proxy's


class Answering:
    """Around the app: HEAD becomes GET (the server sends no body), and answers without `Cache-Control` get ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", NOT_KEPT)
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self.app({**scope, "method": method}, receive, sending)
