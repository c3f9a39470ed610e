"""Who may do what: the tables of docs/access.md, cell by cell, for grants over everything and for limited ones."""

import re
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from shapely.geometry import mapping
from sqlalchemy import text
from sqlalchemy.orm import Session

from api.app import SLICES, create_app
from api.cli import main
from spatial import jobs
from spatial.access import operator
from spatial.access.gis import add_gis_login, drop_gis_login
from spatial.errors import Denied
from spatial.postgresql import API
from spatial.settings import ROOT, Settings, settings
from spatial.tables import ROLES
from spatial.time import now
from tests.access_world import SCOPES, Precinct
from tests.build import LAT, LON
from tests.build import cell as square

TABLES = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
SOME_DAY, NEXT_DAY = "2025-03-03T08:30:00+08:00", "2025-03-04T08:30:00+08:00"
TOMORROW = (now() + timedelta(days=1)).isoformat()
EVENT = {"source": "110", "external_id": "new", "category": "theft", "reported_at": "2025-03-03T08:30:00+08:00"}
BODIES = {
    "POST /demo/switch": {"data": {"name": "demo-viewer"}},
    "POST /incidents": {"json": {**EVENT, "lon": LON, "lat": LAT}},
    "POST /incidents/batch": {"json": []},
    "PUT /sources/{source}/categories": {"json": {}},
    "POST /imports/{subject}": {"files": {"file": ("a.csv", b"a\n1\n")}},
    "POST /principals": {"json": {"name": "viewer-whole"}},
    "PUT /principals/{name}/login": {"json": {"login": None}},
    "POST /principals/{name}/grants": {"json": {"role": "viewer"}},
    "POST /principals/{name}/tokens": {"json": {"label": "test"}},
    "POST /plans": {"json": {"name": "draft", "layers": ["police"]}},
    "POST /plans/{plan_id}/ops": {"json": {"kind": "lock", "layer": "police", "grids": ["A"]}},
    "PUT /plans/{plan_id}/head": {"json": {"n": 0}},
    "POST /plans/{plan_id}/rebase": {"json": {}},
    "POST /plans/{plan_id}/marks": {"json": {"name": "mark"}},
    "POST /plans/{plan_id}/comments": {"json": {"text": "words"}},
    "POST /plans/{plan_id}/return": {"json": {"reason": "words"}},
    "POST /plans/{plan_id}/approve": {"json": {"document_number": "1"}},
    "POST /plans/{plan_id}/publish": {"json": {"effective": "2025-03-03T08:30:00+08:00"}},
    "POST /plans/{plan_id}/revert": {"json": {"name": "back"}},
    "POST /sign-in": {"data": {"token": "none"}},
    "GET /lookup": {"params": {"lon": LON, "lat": LAT}},
    "GET /maps/lookup": {"params": {"lon": LON, "lat": LAT}},
    "GET /maps/plan": {"params": {"plan_id": str(uuid.UUID(int=1))}},
    "GET /lookup/changes": {"params": {"lon": LON, "lat": LAT}},
    "GET /lookup/area": {"params": {"lon": LON, "lat": LAT, "radius_m": 10}},
    "POST /lookup/batch": {"json": [{"lon": LON, "lat": LAT}]},
    "POST /lookup/diff": {"json": [{"lon": LON, "lat": LAT}], "params": {"at": [SOME_DAY, NEXT_DAY]}},
    "POST /lookup/area": {"json": mapping(square(0, 0))},
    "GET /places/find": {"params": {"text": "house A"}},
    "POST /findings/{key}/acknowledge": {"json": {"reason": "a bridge", "until": TOMORROW}},
}
NAMES = {
    "layer": "police", "code": "A", "number": "001", "source": "110", "external_id": "in-A",
    "import_id": str(uuid.UUID(int=1)), "subject": "grids", "name": "nobody", "grant_id": str(uuid.UUID(int=1)),
    "token_id": str(uuid.UUID(int=1)), "plan_id": str(uuid.UUID(int=1)), "key": "0" * 32,
}  # fmt: skip


def rows(section: str) -> list[tuple[str, dict[str, str]]]:
    """Return the rows of a section's table: what is asked for, and the cell of each role."""
    lines = re.search(rf"^## {section}\n\n(.*?)(?=\n## |\Z)", TABLES, re.MULTILINE | re.DOTALL)
    assert lines
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1].splitlines() if "|" in line]
    roles = found[0][1:]
    assert tuple(roles) == ROLES
    return [(row[0], dict(zip(roles, row[1:], strict=True))) for row in found[2:]]


