"""What is asked of findings, over HTTP, at the command line and for files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy.orm import Session

from api.findings_out import FindingOut, finding_out
from api.sheets import WITHOUT_SHAPES, sheet
from spatial import audit
from spatial.access import Actor
from spatial.access.rules import PERMISSIONS
from spatial.errors import Denied, Fault, InputError
from spatial.findings.acknowledging import faults_of
from spatial.findings.findings import ALL, Wanted
from spatial.findings.model import Check, Found, Kind, Limits, shapes_of
from spatial.grids.tiling import Severity
from spatial.history import Moment
from spatial.imports.write import write_rows
from spatial.overlaps.model import Thresholds
from spatial.settings import Settings
from spatial.time import parse_instant


def limits_of(config: Settings) -> Limits:
    """Return from where on the deployment calls something a fault."""
    pieces = Thresholds(config.sliver_width_m, config.sliver_area_m2)
    return Limits(config.gap_area_m2, pieces, config.most_dwellings)


def checks_seen(actor: Actor, asked: Check | None, permission: str) -> tuple[Check, ...]:
    """Return which checks somebody is told of who may read areas; who is on which roster is not for all of them.

    What is read of rosters reaches as far as `permission` does: it is told to those alone whose grants hold both.
    """
    sees_people = actor.holds_with("duty.read", permission)
    if asked == "roster" and not sees_people:
        raise Denied("role-missing", needed=sorted(PERMISSIONS["duty.read"].roles))
    return (asked,) if asked else tuple(check for check in ALL if check != "roster" or sees_people)


@dataclass(frozen=True)
class Narrowed:
    """What narrows a list of findings, as it is asked for."""

    layer: str | None = None
    unit: str | None = None
    kind: Kind | None = None
    severity: Severity | None = None
    check: Check | None = None
    acknowledged: Literal["yes", "no"] | None = None

    def wanted(self, actor: Actor, permission: str) -> Wanted:
        """Return which findings that are, of the checks that somebody is told of with a permission."""
        layers = () if self.layer is None else (self.layer,)
        is_known = None if self.acknowledged is None else self.acknowledged == "yes"
        return Wanted(checks_seen(actor, self.check, permission), layers, self.unit, self.kind, self.severity, is_known)

    @property
    def told(self) -> dict[str, str]:
        """What is asked, for the audit."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read_until(reason: str, until: str, now: datetime, where: str = "") -> datetime:
    """Return until when something is to be acknowledged; all that is wrong with that and with the reason at once."""
    end = parse_instant(until, f"{where}until")
    found = [Fault(where + one.where, one.text, one.values) for one in faults_of(reason, end, now)]
    if found:
        raise InputError(found)
    return end


@contextmanager
def writing(found: Sequence[Found], path: Path, fmt: str) -> Iterator[None]:
    """Write findings for a file that appears when the block ends well."""
    shapes = shapes_of([one.flaw for one in found]) if fmt not in WITHOUT_SHAPES else None
    table = sheet("findings", FindingOut, [finding_out(one) for one in found], shapes, "Unknown")
    with write_rows(path, table, fmt):
        yield


def record_export(session: Session, actor: str, moment: Moment, fmt: str, rows: int, asked: Mapping[str, str]) -> None:
    """Put on record who took findings away."""
    known_at = moment.known_at.isoformat() if moment.known_at else None
    detail = {"at": moment.at.isoformat(), "known_at": known_at, "format": fmt, "rows": rows}
    audit.record(session, actor, "export-findings", "findings", {**detail, **asked})
