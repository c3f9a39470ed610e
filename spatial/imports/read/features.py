"""Files of features: GeoJSON, GeoPackage, Shapefile, as columns and shapes in the file's own system.

GDAL is only shown files whose first bytes are those of a GeoPackage or a Shapefile, on local disk: some of its other
formats would fetch from the network.
"""

import shutil
import tempfile
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from spatial.errors import Fault, InputError, invalid
from spatial.geometry import Geometries

MOST_BYTES = 1_000_000_000
MOST_FEATURES = 200_000
SQLITE = b"SQLite format 3\0"
SHAPEFILE = b"\x00\x00\x27\x0a"
SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
RFC_7946_CRS = "EPSG:4326"
SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".zip")


@dataclass(frozen=True)
class SourceTable:
    """The features of a file, in its order; row 1 is the first.

    `crs` is what the file declares, None where it declares nothing. A shape is None where a feature has none.
    `encoding` tells how text was decoded where the file does not say.
    """

    crs: str | None
    columns: dict[str, list[Any]]
    shapes: Geometries
    encoding: str | None = None

    def __len__(self) -> int:
        return len(self.shapes)


def read_file(path: Path, *, source_layer: str | None = None, encoding: str | None = None) -> SourceTable:
    """Return the features of a file; `source_layer` picks one where there are several.

    `encoding` is that of a Shapefile's text, for where neither the file says it nor it can be told.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise invalid("file", "file-missing", file=path.name)
    if suffix not in SUFFIXES:
        raise invalid("file", "file-format-unknown", file=path.name, known=", ".join(SUFFIXES))
    if path.stat().st_size > MOST_BYTES:
        raise invalid("file", "file-too-large", file=path.name, limit_mb=MOST_BYTES // 1_000_000)
    if suffix in {".geojson", ".json"}:
        table = _geojson(path)
    elif suffix == ".gpkg":
        table = _geopackage(path, source_layer)
    else:
        with _unpacked(path, source_layer) as shapefile:
            table = _shapefile(shapefile, encoding)
    if len(table) == 0:
        raise invalid("file", "file-empty", file=path.name)
    if len(table) > MOST_FEATURES:
        raise invalid("file", "too-many-features", file=path.name, limit=MOST_FEATURES)
    return table


# GeoJSON -------------------------------------------------------------------------------------------------------------


def _geojson(path: Path) -> SourceTable:
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise invalid("file", "json-malformed", file=path.name, place=place, reason=error.msg) from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise invalid("file", "not-a-feature-collection", file=path.name)
    faults = [
        Fault(f"row {row}", "not-a-feature")
        for row, feature in enumerate(features, 1)
        if not (isinstance(feature, dict) and isinstance(feature.get("properties") or {}, dict))
    ]
    if faults:
        raise InputError(faults)
    properties = [feature.get("properties") or {} for feature in features]
    names = dict.fromkeys(name for one in properties for name in one)
    columns = {name: [one.get(name) for one in properties] for name in names}
    texts = [_dumped(feature.get("geometry")) for feature in features]
    return SourceTable(_declared_crs(document), columns, _parsed(shapely.from_geojson, texts))


def _dumped(geometry: Any) -> str | None:
    return None if geometry is None else orjson.dumps(geometry).decode()


def _declared_crs(document: dict[str, Any]) -> str | None:
    """Return what the old `crs` member says; an explicit null means that the system is unknown."""
    if "crs" not in document:
        return RFC_7946_CRS
    match document["crs"]:
        case {"type": "name", "properties": {"name": str(name)}}:
            return name
        case None:
            return None
        case _:
            raise invalid("crs", "crs-member-malformed")


def _parsed(parse: Callable[..., Any], texts: Sequence[Any]) -> Geometries:
    """Return shapes from their texts; every one that cannot be read is a fault with the reader's reason."""
    shapes = np.asarray(parse(np.array(texts, dtype=object), on_invalid="ignore"), dtype=object)
    faults = []
    for row in np.flatnonzero(shapely.is_missing(shapes)).tolist():
        if texts[row] is not None:
            try:
                parse(texts[row])
            except shapely.GEOSException as error:
                reason = str(error).rpartition("Exception: ")[2]
                faults.append(Fault(f"row {row + 1}, geometry", "geometry-unreadable", {"reason": reason}))
    if faults:
        raise InputError(faults)
    return shapely.force_2d(shapes)


# GeoPackage and Shapefile --------------------------------------------------------------------------------------------


def _geopackage(path: Path, source_layer: str | None) -> SourceTable:
    _require_magic(path, SQLITE)
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except DataSourceError as error:
        raise invalid("file", "file-unreadable", file=path.name, reason=_reason(error, path)) from None
    table, _ = _through_gdal(path, layer=_chosen(layers, source_layer, path))
    return table


