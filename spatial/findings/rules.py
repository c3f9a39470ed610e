"""What is wrong with codes and with who holds which grid. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from spatial.findings.model import Beatless, Coded, Flaw, Held
from spatial.grids.schemes import codes_outside
from spatial.grids.tiling import Severity

PREFIXED = "unit15"  # the scheme in which a grid's code begins with its unit's


def code_flaws(scheme: str, grids: Sequence[Coded]) -> list[Flaw]:
    """Return the codes that a layer's scheme does not allow, those of another unit, and names given twice in a unit."""
    outside = codes_outside(scheme, [one.code for one in grids])
    found = [_of("code-outside-scheme", "fault", [one], scheme=scheme) for one in grids if one.code in outside]
    if scheme == PREFIXED:
        strange = (one for one in grids if one.unit is not None and not one.code.startswith(one.unit))
        found += [_of("code-of-another-unit", "warning", [one], unit=one.unit) for one in strange]
    named: dict[tuple[str | None, str], list[Coded]] = defaultdict(list)
    for one in grids:
        if one.name.strip():
            named[one.unit, one.name.strip()].append(one)
    found += [_of("name-twice", "warning", its, name=name) for (_, name), its in named.items() if len(its) > 1]
    return found


def roster_flaws(held: Iterable[Held], beatless: Iterable[Beatless]) -> list[Flaw]:
    """Return grids that nobody holds or nobody leads, officers who lead several, and officers who hold none.

    Several grids for one officer are usual where there are fewer officers than grids, so that is information.
    """
    found: list[Flaw] = []
    leads: dict[str, list[Coded]] = defaultdict(list)
    for one in held:
        leading = [number for number, role in one.officers if role == "lead"]
        if not one.officers:
            found.append(_of("nobody", "fault", [one.grid]))
        elif not leading:
            found.append(_of("no-lead", "warning", [one.grid], officers=[number for number, _ in one.officers]))
        for number in leading:
            leads[number].append(one.grid)
    found += [
        _of("several-grids", "info", grids, officers=[number]) for number, grids in leads.items() if len(grids) > 1
    ]
    found += [
        Flaw("no-grid", "info", (), (one.number,), _units([one.unit]), since=one.since, detail={"kind": one.kind})
        for one in beatless
    ]
    return found


def _of(
    kind: str, severity: Severity, grids: Sequence[Coded], officers: Collection[str] = (), **detail: object
) -> Flaw:
    owners = _units(one.unit for one in grids)
    codes = tuple(sorted(one.code for one in grids))
    return Flaw(kind, severity, codes, tuple(officers), owners, since=latest(grids), detail=detail)


def latest(grids: Iterable[Coded]) -> datetime | None:
    """Return when the last of some grids became as it is."""
    return max((one.since for one in grids if one.since is not None), default=None)


def _units(units: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({one for one in units if one is not None}))
