"""Very many places in a layer, and what PostGIS says of each."""

from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from spatial.geometry import Floats, Geometries

AT_ONCE = 50_000
OWNERS = text(
    """
    SELECT p.n - 1 AS place, min(v.code COLLATE "C") AS code,
           NOT bool_or(ST_ContainsProperly(v.geom, p.geom) AND v.code = o.code) AS on_boundary
    FROM (SELECT n, ST_SetSRID(ST_MakePoint(lon, lat), 4490) AS geom
          FROM unnest(CAST(:lon AS float8[]), CAST(:lat AS float8[])) WITH ORDINALITY AS given(lon, lat, n)) p
    CROSS JOIN LATERAL (
        SELECT code FROM grid_version
        WHERE layer_id = :layer AND upper_inf(recorded) AND valid @> CAST(:at AS timestamptz)
            AND ST_Covers(geom, p.geom)
        ORDER BY code COLLATE "C" LIMIT 1) o
    JOIN grid_version v ON v.layer_id = :layer AND upper_inf(v.recorded) AND v.valid @> CAST(:at AS timestamptz)
        AND v.code = o.code
    GROUP BY p.n
    """
)


def owners(session: Session, layer: int, at: datetime, lon: Floats, lat: Floats) -> tuple[list[str], NDArray[np.bool_]]:
    """Return the code of who owns each place as PostGIS has it (none: empty), and whether it is on that border."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    codes, on_boundary = [""] * len(lon), np.zeros(len(lon), bool)
    for start in range(0, len(lon), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        values = {"lon": lon[part].tolist(), "lat": lat[part].tolist(), "layer": layer, "at": at}
        for place, code, is_on in session.execute(OWNERS, values):
            codes[start + place], on_boundary[start + place] = code, is_on
    return codes, on_boundary


def spread(rng: np.random.Generator, shapes: Geometries, count: int) -> tuple[Floats, Floats]:
    """Return places all over some shapes, and a little beyond."""
    west, south, east, north = shapely.total_bounds(shapes)
    about = 0.02 * (east - west)
    return rng.uniform(west - about, east + about, count), rng.uniform(south - about, north + about, count)


def along(shapes: Geometries) -> tuple[Floats, Floats]:
    """Return every vertex, and the middle of every edge."""
    rings = shapely.get_rings(shapely.get_parts(shapes))
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    middles = ((xy[1:] + xy[:-1]) / 2)[ring[1:] == ring[:-1]]
    both = np.concatenate([xy, middles])
    return both[:, 0].copy(), both[:, 1].copy()
