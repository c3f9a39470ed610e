"""What tells of single people is not taken in, whatever its column is called; and no text hides control characters."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spatial.db import Database
from spatial.personal import is_personal, is_personal_name
from tests.importing import FOUR, Write, everything, faults, geojson_file, take, told

IDENTITY = "11010519491231002X"  # the example of GB 11643
MOBILE = "13800138000"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


@pytest.mark.parametrize(
    "column",
    ["身份证号", "居民身份证", "证件号码", "id card", "idCard", "ID_CARD_NO", "手机", "联系电话", "phone", "Phone1",
     "contact_phone", "mobile", "MOBILE_NO", "车牌号", "plate", "licensePlate", "姓名", "户主姓名", "resident_name",
     "FullName", "sfzh"],
)  # fmt: skip
def test_names_of_personal_columns(column: str) -> None:
    """Identity cards, phones, plates and names of people are recognised by the column's name."""
    assert is_personal_name(column)


@pytest.mark.parametrize(
    "column",
    ["name", "名称", "code", "网格编码", "automobile_count", "template", "hotel", "telecom", "grid_id", "beds", "身份",
     "owner", "备注", "unit_name", "card_readers", "plated", "类别", "station name"],
)  # fmt: skip
def test_names_of_other_columns(column: str) -> None:
    """A grid's own name and words that only contain such a word are not."""
    assert not is_personal_name(column)


@pytest.mark.parametrize(
    "value",
    [IDENTITY, IDENTITY.lower(), f"证件 {IDENTITY}。", 440524188001010014, MOBILE, int(MOBILE), float(MOBILE),
     "+86 138 0013 8000", f"找张三{MOBILE}", "苏C12345", "京A·D12345", "粤B1234警", {"a": [1, {"b": MOBILE}]},
     {"phone": ""}],
)  # fmt: skip
def test_personal_values(value: Any) -> None:
    """Identity numbers, mobile numbers and plates are recognised as text, as numbers, and deep inside."""
    assert is_personal(value)


@pytest.mark.parametrize(
    "value",
    [None, True, "", "110105194912310021", "110105194913310029", 320305001000012, "320305001000012", "3203050010000",
     0.13800138000, "0.13800138000", 13800138000.5, "12800138000", "138001380001", "苏C", "新A座", "川A12", 42,
     "0516-83745110", ["a", 1.5]],
)  # fmt: skip
def test_other_values(value: Any) -> None:
    """Codes of grids, wrong check digits, fractions and a desk's number are not."""
    assert not is_personal(value)


def test_personal_columns_are_refused(empty_database: Database, write: Write) -> None:
    """A column kept or used is refused by name, or by the first row that gives it away, and no value is repeated."""
    before = everything(empty_database)
    notes = ["", "x", IDENTITY, MOBILE]
    file = write(FOUR, code=list("ABCD"), 身份证号=["1"] * 4, phone=["2"] * 4, note=notes, 名称=["a", MOBILE, "b", "c"])
    found = faults(lambda: take(empty_database, file, name="名称", keep=("身份证号", "phone", "note")))
    assert [(one.where, one.text) for one in found] == [
        ("row 2, column 名称", "value-personal"),
        ("keep", "column-personal"),
        ("keep", "column-personal"),
        ("row 3, column note", "value-personal"),
    ]
    assert not any(IDENTITY in str(one) or MOBILE in str(one) for one in found)
    assert told(lambda: take(empty_database, file, name="phone")) == [("name", "column-personal")]
    assert everything(empty_database) == before


def test_control_characters(empty_database: Database, write: Write) -> None:
    """NUL and its like are refused by row and column, in names and deep inside what is kept; lines are not."""
    file = write(
        FOUR,
        code=["A", "B\x00", "C", "D"],
        name=["a", "b", "c\x1b", "d"],
        note=["two\nlines", {"a": ["\x00"]}, {"\x00": 1}, "\x07"],
    )
    assert told(lambda: take(empty_database, file, name="name", keep=("note",))) == [
        ("row 2, column code", "text-has-control-characters"),
        ("row 2, column note", "text-has-control-characters"),
        ("row 3, column name", "text-has-control-characters"),
        ("row 3, column note", "text-has-control-characters"),
        ("row 4, column note", "text-has-control-characters"),
    ]
