"""The rules of the house, checked: one commit, no SQL in faces, routes and settings that are documented."""

import re
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.errors import ANYWHERE, PROBLEM
from spatial.db import Database, make_engine
from spatial.settings import ROOT, Settings

SNAPSHOT = Path(__file__).parent / "openapi.json"
PRODUCT = ("api", "maps", "spatial")
MAY_IMPORT_GEOMETRY = {"api/shapes.py": "writes a shape as GeoJSON"}


def sources(*folders: str) -> dict[str, str]:
    """Return the Python files below some folders, by path."""
    files = (file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Return the service over a database that is never asked."""
    return create_app(Database(make_engine("postgresql:///nowhere")), Settings())


def test_only_one_place_commits() -> None:
    """`commit(` stands once in the product: in spatial/db.py."""
    places = [path for path, text in sources(*PRODUCT, "fixtures").items() for _ in re.finditer(r"\.commit\(", text)]
    assert places == ["spatial/db.py"]


def test_faces_hold_no_sql_and_no_geometry() -> None:
    """Neither api nor maps speak SQL, and api touches no coordinates: the few files that import a library say why."""
    sql = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b.*\b(FROM|SET|VALUES|INTO)\b|sqlalchemy.*\btext\b")
    assert [path for path, text in sources("api", "maps").items() if sql.search(text)] == []
    maths = re.compile(r"^\s*(?:import|from) (?:numpy|shapely|scipy|pyproj|numba)\b", re.MULTILINE)
    assert {path for path, text in sources("api").items() if maths.search(text)} == MAY_IMPORT_GEOMETRY.keys()


def test_nothing_reads_the_planted_truth() -> None:
    """What the generator planted is for tests: no part of the product reads it."""
    reading = [
        path
        for path, text in sources(*PRODUCT).items()
        if re.search(r"truth(\.json|_file)|import .*\btruth\b", text)
        and path != "api/serving.py"  # says where to write it
    ]
    assert reading == []


def test_every_route_is_documented(app: FastAPI) -> None:
    """Every operation has a summary, a description, declared errors, and words on each parameter."""
    lacking = []
    for path, operations in app.openapi()["paths"].items():
        for verb, operation in operations.items():
            if not operation.get("summary") or not operation.get("description"):
                lacking.append(f"{verb} {path}: words")
            lacking += [
                f"{verb} {path}: {one['name']}" for one in operation.get("parameters", ()) if not one.get("description")
            ]
            declared = set(operation["responses"])
            if not {str(status) for status in ANYWHERE} <= declared:
                lacking.append(f"{verb} {path}: errors {sorted(declared)}")
    assert lacking == []


def test_errors_are_declared_as_problems_and_as_nothing_else(app: FastAPI) -> None:
    """What the contract says of an error is a problem; pages of signing in say some themselves, `/ready` names checks.

    A 422 is not among them, which FastAPI would answer and we do not, but of edits that would tear a tiling; whatever
    has a body may be too large or slow.
    """
    told: set[tuple[str, str]] = set()
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            errors = {status: one["content"] for status, one in operation["responses"].items() if int(status) >= 400}
            assert "422" not in errors or path == "/plans/{plan_id}/ops", path
            assert "requestBody" not in operation or {"408", "413", "415"} <= errors.keys(), path
            assert all(PROBLEM in content for content in errors.values()), path
            told |= {(path, kind) for content in errors.values() for kind in content.keys() - {PROBLEM}}
    pages = ("/sign-in", "/sign-in/oidc", "/sign-in/oidc/return")
    assert told == {("/ready", "application/json"), *((path, "text/html") for path in pages)}


def test_the_contract_changes_on_purpose_only(app: FastAPI) -> None:
    """The OpenAPI document equals its snapshot; write it anew with `python -m tests.snapshot` when it is meant."""
    assert orjson.loads(SNAPSHOT.read_bytes()) == orjson.loads(orjson.dumps(app.openapi()))


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_every_setting_is_in_the_readme(readme: str) -> None:
    """Each TWINGRID_* setting stands in the README, in both languages."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    missing = [name for name in Settings.model_fields if f"TWINGRID_{name.upper()}" not in text]
    assert missing == []
