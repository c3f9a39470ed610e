"""How places are told in words: one way of writing them, and what a text may mean.

Pure: the same text always reads the same, whether it comes from a table or from somebody who asks.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

ROAD_WORDS = "大道|公路|胡同|路|街|巷|弄|道|里|线|高速|桥"
LONGEST_ROAD = 24  # characters
ROAD_SOUNDS = "lu|jie|xiang|dadao"
NUMERALS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {
    **{sign: value for value, sign in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "两": 2, "陸": 6, "貳": 2, "參": 3,
}  # fmt: skip
TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
COUNTED = "号|弄|幢|栋|座|楼|单元|室|层|公里"
IN_HAN = re.compile(f"([{''.join([*NUMERALS, *TENS])}]+)(?={COUNTED})")
SPACES = re.compile(r"[\s,.;:'\"()\[\]<>【】《》。、·?!#_]+")
WITHIN = re.compile(r"^(.*(?:省|自治区|市|区|县|旗|镇|乡|街道|街道办|社区|开发区|新区))(?=..)")
NUMBERED = re.compile(
    r"^(?P<street>.*?[^\d\-])(?P<number>\d{1,6})(?P<suffix>(?:[-之/]\d{1,4}|[a-z甲乙丙丁](?![a-z]))?)号(?P<rest>.*)$"
)
UNNUMBERED = re.compile(rf"^(?P<street>.*(?:{ROAD_WORDS}))(?P<number>\d{{1,6}})(?P<suffix>)(?P<rest>)$")
ENGLISH_ROADS = {
    "road": "lu", "street": "jie", "avenue": "dadao", "boulevard": "dadao", "lane": "xiang", "alley": "xiang",
    "highway": "gonglu", "expressway": "kuaisulu", "drive": "lu", "way": "lu", "place": "li", "court": "li",
}  # fmt: skip
SHORT = {
    "rd": "road", "st": "street", "ave": "avenue", "av": "avenue", "blvd": "boulevard", "ln": "lane", "hwy": "highway",
    "dr": "drive", "pl": "place", "ct": "court",
}  # fmt: skip
ENGLISH = re.compile(
    rf"^(?:no\.?\s*)?(?:(?P<number>\d{{1,6}})(?P<suffix>(?:-\d{{1,4}}|[a-z])?),?\s+)?"
    rf"(?P<name>[a-z0-9][a-z0-9'. ]*?)\s+(?P<word>{'|'.join([*ENGLISH_ROADS, *SHORT])})\b\.?"
    rf"(?P<way>(?:\s+[ns]?[ew]?)?)(?:,.*)?$"
)
CROSSING_ENDS = re.compile("(?:的)?(?:交叉路口|交叉口|交汇处|交会处|十字路口|丁字路口|路口|交口|口)$")
CROSSING_MARK = re.compile(r"[/&×x+]|与|和|跟|及|同|交|至|-")
ENGLISH_CROSSING = re.compile(
    r"^(?:(?:the\s+)?(?:corner|crossing|intersection|junction)\s+of\s+)?(?P<one>.+?)\s*(?:\band\b|\bat\b|[&/@×])\s*(?P<other>.+?)$"
)
STAKE = re.compile(r"^(?P<line>.*?)(?:桩号|里程)?k(?P<km>\d{1,4})(?:\+(?P<m>\d{1,3})(?:\.\d+)?)?(?:m|米|处|附近|段)*$")
STAKE_IN_KM = re.compile(r"^(?P<line>.*?)(?<!\d)(?P<km>\d{1,4})\s*公里(?:\s*(?P<m>\d{1,3})\s*米)?(?:处|附近)*$")
LINE_CODE = re.compile(r"[gsxyc]\d{1,4}")
LINE_END = re.compile("(?:高速公路|高速|国道|省道|县道|线|公路|上行|下行|方向|桩号)+$")
POLE_WORDS = "杆号|路灯杆|灯杆|路灯|电线杆|电杆|监控杆|信号杆|杆|pole|lamppost"
POLE = re.compile(rf"^(?P<before>.*?)(?:{POLE_WORDS})(?:编号|号|no)?(?P<sign>[a-z0-9][a-z0-9\-]*)(?:号)?$")
POLE_BEHIND = re.compile(rf"^(?P<before>.*?)(?P<sign>\d[a-z0-9\-]*)号?(?:{POLE_WORDS})$")
STAKES = frozenset({"stake", "kilometre_stake"})  # classes of places
POLES = frozenset({"pole", "lamp_pole"})
MASTS = frozenset({"camera"})  # have a number, and a name beside it


@dataclass(frozen=True)
class Street:
    """The name of a street or road; `sound` where it is named in English, and is to sound as its pinyin would."""

    name: str
    sound: str | None = None


@dataclass(frozen=True)
class House:
    """A number along a street, with the towns before it, what follows the number, and what is within the house."""

    within: str
    street: Street
    number: int
    suffix: str
    rest: str

    @property
    def text(self) -> str:
        """The address as people write it."""
        if self.street.sound is not None:
            return f"{self.number} {self.street.name.title()}"
        return f"{self.within}{self.street.name}{self.number}号"


@dataclass(frozen=True)
class Crossing:
    """Two roads, where they meet."""

    one: Street
    other: Street


@dataclass(frozen=True)
class Stake:
    """A place along a measured road; an empty line is any."""

    line: str
    at_m: int


@dataclass(frozen=True)
class Pole:
    """A numbered pole."""

    sign: str


@dataclass(frozen=True)
class Name:
    """Anything that has a name."""

    name: str


Reading = House | Crossing | Stake | Pole | Name


def half_width(text: str) -> str:
    """Return a text with half-width signs and small letters."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def plain(text: str) -> str:
    """Return a text in one way of writing: half-width, small, without spaces, 号 for 号院, 幢 for 栋 and 座."""
    told = SPACES.sub("", half_width(text))
    told = IN_HAN.sub(lambda found: _digits(found[1]), told)
    return re.sub(r"(?<=\d)(?:号院|hao)", "号", re.sub(r"(?<=[\da-z])(?:号楼|栋|座)", "幢", told))


