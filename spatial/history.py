"""Reading and writing the two times: `valid` in the world, `recorded` in the system."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func

from spatial.tables.base import Recorded, Versioned


@dataclass(frozen=True)
class Moment:
    """The two instants of a question: in the world, and (none: now) of what the system knew."""

    at: datetime
    known_at: datetime | None = None


def known(table: type[Recorded], known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that the system knew a row at `known_at`, or knows it now."""
    recorded: Any = table.recorded
    return func.upper_inf(recorded) if known_at is None else recorded.op("@>")(known_at)


def in_force(table: type[Versioned], at: datetime, known_at: datetime | None) -> ColumnElement[bool]:
    """Return the condition that a row was in force at `at`, as known at `known_at` or now."""
    valid: Any = table.valid
    return and_(valid.op("@>")(at), known(table, known_at))
