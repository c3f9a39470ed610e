"""Cells as what they mean: each reading gives the text that COPY stores, None for an empty cell. Pure."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from spatial.imports.model import Field, Kind
from spatial.tables import LONGEST_CODE

LONGEST_TEXT = 200
LARGEST_EXACT = 10**15  # spreadsheets keep fifteen digits
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # a text may have tabs and lines
WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]")  # as typed with a Chinese keyboard: another code, and yet the same to the eye
TRUE = frozenset({"true", "yes", "y", "t", "1", "是", "有", "√", "对"})
FALSE = frozenset({"false", "no", "n", "f", "0", "否", "无", "×", "错"})
BETWEEN = re.compile(r"[;；,，、|\n]+")
ISO_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
WORDED_DURATION = re.compile(
    r"(?:(\d+)\s*(?:d|days?|天|日))?\s*(?:(\d+)\s*(?:h|hours?|小时|时))?\s*(?:(\d+)\s*(?:m|min|minutes?|分钟|分))?"
    r"\s*(?:(\d+)\s*(?:s|seconds?|秒))?"
)
CLOCK = re.compile(r"(\d{1,2})[:：](\d{2})(?:[:：]00)?")
MOST_MINUTES = 2880
LONGEST_DURATION_S = 3660 * 86400  # ten years

Reading = Callable[[Any], str | None]


class FaultyCell(Exception):
    """A value that cannot be taken: the key of the fault and what it says."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text)
        self.text = text
        self.values = values


def reading(field: Field, instants: Reading) -> Reading:
    """Return how the cells of a field are read; an empty one is None, and a fault where the field is required."""
    read = _reading(field, instants)

    def cell(value: Any) -> str | None:
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "" or value == []:
            if field.required:
                raise FaultyCell("cell-empty")
            return None
        if (rule := field.rule) and not rule.holds(text := text_of(value)):
            raise FaultyCell(rule.fault, **{rule.told_as: text[:LONGEST_CODE]})
        return read(value)

    return cell


def _reading(field: Field, instants: Reading) -> Reading:
    longest = int(field.most or LONGEST_TEXT)
    readings: dict[Kind, Reading] = {
        "code": _code,
        "text": lambda value: _plain(value, longest),
        "prose": lambda value: _prose(value, longest),
        "choice": lambda value: _choice(value, field),
        "int": lambda value: _bounded(_integer(value), field),
        "number": lambda value: _bounded(_number(value), field),
        "bool": _bool,
        "instant": instants,
        "duration": _duration,
        "clock": _clock,
        "list": _list,
        "uuid": _uuid,
    }
    return _labelled(field, readings[field.kind])


def _labelled(field: Field, read: Reading) -> Reading:
    labels = field.labels
    return (lambda value: (isinstance(value, str) and labels.get(value)) or read(value)) if labels else read


def text_of(value: Any) -> str:
    """Return a cell as text; whole numbers without a fraction, since spreadsheets keep codes as floating point."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list | date | time):
        raise FaultyCell("not-a-text", value=str(value)[:40])
    if isinstance(value, float) and abs(value) >= LARGEST_EXACT:
        raise FaultyCell("digits-lost")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def translated(value: Any, values: Mapping[str, str]) -> Any:
    """Return a cell, or what a mapping of values has in its place."""
    if not values or value is None or isinstance(value, list | dict):
        return value
    try:
        key = str(value) if isinstance(value, bool) else text_of(value).strip()
    except FaultyCell:
        key = str(value)
    return values.get(key, value)


def escaped(text: str) -> str:
    """Return a text as COPY reads it."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text


def text_within(value: Any, longest: int, control: re.Pattern[str] = CONTROL) -> str:
    """Return a cell as text that is not too long and has no control characters."""
    text = text_of(value)
    if len(text) > longest:
        raise FaultyCell("text-too-long", limit=longest)
    if control.search(text):
        raise FaultyCell("text-has-control-characters")
    return text


