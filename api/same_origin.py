"""What changes something is asked for by our own pages, or by programs; not by a page elsewhere through a browser."""

from urllib.parse import urlsplit

from fastapi import Request

from api.cookies import SESSION, is_secure
from spatial.errors import Denied

SAFE = {"GET", "HEAD", "OPTIONS"}
DEFAULT_PORTS = {"http": 80, "https": 443}


async def refuse_cross_site(request: Request) -> None:
    """Refuse what a browser was made to send by a page of another origin.

    Browsers add cookies, and on loopback visitors are let in without any; a bearer token nobody adds by accident.
    """
    if request.method in SAFE or request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    if not _is_own(request):
        raise Denied("cross-site")


def _is_own(request: Request) -> bool:
    """Whether our own page asks, or the user, as the browser says; where it is silent, no session is at stake."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is not None:
        return _is_here(origin, request)
    return not {SESSION, f"__Host-{SESSION}"} & request.cookies.keys()


def _is_here(origin: str, request: Request) -> bool:
    """Whether an origin is the host that was asked, at the same port, and no plain page asks what came by https."""
    try:
        scheme, asked = urlsplit(origin).scheme, urlsplit(f"//{request.headers.get('host', '')}")
        theirs = urlsplit(origin)
        if scheme not in DEFAULT_PORTS or (scheme == "http" and is_secure(request)):
            return False
        default = DEFAULT_PORTS[scheme]
        return (theirs.hostname, theirs.port or default) == (asked.hostname, asked.port or default)
    except ValueError:  # half a bracket, a port that is no number
        return False
