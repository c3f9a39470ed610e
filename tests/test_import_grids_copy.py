"""What becomes of each row of a file of grids, beside the file; what its texts mean, by a mapping."""

import json
from functools import partial
from pathlib import Path

import pyogrio
import pytest
import shapely
from openpyxl import Workbook, load_workbook

from api.imports_rows_text import teller
from spatial.db import Database
from spatial.imports.annotated import write_annotated
from spatial.imports.grids.drafting import take_grids
from spatial.imports.read import open_source, read_whole
from spatial.settings import Settings
from tests.importing import ACTOR, FOUR, SETTINGS, Write, counts, everything, geojson_file, request_of, rows, take, told
from tests.test_import_laws import twingrid
from tests.test_uploads import asking_as, config, database, tried

__all__ = ["config", "database"]  # fixtures
BOW_TIE = shapely.Polygon([(117.0, 34.0), (117.1, 34.1), (117.1, 34.0), (117.0, 34.1)])
IDENTITY = "11010519491231002X"  # the example of GB 11643


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


def annotate(database: Database, file: Path, copy: Path, geometry: str | None = None, **how: object) -> list[str]:
    """Write the annotated copy of a file, and return the kinds of its faults."""
    source = open_source(file, geometry=geometry, encoding="utf-8" if file.suffix == ".csv" else None)
    with database.read() as session:
        request = request_of("police", "code", {"source_crs": "EPSG:4490", **how})
        one = take_grids(session, ACTOR, read_whole(source), request, SETTINGS, commit=False)
    write_annotated(copy, one, source, teller("en"))
    return [fault.text for fault in one.found]


