"""A layer that was drawn anew elsewhere becomes a plan: what its file changes is found, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from api import import_jobs, worker
from spatial import jobs
from spatial.access import operator
from spatial.db import Database
from spatial.errors import GeometryFault, InputError
from spatial.history import Moment
from spatial.imports.files import Asked, opened
from spatial.imports.grids.drafting import Drafted, draft_from
from spatial.imports.grids.model import Columns, Drawing, Request
from spatial.imports.grids.service import export_layer
from spatial.imports.mapping import Mapping
from spatial.imports.read import read_whole
from spatial.settings import Settings
from spatial.time import now

AT = datetime.fromisoformat("2025-03-05T08:00:00+08:00")
ONE, OTHER, FAR = "339901001006011", "339901001006006", "339901001001001"


@pytest.fixture
def drawing(town: Database, tmp_path: Path) -> Any:
    """Return the governance grids of the town as a GIS reads them from a GeoPackage."""
    path = tmp_path / "governance.gpkg"
    export_layer(town, operator("test"), "governance", Moment(AT), path, "gpkg", crs="EPSG:4490", settings=Settings())
    return geopandas.read_file(path)


def drafted(session: Session, drawn: Any, folder: Path, suffix: str = ".gpkg") -> Drafted:
    """Return a plan made of a drawing."""
    path = folder / f"drawn{suffix}"
    drawn.to_file(path, **({"encoding": "UTF-8"} if suffix == ".shp" else {}))
    columns = Columns({"code": "code", "name": "name"})
    drawing = Drawing("草图", None, now())
    request = Request("governance", columns, AT, complete=True, drawing=drawing)
    table = read_whole(opened(path, Mapping(), Asked(), wants_shapes=True), ())
    return draft_from(session, operator("test"), table, request, Settings(), drawing)


def redrawn(drawing: Any) -> Any:
    """Return a drawing in which the border between two grids is another one."""
    drawn = drawing.copy()
    one, other = (drawn[drawn.code == code].index[0] for code in (ONE, OTHER))
    both = shapely.union_all([drawn.geometry[one], drawn.geometry[other]])
    west, south, east, north = both.bounds
    middle = (west + east) / 2
    drawn.loc[one, "geometry"] = both & shapely.box(west, south, middle, north)
    drawn.loc[other, "geometry"] = both & shapely.box(middle, south, east, north)
    return drawn


@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_what_a_drawing_changes_is_found(town_copy: Database, drawing: Any, tmp_path: Path, suffix: str) -> None:
    """A border moved and a name changed are the plan's one operation; what the file has as it was is left alone."""
    drawn = redrawn(drawing)
    drawn.loc[drawn[drawn.code == FAR].index[0], "name"] = "改名"
    with town_copy.trial() as session:
        made = drafted(session, drawn, tmp_path, suffix)
        edited = {one.code for one in made.done.measures.grids if one.before and one.after and one.before != one.after}
        touched = {one.code for one in made.done.measures.grids}
    assert {ONE, OTHER} <= edited
    assert FAR in touched
    assert len(touched) < 12, "and the neighbours that get vertices, and their police grids"


def test_a_drawing_as_it_was_is_no_plan(town_copy: Database, drawing: Any, tmp_path: Path) -> None:
    """Nothing is changed, and that is said."""
    with town_copy.trial() as session, pytest.raises(InputError, match="changes-nothing"):
        drafted(session, drawing, tmp_path)


def test_a_drawing_with_a_hole_is_refused_with_its_place(town_copy: Database, drawing: Any, tmp_path: Path) -> None:
    """Whatever would tear the tiling is told, each fault with its grids, its size and where it is."""
    drawn = drawing.copy()
    one = drawn[drawn.code == ONE].index[0]
    hole = drawn.geometry[one].centroid.buffer(0.0002)
    drawn.loc[one, "geometry"] = drawn.geometry[one] - hole
    with town_copy.trial() as session, pytest.raises(GeometryFault) as refused:
        drafted(session, drawn, tmp_path)
    (fault,) = [
        one for one in refused.value.faults if one.text == "edit-makes-gap" and one.values["layer"] == "governance"
    ]
    assert fault.values["grids"] == [ONE]
    assert hole.contains(shapely.Point(fault.values["lon"], fault.values["lat"]))


def test_a_grid_that_is_new_in_a_drawing_joins_the_police_grid_it_was_in(
    town_copy: Database, drawing: Any, tmp_path: Path
) -> None:
    """A cell cut in two in the drawing: both halves are cells of the police grid, whose area is as it was."""
    drawn = drawing.copy()
    one = drawn[drawn.code == ONE].index[0]
    west, south, east, north = drawn.geometry[one].bounds
    middle = (west + east) / 2
    half = drawn.loc[[one]].copy()
    half["code"] = "339901001006900"
    half["geometry"] = [drawn.geometry[one] & shapely.box(west, south, middle, north)]
    drawn.loc[one, "geometry"] = drawn.geometry[one] & shapely.box(middle, south, east, north)
    drawn = geopandas.GeoDataFrame(geopandas.pd.concat([drawn, half]), crs=drawing.crs)
    with town_copy.trial() as session:
        made = drafted(session, drawn, tmp_path)
        new = next(change.becomes for change in made.done.changes if change.was is None)
        old = next(change.becomes for change in made.done.changes if change.becomes and change.becomes.code == ONE)
    assert new is not None
    assert new.holders
    assert new.holders == old.holders


def test_a_drawing_is_sent_and_becomes_a_plan(
    town_copy: Database,
    drawing: Any,
    tmp_path: Path,
    client_as: Callable[..., TestClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over HTTP as at the command line: a dry run says what it changes, and the commit makes a plan and no more."""
    config = Settings(language="en", data_dir=tmp_path)
    for module in (import_jobs, worker):
        monkeypatch.setattr(module, "settings", lambda: config)
    path = tmp_path / "drawn.gpkg"
    redrawn(drawing).to_file(path)
    planner = client_as(town_copy, "planner")
    asked = {"layer": "governance", "complete": "true", "plan": "草图", "name": "name", "effective": AT.isoformat()}
    sent = planner.post("/imports/grids", files={"file": ("drawn.gpkg", path.read_bytes())}, data=asked)
    assert sent.status_code == 202, sent.text
    work(town_copy)
    where = sent.headers["location"]
    tried = planner.get(where).json()
    assert tried["can_commit"], tried
    assert tried["dry_run"]["report"]["plan_id"] is None
    assert planner.get("/plans").json()["items"] == []
    assert planner.post(f"{where}/commit").status_code == 202
    work(town_copy)
    plan_id = planner.get(where).json()["commit"]["report"]["plan_id"]
    (plan,) = planner.get("/plans").json()["items"]
    assert (plan["id"], plan["name"], plan["state"], plan["created_by"]) == (plan_id, "草图", "draft", "demo-planner")


def work(database: Database) -> None:
    """Do all that is due."""
    while jobs.run_next(database, worker.HANDLERS, clock=now) is not None:
        pass
