"""The page to sign in."""

from urllib.parse import quote

from maps.offline import TEMPLATES
from maps.texts import LANGUAGES, say


def sign_in_page(*, lang: str, then: str, fault: str | None = None, has_provider: bool = False) -> str:
    """Return the page; `then` is the path to go on to, `fault` what went wrong before, in words."""
    return TEMPLATES.get_template("sign_in.html").render(
        lang=lang,
        languages=LANGUAGES,
        say=lambda key, **values: say(key, lang, **values),
        then=then,
        then_quoted=quote(then, safe=""),
        fault=fault,
        has_provider=has_provider,
    )
