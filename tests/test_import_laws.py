"""What imports and exports promise whatever is drawn, killed or typed."""

import csv
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from spatial import audit
from spatial.db import Database
from spatial.errors import Busy
from spatial.grids import queries
from spatial.history import Moment
from spatial.imports.grids.service import export_layer
from spatial.imports.read import read_file
from spatial.imports.write import FORMATS, kind_of
from spatial.lookup import stored
from spatial.lookup.model import Question
from spatial.settings import ROOT
from tests.command_line import run_verb
from tests.importing import (
    ACTOR,
    FOUR,
    SETTINGS,
    START,
    SUMMER,
    Write,
    counts,
    everything,
    geojson_file,
    in_force,
    rows,
    take,
    told,
)
from tests.test_tiling import in_degrees, jittered
from tests.waiting import wait_until


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of GeoJSON files."""
    return partial(geojson_file, tmp_path)


# Laws ----------------------------------------------------------------------------------------------------------------

DRAWN = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize("fmt", FORMATS)
@settings(DRAWN, max_examples=2)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.sampled_from(["EPSG:4490", "EPSG:4548", "EPSG:32650"]),
)
def test_import_of_export(empty_database: Database, write: Write, fmt: str, seed: int, n: int, crs: str) -> None:
    """import(export(x)) = x, in every format and system, down to the stored bytes."""
    layer = f"layer{seed}-{n}-{fmt}"
    source = write(
        in_degrees(jittered(seed, n, drop=0.5, noise_m=0.002)),
        code=[f"G{number}" for number in range(n * n)],
        name=[f"第{number}格 “’,;\\" for number in range(n * n)],
    )
    take(empty_database, source, layer=layer, name="name")
    before = everything(empty_database)
    stored = in_force(empty_database, layer=layer)
    target = source.parent / f"x{FORMATS[fmt][0]}"
    chosen = "EPSG:4490" if fmt == "geojson" else crs
    export_layer(empty_database, ACTOR, layer, Moment(SUMMER), target, fmt, crs=chosen, settings=SETTINGS)
    how: dict[str, Any] = {"name": "name", "unit": "unit", "grid_kind": "kind"}
    if fmt in {"csv", "xlsx"}:  # which say neither where the shapes are nor in which system
        how |= {"geometry": "geometry", "source_crs": chosen}
    plan = take(empty_database, target, layer=layer, effective=SUMMER, **how)
    assert counts(plan) == {"same": n * n}
    elsewhere = take(empty_database, target, layer=f"{layer}-copy", **how)
    assert counts(elsewhere) == {"new": n * n}
    assert in_force(empty_database, layer=f"{layer}-copy") == stored
    assert everything(empty_database)[2] == before[2] + n * n


@DRAWN
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), min_size=1, max_size=5))
def test_history(empty_database: Database, write: Write, seed: int, changes: list[tuple[int, int]]) -> None:
    """Whatever is imported from whenever on, versions never overlap and every old answer can be had again."""
    layer = f"layer{seed}-{len(changes)}"
    take(empty_database, write(in_degrees(jittered(seed, 2, drop=0, noise_m=0))), layer=layer)
    asked = [START + timedelta(days=day) for day in (0, 50, 100, 150, 250)]
    remembered = []
    for other, day in changes:
        known = rows(empty_database, "SELECT clock_timestamp()")[0][0]
        remembered.append((known, [in_force(empty_database, at, layer=layer) for at in asked]))
        shapes = in_degrees(jittered(other, 2, drop=0, noise_m=0))
        take(empty_database, write(shapes), layer=layer, effective=START + timedelta(days=day))
    for known, answers in remembered:
        assert [in_force(empty_database, at, known, layer) for at in asked] == answers
    overlapping = """SELECT count(*) FROM grid_version a JOIN grid_version b ON a.grid_id = b.grid_id AND a.id < b.id
                     WHERE a.valid && b.valid AND a.recorded && b.recorded"""
    assert rows(empty_database, overlapping) == [(0,)]


@DRAWN
@given(st.integers(0, 2**32), st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), min_size=20))
def test_one_owner(empty_database: Database, write: Write, seed: int, places: list[tuple[float, float]]) -> None:
    """In PostGIS too, a place inside a tiling has one owner: one grid around it, or the smallest that touch it."""
    layer = f"owner{seed}-{len(places)}"
    take(empty_database, write(in_degrees(jittered(seed, 3, drop=0.5, noise_m=0.001))), layer=layer)
    with empty_database.read() as session:
        found = queries.find_layer(session, layer)
        assert found is not None
        states = queries.records_in_force(session, found.id, SUMMER)
        whole = shapely.coverage_union_all(queries.shapes_of(states))
        west, south, east, north = whole.bounds
        for x, y in places:
            point = shapely.Point(west + x * (east - west), south + y * (north - south))
            touching = session.scalars(
                text(
                    "SELECT code FROM grid_version WHERE layer_id = :layer AND upper_inf(recorded)"
                    " AND ST_Intersects(geom, ST_GeomFromText(:point, 4490))"
                ),
                {"layer": found.id, "point": shapely.to_wkt(point, rounding_precision=17)},
            ).all()
            inside = [state.code for state in states if shapely.contains_properly(state.shape, point)]
            if shapely.contains_properly(whole, point):
                assert inside == touching or (not inside and len(touching) > 1)


# Out, and what happens when something breaks -------------------------------------------------------------------------


def test_export_is_whole_or_not_there(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """An export that fails leaves the old file; what it writes is RFC 7946 with 9 decimals; each is audited."""
    long_name = "长" * 100
    take(empty_database, write(FOUR, code=list("ABCD"), name=[long_name] * 4), name="name")
    for name, fmt in (("out.zip", "shp"), ("out.geojson", "geojson")):
        target = tmp_path / name
        target.write_text("old", encoding="utf-8")

        def export(target: Path = target, fmt: str = fmt) -> int:
            return export_layer(
                empty_database, ACTOR, "police", Moment(SUMMER), target, fmt, crs="EPSG:4490", settings=SETTINGS
            )

        if fmt == "shp":
            assert {text for _, text in told(export)} == {"text-too-long-for-shapefile"}
            assert target.read_text(encoding="utf-8") == "old"
        else:
            assert export() == 4
            document = json.loads(target.read_bytes())
            assert "crs" not in document
            ring = document["features"][0]["geometry"]["coordinates"][0][0]
            assert shapely.is_ccw(shapely.LinearRing(ring))
            assert all(round(number, 9) == number for xy in ring for number in xy)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grids.geojson", "out.geojson", "out.zip"]
    assert rows(empty_database, "SELECT count(*) FROM audit WHERE action = 'export-grids'") == [(1,)]


def test_no_export_without_audit(
    empty_database: Database, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the audit cannot be written there is no file, nor a trace of it, and the old one stays."""
    take(empty_database, write(FOUR))

    def broken(*_: Any) -> None:
        raise Busy("database-busy")

    target = tmp_path / "out.geojson"
    monkeypatch.setattr(audit, "record", broken)
    for old in (None, "old"):
        if old:
            target.write_text(old, encoding="utf-8")
        with pytest.raises(Busy):
            export_layer(
                empty_database, ACTOR, "police", Moment(SUMMER), target, "geojson", crs="EPSG:4490", settings=SETTINGS
            )
        assert (target.read_text(encoding="utf-8") if target.exists() else None) == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grids.geojson", "out.geojson"]


