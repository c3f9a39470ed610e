"""Chaining what phones were shown: each file of the spool once, whatever is killed in between.

A file is sealed; its rows are added in one transaction that also says that the file has been taken in; it is deleted;
then that note is no longer needed. Whoever is killed after any of these steps leaves what the next one can go on from.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from spatial.audit.spool import SHOWN, showings_folder
from spatial.db import Database
from spatial.files import sync
from spatial.tables import AuditSpool

DAMAGED = "showings.damaged"  # as which lines that cannot be read are on record


def take_showings(database: Database, data_dir: Path) -> int:
    """Chain all that has been shown so far, by processes that are alive or were killed; return how many rows."""
    folder = showings_folder(data_dir)
    for path in sorted(folder.glob("*.open")):
        seal(path)
    count = 0
    for path in sorted(folder.glob("*.sealed")):
        with _held(path) as is_there:
            if is_there:
                count += chain(database, path)
                drop(path)
                forget(database, path)
    return count


def seal(path: Path) -> None:
    """Let nobody add to a file any more; one without a line is deleted."""
    with _held(path) as is_there:
        if is_there and path.stat().st_size:
            path.rename(path.with_suffix(".sealed"))
        elif is_there:
            path.unlink()


def chain(database: Database, path: Path) -> int:
    """Add the rows of a sealed file to the audit, unless they are in it; return how many were added."""
    told = showings(path.read_bytes(), path.stem)
    with database.write() as session:
        taking = select(func.take_showings(uuid.UUID(path.stem), literal(told, JSONB)))
        added: int = session.execute(taking).scalar_one()
    return added


def drop(path: Path) -> None:
    """Delete a file that has been taken in, for good."""
    path.unlink()
    sync(path.parent)


def forget(database: Database, path: Path) -> None:
    """Forget that a file has been taken in, once it cannot come back."""
    with database.write() as session:
        session.execute(delete(AuditSpool).where(AuditSpool.file == uuid.UUID(path.stem)))


def showings(content: bytes, name: str) -> list[dict[str, Any]]:
    """Return the rows that a file's lines are; a last line without an end was never shown, others that are none count.

    A kill or a full disk cuts off a line before anything is shown of it; nothing else damages one but somebody's hand.
    """
    rows, damaged = [], 0
    for line in content.split(b"\n")[:-1]:
        try:
            told = orjson.loads(line)
            at = datetime.fromisoformat(told["at"]).isoformat()
            row = {"actor": told["actor"], "action": SHOWN, "object": told["object"], "detail": {}, "at": at}
        except (ValueError, TypeError, KeyError):
            damaged += 1
            continue
        if all(isinstance(row[key], str) and "\0" not in row[key] for key in ("actor", "object")):
            rows.append(row)
        else:
            damaged += 1
    if damaged:
        told = {"actor": "worker", "action": DAMAGED, "object": f"showings/{name}", "detail": {"lines": damaged}}
        rows.append(told)
    return rows


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold a file, and yield whether it still has its name: another worker may have been faster."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path.exists()
    finally:
        os.close(descriptor)
