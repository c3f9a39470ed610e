"""One look-up from PostGIS, against the plain SQL that a user would write for owner and responsible officer alone."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import text

from benchmarks.case import Case
from benchmarks.town import loaded
from spatial.local_postgis import LocalPostgis
from spatial.lookup import stored
from spatial.lookup.model import Question

AT = datetime(2025, 3, 5, 2, tzinfo=UTC)
POINTS = 200
PLAIN = text(
    """
    SELECT l.code AS layer, v.code AS grid, o.number AS officer
    FROM layer l
    JOIN grid_version v ON v.layer_id = l.id AND upper_inf(v.recorded) AND v.valid @> CAST(:at AS timestamptz)
    LEFT JOIN assignment a ON a.grid_id = v.grid_id AND a.role = 'lead' AND upper_inf(a.recorded)
        AND a.valid @> CAST(:at AS timestamptz)
    LEFT JOIN officer o ON o.id = a.officer_id
    WHERE ST_Covers(v.geom, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))
    ORDER BY l.position
    """
)
Owners = list[tuple[str, str, str | None]]


def cases(postgis: LocalPostgis) -> Iterator[Case]:
    """Yield the case on the town."""
    database = loaded(postgis)
    with database.read() as session:
        extent = text(
            "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM (SELECT ST_Extent(geom) e FROM grid_version) x"
        )
        west, south, east, north = session.execute(extent).one()
    rng = random.Random(1)
    points = [(rng.uniform(west, east), rng.uniform(south, north)) for _ in range(POINTS)]

    def ours() -> list[Owners]:
        found = []
        for lon, lat in points:
            with database.read() as session:
                answer = stored.answer(session, Question(lon, lat, AT))
            found.append(
                [
                    (
                        one.layer,
                        one.grid.code,
                        next((held.officer.number for held in one.responsible if held.role == "lead"), None),
                    )
                    for one in answer.layers
                    if one.grid
                ]
            )
        return found

    def theirs() -> list[Owners]:
        found = []
        for lon, lat in points:
            with database.read() as session:
                rows = session.execute(PLAIN, {"lon": lon, "lat": lat, "at": AT})
                found.append([(row.layer, row.grid, row.officer) for row in rows])
        return found

    name = "look-up from PostGIS with chain, border and next change"
    yield Case(name, ours, theirs, "plain SQL for owner and lead alone", 0.02, POINTS, "look-ups")
