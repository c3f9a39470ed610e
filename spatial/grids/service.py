"""Writes of layers, grids, units and findings, inside the caller's transaction and version of `areas`.

`stamp` is what `open_version(session, "areas")` returned: when the system came to know what is written.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import shapely
from geoalchemy2.shape import from_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from spatial.geometry import Plane
from spatial.grids.queries import FindingState, GridState, standing_findings
from spatial.grids.tiling import TILING_KINDS, TilingFinding
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
    session: Session, code: str, title: Mapping[str, str], kind: str, *, visibility: str, code_scheme: str
) -> Layer:
    """Add a layer after those there are."""
    last = session.scalar(select(func.coalesce(func.max(Layer.position), 0)))
    layer = Layer(
        code=code,
        title=dict(title),
        kind=kind,
        visibility=visibility,
        code_scheme=code_scheme,
        position=(last or 0) + 1,
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


def replace_versions(
    session: Session,
    layer_id: int,
    ended: Collection[GridState],
    made: Sequence[NewVersion],
    *,
    start: datetime,
    stamp: datetime,
) -> None:
    """End versions at `start` and write new ones; what was in force before `start` stays as it was."""
    if ended:
        cut(session, GridVersion, [state.version_id for state in ended], since(start), stamp)
    unborn = [{"layer_id": layer_id} for version in made if version.grid_id is None]
    ids = iter(_new_ids(session, Grid, unborn))
    rows = [
        {
            "grid_id": next(ids) if version.grid_id is None else version.grid_id,
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
        for version in made
    ]
    if rows:
        session.execute(insert(GridVersion), rows)


def record_findings(
    session: Session, layer_id: int, found: Collection[TilingFinding], *, span: Span, stamp: datetime
) -> None:
    """Record what is wrong with a tiling over a span; what stands already stays, what is mended ends."""
    start = cast("datetime", span.lower)
    standing = {_identity(one): one for one in standing_findings(session, layer_id, start, TILING_KINDS)}
    now = {_identity(one): one for one in found}
    mended = [one.id for key, one in standing.items() if key not in now]
    if mended:
        cut(session, Finding, mended, span, stamp)
    rows = [_finding_row(one, layer_id, span, stamp) for key, one in now.items() if key not in standing]
    if rows:
        session.execute(insert(Finding), rows)


def _finding_row(one: TilingFinding, layer_id: int, span: Span, stamp: datetime) -> dict[str, Any]:
    return {
        "layer_id": layer_id,
        "kind": one.kind,
        "severity": one.severity,
        "geom": None if one.shape is None else from_shape(one.shape, srid=SRID),
        "area_m2": one.area_m2,
        "grids": list(one.grids),
        "detail": one.detail,
        "valid": span,
        "recorded": since(stamp),
    }


def _identity(one: TilingFinding | FindingState) -> tuple[str, tuple[str, ...], bytes]:
    """Return what makes two findings the same: kind, grids and place."""
    place = b"" if one.shape is None else shapely.to_wkb(shapely.normalize(one.shape))
    return one.kind, one.grids, place


def _new_ids(session: Session, table: type[Grid] | type[Unit], rows: list[dict[str, Any]]) -> list[int]:
    if not rows:
        return []
    made = insert(table).returning(table.id, sort_by_parameter_order=True)
    return list(session.scalars(made, rows))
