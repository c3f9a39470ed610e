"""The snapshot that a process answers from, and what each who asks sees of it."""

from dataclasses import dataclass, field
from datetime import datetime

from spatial.access import WHOLE
from spatial.db import Database, Reach
from spatial.lookup.memory import View
from spatial.lookup.sight import Sight
from spatial.lookup.snapshot import Snapshot


@dataclass(frozen=True)
class _Held:
    snapshot: Snapshot
    views: dict[Reach | None, View] = field(default_factory=dict)


class Live:
    """What a process holds of a database; one thread brings it up to date, others read.

    A view stays what it is: whoever has one is not touched when another snapshot takes the place of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: _Held | None = None

    def follow(self, now: datetime) -> None:
        """Read what has changed, and let it take the place of what was held."""
        before = self._held.snapshot if self._held else None
        with self._database.read(Reach(WHOLE)) as session:
            found = Snapshot.read(session, now, before)
        if found is before:
            return
        try:
            found.areas.plains.make_ready()
        finally:
            self._held = _Held(found)

    def view(self, reach: Reach | None, at: datetime) -> View | None:
        """Return what somebody sees of an instant; None where it is not held."""
        held = self._held
        if held is None or not held.snapshot.holds(at):
            return None
        limited = reach if reach and (reach.units, reach.layers) != (None, None) else None
        view = held.views.get(limited)
        if view is None:
            view = held.views[limited] = View(held.snapshot, Sight.of(limited))
        return view
