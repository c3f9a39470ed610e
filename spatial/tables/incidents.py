"""Incidents, roads and measures: the domains `incidents` and `roads`."""

from datetime import timedelta

from geoalchemy2 import WKBElement
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Interval

from .base import Base, Code, Id, Instant, Point, Range_, Recorded, Texts, honest_spans, one_of, shape, valid_shape


class Source(Base):
    """A feed of incidents, and when it was last heard."""

    __tablename__ = "source"
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)
    title: Mapped[Texts]
    expected_interval: Mapped[timedelta | None] = mapped_column(Interval)
    last_received: Mapped[Instant | None]


class CategoryAlias(Base):
    """What a source calls one of our categories, in its own code."""

    __tablename__ = "category_alias"
    __table_args__ = (UniqueConstraint("source_id", "code"),)
    id: Mapped[Id]
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    code: Mapped[Code]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))


class IncidentKey(Base):
    """The public name of an incident: its source and the source's own number, and which version of it is current.

    Incidents are partitioned, so that no index of theirs can see that there is one current version: this row can.
    """

    __tablename__ = "incident_key"
    __table_args__ = (UniqueConstraint("source_id", "external_id"),)
    id: Mapped[Id]
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    external_id: Mapped[Code]
    current_id: Mapped[int | None]  # kept by the database


class Incident(Recorded, Base):
    """A located event: what, when, where; never who. Partitioned by month of `at`."""

    __tablename__ = "incident"
    __table_args__ = (
        *honest_spans("span", "recorded"),
        valid_shape("point"),
        CheckConstraint(
            "at <= dispatched_at AND dispatched_at <= arrived_at AND arrived_at <= closed_at",
            name="in_order",
        ),
        Index("ix_incident_point", "point", postgresql_using="gist"),
        Index("ix_incident_incident_key_id", "incident_key_id"),
        Index("ix_incident_at", "at"),
        {"postgresql_partition_by": "RANGE (at)"},
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)  # reported
    incident_key_id: Mapped[int] = mapped_column(ForeignKey("incident_key.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    span: Mapped[Range_ | None]  # when it happened, where only an interval is known
    point: Mapped[Point]
    precision_m: Mapped[float | None]
    masked_text: Mapped[str | None]
    dispatched_at: Mapped[Instant | None]
    arrived_at: Mapped[Instant | None]
    closed_at: Mapped[Instant | None]


class IncidentEvent(Base):
    """A step in the handling of an incident: assigned, handed over, returned, closed."""

    __tablename__ = "incident_event"
    __table_args__ = (Index("ix_incident_event_incident_key_id", "incident_key_id"),)
    id: Mapped[Id]
    incident_key_id: Mapped[int] = mapped_column(ForeignKey("incident_key.id"))
    kind: Mapped[str]
    at: Mapped[Instant]
    from_unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    to_unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    reason: Mapped[str | None]
    deadline: Mapped[Instant | None]


class Measure(Base):
    """A figure about a grid, unit or place over a period: dwellings, checks due, visits done."""

    __tablename__ = "measure"
    __table_args__ = (
        UniqueConstraint("subject_kind", "subject_id", "key", "period"),
        *honest_spans("period"),
        one_of("subject_kind", "grid", "unit", "place", "layer"),
    )
    id: Mapped[Id]
    subject_kind: Mapped[str]
    subject_id: Mapped[int]
    key: Mapped[Code]
    value: Mapped[float]
    unit: Mapped[str]
    period: Mapped[Range_]
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))


class RoadNode(Base):
    """A junction or end of the road network."""

    __tablename__ = "road_node"
    __table_args__ = (valid_shape("point"), Index("ix_road_node_point", "point", postgresql_using="gist"))
    id: Mapped[Id]
    point: Mapped[Point]


class RoadEdge(Base):
    """A piece of road in its direction of travel; a two-way road is two edges of one code, one of them backward."""

    __tablename__ = "road_edge"
    __table_args__ = (
        UniqueConstraint("code", "is_backward"),
        valid_shape(),
        Index("ix_road_edge_geom", "geom", postgresql_using="gist"),
        Index("ix_road_edge_from_node_id", "from_node_id"),
        Index("ix_road_edge_name", "name"),
    )
    id: Mapped[Id]
    code: Mapped[Code]
    is_backward: Mapped[bool] = mapped_column(server_default=text("false"))  # against the line of the road
    from_node_id: Mapped[int] = mapped_column(ForeignKey("road_node.id"))
    to_node_id: Mapped[int] = mapped_column(ForeignKey("road_node.id"))
    klass: Mapped[str] = mapped_column("class")
    name: Mapped[str | None]
    is_bridge: Mapped[bool] = mapped_column(server_default=text("false"))
    geom: Mapped[WKBElement] = mapped_column(shape("LINESTRING"))
