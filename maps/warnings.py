"""What must not be overlooked in a look-up's answer, as sentences."""

from maps.texts import say
from spatial.lookup.model import LayerAnswer


def warnings(one: LayerAnswer, lang: str) -> list[str]:
    """Return what a layer's answer warns of."""
    if one.status == "hidden":
        return [say("lookup.hidden", lang)]
    found = []
    if one.override:
        told = {"authority": one.override.authority, "document_number": one.override.document_number}
        found.append(say("lookup.override", lang, name=one.override.name, **told))
    if one.is_neighbours:
        unit = one.units[0].name if one.units else None
        found.append(say("lookup.neighbours", lang, unit=unit) if unit else say("lookup.of-others", lang))
    if one.status in {"gap", "overlap", "outside", "empty"}:
        others = [other.grid.code for other in one.beyond if one.status != "overlap" or other.overlaps]
        nearest = one.beyond[0].distance_m if one.beyond else one.edge_m
        found.append(say(f"lookup.status.{one.status}", lang, grids=others, distance_m=round(nearest or 0.0, 1)))
    if one.near_border and one.status in {"owned", "overlap"}:
        codes = [other.grid.code for other in one.beyond]
        key = "near-border" if codes else "near-outer-border"
        found.append(say(f"lookup.{key}", lang, edge_m=round(one.edge_m or 0.0, 2), grids=codes))
    if one.response is None:
        return found
    if not one.response.steps:  # a layer without a chain has no roster either
        return [*found, say("lookup.no-chain", lang)]
    if one.grid and not any(held.role == "lead" for held in one.responsible):
        found.append(say("lookup.no-lead", lang, grid=one.grid.code))
    if not one.on_duty:
        found.append(say("lookup.nobody-on-duty", lang))
    return found
