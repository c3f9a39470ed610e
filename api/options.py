"""Options that several verbs of the command line share, and the language it speaks."""

import os
from contextvars import ContextVar
from typing import Annotated, Literal

import typer

from maps.texts import LANGUAGES

LangName = Literal["zh-CN", "en"]
DEFAULT_LANGUAGE: LangName = "zh-CN"  # where neither --lang nor TWINGRID_LANGUAGE says otherwise, as in Settings

_asked: ContextVar[str | None] = ContextVar("language of the verb", default=None)


def _speak(lang: str) -> str:
    _asked.set(lang)
    return lang


def language() -> str:
    """Return the language of the verb's `--lang`, else of the environment where we speak it; never a fault itself."""
    wish = _asked.get() or os.environ.get("TWINGRID_LANGUAGE")
    return wish if wish in LANGUAGES else DEFAULT_LANGUAGE


Lang = Annotated[
    LangName,
    typer.Option("--lang", envvar="TWINGRID_LANGUAGE", callback=_speak, is_eager=True, help="language of the answer"),
]
