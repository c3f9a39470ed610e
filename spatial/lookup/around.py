"""What lies around a place, to be drawn: grids and overrides in force. Pure."""

from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from spatial.history import Reading
from spatial.lookup.ask import chosen
from spatial.lookup.decided import in_force
from spatial.lookup.model import GridRef, OverrideRef, Question
from spatial.lookup.rules import Spot
from spatial.lookup.source import Source


@dataclass(frozen=True)
class Around:
    """A grid about a place, or the area that an override gives to it; in degrees."""

    layer: str
    grid: GridRef
    shape: BaseGeometry
    override: OverrideRef | None = None


def around(source: Source, question: Question, radius_m: float) -> list[Around]:
    """Return the grids and overrides of every layer asked for that come near a place, by layer and code."""
    reading = Reading(question.at)
    box = Spot(question.lon, question.lat, source.plane).box(radius_m)
    found: list[Around] = []
    for layer in chosen(source, question.layers):
        grids = sorted(reading.current(source.about(layer.id, box)), key=lambda one: one.grid.code)
        found += [Around(layer.code, one.grid, one.shape) for one in grids]
        overrides = in_force(source, reading, layer, box)
        found += [Around(layer.code, one.area.grid, one.area.shape, one.ref) for one in overrides]
    return found
