"""What a file of rows says of single people is neither kept nor shown again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.imports_rows_text import teller
from spatial.db import Database
from spatial.imports.files import Asked, import_file, subject_named
from spatial.imports.mapping import Mapping
from spatial.imports.model import Options
from tests.build import build
from tests.rows import ACTOR, AT, ZONE, counts, faults, one_officer, take

MAY = datetime(2025, 5, 1, tzinfo=UTC)
IDENTITY = "11010519491231002X"  # the example of GB 11643
MOBILE = "13800138000"


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with a station and an officer."""
    build(empty_database, one_officer)
    return empty_database


def address(**columns: Any) -> dict[str, Any]:
    return {"code": ["a"], "text": ["路1号"], "dwellings": [1], "lon": [120.27], "lat": [30.3]} | columns


def test_no_fault_repeats_what_tells_of_a_person(small: Database) -> None:
    """A number in the wrong column is not said again, neither as a value nor as the name of a row."""
    leave = {"officer": [IDENTITY], "kind": [MOBILE], "start": [MOBILE], "end": [f"{MOBILE} 张三"]}
    outcome = take(small, "leave", leave, at=MAY)
    assert outcome.fault_count
    said = repr([(fault.values, fault.row) for fault in outcome.faults]) + repr(outcome.changes)
    assert IDENTITY not in said
    assert MOBILE not in said


def test_of_a_column_about_people_nothing_else_is_told(small: Database) -> None:
    """Once a column is refused as one about people, its values are not gone through one by one."""
    leave = {"officer": [MOBILE, "张三"], "kind": ["sick"] * 2, "start": ["2025-05-01"] * 2, "end": ["2025-05-02"] * 2}
    assert faults(take(small, "leave", leave, at=MAY)) == [(2, "officer", "value-personal")]


def test_what_is_set_or_mapped_is_looked_at_too(small: Database) -> None:
    """A phone does not come in as a constant or as a mapped value, in wide digits neither."""
    rest = {name: values for name, values in address().items() if name != "text"}
    told = [(None, "text", "value-personal")]
    assert faults(take(small, "addresses", rest, mapping=Mapping(constants={"text": f"张三 {MOBILE}"}))) == told
    mapped = Mapping(values={"text": {"路1号": "１３８００１３８０００"}})
    assert faults(take(small, "addresses", address(), mapping=mapped)) == told
    officer = {"number": ["009"], "kind": ["duty_police"], "unit": ["S1"]}
    assert faults(take(small, "officers", officer, mapping=Mapping(constants={"name": IDENTITY}))) == [
        (None, "name", "value-personal"),
    ]
    phone = Mapping(constants={"name": "甲", "duty_phone": MOBILE})
    assert counts(take(small, "officers", officer, mapping=phone)) == {"new": 1}


def annotate(database: Database, file: Path, copy: Path, mapping: Mapping) -> int:
    outcome = import_file(
        database, ACTOR, subject_named("addresses"), file, mapping, Options(AT, ZONE, source_crs="EPSG:4490"),
        Asked(annotated_file=copy), tell=teller("en"),
    )  # fmt: skip
    return outcome.fault_count


def test_a_copy_has_the_columns_that_were_read(small: Database, tmp_path: Path) -> None:
    """What is left out of an import is left out of the copy that says what becomes of its rows."""
    file, copy = tmp_path / "a.csv", tmp_path / "copy.csv"
    file.write_text("code,text,dwellings,lon,lat,户主\na,路1号,1,120.27,30.3,张三\n", encoding="utf-8-sig")
    assert annotate(small, file, copy, Mapping(drop=("户主",))) == 0
    head, row = copy.read_text(encoding="utf-8-sig").splitlines()
    assert head.startswith("code,text,dwellings,lon,lat,")
    assert "张三" not in row


def test_there_is_no_copy_of_a_file_about_people(small: Database, tmp_path: Path) -> None:
    """Where a column told of people, no copy of it is made."""
    file, copy = tmp_path / "a.csv", tmp_path / "copy.csv"
    file.write_text(f"code,text,dwellings,lon,lat\na,电话{MOBILE},1,120.27,30.3\n", encoding="utf-8-sig")
    assert annotate(small, file, copy, Mapping()) == 1
    assert not copy.exists()