def _plain(value: Any, longest: int) -> str:
    return escaped(text_within(value, longest))


def _code(value: Any) -> str:
    text = text_within(value, LONGEST_CODE)
    if WIDE.search(text):
        raise FaultyCell("code-has-wide-characters", value=text, narrow=unicodedata.normalize("NFKC", text))
    return escaped(text)


def _prose(value: Any, longest: int) -> str:
    return escaped(text_within(value, longest, CONTROL_IN_PROSE))


def _choice(value: Any, field: Field) -> str:
    text = text_of(value)
    if text not in field.choices:
        known = list(field.choices)
        labelled = [*field.labels, *(one for one in known if one not in field.labels.values())]
        raise FaultyCell("not-one-of", value=text[:40], known={"zh-CN": labelled, "en": known})
    return text


def _float(value: Any) -> float:
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)  # which only programs write in numbers
    return float(value)


def _integer(value: Any) -> int:
    try:
        number = _float(value) if not isinstance(value, int) else value
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        raise FaultyCell("not-an-integer", value=str(value)[:40]) from None
    if whole != number or isinstance(value, bool):
        raise FaultyCell("not-an-integer", value=str(value)[:40])
    return whole


def _number(value: Any) -> float:
    try:
        number = _float(value)
    except (TypeError, ValueError):
        raise FaultyCell("cell-not-a-number", value=str(value)[:40]) from None
    if isinstance(value, bool) or number - number != 0:
        raise FaultyCell("cell-not-a-number", value=str(value)[:40])
    return number


def _bounded(number: float, field: Field) -> str:
    most = 2**53 if field.most is None else field.most
    least = -most if field.least is None else field.least
    if not least <= number <= most:
        raise FaultyCell("number-out-of-range", limit=least if number < least else most)
    return repr(number)


def _bool(value: Any) -> str:
    text = str(value).lower().removesuffix(".0")
    if text in TRUE:
        return "t"
    if text in FALSE:
        return "f"
    raise FaultyCell("not-a-truth-value", value=str(value)[:40])


def _duration(value: Any) -> str:
    """Read ISO 8601, words, a clock's hours and minutes, or a plain number of minutes; written in seconds."""
    seconds = _seconds(value)
    if not 0 <= seconds <= LONGEST_DURATION_S:
        raise FaultyCell("not-a-duration", value=str(value)[:40])
    return f"{seconds} seconds"


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return min(value, LONGEST_DURATION_S + 1) * 60
    text = str(value)
    if text.replace(".", "", 1).isdecimal():
        return float(text) * 60
    if found := CLOCK.fullmatch(text):
        return int(found[1]) * 3600 + int(found[2]) * 60
    parts = ISO_DURATION.fullmatch(text) or WORDED_DURATION.fullmatch(text.lower())
    if parts is None or not any(parts.groups()):
        raise FaultyCell("not-a-duration", value=text[:40])
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def _clock(value: Any) -> str:
    """Read a time of day as minutes from midnight; after 24:00 it is the next day's."""
    if isinstance(value, datetime):
        raise FaultyCell("not-a-clock-time", value=str(value)[:40])
    if isinstance(value, time):
        return str(value.hour * 60 + value.minute)
    found = CLOCK.fullmatch(str(value))
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or minutes > MOST_MINUTES:
        raise FaultyCell("not-a-clock-time", value=str(value)[:40])
    return str(minutes)


def _list(value: Any) -> str | None:
    items = value if isinstance(value, list | tuple) else BETWEEN.split(text_of(value).strip("[]"))
    found = sorted({text_within(text_of(item).strip().strip("\"'"), LONGEST_CODE) for item in items} - {""})
    quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in found)
    return escaped("{" + ",".join(f'"{one}"' for one in quoted) + "}") if found else None


def _uuid(value: Any) -> str:
    try:
        return str(UUID(text_of(value)))
    except ValueError:
        raise FaultyCell("not-a-uuid", value=str(value)[:40]) from None
