"""GeoJSON, GeoPackage and Shapefile are read for what they are, or refused with the reason."""

import shutil
import warnings
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from spatial.crs import from_stored
from spatial.db import Database
from spatial.geometry import Geometries
from spatial.imports.grids.service import commit_import
from spatial.imports.read import Encoding, read_file
from tests.importing import (
    ACTOR,
    FOUR,
    SETTINGS,
    SUMMER,
    Write,
    counts,
    faults,
    geojson_file,
    in_force,
    plan_of,
    request_of,
    take,
    told,
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


# Files of other kinds ------------------------------------------------------------------------------------------------


def shapefile(path: Path, shapes: Geometries, crs: str | None = "EPSG:4490", **columns: Sequence[Any]) -> Path:
    columns = columns or {"code": [f"G{number}" for number in range(len(shapes))]}
    with warnings.catch_warnings(action="ignore"):
        pyogrio.raw.write(
            path,
            shapely.to_wkb(np.asarray(shapes, dtype=object)),
            [np.array(values, dtype=object) for values in columns.values()],
            list(columns),
            crs=crs,
            geometry_type="Polygon",
            encoding="UTF-8" if path.suffix == ".shp" else None,
        )
    return path


def test_undeclared_system(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """Without a declared system a file is refused with the reason, unless it is named."""
    bare = shapefile(tmp_path / "bare.shp", FOUR, crs=None)
    assert told(lambda: take(empty_database, bare)) == [("source-crs", "crs-undeclared")]
    null = write(FOUR, crs=None)
    assert told(lambda: take(empty_database, null)) == [("source-crs", "crs-undeclared")]
    assert told(lambda: take(empty_database, bare, source_crs="Xuzhou grid")) == [("crs", "unknown-crs")]
    assert counts(take(empty_database, bare, source_crs="EPSG:4490")) == {"new": 4}


def test_declared_systems(empty_database: Database, write: Write) -> None:
    """The same grids come in the same from degrees, from Gauss–Krüger, and from GCJ-02 to the centimetre."""
    take(empty_database, write(FOUR))
    stored = in_force(empty_database)
    member = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4548"}}
    projected = write(from_stored(FOUR, "EPSG:4548"), crs=member)
    assert counts(take(empty_database, projected, effective=SUMMER)) == {"same": 4}
    shifted = write(from_stored(FOUR, "gcj02", allow_shifted=True))
    assert counts(take(empty_database, shifted, effective=SUMMER, source_crs="gcj02")) == {"same": 4}
    assert in_force(empty_database) == stored


def test_chinese_text_without_a_declared_encoding(tmp_path: Path, empty_database: Database) -> None:
    """A Shapefile in GBK without .cpg is read right, but taken in only when that is confirmed."""
    path = shapefile(tmp_path / "gbk.shp", FOUR, code=list("ABCD"), name=["泉山区", "云龙区", "鼓楼区", "铜山区"])
    assert read_file(path).columns["name"][0] == "泉山区"
    table = (tmp_path / "gbk.dbf").read_bytes()
    for name in ("泉山区", "云龙区", "鼓楼区", "铜山区"):
        gbk = name.encode("gb18030")
        table = table.replace(name.encode(), gbk + b" " * (len(name.encode()) - len(gbk)))
    (tmp_path / "gbk.dbf").write_bytes(table[:29] + b"\x00" + table[30:])
    (tmp_path / "gbk.cpg").unlink()
    read = read_file(path)
    assert read.encoding == Encoding(
        "gb18030", is_declared=False, samples=tuple(("name", name) for name in ("泉山区", "云龙区", "鼓楼区", "铜山区"))
    )
    assert read_file(path, encoding="gbk").columns["name"][0] == "泉山区"
    assert told(lambda: read_file(path, encoding="utf-8")) == [
        (f"row {row}", "row-undecodable") for row in (1, 2, 3, 4)
    ]
    assert counts(plan_of(empty_database, path, name="name")) == {"new": 4}
    (fault,) = faults(lambda: take(empty_database, path, name="name"))
    assert (fault.text, fault.values["encoding"]) == ("encoding-unconfirmed", "gb18030")
    assert "云龙区" in fault.values["samples"]
    assert in_force(empty_database) == {}
    request = request_of("police", "code", {"name": "name"})
    commit_import(empty_database, ACTOR, read_file(path, encoding="gb18030"), request, SETTINGS)
    assert in_force(empty_database)["B"][0] == "云龙区"


def test_zips_and_layers(tmp_path: Path) -> None:
    """Of several Shapefiles in an archive, and of several layers of a GeoPackage, one must be named."""
    for name in ("one", "two"):
        shapefile(tmp_path / f"{name}.shp", FOUR)
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as packed:
        for part in tmp_path.glob("*.???"):
            if part.suffix != ".zip":
                packed.write(part, f"数据/{part.name}")
    (fault,) = faults(lambda: read_file(tmp_path / "both.zip"))
    assert (fault.where, fault.text, fault.values["known"]) == (
        "source-layer",
        "choose-source-layer",
        "数据/one, 数据/two",
    )
    assert len(read_file(tmp_path / "both.zip", source_layer="数据/two")) == 4
    shapefile(tmp_path / "grids.gpkg", FOUR)
    assert read_file(tmp_path / "grids.gpkg").crs is not None
    assert told(lambda: read_file(tmp_path / "grids.gpkg", source_layer="other")) == [
        ("source-layer", "choose-source-layer")
    ]


def test_files_that_are_not_what_they_say(tmp_path: Path) -> None:
    """A file that is absent, of an unknown kind, broken, or only named like a GeoPackage is told."""
    assert told(lambda: read_file(tmp_path / "none.gpkg")) == [("file", "file-missing")]
    for name, body, expected in (
        ("a.kml", "x", "file-format-unknown"),
        ("a.gpkg", "<OGRVRTDataSource/>", "file-content-differs"),
        ("a.shp", "<OGRVRTDataSource/>", "file-content-differs"),
        ("a.zip", "PK", "file-unreadable"),
    ):
        (tmp_path / name).write_text(body, encoding="utf-8")
        assert told(lambda name=name: read_file(tmp_path / name)) == [("file", expected)]  # type: ignore[misc]


def test_broken_shapefiles(realdata: Path, empty_database: Database, tmp_path: Path) -> None:
    """Real broken Shapefiles are told for what they are: no index, lines, points at infinity."""
    broken = realdata / "messy-boundaries" / "broken_shapefiles"
    assert told(lambda: read_file(broken / "193" / "gauss_kruger.shp")) == [("file", "shape-index-missing")]
    lines = broken / "518_519_shp_reading" / "max_callstack_error.shp"
    first = read_file(lines).columns
    assert {text for _, text in told(lambda: take(empty_database, lines, code=next(iter(first))))} >= {
        "geometry-not-an-area"
    }
    copied = Path(shutil.copytree(realdata / "messy-boundaries" / "dbf_encodings" / "ldid", tmp_path / "ldid"))
    assert read_file(copied / "chinese.shp").columns["NAME"] == ["简体"]
