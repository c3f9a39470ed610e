"""The cookies of a sign-in, and which addresses a browser may be sent on to."""

from datetime import timedelta
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

SESSION = "twingrid_session"
SIGN_IN = "/sign-in"
LONGEST_NEXT = 2000


def is_secure(request: Request) -> bool:
    """Whether a request came by https, as the server or a proxy that it trusts says."""
    return request.url.scheme == "https"


def cookie_name(request: Request, name: str = SESSION) -> str:
    """Return what a cookie of ours is called; by https in a way that no other host of the domain can set."""
    return f"__Host-{name}" if is_secure(request) else name


def set_cookie(request: Request, response: Response, value: str, lasts: timedelta, name: str = SESSION) -> None:
    """Keep a secret in the browser.

    `Lax` and not `Strict`: from the page of an OpenID provider, or by a link in a message, one arrives signed in; what
    changes anything is held to `refuse_cross_site` besides.
    """
    whole_s = int(lasts.total_seconds())
    own = {"httponly": True, "samesite": "lax", "secure": is_secure(request), "path": "/"}
    response.set_cookie(cookie_name(request, name), value, max_age=whole_s, **own)  # type: ignore[arg-type]  # of several types


def drop_cookie(request: Request, response: Response, name: str = SESSION) -> None:
    """Take a cookie of ours away."""
    response.delete_cookie(cookie_name(request, name), httponly=True, secure=is_secure(request), samesite="lax")


def local_path(text: str) -> str:
    """Return a path of this service as it was given, or the home page's: nobody is sent elsewhere."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_sign_in = parts.path == SIGN_IN or parts.path.startswith(f"{SIGN_IN}/")
    return "/" if parts.scheme or parts.netloc or is_sign_in or len(text) > LONGEST_NEXT else text


def to_sign_in(request: Request) -> Response | None:
    """Return the way to the sign-in page, and from there back, for a person who asks for a page; else none."""
    asks_for_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not asks_for_page or "authorization" in request.headers:
        return None
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    lang = request.query_params.get("lang")
    carried = f"&lang={quote(lang, safe='')}" if lang else ""
    return RedirectResponse(f"{SIGN_IN}?next={quote(local_path(asked), safe='')}{carried}", 303)
