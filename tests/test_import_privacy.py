"""What tells of single people is not taken in, whatever its column is called; and no text hides control characters."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial.db import Database
from spatial.imports.grids.service import commit_import
from spatial.imports.read import read_file
from spatial.personal import has_identity_number, is_personal, is_personal_name, personal_columns
from tests.importing import ACTOR, FOUR, SETTINGS, Write, everything, faults, geojson_file, request_of, take, told

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
     {"phone": ""}, "１３８００１３８０００", "１１０１０５１９４９１２３１００２Ｘ", "苏Ｃ１２３４５", "①③⑧00138000"],
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
    """Any column is refused by name, or by the first row that gives it away, used or not; no value is repeated."""
    before = everything(empty_database)
    notes = ["", "x", IDENTITY, MOBILE]
    file = write(FOUR, code=list("ABCD"), 身份证号=["1"] * 4, phone=["2"] * 4, note=notes, 名称=["a", MOBILE, "b", "c"])
    found = faults(lambda: take(empty_database, file, name="名称", keep=("note",)))
    assert [(one.where, one.text) for one in found] == [
        ("column 身份证号", "column-personal"),
        ("column phone", "column-personal"),
        ("row 3, column note", "value-personal"),
        ("row 2, column 名称", "value-personal"),
    ]
    assert not any(IDENTITY in str(one) or MOBILE in str(one) for one in found)
    assert everything(empty_database) == before


def test_columns_that_are_dropped(empty_database: Database, write: Write) -> None:
    """What is dropped is not read at all, which the plan says; a column that is not there cannot be dropped."""
    file = write(FOUR, code=list("ABCD"), phone=["2"] * 4, note=[IDENTITY] * 4)
    request = request_of("police", "code", {})
    plan = commit_import(empty_database, ACTOR, read_file(file, drop=("phone", "note")), request, SETTINGS)
    assert (plan.dropped_columns, plan.unused_columns) == (("phone", "note"), ())
    assert told(lambda: read_file(file, drop=("Phone",))) == [("drop", "column-missing")]


ADDRESSES = ["建国路12号", "解放路3号2单元501室", "湖滨小区3栋", "西安北路88号"]


@pytest.mark.parametrize(
    ("names", "addresses", "refused"),
    [
        (["张三", "李四", "王小明", "欧阳娜娜"], ADDRESSES, True),
        (["张三", None, "王小明", "刘洋"], [None, *ADDRESSES[1:]], True),
        (["张三", "李四", "王小明", "刘洋"], ["云龙区", "泉山区", "鼓楼区", "铜山区"], False),
        (["张村", "李庄", "王楼", "陈集"], ADDRESSES, False),
        (["云龙区", "泉山区", "鼓楼区", "铜山区"], ADDRESSES, False),
        (["张三"] * 4, ADDRESSES, False),  # the same name in every row is no list of people
    ],
)
def test_names_beside_addresses(names: list[str | None], addresses: list[str | None], refused: bool) -> None:
    """Names of people are refused where they stand beside addresses; villages called after families are not people."""
    found = personal_columns({"甲": names, "乙": addresses}, range(2, 6))
    assert [(one.where, one.text) for one in found] == (
        [("row 2, column 甲", "names-beside-addresses")] if refused else []
    )


def test_a_column_called_address_makes_names_personal() -> None:
    """What the other column is called counts too; columns of people on duty are declared and not looked at."""
    columns = {"户": ["张三", "李四", "王小明"], "住址": ["东", "西", "中"], "phone": [MOBILE] * 3}
    assert [(one.where, one.text) for one in personal_columns(columns, range(1, 4))] == [
        ("column phone", "column-personal"),
        ("row 1, column 户", "names-beside-addresses"),
    ]
    assert personal_columns(columns, range(1, 4), contact=("户", "phone")) == []


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30), st.integers(), st.floats(), st.none(), st.booleans(),
            st.sampled_from([IDENTITY, MOBILE, "苏C12345", int(MOBILE), float(MOBILE), {"a": MOBILE}, [MOBILE]]),
            st.from_regex(r"[ .a0]?(\+86)?1[3-9][0-9]{9}[ .a0]?", fullmatch=True),
        )
    )
)  # fmt: skip
def test_a_column_is_refused_at_its_first_personal_value(values: list[Any]) -> None:
    """Looking at many values at once finds the very row that looking at each finds first."""
    first = next((row for row, value in enumerate(values, 1) if is_personal(value)), None)
    found = personal_columns({"x": values}, range(1, len(values) + 1))
    assert [one.where for one in found] == ([] if first is None else [f"row {first}, column x"])


@pytest.mark.parametrize(
    "name", [f"张三{IDENTITY}", int("440524188001010014"), ["张三", IDENTITY], "１１０１０５１９４９１２３１００２Ｘ"]
)
def test_identity_numbers_of_people_on_duty(name: Any) -> None:
    """Columns of people on duty may say their names, phones and plates, but never an identity number."""
    assert has_identity_number(name)
    columns = {"officer": [MOBILE, "苏C12345", "张三", name], "note": ["路"] * 4}
    found = personal_columns(columns, [2, 3, 4, 5], contact=["officer"])
    assert [(fault.where, fault.text) for fault in found] == [("row 5, column officer", "value-personal")]


def test_numbers_in_wide_digits_are_found_among_many() -> None:
    """A column is refused for a mobile number in wide digits, though nothing else in it is personal."""
    found = personal_columns({"text": ["路1号", None, "路２号 １３８００１３８０００"]}, [2, 3, 4])
    assert [(fault.where, fault.text) for fault in found] == [("row 4, column text", "value-personal")]


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
