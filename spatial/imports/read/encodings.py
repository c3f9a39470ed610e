"""How text is encoded: as declared, else a guess that a person must confirm.

What is valid UTF-8 beyond ASCII is UTF-8, whatever else it might be: a few Chinese characters in UTF-8 read as GBK give
other characters that look right, while a text in GBK is hardly ever valid UTF-8.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from spatial.errors import Fault, InputError, invalid
from spatial.imports.read.model import Chunk, Encoding
from spatial.personal import is_personal_name

GB = frozenset({"gb2312", "gbk", "gb18030"})  # each a superset of the one before; files are seldom exact about which
# of names, of programs: they make characters that are none, or take hours over a megabyte
OF_NO_FILE = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7"})
WESTERN = frozenset({"cp1252", "cp437", "cp850", "iso8859-1"})
GUESSES = ("utf-8", "gb18030")
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SAMPLES = 5
LONGEST_SAMPLE = 40
BLOCK_BYTES = 1 << 20

Blocks = Callable[[], Iterable[bytes]]


def canonical(name: str) -> str:
    """Return the name of a text encoding as Python has it, GB 18030 for its subsets; else an `InputError`."""
    try:
        found = codecs.lookup(name.strip()).name
        "a".encode(found).decode(found)  # some codecs are not of text
    except (LookupError, UnicodeError, TypeError, ValueError):
        found = ""
    if not found or found in OF_NO_FILE:
        raise invalid("encoding", "encoding-name-unknown", encoding=name[:40])
    return "gb18030" if found in GB else found


def blocks_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def told_encoding(blocks: Blocks, asked: str | None, declared: str | None) -> Encoding:
    """Return how text is to be decoded: as asked for, as the file declares, else as it can be.

    A declaration other than UTF-8 does not count where the text is UTF-8. A Western one, in which any bytes are text
    and which programs write unasked, does not count where all of it is Chinese. What it looks like is then the guess.
    """
    if asked is not None:
        return Encoding(canonical(asked), is_declared=True)
    if declared is not None and _is_utf(declared):
        return Encoding(declared, is_declared=True)
    if all(block.isascii() for block in blocks()):
        return Encoding("ascii", is_declared=True)
    if decodes(blocks(), "utf-8"):
        return Encoding("utf-8", is_declared=False)
    if declared in WESTERN and decodes(blocks(), "gb2312"):
        return Encoding("gb18030", is_declared=False)
    if declared is not None:
        return Encoding(declared, is_declared=True)
    for guess in GUESSES[1:]:
        if decodes(blocks(), guess):
            return Encoding(guess, is_declared=False)
    raise invalid("encoding", "encoding-unknown")


def decodes(blocks: Iterable[bytes], encoding: str) -> bool:
    """Return whether all of the bytes are text in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def marked(head: bytes) -> str | None:
    """Return the encoding that the first bytes of a file declare: a byte order mark."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def with_samples(encoding: Encoding, chunks: Iterable[Chunk]) -> Encoding:
    """Return a guess with the first values that are not plain ASCII, of columns not named for people."""
    for chunk in chunks:
        found = dict.fromkeys(_foreign(chunk))
        if found:
            return replace(encoding, samples=tuple(islice(found, SAMPLES)))
    return encoding


def unconfirmed(encoding: Encoding | None) -> list[Fault]:
    """Return a fault where the encoding is only a guess, with values as they would then read."""
    if encoding is None or encoding.is_declared:
        return []
    samples = "; ".join(f"{column}: {value}" if column else value for column, value in encoding.samples)
    return [Fault("encoding", "encoding-unconfirmed", {"encoding": encoding.name, "samples": samples})]


def require_confirmed(encoding: Encoding | None) -> None:
    """Raise an `InputError` where the encoding is only a guess."""
    if found := unconfirmed(encoding):
        raise InputError(found)


def _foreign(chunk: Chunk) -> Iterator[tuple[str, str]]:
    for column in chunk.columns:
        if not column.isascii():
            yield "", column
    kept = [(column, values) for column, values in chunk.columns.items() if not is_personal_name(column)]
    for index in range(len(chunk)):
        for column, values in kept:
            value: Any = values[index]
            if isinstance(value, str) and not value.isascii():
                yield column, value[:LONGEST_SAMPLE]


def _is_utf(name: str) -> bool:
    return name.startswith(("utf-8", "utf-16", "utf-32"))
