"""Logs on stderr, a line for each thing worth knowing: JSON for machines, text for people.

What was asked, sent or stored is in no line: requests are told by the template of their route, errors by their class,
key and place in the code, never by their message. What other libraries say is told without its values.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from spatial.errors import TwingridError
from spatial.settings import ROOT, Settings

OURS = ("api", "spatial", "maps", "fixtures", "migrations")
# they quote from files, whose faults are told to whoever sent them
SILENT = ("py.warnings", "pyogrio", "python_multipart")
TOLD = "told"  # extra of a record: more fields of its line
FRAMES = 5  # of the code, innermost, for each error

request_id: ContextVar[str | None] = ContextVar("id of the request that is being answered", default=None)


def install(settings: Settings) -> None:
    """Send all logs of this process to stderr, as the settings want them."""
    handler = logging.StreamHandler(sys.stderr)
    is_text = settings.log_format == "text" or (settings.log_format is None and sys.stderr.isatty())
    handler.setFormatter(TextLines() if is_text else JsonLines())
    handler.addFilter(_is_told_once)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # told in no line
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _is_told_once(record: logging.LogRecord) -> bool:
    """Return whether nobody else tells it: what uvicorn says of an error in a route, the request's own line says."""
    return not (record.name == "uvicorn.error" and str(record.msg).startswith("Exception in ASGI application"))


class JsonLines(logging.Formatter):
    """One JSON object on each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        return orjson.dumps(line(record), default=str).decode()


class TextLines(logging.Formatter):
    """The same for people: when, how grave, what, and the rest as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        told = line(record)
        head = f"{told.pop('time')} {told.pop('level'):7} {told.pop('message')}"
        return " ".join([head, *(f"{name}={_plain(value)}" for name, value in told.items())])


def line(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says of a record."""
    ours = record.name.partition(".")[0] in OURS
    said = record.getMessage() if ours else str(record.msg).split("\n", 1)[0]  # of others, the sentence without values
    told = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": said,
    }
    if (asked := request_id.get()) is not None:
        told["request_id"] = asked
    told |= getattr(record, TOLD, {})
    error = record.exc_info[1] if record.exc_info else None
    return told | ({"errors": [about(one) for one in _chain(error)]} if error else {})


def about(error: BaseException) -> dict[str, Any]:
    """Return what may be told of an error: its class, its key or the database's code, and where it came from."""
    kind = type(error)
    told: dict[str, Any] = {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    }
    if isinstance(error, TwingridError):
        told["key"] = error.text
    if code := getattr(error, "pgcode", None):
        told["sqlstate"] = code
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return told | {"at": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those behind it."""
    seen: list[BaseException] = []
    while error not in seen:
        yield error
        seen.append(error)
        behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if behind is None:
            return
        error = behind


def _short(file: str) -> str:
    """Return the path of a file of the code below the product's folder, or below the libraries'."""
    path = Path(file)
    parts = path.parts
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
