"""GeoJSON: read whole, because its text must be, and so only up to a size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.encodings import canonical
from spatial.imports.read.model import Chunk, Source
from spatial.imports.read.shapes import parsed

MOST_BYTES = 300_000_000  # several times as much in memory
RFC_7946_CRS = "EPSG:4326"


def open_geojson(path: Path, file: str, encoding: str | None) -> Source:
    """Return the features of a file."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise invalid("file", "geojson-too-large", file=file, limit_mb=MOST_BYTES // 1_000_000)
    document = _document(path.read_bytes(), file, encoding)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise invalid("file", "not-a-feature-collection", file=file)
    faults = [
        Fault(f"row {row}", "not-a-feature")
        for row, feature in enumerate(features, 1)
        if not (isinstance(feature, dict) and isinstance(feature.get("properties") or {}, dict))
    ]
    if faults:
        raise InputError(faults)
    properties = [feature.get("properties") or {} for feature in features]
    names = tuple(dict.fromkeys(name for one in properties for name in one))
    texts = [_dumped(feature.get("geometry")) for feature in features]
    shapes = parsed(shapely.from_geojson, texts) if features else np.array([], dtype=object)
    columns = {name: [_plain(one.get(name)) for one in properties] for name in names}

    def chunks() -> Iterator[Chunk]:
        if features:
            yield Chunk(range(1, len(features) + 1), columns, shapes)

    crs = _declared_crs(document)
    return Source(file, "geojson", names, has_shapes=True, chunks=chunks, crs=crs, count=len(features))


def _document(body: bytes, file: str, encoding: str | None) -> Any:
    if encoding is not None:
        try:
            body = body.decode(canonical(encoding)).encode()
        except UnicodeError:
            raise invalid("encoding", "encoding-wrong", encoding=encoding) from None
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise invalid("file", "json-malformed", file=file, place=place, reason=error.msg) from None


def _plain(value: Any) -> Any:
    return None if value == "" else value


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
