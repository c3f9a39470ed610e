"""Files of rows and features, from disk to plain values."""

from spatial.imports.read.encodings import require_confirmed, unconfirmed
from spatial.imports.read.model import Chunk, Encoding, Source
from spatial.imports.read.opening import open_source
from spatial.imports.read.whole import SourceTable, read_file, read_whole

__all__ = [
    "Chunk",
    "Encoding",
    "Source",
    "SourceTable",
    "open_source",
    "read_file",
    "read_whole",
    "require_confirmed",
    "unconfirmed",
]
