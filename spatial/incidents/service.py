"""Taking in incidents that are told to the service: one transaction for all of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from spatial import audit
from spatial.access import Actor
from spatial.crs import Bounds
from spatial.db import hold_domain, open_version
from spatial.errors import Fault, InputError
from spatial.grids import queries as grids
from spatial.incidents import staged
from spatial.incidents.model import Change, Note, Refused, Report, Taken, Told
from spatial.incidents.rules import is_far, read_reports
from spatial.tables import Source

WAITS = "5s"  # for other writers; then the caller is to tell it again


def take(
    session: Session,
    actor: Actor,
    told: Sequence[Told | Refused],
    *,
    crs: str,
    now: datetime,
    oldest: datetime | None = None,
    heard: str | None = None,
    partial: bool = False,
) -> list[Taken]:
    """Take in incidents, and return what became of each, in their order.

    Told again as it is stored, an incident is the same, and nothing is written of it; told otherwise, it gets a new
    version. Of several that are told of one incident at once, the last counts. If any cannot be taken in, none is, and
    all faults are told at once with the places of their incidents; with `partial` the others are.
    """
    actor.granted("incidents.tell")
    given, faults = _read(told, crs, now, oldest)
    # decided under the lock of the domain, so that what it rests on cannot change before it is written; a large file
    # holds it for long, and requests that waited for it would leave no thread to the readers
    session.execute(text(f"SET LOCAL lock_timeout = '{WAITS}'"))
    hold_domain(session, "incidents")
    if heard is not None and session.scalar(select(Source.id).where(Source.code == heard)) is None:
        raise InputError([Fault("source", "unknown-source", {"source": heard})])
    staged.open_stage(session)
    staged.stage(session, given)
    for lost in staged.unknown(session, len(told)):
        faults.setdefault(lost.n, []).append(_unknown_fault(lost))
    if faults and not partial:
        raise InputError([_placed(n, fault) for n, found in sorted(faults.items()) for fault in found])
    counting = _last_of_each([(n, report) for n, report in given if n not in faults])
    staged.keep(session, counting)
    changes = _write(session, actor, counting, heard=heard, now=now)
    owners = staged.owners(session, list(counting.items()), now)
    notes = _Notes(owners, None if all(owners.values()) else grids.surroundings(session, now))

    def taken(n: int, one: Told | Refused) -> Taken:
        if n in faults:
            return Taken("refused", one.source, one.external_id, faults=tuple(faults[n]))
        if n not in counting:
            return Taken("superseded", one.source, one.external_id)
        return Taken(changes[n], one.source, one.external_id, notes.owners[n], notes.of(n, counting[n]))

    return [taken(n, one) for n, one in enumerate(told)]


def _read(
    told: Sequence[Told | Refused], crs: str, now: datetime, oldest: datetime | None
) -> tuple[list[tuple[int, Report]], dict[int, list[Fault]]]:
    """Return the incidents that can be stored and the faults of the others, by their numbers."""
    whole = [(n, one) for n, one in enumerate(told) if isinstance(one, Told)]
    read = read_reports([one for _n, one in whole], crs, now, oldest)
    faults = {n: list(one.faults) for n, one in enumerate(told) if isinstance(one, Refused)}
    given = []
    for (n, _told), one in zip(whole, read, strict=True):
        if isinstance(one, Report):
            given.append((n, one))
        else:
            faults[n] = one
    return given, faults


def _last_of_each(good: Sequence[tuple[int, Report]]) -> dict[int, Report]:
    """Return, of several reports of one incident, the one that was told last."""
    last = {(report.source, report.external_id): n for n, report in good}
    return {n: report for n, report in good if last[report.source, report.external_id] == n}


def _write(
    session: Session, actor: Actor, counting: Mapping[int, Report], *, heard: str | None, now: datetime
) -> Mapping[int, Change]:
    """Write what is new and changed, put on record that the sources were heard, and return what each was."""
    counts = staged.compare(session)
    staged.hear(session, now, heard)
    written = {change: rows for change, rows in counts.items() if change != "same"}
    if written:
        staged.write(session, open_version(session, "incidents"))
        sources = sorted({report.source for report in counting.values()})
        audit.record(session, actor.name, "incidents.take", "incidents", {"sources": sources, **written})
    return cast("dict[int, Change]", staged.changes(session))


class _Notes:
    """What is worth saying of a place that is taken in all the same."""

    def __init__(self, owners: Mapping[int, Mapping[str, str]], surroundings: Bounds | None) -> None:
        self.owners = owners
        self._surroundings = surroundings

    def of(self, n: int, report: Report) -> tuple[Note, ...]:
        """Return the notes on one incident; without grids there are none."""
        if self._surroundings is None or self.owners[n]:
            return ()
        return ("far-away",) if is_far(report.lon, report.lat, self._surroundings) else ("outside-grids",)


def _unknown_fault(one: staged.Unknown) -> Fault:
    if not one.has_source:
        return Fault("source", "unknown-source", {"source": one.source})
    return Fault("category", "unknown-category", {"category": one.category, "source": one.source})


def _placed(n: int, fault: Fault) -> Fault:
    return Fault(f"{n}.{fault.where}", fault.text, fault.values)
