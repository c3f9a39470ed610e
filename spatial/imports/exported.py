"""What is stored as rows of files, in the fields that an import reads: what was written is then taken as the same."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import shapely
from sqlalchemy.orm import Session

from spatial.history import Moment
from spatial.imports.model import Field, Subject
from spatial.imports.read import Chunk
from spatial.imports.stored import Known, bound, quoted, relation, shown

ROWS_A_CHUNK = 50_000


def stored_chunks(session: Session, subject: Subject, moment: Moment) -> Iterator[Chunk]:
    """Yield the rows of a subject: those in force at a moment, of what has its own time all that was known."""
    known = Known(then=moment.known_at is not None)
    during = "v.valid @> CAST(:at AS timestamptz)" if subject.history == "versions" else "true"
    columns, joins = shown(subject, relation(subject, known, extra=during), "x.moment", known)
    shape = ", ST_AsBinary(x.geom) AS geom" if subject.shape else ""
    keys = ", ".join(quoted(one.name) for one in subject.fields if one.name in subject.key) or "1"
    made = bound(f"SELECT {columns}{shape} {joins} ORDER BY {keys}", {"at": moment.at, "known_at": moment.known_at})
    rows = session.execute(made.execution_options(yield_per=ROWS_A_CHUNK))
    first = 1
    for part in rows.partitions(ROWS_A_CHUNK):
        values = list(zip(*part, strict=True))
        told = {
            one.name: [_cell(one, value) for value in column]
            for one, column in zip(subject.fields, values, strict=False)
        }
        shapes = None
        if subject.shape:
            shapes = np.asarray(shapely.from_wkb([None if one is None else bytes(one) for one in values[-1]]), object)
        yield Chunk(range(first, first + len(part)), told, shapes)
        first += len(part)


def _cell(field: Field, value: Any) -> Any:
    """Return a stored value as a file has it."""
    if value is None:
        return None
    match field.kind:
        case "list":
            return ";".join(value)
        case "duration":
            return _duration(value)
        case "clock":
            return f"{value // 60:02d}:{value % 60:02d}"
        case "uuid":
            return str(value)
        case "instant":
            return value if isinstance(value, datetime) else str(value)
        case _:
            return value


def _duration(value: timedelta) -> str:
    """Return a duration as ISO 8601 has it, in hours, minutes and seconds."""
    hours, rest = divmod(value.total_seconds(), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"PT{int(hours)}H{int(minutes)}M" + (f"{seconds:g}S" if seconds else "")
