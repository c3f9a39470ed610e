"""Layers, grids, units, places, categories: the domain `areas`."""

from datetime import timedelta
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Interval, Text

from .base import (
    Areas,
    Base,
    Code,
    Id,
    Instant,
    Json,
    Point,
    Range_,
    Recorded,
    Texts,
    Versioned,
    at_most_one,
    exactly_one,
    honest_spans,
    one_of,
    shape,
    valid_shape,
)

CURRENT = text("upper_inf(recorded)")


class Layer(Base):
    """A network of grids."""

    __tablename__ = "layer"
    __table_args__ = (one_of("kind", "tiling", "free"), one_of("visibility", "public", "internal"))
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)
    title: Mapped[Texts]
    kind: Mapped[str]
    visibility: Mapped[str]
    code_scheme: Mapped[str]  # free, unit15, or a regular expression
    position: Mapped[int]  # order of display
    parent_layer_id: Mapped[int | None] = mapped_column(ForeignKey("layer.id"))
    built_from_id: Mapped[int | None] = mapped_column(ForeignKey("layer.id"))


class ResponseStep(Versioned, Base):
    """One step of a layer's chain of response: whom to call, in which order, and what counts as cover."""

    __tablename__ = "response_step"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        one_of("source", "grid_shift", "neighbour_shift", "unit_shift", "unit_desk", "assignment"),
        CheckConstraint("NOT is_cover OR source IN ('grid_shift', 'unit_shift')", name="cover_is_on_duty"),
        at_most_one("layer_id", "position", name="one_step_at_a_position"),
    )
    id: Mapped[Id]
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"))
    position: Mapped[int]
    key: Mapped[str]
    title: Mapped[Texts]
    source: Mapped[str]
    # from the grid's unit up this path of links; serves is followed backwards, from the served to its server
    unit_path: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    shift_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # empty: any
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # of assignments; empty: any
    officer_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # empty: any
    teams_only: Mapped[bool] = mapped_column(server_default=text("false"))
    is_cover: Mapped[bool]


class Unit(Base):
    """An organisation, whatever its name and code at a time."""

    __tablename__ = "unit"
    __table_args__ = (one_of("tree", "police", "governance", "agency"),)
    id: Mapped[Id]
    tree: Mapped[str]


class UnitVersion(Versioned, Base):
    """A unit's code, name, outline and contacts over time."""

    __tablename__ = "unit_version"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        valid_shape(),
        at_most_one("unit_id", name="one_version_of_a_unit"),
        at_most_one("code", name="one_unit_of_a_code"),
        Index("ix_unit_version_geom", "geom", postgresql_using="gist", postgresql_where=CURRENT),
    )
    id: Mapped[Id]
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    code: Mapped[Code]
    name: Mapped[str]
    kind: Mapped[str]  # bureau branch station … city district street community … agency
    geom: Mapped[WKBElement | None] = mapped_column(shape("MULTIPOLYGON"))
    contacts: Mapped[Json] = mapped_column(server_default="{}")  # {"desk": …, "phone": …, "radio": …}


class UnitLink(Versioned, Base):
    """A dated relation between units: `unit_id` is under, serves or sits in `to_unit_id`."""

    __tablename__ = "unit_link"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        one_of("kind", "command", "administers", "serves", "resident", "on_call"),
        CheckConstraint("unit_id <> to_unit_id", name="not_itself"),
        at_most_one("unit_id", "to_unit_id", "kind", name="one_link_of_a_kind"),
        at_most_one("unit_id", "kind", name="one_parent_of_a_unit", where="kind IN ('command', 'administers')"),
        Index("ix_unit_link_to_unit_id", "to_unit_id", "kind"),
    )
    id: Mapped[Id]
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    to_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    kind: Mapped[str]


class Grid(Base):
    """One area of a layer, the same through all of its redrawings."""

    __tablename__ = "grid"
    __table_args__ = (UniqueConstraint("id", "layer_id"),)
    id: Mapped[Id]
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"))


