"""Everything known to be wrong as one list: over HTTP, as files, by those who see all, a part, or no rosters."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from geoalchemy2.shape import from_shape
from sqlalchemy import insert, text, update

from api.app import create_app
from spatial.db import Database
from spatial.findings.findings import Findings, Wanted
from spatial.findings.model import Limits
from spatial.history import Moment
from spatial.postgresql import API
from spatial.settings import Settings
from spatial.tables import SRID, Address, GridCell, Layer
from spatial.time import now
from tests.access_world import NOON, Precinct
from tests.build import CELL, LAT, LON, World, build, cell, middle, point

Seen = set[tuple[str, tuple[str, ...], tuple[str, ...]]]


@pytest.fixture
def client(precinct: Precinct, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of the service, which logs in with the service's rights."""
    served = precinct.database.as_login(API)
    app = create_app(served, Settings(language="en", data_dir=tmp_path, most_dwellings={"police": 30, "other": 1}))
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client
    served.engine.dispose()


def ask(
    client: TestClient, precinct: Precinct, path: str = "/findings", who: str = "viewer-whole", **params: Any
) -> Any:
    """Return what somebody is answered at noon."""
    headers = {"Authorization": f"Bearer {precinct.tokens[who]}"}
    return client.get(path, params={"at": NOON.isoformat(), **params}, headers=headers)


def seen(reply: Any) -> Seen:
    """Return the findings of an answer: kind, grids, officers."""
    assert reply.status_code == 200, reply.text
    told = [one["properties"] for one in reply.json()["features"]]
    return {(one["kind"], tuple(one["grids"]), tuple(one["officers"])) for one in told}


OF_S1 = {
    ("gap", ("A",), ()),
    ("nobody", ("B",), ()),
    ("nobody", ("X",), ()),
    ("no-grid", (), ("011",)),
    ("orphan", ("B",), ()),
}
OF_OTHERS = {
    ("gap", ("C",), ()),
    ("gap", ("E",), ()),
    ("nobody", ("D",), ()),
    ("no-grid", (), ("012",)),
    ("no-grid", (), ("013",)),
    *(("orphan", (code,), ()) for code in "CDE"),
}


def test_one_list_holds_shapes_people_and_networks(precinct: Precinct, client: TestClient) -> None:
    """The worst first, each with its unit, since when, and a place: its own, or one inside of its grid."""
    reply = ask(client, precinct)
    assert seen(reply) == OF_S1 | OF_OTHERS
    told = [one["properties"] for one in reply.json()["features"]]
    ranks = ["fault", "warning", "info"]
    assert [ranks.index(one["severity"]) for one in told] == sorted(ranks.index(one["severity"]) for one in told)
    nobody = next(one for one in told if one["grids"] == ["B"] and one["kind"] == "nobody")
    assert (nobody["owners"], nobody["check"], nobody["acknowledged"]) == (["S1"], "roster", None)
    assert shapely.contains(cell(1, 0), shapely.Point(nobody["lon"], nobody["lat"]))
    gap = next(one for one in told if one["grids"] == ["A"] and one["kind"] == "gap")
    assert gap["stands"]["start"] == gap["since"] < gap["known_since"]
    orphan = next(one for one in told if one["grids"] == ["E"] and one["kind"] == "orphan")
    assert (orphan["other_layer"], orphan["severity"]) == ("other", "warning")
    assert orphan["area_m2"] == pytest.approx(10_680, rel=0.01)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"unit": "S1"}, OF_S1),
        ({"unit": "B"}, OF_S1 | OF_OTHERS),
        ({"layer": "other"}, {("nobody", ("X",), ())}),
        ({"kind": "gap"}, {("gap", (code,), ()) for code in "ACE"}),
        ({"severity": "info"}, {("no-grid", (), (f"01{n}",)) for n in (1, 2, 3)}),
        ({"check": "alignment"}, {("orphan", (code,), ()) for code in "BCDE"}),
        ({"check": "codes"}, set()),
        ({"check": "tiling", "kind": "nobody"}, set()),
        ({"acknowledged": "yes"}, set()),
        ({"check": "roster", "unit": "S3"}, {("no-grid", (), ("013",))}),
    ],
)
def test_a_list_is_narrowed(precinct: Precinct, client: TestClient, params: dict[str, str], expected: Seen) -> None:
    """By unit with all below it, layer, kind, severity, check, and by whether somebody knows of it."""
    assert seen(ask(client, precinct, **params)) == expected


