"""What is asked of the overlaps of two layers: over HTTP, at the command line, as files; by those who see a part."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from sqlalchemy import text
from starlette.testclient import TestClient

from api.app import create_app
from spatial.db import Database
from spatial.geometry import area_m2
from spatial.history import Moment
from spatial.overlaps.model import Counted, Matrix, Piece, Side, Thresholds
from spatial.overlaps.overlaps import Overlaps
from spatial.overlaps.rules import embedded, relations, snaps
from spatial.postgresql import API
from spatial.settings import Settings
from spatial.time import Period
from tests.access_world import NOON, Precinct
from tests.build import CELL, LAT, LON, T0, World, build, cell
from tests.conftest import City

THEN = {"at": NOON.isoformat()}
YEAR = Period(T0 - timedelta(days=365), T0 + timedelta(days=365))
MEANT = Thresholds()


@pytest.fixture
def client(precinct: Precinct, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of the service, which logs in with the service's rights."""
    served = precinct.database.as_login(API)
    app = create_app(served, Settings(language="en", data_dir=tmp_path))
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client
    served.engine.dispose()


def ask(client: TestClient, precinct: Precinct, path: str, who: str = "viewer-whole", **params: Any) -> Any:
    """Return what somebody is answered."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    return client.get(path, params={**THEN, **params}, headers=headers)


def test_a_pair_is_told_with_what_lies_in_it(precinct: Precinct, client: TestClient) -> None:
    """Grid A and grid X are the same square, with one address and one incident."""
    told = ask(client, precinct, "/overlaps", layer="police", **{"with": "other"}).json()["items"]
    assert [(one["grid"]["code"], one["other"]["code"]) for one in told] == [("A", "X")]
    size = area_m2(np.array([cell(0, 0)], object))[0]
    assert told[0]["area_m2"] == pytest.approx(size, abs=0.01)
    assert (told[0]["share"], told[0]["other_share"], told[0]["misfit_m"]) == (1.0, 1.0, 0.0)
    assert told[0]["counted"]["addresses"] == 1
    assert told[0]["counted"]["incidents"] == 1
    turned = ask(client, precinct, "/overlaps", layer="other", **{"with": "police"}).json()["items"]
    assert [(one["grid"]["code"], one["other"]["code"], one["counted"]) for one in turned] == [
        ("X", "A", told[0]["counted"])
    ]
    feature = ask(client, precinct, "/grids/police/A/overlaps").json()["features"][0]
    assert shapely.equals(shapely.geometry.shape(feature["geometry"]), cell(0, 0))
    assert feature["properties"] == told[0]


def test_relations_are_told_of_ones_own_grids_alone(precinct: Precinct, client: TestClient) -> None:
    """A station's viewer is not told how the neighbours' grids lie, of which they see a part."""
    both = [
        ask(client, precinct, "/overlaps/relations", who).json()["items"] for who in ("viewer-whole", "viewer-unit")
    ]
    everybody, own = ({one["grid"]["code"]: one["relation"] for one in rows} for rows in both)
    assert everybody == {"A": "aligned", "B": "orphan", "C": "orphan", "D": "orphan", "E": "orphan"}
    assert own == {"A": "aligned", "B": "orphan"}


@pytest.fixture
def cut(precinct: Precinct) -> Precinct:
    """Return the stations with seven grids of the other layer beside X, each across two or three police grids."""
    places = {"K1": (0.6, 1), "K2": (1.45, 1), "K3": (0.2, 0.3), "K4": (2.3, 1), "K5": (0.1, 0.5), "K6": (9.5, 1)}

    def fill(world: World) -> None:
        for n, (code, (column, width)) in enumerate(places.items(), start=1):
            south = LAT + n * CELL / 8
            strip = shapely.box(LON + column * CELL, south, LON + (column + width) * CELL, south + CELL / 8)
            shape = shapely.MultiPolygon([shapely.transform(strip, lambda xy: np.round(xy, 9))])
            world.grid(precinct.ids["other"], code, shape, precinct.ids["S3" if code == "K6" else "S1"])

    build(precinct.database, fill)
    return precinct


LISTS = ("/overlaps", "/overlaps/relations", "/overlaps/units", "/overlaps/snaps")


@pytest.mark.parametrize("path", LISTS)
def test_lists_come_in_pages(cut: Precinct, client: TestClient, path: str) -> None:
    """Every row once, in order, whatever the size of a page."""
    whole = ask(client, cut, path, limit=1000).json()["items"]
    assert len(whole) > 1
    for limit in (1, 2):
        paged, cursor = [], {}
        while True:
            page = ask(client, cut, path, limit=limit, **cursor).json()
            paged += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert paged == whole
    refused = ask(client, cut, path, cursor="bm90IGEga2V5")
    assert refused.status_code == 400


def test_proposals_are_ranked_by_what_they_move(cut: Precinct, client: TestClient) -> None:
    """The largest first; and each names both sides of the border that cuts the grid."""
    told = ask(client, cut, "/overlaps/snaps").json()["items"]
    assert [(one["other"]["code"], one["to"], one["moves"][0]["from"]) for one in told] == [
        ("K2", "B", "C"),
        ("K1", "B", "A"),
        ("K4", "C", "D"),
    ]
    areas = [one["area_m2"] for one in told]
    assert areas == sorted(areas, reverse=True)


def test_who_sees_a_part_is_told_of_what_is_seen_whole(cut: Precinct, client: TestClient) -> None:
    """A station's viewer is told no price of what neighbours hold a part of, and counts of nobody else's pieces."""
    own = ask(client, cut, "/overlaps/snaps", "viewer-unit").json()["items"]
    assert {one["other"]["code"] for one in own} == {"K1"}
    units = ask(client, cut, "/overlaps/units", "viewer-unit").json()["items"]
    assert {one["unit"] for one in units} <= {"S1", "S2"}
    pieces = ask(client, cut, "/overlaps", "viewer-unit").json()["items"]
    everything = ask(client, cut, "/overlaps").json()["items"]
    assert {(one["grid"]["code"], one["other"]["code"]) for one in pieces} < {
        (one["grid"]["code"], one["other"]["code"]) for one in everything
    }


@pytest.mark.parametrize(
    ("path", "params", "status", "fault"),
    [
        ("/overlaps", {"layer": "nope"}, 404, "nope"),
        ("/overlaps", {"layer": "police", "with": "police"}, 400, "itself"),
        ("/overlaps", {"code": "nope"}, 404, "nope"),
        ("/overlaps", {"start": "2025-03-03T00:00:00Z", "end": "2025-03-02T00:00:00Z"}, 400, "end"),
        ("/overlaps", {"start": "1990-03-03T00:00:00Z", "end": "2025-03-02T00:00:00Z"}, 400, "end"),
        ("/overlaps/cells", {"layer": "police", "with": "other"}, 400, "built"),
        ("/overlaps/snaps", {"weigh": "people"}, 400, "weigh"),
        ("/overlaps", {"unit": "nope"}, 404, "nope"),
        ("/overlaps/file", {"what": "units", "unit": "S1"}, 400, "unit"),
        ("/overlaps/file", {"what": "pieces", "weigh": "area"}, 400, "weigh"),
        ("/overlaps/file", {"format": "pdf"}, 400, "format"),
    ],
)
def test_what_cannot_be_told_is_refused(
    precinct: Precinct, client: TestClient, path: str, params: dict[str, str], status: int, fault: str
) -> None:
    """With a word that names it."""
    refused = ask(client, precinct, path, "planner-whole", **params)
    assert refused.status_code == status, refused.text
    assert fault in refused.text


def test_files_hold_what_the_list_says(precinct: Precinct, client: TestClient, tmp_path: Path) -> None:
    """In every format; and who took them is on record."""
    told = ask(client, precinct, "/overlaps").json()["items"]
    plain = ask(client, precinct, "/overlaps/file", "planner-whole")
    rows = list(csv.DictReader(io.StringIO(plain.text.removeprefix("\ufeff"))))
    assert [(one["grid_code"], one["other_code"], float(one["area_m2"])) for one in rows] == [
        (one["grid"]["code"], one["other"]["code"], one["area_m2"]) for one in told
    ]
    for fmt in ("geojson", "gpkg", "xlsx"):
        answer = ask(client, precinct, "/overlaps/file", "planner-whole", format=fmt)
        path = tmp_path / f"overlaps.{fmt}"
        path.write_bytes(answer.content)
        read = pyogrio.read_dataframe(path)
        assert list(read["area_m2"]) == [one["area_m2"] for one in told]
        if fmt != "xlsx":
            assert shapely.equals(read.geometry[0], cell(0, 0))
    with precinct.database.read() as session:
        found = session.scalars(
            text("SELECT detail ->> 'format' FROM audit WHERE action = 'export-overlaps' ORDER BY id")
        )
        assert found.all() == ["csv", "geojson", "gpkg", "xlsx"]
    assert ask(client, precinct, "/overlaps/file", "planner-unit").status_code == 403
    nothing = ask(client, precinct, "/overlaps/file", "planner-whole", what="snaps").text
    assert nothing.removeprefix("\ufeff").startswith("other_code,other_name,other_unit")


def square(code: str, size: float = 100.0) -> Side:
    """Return a grid of 10,000 m²."""
    return Side(hash(code), hash(code) % 2**31, code, code, None, size * size)


def piece(left: Side, right: Side, area: float, width: float = 50.0) -> Piece:
    """Return a piece of a mean width."""
    return Piece(left, right, area, area / width, area / width, 0.0)


A, B, C, K, L, M = (square(code) for code in "ABCKLM")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], ("orphan", ())),
        ([piece(A, K, 10_000)], ("aligned", ("K",))),
        ([piece(A, K, 9_999.5), piece(A, L, 0.5), piece(B, L, 9_999.5)], ("aligned", ("K",))),
        ([piece(A, K, 10_000), piece(B, K, 10_000)], ("contained", ("K",))),
        ([piece(A, K, 9_000), piece(A, L, 1_000), piece(B, L, 9_000)], ("split", ("K", "L"))),
        ([piece(A, K, 6_000)], ("split", ("K",))),
        (
            [piece(A, K, 9_900), piece(A, L, 100, width=1.9), piece(B, K, 100, width=1.9), piece(B, L, 9_900)],
            ("aligned", ("K",)),
        ),
    ],
)
def test_how_a_grid_lies(pieces: list[Piece], expected: tuple[str, tuple[str, ...]]) -> None:
    """Slivers do not count; part of nothing is a division, too."""
    found = relations(Matrix((A, B), (K, L), tuple(pieces)), MEANT)[0]
    assert (found.kind, found.others) == expected


def test_a_proposal_names_its_price() -> None:
    """The grid that has most keeps the cell, by what is asked for; slivers move along but propose nothing."""
    pieces = (piece(A, K, 7_000), piece(B, K, 3_000), piece(A, L, 9_999.5), piece(B, L, 0.5))
    counts = {
        (A.grid_id, K.grid_id): Counted(1, 10, 3, 30.0),
        (B.grid_id, K.grid_id): Counted(5, 90, 1, 10.0),
    }
    matrix, officers = Matrix((A, B), (K, L), pieces), {A.grid_id: {1, 2}, B.grid_id: {2, 3}}
    by_area = snaps(matrix, counts, officers, MEANT)
    assert [(one.grid.code, one.to.code, one.area_m2, one.officers) for one in by_area] == [("K", "A", 3_000, 3)]
    assert by_area[0].counted == counts[B.grid_id, K.grid_id]
    by_homes = snaps(matrix, counts, officers, MEANT, lambda _, counted: counted.dwellings)
    assert [(one.to.code, one.area_m2) for one in by_homes] == [("B", 7_000)]


def test_cells_that_are_not_whole_are_named() -> None:
    """Split, elsewhere, uncovered, of no grid; and nothing is said of those that are as they should be."""
    pieces = (piece(A, K, 6_000), piece(B, K, 4_000), piece(B, L, 10_000), piece(A, M, 10_000), piece(A, C, 10_000))
    free = square("F")
    belongs = {K.grid_id: A.grid_id, L.grid_id: A.grid_id, M.grid_id: A.grid_id, free.grid_id: B.grid_id}
    found = embedded(Matrix((A, B), (C, free, K, L, M), pieces), belongs, MEANT)
    assert [(one.cell.code, one.kind, one.area_m2) for one in found] == [
        ("C", "homeless", 10_000),
        ("F", "uncovered", 10_000),
        ("K", "split", 4_000),
        ("L", "elsewhere", 10_000),
    ]


def test_the_town_is_built_of_whole_cells(town: Database) -> None:
    """Its police grids are the unions of the governance grids that belong to them, on record and on the ground."""
    with town.read() as session:
        found = Overlaps(session, Moment(T0 + timedelta(days=2)), MEANT)
        assert found.layer.code == "police"
        assert found.embedded() == []
        assert {one.kind for one in found.relations()} == {"aligned"}
        assert found.snaps(found.counts(YEAR), "area") == []


def test_counts_are_those_of_postgis(town: Database) -> None:
    """Each address and incident once, in the grids that own its place."""
    counted = text("""
        SELECT (SELECT min(v.grid_id) FROM grid_version v JOIN layer l ON l.id = v.layer_id AND l.code = 'police'
                WHERE v.valid @> :at AND upper_inf(v.recorded) AND ST_Covers(v.geom, p.point)
                GROUP BY v.code ORDER BY v.code LIMIT 1) AS left,
               (SELECT min(v.grid_id) FROM grid_version v JOIN layer l ON l.id = v.layer_id AND l.code = 'governance'
                WHERE v.valid @> :at AND upper_inf(v.recorded) AND ST_Covers(v.geom, p.point)
                GROUP BY v.code ORDER BY v.code LIMIT 1) AS right, count(*)
        FROM (SELECT point FROM incident WHERE upper_inf(recorded) AND at >= :start AND at < :end) p GROUP BY 1, 2
    """)
    at = T0 + timedelta(days=2)
    with town.read() as session:
        found = Overlaps(session, Moment(at), MEANT).counts(YEAR)
        rows = session.execute(counted, {"at": at, "start": YEAR.start, "end": YEAR.end}).all()
        addresses = session.execute(text("SELECT count(*), sum(dwellings) FROM address")).one()
    expected = {(row.left, row.right): row.count for row in rows if row.left and row.right}
    assert {pair: one.incidents for pair, one in found.items() if one.incidents} == expected
    whole = sum(found.values(), Counted())
    assert (whole.addresses, whole.dwellings) == (addresses[0], addresses[1])


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 2])
def test_the_cuts_of_a_city_are_found_and_nothing_else(city_of: Callable[[int], City], seed: int) -> None:
    """Every governance grid that was planned to be cut by police borders is proposed, with those who share it."""
    database, truth = city_of(seed)
    with database.read() as session:
        found = Overlaps(session, Moment(T0 + timedelta(days=2)), MEANT)
        proposed = {
            one.grid.code: {one.to.code, *(move.piece.left.code for move in one.moves)}
            for one in found.snaps({}, "area")
        }
        split = {
            one.grid.code
            for one in Overlaps(session, found.moment, MEANT, "governance", "police").relations()
            if one.kind == "split"
        }
    planted = {cut["governance"]: set(cut["police"]) for cut in truth["cuts"]}
    assert {code: grids for code, grids in proposed.items() if code in planted} == planted
    assert split == set(proposed)
    exclaves = {one["governance"] for one in truth["exclaves"]}  # whose parts lie apart
    overlaps = {code for fault in truth["faults"] if fault["kind"] == "overlap" for code in fault["governance"]}
    assert set(proposed) - set(planted) <= exclaves | overlaps


def test_the_command_line_tells_the_same(
    town: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As a table, as JSON and as a file."""
    from api.cli import main
    from spatial.settings import settings

    monkeypatch.setenv("TWINGRID_DATABASE_URL", town.engine.url.render_as_string(hide_password=False))
    at = ("--at", (T0 + timedelta(days=2)).isoformat(), "--lang", "en")

    def said(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["twingrid", "overlaps", *words, *at])
        settings.cache_clear()
        with pytest.raises(SystemExit):
            main()
        settings.cache_clear()
        return capsys.readouterr().out

    whole = json.loads(said("relations", "--json"))
    assert f"rows: {len(whole)}" in said()
    pieces = json.loads(said("pieces", "--code", whole[0]["grid"]["code"], "--json"))
    assert {one["other"]["code"] for one in pieces} == set(whole[0]["others"])
    said("pieces", "-o", str(tmp_path / "p.geojson"))
    features = json.loads((tmp_path / "p.geojson").read_text())["features"]
    assert len(features) == sum(len(one["others"]) for one in whole)
    assert json.loads(said("cells", "--json")) == []