class GridVersion(Versioned, Base):
    """A grid's code, name, unit and shape over time."""

    __tablename__ = "grid_version"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        valid_shape(),
        one_of("kind", "regular", "dedicated", "micro"),
        ForeignKeyConstraint(["grid_id", "layer_id"], ["grid.id", "grid.layer_id"]),
        # asked at the end, so that a version whose overlaps nobody looked for cannot be committed
        ForeignKeyConstraint(["id"], ["grid_area.version_id"], deferrable=True, initially="DEFERRED"),
        at_most_one("grid_id", name="one_version_of_a_grid"),
        # a code once given is never another grid's, at any time
        ExcludeConstraint(("layer_id", "="), ("code", "="), ("grid_id", "<>"), name="one_grid_of_a_code", using="gist"),
        Index("ix_grid_version_geom", "geom", postgresql_using="gist", postgresql_where=CURRENT),
        Index("ix_grid_version_layer_id_code", "layer_id", "code"),
    )
    id: Mapped[Id]
    grid_id: Mapped[int]
    layer_id: Mapped[int]
    code: Mapped[Code]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="regular")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    geom: Mapped[Areas]
    attributes: Mapped[Json] = mapped_column(server_default="{}")  # columns of an import that have no own place
    shape_sha256: Mapped[bytes]  # written by a trigger


class GridArea(Base):
    """How large a grid version is; it also says that what the version shares with other layers is on record."""

    __tablename__ = "grid_area"
    version_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    area_m2: Mapped[float]


class Overlap(Base):
    """The piece that two shapes share, the left one of the layer that was there first; what bounds it, in metres."""

    __tablename__ = "overlap"
    __table_args__ = (
        CheckConstraint("area_m2 > 0", name="area_m2_positive"),
        Index("ix_overlap_right_sha256", "right_sha256"),
    )
    left_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    right_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    area_m2: Mapped[float]
    left_inside_m: Mapped[float]
    right_inside_m: Mapped[float]
    together_m: Mapped[float]


class GridCell(Versioned, Base):
    """Embed mode: `cell_id`, a grid of the layer built from, belongs to `grid_id`."""

    __tablename__ = "grid_cell"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        ForeignKeyConstraint(["grid_id", "layer_id"], ["grid.id", "grid.layer_id"]),
        at_most_one("layer_id", "cell_id", name="one_grid_of_a_cell"),
        Index("ix_grid_cell_grid_id", "grid_id"),
        Index("ix_grid_cell_cell_id", "cell_id"),
    )
    id: Mapped[Id]
    grid_id: Mapped[int]
    layer_id: Mapped[int]
    cell_id: Mapped[int] = mapped_column(ForeignKey("grid.id"))


class Lineage(Base):
    """Where a grid came from, with shares, so that time series survive a redraw."""

    __tablename__ = "lineage"
    __table_args__ = (
        UniqueConstraint("pred_id", "succ_id", "at", "plan_id"),
        one_of("kind", "reshape", "split", "merge", "renumber", "create", "dissolve"),
        CheckConstraint("area_share BETWEEN 0 AND 1", name="area_share_range"),
        CheckConstraint("address_share BETWEEN 0 AND 1", name="address_share_range"),
        CheckConstraint("workload_share BETWEEN 0 AND 1", name="workload_share_range"),
    )
    id: Mapped[Id]
    plan_id: Mapped[UUID | None] = mapped_column(ForeignKey("plan.id"))  # none: before there were plans
    pred_id: Mapped[int] = mapped_column(ForeignKey("grid.id"))
    succ_id: Mapped[int] = mapped_column(ForeignKey("grid.id"))
    kind: Mapped[str]
    at: Mapped[Instant]
    area_share: Mapped[float]  # of the one it came from
    address_share: Mapped[float | None]  # none: it had no address
    workload_share: Mapped[float | None]


