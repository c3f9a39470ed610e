"""A fault that is on record is mended by an operation, which may change what the layer covers."""

import numpy as np
import pytest
import shapely

from spatial.errors import InputError
from spatial.geometry import round_degrees
from spatial.grids.tiling import findings
from spatial.redraw import operations as asked
from spatial.redraw.model import DraftGrid
from tests.drafts import edited, grids_of, shapes, voronoi


def torn(seed: int = 3) -> tuple[list[DraftGrid], shapely.Point]:
    """Return grids with a hole cut into one of them, and a place in it."""
    drawn = voronoi(seed, 9)
    here = drawn[4].representative_point()
    hole = round_degrees(here.buffer(0.0001, quad_segs=2))
    drawn[4] = shapely.MultiPolygon(shapely.get_parts(shapely.difference(drawn[4], hole)).tolist())
    return grids_of(drawn), here


def test_a_hole_is_given_to_the_grid_around_it() -> None:
    """The fault is gone, and only that grid is another one."""
    grids, here = torn()
    assert [one.kind for one in findings([grid.code for grid in grids], shapes(grids))] == ["gap"]
    after, changes = edited(grids, asked.Repair(layer="cells", at=(here.x, here.y)))
    assert findings([grid.code for grid in after], shapes(after)) == []
    assert [change.becomes.code for change in changes if change.becomes] == ["c5"]
    assert np.isclose(shapely.area(shapes(after)).sum(), shapely.coverage_union_all(shapes(after)).area)


def test_where_nothing_is_wrong_there_is_nothing_to_mend() -> None:
    """That is said, with the place that was named."""
    grids = grids_of(voronoi(3, 9))
    place = grids[0].shape.representative_point()
    with pytest.raises(InputError, match="no-fault-here"):
        edited(grids, asked.Repair(layer="cells", at=(place.x, place.y)))
