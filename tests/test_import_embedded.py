"""An import into a layer from whose grids another is built leaves that one true."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from spatial.db import Database, open_version
from spatial.geometry import Geometries
from tests.importing import FOUR, START, SUMMER, Write, counts, everything, faults, geojson_file, take
from tests.test_tiling import in_degrees, shapes_of, square

CODES = ["G0", "G1", "G2", "G3"]
BUILD_POLICE = """
WITH police AS (
    INSERT INTO layer (code, title, kind, visibility, code_scheme, position, built_from_id)
    SELECT 'police', '{}', 'tiling', 'internal', 'free', 2, id FROM layer WHERE code = 'governance' RETURNING id
), squad AS (INSERT INTO grid (layer_id) SELECT id FROM police RETURNING id, layer_id)
INSERT INTO grid_cell (grid_id, layer_id, cell_id, valid, recorded)
SELECT squad.id, squad.layer_id, cell.grid_id, tstzrange(:start, NULL), tstzrange(:stamp, NULL)
FROM squad, grid_version cell
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


@pytest.fixture
def embedded(empty_database: Database, write: Write) -> Database:
    """Return a database in which police grids are built from four governance grids, from the start of 2025 on."""
    take(empty_database, write(FOUR, code=CODES, name=list("abcd")), layer="governance", name="name")
    with empty_database.write() as session:
        stamp = open_version(session, "areas")
        session.execute(text(BUILD_POLICE), {"start": START, "stamp": stamp})
    return empty_database


WIDER = in_degrees(
    shapes_of(
        square(0, 0, 300),
        square(0, 300, 300),
        square(300, 0, 300),
        [(300, 300), (600, 300), (620, 450), (600, 600), (300, 600)],
    )
)


@pytest.mark.parametrize(
    ("shapes", "codes", "complete", "breaking"),
    [
        (WIDER, CODES, False, {"G3"}),
        (FOUR[:3], CODES[:3], True, {"G3"}),
        (in_degrees(shapes_of(square(700, 0, 100))), ["G4"], False, {"G4"}),
    ],
)
def test_cells_of_another_layer_keep_their_shape(
    embedded: Database, write: Write, shapes: Geometries, codes: list[str], breaking: set[str], *, complete: bool
) -> None:
    """A cell that another layer uses is not reshaped, ended or joined by a new one; that layer is named."""
    before = everything(embedded)
    file = write(shapes, code=codes)
    found = faults(lambda: take(embedded, file, layer="governance", effective=SUMMER, complete=complete))
    assert {(one.text, one.values["code"], one.values["layer"]) for one in found} == {
        ("cell-in-use", code, "police") for code in breaking
    }
    assert everything(embedded) == before


def test_attributes_of_cells_may_change(embedded: Database, write: Write) -> None:
    """New names are taken in; so are the same cells before the other layer was there."""
    file = write(FOUR, code=CODES, name=["a", "b", "c", "new"])
    renamed = take(embedded, file, layer="governance", name="name", effective=SUMMER)
    assert counts(renamed) == {"changed": 1, "same": 3}
    earlier = START.replace(year=2024)
    assert counts(take(embedded, file, layer="governance", name="name", effective=earlier)) == {"new": 4}