class Override(Versioned, Base):
    """An area whose owner differs from the plain rule: a bridge, a park, a venue."""

    __tablename__ = "override"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        valid_shape(),
        ForeignKeyConstraint(["grid_id", "layer_id"], ["grid.id", "grid.layer_id"]),
        at_most_one("code", name="one_override_of_a_code"),
        Index("ix_override_geom", "geom", postgresql_using="gist", postgresql_where=CURRENT),
    )
    id: Mapped[Id]
    code: Mapped[Code]
    layer_id: Mapped[int]
    grid_id: Mapped[int]
    name: Mapped[str]
    geom: Mapped[Areas]
    priority: Mapped[int]
    authority: Mapped[str]
    document_number: Mapped[str]


class Place(Base):
    """A station, post, window, mast, building or site, whatever its name at a time."""

    __tablename__ = "place"
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)


class PlaceVersion(Versioned, Base):
    """A place's name, class and position over time."""

    __tablename__ = "place_version"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        valid_shape("point"),
        at_most_one("place_id", name="one_version_of_a_place"),
        Index("ix_place_version_point", "point", postgresql_using="gist", postgresql_where=CURRENT),
    )
    id: Mapped[Id]
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"))
    name: Mapped[str]
    klass: Mapped[str] = mapped_column("class")
    point: Mapped[Point]
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    parent_place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    floors: Mapped[int | None]


class Address(Base):
    """A street address with its number of dwellings; never who lives there."""

    __tablename__ = "address"
    __table_args__ = (
        CheckConstraint("dwellings >= 0", name="dwellings_not_negative"),
        valid_shape("point"),
        Index("ix_address_point", "point", postgresql_using="gist"),
    )
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)
    text: Mapped[str]
    point: Mapped[Point]
    dwellings: Mapped[int]


class Street(Base):
    """A street, village or estate that addresses are numbered along, or a road; made of them, to be searched."""

    __tablename__ = "street"
    __table_args__ = (
        UniqueConstraint("within", "name"),
        Index(
            "ix_street_sound", "pinyin", "initials", postgresql_using="gin",
            postgresql_ops={"pinyin": "gin_trgm_ops", "initials": "gin_trgm_ops"},
        ),
    )  # fmt: skip
    id: Mapped[Id]
    within: Mapped[Code]  # districts and towns that stand before it in an address, if any
    name: Mapped[Code]  # as `spatial.places.words` writes names
    pinyin: Mapped[Code]
    initials: Mapped[Code]
    roads: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # names of road edges that are this one


class HouseNumber(Base):
    """The number of an address along its street; made of its text, to be searched."""

    __tablename__ = "house_number"
    __table_args__ = (Index("ix_house_number_street_id_number", "street_id", "number"),)
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id", ondelete="CASCADE"), primary_key=True)
    street_id: Mapped[int] = mapped_column(ForeignKey("street.id"))
    number: Mapped[int]
    suffix: Mapped[Code]  # what the number is followed by before 号, as in 12-1号
    rest: Mapped[Code]  # what follows, as in 3幢


class PlaceName(Base):
    """What a place, or an address without a number, is called; made of it, to be searched."""

    __tablename__ = "place_name"
    __table_args__ = (
        exactly_one("place_version_id", "address_id"),
        CheckConstraint("(line IS NULL) = (at_m IS NULL)", name="stake_whole"),
        UniqueConstraint("place_version_id"),
        UniqueConstraint("address_id"),
        Index(
            "ix_place_name_sound", "pinyin", "initials", postgresql_using="gin",
            postgresql_ops={"pinyin": "gin_trgm_ops", "initials": "gin_trgm_ops"},
        ),
        Index("ix_place_name_line_at_m", "line", "at_m"),
        Index("ix_place_name_sign", "sign"),
    )  # fmt: skip
    id: Mapped[Id]
    place_version_id: Mapped[int | None] = mapped_column(ForeignKey("place_version.id"))
    address_id: Mapped[int | None] = mapped_column(ForeignKey("address.id", ondelete="CASCADE"))
    pinyin: Mapped[Code | None]  # none of what is looked for by its number alone
    initials: Mapped[Code | None]
    line: Mapped[Code | None]  # of a kilometre stake: the road that is measured
    at_m: Mapped[int | None]  # and how far along it
    sign: Mapped[Code | None]  # of a pole: the number on it


