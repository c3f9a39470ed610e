"""A file of any of the formats that cities have, opened as what its first bytes and its name say."""

from pathlib import Path

from spatial.errors import invalid
from spatial.imports.read.delimited import open_delimited
from spatial.imports.read.geojson import open_geojson
from spatial.imports.read.model import Source

SUFFIXES = (".geojson", ".json", ".csv", ".tsv", ".txt")


def open_source(path: Path, *, source_layer: str | None = None, encoding: str | None = None) -> Source:
    """Return a file's rows; `source_layer` picks a layer, sheet or member where there are several.

    `encoding` is that of text where the file does not say it. What cannot be read at all is an `InputError`.
    """
    if path.is_dir():
        raise invalid("file", "file-is-a-folder", file=path.name)
    if not path.is_file():
        raise invalid("file", "file-missing", file=path.name)
    match path.suffix.lower():
        case ".geojson" | ".json":
            return open_geojson(path, path.name, encoding)
        case ".csv" | ".tsv" | ".txt":
            return open_delimited(path, path.name, encoding)
        case _:
            raise invalid("file", "file-format-unknown", file=path.name, known=", ".join(SUFFIXES))
