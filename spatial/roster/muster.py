"""How many people are on duty."""

from sqlalchemy import ColumnElement, exists, func, select, union
from sqlalchemy.orm import Session

from spatial.history import Moment, in_force, known
from spatial.roster.stored import ABSENT
from spatial.tables import DutyEvent, Leave, Shift, TeamMember


def on_duty_count(session: Session, moment: Moment) -> int:
    """Return how many officers are on a shift at the moment, alone or in a team, and neither on leave nor absent."""
    alone = select(Shift.officer_id.label("officer_id")).where(*_running(moment), Shift.officer_id.is_not(None))
    in_teams = (
        select(TeamMember.officer_id)
        .join(Shift, Shift.team_id == TeamMember.team_id)
        .where(*_running(moment), in_force(TeamMember, moment.at, moment.known_at))
    )
    present = union(alone, in_teams).subquery()
    away = exists().where(Leave.officer_id == present.c.officer_id, in_force(Leave, moment.at, moment.known_at))
    return session.scalar(select(func.count()).select_from(present).where(~away)) or 0


def _running(moment: Moment) -> tuple[ColumnElement[bool], ...]:
    absent = exists().where(
        DutyEvent.shift_id.in_((Shift.id, Shift.parent_shift)),  # absent from the whole is absent from its parts
        DutyEvent.kind.in_(ABSENT),
        DutyEvent.span.op("@>")(moment.at),
        known(DutyEvent, moment.known_at),
    )
    span = func.coalesce(Shift.actual, Shift.planned)
    return span.op("@>")(moment.at), Shift.state != "cancelled", known(Shift, moment.known_at), ~absent
