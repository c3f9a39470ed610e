"""What all grids of two layers share, against `ST_Intersection` in PostGIS under the same area function."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import shapely
from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.city import load
from benchmarks.town import empty
from spatial.db import Database
from spatial.geometry import Floats, Geometries, area_m2
from spatial.grids.listing import layer_named
from spatial.local_postgis import LocalPostgis
from spatial.overlaps.pieces import pieces

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
LAYERS = ("police", "governance")
THEIRS = text("""
    SELECT l.code AS left, r.code AS right, ST_AsBinary(ST_Intersection(l.geom, r.geom)) AS piece
    FROM grid_version l JOIN grid_version r ON ST_Intersects(l.geom, r.geom)
    WHERE l.layer_id = :left AND r.layer_id = :right AND upper_inf(l.recorded) AND upper_inf(r.recorded)
        AND l.valid @> CAST(:at AS timestamptz) AND r.valid @> CAST(:at AS timestamptz)
""")
GRIDS = text("""
    SELECT code, ST_AsBinary(geom) AS shape FROM grid_version
    WHERE layer_id = (SELECT id FROM layer WHERE code = :layer) AND upper_inf(recorded)
        AND valid @> CAST(:at AS timestamptz)
""")
Areas = dict[tuple[str, str], float]


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case: both read the shapes from the database, and tell the m² of each pair of grids."""
    database = empty(postgis)
    load(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # or it does so meanwhile, now for one, now for another

    def ours() -> Areas:
        (left, left_shapes), (right, right_shapes) = (grids(database, layer) for layer in LAYERS)
        found = pieces(left_shapes, right_shapes)
        return told([left[n] for n in found.left], [right[n] for n in found.right], found.area_m2)

    def theirs() -> Areas:
        with database.read() as session:
            session.execute(text("SET LOCAL statement_timeout = 0"))
            left, right = (layer_named(session, code).id for code in LAYERS)
            rows = session.execute(THEIRS, {"left": left, "right": right, "at": AT}).all()
        areas = area_m2(np.asarray(shapely.from_wkb([bytes(row.piece) for row in rows]), object))
        return told([row.left for row in rows], [row.right for row in rows], areas)

    yield Case(
        "what each police grid shares with each governance grid of a city", ours, theirs,
        "PostGIS ST_Intersection, in degrees, the same area function", 4.0, len(ours()), "pairs", same=same,
    )  # fmt: skip


def grids(database: Database, layer: str) -> tuple[list[str], Geometries]:
    """Return the codes and the shapes of a layer's grids."""
    with database.read() as session:
        rows = session.execute(GRIDS, {"layer": layer, "at": AT}).all()
    return [row.code for row in rows], np.asarray(shapely.from_wkb([bytes(row.shape) for row in rows]), object)


def told(left: list[str], right: list[str], areas: Floats) -> Areas:
    """Return the m² of each pair that shares any."""
    return {(one, other): area for one, other, area in zip(left, right, areas.tolist(), strict=True) if area > 0}


def same(ours: Areas, theirs: Areas) -> bool:
    """Whether all pairs agree within 1e-6, or 0.01 m²."""
    return all(
        abs(ours.get(pair, 0.0) - theirs.get(pair, 0.0)) <= max(1e-6 * theirs.get(pair, 0.0), 0.01)
        for pair in ours.keys() | theirs.keys()
    )