def house_of(text: str) -> House | None:
    """Return the street and number that a text holds, in Chinese or English; None where it holds none."""
    english = ENGLISH.match(half_width(text))
    if english and english["number"]:
        return House("", _english_street(english), int(english["number"]), english["suffix"].lstrip("-"), "")
    told = plain(text)
    found = NUMBERED.match(told) or UNNUMBERED.match(told)
    if found is None:
        return None
    within, street = parted(found["street"])
    return House(within, Street(street), int(found["number"]), found["suffix"].lstrip("-之/"), found["rest"])


def street_of(text: str) -> Street:
    """Return the name of a road in one way of writing."""
    english = ENGLISH.match(half_width(text))
    return _english_street(english) if english and not english["number"] else Street(plain(text))


def parted(told: str) -> tuple[str, str]:
    """Return the districts and towns that stand before a name, and the name."""
    found = WITHIN.match(told)
    return (found[1], told[found.end() :]) if found else ("", told)


def stake_of(text: str) -> Stake | None:
    """Return the line and the metres that a text such as G312 K123+450 names."""
    told = plain(text)
    found = STAKE.match(told) or STAKE_IN_KM.match(half_width(text))  # G312 124公里 needs its space
    if found is None:
        return None
    code = LINE_CODE.search(found["line"])
    line = code[0] if code else LINE_END.sub("", found["line"])
    return Stake(line, int(found["km"]) * 1000 + int(found["m"] or 0))


def stake_named(other: str, at_m: int) -> str:
    """Return what a place on a line is called as another stake of it is: G312 K123+450."""
    line = re.sub(r"\s*[Kk]?\d+(?:\+\d+|公里.*)?\s*$", "", other)
    return f"{line} K{at_m // 1000}+{at_m % 1000:03d}".strip()


def sign_of(text: str) -> str:
    """Return the number of a pole: the last run of letters, digits and hyphens, without leading noughts."""
    runs = re.findall(r"[a-z0-9][a-z0-9\-]*", plain(text))
    return runs[-1].lstrip("0") or "0" if runs else ""


def readings(text: str) -> Iterator[Reading]:
    """Yield everything that a text may mean, the most particular first."""
    told = plain(text)
    if stake := stake_of(text):
        yield stake
    for pattern in (POLE, POLE_BEHIND):
        if found := pattern.match(told):
            yield Pole(sign_of(found["sign"]))
            break
    yield from _english_crossings(text)
    if house := house_of(text):
        yield house
    yield from _crossings(told)
    if told:
        yield Name(told)


def _english_crossings(text: str) -> Iterator[Crossing]:
    if crossing := ENGLISH_CROSSING.match(half_width(text)):
        one, other = (street_of(crossing[side].strip()) for side in ("one", "other"))
        if one.sound and other.sound:
            yield Crossing(one, other)


def _english_street(found: re.Match[str]) -> Street:
    """Return a road that is named in English, as Renmin Road: as it is written in full, and as it would sound."""
    name, word, way = found["name"].strip(), SHORT.get(found["word"], found["word"]), found["way"].strip()
    sound = re.sub(r"[\s'.]", "", name) + ENGLISH_ROADS[word] + way
    return Street(" ".join(filter(None, (name, word, way))), sound)


def _crossings(told: str) -> Iterator[Crossing]:
    """Yield the ways to read a text as two roads: at each word or mark between them, or where one road's name ends."""
    bare = CROSSING_ENDS.sub("", told)
    is_said = bare != told
    splits = {(mark.start(), mark.end()) for mark in CROSSING_MARK.finditer(bare)}
    if is_said:
        splits |= {(one.end(), one.end()) for one in re.finditer(ROAD_WORDS, bare)}
    for start, end in sorted(splits):
        one, other = parted(bare[:start])[1], bare[end:]
        is_road = re.search(rf"(?:{ROAD_WORDS}|{ROAD_SOUNDS})\d*$", one)
        if is_road is None or not all(2 <= len(side) <= LONGEST_ROAD for side in (one, other)):
            continue
        if re.search(rf"(?:{ROAD_WORDS}|{ROAD_SOUNDS})$", other):
            yield Crossing(Street(one), Street(other))
        elif is_said:
            yield Crossing(Street(one), Street(other + "路"))  # 人民路与解放路口


def _digits(signs: str) -> str:
    """Return a number in Chinese numerals, positional (一二三) or with tens (一百二十三), in digits."""
    if not any(sign in TENS for sign in signs):
        return "".join(str(NUMERALS[sign]) for sign in signs)
    total, pending = 0, 0
    for sign in signs:
        if sign in TENS:
            total += (pending or 1) * TENS[sign]
            pending = 0
        else:
            pending = NUMERALS[sign]
    return str(total + pending)
