"""Writes of layers, grids, units and findings, inside the caller's transaction and version of `areas`.

`stamp` is what `open_version(session, "areas")` returned: when the system came to know what is written.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from geoalchemy2.shape import from_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Table, func, insert, literal, select
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.orm import Session

from spatial.geometry import Plane
from spatial.grids.queries import FindingRecord, GridRecord, findings_from
from spatial.grids.standing import Standing
from spatial.grids.tiling import TILING_KINDS, Identity, identity
from spatial.history import cut
from spatial.tables import SRID, Deployment, Finding, Grid, GridVersion, Layer, Span, Unit, UnitVersion
from spatial.time import since


@dataclass(frozen=True)
class NewVersion:
    """A version to write; `grid_id` None makes a new grid."""

    grid_id: int | None
    code: str
    name: str
    kind: str
    unit_id: int | None
    attributes: Mapping[str, Any]
    valid: Span
    shape: BaseGeometry


def install(session: Session, plane: Plane, timezone: str, stamp: datetime) -> None:
    """Record where this deployment is, once and for all."""
    session.execute(insert(Deployment).values(id=1, lon_0=plane.lon_0, timezone=timezone, installed_at=stamp))


def create_layer(
    session: Session,
    code: str,
    title: Mapping[str, str],
    kind: str,
    *,
    visibility: str,
    code_scheme: str,
    within_id: int | None = None,
) -> Layer:
    """Add a layer after those there are; `within_id` is the layer whose grids it should cover."""
    last = session.scalar(select(func.coalesce(func.max(Layer.position), 0)))
    layer = Layer(
        code=code,
        title=dict(title),
        kind=kind,
        visibility=visibility,
        code_scheme=code_scheme,
        position=(last or 0) + 1,
        parent_layer_id=within_id,
    )
    session.add(layer)
    session.flush()
    return layer


def create_units(
    session: Session, named: Mapping[str, str], *, tree: str, kind: str, start: datetime, stamp: datetime
) -> dict[str, int]:
    """Add units of one tree and kind by code and name, in force from `start`; return their ids by code."""
    if not named:
        return {}
    ids = _new_ids(session, Unit, [{"tree": tree}] * len(named))
    spans = {"valid": since(start), "recorded": since(stamp)}
    session.execute(
        insert(UnitVersion),
        [
            {"unit_id": unit_id, "code": code, "name": name, "kind": kind, **spans}
            for unit_id, (code, name) in zip(ids, named.items(), strict=True)
        ],
    )
    return dict(zip(named, ids, strict=True))


def extend_units(session: Session, spans: Mapping[int, Span], *, stamp: datetime) -> None:
    """Have unit versions, by id, in force over further spans, with all that they say."""
    columns = [column for column in cast("Table", UnitVersion.__table__).columns if column.name != "id"]
    for version_id, span in spans.items():
        new = {"valid": literal(span, TSTZRANGE), "recorded": literal(since(stamp), TSTZRANGE)}
        row = select(*(new.get(column.name, column) for column in columns)).where(UnitVersion.id == version_id)
        session.execute(insert(UnitVersion).from_select([column.name for column in columns], row))


def replace_versions(
    session: Session,
    layer_id: int,
    ended: Collection[GridRecord],
    made: Sequence[NewVersion],
    *,
    start: datetime,
    stamp: datetime,
) -> list[int]:
    """End versions at `start` and write new ones; what was in force before `start` stays as it was.

    Returns the ids of the grids that the new ones are of.
    """
    if ended:
        cut(session, GridVersion, [state.version_id for state in ended], since(start), stamp)
    unborn = [{"layer_id": layer_id} for version in made if version.grid_id is None]
    ids = iter(_new_ids(session, Grid, unborn))
    grid_ids = [next(ids) if version.grid_id is None else version.grid_id for version in made]
    rows = [
        {
            "grid_id": grid_id,
            "layer_id": layer_id,
            "code": version.code,
            "name": version.name,
            "kind": version.kind,
            "unit_id": version.unit_id,
            "attributes": dict(version.attributes),
            "geom": from_shape(version.shape, srid=SRID),
            "valid": version.valid,
            "recorded": since(stamp),
        }
        for grid_id, version in zip(grid_ids, made, strict=True)
    ]
    if rows:
        session.execute(insert(GridVersion), rows)
    return grid_ids


def record_findings(
    session: Session, layer_id: int, standing: Collection[Standing], *, start: datetime, stamp: datetime
) -> None:
    """Record all that is wrong with a tiling from `start` on; what is on record and stays so is left alone."""
    wanted: dict[Identity, list[Standing]] = defaultdict(list)
    for one in standing:
        wanted[identity(one.finding.kind, one.finding.grids, one.finding.shape)].append(one)
    recorded: dict[Identity, list[FindingRecord]] = defaultdict(list)
    for record in findings_from(session, layer_id, start, TILING_KINDS):
        recorded[record.identity].append(record)
    differing = [
        key
        for key in {*wanted, *recorded}
        if [one.span for one in wanted[key]] != _joined([record.valid for record in recorded[key]], start)
    ]
    outdated = [record.id for key in differing for record in recorded[key]]
    if outdated:
        cut(session, Finding, outdated, since(start), stamp)
    rows = [_finding_row(one, layer_id, stamp) for key in sorted(differing) for one in wanted[key]]
    if rows:
        session.execute(insert(Finding), rows)


def _joined(spans: Sequence[Span], start: datetime) -> list[Span]:
    """Return spans in order from `start` on, those that meet as one."""
    joined: list[Span] = []
    for span in spans:
        first = start if span.lower is None else max(start, span.lower)
        if joined and joined[-1].upper == first:
            first = cast("datetime", joined.pop().lower)
        joined.append(since(first, span.upper))
    return joined


def _finding_row(one: Standing, layer_id: int, stamp: datetime) -> dict[str, Any]:
    """Return a row of a finding."""
    found = one.finding
    return {
        "layer_id": layer_id,
        "kind": found.kind,
        "severity": found.severity,
        "geom": None if found.shape is None else from_shape(found.shape, srid=SRID),
        "area_m2": found.area_m2,
        "grids": list(found.grids),
        "detail": found.detail,
        "valid": one.span,
        "recorded": since(stamp),
    }


def _new_ids(session: Session, table: type[Grid] | type[Unit], rows: list[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    made = insert(table).returning(table.id, sort_by_parameter_order=True)
    return list(session.scalars(made, rows))
