"""Files of rows and features, from disk to plain values."""

from spatial.imports.read.features import SourceTable, read_file
from spatial.imports.read.model import Chunk, Encoding, Source

__all__ = ["Chunk", "Encoding", "Source", "SourceTable", "read_file"]
