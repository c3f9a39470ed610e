"""Shapes that many answers share: lists in pages, GeoJSON."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import orjson
from pydantic import BaseModel, Field
from shapely import to_geojson
from shapely.geometry.base import BaseGeometry

from spatial.paging import Paged
from spatial.tables import Span

Item = TypeVar("Item", bound=BaseModel)
NEXT = Field(description="`cursor` of the next page; none on the last")


class SpanOut(BaseModel):
    """A span `[start, end)`; an open end is null."""

    start: datetime | None
    end: datetime | None


class Listing(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next: str | None = NEXT


class Feature(BaseModel, Generic[Item]):
    """A GeoJSON feature in CGCS2000 longitude/latitude."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any] | None
    properties: Item


class FeatureCollection(BaseModel, Generic[Item]):
    """A page of GeoJSON features."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[Feature[Item]]
    next: str | None = NEXT


def of_model(value: object) -> object:
    """Return a pydantic model within an answer as orjson can write it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(type(value).__name__)


def listing(found: Paged[Any], shape: Callable[[Any], Item]) -> Listing[Item]:
    """Return a page as it is sent."""
    return Listing(items=[shape(row) for row in found.rows], next=cursor(found.next_after))


def features(
    found: Paged[Any], shape: Callable[[Any], Item], name: Callable[[Any], str], geometry: Callable[[Any], Any]
) -> FeatureCollection[Item]:
    """Return a page of rows with shapes as it is sent."""
    made = [feature(row, shape, name, geometry) for row in found.rows]
    return FeatureCollection(features=made, next=cursor(found.next_after))


def feature(
    row: Any, shape: Callable[[Any], Item], name: Callable[[Any], str], geometry: Callable[[Any], Any]
) -> Feature[Item]:
    """Return a row with a shape as it is sent."""
    return Feature(id=name(row), geometry=geometry(row), properties=shape(row))


def shape_geojson(shape: BaseGeometry | None) -> dict[str, Any] | None:
    """Return a shape as GeoJSON, with the 9 decimals that are stored."""
    made: dict[str, Any] | None = None if shape is None else orjson.loads(to_geojson(shape))
    return made


def span_out(span: Span) -> SpanOut:
    """Return a span as it is sent."""
    return SpanOut(start=span.lower, end=span.upper)


def cursor(after: str | None) -> str | None:
    """Return the opaque name of a place in a list."""
    return None if after is None else base64.urlsafe_b64encode(after.encode()).decode()