IMPORT_AND_WAIT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from spatial.access import operator
from spatial.db import Database, make_engine
from spatial.imports.grids.model import Columns, NewLayer, Request
from spatial.imports.read import read_file
from spatial.imports.grids.service import commit_import
from spatial.settings import Settings
layer = NewLayer({"zh-CN": "a", "en": "a"})
request = Request("police", Columns({"code": "code"}), datetime(2025, 1, 1, tzinfo=UTC), new_layer=layer)
commit_import(Database(make_engine(sys.argv[1])), operator("test"), read_file(Path(sys.argv[2])), request, Settings())
"""


def test_killed_half_way(empty_database: Database, write: Write) -> None:
    """An import killed after it wrote its grids, before it committed, leaves nothing; the next one works."""
    file = write(in_degrees(jittered(5, 6, drop=0.2, noise_m=0)))
    before = everything(empty_database)
    url = empty_database.engine.url.render_as_string(hide_password=False)
    with empty_database.engine.connect() as blocker:
        blocker.execute(text("SELECT pg_advisory_xact_lock(domain_lock('audit'))"))  # the last thing an import takes
        process = subprocess.Popen([sys.executable, "-c", IMPORT_AND_WAIT, url, str(file)], cwd=ROOT)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: rows(empty_database, waiting) == [(1,)])
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    wait_until(lambda: rows(empty_database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)])
    assert everything(empty_database) == before
    assert counts(take(empty_database, file)) == {"new": 36}


def twingrid(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a database, in English."""
    url = database.engine.url.render_as_string(hide_password=False)
    env = {**os.environ, "TWINGRID_DATABASE_URL": url, "TWINGRID_LANGUAGE": "en", "COLUMNS": "200"}
    return run_verb(*arguments, env=env)


