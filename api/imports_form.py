"""The form of an import: how a file is to be read, what its columns mean, and the order that this makes."""

import tomllib
import uuid
from dataclasses import asdict
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.faults import refused, text_fault
from api.grids_asked import GridsAsked
from api.import_jobs import GRIDS, Order
from spatial.access import Actor
from spatial.errors import Fault, InputError, invalid
from spatial.imports.mapping import mapping_from
from spatial.time import now, parse_instant, zone_named


class FileAsked(BaseModel):
    """How a file is to be read, and from when what it says holds."""

    model_config = ConfigDict(extra="forbid")

    effective: str | None = Field(None, description="RFC 3339 instant from which it holds; default now")
    source_layer: str | None = Field(None, description="layer, sheet or member, where the file has several")
    geometry: str | None = Field(None, description="column with shapes as WKT or hexadecimal WKB")
    encoding: str | None = Field(None, description="of text where the file does not say it: utf-8, gb18030")
    drop: list[str] = Field([], description="columns to leave out")


class RowsAsked(FileAsked):
    """What an import of rows is asked."""

    complete: bool = Field(False, description="what the file lacks ends")
    end_most: bool = Field(False, description="even if that is most of all there is")
    as_is: bool = Field(False, description="the places are right, though they look displaced or far away")
    source_crs: str | None = Field(None, description="EPSG code, WKT, PROJ string, gcj02 or bd09")
    dates: Literal["dmy", "mdy", "ymd"] | None = Field(None, description="order of 03/04/2025")
    timezone: str | None = Field(None, description="IANA zone of local times; default: the deployment's")
    drop_others: bool = Field(False, description="leave out all columns that are not known")
    mapping: str | None = Field(None, description="saved mapping, as TOML or JSON: columns, values, constants")


Asked_ = TypeVar("Asked_", bound=BaseModel)
LISTS = ("drop", "keep")
FIELDS = {**RowsAsked.model_json_schema()["properties"], **GridsAsked.model_json_schema()["properties"]}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "the file; a Shapefile as a ZIP"},
                    **FIELDS,
                },
            },
            "example": {"file": "officers.xlsx", "effective": "2025-03-03T00:00:00+08:00"},
        }
    },
}


def order_of(
    import_id: uuid.UUID, subject: str, file: str, fields: list[tuple[str, str]], actor: Actor, lang: str
) -> Order:
    """Return what a form asks; every fault of its fields at once."""
    given, faults_ = _fields(fields)
    shape, grids = (FileAsked, GridsAsked) if subject == GRIDS else (RowsAsked, None)
    own = {name: value for name, value in given.items() if grids is None or name not in grids.model_fields}
    asked = _read(shape, own, faults_)
    of_grids = (
        _read(grids, {name: value for name, value in given.items() if name not in own}, faults_) if grids else None
    )
    if faults_ or asked is None:
        raise InputError(faults_)
    effective = parse_instant(asked.effective, "effective") if asked.effective else now()
    if of_grids is not None:
        of_grids.request(effective)  # which refuses what makes no sense together
    told = asked.model_dump(exclude={"effective", "mapping", "drop", "drop_others"})
    mapping = _mapping(asked)
    for where, zone in (("timezone", told.get("timezone")), ("mapping timezone", mapping.get("timezone"))):
        if zone is not None:
            zone_named(zone, where)
    return Order(
        import_id=import_id, subject=subject, file=file, asked_by=actor.name, lang=lang, effective=effective,
        mapping=mapping, grids=of_grids, **told,
    )  # fmt: skip


def _fields(fields: list[tuple[str, str]]) -> tuple[dict[str, Any], list[Fault]]:
    """Return what a form gives by name, empty fields left out, and what is wrong with its texts."""
    given: dict[str, Any] = {}
    faults_ = [fault for name, value in fields if (fault := text_fault(name, value))]
    for name, value in fields:
        if not value.strip():
            continue
        if name in LISTS:
            given.setdefault(name, []).append(value)
        elif name in given:
            faults_.append(Fault(name, "given-twice"))
        else:
            given[name] = value
    return given, faults_


def _read(shape: type[Asked_], given: dict[str, Any], faults_: list[Fault]) -> Asked_ | None:
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        faults_ += [refused(dict(one), ".".join(str(part) for part in one["loc"])) for one in error.errors()]
        return None


def _mapping(asked: FileAsked) -> dict[str, Any]:
    """Return the mapping that a form holds, with the columns it leaves out."""
    told: dict[str, Any] = {}
    if isinstance(asked, RowsAsked):
        told = {"drop_others": True} if asked.drop_others else {}
        if asked.mapping is not None:
            told = {**_mapping_told(asked.mapping), **told}
    return asdict(mapping_from({**told, "drop": [*told.get("drop", []), *asked.drop]}))


def _mapping_told(written: str) -> dict[str, Any]:
    try:
        told = orjson.loads(written) if written.lstrip().startswith("{") else tomllib.loads(written)
    except (orjson.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise invalid("mapping", "mapping-unreadable", file="mapping", reason=str(error)) from None
    found: dict[str, Any] = told
    return found
