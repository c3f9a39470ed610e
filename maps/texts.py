"""Every sentence a person reads, in each language: `maps/locale/<language>.json`, with equal keys."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

import orjson

LANGUAGES = ("zh-CN", "en")

LOCALE = Path(__file__).parent / "locale"

_LIST_MARK = {"zh-CN": "、", "en": ", "}
_QUALITY = re.compile(r"^q=(0(\.\d{0,3})?|1(\.0{0,3})?)$")


class _Unfilled(str):
    """A placeholder nobody gave a value for: it stays visible instead of failing the sentence."""

    def __format__(self, _spec: str) -> str:
        return "{" + self + "}"


class _Sentences(Formatter):
    """`str.format` that leaves unknown names visible and reads lists as people write them.

    A value may be another sentence, `{"say": key}`, or one value for each language, `{"zh-CN": …, "en": …}`.
    """

    def __init__(self, lang: str) -> None:
        self._lang, self._mark = lang, _LIST_MARK[lang]

    def get_value(self, key: int | str, _args: Any, kwargs: Any) -> Any:
        value = kwargs.get(key, _Unfilled(key)) if isinstance(key, str) else _Unfilled(key)
        if isinstance(value, dict) and value.keys() == {"say"}:
            return say(value["say"], self._lang)
        if isinstance(value, dict) and value.keys() == set(LANGUAGES):
            value = value[self._lang]
        if isinstance(value, list | tuple | set | frozenset):
            return self._mark.join(str(one) for one in value)
        return value


@cache
def sentences(lang: str) -> dict[str, str]:
    """Return every sentence of a language under its full key: `fault.not-a-time`."""
    return dict(_flat(orjson.loads((LOCALE / f"{lang}.json").read_bytes())))


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def say(key: str, lang: str, **values: object) -> str:
    """Return the sentence of a key, filled; an unknown key is shown as it is, a missing value as its name."""
    sentence = sentences(lang).get(key)
    if sentence is None:
        return key
    return _Sentences(lang).format(sentence, **values) if "{" in sentence else sentence


def known(key: str) -> bool:
    """Return whether there is a sentence of this key."""
    return key in sentences(LANGUAGES[0])


@lru_cache(maxsize=256)  # programs and browsers say the same all the time
def negotiate(accept_language: str | None, lang: str | None, default: str) -> str:
    """Return the language to answer in: the one asked for, else the browser's first choice that we speak."""
    if lang is not None:
        return _spoken(lang) or default
    wishes: list[tuple[float, str]] = []
    for wish in (accept_language or "").split(","):
        tag, _, quality = (part.strip() for part in wish.partition(";"))
        weight = float(quality[2:]) if _QUALITY.match(quality) else 1.0
        spoken = _spoken(tag)
        if spoken and weight > 0:
            wishes.append((weight, spoken))
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else default


def _spoken(tag: str) -> str | None:
    """Return our language for a tag of any region or script: zh, zh-Hans-CN, en-GB."""
    primary = tag.strip().lower().split("-")[0]
    return next((one for one in LANGUAGES if one.lower().split("-")[0] == primary), None)