def _shapefile(path: Path, encoding: str | None) -> SourceTable:
    _require_magic(path, SHAPEFILE)
    table, stated = _through_gdal(path)
    if encoding is None and (stated != "ISO-8859-1" or path.with_suffix(".cpg").exists()):
        return table
    if stated != "ISO-8859-1":
        table, _ = _through_gdal(path, encoding="ISO-8859-1")  # each byte as one character
    found = encoding or _guessed_encoding(table)
    try:
        columns = {
            name.encode("latin-1").decode(found, "ignore"): [_decoded(value, found) for value in values]
            for name, values in table.columns.items()
        }
    except (UnicodeError, LookupError):
        raise invalid("encoding", "encoding-wrong", encoding=found) from None
    return SourceTable(table.crs, columns, table.shapes, found)


def _guessed_encoding(table: SourceTable) -> str:
    """Return how the text of a Shapefile that does not say so is encoded: Chinese ones are UTF-8 or GBK."""
    texts = [value for values in table.columns.values() for value in values if isinstance(value, str)]
    joined = "\n".join([*table.columns, *texts]).encode("latin-1")
    for encoding in ("ascii", "utf-8", "gb18030"):
        try:
            joined.decode(encoding)
        except UnicodeError:
            continue
        return encoding
    raise invalid("encoding", "encoding-unknown")


def _decoded(value: Any, encoding: str) -> Any:
    return value.encode("latin-1").decode(encoding) if isinstance(value, str) else value


def _through_gdal(path: Path, **how: str) -> tuple[SourceTable, str]:
    """Return a table, and the encoding that GDAL took it to have."""
    try:
        with warnings.catch_warnings(action="ignore"):
            meta, _, wkb, values = pyogrio.raw.read(path, force_2d=True, **how)
    except (DataSourceError, DataLayerError) as error:
        raise invalid("file", "file-unreadable", file=path.name, reason=_reason(error, path)) from None
    if wkb is None:
        raise invalid("file", "no-geometry-column", file=path.name)
    columns = {str(name): _plain(column) for name, column in zip(meta["fields"], values, strict=True)}
    crs = meta["crs"]
    declared = None if crs is None or "Undefined" in crs else str(crs)
    return SourceTable(declared, columns, _parsed(shapely.from_wkb, list(wkb))), str(meta["encoding"])


def _plain(column: np.ndarray[Any, Any]) -> list[Any]:
    """Return a column as plain values: times as RFC 3339 text, whole numbers as such, nothing as None."""
    if column.dtype.kind == "M":
        return [None if np.isnat(value) else str(value) for value in column]
    if column.dtype.kind == "f":
        return [None if np.isnan(value) else _whole(float(value)) for value in column]
    return list(column.tolist())


def _whole(value: float) -> float | int:
    """Return a number without fraction as an integer: files keep integers with gaps as floating point."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


@contextmanager
def _unpacked(path: Path, source_layer: str | None) -> Iterator[Path]:
    """Yield the path of a Shapefile; of a zipped one, unpacked under a name that every GDAL can open."""
    if path.suffix.lower() == ".shp":
        yield path
        return
    try:
        with zipfile.ZipFile(path) as packed, tempfile.TemporaryDirectory() as folder:
            parts = _members(packed)
            stem = _chosen(sorted(parts), source_layer, path)
            members = [packed.getinfo(name) for name in parts[stem].values()]
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise invalid("file", "file-too-large", file=path.name, limit_mb=MOST_BYTES // 1_000_000)
            for suffix, name in parts[stem].items():
                with packed.open(name) as source, Path(folder, f"source{suffix}").open("wb") as target:
                    shutil.copyfileobj(source, target)
            yield Path(folder, "source.shp")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # broken, encrypted, oddly packed
        raise invalid("file", "file-unreadable", file=path.name, reason=str(error)) from None


def _members(packed: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    """Return, by stem, the parts of each Shapefile in an archive: suffix to member."""
    parts: dict[str, dict[str, str]] = defaultdict(dict)
    for name in packed.namelist():
        member = Path(name)
        if member.suffix.lower() in SHAPEFILE_PARTS and "__MACOSX" not in member.parts:
            parts[str(member.with_suffix(""))][member.suffix.lower()] = name
    return {stem: found for stem, found in parts.items() if ".shp" in found}


def _chosen(layers: Sequence[str], wanted: str | None, path: Path) -> str:
    if wanted in layers:
        return str(wanted)
    if wanted is None and len(layers) == 1:
        return layers[0]
    if not layers:
        raise invalid("file", "no-source-layer", file=path.name)
    raise invalid("source-layer", "choose-source-layer", file=path.name, known=", ".join(layers))


def _require_magic(path: Path, magic: bytes) -> None:
    with path.open("rb") as file:
        if file.read(len(magic)) != magic:
            raise invalid("file", "file-content-differs", file=path.name, suffix=path.suffix)


def _reason(error: Exception, path: Path) -> str:
    return str(error).replace(str(path.parent) + "/", "").splitlines()[0]
