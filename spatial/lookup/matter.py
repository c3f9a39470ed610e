"""Who answers for a matter at a place: by the table of responsibilities, among the units that the place has. Pure."""

from collections.abc import Iterable, Sequence

from spatial.errors import NotFound
from spatial.grids.units import UnitRef
from spatial.lookup.model import Agency, LayerAnswer, Matter
from spatial.lookup.source import CategoryRow, ResponsibilityRow, Source

ROLES = ("lead", "joint")


def matter(source: Source, code: str, layers: Sequence[LayerAnswer]) -> Matter:
    """Return what is known of a category, and who answers for it at a place; `NotFound` where there is none.

    A category without responsibilities of its own has those of the nearest one above it.
    """
    found = {row.code: row for row in source.categories()}
    if code not in found:
        raise NotFound("no-such-category", category=code)
    category = found[code]
    units = _units(layers)
    agencies = (
        Agency(row.role, row.unit_kind, tuple(unit for unit in units if unit.kind == row.unit_kind), row.deadline)
        for row in _responsibilities(source, category, found.values())
    )
    return Matter(
        category.code,
        category.title,
        category.police_matter,
        category.priority,
        category.handling_minutes,
        tuple(sorted(agencies, key=lambda one: (ROLES.index(one.role), one.unit_kind))),
    )


def _responsibilities(
    source: Source, category: CategoryRow, categories: Iterable[CategoryRow]
) -> list[ResponsibilityRow]:
    by_id = {row.id: row for row in categories}
    rows = source.responsibilities()
    passed: set[int] = set()
    at: CategoryRow | None = category
    while at is not None and at.id not in passed:
        passed.add(at.id)
        its = [row for row in rows if row.category_id == at.id]
        if its:
            return its
        at = by_id.get(at.parent_id) if at.parent_id is not None else None
    return []


def _units(layers: Sequence[LayerAnswer]) -> list[UnitRef]:
    """Return the units of a place, each once: of its owners, of those it may belong to, and those that serve them."""
    found: dict[int, UnitRef] = {}
    for layer in layers:
        for unit in (*layer.units, *layer.serving, *(unit for party in layer.joint for unit in party.units)):
            found.setdefault(unit.id, unit)
    return list(found.values())
