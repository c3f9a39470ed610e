"""The SQL of look-up."""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import shapely
from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.orm import Session, aliased

from spatial.db import reach_in
from spatial.history import Moment, in_force, known
from spatial.lookup.model import Candidate, GridRef, Question
from spatial.roster.queries import Subjects
from spatial.tables import SRID, Finding, GridVersion, Layer
from spatial.time import LATEST

NEXT_CHANGE = (Path(__file__).parent / "next_change.sql").read_text(encoding="utf-8")
SOON = timedelta(days=2)
METRES_PER_DEGREE = 110_500.0  # a little less than anywhere, so that boxes are a little too large


@dataclass(frozen=True)
class Surroundings:
    """What an answer stands on: grids and units whose roster was read, the owners, layers without one, the radius."""

    subjects: Subjects
    owners: Sequence[int]
    open_layers: Sequence[int]
    radius_m: float


def layers(session: Session, codes: Collection[str] | None = None) -> list[Layer]:
    """Return layers in their order of display; `codes` picks some."""
    wanted = select(Layer).order_by(Layer.position, Layer.code)
    return list(session.scalars(wanted if codes is None else wanted.where(Layer.code.in_(codes))))


def containing(session: Session, question: Question) -> list[Candidate]:
    """Return the grids of all layers that contain the place or touch it."""
    touches = func.ST_Intersects(GridVersion.geom, _point(question))
    return _candidates(session, _grids(_moment(question)).where(touches))


def about(session: Session, question: Question, layer_id: int, radius_m: float) -> list[Candidate]:
    """Return the grids of a layer whose boxes come within some metres of the place."""
    dx, dy = box_degrees(question.lat, radius_m)
    box = func.ST_Expand(_point(question), dx, dy)
    wanted = _grids(_moment(question)).where(GridVersion.layer_id == layer_id, GridVersion.geom.op("&&")(box))
    return _candidates(session, wanted)


def nearest(session: Session, question: Question, layer_id: int) -> Candidate | None:
    """Return the grid of a layer that is nearest in degrees: a first guess at the nearest in metres."""
    by_distance = GridVersion.geom.op("<->")(_point(question))
    wanted = _grids(_moment(question)).where(GridVersion.layer_id == layer_id).order_by(by_distance).limit(1)
    return next(iter(_candidates(session, wanted)), None)


def neighbours(session: Session, grid_ids: Collection[int], moment: Moment) -> dict[int, dict[int, int | None]]:
    """Return, for some grids, the grids of the same layer that touch them, each with its unit."""
    other = aliased(GridVersion)
    rows = session.execute(
        select(GridVersion.grid_id, other.grid_id.label("other_id"), other.unit_id)
        .join(other, (other.layer_id == GridVersion.layer_id) & func.ST_Intersects(other.geom, GridVersion.geom))
        .where(
            GridVersion.grid_id.in_(grid_ids),
            other.grid_id != GridVersion.grid_id,
            in_force(GridVersion, moment.at, moment.known_at),
            in_force(other, moment.at, moment.known_at),
        )
    )
    found: dict[int, dict[int, int | None]] = defaultdict(dict)
    for row in rows:
        found[row.grid_id][row.other_id] = row.unit_id
    return found


def faults_at(session: Session, question: Question) -> dict[int, Finding]:
    """Return the recorded gap or overlap in which the place lies, by layer id."""
    wanted = select(Finding).where(
        Finding.kind.in_(("gap", "uncovered", "overlap", "sliver")),
        Finding.valid.op("@>")(question.at),
        known(Finding, question.known_at),
        func.ST_Intersects(Finding.geom, _point(question)),
    )
    return {finding.layer_id: finding for finding in session.scalars(wanted) if finding.layer_id is not None}


def hidden_layers(session: Session, question: Question) -> frozenset[int]:
    """Return the layers in which the place lies in a grid that whoever asks does not see."""
    reach = reach_in(session)
    if reach is None or reach.units is None:
        return frozenset()
    hidden = func.hidden_layers(_point(question), question.at, question.known_at)
    return frozenset(session.scalars(select(hidden)))


def is_own(session: Session, unit_id: int | None) -> bool:
    """Return whether whoever asks sees the people of a unit: of neighbours only the grids are seen."""
    reach = reach_in(session)
    return reach is None or reach.units is None or unit_id in reach.units


def grids_in_force(session: Session, layer_ids: Sequence[int], moment: Moment) -> list[Candidate]:
    """Return all grids of some layers."""
    wanted = _grids(moment).where(GridVersion.layer_id.in_(layer_ids)).order_by(GridVersion.layer_id, GridVersion.code)
    return _candidates(session, wanted)


def next_change(session: Session, question: Question, about: Surroundings) -> datetime | None:
    """Return the first instant after the question's at which its answer may change; None: nothing is planned."""
    dx, dy = box_degrees(question.lat, about.radius_m)
    recorded = (
        "upper_inf({0}recorded)" if question.known_at is None else "{0}recorded @> CAST(:known_at AS timestamptz)"
    )
    sql = NEXT_CHANGE.format(
        known=recorded.format(""),
        known_c=recorded.format("c."),
        known_s=recorded.format("s."),
        known_g=recorded.format("g."),
        known_o=recorded.format("o."),
    )
    values: dict[str, Any] = {"lon": question.lon, "lat": question.lat, "dx": dx, "dy": dy, "at": question.at}
    values |= {"grids": list(about.subjects.grids), "units": list(about.subjects.units)}
    values |= {"owners": list(about.owners), "open_layers": list(about.open_layers)}
    if question.known_at is not None:
        values["known_at"] = question.known_at
    found: datetime | None = None
    for horizon in (question.at + SOON, LATEST):  # nearly always something changes soon, and few shifts are to be read
        found = session.scalar(text(sql), values | {"horizon": horizon})
        if found is not None and found <= horizon:
            break
    return found


def box_degrees(lat: float, radius_m: float) -> tuple[float, float]:
    """Return half the width and height, in degrees, of a box that holds a circle of some metres."""
    dy = radius_m / METRES_PER_DEGREE
    return dy / max(math.cos(math.radians(min(abs(lat) + dy, 89.0))), 0.01), dy


def _moment(question: Question) -> Moment:
    return Moment(question.at, question.known_at)


def _point(question: Question) -> ColumnElement[Any]:
    return func.ST_SetSRID(func.ST_MakePoint(question.lon, question.lat), SRID)


def _grids(moment: Moment) -> Select[*tuple[Any, ...]]:
    version = GridVersion
    return select(
        version.grid_id,
        version.layer_id,
        version.unit_id,
        version.code,
        version.name,
        version.kind,
        func.lower(version.valid).label("since"),
        func.upper(version.valid).label("until"),
        func.ST_AsBinary(version.geom).label("wkb"),
    ).where(in_force(version, moment.at, moment.known_at))


def _candidates(session: Session, wanted: Select[*tuple[Any, ...]]) -> list[Candidate]:
    rows = session.execute(wanted).all()
    shapes = shapely.from_wkb([bytes(row.wkb) for row in rows])
    return [
        Candidate(
            GridRef(row.grid_id, row.code, row.name, row.kind, row.since, row.until),
            row.layer_id,
            row.unit_id,
            shape,
        )
        for row, shape in zip(rows, shapes, strict=True)
    ]
