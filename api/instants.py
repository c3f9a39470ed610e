"""Reading the instants that somebody asks for."""

from collections.abc import Iterable
from datetime import datetime

from spatial.errors import Fault, InputError
from spatial.history import Moment
from spatial.time import now, parse_instant


def read_moment(at: str | None, known_at: str | None) -> Moment:
    """Return the two instants, now where nothing is told; all faults of both at once.

    What will be known in the future cannot be asked. Whoever reads as of the second waits for `Database.settle` first.
    """
    present = now()
    (instant, known), faults = read_instants([("at", at), ("known_at", known_at)])
    faults += future_faults(known, present)
    if faults:
        raise InputError(faults)
    return Moment(instant or present, known)


def read_instants(told: Iterable[tuple[str, str | None]]) -> tuple[list[datetime | None], list[Fault]]:
    """Return instants, none where nothing is told or what is told is none; and what is wrong, each at its name."""
    found: list[datetime | None] = []
    faults: list[Fault] = []
    for where, text in told:
        found.append(None)
        if text is not None:
            try:
                found[-1] = parse_instant(text, where)
            except InputError as error:
                faults += error.faults
    return found, faults


def future_faults(known_at: datetime | None, present: datetime) -> list[Fault]:
    """Return what is wrong with asking what will be known."""
    return [Fault("known_at", "known-at-in-future")] if known_at is not None and known_at > present else []