def test_who_sees_a_part_is_told_of_that_part(precinct: Precinct, client: TestClient) -> None:
    """A station's own, and nothing of its neighbours; who sees one layer, that layer; an analyst, no rosters."""
    assert seen(ask(client, precinct, who="viewer-unit")) == OF_S1
    assert seen(ask(client, precinct, who="duty_officer-unit", check="roster")) == {
        one for one in OF_S1 if one[0] in {"nobody", "no-grid"}
    }
    of_layer = {one for one in OF_S1 | OF_OTHERS if one[0] != "orphan" and one[1] != ("X",)}
    assert seen(ask(client, precinct, who="viewer-layer")) == of_layer
    shapes = {one for one in OF_S1 | OF_OTHERS if one[0] in {"gap", "orphan"}}
    assert seen(ask(client, precinct, who="analyst-whole")) == shapes
    refused = ask(client, precinct, who="analyst-whole", check="roster")
    assert refused.status_code == 403
    assert "duty_officer" in refused.text


def test_what_is_not_seen_has_no_key(precinct: Precinct, client: TestClient) -> None:
    """A finding of another station, or of a roster for an analyst, is answered as one that never was."""
    keys = {
        (one["properties"]["kind"], *one["properties"]["grids"]): one["id"]
        for one in ask(client, precinct).json()["features"]
    }
    for who, finding in (
        ("viewer-unit", ("gap", "E")),
        ("viewer-unit", ("nobody", "D")),
        ("analyst-whole", ("nobody", "B")),
    ):
        hidden = ask(client, precinct, f"/findings/{keys[finding]}", who)
        never = ask(client, precinct, f"/findings/{'0' * 32}", who)
        assert hidden.status_code == never.status_code == 404
        assert hidden.text.replace(keys[finding], "") == never.text.replace("0" * 32, "")
    own = ask(client, precinct, f"/findings/{keys['nobody', 'B']}", "viewer-unit").json()
    assert (own["properties"]["grids"], own["properties"]["repair"]) == (["B"], None)


def test_somebody_of_two_roles_is_told_no_roster_beyond_their_units(precinct: Precinct, client: TestClient) -> None:
    """An analyst of the whole who is a viewer of one station reads areas everywhere, and rosters of that one alone."""
    with precinct.database.write() as session:
        session.execute(
            text("""UPDATE role_grant SET principal_id = (SELECT id FROM principal WHERE name = 'analyst-whole')
                    WHERE principal_id = (SELECT id FROM principal WHERE name = 'viewer-unit')""")
        )
    assert {one[0] for one in seen(ask(client, precinct, who="analyst-whole"))} == {"gap", "orphan"}