@pytest.mark.proof
def test_command_line(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """The command line tells a plan, writes with --commit only, exports, and leaves with 2 on bad input."""
    file = write(FOUR, code=list("ABCD"), name=["甲", "乙", "丙", "丁"])
    verb = ("import", "grids", str(file), "--layer", "police", "--name", "name", "--create-layer")
    dry = twingrid(empty_database, *verb, "--json")
    assert (dry.returncode, json.loads(dry.stdout)["counts"]["new"]) == (0, 4)
    assert in_force(empty_database) == {}
    done = twingrid(empty_database, *verb, "--commit", "--effective", "2025-01-01T00:00:00+08:00")
    assert (done.returncode, "Written." in done.stdout) == (0, True), done.stderr
    assert len(in_force(empty_database)) == 4
    out = twingrid(empty_database, "export", "grids", "--layer", "police", "-o", str(tmp_path / "out.gpkg"))
    assert (out.returncode, len(read_file(tmp_path / "out.gpkg"))) == (0, 4), out.stderr
    bad = twingrid(empty_database, *verb, "--unit", "nobody", "--commit")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "nobody" in bad.stderr
    saved = tmp_path / "mapping.toml"
    saved.write_text('drop = ["name"]\n[columns]\ncode = "code"\n', encoding="utf-8")
    mapped = twingrid(
        empty_database, "import", "grids", str(file), "--layer", "police", "--mapping", str(saved), "--json"
    )
    assert json.loads(mapped.stdout)["dropped_columns"] == ["name"], mapped.stderr
    naive = twingrid(empty_database, *verb, "--effective", "2025-01-01")
    assert (naive.returncode, "effective" in naive.stderr) == (2, True)


def test_a_dry_run_leaves_as_writing_would(empty_database: Database, tmp_path: Path) -> None:
    """A guessed encoding is shown with what it gives, and refused, by the dry run as by --commit."""
    file = tmp_path / "grids.csv"
    lines = [f'{code},泉山区,"{shape.wkt}"' for code, shape in zip("ABCD", FOUR, strict=True)]
    file.write_text("\n".join(["code,name,geometry", *lines, ""]), encoding="gb18030")
    verb = ("import", "grids", str(file), "--layer", "police", "--create-layer", "--geometry", "geometry")
    dry = twingrid(empty_database, *verb, "--source-crs", "EPSG:4490", "--json")
    said = json.loads(dry.stdout)
    assert (dry.returncode, said["counts"]["new"], said["encoding"]["declared"]) == (2, 4, False)
    done = twingrid(empty_database, *verb, "--source-crs", "EPSG:4490", "--commit")
    assert (done.returncode, done.stdout) == (2, "")
    assert dry.stderr == done.stderr


def test_all_faults_of_grids_are_written(empty_database: Database, write: Write, tmp_path: Path) -> None:
    """The terminal tells the first faults and how many more there are; --faults has every one, by row and column."""
    kinds = ["regular", *(f"odd {number}" for number in range(300)), "=cmd"]
    file = write([FOUR[0]] * 302, code=[f"G{number}" for number in range(302)], kind=kinds)
    table = tmp_path / "faults.csv"
    verb = ("import", "grids", str(file), "--layer", "police", "--create-layer", "--grid-kind", "kind")
    told = twingrid(empty_database, *verb, "--faults", str(table))
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 201
    assert "101 more faults" in told.stderr
    rows = list(csv.reader(table.read_text("utf-8-sig").splitlines()))
    assert [row[:2] for row in rows] == [["row", "column"], *([str(number), "kind"] for number in range(2, 303))]
    alone = write(FOUR)
    assert twingrid(empty_database, *verb[:2], str(alone), *verb[3:-2], "--faults", str(table)).returncode == 0
    assert len(table.read_text("utf-8-sig").splitlines()) == 1


@pytest.mark.parametrize(
    ("layer", "asked", "first"),
    [
        ("police", (), "own-officer"),
        ("sectors", ("--chain", "governance"), "own-worker"),
        ("sectors", (), None),
        ("police", ("--chain", "none"), None),
    ],
)
def test_a_layer_that_is_made_gets_its_chain(
    empty_database: Database, write: Write, layer: str, asked: tuple[str, ...], first: str | None
) -> None:
    """A layer comes with the standard chain that its code or --chain names, as the dry run tells."""
    verb = ("import", "grids", str(write(FOUR)), "--layer", layer, "--create-layer", *asked)
    told_chain = twingrid(empty_database, *verb).stdout
    assert ("Chain of response:" in told_chain, "No chain" in told_chain) == (first is not None, first is None)
    assert twingrid(empty_database, *verb, "--commit").returncode == 0
    chain = "SELECT key FROM response_step WHERE upper_inf(recorded) ORDER BY position LIMIT 1"
    assert rows(empty_database, chain) == ([(first,)] if first else [])
    known_since = (
        "SELECT count(*) FROM response_step WHERE lower(recorded) <> (SELECT recorded_at FROM dataset_version)"
    )
    assert rows(empty_database, known_since) == [(0,)]
    with empty_database.read() as session:
        answer = stored.answer(session, Question(117.2837, 34.2024, datetime.now(UTC)))
    assert [len(one.response.steps) if one.response else 0 for one in answer.layers] == [8 if first else 0]


def test_an_integer_too_large_for_a_column_is_exported_as_text() -> None:
    """A kept number beyond 64 bits does not stop an export: its column is one of texts."""
    assert kind_of([2**63 + 5, 1, None]) == "text"
    assert kind_of([2**63 - 1, 1, None]) == "integer"
