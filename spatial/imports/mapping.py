"""Which column of a file says what: by the names of fields in both languages, as asked, or from a saved mapping."""

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as Maps
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from spatial.errors import Fault, InputError, invalid
from spatial.imports.model import Field, Subject
from spatial.personal import is_personal_name

LON = Field("lon", "number", ("longitude", "经度", "lng", "x"), least=-1e8, most=1e8)
LAT = Field("lat", "number", ("latitude", "纬度", "y"), least=-1e8, most=1e8)
FROM = Field("from", "instant", ("生效时间", "effective"))
UNTIL = Field("until", "instant", ("失效时间",))
BESIDE = re.compile(r"[\s_\-./]+|[（(\[].*?[）)\]]")
LONGEST_FILE = 1_000_000
SHAPEFILE_NAME = 10  # letters at most: longer names are cut


@dataclass(frozen=True)
class Mapping:
    """Columns by field, values as the file has them, constants for what it lacks, columns to leave out."""

    columns: Maps[str, str] = field(default_factory=dict)
    values: Maps[str, Maps[str, str]] = field(default_factory=dict)
    constants: Maps[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    drop_others: bool = False
    source_crs: str | None = None
    encoding: str | None = None
    timezone: str | None = None
    dates: Literal["dmy", "mdy", "ymd"] | None = None


@dataclass(frozen=True)
class Matched:
    """The fields a file says something of, each with its column or constant."""

    columns: Maps[str, str]
    constants: Maps[str, str]
    values: Maps[str, Maps[str, str]]
    dropped: tuple[str, ...]
    asked_for: Maps[str, str]  # of the columns, those that somebody named
    unread: frozenset[str] = frozenset()  # fields of which something is said that cannot be read
    faults: tuple[Fault, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The fields that are said."""
        return (*self.columns, *(name for name in self.constants if name not in self.columns))

    def without(self, fields: Collection[str], faults: Iterable[Fault]) -> "Matched":
        """Return the same without some fields, since faults were found in what is said of them."""
        said = self.columns, self.constants, self.values, self.asked_for
        columns, constants, values, asked_for = (_but(one, fields) for one in said)
        unread, told = self.unread.union(fields), (*self.faults, *faults)
        return Matched(columns, constants, values, self.dropped, asked_for, unread, told)


def _but(said: Maps[str, Any], fields: Collection[str]) -> dict[str, Any]:
    return {name: one for name, one in said.items() if name not in fields}


def fields_of(subject: Subject) -> dict[str, Field]:
    """Return what the columns of a file may say of a subject: its fields, its place, since when it holds."""
    place = (LON, LAT) if subject.shape == "point" else ()
    times = () if subject.history != "versions" else (FROM, UNTIL) if subject.dated_by_row else (UNTIL,)
    return {one.name: one for one in (*subject.fields, *place, *times)}


def matched(subject: Subject, names: Sequence[str], mapping: Mapping) -> Matched:
    """Return which column says what, and a fault for each column that is missing, unknown or meant twice.

    Columns to drop need not be among `names`: a file is read without them.
    """
    fields = fields_of(subject)
    asked = [*mapping.columns, *mapping.constants, *mapping.values]
    faults = [
        Fault(name, "field-unknown", {"known": list(fields)}) for name in dict.fromkeys(asked) if name not in fields
    ]
    missing = {name: column for name, column in mapping.columns.items() if column not in names}
    known = ", ".join(names)
    faults += [Fault(name, "column-missing", {"column": one, "known": known}) for name, one in missing.items()]
    said = {*mapping.columns.values(), *mapping.drop}
    columns = dict(mapping.columns)
    free = [column for column in names if column not in said]
    for column in list(free):
        field_name = _field_named(fields, column)
        if field_name is None or field_name in mapping.constants or field_name in mapping.columns:
            continue
        if field_name in columns:
            values = {"field": field_name, "column": columns[field_name]}
            faults.append(Fault(f"column {column}", "field-meant-twice", values))
        else:
            columns[field_name] = column
        free.remove(column)
    dropped = [*mapping.drop, *(free if mapping.drop_others else ())]
    unknown = [] if mapping.drop_others else [column for column in free if not is_personal_name(column)]
    if unknown:
        faults.append(_unknown(unknown, list(fields)))
    faults += key_faults(subject, {*columns, *mapping.constants})
    found = Matched(columns, mapping.constants, mapping.values, tuple(dropped), mapping.columns)
    unread = {*missing, *(name for name in asked if name not in fields)}
    return found.without(unread, faults)


def _unknown(columns: Sequence[str], known: Sequence[str]) -> Fault:
    """Return the fault of columns that no field has as a name, all in one sentence."""
    if len(columns) == 1:
        return Fault(f"column {columns[0]}", "column-unknown", {"known": known})
    return Fault("columns", "columns-unknown", {"columns": columns, "known": known})


def _field_named(fields: Maps[str, Field], column: str) -> str | None:
    """Return the field whose name a column has, whole or cut; else the first one of which it has another name."""
    wanted = bare(column)
    for name in fields:
        if bare(name) == wanted:
            return name
    called = [name for name, one in fields.items() if wanted in map(bare, one.aliases)]
    if called:
        return called[0]
    cut = [name for name in fields if len(column) == SHAPEFILE_NAME and name.startswith(column)]
    return cut[0] if len(cut) == 1 else None


def bare(name: str) -> str:
    """Return a name without what people put beside it: blanks, units in brackets."""
    return BESIDE.sub("", name).lower()


def key_faults(subject: Subject, asked: Collection[str]) -> list[Fault]:
    """Return a fault for each field that names a row and that the file does not say."""
    plain = [name for name in key_of(subject, asked) if name not in subject.computed and subject.by_name[name].required]
    return [Fault(name, "key-column-missing", {"field": name}) for name in plain if name not in asked]


def key_of(subject: Subject, asked: Collection[str]) -> tuple[str, ...]:
    """Return what names a row: the key, or the other one where the file does not have the first field of the key."""
    return subject.other_key if subject.other_key and subject.key[0] not in asked else subject.key


# Saved mappings ------------------------------------------------------------------------------------------------------


def read_mapping(path: Path) -> Mapping:
    """Return a saved mapping."""
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise invalid("mapping", "file-too-large", file=path.name, limit_mb=1)
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise invalid("mapping", "file-missing", file=path.name) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise invalid("mapping", "mapping-unreadable", file=path.name, reason=str(error)) from None
    return mapping_from(told)


def mapping_from(told: Maps[str, Any]) -> Mapping:
    """Return a mapping from plain values, as TOML and JSON have them; every fault at once."""
    known = list(Mapping.__dataclass_fields__)
    faults = [Fault(f"mapping {name}", "mapping-key-unknown", {"known": known}) for name in told if name not in known]
    texts = [name for name in ("columns", "constants") if not _is_texts(told.get(name, {}))]
    values = told.get("values", {})
    if not (isinstance(values, dict) and all(map(_is_texts, values.values()))):
        texts.append("values")
    if not (isinstance(told.get("drop", []), list) and all(isinstance(one, str) for one in told.get("drop", []))):
        texts.append("drop")
    words = ("source_crs", "encoding", "timezone")
    texts += [name for name in words if not isinstance(told.get(name), str | None)]
    if told.get("dates") not in (None, "dmy", "mdy", "ymd"):
        texts.append("dates")
    if not isinstance(told.get("drop_others", False), bool):
        texts.append("drop_others")
    faults += [Fault(f"mapping {name}", "mapping-malformed") for name in texts]
    if faults:
        raise InputError(faults)
    return Mapping(**{**told, "drop": tuple(told.get("drop", ()))})


def write_mapping(path: Path, mapping: Mapping) -> None:
    """Save a mapping; what it does not say is left out."""
    told = {name: value for name, value in asdict(mapping).items() if value}
    path.write_bytes(tomli_w.dumps({name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}).encode())


def _is_texts(told: object) -> bool:
    return isinstance(told, dict) and all(isinstance(value, str) for value in told.values())
