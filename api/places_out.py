"""The shape of places told in words."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from maps.texts import say
from spatial.places import Found, Told, Written
from spatial.places.model import Form, Kind, Said


class WrittenOut(BaseModel):
    """Coordinates that the text holds, in CGCS2000, and how they were read."""

    lon: float = Field(examples=[120.2735])
    lat: float = Field(examples=[30.3046])
    accuracy_m: float = Field(description="how far the place may be that the writing was rounded from")
    form: Form
    crs: str = Field(description="the system that the text is in", examples=["gcj02"])
    provider: str | None = Field(description="whose map a link is of", examples=["amap"])
    cautions: list[str]


class FoundOut(BaseModel):
    """A place that the words may mean, in CGCS2000."""

    kind: Kind
    text: str = Field(description="as it is called here")
    lon: float
    lat: float
    accuracy_m: float
    confidence: float = Field(ge=0, le=1, description="shared among those that are as likely")
    reasons: list[str]
    code: str | None = Field(description="of the address or place")
    class_: str | None = Field(serialization_alias="class", description="of a place", examples=["market"])


class ToldOut(BaseModel):
    """Where a text says that something is: its coordinates, or the places that its words may mean, surest first."""

    written: WrittenOut | None = Field(description="none: the text holds no coordinates")
    items: list[FoundOut]
    hint: str | None = Field(description="what to try where nothing was found")


def told_out(told: Told, lang: str) -> ToldOut:
    """Return what a text says as it is sent."""
    is_empty = told.written is None and not told.found
    return ToldOut(
        written=_written(told.written, lang) if told.written else None,
        items=[_found(one, lang) for one in told.found],
        hint=say("places.nothing-found", lang) if is_empty else None,
    )


def _written(one: Written, lang: str) -> WrittenOut:
    return WrittenOut(
        lon=one.lon,
        lat=one.lat,
        accuracy_m=one.accuracy_m,
        form=one.form,
        crs=one.source_crs,
        provider=one.provider,
        cautions=_sentences("caution", one.cautions, lang),
    )


def _found(one: Found, lang: str) -> FoundOut:
    return FoundOut(
        kind=one.kind,
        text=one.text,
        lon=one.lon,
        lat=one.lat,
        accuracy_m=one.accuracy_m,
        confidence=one.confidence,
        reasons=_sentences("why", one.reasons, lang),
        code=one.code,
        class_=one.klass,
    )


def _sentences(group: str, said: Sequence[Said], lang: str) -> list[str]:
    return [say(f"places.{group}.{one.text}", lang, **one.values) for one in said]
