"""What holds for every answer, in one place: HEAD is answered like GET, and the headers that all answers have."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.headers import ALWAYS, OVER_HTTPS


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_OPEN, _CLOSED = _raw(ALWAYS), _raw({**ALWAYS, **OVER_HTTPS})


def added(scheme: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of all answers to requests that came over some scheme."""
    return _CLOSED if scheme in {"https", "wss"} else _OPEN


class Answering:
    """Around the app: HEAD becomes GET (the server sends no body), and what an answer does not say itself is added."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                said = {name.lower() for name, _ in headers}
                headers += [one for one in added(scope["scheme"]) if one[0] not in said]
                message["headers"] = headers
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self.app({**scope, "method": method}, receive, sending)
