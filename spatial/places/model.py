"""What a text about a place was read as, and what was found by it."""

from dataclasses import dataclass, field
from typing import Any, Literal

Form = Literal["decimal", "minutes", "seconds", "beidou", "link", "geo-uri"]
Kind = Literal["address", "interpolated", "crossing", "stake", "pole", "place"]


@dataclass(frozen=True)
class Said:
    """A sentence beside an answer: a key of texts below `places`, and what it is filled with."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """Coordinates that somebody wrote: stored degrees, how exact the writing is, and how it was read."""

    lon: float
    lat: float
    accuracy_m: float
    form: Form
    source_crs: str  # as `spatial.crs` names systems
    provider: str | None = None  # whose map a link is of
    cautions: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Found:
    """A place that words may mean: stored degrees, what it is, how sure that is (0 to 1), and why."""

    kind: Kind
    text: str  # as it is called here
    lon: float
    lat: float
    accuracy_m: float
    confidence: float
    reasons: tuple[Said, ...]
    code: str | None = None  # of the address or place
    klass: str | None = None  # of a place


@dataclass(frozen=True)
class Told:
    """What a text says of a place: coordinates, or else what its words may mean, the surest first."""

    written: Written | None
    found: tuple[Found, ...]
