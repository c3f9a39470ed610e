"""Files of grids: GeoJSON, GeoPackage, zipped Shapefile; written aside and then renamed, so never half there.

What is read back by an import is what was written, coordinate by coordinate: degrees have 9 decimals in all formats.
"""

import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyogrio
import shapely

from spatial import crs as systems
from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Geometries
from spatial.grids.queries import GridRecord, shapes_of

FORMATS = {"geojson": (".geojson", ".json"), "gpkg": (".gpkg",), "shp": (".zip",)}
LONGEST_DBF_TEXT = 254  # bytes
ZIP_TIME = (2000, 1, 1, 0, 0, 0)  # so that the same grids make the same file


@dataclass(frozen=True)
class Sheet:
    """Grids as columns with shapes; every column is a list of plain values."""

    name: str
    columns: Mapping[str, list[Any]]
    shapes: Geometries


def sheet(layer: str, grids: Sequence[GridRecord], unit_codes: Mapping[int, str]) -> Sheet:
    """Return the columns that describe grids: code, name, kind, unit, then the attributes that imports kept."""
    columns: dict[str, list[Any]] = {
        "code": [grid.code for grid in grids],
        "name": [grid.name for grid in grids],
        "kind": [grid.kind for grid in grids],
        "unit": [unit_codes.get(grid.unit_id) if grid.unit_id is not None else None for grid in grids],
    }
    for name in sorted({name for grid in grids for name in grid.attributes}):
        columns[name if name not in columns else f"{name}_"] = [grid.attributes.get(name) for grid in grids]
    return Sheet(layer, columns, shapes_of(grids))


def format_of(path: Path, asked: str | None) -> str:
    """Return the format asked for, else the one that the file's name tells."""
    if asked is not None:
        if asked not in FORMATS:
            raise invalid("format", "export-format-unknown", known=", ".join(FORMATS))
        return asked
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise invalid("output", "export-suffix-unknown", file=path.name, known=known)


@contextmanager
def file_of(
    path: Path, made: Sheet, fmt: str, *, crs: str = systems.STORED, allow_shifted: bool = False
) -> Iterator[None]:
    """Write grids in a named system, for a file that appears when the block ends well; otherwise it never does.

    GeoJSON is always longitude, latitude (RFC 7946).
    """
    if not path.parent.is_dir():
        raise invalid("output", "folder-missing", folder=str(path.parent))
    shapes = made.shapes
    if crs != systems.STORED:
        if fmt == "geojson":
            raise invalid("crs", "geojson-in-degrees-only")
        shapes = systems.from_stored(shapes, crs, allow_shifted=allow_shifted)
    write: Callable[[Path, Sheet, str], None] = {"geojson": _geojson, "gpkg": _geopackage, "shp": _shapefile}[fmt]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        aside = Path(folder, made.name + FORMATS[fmt][0])
        write(aside, Sheet(made.name, made.columns, shapes), crs)
        yield
        aside.replace(path)


def _geojson(path: Path, made: Sheet, _crs: str) -> None:
    texts = shapely.to_geojson(made.shapes)
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","name":' + orjson.dumps(made.name) + b',"features":[')
        for index, text in enumerate(texts):
            properties = {name: values[index] for name, values in made.columns.items()}
            feature = {"type": "Feature", "properties": properties, "geometry": orjson.Fragment(text)}
            file.write(b",\n" if index else b"\n")
            file.write(orjson.dumps(feature))
        file.write(b"\n]}\n")


def _geopackage(path: Path, made: Sheet, crs: str) -> None:
    _through_gdal(path, made, crs, driver="GPKG", layer=made.name)


def _shapefile(path: Path, made: Sheet, crs: str) -> None:
    too_long = [
        Fault(f"{name} {made.columns['code'][index]}", "text-too-long-for-shapefile", {"limit": LONGEST_DBF_TEXT})
        for name, values in made.columns.items()
        for index, value in enumerate(values)
        if isinstance(value, str) and len(value.encode()) > LONGEST_DBF_TEXT
    ]
    if too_long:
        raise InputError(too_long)
    folder = path.parent / "parts"
    folder.mkdir()
    _through_gdal(folder / f"{made.name}.shp", made, crs, driver="ESRI Shapefile", encoding="UTF-8")
    with zipfile.ZipFile(path, "w") as packed:
        for part in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(part.name, ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            with part.open("rb") as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target)


def _through_gdal(path: Path, made: Sheet, crs: str, **how: str) -> None:
    columns = [typed(values) for values in made.columns.values()]
    wkt = None if systems.is_shifted(crs) else systems.parse(crs).to_wkt()  # no format can name a shifted system
    with warnings.catch_warnings(action="ignore"):  # of long names that a Shapefile cuts, and of that system
        pyogrio.raw.write(
            path,
            shapely.to_wkb(made.shapes),
            [values for values, _ in columns],
            list(made.columns),
            [missing for _, missing in columns],
            crs=wkt,
            geometry_type="MultiPolygon",
            **how,
        )


def typed(values: list[Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a column of one type and which of its values are missing; text where one type cannot hold them all."""
    missing = np.array([value is None for value in values], dtype=bool)
    kinds = {type(value) for value in values if value is not None}
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
        kinds = {str}
    for kind, dtype, nothing in ((bool, np.bool_, False), (int, np.int64, 0), (float, np.float64, 0.0)):
        if kinds and kinds <= ({int, float} if kind is float else {kind}):
            return np.array([nothing if value is None else value for value in values], dtype=dtype), missing
    texts = [value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values]
    return np.array(texts, dtype=object), missing
