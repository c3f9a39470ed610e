"""How often anybody may ask: so many requests a minute for each principal, and for each address of whoever is none.

A request is first counted for its address. Once it is known who asks, that is taken back and it is counted for the
principal; so an office behind one address is not held to the rate of one stranger. Credentials that are refused cost
their address more, so that guessing ends soon.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from functools import lru_cache
from threading import Lock

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from spatial.errors import TooMany

MOST_REMEMBERED = 10_000  # principals and addresses; who has asked for longest no more is forgotten first
REFUSED_COSTS, OVER_COSTS = 20, 5  # requests: a credential that is refused, a session that is over


class Rates:
    """A bucket for each caller: it holds a minute's requests, and fills as time passes."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute  # 0: without limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, as of which second
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str, now_s: float) -> None:
        """Count a request, or raise `TooMany` where there is none left."""
        if not self.per_minute:
            return
        with self._lock:
            left = self._left(caller, now_s)
            self._keep(caller, left - 1 if left >= 1 else left, now_s)
        if left < 1:
            raise TooMany("too-many-requests", retry_after_s=math.ceil((1 - left) * 60 / self.per_minute))

    def add(self, caller: str, requests: float, now_s: float) -> None:
        """Add requests to those a caller has left, or take some away."""
        if self.per_minute:
            with self._lock:
                self._keep(caller, self._left(caller, now_s) + requests, now_s)

    def _left(self, caller: str, now_s: float) -> float:
        left, at_s = self._buckets.pop(caller, (self.per_minute, now_s))
        return min(left + max(now_s - at_s, 0) * self.per_minute / 60, self.per_minute)

    def _keep(self, caller: str, left: float, now_s: float) -> None:
        self._buckets[caller] = min(max(left, -self.per_minute), self.per_minute), now_s
        if len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)


class Rated:
    """Around the app: counts every request for its address."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self.app = app
        self.rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or raise `TooMany`."""
        if scope["type"] == "http":
            self.rates.take(address_of(scope), time.monotonic())
        await self.app(scope, receive, send)


def known(rates: Rates, scope: Scope, principal: str) -> None:
    """Count a request for the principal who asks, no more for the address."""
    rates.add(address_of(scope), 1, time.monotonic())
    rates.take(f"principal {principal}", time.monotonic())


def unknown(rates: Rates, principal: str) -> None:
    """Take back that a request was counted for a principal: it is counted again."""
    rates.add(f"principal {principal}", 1, time.monotonic())


def refused(request: Request, costs: int = REFUSED_COSTS) -> None:
    """Count a request as one whose credentials were refused."""
    rates: Rates = request.app.state.rates
    rates.add(address_of(request.scope), 1 - costs, time.monotonic())


def address_of(scope: Scope) -> str:
    """Return whose bucket an address is: of IPv6 the network of 64 bits, which one caller has all of.

    It is the peer's, or the one that a proxy forwards which the settings trust.
    """
    client = scope.get("client")
    return _bucket(client[0] if client else "")


@lru_cache(MOST_REMEMBERED)
def _bucket(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a Unix socket
        return "address unknown"
    if address.version == 6 and address.ipv4_mapped is None:
        return f"address {ipaddress.ip_network((address, 64), strict=False)}"
    return f"address {getattr(address, 'ipv4_mapped', None) or address}"
