"""The security headers of every answer: what a browser may do with it, which is nothing but what it is for."""

from collections.abc import Mapping

_LOCKED = "base-uri 'none'; frame-ancestors 'none'"
POLICY = f"default-src 'none'; form-action 'none'; {_LOCKED}"  # of data, files and problems: nothing runs in them
POLICY_OF_PAGES = (  # scripts and styles are files of ours; nothing stands in the page itself
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    f"form-action 'self'; {_LOCKED}"
)
ALWAYS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms of ours would be sent as from an unknown origin
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",  # yesterday's officer must not come from a cache, nor phones from a proxy's
}
OVER_HTTPS: Mapping[str, str] = {"Strict-Transport-Security": "max-age=31536000"}


def policy_of_file(policy: str) -> str:
    """Return what to send with a page that carries its policy in itself, so that it works as a file, too.

    Who may frame a page can be said by a header only.
    """
    return f"{policy}; frame-ancestors 'none'"
