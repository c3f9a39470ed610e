"""Chunks of a file as the lines that COPY stores, column by column, with all that is wrong in them. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import shapely

from spatial.crs import STORED, axes_swapped
from spatial.errors import Fault
from spatial.geometry import Geometries
from spatial.imports.cells import FaultyCell, reading, translated
from spatial.imports.instants import reader
from spatial.imports.located import Frame, Located, points, shapes
from spatial.imports.mapping import LAT, LON, Matched, fields_of
from spatial.imports.model import Options, RowFault, Subject
from spatial.imports.quick import NULL, plain_column
from spatial.imports.read import Chunk, Source
from spatial.personal import (
    has_identity_number,
    is_personal,
    personal_columns,
    personal_headers,
    personal_mapping,
)

PLACE = re.compile(r"(?:rows? (\d+(?:, \d+)*)(?:, |$))?(?:column (.*)|(geometry))?", re.DOTALL)
TYPED = ("instant", "number", "bool", "choice", "duration", "clock", "uuid")


@dataclass(frozen=True)
class Read:
    """Rows as lines for COPY, their faults, and what was mended of their shapes."""

    lines: str
    faults: list[RowFault]
    notes: list[RowFault]


class Reader:
    """Reads the chunks of one file of one subject, as far as nothing is wrong with what its columns mean.

    `matched` is what is read, with the faults of what is not; `told_personal` are the columns that tell of people.
    """

    def __init__(self, subject: Subject, found: Matched, options: Options, frame: Frame, source: Source):
        self.subject = subject
        self.fields = fields = fields_of(subject)
        instants = reader(options.zone, options.dates)
        self.readings = {name: reading(fields[name], instants) for name in fields}
        self.duty = frozenset(found.columns[name] for name in found.columns if fields[name].is_duty)
        headers = personal_headers((one for one in source.columns if one not in found.dropped), contact=self.duty)
        self.told_personal: set[str] = {fault.values["column"] for fault in headers}
        of_people = [name for name, column in found.columns.items() if column in self.told_personal]
        mapped = personal_mapping(found.constants, found.values, self._is_personal)
        found = found.without({*of_people, *(fault.where for fault in mapped)}, [*headers, *mapped])
        self.constants, faulty = self._constants(found)
        self.matched = found = found.without({fault.where for fault in faulty}, faulty)
        self.names = [name for name in found.asked if name not in (LON.name, LAT.name)]
        # shapes are the places, unless columns are asked for by name; those are degrees then
        told = found.asked_for if source.has_shapes else found.columns
        self.has_lonlat = {LON.name, LAT.name} <= set(told)
        self.says_places = subject.shape is not None and (source.has_shapes or self.has_lonlat)
        self.frame = replace(frame, crs=STORED) if self.has_lonlat and source.has_shapes else frame
        self.axes_seen = False

    @property
    def columns(self) -> list[str]:
        """The columns of the lines, in their order."""
        place = ["geom", "is_left_out"] if self.subject.shape else []
        return ["row", *self.names, *place]

    @property
    def has_places(self) -> bool:
        """Whether the file says where its rows are, in a system that is known."""
        return self.says_places and self.frame.crs is not None

    @property
    def unread(self) -> frozenset[str]:
        """The fields of which something is said that cannot be read."""
        is_lost = not self.has_places and (self.says_places or not self.matched.unread.isdisjoint((LON.name, LAT.name)))
        return self.matched.unread | ({"shape"} if is_lost else set())

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

    def _constants(self, found: Matched) -> tuple[dict[str, str], list[Fault]]:
        """Return what is said of all rows as COPY stores it, and what is wrong with it."""
        made, faults = {}, []
        for name, value in found.constants.items():
            try:
                made[name] = self.readings[name](value) or NULL
            except FaultyCell as fault:
                faults.append(Fault(name, fault.text, fault.values))
        return made, faults

    def _is_personal(self, name: str, value: str) -> bool:
        """Return whether what a mapping says in place of cells tells of a person."""
        field = self.fields[name]
        return field.kind not in TYPED and (has_identity_number if field.is_duty else is_personal)(value)

    def _column(self, name: str, column: str, chunk: Chunk, faults: list[RowFault]) -> list[str]:
        if name not in self.matched.values:
            plain = plain_column(self.fields[name], chunk.columns[column])
            if plain is not None:
                return plain
        read, values = self.readings[name], self.matched.values.get(name, {})
        memo: dict[str, str] = {}
        made: list[str] = []
        for index, value in enumerate(chunk.columns[column]):
            is_text = value.__class__ is str
            if is_text and (known := memo.get(value)) is not None:
                made.append(known)
                continue
            try:
                text = read(translated(value, values)) or NULL
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
            self._look_at_axes(chunk.shapes, faults)
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
        if self.subject.shape_required and self.has_places:
            missing = np.flatnonzero(shapely.is_missing(found.shapes)).tolist()
            faults += [
                RowFault(chunk.numbers[index], told, "shape-missing") for index in missing if index not in found.faults
            ]
        return [text or NULL for text in found.as_text()], found.nothing

    def _look_at_axes(self, shapes: Geometries, faults: list[RowFault]) -> None:
        """Tell of the first shapes if they make sense with their axes swapped only; none is placed then."""
        xy = shapely.get_coordinates(shapes)
        if self.axes_seen or self.frame.crs is None or not len(xy):
            return
        self.axes_seen = True
        if axes_swapped(xy, self.frame.crs):
            first = {"x": float(xy[0, 0]), "y": float(xy[0, 1])}
            faults.append(RowFault(None, "geometry", "axes-swapped", first))
            self.frame = replace(self.frame, crs=None)


def fault_of(fault: Fault) -> RowFault:
    """Return a fault with the first row and the column that its place names; any other place stands as a column."""
    return faults_of(fault)[0]


def faults_of(fault: Fault) -> list[RowFault]:
    """Return a fault of each row that its place names."""
    found = PLACE.fullmatch(fault.where)
    if found is None or not fault.where:
        return [RowFault(None, None if fault.where == "file" else fault.where, fault.text, fault.values)]
    rows, column, shape = found.groups()
    numbers = [int(row) for row in rows.split(", ")] if rows else [None]
    return [RowFault(number, column or shape, fault.text, fault.values) for number in numbers]


def in_order(faults: Iterable[Fault]) -> list[RowFault]:
    """Return the faults of a file in the order of its rows, first what is wrong with the whole of it."""
    told = chain.from_iterable(map(faults_of, faults))
    return sorted(told, key=lambda fault: -1 if fault.row is None else fault.row)
