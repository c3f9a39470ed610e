"""A form with a file, read as it arrives: fields into memory, the file where it is told to; bounded throughout."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Request
from fastapi.exceptions import HTTPException
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from spatial.errors import Fault, TooLarge, invalid

MOST_FIELDS = 100
LONGEST_FIELD = 1_000_000
LONGEST_FIELDS = 2_000_000  # all of them
FILE = "file"


class Sink(Protocol):
    """Where a file goes."""

    def write(self, part: bytes) -> None:
        """Take some bytes."""


@dataclass
class Form:
    """What has been read so far."""

    open_file: Callable[[str], Sink]
    fields: list[tuple[str, str]] = field(default_factory=list)
    sink: Sink | None = None
    _headers: dict[str, bytes] = field(default_factory=dict)
    _header: list[bytes] = field(default_factory=lambda: [b"", b""])
    _name: str = ""
    _value: bytearray = field(default_factory=bytearray)
    _in_file: bool = False
    _size: int = 0

    def begin(self) -> None:
        """Begin a part."""
        self._headers, self._header, self._value, self._in_file = {}, [b"", b""], bytearray(), False

    def header_name(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's name."""
        self._header[0] += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's value."""
        self._header[1] += data[start:end]

    def header_end(self) -> None:
        """Keep a header that is complete."""
        self._headers[self._header[0].lower().decode("latin-1")] = self._header[1]
        self._header = [b"", b""]

    def headers_end(self) -> None:
        """Decide by the headers of a part: a field, or the file."""
        _kind, told = parse_options_header(self._headers.get("content-disposition"))
        self._name = told.get(b"name", b"").decode(errors="replace")
        if b"filename" not in told:
            return
        if self._name != FILE:
            raise invalid(self._name, "unknown-field")
        if self.sink is not None:
            raise invalid(FILE, "given-twice")
        self._in_file = True
        self.sink = self.open_file(told[b"filename"].decode(errors="replace"))

    def data(self, data: bytes, start: int, end: int) -> None:
        """Take some bytes of a part."""
        if self._in_file and self.sink is not None:
            self.sink.write(data[start:end])
            return
        self._value += data[start:end]
        self._size += end - start
        if len(self._value) > LONGEST_FIELD:
            raise TooLarge([Fault(self._name, "text-too-long", {"limit": LONGEST_FIELD})])
        if self._size > LONGEST_FIELDS:
            raise TooLarge([Fault("body", "body-too-large", {"limit_mb": LONGEST_FIELDS // 10**6})])

    def end(self) -> None:
        """Keep a part that is complete."""
        if not self._in_file:
            self.fields.append((self._name, self._value.decode(errors="replace")))
        if len(self.fields) > MOST_FIELDS:
            raise TooLarge([Fault("body", "too-many-items", {"count": len(self.fields), "most": MOST_FIELDS})])


async def read_form(request: Request, open_file: Callable[[str], Sink]) -> Form:
    """Read a request's form; the file goes to what `open_file` returns for its name.

    A body that is no form, or ends before the form does, is an `InputError` at `body`.
    """
    kind, told = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in told:
        raise HTTPException(415)
    form, ended = Form(open_file), []
    try:
        parser = MultipartParser(
            told[b"boundary"],
            {
                "on_part_begin": form.begin,
                "on_header_field": form.header_name,
                "on_header_value": form.header_value,
                "on_header_end": form.header_end,
                "on_headers_finished": form.headers_end,
                "on_part_data": form.data,
                "on_part_end": form.end,
                "on_end": lambda: ended.append(True),
            },
        )
        async for chunk in request.stream():
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
    except FormParserError:
        raise invalid("body", "form-malformed") from None
    if not ended:
        raise invalid("body", "form-cut-short")
    return form
