"""The form of an import: how a file is to be read, what its columns mean, and the order that this makes."""

import tomllib
import uuid
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import ValidationError

from api.faults import refused, text_fault
from api.grids_asked import GridsAsked
from api.import_jobs import GRIDS, Order
from api.imports_asked import RowsAsked
from spatial.access import Actor
from spatial.errors import Fault, InputError, invalid
from spatial.imports.mapping import Mapping, mapping_from
from spatial.time import zone_named

LISTS = ("drop", "keep")
MAPPING = {"type": "string", "description": "saved mapping, as TOML or JSON: columns, values, constants"}
FIELDS = {
    **RowsAsked.model_json_schema()["properties"],
    **GridsAsked.model_json_schema()["properties"],
    "mapping": MAPPING,
}
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
    written = given.pop("mapping", None)
    asked = _read(subject, given, faults_)
    if faults_ or asked is None:
        raise InputError(faults_)
    mapping = asked.over(Mapping() if written is None else mapping_from(_mapping_told(written)))
    if mapping.timezone is not None:
        zone_named(mapping.timezone, "timezone" if "timezone" in given else "mapping timezone")
    effective = asked.since()
    if isinstance(asked, GridsAsked):
        asked.request(effective, mapping)  # which refuses what makes no sense together
    return Order(
        import_id=import_id, subject=subject, file=file, asked_by=actor.name, lang=lang, effective=effective,
        mapping=asdict(mapping), asked=asked,
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


def _read(subject: str, given: dict[str, Any], faults_: list[Fault]) -> RowsAsked | GridsAsked | None:
    try:
        return GridsAsked.model_validate(given) if subject == GRIDS else RowsAsked.model_validate(given)
    except ValidationError as error:
        faults_ += [refused(dict(one), ".".join(str(part) for part in one["loc"])) for one in error.errors()]
        return None


def _mapping_told(written: str) -> dict[str, Any]:
    try:
        told = orjson.loads(written) if written.lstrip().startswith("{") else tomllib.loads(written)
    except (orjson.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise invalid("mapping", "mapping-unreadable", file="mapping", reason=str(error)) from None
    found: dict[str, Any] = told
    return found