class Barrier(Base):
    """A line that people and patrols do not cross: a river, a railway, an expressway."""

    __tablename__ = "barrier"
    __table_args__ = (valid_shape(), Index("ix_barrier_geom", "geom", postgresql_using="gist"))
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    geom: Mapped[WKBElement] = mapped_column(shape("MULTILINESTRING"))


class Category(Base):
    """A kind of matter, in a tree."""

    __tablename__ = "category"
    __table_args__ = (CheckConstraint("priority BETWEEN 1 AND 5", name="priority_range"),)
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)
    title: Mapped[Texts]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    police_matter: Mapped[bool]
    priority: Mapped[int]  # 1 is the most urgent
    handling_minutes: Mapped[int]


class Responsibility(Base):
    """Which kind of unit answers for a category, alone or jointly, by when."""

    __tablename__ = "responsibility"
    __table_args__ = (UniqueConstraint("category_id", "unit_kind"), one_of("role", "lead", "joint"))
    id: Mapped[Id]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    unit_kind: Mapped[str]
    role: Mapped[str]
    deadline: Mapped[timedelta | None] = mapped_column(Interval)


class Finding(Recorded, Base):
    """A fault in a tiling or a roster, with its place and size, since when it is known."""

    __tablename__ = "finding"
    __table_args__ = (
        *honest_spans("recorded"),
        one_of("severity", "info", "warning", "fault"),
        valid_shape(),
        Index("ix_finding_geom", "geom", postgresql_using="gist", postgresql_where=CURRENT),
        Index("ix_finding_layer_id", "layer_id"),
    )
    id: Mapped[Id]
    layer_id: Mapped[int | None] = mapped_column(ForeignKey("layer.id"))
    kind: Mapped[str]  # gap overlap invalid sliver disconnected …
    severity: Mapped[str]
    geom: Mapped[WKBElement | None] = mapped_column(shape("GEOMETRY"))
    area_m2: Mapped[float | None]
    grids: Mapped[list[str]] = mapped_column(ARRAY(Text(collation="C")), server_default="{}")  # codes concerned
    detail: Mapped[Json] = mapped_column(server_default="{}")
    valid: Mapped[Range_]  # of the faulty state


class Acknowledgement(Versioned, Base):
    """Somebody knows of a finding and says why it may stay so for a while; `valid` is that while."""

    __tablename__ = "acknowledgement"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        CheckConstraint("finding_key ~ '^[0-9a-f]{32}$'", name="finding_key_hex"),
        CheckConstraint("length(trim(reason)) BETWEEN 1 AND 500", name="reason_told"),
        CheckConstraint("NOT lower_inf(valid) AND NOT upper_inf(valid)", name="ends"),
        at_most_one("finding_key", name="one_acknowledgement_of_a_finding"),
        Index("ix_acknowledgement_layer_id", "layer_id"),
    )
    id: Mapped[Id]
    finding_key: Mapped[Code]  # of whatever is found, on record or not: what makes it itself, as a digest
    layer_id: Mapped[int] = mapped_column(ForeignKey("layer.id"))
    kind: Mapped[str]
    grids: Mapped[list[str]] = mapped_column(ARRAY(Text(collation="C")), server_default="{}")  # codes concerned
    officers: Mapped[list[str]] = mapped_column(ARRAY(Text(collation="C")), server_default="{}")  # numbers
    reason: Mapped[str]
    acknowledged_by: Mapped[str]  # name of a principal


class Deployment(Base):
    """The one row that says where and for whom this installation is."""

    __tablename__ = "deployment"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lon_0: Mapped[float]  # central meridian of the planar projection, a multiple of 3°
    timezone: Mapped[str]
    synthetic: Mapped[Texts | None]  # what to print on every map of generated data
    installed_at: Mapped[Instant]
