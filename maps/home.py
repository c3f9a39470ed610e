"""The home page: a look-up for the dispatcher, and the way to everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from maps.offline import TEMPLATES
from maps.texts import LANGUAGES, say, sentences

TEXTS_OF_THE_ANSWER = (
    "answer.",
    "lookup.nobody-on-duty",
    "map.role.",
    "map.leave.",
    "map.officer.",
)  # what static/home.js says itself


@dataclass(frozen=True)
class Person:
    """One of the demo's principals, as the switcher offers them."""

    name: str
    title: str
    is_current: bool


@dataclass(frozen=True)
class Figure:
    """A number worth knowing at a glance, with what it counts."""

    n: int
    label: str


def home_page(
    *,
    lang: str,
    zone: ZoneInfo,
    figures: Sequence[Figure] = (),
    people: Sequence[Person] = (),
    visitor: str | None = None,
    synthetic: str | None = None,
    example: tuple[float, float] | None = None,
) -> str:
    """Return the page; `people` is empty where there is no demo, `visitor` who signed in, `example` a place to try."""
    said = {key: text for key, text in sentences(lang).items() if key.startswith(TEXTS_OF_THE_ANSWER)}
    return TEMPLATES.get_template("home.html").render(
        lang=lang,
        languages=LANGUAGES,
        say=lambda key, **values: say(key, lang, **values),
        settings={"lang": lang, "zone": zone.key, "texts": said},
        figures=figures,
        people=people,
        visitor=visitor,
        synthetic=synthetic,
        example=example,
    )


def docs_page(lang: str) -> str:
    """Return the page of the HTTP interface, drawn by Swagger UI from this server."""
    return TEMPLATES.get_template("docs.html").render(lang=lang, title=say("home.docs", lang))
