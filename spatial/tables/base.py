"""What every table shares: column types, the two times, and the rules that keep them honest."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

SRID = 4490  # CGCS2000 longitude/latitude
LONGEST_CODE = 100  # characters, of what names a thing to people and to other systems


def shape(kind: str) -> Geometry:
    """Return the type of a column of shapes; its own for a column that may be empty, since the type remembers that."""
    return Geometry(kind, srid=SRID, spatial_index=False)


Span = Range[datetime]
Id = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Code = Annotated[str, mapped_column(Text(collation="C"))]  # bytewise order decides who owns a border
Texts = Annotated[dict[str, str], mapped_column(JSONB)]  # {"zh-CN": …, "en": …}
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Range_ = Annotated[Span, mapped_column(TSTZRANGE)]
Areas = Annotated[WKBElement, mapped_column(shape("MULTIPOLYGON"))]
Point = Annotated[WKBElement, mapped_column(shape("POINT"))]


class Base(DeclarativeBase):
    """The root of all tables."""

    type_annotation_map: ClassVar = {int: BigInteger, str: Text}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Recorded:
    """When the system knew a row: `[known, replaced)`, open while the row is current."""

    recorded: Mapped[Range_]

    @classmethod
    def domain(cls) -> str:
        """Return the domain whose versions stamp the rows: the modules of tables are named after theirs."""
        return cls.__module__.rpartition(".")[2]


class Versioned(Recorded):
    """A row with both times: `valid` in the world, `recorded` in the system."""

    valid: Mapped[Range_]


def honest_spans(*names: str) -> list[SchemaItem]:
    """Return checks that each range is `[)`, not empty and never ends in infinity (for which upper_inf is false).

    What was recorded was recorded at some instant: `recorded` has a beginning.
    """
    return [
        CheckConstraint(
            f"NOT isempty({name})"
            f" AND ({'false' if name == 'recorded' else f'lower_inf({name})'}"
            f" OR isfinite(lower({name})) AND lower_inc({name}))"
            f" AND (upper_inf({name}) OR isfinite(upper({name})) AND NOT upper_inc({name}))",
            name=f"{name}_honest",
        )
        for name in names
    ]


def at_most_one(
    *what: str, name: str, where: str | None = None, spans: tuple[str, ...] = ("valid", "recorded")
) -> SchemaItem:
    """Return a constraint: no two rows with equal `what` share an instant of all `spans`."""
    pairs: list[tuple[Any, str]] = [(Column(column), "=") for column in what]
    pairs += [(Column(span), "&&") for span in spans]
    return ExcludeConstraint(*pairs, name=name, using="gist", where=where)


def valid_shape(name: str = "geom") -> SchemaItem:
    """Return a check that a stored shape is valid, not empty, and in degrees on Earth."""
    earth = "ST_MakeEnvelope(-180, -90, 180, 90, 4490)"
    return CheckConstraint(f"ST_IsValid({name}) AND NOT ST_IsEmpty({name}) AND {name} @ {earth}", name=f"{name}_valid")


def one_of(name: str, *values: str) -> SchemaItem:
    """Return a check that a text column holds one of a few words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({words})", name=f"{name}_known")


def exactly_one(*names: str) -> SchemaItem:
    """Return a check that exactly one of several columns is set."""
    return CheckConstraint(f"num_nonnulls({', '.join(names)}) = 1", name="one_subject")
