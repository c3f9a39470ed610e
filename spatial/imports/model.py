"""What can be imported, as data: fields, subjects, references; and what an import is asked and what it found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

from spatial.errors import Fault

Kind = Literal[
    "text", "prose", "code", "int", "number", "bool", "instant", "duration", "clock", "choice", "list", "uuid"
]
ShapeKind = Literal["point", "line", "lines", "area"]
Change = Literal["new", "changed", "adjusted", "ended", "same", "kept", "faulty"]  # adjusted, kept: of grids alone
CHANGES: tuple[Change, ...] = ("new", "changed", "ended", "same", "faulty")


@dataclass(frozen=True)
class Rule:
    """What a text must be besides its kind; `fault` says so, with the text as its value `told_as`."""

    holds: Callable[[str], bool]
    fault: str
    told_as: str


@dataclass(frozen=True)
class Field:
    """One thing that a row says: its name in files, what kind of value it is, and where it is kept.

    SQL in `default` and `read` is over the aliases of `statements`: `s` a staged row, `v` a stored one, `t` its thing.
    """

    name: str
    kind: Kind = "text"
    aliases: tuple[str, ...] = ()
    required: bool = False
    choices: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # what people write instead of a choice
    refers: str | None = None  # a reference of `references`
    lookup: str | None = None  # SQL over `s` of the code that is looked up, where it is not the cell alone
    default: str | None = None  # SQL of what an empty cell means
    column: str | None = ""  # of the table; default: its name; None where `Subject.more` or `apply` writes it
    read: str | None = None  # SQL of what is stored; default: the column
    least: float | None = None
    most: float | None = None
    rule: Rule | None = None
    is_phone: bool = False  # of a person on duty: exported only for those who may see it
    is_duty: bool = False  # may hold the name, the duty phone or the vehicle of somebody on duty

    @property
    def kept_in(self) -> str | None:
        """The column of the table, None where it has none of its own."""
        return (f"{self.name}_id" if self.refers else self.name) if self.column == "" else self.column

    @property
    def reads(self) -> str:
        """SQL of what is stored."""
        return self.read or f'v."{self.kept_in}"'


@dataclass(frozen=True)
class Thing:
    """What stays the same through all versions of a row: its table, the SQL of how it is found, what is written of it.

    `found` is a relation of `id` and the fields of the key; `written` maps columns to SQL over the change `d`, unless
    `Subject.apply` writes it.
    """

    table: str
    column: str  # of the table of versions
    found: str
    written: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exclusion:
    """Rows equal in some fields may not share an instant; `fault` says so, and `<fault>-row` of two rows of a file."""

    fields: tuple[str, ...]
    fault: str
    where: str = "true"  # SQL over `x`


@dataclass(frozen=True)
class Check:
    """SQL of `row`, `field` and `values` of the changes that the database would refuse; `fault` says why."""

    fault: str
    sql: str


@dataclass(frozen=True)
class Subject:
    """A kind of rows that is imported and exported.

    `history` says how a change is kept: `plain` rows are replaced; `versions` hold from an instant on, until the next
    change on record; `records` have their own time (a shift, a leave, an incident) and are corrected by new ones.
    """

    name: str
    domain: str
    roles: tuple[str, ...]
    fields: tuple[Field, ...]
    key: tuple[str, ...]  # fields, or keys of `computed`
    history: Literal["plain", "versions", "records"]
    table: str
    source: str  # SQL of the rows: `v` is the table
    thing: Thing | None = None
    other_key: tuple[str, ...] = ()  # used where the file does not have the first field of `key`
    rather: str | None = None  # SQL over `o`: which of several of the other key is meant, the least
    computed: Mapping[str, str] = field(default_factory=dict)  # SQL with {field} in braces
    moment: str = ":at"  # SQL over `v`: when the codes of a stored row are to be read
    begins: str | None = None  # the field with which a row's own time begins
    ends: str | None = None
    span: str = "valid"  # the column of a row's own time
    stays: str = "true"  # SQL over `v`: rows that count as stored
    shape: ShapeKind | None = None
    shape_column: str = "geom"
    shape_read: str | None = None
    shape_required: bool = True
    more: Mapping[str, str] = field(default_factory=dict)  # column: SQL over `d` and the old row `o`
    exclusions: tuple[Exclusion, ...] = ()
    checks: tuple[Check, ...] = ()
    apply: tuple[str, ...] | None = None  # SQL instead of the usual writes
    after: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()  # SQL of that its rows have arrived, even if nothing of them is new
    can_end: bool = True
    scope: str = "true"  # SQL over the stored `o`: of what a complete file tells all
    dated_by_row: bool = True  # versions: a row may say itself from when it holds
    ends_with: tuple[str, ...] = ()  # tables whose rows end with what they refer to
    known_as: str | None = None  # the reference to these rows, where some of them refer to others of them

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The fields by name."""
        return {one.name: one for one in self.fields}


@dataclass(frozen=True)
class Options:
    """How a file is to be taken: from when it holds, whether what it lacks ends, how its texts are to be read."""

    effective: datetime
    zone: ZoneInfo
    complete: bool = False
    source_crs: str | None = None
    dates: Literal["dmy", "mdy", "ymd"] | None = None
    repair_limit: float = 0.001
    may_end_most: bool = False  # of what is stored, by a complete file
    as_is: bool = False  # even where the places look displaced
    oldest: datetime | None = None  # the first instant of what is kept; None where all is
    shown: int = 1000  # changes told one by one


@dataclass(frozen=True)
class RowFault:
    """One thing wrong with a file, with its row and column; None: with the whole of it."""

    row: int | None
    column: str | None
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> Fault:
        """The fault as the rest of the product tells it."""
        parts = [f"row {self.row}"] if self.row is not None else []
        parts += [f"column {self.column}"] if self.column else []
        return Fault(", ".join(parts) or "file", self.text, dict(self.values))


@dataclass(frozen=True)
class RowChange:
    """What happens to one row; one that ends has no row."""

    row: int | None
    change: Change
    key: tuple[str, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What an import did or would do: counts by change, the first changes, the first faults and how many there are."""

    subject: str
    rows: int
    counts: Mapping[Change, int]
    changes: Sequence[RowChange]
    faults: Sequence[RowFault]
    fault_count: int
    columns: Mapping[str, str]  # field: column
    dropped: tuple[str, ...]
    notes: Sequence[RowFault] = ()
    more_notes: int = 0  # that are not among them

    @property
    def writes(self) -> bool:
        """Whether anything would be written."""
        return not self.fault_count and any(self.counts[one] for one in ("new", "changed", "ended"))
