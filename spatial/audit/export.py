"""The audit as a file that proves itself: rows in JSON, one a line, and a last line that signs them.

Each row has what its hash was made of (see `Entry.proper_hash`), the detail as the text that was hashed. The last line
has what the first row follows, the head, how many rows there are, and an Ed25519 signature over the JSON of all that
with its keys sorted. Rows are exported by number, without gaps, so that a part of the chain can be checked as well.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from spatial import audit
from spatial.audit.anchors import drop_anchor
from spatial.audit.check import Progress, Verdict, told
from spatial.audit.queries import entries, head
from spatial.audit.rules import EPOCH, MICROSECOND, Entry, Link, chain_start, first_break
from spatial.db import Database
from spatial.errors import invalid
from spatial.files import sync
from spatial.signing import Key, PublicKey, signed, signing_key, verified
from spatial.tables import Audit
from spatial.time import Span

KIND = "audit-export"
LONGEST_LAST_LINE = 4096  # bytes; ours have some 500


def announce_export(database: Database, data_dir: Path, actor: str, span: Span, *, now: datetime) -> None:
    """Put on record who takes the audit with them, and anchor its head, before a row of it leaves."""
    with database.write() as session:
        ends = {"start": span.lower and span.lower.isoformat(), "end": span.upper and span.upper.isoformat()}
        audit.record(session, actor, "export-audit", "audit", ends)
    drop_anchor(database, data_dir, now)


def exported(session: Session, key: Key, span: Span, *, now: datetime, progress: Progress) -> Iterator[bytes]:
    """Yield the lines of an export: all rows from the first to the last that happened within a span."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    chain, newest = head(session)
    first, last = _numbers(session, span, newest.number)
    start, end, count = chain_start(chain), None, 0
    for entry in told(entries(session, first, last), last - first + 1, progress):
        if count == 0:
            start = Link(entry.number - 1, entry.previous_hash or b"")
        end, count = Link(entry.number, entry.hash or b""), count + 1
        yield _line(entry)
    ends = {"after": _link_out(start), "head": _link_out(end or start)}
    yield signed({"kind": KIND, "chain": str(chain), **ends, "count": count, "exported_at": now.isoformat()}, key)


def write_export(
    database: Database, data_dir: Path, actor: str, span: Span, path: Path, *, now: datetime, progress: Progress
) -> int:
    """Write an export to a file that is there whole or not at all; return how many rows it has."""
    if not path.parent.is_dir():
        raise invalid("output", "folder-missing", folder=str(path.parent))
    announce_export(database, data_dir, actor, span, now=now)
    lines = 0
    with database.read() as session, tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        aside = Path(folder, path.name)
        with aside.open("wb") as file:
            for line in exported(session, signing_key(data_dir), span, now=now, progress=progress):
                file.write(line)
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync(path.parent)
    return lines - 1


def check_export(path: Path, key: PublicKey, progress: Progress) -> Verdict:
    """Say whether an exported file is what was signed with a key; nothing but the file is asked."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - LONGEST_LAST_LINE))
            last = b"".join(file.readlines()[-1:])
            signs = verified(last, key)
            if signs is None or signs["kind"] != KIND:
                return Verdict(Link(0, b""), is_signed=False)
            start, end = _link_in(signs["after"]), _link_in(signs["head"])
            file.seek(0)
            rows = told(_rows(file, size - len(last), start), end.number - start.number, progress)
            return Verdict(end, broken=first_break(rows, start, end), is_signed=True)
    except OSError as error:
        raise invalid("file", "cannot-read", path=str(path), reason=error.strerror) from None


def _numbers(session: Session, span: Span, newest: int) -> tuple[int, int]:
    if span.lower is None and span.upper is None:
        return 1, newest
    wanted = select(func.min(Audit.id), func.max(Audit.id))
    if span.lower is not None:
        wanted = wanted.where(Audit.at >= span.lower)
    if span.upper is not None:
        wanted = wanted.where(Audit.at < span.upper)
    first, last = session.execute(wanted).one()
    return first or 1, last or 0


def _rows(lines: Iterable[bytes], within_bytes: int, start: Link) -> Iterator[Entry]:
    """Yield the rows in the first bytes of a file; one that cannot be read has nothing in it."""
    number = start.number
    for line in lines:
        number += 1
        within_bytes -= len(line)
        if within_bytes < 0:  # the line that signs them
            return
        try:
            found = orjson.loads(line)
            number = int(found["number"])
            actor, action, subject, detail = (str(found[name]) for name in ("actor", "action", "object", "detail"))
            previous_hash, digest = (bytes.fromhex(found[name]) for name in ("previous_hash", "hash"))
            at_us = (datetime.fromisoformat(found["at"]) - EPOCH) // MICROSECOND
            yield Entry(number, at_us, actor, action, subject, detail, previous_hash, digest)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Entry(number, None, None, None, None, None, None, None)


def _line(entry: Entry) -> bytes:
    body: dict[str, Any] = {
        "number": entry.number,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "detail": entry.detail,
        "previous_hash": (entry.previous_hash or b"").hex(),
        "hash": (entry.hash or b"").hex(),
    }
    return orjson.dumps(body) + b"\n"


def _link_out(link: Link) -> dict[str, Any]:
    return {"number": link.number, "hash": link.hash.hex()}


def _link_in(told: dict[str, Any]) -> Link:
    return Link(told["number"], bytes.fromhex(told["hash"]))
