"""Around each request: its id, its line in the log, its share of the metrics."""

import logging
import random
import re
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import TOLD, request_id
from api.metrics import Metrics

log = logging.getLogger(__name__)
HEADER = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
POLLED = {"/health", "/ready", "/metrics"}  # by machines, every few seconds


_dice = random.Random()  # noqa: S311  an id is no secret, and the system's own chance is a call of the system


def id_of(given: bytes) -> str:
    """Return the id of a request: the one it was given, where that is well-formed; else one that nobody else gives."""
    return given.decode() if WELL_FORMED.fullmatch(given) else f"{_dice.getrandbits(128):032x}"


class Observing:
    """Around the app: what is known of each request when it has been answered, and nothing of what it asked."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = id_of(next((value for name, value in scope["headers"] if name == HEADER), b""))
        scope.setdefault("state", {})["request_id"] = asked
        status, failed, begun = 0, None, perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, asked.encode())]
            await send(message)

        token = request_id.set(asked)
        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            status, failed = status or 500, error
            raise
        finally:
            self.metrics.in_flight.dec()
            self.tell(scope, status, perf_counter() - begun, failed)
            request_id.reset(token)

    def tell(self, scope: Scope, status: int, seconds: float, failed: Exception | None = None) -> None:
        """Count a request that was answered, and write its line."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path_format", None) or "none"
        answered = str(status) if status else "none"  # nobody waited for it
        self.metrics.requests.labels(method, route, answered).observe(seconds)
        told: dict[str, Any] = {"method": method, "route": route, "status": status}
        told |= {"duration_ms": round(seconds * 1000, 1), "principal": scope["state"].get("principal")}
        level = logging.ERROR if failed else logging.WARNING if status >= 500 else logging.INFO
        level = logging.DEBUG if route in POLLED and status < 500 else level
        if log.isEnabledFor(level):  # as `log.log` does it, but for finding out that it is called from here
            error = (type(failed), failed, failed.__traceback__) if failed else None
            log.handle(log.makeRecord(log.name, level, __file__, 0, "request", (), error, extra={TOLD: told}))
