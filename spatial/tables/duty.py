"""Officers, teams, shifts and what they cover: the domain `duty`."""

from datetime import date
from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import SmallInteger

from .base import (
    Base,
    Code,
    Id,
    Instant,
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

OFFICER_KINDS = (
    "community_officer",
    "duty_police",
    "auxiliary",
    "grid_leader",
    "grid_worker",
    "enforcement",
    "mediator",
    "volunteer",
)


class Officer(Base):
    """Anyone on duty, known by number."""

    __tablename__ = "officer"
    id: Mapped[Id]
    number: Mapped[Code] = mapped_column(unique=True)


class OfficerVersion(Versioned, Base):
    """An officer's name, kind, unit and duty phone over time."""

    __tablename__ = "officer_version"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        one_of("kind", *OFFICER_KINDS),
        at_most_one("officer_id", name="one_version_of_an_officer"),
        Index("ix_officer_version_unit_id", "unit_id"),
    )
    id: Mapped[Id]
    officer_id: Mapped[int] = mapped_column(ForeignKey("officer.id"))
    name: Mapped[str]
    kind: Mapped[str]
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    duty_phone: Mapped[str | None]


class Assignment(Versioned, Base):
    """Who is responsible for a grid."""

    __tablename__ = "assignment"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        one_of("role", "lead", "deputy", "assist"),
        at_most_one("grid_id", name="one_lead_of_a_grid", where="role = 'lead'"),
        at_most_one("officer_id", "grid_id", name="one_role_in_a_grid"),
        Index("ix_assignment_grid_id", "grid_id"),
    )
    id: Mapped[Id]
    officer_id: Mapped[int] = mapped_column(ForeignKey("officer.id"))
    grid_id: Mapped[int] = mapped_column(ForeignKey("grid.id"))
    role: Mapped[str]


class Team(Base):
    """A squad or crew, known by code."""

    __tablename__ = "team"
    id: Mapped[Id]
    code: Mapped[Code] = mapped_column(unique=True)


class TeamVersion(Versioned, Base):
    """A team's name, call sign, radio group, vehicle and unit over time."""

    __tablename__ = "team_version"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        at_most_one("team_id", name="one_version_of_a_team"),
        Index("ix_team_version_unit_id", "unit_id"),
    )
    id: Mapped[Id]
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    name: Mapped[str]
    kind: Mapped[str]  # squad, crew
    call_sign: Mapped[str]
    radio_group: Mapped[str | None]
    vehicle: Mapped[str | None]
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))


class TeamMember(Versioned, Base):
    """An officer in a team."""

    __tablename__ = "team_member"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        at_most_one("team_id", "officer_id", name="one_place_in_a_team"),
        Index("ix_team_member_team_id", "team_id"),
    )
    id: Mapped[Id]
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    officer_id: Mapped[int] = mapped_column(ForeignKey("officer.id"))


class TeamState(Base):
    """What a team reports of itself; raw positions are kept for hours only."""

    __tablename__ = "team_state"
    __table_args__ = (valid_shape("last_position"),)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    state: Mapped[str]
    last_position: Mapped[WKBElement | None] = mapped_column(shape("POINT"))


