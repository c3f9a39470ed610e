"""Chunks of a file as the lines that COPY stores, column by column, with all that is wrong in them. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import shapely

from spatial.crs import STORED
from spatial.errors import Fault, InputError
from spatial.imports.cells import FaultyCell, Reading, reading, text_of
from spatial.imports.instants import reader
from spatial.imports.located import Frame, Located, points, require_axes, shapes
from spatial.imports.mapping import LAT, LON, Matched, fields_of
from spatial.imports.model import Options, RowFault, Subject
from spatial.imports.quick import NULL, plain_column
from spatial.imports.read import Chunk, Source
from spatial.personal import has_identity_number, is_personal, personal_columns

PLACE = re.compile(r"(?:row (\d+)(?:, |$))?(?:column (.*)|(geometry))?", re.DOTALL)
TYPED = ("instant", "number", "bool", "choice", "duration", "clock", "uuid")


@dataclass(frozen=True)
class Read:
    """Rows as lines for COPY, their faults, and what was mended of their shapes."""

    lines: str
    faults: list[RowFault]
    notes: list[RowFault]


class Reader:
    """Reads the chunks of one file of one subject."""

    def __init__(self, subject: Subject, matched: Matched, options: Options, frame: Frame, *, has_shapes: bool):
        self.subject, self.matched = subject, matched
        self.fields = fields = fields_of(subject)
        instants = reader(options.zone, options.dates)
        self.readings = {name: reading(fields[name], instants) for name in fields}
        self.names = [name for name in matched.asked if name not in (LON.name, LAT.name)]
        # shapes are the places, unless columns are asked for by name; those are degrees then
        told = matched.asked_for if has_shapes else matched.columns
        self.has_lonlat = {LON.name, LAT.name} <= set(told)
        self.frame = replace(frame, crs=STORED) if self.has_lonlat and has_shapes else frame
        self.axes_seen = False
        self.told_personal: set[str] = set()
        self.constants = self._constants()

    @property
    def columns(self) -> list[str]:
        """The columns of the lines, in their order."""
        place = ["geom", "is_left_out"] if self.subject.shape else []
        return ["row", *self.names, *place]

    def has_places(self, source: Source) -> bool:
        """Return whether the file says where its rows are."""
        return self.subject.shape is not None and (source.has_shapes or self.has_lonlat)

    def read(self, chunk: Chunk) -> Read:
        """Return the rows of a chunk."""
        faults = self._personal(chunk)
        made: list[Sequence[str]] = [[str(number) for number in chunk.numbers]]
        for name in self.names:
            if name in self.constants:
                made.append([self.constants[name]] * len(chunk))
            else:
                column = self.matched.columns[name]
                made.append(self._column(name, column, chunk, faults))
        notes: list[RowFault] = []
        nothing: frozenset[int] = frozenset()
        if self.subject.shape:
            texts, nothing = self._places(chunk, faults, notes)
            made += [texts, ["t" if index in nothing else "f" for index in range(len(chunk))]]
        lines = "\n".join(map("\t".join, zip(*made, strict=True)))
        return Read(lines + "\n" if lines else "", faults, notes)

    @cached_property
    def duty(self) -> frozenset[str]:
        """The columns that may tell of somebody on duty."""
        fields = self.subject.by_name
        return frozenset(
            column for name, column in self.matched.columns.items() if name in fields and fields[name].is_duty
        )

    def _personal(self, chunk: Chunk) -> list[RowFault]:
        """Return a fault for each column that tells of single people, once; of a value never more than its row.

        A column that is read as times, numbers or words of a list cannot hold anything else.
        """
        typed = {
            self.matched.columns[name]
            for name, one in self.fields.items()
            if one.kind in TYPED and name in self.matched.columns
        }
        columns = {
            name: values
            for name, values in chunk.columns.items()
            if name not in typed and name not in self.matched.dropped and name not in self.told_personal
        }
        found = [fault_of(fault) for fault in personal_columns(columns, chunk.numbers, contact=self.duty)]
        self.told_personal |= {one.column for one in found if one.column}
        return found

    def _constants(self) -> dict[str, str]:
        found, faults = {}, []
        for name in self.names:
            if name in self.matched.columns:
                continue
            if self._is_personal(name, self.matched.constants[name]):
                faults.append(Fault(name, "value-personal", {"column": name}))
                continue
            try:
                found[name] = self.readings[name](self.matched.constants[name]) or NULL
            except FaultyCell as fault:
                faults.append(Fault(name, fault.text, fault.values))
        faults += [
            Fault(name, "value-personal", {"column": name})
            for name, values in self.matched.values.items()
            if any(self._is_personal(name, value) for value in values.values())
        ]
        if faults:
            raise InputError(faults)
        return found

    def _is_personal(self, name: str, value: str) -> bool:
        """Return whether what a mapping says in place of cells tells of a person."""
        field = self.fields[name]
        return field.kind not in TYPED and (has_identity_number if field.is_duty else is_personal)(value)

    def _column(self, name: str, column: str, chunk: Chunk, faults: list[RowFault]) -> list[str]:
        if name not in self.matched.values:
            plain = plain_column(self.fields[name], chunk.columns[column])
            if plain is not None:
                return plain
        read: Callable[[Any], str | None] = self.readings[name]
        if name in self.matched.values:
            read = _translated(read, self.matched.values[name])
        memo: dict[str, str] = {}
        made: list[str] = []
        for index, value in enumerate(chunk.columns[column]):
            is_text = value.__class__ is str
            if is_text and (known := memo.get(value)) is not None:
                made.append(known)
                continue
            try:
                text = read(value) or NULL
            except FaultyCell as fault:
                faults.append(RowFault(chunk.numbers[index], column, fault.text, fault.values))
                made.append(NULL)
                continue
            made.append(text)
            if is_text:
                memo[value] = text
        return made

    def _places(self, chunk: Chunk, faults: list[RowFault], notes: list[RowFault]) -> tuple[list[str], frozenset[int]]:
        """Return the shapes as COPY reads them, and which rows are nothing; what was mended or left out is noted."""
        kind = self.subject.shape
        if self.has_lonlat:
            columns = [self.matched.columns[one.name] for one in (LON, LAT)]
            lon, lat = (chunk.columns[column] for column in columns)
            found = points(lon, lat, (self.readings["lon"], self.readings["lat"]), self.frame)
            told = columns[0]
        elif chunk.shapes is not None and kind is not None:
            if not self.axes_seen:
                require_axes(shapely.get_coordinates(chunk.shapes), self.frame.crs)
                self.axes_seen = True
            found = shapes(chunk.shapes, kind, self.frame)
            told = "geometry"
        else:
            found, told = Located(np.full(len(chunk), None, dtype=object), {}, {}), "geometry"
        for index, fault in found.faults.items():
            faults.append(RowFault(chunk.numbers[index], told, fault.text, fault.values))
        notes += [
            RowFault(chunk.numbers[index], told, "shape-mended", {"area_m2": round(changed, 2)})
            for index, changed in found.mended.items()
        ]
        notes += [RowFault(chunk.numbers[index], told, "line-without-length") for index in sorted(found.nothing)]
        if self.subject.shape_required:
            missing = np.flatnonzero(shapely.is_missing(found.shapes)).tolist()
            faults += [
                RowFault(chunk.numbers[index], told, "shape-missing") for index in missing if index not in found.faults
            ]
        return [text or NULL for text in found.as_text()], found.nothing


def _translated(read: Reading, values: Any) -> Reading:
    """Return a reading that first looks a cell up in a mapping of values."""

    def cell(value: Any) -> str | None:
        if value is not None and not isinstance(value, list | dict):
            key = str(value) if isinstance(value, bool) else _key(value)
            value = values.get(key, value)
        return read(value)

    return cell


def _key(value: Any) -> str:
    try:
        return text_of(value).strip()
    except FaultyCell:
        return str(value)


def fault_of(fault: Fault) -> RowFault:
    """Return a fault with the row and the column that its place names; any other place stands as a column."""
    found = PLACE.fullmatch(fault.where)
    if found is None or not fault.where:
        return RowFault(None, None if fault.where == "file" else fault.where, fault.text, fault.values)
    row, column, shape = found.groups()
    return RowFault(int(row) if row else None, column or shape, fault.text, fault.values)