def test_lists_come_in_pages(precinct: Precinct, client: TestClient) -> None:
    """Every row once, in order, whatever the size of a page; a key says nothing of a row's number."""
    whole = ask(client, precinct, limit=1000).json()["features"]
    assert len({one["id"] for one in whole}) == len(whole) == len(OF_S1 | OF_OTHERS)
    assert all(len(one["id"]) == 32 for one in whole)
    for limit in (1, 5):
        paged, cursor = [], {}
        while True:
            page = ask(client, precinct, limit=limit, **cursor).json()
            paged += page["features"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert paged == whole


@pytest.mark.parametrize(
    ("path", "params", "status", "fault"),
    [
        ("/findings", {"layer": "nope"}, 404, "nope"),
        ("/findings", {"unit": "nope"}, 404, "nope"),
        ("/findings", {"kind": "hole"}, 400, "kind"),
        ("/findings", {"check": "all"}, 400, "check"),
        ("/findings", {"acknowledged": "maybe"}, 400, "acknowledged"),
        ("/findings/17", {}, 400, "key"),
        ("/findings/file", {"format": "pdf"}, 400, "format"),
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
    """In every format; who took them is on record, and who sees a part may not."""
    told = [one["properties"] for one in ask(client, precinct, unit="S1").json()["features"]]
    plain = ask(client, precinct, "/findings/file", "planner-whole", unit="S1")
    rows = list(csv.DictReader(io.StringIO(plain.text.removeprefix("\ufeff"))))
    assert [(one["key"], one["kind"], one["owners"]) for one in rows] == [
        (one["key"], one["kind"], ";".join(one["owners"])) for one in told
    ]
    for fmt in ("geojson", "gpkg", "xlsx"):
        answer = ask(client, precinct, "/findings/file", "planner-whole", unit="S1", format=fmt)
        path = tmp_path / f"findings.{fmt}"
        path.write_bytes(answer.content)
        assert list(pyogrio.read_dataframe(path)["key"]) == [one["key"] for one in told]
    with precinct.database.read() as session:
        found = session.execute(
            text(
                "SELECT detail ->> 'format', detail ->> 'unit' FROM audit WHERE action = 'export-findings' ORDER BY id"
            )
        )
        assert found.all() == [(fmt, "S1") for fmt in ("csv", "geojson", "gpkg", "xlsx")]
    assert ask(client, precinct, "/findings/file", "planner-unit").status_code == 403
    assert ask(client, precinct, "/findings/file", "analyst-whole").status_code == 403


def test_grids_with_too_many_dwellings_are_told(precinct: Precinct, client: TestClient) -> None:
    """More than the setting of their layer allows; a house on a border counts for the grid that owns the border."""

    def number(world: World) -> None:
        house = from_shape(point(*middle(1, 0)), srid=SRID)
        world.session.execute(insert(Address).values(code="H-B", text="tower", point=house, dwellings=30))
        border = from_shape(point(round(LON + CELL, 9), LAT + CELL / 2), srid=SRID)
        world.session.execute(insert(Address).values(code="H-AB", text="between", point=border, dwellings=30))

    build(precinct.database, number)
    told = ask(client, precinct, check="dwellings").json()["features"]
    assert [(one["properties"]["layer"], one["properties"]["grids"], one["properties"]["detail"]) for one in told] == [
        ("other", ["X"], {"dwellings": 31, "most": 1}),
        ("police", ["A"], {"dwellings": 31, "most": 30}),
    ]


@pytest.fixture
def search(precinct: Precinct) -> Precinct:
    """Return the stations with a search whose sectors are within police grids, across two, and partly beyond."""

    def fill(world: World) -> None:
        layer = world.layer("search", "free", position=3)
        world.session.execute(update(Layer).where(Layer.id == layer).values(parent_layer_id=precinct.ids["police"]))
        world.grid(layer, "in", cell(0, 0), precinct.ids["S1"])
        world.grid(layer, "across", cell(0, 0, width=2), precinct.ids["S1"])
        world.grid(layer, "beyond", cell(3, 0, width=2), precinct.ids["S2"])

    build(precinct.database, fill)
    return precinct


def test_areas_beyond_the_layer_above_are_told(search: Precinct, client: TestClient) -> None:
    """Also of a free layer: what lies outside, with its place and size, and what lies in several grids."""
    told = ask(client, search, check="parent").json()["features"]
    assert [(one["properties"]["kind"], one["properties"]["grids"], one["properties"]["others"]) for one in told] == [
        ("outside-parent", ["beyond"], []),
        ("across-parents", ["across"], ["A", "B"]),
    ]
    outside = shapely.geometry.shape(told[0]["geometry"])
    assert shapely.equals(outside, cell(4, 0))
    assert told[0]["properties"]["area_m2"] == pytest.approx(10_680, rel=0.01)
    own = ask(client, search, check="parent", who="viewer-unit").json()["features"]
    assert [one["properties"]["grids"] for one in own] == [["across"]]


def test_cells_that_are_not_whole_are_told(precinct: Precinct, client: TestClient) -> None:
    """In embed mode a grid is a union of cells: a cell that lies half beside its grid is a warning."""

    def fill(world: World) -> None:
        cells = world.layer("cells", position=3)
        world.session.execute(update(Layer).where(Layer.id == precinct.ids["police"]).values(built_from_id=cells))
        times = {"valid": world.valid, "recorded": world._recorded("areas"), "layer_id": precinct.ids["police"]}
        for code, column, width, grid in (("1", 0, 1, "A"), ("2", 1, 2, "B")):
            made = world.grid(cells, code, cell(column, 0, width=width), precinct.ids["S1"])
            row = {"cell_id": made, "grid_id": precinct.ids[grid], **times}
            world.session.execute(insert(GridCell).values(**row))

    build(precinct.database, fill)
    told = ask(client, precinct, check="alignment", kind="cell-not-whole").json()["features"]
    assert [(one["properties"]["grids"], one["properties"]["others"], one["properties"]["detail"]) for one in told] == [
        (["B", "C"], ["2"], {"fault": "split"})
    ]
    assert told[0]["properties"]["owners"] == ["S1", "S2"]
    assert told[0]["properties"]["severity"] == "warning"


def test_a_list_is_of_its_instant(precinct: Precinct, client: TestClient) -> None:
    """Before the grids were, and before the system knew of them, nothing was wrong."""
    assert seen(ask(client, precinct, at="2020-01-01T00:00:00Z")) == set()
    assert seen(ask(client, precinct, known_at="2024-01-01T00:00:00Z")) == set()


def test_keys_stay_as_long_as_a_finding_does(town: Database) -> None:
    """Looked for twice, from records or afresh, a finding has one key; no two have the same."""
    limits = Limits(most_dwellings={"governance": 500})
    with town.read() as session:
        once, again = (Findings(session, Moment(now()), limits, afresh=True).found(Wanted()) for _ in range(2))
    assert [one.key for one in once] == [one.key for one in again]
    assert len({one.key for one in once}) == len(once) > 0
