"""Columns that tell of single people, by their names and by what is in them. No import takes them.

Names and patterns are few and plain: a column is refused only where it can hardly be anything else.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spatial.errors import Fault

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

# What may be one of these, for a first look at many values at once; without looking around, which that engine cannot.
MAYBE = (
    r"(?:^|[^0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?:$|[^0-9A-Za-z])"
    r"|(?:^|[^0-9.])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?:$|[^0-9])"
    r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·.\- ]?[A-HJ-NP-Z0-9]{5}"
)
# Digits and letters in other forms than the plain ones, for the same first look.
WIDE = "[\u2460-\u2473\u24b6-\u24ff\uff10-\uff19\uff21-\uff5a\U0001d400-\U0001d7ff]"

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪"
    "范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
LONG_SURNAMES = "欧阳|司马|上官|诸葛|夏侯|皇甫|尉迟|公孙|慕容|令狐"
PERSON = f"^(?:[{SURNAMES}]|{LONG_SURNAMES})[\u4e00-\u9fa5]{{1,2}}$"
NOT_A_PERSON = (  # villages and streets are often called after families
    "[村庄屯寨店集铺营岗湾沟坡岭山河湖桥坝塘圩墩楼院园苑城门街路巷弄里道区县市镇乡组队所站局社场厂校寺庙段格片网]$|家.$"
)
STREET = "[路街道巷弄村里苑庄园城区坊].{0,12}[0-9０-９一二三四五六七八九十]+.{0,4}[号栋幢室组楼]"
ADDRESS = f"{STREET}|[号栋幢].{{0,6}}[0-9]+ ?室|单元"
ADDRESS_NAME = re.compile("地址|住址|住所|address|addr", re.IGNORECASE)
PERSONAL_FAULTS = frozenset({"column-personal", "value-personal", "names-beside-addresses", "personal-data-in-text"})
UNSAID = "•••"
MOSTLY = 0.6
FEWEST = 3
FEWEST_BYTES = 9  # of a plate, the shortest of all
SHORTEST, LONGEST = 1e10, 1e19  # numbers that may be mobile or identity numbers


def is_personal_name(column: str) -> bool:
    """Return whether a column is named for identity numbers, phones, plates or the names of people."""
    column = normalize("NFKC", column)
    words = [word.lower() for word in WORD.findall(column)]
    return (
        CHINESE.search(column) is not None
        or any(WORDS.fullmatch(word) for word in words)
        or any(pair in PHRASES for pair in pairwise(words))
    )


def is_personal(value: Any) -> bool:
    """Return whether a value, or one inside it, holds an identity number, a mainland mobile number or a plate."""
    return _names_person(value) or any(_says_person(text) for text in _written(value))


def has_identity_number(value: Any) -> bool:
    """Return whether a value, or one inside it, holds an identity number."""
    return any(_has_identity_number(text) for text in _written(value))


def _names_person(value: Any) -> bool:
    """Return whether a part of a value is named for what tells of single people."""
    if isinstance(value, dict):
        return any(is_personal_name(str(key)) or _names_person(part) for key, part in value.items())
    return isinstance(value, list | tuple) and any(map(_names_person, value))


def _written(value: Any) -> Iterator[str]:
    """Yield the texts and whole numbers in a value, wide letters and digits as plain ones."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _written(part)
    elif isinstance(value, str):
        yield value if value.isascii() else normalize("NFKC", value)
    elif type(value) is int or (isinstance(value, float) and value.is_integer()):
        yield str(int(value))


def _says_person(text: str) -> bool:
    return _has_identity_number(text) or MOBILE_NUMBER.search(text) is not None or PLATE.search(text) is not None


def _has_identity_number(text: str) -> bool:
    return any(_is_identity_number(*found.groups()) for found in IDENTITY_NUMBER.finditer(text))


def _is_identity_number(region: str, year: str, month: str, day: str, order: str, check: str) -> bool:
    """Return whether the parts of a number are those of an identity number: a day of birth, and its check digit."""
    try:
        born = date(int(year), int(month), int(day))
    except ValueError:
        return False
    digits = region + year + month + day + order
    remainder = sum(int(digit) * weight for digit, weight in zip(digits, IDENTITY_WEIGHTS, strict=True)) % 11
    return born.year >= 1880 and "10X98765432"[remainder] == check.upper()


