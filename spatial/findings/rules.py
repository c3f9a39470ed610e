"""What is wrong with codes, with who holds which grid, and with how grids lie to other layers. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from spatial.findings.model import Beatless, Coded, Flaw, Held
from spatial.grids.schemes import codes_outside
from spatial.grids.tiling import Severity, TilingFinding
from spatial.overlaps.model import Embedded, Matrix, Relation

LARGER_M2 = 1.0  # by so much; what is less is rounding
COUNTS = ("parts", "dwellings")  # of what is larger than it was
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


def parent_flaws(
    relations: Iterable[Relation], grids: Mapping[str, Coded], parent: str, *, is_tiling: bool, least_m2: float
) -> list[Flaw]:
    """Return the grids that lie in several grids of the parent layer, and, of a free layer, those partly in none.

    What a tiling leaves uncovered of its parent, or has outside of it, is told piece by piece with the tiling. Areas of
    a free layer, sectors of a search, may well cross the parent's borders, so that is information.
    """
    found = []
    for one in relations:
        its = [grids[one.grid.code]] if one.grid.code in grids else []
        if its and not is_tiling and one.uncovered_m2 >= least_m2:
            outside = replace(_of("outside-parent", "warning", its), area_m2=one.uncovered_m2)
            found.append(replace(outside, other=parent))
        if its and len(one.others) > 1:
            across = _of("across-parents", "warning" if is_tiling else "info", its)
            found.append(replace(across, other=parent, others=one.others))
    return found


def alignment_flaws(
    relations: Iterable[Relation], matrix: Matrix, grids: Mapping[str, Coded], other: str
) -> list[Flaw]:
    """Return the grids that several of another layer share, with what lies outside the largest share, and orphans.

    Networks that were drawn apart split one another all over the city, so a split grid is information.
    """
    largest: dict[str, float] = defaultdict(float)
    for piece in matrix.pieces:
        largest[piece.left.code] = max(largest[piece.left.code], piece.area_m2)
    found = []
    for one in relations:
        if one.kind in {"split", "orphan"} and one.grid.code in grids:
            severity: Severity = "info" if one.kind == "split" else "warning"
            sizes = {"misfit_m": round(one.misfit_m, 2), "uncovered_m2": round(one.uncovered_m2, 2)}
            flaw = replace(_of(one.kind, severity, [grids[one.grid.code]]), detail=sizes)
            area_m2 = max(one.grid.area_m2 - largest[one.grid.code], 0.0)
            found.append(replace(flaw, area_m2=area_m2, other=other, others=one.others))
    return found


def cell_flaws(embedded: Iterable[Embedded], grids: Mapping[str, Coded], cells: str) -> list[Flaw]:
    """Return the cells of the layer `cells` that are not whole in the grid they belong to."""
    found = []
    for one in embedded:
        sides = [*one.lies_in, *([one.belongs_to] if one.belongs_to else [])]
        its = [grids[code] for code in dict.fromkeys(side.code for side in sides) if code in grids]
        flaw = _of("cell-not-whole", "warning", its, fault=one.kind)
        found.append(replace(flaw, area_m2=one.area_m2, other=cells, others=(one.cell.code,)))
    return found


def dwelling_flaws(dwellings: Mapping[str, int], grids: Mapping[str, Coded], most: int) -> list[Flaw]:
    """Return the grids with more dwellings than a layer's grids should have, by their codes."""
    return [
        _of("too-many-dwellings", "warning", [grids[code]], dwellings=count, most=most)
        for code, count in sorted(dwellings.items())
        if count > most and code in grids
    ]


def _of(
    kind: str, severity: Severity, grids: Sequence[Coded], officers: Collection[str] = (), **detail: object
) -> Flaw:
    owners = _units(one.unit for one in grids)
    codes = tuple(sorted(one.code for one in grids))
    return Flaw(kind, severity, codes, tuple(officers), owners, since=latest(grids), detail=detail)


def is_more(one: Flaw | TilingFinding, before: Iterable[Flaw | TilingFinding]) -> bool:
    """Whether something was not there before, or is larger than it was: in m², in parts, in dwellings."""
    known = list(before)
    if not known:
        return True
    if one.area_m2 is not None and one.area_m2 > max(was.area_m2 or 0.0 for was in known) + LARGER_M2:
        return True
    return any(one.detail.get(name, 0) > max(was.detail.get(name, 0) for was in known) for name in COUNTS)


def latest(grids: Iterable[Coded]) -> datetime | None:
    """Return when the last of some grids became as it is."""
    return max((one.since for one in grids if one.since is not None), default=None)


def _units(units: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({one for one in units if one is not None}))