@pytest.fixture
def client(precinct: Precinct, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of the service, which logs in with the service's rights."""
    served = precinct.database.as_login(API)
    here = ("127.0.0.1", 50000)
    app = create_app(served, Settings(language="en", data_dir=tmp_path))
    with TestClient(app, "http://127.0.0.1:8000", client=here, raise_server_exceptions=False) as client:
        yield client
    served.engine.dispose()


def test_every_route_stands_in_the_table() -> None:
    """The table of requests names every route of the service, and no other."""
    routes = {
        f"{verb} {route.path}"
        for slice_ in SLICES
        for route in slice_.router.routes
        if isinstance(route, APIRoute)
        for verb in route.methods
    }
    assert {re.sub(r"`| \(.*\)", "", asked) for asked, _ in rows("HTTP")} == routes


def test_each_role_may_do_just_what_the_table_says(precinct: Precinct, client: TestClient) -> None:
    """Every request, asked by every role with every kind of grant, is allowed or refused as its cell says."""
    wrong = []
    for asked, cells in rows("HTTP"):
        for role, cell in cells.items():
            for scope in SCOPES:
                is_limited = scope != "whole" and not role.endswith("_admin")
                allowed = cell in {"yes", "own"} or (cell == "whole" and not is_limited)
                status = ask(precinct, client, asked, f"{role}-{scope}")
                if (status == 403) == allowed or status >= 500:
                    wrong.append(f"{asked} {role} {scope}: {cell}, but {status}")
    assert not wrong, "\n".join(wrong)


VERBS = {
    "lookup": ("lookup", str(LON), str(LAT)),
    "changes": ("changes", str(LON), str(LAT)),
    "area": ("area", str(LON), str(LAT), "10"),
    "find": ("find", "house A"),
    "overlaps": ("overlaps",),
    "overlaps snaps": ("overlaps", "snaps"),
    "check tiling": ("check", "tiling"),
    "check codes": ("check", "codes"),
    "check roster": ("check", "roster"),
    "check parent": ("check", "parent"),
    "check alignment": ("check", "alignment"),
    "check dwellings": ("check", "dwellings"),
    "check repair": ("check", "repair", "0" * 32),
    "check acknowledge": ("check", "acknowledge", "0" * 32, "--reason", "a bridge", "--until", TOMORROW),
    "check withdraw": ("check", "withdraw", "0" * 32),
    "duty gaps": ("duty", "gaps"),
    "plan list": ("plan", "list"),
    "plan new": ("plan", "new", "draft", "--layer", "police"),
    "geotag": ("geotag", "places.csv", "tagged.csv", "--overwrite"),
    "sources": ("sources",),
    "audit list": ("audit", "list"),
    "audit export": ("audit", "export", "-o", "audit.jsonl"),
    "map grids": ("map", "grids", "-o", "map.html"),
    "export grids": ("export", "grids", "--layer", "police", "-o", "grids.geojson"),
    "export officers": ("export", "officers", "-o", "officers.csv"),
    "import grids": (
        "import",
        "grids",
        "grids.csv",
        "--layer",
        "police",
        "--code",
        "code",
        "--source-crs",
        "EPSG:4490",
    ),
    "import officers": ("import", "officers", "officers.csv"),
    "import incidents": ("import", "incidents", "incidents.csv", "--source-crs", "EPSG:4490"),
}
FILES = {
    "grids.csv": 'code,geometry\nZ,"POLYGON ((120 30, 120.001 30, 120.001 30.001, 120 30.001, 120 30))"\n',
    "places.csv": f"lon,lat\n{LON},{LAT}\n",
    "officers.csv": "number,name,kind,unit\n099,甲,auxiliary,S1\n",
    "incidents.csv": "source,external_id,category,reported_at,lon,lat\n"
    "110,9,theft,2025-03-03T08:30:00+08:00,120.27,30.3\n",
}


@pytest.mark.proof
def test_the_command_line_does_for_each_just_what_the_table_says(
    precinct: Precinct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a token the verbs ask as its principal: what the table refuses, they refuse, and say which role it needs."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    wrong = []
    for asked, cells in rows("Command line"):
        for role, cell in cells.items():
            for scope in ("whole", "unit"):
                limited = scope == "unit" and not role.endswith("_admin")
                allowed = cell in {"yes", "own"} or (cell == "whole" and not limited)
                said = run_verb(precinct, f"{role}-{scope}", VERBS[asked.strip("`")], monkeypatch, capsys)
                refused = "needs one of the roles" in said
                if refused == allowed:
                    wrong.append(f"{asked} {role} {scope}: {cell}, but: {said}")
    assert not wrong, "\n".join(wrong)


def run_verb(
    precinct: Precinct, name: str, verb: tuple[str, ...], patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Run a verb with a principal's token, and return what it says is wrong."""
    with patch.context() as set_to:
        set_to.setenv("TWINGRID_DATABASE_URL", precinct.database.engine.url.render_as_string(hide_password=False))
        set_to.setenv("TWINGRID_TOKEN", precinct.tokens[name])
        set_to.setenv("TWINGRID_LANGUAGE", "en")
        set_to.setattr("sys.argv", ["twingrid", *verb])
        settings.cache_clear()
        with pytest.raises(SystemExit):
            sys.exit(main())
    settings.cache_clear()
    return capsys.readouterr().err


VIEWED = {  # by view and kind of grant: codes, or how many
    ("gis_grids", "whole"): {"A", "B", "C", "D", "E", "X"},
    ("gis_grids", "unit"): {"A", "B", "C", "X"},
    ("gis_grids", "layer"): {"A", "B", "C", "D", "E"},
    ("gis_units", "whole"): {"S1", "S2", "S3"},
    ("gis_units", "unit"): {"S1", "S2"},
    ("gis_units", "layer"): {"S1", "S2", "S3"},
    **{
        (f"gis_{what}", scope): 1 if scope == "unit" else 3
        for what in ("places", "incidents", "findings")
        for scope in SCOPES
    },
    **{(f"gis_{what}", scope): 1 for what in ("roads", "barriers") for scope in SCOPES},
}


def test_a_gis_shows_each_login_just_what_the_table_says(precinct: Precinct) -> None:
    """A login reads through the views what its principal reaches: all, its own, a layer; administrators nothing."""
    for role in ROLES:
        for scope in SCOPES:
            name = f"t_{uuid.uuid4().hex[:12]}"
            with precinct.database.write() as session:
                add_gis_login(session, operator("test"), name, f"{role}-{scope}")
            try:
                with precinct.database.read() as session:
                    session.execute(text(f"SET SESSION AUTHORIZATION gis_{name}"))
                    for asked, cells in rows("Views for QGIS"):
                        view = asked.strip("`")
                        nothing: Any = set() if isinstance(VIEWED[view, scope], set) else 0
                        expected = VIEWED[view, scope] if cells[role] == "own" else nothing
                        assert viewed(session, view) == expected, (role, scope, view)
                    with pytest.raises(Denied):
                        session.execute(text("SELECT FROM officer"))
            finally:
                with precinct.database.write() as session:
                    drop_gis_login(session, operator("test"), name)


def viewed(session: Session, view: str) -> Any:
    """Return the codes that a view shows; of what has none, how many."""
    if view in {"gis_grids", "gis_units"}:
        return set(session.scalars(text(f"SELECT code FROM {view}")))
    return session.scalar(text(f"SELECT count(*) FROM {view}"))


def ask(precinct: Precinct, client: TestClient, asked: str, name: str) -> int:
    """Ask as a principal for a row of the table, and return the status."""
    route, subject = re.fullmatch(r"`([^`]+)`(?: \((.*)\))?", asked).groups()  # type: ignore[union-attr]
    verb, path = route.split(" ")
    names = {**NAMES, "subject": subject or NAMES["subject"]}
    if "{job_id" in path:
        with precinct.database.write() as session:
            names["job_id"] = str(jobs.enqueue(session, "nothing", {}, actor=name, now=now()))
    path = re.sub(r"\{(\w+)[^}]*\}", lambda match: names[match[1]], path)
    headers = {"Authorization": f"Bearer {precinct.tokens[name]}"}
    return client.request(verb, path, headers=headers, **BODIES.get(route, {})).status_code  # type: ignore[arg-type]