def unsaid(value: Any) -> Any:
    """Return a value of a message without what tells of a person."""
    if isinstance(value, dict):
        return {name: unsaid(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [unsaid(part) for part in value]
    return UNSAID if is_personal(value) else value


def personal_columns(
    columns: Mapping[str, Sequence[Any]], numbers: Sequence[int], *, contact: Collection[str] = ()
) -> list[Fault]:
    """Return a fault for each column that tells of single people.

    Columns declared as those of people on duty may hold names, phones and plates, but no identity numbers. `numbers`
    are those of the rows. The first row that gives a column away is told, and never its value.
    """
    faults = personal_headers(columns, contact=contact)
    told = {fault.values["column"] for fault in faults}
    texts = {name: _texts(values) for name, values in columns.items() if name not in told}
    for name, values in texts.items():
        index = _first_personal(values, columns[name], has_identity_number if name in contact else is_personal)
        if index is not None:
            told.add(name)
            faults.append(Fault(f"row {numbers[index]}, column {name}", "value-personal", {"column": name}))
    others = {name: values for name, values in texts.items() if name not in told and name not in contact}
    return faults + list(_beside_addresses(others, numbers))


def personal_headers(names: Iterable[str], *, contact: Collection[str] = ()) -> list[Fault]:
    """Return a fault for each column that is named for what tells of single people."""
    return [
        Fault(f"column {name}", "column-personal", {"column": name})
        for name in names
        if name not in contact and is_personal_name(name)
    ]


def personal_mapping(
    constants: Mapping[str, str], values: Mapping[str, Mapping[str, str]], tells: Callable[[str, str], bool]
) -> list[Fault]:
    """Return a fault for each field of which a mapping says something of a single person in place of cells.

    `tells` says whether the text of a field does.
    """
    said = [*((name, [value]) for name, value in constants.items()), *((n, v.values()) for n, v in values.items())]
    return [
        Fault(name, "value-personal", {"column": name})
        for name, texts in said
        if any(tells(name, text) for text in texts)
    ]


def _texts(values: Sequence[Any]) -> pa.Array:
    """Return values as text: numbers as they are written, what is neither text nor number as nothing."""
    kinds = {type(value) for value in values}
    if kinds <= {str, type(None)}:
        return pa.array(values, pa.string())
    if kinds <= {int, float, type(None)}:
        return _numbers(values)
    written = (int(value) if type(value) is float and value.is_integer() else value for value in values)
    return pa.array([str(value) if type(value) in {str, int} else None for value in written], pa.string())


def _numbers(values: Sequence[Any]) -> pa.Array:
    """Return numbers as text, only whole ones that are as long as a mobile or an identity number."""
    sizes = np.array([0 if value is None else value for value in values], dtype=np.float64)
    texts: list[str | None] = [None] * len(values)
    for index in np.flatnonzero((sizes >= SHORTEST) & (sizes < LONGEST) & (sizes == np.floor(sizes))).tolist():
        texts[index] = str(int(values[index]))
    return pa.array(texts, pa.string())


def _first_personal(texts: pa.Array, values: Sequence[Any], tells: Callable[[Any], bool]) -> int | None:
    """Return the place of the first value that tells of a person, as an identity number, a mobile number or a plate."""
    long = pc.if_else(pc.greater_equal(pc.binary_length(texts), FEWEST_BYTES), texts, pa.scalar(None, pa.string()))
    found = _matching(long, MAYBE) | _matching(long, WIDE)
    inside = [index for index, value in enumerate(values) if isinstance(value, dict | list | tuple)]
    candidates = sorted({*np.flatnonzero(found).tolist(), *inside})
    return next((index for index in candidates if tells(values[index])), None)


def _beside_addresses(texts: Mapping[str, pa.Array], numbers: Sequence[int]) -> Iterator[Fault]:
    """Yield a fault for each column that is mostly names of people, where another one is of addresses."""
    people = [name for name, values in texts.items() if _mostly(values, PERSON, NOT_A_PERSON)]
    others = ((name, values) for name, values in texts.items() if name not in people)
    if not people:
        return
    beside = next((name for name, values in others if ADDRESS_NAME.search(name) or _mostly(values, ADDRESS)), None)
    for name in people if beside else ():
        first = int(np.flatnonzero(_matching(texts[name], PERSON))[0])
        where = f"row {numbers[first]}, column {name}"
        yield Fault(where, "names-beside-addresses", {"column": name, "beside": beside})


def _mostly(texts: pa.Array, pattern: str, but: str | None = None) -> bool:
    """Return whether most of the different texts match a pattern, and not another."""
    different = pc.unique(pc.drop_null(texts))
    found = _matching(different, pattern)
    if but is not None:
        found &= ~_matching(different, but)
    return len(found) >= FEWEST and bool(found.mean() >= MOSTLY)


def _matching(texts: pa.Array, pattern: str) -> Any:
    matched = pc.fill_null(pc.match_substring_regex(texts, pattern), fill_value=False)
    return np.asarray(matched.to_numpy(zero_copy_only=False), dtype=bool)
