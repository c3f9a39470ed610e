"""Files of rows, from the disk and back: every format, real layouts, faults beside the file, the command line."""

import csv
import json
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import text

from api.imports_rows_text import teller
from spatial.access import DUTY_PHONE, Actor, Grant
from spatial.db import Database
from spatial.errors import InputError
from spatial.history import Moment
from spatial.imports.files import Asked, export_file, import_file, subject_named
from spatial.imports.mapping import Mapping, read_mapping, write_mapping
from spatial.imports.model import Options, Outcome
from spatial.imports.subjects import SUBJECTS
from spatial.imports.write import FORMATS, format_of
from tests.build import build
from tests.rows import ACTOR, AT, ZONE, counts, faults, one_officer
from tests.test_import_laws import twingrid

SHAPELESS = ("csv", "xlsx", "parquet", "gpkg", "geojson")


def take_file(database: Database, subject: str, path: Path, mapping: Mapping | None = None, **asked: object) -> Outcome:
    """Take a file in, or try to."""
    options = Options(AT, ZONE, source_crs=asked.pop("source_crs", None), dates=asked.pop("dates", None))  # type: ignore[arg-type]
    return import_file(
        database, ACTOR, subject_named(subject), path, mapping or Mapping(encoding="utf-8"), options,
        Asked(**asked), tell=teller("en"),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with a station and an officer."""
    build(empty_database, one_officer)
    return empty_database


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("subject", ["officers", "teams", "places", "roads", "barriers", "units", "rules", "incidents"])
def test_every_format_is_read_back_as_the_same(town: Database, tmp_path: Path, subject: str, fmt: str) -> None:
    """What is exported to a file and imported from it changes nothing."""
    has_shapes = SUBJECTS[subject].shape is not None
    if not has_shapes and fmt not in SHAPELESS:
        pytest.skip("a format of shapes")
    if (subject, fmt) == ("units", "fgb"):
        pytest.skip("no unit of the town has an outline, and GDAL cannot read a FlatGeobuf of no shapes")
    path = tmp_path / f"out{FORMATS[fmt][0]}"
    count = export_file(town, ACTOR, SUBJECTS[subject], Moment(AT), path, format_of(path, None))
    outcome = take_file(town, subject, path, source_crs="EPSG:4490" if has_shapes else None)
    assert (counts(outcome), faults(outcome)) == ({"same": count}, [])


def roster(path: Path) -> Path:
    """Write officers as a station keeps them: a unit that stands once for all of its people, numbers as numbers."""
    book = Workbook()
    sheet = book.active
    sheet.append(["单位", "警号", "姓名", "身份", "值班电话"])
    for row in (
        ["S1", 330101, "张伟", "社区民警", "0571-1"],
        [None, 330102, "李娜", "辅警", None],
        [None, 330103, "王芳", "巫师", None],
    ):
        sheet.append(row)
    sheet.merge_cells("A2:A4")
    book.save(path)
    return path


def test_merged_cells_count_for_all_of_their_rows(small: Database, tmp_path: Path) -> None:
    """In Excel a unit may stand once for several people; what is wrong is told by the rows that Excel shows."""
    outcome = take_file(small, "officers", roster(tmp_path / "roster.xlsx"))
    assert (counts(outcome), faults(outcome)) == ({"new": 2, "faulty": 1}, [(4, "身份", "not-one-of")])
    assert outcome.notes != ()


def test_faults_stand_beside_the_file(small: Database, tmp_path: Path) -> None:
    """All faults as a table; a copy of the workbook with the faulty cell coloured and explained."""
    beside, copy = tmp_path / "faults.csv", tmp_path / "copy.xlsx"
    take_file(small, "officers", roster(tmp_path / "roster.xlsx"), faults_file=beside, annotated_file=copy)
    with beside.open(encoding="utf-8-sig", newline="") as file:
        told = list(csv.reader(file))
    assert (told[0], told[1][:2]) == (["row", "column", "fault"], ["4", "身份"])
    sheet = load_workbook(copy).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][-2:] == ("import_change", "import_faults")
    assert [row[-2] for row in rows[1:]] == ["new", "new", "faulty"]
    cell = sheet["D4"]
    assert (cell.value, cell.comment is not None, cell.fill.fgColor.rgb[-6:]) == ("巫师", True, "FFC7CE")
    plain = tmp_path / "copy.csv"
    take_file(small, "officers", roster(tmp_path / "roster.xlsx"), annotated_file=plain)
    lines = plain.read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[5] for line in lines] == ["import_change", "new", "new", "faulty"]


def test_a_mapping_is_saved_and_used_again(small: Database, tmp_path: Path) -> None:
    """What was worked out once for a city's file is kept with it."""
    path = tmp_path / "people.csv"
    path.write_text("id,who,what\n9,张伟,PC\n", encoding="gb18030")
    mapping = Mapping(
        {"number": "id", "name": "who", "kind": "what"},
        {"kind": {"PC": "duty_police"}},
        {"unit": "S1"},
        encoding="gb18030",
    )
    write_mapping(tmp_path / "city.toml", mapping)
    saved = read_mapping(tmp_path / "city.toml")
    assert saved == mapping
    assert counts(take_file(small, "officers", path, saved)) == {"new": 1}
    unconfirmed = take_file(small, "officers", path, Mapping(saved.columns, saved.values, saved.constants))
    assert [fault.text for fault in unconfirmed.faults] == ["encoding-unconfirmed"]
    (tmp_path / "bad.toml").write_text('colums = 1\nvalues = "x"\n', encoding="utf-8")
    with pytest.raises(InputError) as malformed:
        read_mapping(tmp_path / "bad.toml")
    assert [fault.text for fault in malformed.value.faults] == ["mapping-key-unknown", "mapping-malformed"]


@pytest.mark.proof
def test_the_command_line_tells_writes_and_exports(small: Database, tmp_path: Path) -> None:
    """A dry run, then --commit, then the same rows out; with faults it leaves with 2 and nothing is written."""
    path = tmp_path / "officers.csv"
    path.write_text("number,name,kind,unit\n009,Wei,duty_police,S1\n", encoding="utf-8")
    dry = twingrid(small, "import", "officers", str(path), "--json")
    assert (dry.returncode, json.loads(dry.stdout)["counts"]["new"]) == (0, 1), dry.stderr
    done = twingrid(small, "import", "officers", str(path), "--commit")
    assert (done.returncode, "Written." in done.stdout) == (0, True), done.stderr
    again = twingrid(small, "import", "officers", str(path), "--commit")
    assert (again.returncode, "Nothing has changed" in again.stdout) == (0, True), again.stderr
    out = twingrid(small, "export", "officers", "-o", str(tmp_path / "out.csv"))
    assert (out.returncode, "009" in (tmp_path / "out.csv").read_text("utf-8")) == (0, True), out.stderr
    path.write_text("number,name,kind,unit\n010,Wei,wizard,S9\n", encoding="utf-8")
    bad = twingrid(small, "import", "officers", str(path), "--commit")
    assert (bad.returncode, "wizard" in bad.stdout, "S9" in bad.stdout) == (2, True, True), bad.stderr


def test_options_go_before_a_saved_mapping_and_drop_what_is_not_wanted(small: Database, tmp_path: Path) -> None:
    """A column that is dropped is not read, one that the file lacks cannot be; --set wins over a mapped column."""
    path, saved = tmp_path / "officers.csv", tmp_path / "city.toml"
    path.write_text("number,name,sort,unit,note\n009,Wei,wizard,S1,11010519491231002X\n", encoding="utf-8")
    saved.write_text('[columns]\nkind = "sort"\n', encoding="utf-8")
    order = ("import", "officers", str(path), "--mapping", str(saved), "--json")
    done = twingrid(small, *order, "--set", "kind=auxiliary", "--drop", "note", "--drop", "sort")
    assert (done.returncode, json.loads(done.stdout)["counts"]["new"]) == (0, 1), done.stdout
    missing = twingrid(small, *order, "--drop", "nota")
    assert (missing.returncode, "nota" in missing.stderr) == (2, True)


def test_a_real_city_of_roads(empty_database: Database, realdata: Path) -> None:
    """The roads of Jinan: 28,597 one-way edges, one of no length, between 12,766 places; again, nothing changes."""
    mapping = Mapping(
        {"code": "eid", "class": "highway"}, constants={"oneway": "yes"}, drop_others=True, encoding="utf-8"
    )
    path = realdata / "jinan-roads" / "edges.shp"
    how = {"source_crs": "EPSG:4326", "commit": True}
    outcome = take_file(empty_database, "roads", path, mapping, **how)
    assert counts(outcome) == {"new": 28_596}
    assert [(note.row, note.text) for note in outcome.notes] == [(22_644, "line-without-length")]
    with empty_database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM road_node")) == 12_766
        assert session.scalar(text("SELECT count(*) FROM road_edge")) == 28_596
    assert counts(take_file(empty_database, "roads", path, mapping, **how)) == {"same": 28_596}


def test_duty_phones_are_exported_for_those_only_who_may_see_them(small: Database, tmp_path: Path) -> None:
    """Others get the officers without their phones, and an import of that leaves the phones as they are."""
    dispatcher = Actor("d", {}, (Grant("viewer", fields=frozenset({DUTY_PHONE})),))
    for actor, shown in ((ACTOR, False), (dispatcher, True)):
        path = tmp_path / "out.geojson"
        export_file(small, actor, SUBJECTS["officers"], Moment(AT), path, "geojson")
        assert ("0571-0000-0001" in path.read_text("utf-8")) == shown
        assert counts(take_file(small, "officers", path)) == {"same": 1}


@pytest.mark.parametrize("count", [30_000, pytest.param(1_000_000, marks=pytest.mark.proof)])
def test_very_many_rows_with_three_bad_ones(empty_database: Database, tmp_path: Path, count: int) -> None:
    """Three bad rows of very many are all told, with their rows."""
    path = tmp_path / "places.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("code,name,class,lon,lat,floors\n")
        for number in range(count):
            floors = {10: "many", count - 5: "1.5"}.get(number, "3")
            lon = "" if number == count // 2 else "120.27"
            file.write(f"P{number},place,post,{lon},30.3,{floors}\n")
    outcome = take_file(empty_database, "places", path, source_crs="EPSG:4490")
    assert faults(outcome) == [
        (12, "floors", "not-an-integer"),
        (count // 2 + 2, "lon", "coordinate-alone"),
        (count - 3, "floors", "not-an-integer"),
    ]
    assert counts(outcome) == {"new": count - 3, "faulty": 3}
