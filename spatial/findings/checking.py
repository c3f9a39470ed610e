"""Looking for what is wrong with a layer at any moment: with its tiling, its codes, its people."""

from collections import defaultdict
from collections.abc import Sequence

import shapely
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from spatial.findings.model import Beatless, Coded, Flaw, Held
from spatial.findings.rules import code_flaws, latest, roster_flaws
from spatial.grids.queries import records_in_force, shapes_of
from spatial.grids.tiling import findings
from spatial.history import Moment, in_force
from spatial.tables import Assignment, Grid, GridVersion, Layer, Officer, OfficerVersion, UnitVersion


def tiling(session: Session, layer: Layer, moment: Moment) -> list[Flaw]:
    """Return what is wrong with the shapes of a layer: of a tiling, against the layer that it should cover, too."""
    if layer.kind != "tiling":
        return []
    grids = records_in_force(session, layer.id, moment.at, moment.known_at)
    outline = None
    if layer.parent_layer_id is not None:
        around = records_in_force(session, layer.parent_layer_id, moment.at, moment.known_at)
        outline = shapely.union_all(shapes_of(around)) if around else None
    coded = {grid.code: grid for _, grid in _coded(session, layer, moment)}
    found = []
    for one in findings([grid.code for grid in grids], shapes_of(grids), outline):
        its = [coded[code] for code in one.grids if code in coded]
        owners = tuple(sorted({grid.unit for grid in its if grid.unit is not None}))
        found.append(
            Flaw(one.kind, one.severity, one.grids, (), owners, one.area_m2, one.shape, latest(its), one.detail)
        )
    return found


def codes(session: Session, layer: Layer, moment: Moment) -> list[Flaw]:
    """Return what is wrong with the codes and names of a layer's grids."""
    return code_flaws(layer.code_scheme, [grid for _, grid in _coded(session, layer, moment)])


def roster(session: Session, layer: Layer, moment: Moment) -> list[Flaw]:
    """Return which grids of a layer nobody holds or leads, and which officers lead several or hold none."""
    held: dict[int, list[tuple[str, str]]] = defaultdict(list)
    assigned = (
        select(Assignment.grid_id, Officer.number, Assignment.role)
        .join(Officer, Officer.id == Assignment.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(Grid.layer_id == layer.id, in_force(Assignment, moment.at, moment.known_at))
        .order_by(Officer.number)
    )
    for grid_id, number, role in session.execute(assigned):
        held[grid_id].append((number, role))
    grids = [Held(grid, tuple(held[grid_id])) for grid_id, grid in _coded(session, layer, moment)]
    return roster_flaws(grids, _without_grid(session, layer, moment))


def _without_grid(session: Session, layer: Layer, moment: Moment) -> list[Beatless]:
    """Return officers who hold no grid, of kinds that lead grids of the layer, in units that have such grids."""
    at, known_at = moment.at, moment.known_at
    led = (
        select(OfficerVersion.kind)
        .join(Assignment, Assignment.officer_id == OfficerVersion.officer_id)
        .join(Grid, Grid.id == Assignment.grid_id)
        .where(
            Grid.layer_id == layer.id,
            Assignment.role == "lead",
            in_force(Assignment, at, known_at),
            in_force(OfficerVersion, at, known_at),
        )
    )
    with_grids = select(GridVersion.unit_id).where(
        GridVersion.layer_id == layer.id, in_force(GridVersion, at, known_at)
    )
    holds = exists().where(Assignment.officer_id == OfficerVersion.officer_id, in_force(Assignment, at, known_at))
    wanted = (
        select(Officer.number, OfficerVersion.kind, UnitVersion.code, func.lower(OfficerVersion.valid))
        .join(OfficerVersion, OfficerVersion.officer_id == Officer.id)
        .outerjoin(UnitVersion, (UnitVersion.unit_id == OfficerVersion.unit_id) & in_force(UnitVersion, at, known_at))
        .where(
            in_force(OfficerVersion, at, known_at),
            OfficerVersion.kind.in_(led),
            OfficerVersion.unit_id.in_(with_grids),
            ~holds,
        )
        .order_by(Officer.number)
    )
    return [Beatless(*row) for row in session.execute(wanted)]


def _coded(session: Session, layer: Layer, moment: Moment) -> Sequence[tuple[int, Coded]]:
    """Return the grids of a layer in force by id and code, each with the code of its unit."""
    at, known_at = moment.at, moment.known_at
    named = (UnitVersion.unit_id == GridVersion.unit_id) & in_force(UnitVersion, at, known_at)
    wanted = (
        select(GridVersion.grid_id, GridVersion.code, GridVersion.name, UnitVersion.code, func.lower(GridVersion.valid))
        .outerjoin(UnitVersion, named)
        .where(GridVersion.layer_id == layer.id, in_force(GridVersion, at, known_at))
        .order_by(GridVersion.code)
    )
    return [(row[0], Coded(*row[1:])) for row in session.execute(wanted)]