class Shift(Recorded, Base):
    """An officer or a team on duty over `planned`; `uuid` names the shift through its corrections.

    On duty is who `actual` says, where it is recorded, else who `planned` says.
    """

    __tablename__ = "shift"
    __table_args__ = (
        *honest_spans("planned", "actual", "recorded"),
        exactly_one("officer_id", "team_id"),
        one_of("kind", "grid", "duty", "standby", "leader", "patrol", "desk"),
        one_of("state", "planned", "confirmed", "done", "cancelled"),
        CheckConstraint("NOT lower_inf(planned) AND NOT upper_inf(planned)", name="planned_bounded"),
        at_most_one("uuid", name="one_version_of_a_shift", spans=("recorded",)),
        at_most_one(
            "officer_id",
            name="one_shift_of_an_officer",
            spans=("planned",),
            where="parent_shift IS NULL AND upper_inf(recorded) AND state <> 'cancelled'",
        ),
        at_most_one(
            "officer_id",
            "parent_shift",
            name="one_part_of_a_shift",
            spans=("planned",),
            where="parent_shift IS NOT NULL AND upper_inf(recorded) AND state <> 'cancelled'",
        ),
        at_most_one(
            "team_id",
            name="one_shift_of_a_team",
            spans=("planned",),
            # most shifts are of officers, and are not to burden this index
            where="team_id IS NOT NULL AND parent_shift IS NULL AND upper_inf(recorded) AND state <> 'cancelled'",
        ),
        at_most_one(
            "team_id",
            "parent_shift",
            name="one_part_of_a_team_shift",
            spans=("planned",),
            where="team_id IS NOT NULL AND parent_shift IS NOT NULL AND upper_inf(recorded) AND state <> 'cancelled'",
        ),
        Index("ix_shift_unit_id_planned", "unit_id", "planned", postgresql_using="gist"),
    )
    id: Mapped[Id]
    uuid: Mapped[UUID]
    kind: Mapped[str]
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))  # whose roster it stands on
    officer_id: Mapped[int | None] = mapped_column(ForeignKey("officer.id"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    planned: Mapped[Range_]
    actual: Mapped[Range_ | None]
    state: Mapped[str] = mapped_column(server_default="planned")
    parent_shift: Mapped[int | None] = mapped_column(ForeignKey("shift.id"))


class Cover(Recorded, Base):
    """The grid, unit or place that a shift covers, over `span` within what was planned and what was actual."""

    __tablename__ = "cover"
    __table_args__ = (
        *honest_spans("span", "recorded"),
        exactly_one("grid_id", "unit_id", "place_id"),
        Index("ix_cover_shift_id", "shift_id"),
        Index(
            "ix_cover_grid_id", "grid_id", "span", postgresql_using="gist", postgresql_where=text("grid_id IS NOT NULL")
        ),
        Index(
            "ix_cover_unit_id", "unit_id", "span", postgresql_using="gist", postgresql_where=text("unit_id IS NOT NULL")
        ),
        Index(
            "ix_cover_place_id",
            "place_id",
            "span",
            postgresql_using="gist",
            postgresql_where=text("place_id IS NOT NULL"),
        ),
    )
    id: Mapped[Id]
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"))
    grid_id: Mapped[int | None] = mapped_column(ForeignKey("grid.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    span: Mapped[Range_]


class Leave(Versioned, Base):
    """An officer away over `valid`: annual leave, sickness, training, secondment."""

    __tablename__ = "leave"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        one_of("kind", "annual", "sick", "training", "secondment", "other"),
        at_most_one("officer_id", name="one_leave_of_an_officer"),
    )
    id: Mapped[Id]
    officer_id: Mapped[int] = mapped_column(ForeignKey("officer.id"))
    kind: Mapped[str]


class DutyEvent(Recorded, Base):
    """What became of a shift over `span`, or is to: breaks are planned."""

    __tablename__ = "duty_event"
    __table_args__ = (
        *honest_spans("span", "recorded"),
        one_of("kind", "present", "break", "no_show", "committed", "unreachable"),
        Index("ix_duty_event_shift_id", "shift_id"),
    )
    id: Mapped[Id]
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"))
    kind: Mapped[str]
    span: Mapped[Range_]


class StaffingRule(Versioned, Base):
    """How many of a role a grid, unit, place or layer needs, at which hours of the week."""

    __tablename__ = "staffing_rule"
    __table_args__ = (
        *honest_spans("valid", "recorded"),
        exactly_one("grid_id", "unit_id", "place_id", "layer_id"),
        at_most_one("code", name="one_rule_of_a_code"),
        CheckConstraint("required >= 0", name="required_not_negative"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_mask"),
        CheckConstraint("minute_from BETWEEN 0 AND 1439 AND minute_to BETWEEN 1 AND 2880", name="minutes_range"),
    )
    id: Mapped[Id]
    code: Mapped[Code]
    grid_id: Mapped[int | None] = mapped_column(ForeignKey("grid.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    layer_id: Mapped[int | None] = mapped_column(ForeignKey("layer.id"))
    officer_kind: Mapped[str | None]
    required: Mapped[int]
    weekdays: Mapped[int] = mapped_column(SmallInteger, server_default="127")  # bit 0 is Monday
    minute_from: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # of the local day
    minute_to: Mapped[int] = mapped_column(SmallInteger, server_default="1440")  # above 1440: past midnight
    auxiliaries_suffice: Mapped[bool] = mapped_column(server_default=text("false"))


class CalendarDay(Base):
    """What kind of day a date is."""

    __tablename__ = "calendar_day"
    __table_args__ = (one_of("kind", "workday", "weekend", "holiday", "make_up_workday"),)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[Texts | None]