def test_a_copy_says_what_becomes_of_each_row(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """New, changed and the same, of every part of a grid; columns that are left out are not in the copy either."""
    take(empty_database, write(FOUR[:2], code=["A", "B"], name=["a", "b"]), name="name")
    file = write(FOUR[[0, 0, 1, 2]], code=["A", "A", "B", "C"], name=["a", "a", "x", "c"], note=["?"] * 4)
    copy = tmp_path / "copy.csv"
    assert annotate(empty_database, file, copy, name="name") == []
    assert copy.read_text("utf-8-sig").splitlines() == [
        "code,name,import_change,import_faults", "A,a,same,", "A,a,same,", "B,x,changed,", "C,c,new,",
    ]  # fmt: skip
    shapes = tmp_path / "copy.gpkg"
    annotate(empty_database, file, shapes, name="name")
    info = pyogrio.read_info(shapes)
    assert (info["features"], list(info["fields"])) == (4, ["code", "name", "import_change", "import_faults"])


def test_faults_of_grids_are_coloured_in_excel(empty_database: Database, tmp_path: Path) -> None:
    """A cell that is wrong says why; a code whose parts disagree is told in each of its rows."""
    book = Workbook()
    book.active.append(["code", "name", "kind", "geometry"])
    for code, name, kind, shape in zip("ABBC", "abxc", ("微", "regular", "regular", "huge"), FOUR, strict=True):
        book.active.append([code, name, kind, shape.wkt])
    book.active.append(["D", "d", None, "POLYGON((x))"])
    file, copy = tmp_path / "grids.xlsx", tmp_path / "copy.xlsx"
    book.save(file)
    how = {"name": "name", "grid_kind": "kind", "values": {"grid_kind": {"微": "micro"}}}
    assert annotate(empty_database, file, copy, "geometry", **how) == [
        "geometry-unreadable", "grid-kind-unknown", "code-differs",
    ]  # fmt: skip
    sheet = load_workbook(copy).active
    assert [row[-2] for row in sheet.iter_rows(values_only=True)] == [
        "import_change", None, "faulty", "faulty", "faulty", "faulty",
    ]  # fmt: skip
    assert (sheet["D2"].value, sheet["D2"].comment) == (FOUR[0].wkt, None)
    assert (sheet["D6"].value, sheet["D6"].comment is not None) == ("POLYGON((x))", True)
    cell = sheet["C5"]
    assert (cell.value, cell.comment is not None, cell.fill.fgColor.rgb[-6:]) == ("huge", True, "FFC7CE")
    assert sheet["C2"].comment is None


def test_of_a_file_about_people_there_is_no_copy(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """Neither as cells nor as what a mapping says in place of them."""
    copy = tmp_path / "copy.csv"
    assert annotate(empty_database, write(FOUR, code=list("ABCD"), note=[IDENTITY] * 4), copy) == ["value-personal"]
    assert annotate(empty_database, write(FOUR), copy, constants={"name": IDENTITY}) == ["value-personal"]
    assert not copy.exists()


def test_texts_are_mapped_and_constants_set(empty_database: Database, write: Write) -> None:
    """A kind in Chinese is one of ours; what the file lacks is said of all rows, and refused once where it is wrong."""
    file = write(FOUR, code=list("ABCD"), kind=["普通", "微", None, "regular"])
    how = {"grid_kind": "kind", "values": {"grid_kind": {"普通": "regular", "微": "micro"}}}
    assert counts(take(empty_database, file, **how, constants={"name": "街面"})) == {"new": 4}
    assert rows(empty_database, "SELECT code, name, kind FROM grid_version ORDER BY code") == [
        ("A", "街面", "regular"), ("B", "街面", "micro"), ("C", "街面", "regular"), ("D", "街面", "regular"),
    ]  # fmt: skip
    assert told(lambda: take(empty_database, file, constants={"unit": "S9", "grid_kind": "huge"})) == [
        ("grid_kind", "grid-kind-unknown"),
        ("unit", "unit-unknown"),
    ]


def test_everything_wrong_with_grids_is_told_at_once(empty_database: Database, write: Write) -> None:
    """A column that is missing, one about people, no system, cells and shapes: one report, without a personal value."""
    before = everything(empty_database)
    file = write(
        [FOUR[0], None, FOUR[2], FOUR[3]], crs=None, code=list("ABCD"), name=["a", "b", IDENTITY, "d"],
        kind=["huge", "micro", None, None], phone=["1"] * 4,
    )  # fmt: skip
    asked = {"name": "name", "grid_kind": "kind", "unit": "station"}
    assert told(lambda: take(empty_database, file, **asked)) == [
        ("unit", "column-missing"),
        ("column phone", "column-personal"),
        ("row 3, column name", "value-personal"),
        ("row 1, column kind", "grid-kind-unknown"),
        ("source-crs", "crs-undeclared"),
        ("row 2, geometry", "geometry-missing"),
    ]
    placed = write([BOW_TIE, None, FOUR[2]], code=["A", "B", None])
    assert told(lambda: take(empty_database, placed)) == [
        ("row 3, column code", "code-empty"),
        ("row 2, geometry", "geometry-missing"),
        ("row 1, geometry", "repair-too-large"),
    ]
    assert everything(empty_database) == before


def test_rows_that_cannot_be_read_are_told_with_the_others(empty_database: Database, tmp_path: Path) -> None:
    """A shape that is no WKT does not hide what is wrong with the cells of other rows."""
    file = tmp_path / "grids.csv"
    lines = ["code,kind,geometry", 'A,huge,"POLYGON((x))"', f'B,huge,"{FOUR[1].wkt}"', ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    table = read_whole(open_source(file, encoding="utf-8", geometry="geometry"))
    with empty_database.read() as session:
        request = request_of("police", "code", {"source_crs": "EPSG:4490", "grid_kind": "kind"})
        one = take_grids(session, ACTOR, table, request, SETTINGS, commit=False)
    assert [(fault.row, fault.text) for fault in one.faults()] == [
        (2, "geometry-unreadable"),
        (3, "grid-kind-unknown"),
    ]


@pytest.mark.proof
def test_the_command_line_maps_sets_and_annotates(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """Options go over a saved mapping; the mapping of the run is saved, and does the same again."""
    file, copy, saved, run = (write(FOUR, 编码=list("ABCD"), 类别=["普通"] * 4), tmp_path / "copy.xlsx",
                              tmp_path / "city.toml", tmp_path / "run.toml")  # fmt: skip
    saved.write_text('[columns]\ngrid_kind = "x"\n[values.grid_kind]\n"普通" = "regular"\n', encoding="utf-8")
    verb = ("import", "grids", str(file), "--layer", "police", "--create-layer", "--json", "--annotated", str(copy))
    options = ("--mapping", str(saved), "--map", "code=编码", "--map", "grid_kind=类别", "--set", "name=街面")
    dry = twingrid(empty_database, *verb, *options, "--save-mapping", str(run))
    assert (dry.returncode, [one["name"] for one in json.loads(dry.stdout)["grids"]]) == (0, ["街面"] * 4), dry.stderr
    assert [row[-2] for row in load_workbook(copy).active.iter_rows(values_only=True)][1:] == ["new"] * 4
    again = twingrid(empty_database, *verb, "--mapping", str(run))
    assert json.loads(again.stdout)["grids"] == json.loads(dry.stdout)["grids"]
    unknown = twingrid(empty_database, *verb, "--map", "colour=x")
    assert (unknown.returncode, "colour" in unknown.stderr) == (2, True)


def test_grids_over_http_have_a_mapping_and_a_copy(database: Database, config: Settings, tmp_path: Path) -> None:
    """Columns, values and constants in the form; the copy of a file with faults and of one without."""
    file = geojson_file(tmp_path, FOUR, 编码=list("ABCD"), 类别=["普通"] * 3 + ["特"]).read_bytes()
    mapping = {"columns": {"code": "编码", "grid_kind": "类别"}, "values": {"grid_kind": {"普通": "regular"}}}
    for planner in asking_as(database, config, "planner"):
        how = {"layer": "police", "create_layer": "true", "lang": "en"}
        found = tried(planner, database, file, "grids", "grids.geojson", mapping=json.dumps(mapping), **{
            name: value for name, value in how.items() if name != "lang"
        })  # fmt: skip
        report = found["dry_run"]["report"]
        assert [(one["row"], one["column"], one["fault"]) for one in report["faults"]] == [
            (4, "类别", "grid-kind-unknown")
        ]
        copy = planner.get(f"/imports/{found['id']}/annotated")
        assert (copy.status_code, "grids.annotated.gpkg" in copy.headers["content-disposition"]) == (200, True)
        mapping["values"]["grid_kind"]["特"] = "dedicated"
        again = planner.post(
            f"/imports/{found['id']}/again",
            data={"layer": "police", "create_layer": "true", "mapping": json.dumps(mapping)},
            files={"code": (None, "编码")},
        )
        assert again.status_code == 202, again.text
