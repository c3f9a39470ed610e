"""Whether the audit still holds, from its first row to its head, past all anchors."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial.audit.anchors import Anchors, anchors_file
from spatial.audit.queries import database_of, entries, head
from spatial.audit.rules import Break, Entry, Link, chain_start, first_break
from spatial.db import Database
from spatial.signing import signing_key

Progress = Callable[[float], None]  # the share that is done


@dataclass(frozen=True)
class Verdict:
    """What a check of the audit, or of a file of it, has found."""

    head: Link
    broken: Break | None = None
    anchors: int = 0  # that were held against the rows
    forged_anchors: tuple[int, ...] = ()  # lines of the anchors' file that this installation has not signed
    is_signed: bool | None = None  # whether a file bears the signature of the key; None: it is no file

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None and not self.forged_anchors and self.is_signed is not False


def check_audit(database: Database, data_dir: Path, progress: Progress) -> Verdict:
    """Walk through all rows, as they are at one moment, and hold them against the head and the anchors."""
    anchors = Anchors(anchors_file(data_dir), signing_key(data_dir).public_key())
    size_bytes = anchors.size_bytes()  # before the rows are looked at: later anchors may be of younger rows
    with database.read() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        chain, newest = head(session)
        known = anchors.of(chain, database_of(session), size_bytes)
        broken = first_break(told(entries(session), newest.number, progress), chain_start(chain), newest, known)
        for _rest in known:  # a forged line is one wherever it stands
            pass
    return Verdict(newest, broken, anchors.count, tuple(anchors.forged_lines))


def chain_break(session: Session) -> Break | None:
    """Return where the chain breaks, held against its head and no anchors; None: it holds."""
    chain, newest = head(session)
    return first_break(entries(session), chain_start(chain), newest)


def told(rows: Iterable[Entry], count: int, progress: Progress) -> Iterator[Entry]:
    """Yield rows, and tell now and then how many of them are done."""
    for done, row in enumerate(rows):
        if done % 1000 == 0:
            progress(min(1.0, done / max(1, count)))
        yield row
    progress(1.0)
