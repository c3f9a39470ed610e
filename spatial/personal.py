"""Columns that tell of single people, by their names and by what is in them. No import takes them.

Names and patterns are few and plain: a column is refused only where it can hardly be anything else.
"""

import re
from datetime import date
from itertools import pairwise
from typing import Any

WORDS = re.compile(
    "((tele|cell|mobile)?phones?|tel|mobile|phone(no|number)|mobileno|idcard(no|number)?|identity(card|no|number)"
    "|nationalid|passport|ssn|(license|number)?plates?|plate(no|number)|surname|forename|fullname|realname|householder"
    "|sfz|sfzhm?|sjhm?|lxdh)"
)
PHRASES = frozenset(
    {("id", "card"), ("national", "id"), ("social", "security"), ("first", "name"), ("last", "name"), ("full", "name"),
     ("resident", "name"), ("residents", "name"), ("owner", "name"), ("person", "name"), ("contact", "name")}
)  # fmt: skip
CHINESE = re.compile("身份证|身份号|证件号|证件编号|护照|手机|电话|联系方式|车牌|号牌|姓名|户主")
WORD = re.compile(r"[A-Z]*[a-z]+|[A-Z]+")

IDENTITY_NUMBER = re.compile(r"(?<![\dA-Za-z])([1-9]\d{5})(\d{4})(\d{2})(\d{2})(\d{3})([\dXx])(?![\dA-Za-z])")
IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
MOBILE_NUMBER = re.compile(r"(?<![\d.])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d|\.\d)")
PLATE = re.compile(
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·.\\- ]?"
    "(?=[A-Z]*[0-9])(?:[A-HJ-NP-Z0-9]{5,6}|[A-HJ-NP-Z0-9]{4}[挂学警港澳])(?![A-Za-z0-9])"
)


def is_personal_name(column: str) -> bool:
    """Return whether a column is named for identity numbers, phones, plates or the names of people."""
    words = [word.lower() for word in WORD.findall(column)]
    return (
        CHINESE.search(column) is not None
        or any(WORDS.fullmatch(word) for word in words)
        or any(pair in PHRASES for pair in pairwise(words))
    )


def is_personal(value: Any) -> bool:
    """Return whether a value, or one inside it, holds an identity number, a mainland mobile number or a plate."""
    if isinstance(value, dict):
        return any(is_personal_name(str(key)) or is_personal(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return any(is_personal(part) for part in value)
    if isinstance(value, float):
        return value.is_integer() and is_personal(int(value))
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    text = str(value)
    return (
        any(_is_identity_number(*found.groups()) for found in IDENTITY_NUMBER.finditer(text))
        or MOBILE_NUMBER.search(text) is not None
        or PLATE.search(text) is not None
    )


def _is_identity_number(region: str, year: str, month: str, day: str, order: str, check: str) -> bool:
    """Return whether the parts of a number are those of an identity number: a day of birth, and its check digit."""
    try:
        born = date(int(year), int(month), int(day))
    except ValueError:
        return False
    digits = region + year + month + day + order
    remainder = sum(int(digit) * weight for digit, weight in zip(digits, IDENTITY_WEIGHTS, strict=True)) % 11
    return born.year >= 1880 and "10X98765432"[remainder] == check.upper()
