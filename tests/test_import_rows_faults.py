"""Every fault of a file at once, by row and column, and nothing written."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from shapely import LineString, MultiPolygon, Point, Polygon

from api.imports_rows_text import teller
from maps.texts import sentences
from spatial.db import Database
from spatial.imports import instants
from spatial.imports.cells import FaultyCell
from spatial.imports.compare import Comparison
from spatial.imports.complete import users
from spatial.imports.mapping import Mapping
from spatial.imports.subjects import SUBJECTS
from spatial.shifted import to_gcj02
from tests.build import World, build, cell
from tests.rows import ZONE, counts, faults, source_of, take, versions_of

IDENTITY = "11010519491231002X"  # the example of GB 11643


@pytest.fixture
def small(empty_database: Database) -> Database:
    """Return a database with a station, a layer of two grids, and two officers."""

    def fill(world: World) -> None:
        world.deployment()
        unit = world.unit("S1")
        layer = world.layer("police")
        world.grid(layer, "A", cell(0, 0), unit)
        world.grid(layer, "B", cell(1, 0), unit)
        for number in ("001", "002"):
            world.officer(number, unit)

    build(empty_database, fill)
    return empty_database


def officers(**columns: Any) -> dict[str, Any]:
    count = len(next(iter(columns.values())))
    usual = {
        "number": [f"1{n:02d}" for n in range(count)], "name": ["张伟"] * count, "kind": ["duty_police"] * count,
        "unit": ["S1"] * count,
    }  # fmt: skip
    return usual | columns


def test_all_faults_of_all_rows_are_told_at_once(small: Database) -> None:
    """What cannot be read, what nothing has, what is there twice: one report, and not a row is written."""
    before = versions_of(small)
    outcome = take(
        small,
        "officers",
        officers(
            number=["101", None, "103", "101", "105"],
            kind=["duty_police", "auxiliary", "wizard", "辅警", "duty_police"],
            unit=["S1", "S1", "S1", "nowhere", ""],
        ),
    )
    assert faults(outcome) == [
        (3, "number", "cell-empty"),
        (4, "kind", "not-one-of"),
        (5, "number", "row-repeated"),
        (5, "unit", "unit-not-known"),
        (6, "unit", "cell-empty"),
    ]
    assert (outcome.fault_count, counts(outcome)) == (5, {"new": 1, "faulty": 4})
    assert versions_of(small) == before


def test_columns_are_known_in_both_languages_and_unknown_ones_are_told(small: Database) -> None:
    """Heads in Chinese are understood; a column nobody knows, or one that is missing, is a fault."""
    chinese = {
        "警号": ["201"],
        "姓名": ["李娜"],
        "人员类别": ["社区民警"],
        "单位": ["S1"],
        "值班电话": ["0571-0000-0001"],
    }
    assert counts(take(small, "officers", chinese)) == {"new": 1}
    assert counts(take(small, "officers", officers(number=["201"], name=["李娜"], kind=["社区民警"]))) == {"same": 1}
    strange = {**chinese, "血型": ["A"], "工号": ["9"]}
    assert faults(take(small, "officers", strange)) == [
        (None, "工号", "field-meant-twice"),
        (None, "血型", "column-unknown"),
    ]
    assert faults(take(small, "officers", {"姓名": ["李娜"]})) == [(None, "number", "key-column-missing")]
    dropped = Mapping(drop=("血型", "工号"))
    assert counts(take(small, "officers", strange, mapping=dropped)) == {"same": 1}


def test_values_and_columns_are_mapped_and_constants_set(small: Database) -> None:
    """A mapping turns the words of a file into ours."""
    mapping = Mapping({"number": "no."}, {"kind": {"PC": "duty_police"}}, {"unit": "S1"})
    told = {"no.": ["301"], "name": ["王芳"], "kind": ["PC"]}
    assert counts(take(small, "officers", told, mapping=mapping)) == {"new": 1}
    wrong = Mapping({"rank": "x", "name": "y"})
    assert set(faults(take(small, "officers", told, mapping=wrong))) >= {
        (None, "rank", "column-missing"),
        (None, "rank", "field-unknown"),
    }


def test_rows_that_exist_need_only_what_changes_but_new_ones_need_all(small: Database) -> None:
    """A file of numbers and phones changes phones; a new officer in it is told to lack a name."""
    outcome = take(small, "officers", {"number": ["001", "002"], "duty_phone": ["110", "0571-0000-0001"]})
    assert counts(outcome) == {"changed": 1, "same": 1}
    assert [(one.key, one.differs) for one in outcome.changes] == [(("001",), ("duty_phone",))]
    outcome = take(small, "officers", {"number": ["009"], "duty_phone": ["110"]})
    assert {(fault.row, fault.column, fault.text) for fault in outcome.faults} == {
        (None, "name", "needed-for-new"),
        (None, "kind", "needed-for-new"),
        (None, "unit", "needed-for-new"),
    }


def test_times_without_an_offset_are_of_the_deployment(small: Database) -> None:
    """Local times of every usual writing are one instant; a date with the year last must be explained."""
    written = [
        "2025-03-03 08:30",
        "2025/3/3 8:30",
        "2025年3月3日 8时30分",
        "2025-03-03T00:30:00Z",
        datetime(2025, 3, 3, 8, 30),  # noqa: DTZ001  as Excel has it
    ]
    for start in written:
        leave = {"officer": ["001"], "kind": ["sick"], "start": [start], "end": ["2025-03-04 24:00"]}
        assert counts(take(small, "leave", leave)) in ({"new": 1}, {"same": 1}), start
    mixed = ["2025-04-01 08:00", "03/04/2025", "25/04/2025"]
    leave = {"officer": ["002"] * 3, "kind": ["sick"] * 3, "start": mixed, "end": ["2025-04-02", "05.04.2025", None]}
    assert faults(take(small, "leave", leave)) == [
        (3, "end", "date-order-unclear"),
        (3, "start", "date-order-unclear"),
        (4, "start", "date-order-unclear"),
    ]
    assert counts(take(small, "leave", leave, dates="dmy")) == {"new": 3}
    assert faults(take(small, "leave", leave, dates="mdy"))[-1] == (4, "start", "not-a-time")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("03/25/2016 11:58:30 PM", "2016-03-25T23:58:30"),
        ("3/25/2016 12:05 am", "2016-03-25T00:05:00"),
        ("3/25/2016 12:05 p.m.", "2016-03-25T12:05:00"),
        ("2016/3/1 下午3:05", "2016-03-01T15:05:00"),
        ("2016年3月1日 上午 9时30分", "2016-03-01T09:30:00"),
        ("2016年3月1日凌晨1点", "2016-03-01T01:00:00"),
    ],
)
def test_hours_counted_to_twelve(written: str, meant: str) -> None:
    """Halves of the day may be told in English or Chinese."""
    assert instants.reader(ZONE, "mdy")(written) == f"{meant}+08:00"


@pytest.mark.parametrize(
    "written", ["3/25/2016 13:05 PM", "3/25/2016 0:05 am", "2016/3/1 晚上12点", "2016/3/1 上午12:10"]
)
def test_an_hour_that_could_be_two_is_none(written: str) -> None:
    """What people say of noon and of midnight alike is asked back."""
    with pytest.raises(FaultyCell, match="not-a-time"):
        instants.reader(ZONE, "mdy")(written)


def test_a_local_time_that_comes_twice_or_never_is_told(small: Database) -> None:
    """On the night when clocks change, a wall-clock time may be two instants or none."""
    leave = {
        "officer": ["001", "002", "001"],
        "kind": ["sick"] * 3,
        "start": ["2025-10-26 02:30", "2025-03-30 02:30", "2025-10-26T02:30+01:00"],
        "end": ["2025-10-28"] * 3,
    }
    told = faults(take(small, "leave", leave, zone=ZoneInfo("Europe/Berlin"), commit=False))
    assert told == [(2, "start", "time-comes-twice"), (3, "start", "time-never-comes")]


def test_one_grid_has_one_lead(small: Database) -> None:
    """Two leads in the file, or one beside the lead on record; with the whole list the old lead ends."""
    two = {"officer": ["001", "002"], "layer": ["police"] * 2, "grid": ["A", "A"], "role": ["lead", "责任人"]}
    assert faults(take(small, "assignments", two)) == [(3, "grid", "two-leads-row")]
    first = {name: values[:1] for name, values in two.items()}
    assert counts(take(small, "assignments", first)) == {"new": 1}
    second = {name: values[1:] for name, values in two.items()}
    assert faults(take(small, "assignments", second)) == [(2, "grid", "two-leads")]
    assert counts(take(small, "assignments", second, complete=True)) == {"new": 1, "ended": 1}


def test_shifts_of_an_officer_do_not_overlap_and_parts_lie_within(small: Database) -> None:
    """Overlaps within the file and with what is stored, ends before starts, parts outside: told per row."""
    shifts = {
        "officer": ["001", "001", "002", "002"], "kind": ["duty"] * 4, "unit": ["S1"] * 4,
        "start": ["2025-03-05 08:00", "2025-03-05 20:00", "2025-03-05 08:00", "2025-03-07 08:00"],
        "end": ["2025-03-06 08:00", "2025-03-06 20:00", "2025-03-05 07:00", "2025-03-07 20:00"],
    }  # fmt: skip
    assert faults(take(small, "shifts", shifts)) == [
        (3, "officer", "shift-overlaps-row"),
        (4, "end", "ends-before-start"),
    ]
    whole = "5a8f2b9e-0000-4000-8000-000000000001"
    sound = {name: [values[0], values[3]] for name, values in shifts.items()}
    sound = {**sound, "shift": [whole, "5a8f2b9e-0000-4000-8000-000000000002"], "covers": ["grid:police/A;unit:S1", ""]}
    assert counts(take(small, "shifts", sound)) == {"new": 2}
    assert faults(take(small, "shifts", {name: values[1:2] for name, values in shifts.items()})) == [
        (2, "officer", "shift-overlaps")
    ]
    part = {
        "shift": ["5a8f2b9e-0000-4000-8000-000000000003"], "part_of": [whole], "officer": ["001"], "kind": ["patrol"],
        "unit": ["S1"], "start": ["2025-03-05 10:00"], "end": ["2025-03-05 12:00"],
    }  # fmt: skip
    assert counts(take(small, "shifts", part)) == {"new": 1}
    assert faults(take(small, "shifts", part | {"end": ["2025-03-06 12:00"]})) == [(2, "part_of", "part-outside-shift")]
    shorter = {name: values[:1] for name, values in sound.items()} | {"end": ["2025-03-05 11:00"]}
    assert faults(take(small, "shifts", shorter)) == [(2, "end", "part-left-outside")]
    longer = shorter | {"end": ["2025-03-06 09:00"]}
    assert counts(take(small, "shifts", longer)) == {"changed": 1}
    assert counts(take(small, "shifts", part)) == {"same": 1}


def test_places_must_lie_somewhere_sensible(small: Database) -> None:
    """Coordinates alone, absurd, far away or swapped; shapes of the wrong kind; no system declared."""
    places = {
        "code": list("abcdef"), "name": ["x"] * 6, "class": ["post"] * 6,
        "lon": [120.27, 120.27, 400, None, 100.0, "east"], "lat": [30.3, None, 30, None, 30, 30],
    }  # fmt: skip
    assert faults(take(small, "places", source_of(places))) == [
        (3, "lon", "coordinate-alone"),
        (4, "lon", "longitude-out-of-range"),
        (5, "lon", "shape-missing"),
        (6, "lon", "far-from-deployment"),
        (7, "lon", "cell-not-a-number"),
    ]
    assert faults(take(small, "places", source_of(places, crs=None))) == [
        (None, "source-crs", "crs-undeclared"),
        (3, "lon", "coordinate-alone"),
        (7, "lon", "cell-not-a-number"),
    ]
    bowtie = Polygon([(120, 30), (120.01, 30.01), (120.01, 30), (120, 30.01)])
    areas = [MultiPolygon([bowtie]), Point(120, 30), LineString([(120, 30), (120.1, 30)])]
    outlines = {"code": ["S1"] * 1 + ["S2", "S3"], "name": ["a"] * 3, "kind": ["station"] * 3, "tree": ["police"] * 3}
    assert [fault[2] for fault in faults(take(small, "units", source_of(outlines, areas)))] == [
        "shape-not-mended",
        "shape-of-another-kind",
        "shape-of-another-kind",
    ]


def test_a_file_that_does_not_say_where_leaves_things_where_they_are(small: Database) -> None:
    """What is known gets its new name and stays where it is; what is new needs a place."""
    post = {"code": ["a"], "name": ["岗亭"], "class": ["post"]}
    take(small, "places", source_of(post | {"lon": [120.27], "lat": [30.3]}), as_is=True)
    outcome = take(small, "places", {"code": ["a"], "name": ["警务站"]})
    assert [(one.change, one.differs) for one in outcome.changes] == [("changed", ("name",))]
    assert faults(take(small, "places", post | {"code": ["b"]})) == [(None, None, "shapes-needed")]


def test_places_lie_about_the_grids(small: Database) -> None:
    """A latitude of nought, or one whose point has slipped, is no place in this city; unless somebody says so."""
    told = source_of({
        "code": list("abc"), "text": ["路1号"] * 3, "dwellings": [1] * 3, "lon": [120.27] * 3, "lat": [0, 3.03, 30.4],
    })  # fmt: skip
    assert faults(take(small, "addresses", told)) == [(2, "lon", "far-from-grids"), (3, "lon", "far-from-grids")]
    assert counts(take(small, "addresses", told, as_is=True)) == {"new": 3}


def test_shapes_are_the_places_unless_columns_are_asked_for(small: Database) -> None:
    """Columns of coordinates beside shapes are not read, for nobody knows their system; asked for, they are degrees."""
    columns = {"code": ["a"], "text": ["路1号"], "dwellings": [1], "lon": [120.27], "lat": [30.3]}
    projected = source_of(columns, [Point(526000, 3353000)], crs="EPSG:4549")
    outcome = take(small, "addresses", projected)
    assert (counts(outcome), [note.text for note in outcome.notes]) == ({"new": 1}, ["shapes-before-columns"])
    mapping = Mapping({"lon": "lon", "lat": "lat"})
    assert counts(take(small, "addresses", projected, mapping=mapping)) == {"changed": 1}
    only = source_of(columns)
    assert counts(take(small, "addresses", only)) == {"same": 1}


def test_places_that_have_moved_as_gcj02_does_are_told(small: Database) -> None:
    """A file in GCJ-02 that is said to be in WGS 84 moves everything by half a kilometre: that is named."""
    true = np.array([[120.27 + number / 100, 30.3] for number in range(5)])
    shifted = to_gcj02(true)
    names = {"code": list("abcde"), "name": list("abcde"), "class": ["post"] * 5}
    told = source_of({**names, "lon": list(true[:, 0]), "lat": list(true[:, 1])})
    moved = source_of({**names, "lon": list(shifted[:, 0]), "lat": list(shifted[:, 1])})
    assert counts(take(small, "places", told)) == {"new": 5}
    assert faults(take(small, "places", moved)) == [(None, "source-crs", "looks-like-gcj02")]
    assert counts(take(small, "places", moved, source_crs="gcj02")) == {"same": 5}
    assert counts(take(small, "places", moved, as_is=True)) == {"changed": 5}


def test_columns_about_people_are_refused_but_for_those_on_duty(small: Database) -> None:
    """Names and phones of officers are duty; identity numbers, plates and phones of others are refused by column."""
    personal = officers(number=["401"], 身份证号=[IDENTITY])
    assert faults(take(small, "officers", personal)) == [(None, "身份证号", "column-personal")]
    places = {"code": ["p1", "p2"], "name": ["岗亭", "联系13800138000"], "class": ["post"] * 2, "lon": [120.27] * 2}
    assert faults(take(small, "places", source_of(places | {"lat": [30.3] * 2}))) == [(3, "name", "value-personal")]


def test_faults_of_columns_do_not_hide_those_of_rows(small: Database) -> None:
    """What is wrong with a column, a constant or the system is told with all that is wrong in the other cells."""
    strange = officers(
        number=["101", "102"], kind=["wizard", "辅警"], unit=["S1", "S9"], 身份证号=[IDENTITY] * 2, 血型=["A", "B"]
    )
    outcome = take(small, "officers", strange, mapping=Mapping({"name": "名字"}, constants={"duty_phone": "1" * 300}))
    assert faults(outcome) == [
        (None, "columns", "columns-unknown"),
        (None, "duty_phone", "text-too-long"),
        (None, "name", "column-missing"),
        (None, "身份证号", "column-personal"),
        (2, "kind", "not-one-of"),
        (3, "unit", "unit-not-known"),
    ]
    assert IDENTITY not in repr(outcome)
    unnamed = {"姓名": ["李娜"], "人员类别": ["巫师"]}
    assert faults(take(small, "officers", unnamed)) == [
        (None, "number", "key-column-missing"),
        (2, "人员类别", "not-one-of"),
    ]
    lost = {"code": ["b"], "name": ["甲"], "class": ["post"], "lat": [30.3]}
    assert faults(take(small, "places", source_of(lost), mapping=Mapping({"lon": "x"}))) == [
        (None, "lon", "column-missing")
    ]
    swapped = source_of(
        {"code": ["a", "b"], "name": ["甲", "乙"], "class": ["post"] * 2, "floors": [1, "many"]},
        [Point(30, 120), Point(30, 120)],
    )
    assert faults(take(small, "places", swapped)) == [
        (None, "geometry", "axes-swapped"),
        (3, "floors", "not-an-integer"),
    ]


def test_of_very_many_faults_all_are_counted(small: Database) -> None:
    """The first ten thousand are kept, the rest are counted."""
    many = 12_000
    outcome = take(small, "officers", officers(kind=["wizard"] * many))
    assert (outcome.fault_count, len(outcome.faults)) == (many, 10_000)


def test_of_very_many_notes_all_are_counted(small: Database) -> None:
    """The first thousand are kept, the rest are counted."""
    count = 1_007
    line = LineString([(120.27, 30.31), (120.27, 30.31)])
    roads = source_of({"code": [f"r{n}" for n in range(count)], "class": ["arterial"] * count}, [line] * count)
    outcome = take(small, "roads", roads)
    assert (len(outcome.notes), outcome.more_notes) == (1_000, 7)


def test_what_may_be_written_is_said_as_its_reader_would_write_it(small: Database) -> None:
    """A Chinese reader is told the Chinese words of a list, an English one the others."""
    (fault,) = take(small, "officers", officers(kind=["wizard"])).faults
    assert "社区民警" in teller("zh-CN").fault(fault)
    assert "community_officer" not in teller("zh-CN").fault(fault)
    assert "community_officer" in teller("en").fault(fault)


def test_every_fault_of_a_subject_has_a_sentence() -> None:
    """What specifications name is said in words."""
    known = sentences("en")
    for subject in SUBJECTS.values():
        told = {check.fault for check in subject.checks}
        told |= {fault for one in subject.exclusions for fault in (one.fault, f"{one.fault}-row")}
        told |= {f"{one.refers}-not-known" for one in subject.fields if one.refers}
        by = () if subject.history == "records" else users(Comparison(subject, frozenset(), has_shapes=False))
        kept = {table for table, _ in by}
        assert {f"rows.kept.{table}" for table in kept} <= known.keys(), subject.name
        assert {f"fault.{key}" for key in told} <= known.keys(), subject.name


@pytest.mark.parametrize("value", [-5, float("inf"), 1e300, "9" * 400, "99999d"])
def test_a_duration_is_neither_negative_nor_endless(small: Database, value: Any) -> None:
    """From nothing up to ten years."""
    told = {"code": ["c"], "title": ["c"], "expected_interval": [value]}
    assert faults(take(small, "sources", told)) == [(2, "expected_interval", "not-a-duration")]


def test_a_list_is_no_word_of_a_list(small: Database) -> None:
    """Nested values of GeoJSON are faults of their cells."""
    told = {"code": ["U9"], "name": ["x"], "kind": [["a"]], "tree": [["police"]]}
    assert faults(take(small, "units", told)) == [(2, "kind", "not-a-text"), (2, "tree", "not-a-text")]


def test_no_item_of_a_list_is_lost(small: Database) -> None:
    """A quotation mark or a backslash is part of a code that nobody has; digits have no marks between them."""
    team = {"code": ["T"], "name": ["t"], "kind": ["squad"], "call_sign": ["c"], "unit": ["S1"]}
    for members in ('001;00"2', "001;00\\2"):
        assert faults(take(small, "teams", team | {"members": [members]})) == [(2, "members", "officer-not-known")]
    told = source_of({"code": ["a"], "text": ["路1号"], "dwellings": ["1_000"], "lon": [120.27], "lat": [30.3]})
    assert faults(take(small, "addresses", told)) == [(2, "dwellings", "not-an-integer")]


def test_any_offset_of_a_time_is_understood(small: Database) -> None:
    """Offsets that no place has are times all the same."""
    leave = {
        "officer": ["001"], "kind": ["sick"], "start": ["2025-05-01T00:00:00+20:00"], "end": ["2025-05-02T00:00:00Z"],
    }  # fmt: skip
    assert counts(take(small, "leave", leave)) == {"new": 1}


def test_an_instant_far_away_is_no_time(small: Database) -> None:
    """A year that no roster has is a slip of the pen."""
    leave = {"officer": ["001"], "kind": ["sick"], "start": ["1025-03-03 08:00"], "end": [None]}
    assert faults(take(small, "leave", leave)) == [(2, "start", "time-out-of-range")]


def test_nothing_is_above_itself(small: Database) -> None:
    """Trees of categories, places, layers and units stay trees, whether a circle is in the file or closed by it."""
    titles = {"title": ["一", "二"], "police_matter": [True, True], "priority": [1, 1], "handling_minutes": [1, 1]}
    circle = {"code": ["k1", "k2"], "parent": ["k2", "k1"], **titles}
    assert faults(take(small, "categories", circle)) == [(n, "parent", "above-itself") for n in (2, 3)]
    assert counts(take(small, "categories", {**circle, "parent": [None, "k1"]})) == {"new": 2}
    assert faults(take(small, "categories", {"code": ["k1"], "parent": ["k2"]})) == [(2, "parent", "above-itself")]
    units = {"code": ["U1", "U2", "U3"], "name": ["一", "二", "三"], "tree": ["police"] * 3, "kind": ["branch"] * 3}
    take(small, "units", units)
    take(small, "links", {"unit": ["U1", "U2"], "to": ["U2", "U3"], "kind": ["command"] * 2})
    closing = {"unit": ["U3"], "to": ["U1"], "kind": ["command"]}
    assert faults(take(small, "links", closing)) == [(2, "to", "above-itself")]
    assert counts(take(small, "links", {**closing, "kind": ["serves"]})) == {"new": 1}
    posts = {"code": ["p1", "p2"], "name": ["一", "二"], "class": ["post"] * 2, "lon": [120.3] * 2, "lat": [30.3] * 2}
    assert faults(take(small, "places", {**posts, "parent": ["p2", "p1"]}, as_is=True))[0][1:] == (
        "parent", "above-itself",
    )  # fmt: skip
    layers = {"code": ["x1", "x2"], "title": ["一", "二"], "kind": ["free"] * 2, "within": ["x2", "x1"]}
    assert [fault[2] for fault in faults(take(small, "layers", layers))] == ["above-itself"] * 2


def test_codes_that_only_look_alike_are_told(small: Database) -> None:
    """A number typed in full-width digits is not the number of another officer."""
    told = take(small, "officers", officers(number=["００１", "９"], name=["甲", "乙"]))
    assert [(fault.row, fault.text) for fault in told.faults] == [
        (2, "code-has-wide-characters"),
        (3, "code-has-wide-characters"),
    ]
    assert told.faults[0].values["narrow"] == "001"
