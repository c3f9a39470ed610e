"""How names sound: pinyin without tones, and its initials; letters and digits stand for themselves."""

from pypinyin import Style, lazy_pinyin

LONGEST_RUN = 12
SHORTEST_RUN = 3


def sound(told: str) -> str:
    """Return the pinyin of a plain text, in one word: renminlu."""
    return "".join(lazy_pinyin(told))


def initials(told: str) -> str:
    """Return the first letters of its syllables: rml."""
    return "".join(lazy_pinyin(told, style=Style.FIRST_LETTER)).lower()


def run_of(told: str) -> str | None:
    """Return a text that may be a run of initials; None where it cannot."""
    is_run = told.isascii() and told.isalnum() and not told.isdigit() and SHORTEST_RUN <= len(told) <= LONGEST_RUN
    return told if is_run else None
