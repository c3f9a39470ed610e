"""How names sound: pinyin without tones, and its initials; letters and digits stand for themselves."""

from pypinyin import lazy_pinyin

LONGEST_RUN = 12
SHORTEST_RUN = 3


def sound(told: str) -> str:
    """Return the pinyin of a plain text, in one word: renminlu."""
    return "".join(lazy_pinyin(told))


def sound_and_initials(told: str) -> tuple[str, str]:
    """Return the pinyin of a plain text and the first letters of its syllables: renminlu, rml."""
    syllables = lazy_pinyin(told)
    letters = (one if one in told else one[0] for one in syllables)  # what was in letters already stays
    return "".join(syllables), "".join(letters)


def run_of(told: str) -> str | None:
    """Return a text that may be a run of initials; None where it cannot."""
    is_run = told.isascii() and told.isalnum() and not told.isdigit() and SHORTEST_RUN <= len(told) <= LONGEST_RUN
    return told if is_run else None
